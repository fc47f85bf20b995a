//! What plain HTTP requests are answered.
//!
//! Not here: the upgrade, and refusals of bad heads (`engine/session/head.rs`); files (`app/web.rs`).

use super::web;
use crate::wire::http::{RequestHead, Response};

/// The answer to a request that is no upgrade.
pub(super) fn answer(head: &RequestHead) -> Response {
    let asks_to_read = matches!(head.method(), "GET" | "HEAD");
    match (head.path(), web::asset(head.path())) {
        ("/health", _) if asks_to_read => Response::json(200, r#"{"status":"ok"}"#),
        (_, Some(asset)) if asks_to_read => asset.answer(head),
        ("/health", _) | (_, Some(_)) => Response::text(405, "Method Not Allowed").with_header("Allow", "GET, HEAD"),
        (_, None) => Response::text(404, "Not Found"),
    }
}
