//! The files that the daemon serves to browsers, through the engine: what is at which path, and that a browser which
//! has a file is not sent it again.
//!
//! Not here: the rest of HTTP (`http.rs`); what browsers make of the files (`tests/interop/`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use barewire::EngineConfig;
use barewire::app::Router;
use common::http::{Answer, head, request};
use common::{GOOD, World, upgrade};

const CLIENT: &str = include_str!("../src/app/web/barewire-client.js");

/// What else there is for browsers.
const CONSOLE: [(&str, &str, &str); 6] = [
    ("/", "text/html; charset=utf-8", include_str!("../src/app/web/console.html")),
    ("/console.css", "text/css; charset=utf-8", include_str!("../src/app/web/console.css")),
    ("/console.js", "text/javascript; charset=utf-8", include_str!("../src/app/web/console.js")),
    ("/console-messages.js", "text/javascript; charset=utf-8", include_str!("../src/app/web/console-messages.js")),
    ("/console-plot.js", "text/javascript; charset=utf-8", include_str!("../src/app/web/console-plot.js")),
    ("/console.svg", "image/svg+xml", include_str!("../src/app/web/console.svg")),
];

/// The answer of the daemon to one request, and its body.
fn ask(request: &str) -> (Answer, String) {
    ask_of(World::daemon(EngineConfig::default()), request)
}

fn ask_of(mut world: World, request: &str) -> (Answer, String) {
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
fn the_console_is_there_with_what_guards_it() {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri \
                  'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types \
                  'none'";
    for (path, content_type, text) in CONSOLE {
        let (answer, body) = ask(&request(&format!("GET {path} HTTP/1.1"), ""));
        assert_eq!((answer.status, body), (200, text.replace("{path}", "/ws")), "{path}");
        for (name, value) in [
            ("Content-Type", content_type),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-cache"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let (told, body) = ask(&request(&format!("HEAD {path} HTTP/1.1"), ""));
        assert_eq!((told, body.as_str()), (answer, ""), "{path}");
        let (answer, _) = ask(&request(&format!("POST {path} HTTP/1.1"), ""));
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")), "{path}");
    }
}

#[test]
fn without_the_page_none_of_its_files_is_there_and_health_is() {
    let without = || World { router: Some(Router::default()), ..World::daemon(EngineConfig::default()) };
    for path in CONSOLE.map(|(path, ..)| path).into_iter().chain(["/client.js"]) {
        for method in ["GET", "HEAD", "POST"] {
            let (answer, _) = ask_of(without(), &request(&format!("{method} {path} HTTP/1.1"), ""));
            assert_eq!((answer.status, answer.header("Content-Security-Policy")), (404, None), "{method} {path}");
        }
    }
    assert_eq!(ask_of(without(), &request("GET /health HTTP/1.1", "")).0.status, 200);
}

#[test]
fn where_every_path_upgrades_a_request_is_answered_by_a_file_and_an_upgrade_is_one() {
    let anywhere = || World::daemon(EngineConfig { path: String::new(), ..EngineConfig::default() });
    for path in ["/", "/client.js", "/console.js"] {
        assert_eq!(ask_of(anywhere(), &request(&format!("GET {path} HTTP/1.1"), "")).0.status, 200, "{path}");
        let there = upgrade(GOOD).replace("GET /ws ", &format!("GET {path} "));
        let mut world = anywhere();
        let id = world.connect();
        world.input(id, there.as_bytes());
        let answer = String::from_utf8_lossy(&world.take(id)).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{path}: {answer}");
    }
    // The page says where to connect to: nowhere in particular.
    let (_, page) = ask_of(anywhere(), &request("GET / HTTP/1.1", ""));
    assert!(page.contains("data-path=\"\""));
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
