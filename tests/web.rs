//! The files that the daemon serves to browsers, through the engine: what is at which path, and that a browser which
//! has a file is not sent it again.
//!
//! Not here: the rest of HTTP (`http.rs`); what browsers make of the files (`tests/interop/`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use barewire::EngineConfig;
use common::World;
use common::http::{Answer, head, request};

const CLIENT: &str = include_str!("../src/app/web/barewire-client.js");

/// The answer of the daemon to one request, and its body.
fn ask(request: &str) -> (Answer, String) {
    let mut world = World::daemon(EngineConfig::default());
    let id = world.connect();
    world.input(id, request.as_bytes());
    let text = world.text(id);
    let (answer, body) = head(&text);
    (answer, body.to_owned())
}

#[test]
fn the_client_is_there_for_whoever_reads() {
    let (answer, body) = ask(&request("GET /client.js?v=1 HTTP/1.1", ""));
    assert_eq!((answer.status, body.as_str()), (200, CLIENT));
    for (name, value) in [
        ("Content-Type", "text/javascript; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-cache"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    for method in ["POST", "get", "OPTIONS"] {
        let (answer, _) = ask(&request(&format!("{method} /client.js HTTP/1.1"), ""));
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")), "{method}");
    }
    for path in ["/client.js/", "/Client.js", "//client.js", "/client%2ejs", "/barewire-client.js"] {
        assert_eq!(ask(&request(&format!("GET {path} HTTP/1.1"), "")).0.status, 404, "{path}");
    }
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    let tell = |method: &str, known: &str| {
        let header = format!("If-None-Match: {known}\r\n");
        let (answer, body) = ask(&request(&format!("{method} /client.js HTTP/1.1"), &header));
        (answer.status, answer.header("ETag").map(str::to_owned), body)
    };
    let (status, tag, body) = tell("GET", "\"0\"");
    let tag = tag.unwrap();
    assert_eq!((status, body.as_str()), (200, CLIENT));
    for method in ["GET", "HEAD"] {
        let two_lines = format!("\"0\"\r\nIf-None-Match: {tag}");
        for known in [&tag, "*", &format!("W/{tag}"), &format!("\"0\",  {tag}"), &two_lines] {
            assert_eq!(tell(method, known), (304, Some(tag.clone()), String::new()), "{method} {known}");
        }
        for other in ["\"\"", "w/*", tag.trim_matches('"'), &format!("{tag}0"), &format!("W/ {tag}")] {
            assert_eq!(tell(method, other).0, 200, "{method} {other}");
        }
    }
}
