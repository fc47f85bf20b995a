//! What plain HTTP requests are answered.
//!
//! Not here: the upgrade, and refusals of bad heads (`engine/session/head.rs`).

use crate::wire::http::{RequestHead, Response};

/// The answer to a request that is no upgrade.
pub(super) fn answer(head: &RequestHead) -> Response {
    match (head.path(), head.method()) {
        ("/health", "GET" | "HEAD") => Response::json(200, r#"{"status":"ok"}"#),
        ("/health", _) => Response::text(405, "Method Not Allowed").with_header("Allow", "GET, HEAD"),
        _ => Response::text(404, "Not Found"),
    }
}
