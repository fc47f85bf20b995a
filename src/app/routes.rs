//! What plain HTTP requests are answered.
//!
//! Not here: the upgrade, and refusals of bad heads (`engine/session/head.rs`); files (`app/web.rs`).

use super::web::Site;
use crate::wire::http::{RequestHead, Response};

/// The answer to a request that is no upgrade. Files are there only where there is a site.
pub(super) fn answer(head: &RequestHead, site: Option<&Site>) -> Response {
    let asks_to_read = matches!(head.method(), "GET" | "HEAD");
    match (head.path(), site.and_then(|site| site.asset(head.path()))) {
        ("/health", _) if asks_to_read => Response::json(200, r#"{"status":"ok"}"#),
        (_, Some(asset)) if asks_to_read => asset.answer(head),
        ("/health", _) | (_, Some(_)) => Response::text(405, "Method Not Allowed").with_header("Allow", "GET, HEAD"),
        (_, None) => Response::text(404, "Not Found"),
    }
}
