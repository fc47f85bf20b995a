//! Limits, and what a head in order says of itself: its parts, its host, its end, its handshake.
//!
//! Not here: answers (`response.rs`), origins (`origin.rs`); heads in disorder, which `tests/odd_requests.rs` sends to
//! the whole engine.

use super::*;
use crate::limits::Limits;

const ENDPOINT: &str = "/ws";
/// What the tables call a request that is still incomplete, and one that is for the host's routes.
const INCOMPLETE: u16 = 0;
const ORDINARY: u16 = 200;

/// A refusal, or the length of the head and its route once the head is complete.
type Outcome = Result<Option<(usize, Route)>, Refusal>;

/// What becomes of `bytes`.
fn whole(bytes: &[u8]) -> Outcome {
    let limits = Limits::default();
    let Some(length) = HeadScanner::default().scan(bytes, &limits)? else { return Ok(None) };
    let head = RequestHead::parse(&bytes[..length], &limits)?;
    Ok(Some((length, route(&head, ENDPOINT))))
}

fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Ok(None) => INCOMPLETE,
        Ok(Some((_, Route::Request))) => ORDINARY,
        Ok(Some((_, Route::Upgrade(_)))) => 101,
        Ok(Some((_, Route::Refuse(refusal)))) | Err(refusal) => refusal.status(),
    }
}

fn parse(head: &str) -> RequestHead {
    RequestHead::parse(head.as_bytes(), &Limits::default()).unwrap()
}

fn upgrade_of(request: &str) -> Upgrade {
    match whole(request.as_bytes()) {
        Ok(Some((_, Route::Upgrade(upgrade)))) => upgrade,
        other => panic!("{request}: {other:?}"),
    }
}

const GOOD_HANDSHAKE: [&str; 5] = [
    "Host: a.example",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A good handshake, but for the lines that have the name of one of `lines`, which replace them. A line that is only
/// a name and a colon removes.
fn handshake(lines: &[&str]) -> String {
    let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
    let kept = GOOD_HANDSHAKE.iter().filter(|own| !lines.iter().any(|line| name(line) == name(own)));
    let added = lines.iter().filter(|line| !line.ends_with(':'));
    let mut request = String::from("GET /ws HTTP/1.1\r\n");
    kept.chain(added).for_each(|line| request.push_str(&format!("{line}\r\n")));
    request + "\r\n"
}

#[test]
fn what_can_never_become_a_head_is_refused_at_that_byte() {
    let table: [(&[u8], usize); 6] = [
        (b"\x16\x03\x01", 1),
        (b"\r\n\r\nGET", 3),
        (b"GET / HTTP/1.1\n", 15),
        (b"GET / HTTP/1.1\rX", 16),
        (b"GET /\0", 6),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b", 29),
    ];
    for (bytes, refused_at) in table {
        let first = (0..=bytes.len()).find(|&end| whole(&bytes[..end]).is_err());
        assert_eq!(first, Some(refused_at), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_head_may_have_exactly_head_bytes_with_its_blank_line() {
    let limits = Limits { head_bytes: 200, ..Limits::default() };
    let head = |length: usize, lead: &str| {
        let head = format!("{lead}GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let padding = "x".repeat(length - head.len() - 4);
        head + &padding + "\r\n\r\n"
    };
    for lead in ["", "\r\n"] {
        let (fits, exceeds) = (head(200, lead), head(201, lead));
        assert_eq!(HeadScanner::default().scan(fits.as_bytes(), &limits), Ok(Some(200)));
        assert!(RequestHead::parse(fits.as_bytes(), &limits).is_ok());
        for end in 0..=exceeds.len() {
            let result = HeadScanner::default().scan(&exceeds.as_bytes()[..end], &limits);
            let expected = if end < 200 { Ok(None) } else { Err(431) };
            assert_eq!(result.map_err(|refusal| refusal.status()), expected, "{end}");
        }
    }
}

#[test]
fn a_request_line_that_does_not_fit_alone_is_414() {
    let limits = Limits { head_bytes: 64, ..Limits::default() };
    for (line_bytes, expected) in [(63, 431), (64, 431), (65, 414), (66, 414), (200, 414)] {
        for lead in ["", "\r\n"] {
            let target = "x".repeat(line_bytes - lead.len() - "GET / HTTP/1.1\r\n".len());
            let request = format!("{lead}GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let refusal = HeadScanner::default().scan(request.as_bytes(), &limits).unwrap_err();
            assert_eq!(refusal.status(), expected, "{line_bytes}");
        }
    }
}

#[test]
fn a_scanner_is_ready_for_the_next_head() {
    let limits = Limits::default();
    let mut scanner = HeadScanner::default();
    let both = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    assert_eq!(scanner.scan(&both[..10], &limits), Ok(None));
    assert_eq!(scanner.scan(both, &limits), Ok(Some(28)));
    assert_eq!(scanner.scan(&both[28..], &limits), Ok(Some(19)));
}

#[test]
fn a_head_is_delimited_by_the_bytes_given() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for bytes in [&head[..head.len() - 1], &[head, &b"x"[..]].concat(), &[head, &head[..]].concat(), b""] {
        let refusal = RequestHead::parse(bytes, &Limits::default()).unwrap_err();
        assert_eq!(refusal.status(), 400);
    }
}

#[test]
fn the_parts_of_a_target_are_told_apart() {
    let table = [
        ("GET /a/b?c?d", "/a/b", Some("c?d")),
        ("GET /", "/", None),
        ("GET /?", "/", Some("")),
        ("GET //a", "//a", None),
        ("GET /a?u=http://b/c", "/a", Some("u=http://b/c")),
        ("GET /http://a/b", "/http://a/b", None),
        ("OPTIONS *", "*", None),
        ("GET http://h", "/", None),
        ("GET http://h?a", "/", Some("a")),
        ("GET http://h/?a", "/", Some("a")),
        ("GET HTTPS://H/ws?a=/b", "/ws", Some("a=/b")),
    ];
    for (line, path, query) in table {
        let head = parse(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!((head.path(), head.query()), (path, query), "{line}");
        assert_eq!(format!("{} {}", head.method(), head.target()), line);
    }
}

#[test]
fn headers_are_found_in_any_case_and_over_several_lines() {
    let head =
        parse("\r\nGET / HTTP/1.1\r\nHost: h:1\r\nX-List: a , b\r\nEmpty:\r\nx-LIST:\tc,,\r\nOdd: \u{e4}  \r\n\r\n");
    assert_eq!(head.header("x-list"), Some(&b"a , b"[..]));
    assert_eq!(head.values("X-LIST").collect::<Vec<_>>(), [&b"a , b"[..], b"c,,"]);
    assert_eq!(head.tokens("X-List").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert_eq!(head.header("empty"), Some(&b""[..]));
    assert_eq!(head.header("odd"), Some("\u{e4}".as_bytes()));
    assert_eq!(head.header("absent"), None);
    assert_eq!(head.headers().map(|(name, _)| name).collect::<Vec<_>>(), ["Host", "X-List", "Empty", "x-LIST", "Odd"]);
    assert_eq!((head.host(), head.version(), head.content_length()), (Some("h:1"), Version::Http11, 0));
}

#[test]
fn the_host_of_an_absolute_target_replaces_the_header() {
    let table = [
        ("GET / HTTP/1.1\r\nHost: h:1\r\n\r\n", Some("h:1")),
        ("GET http://a:2/ HTTP/1.1\r\nHost: h:1\r\n\r\n", Some("a:2")),
        ("GET https://A HTTP/1.1\r\nHost: h:1\r\n\r\n", Some("A")),
        ("GET http://a:2/ HTTP/1.0\r\n\r\n", Some("a:2")),
        ("GET /http://a:2/ HTTP/1.0\r\n\r\n", None),
    ];
    for (request, host) in table {
        assert_eq!(parse(request).host(), host, "{request}");
    }
}

#[test]
fn a_path_is_what_a_request_can_ask_for() {
    for path in ["/", "/ws", "//", "/a/b~%20;c=d", "/[]"] {
        assert!(is_path(path), "{path}");
    }
    for path in ["", "ws", "*", "http://a/", "/a?", "/a#", "/a b", "/a|b", "/%", "/%2", "/%zz", "/\u{e9}", "/\n"] {
        assert!(!is_path(path), "{path}");
    }
}

#[test]
fn keep_alive_follows_version_and_connection() {
    let table = [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: foo, CLOSE\r\n", false),
        ("1.1", "Connection: foo\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: foo\r\n", false),
    ];
    for (version, line, expected) in table {
        let head = parse(&format!("GET / HTTP/{version}\r\nHost: h\r\n{line}\r\n"));
        assert_eq!(head.keep_alive(), expected, "{version} {line}");
    }
}

#[test]
fn no_credential_shows_in_debug_output() {
    let request = handshake(&["Authorization: Basic c2VjcmV0", "Sec-WebSocket-Protocol: bearer.c2VjcmV0"]);
    let request = request.replace("/ws ", "/ws?token=c2VjcmV0 ");
    let head = parse(&request);
    let shown = format!("{head:?} {:?} {:?}", route(&head, ENDPOINT), upgrade_of(&request));
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
    assert!(shown.contains("/ws") && shown.contains("Authorization"), "{shown}");
}

#[test]
fn an_empty_endpoint_upgrades_on_every_path_and_refuses_none() {
    let table = [
        (handshake(&[]), 101),
        (handshake(&[]).replace("/ws", "/any/path"), 101),
        (handshake(&["Sec-WebSocket-Version: 8"]), 426),
        (handshake(&[]).replace("GET", "POST"), 405),
        ("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n".into(), ORDINARY),
        ("GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n".into(), ORDINARY),
        ("POST / HTTP/1.1\r\nHost: h\r\n\r\n".into(), ORDINARY),
    ];
    for (request, expected) in table {
        let outcome = Ok(Some((request.len(), route(&parse(&request), ""))));
        assert_eq!(status(&outcome), expected, "{request}");
    }
}

#[test]
fn refusals_carry_the_headers_that_say_what_would_be_right() {
    let refusal = |request: &str| match whole(request.as_bytes()) {
        Ok(Some((_, Route::Refuse(refusal)))) => refusal,
        other => panic!("{other:?}"),
    };
    for request in [handshake(&["Sec-WebSocket-Version: 8"]), "GET /ws HTTP/1.1\r\nHost: h\r\n\r\n".into()] {
        let refusal = refusal(&request);
        assert_eq!(refusal.header("Upgrade"), Some("websocket"));
        assert_eq!(refusal.header("Sec-WebSocket-Version"), Some("13"));
    }
    assert_eq!(refusal(&handshake(&[]).replace("GET", "PUT")).header("Allow"), Some("GET"));
}

#[test]
fn the_accept_key_is_that_of_the_rfc_and_the_offers_keep_their_order() {
    let upgrade = upgrade_of(&handshake(&["Sec-WebSocket-Protocol: b.c.d, a", "Sec-WebSocket-Protocol: json"]));
    assert_eq!(upgrade.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(upgrade.protocols(), ["b.c.d", "a", "json"]);
}

#[test]
fn the_101_names_the_chosen_protocol_and_nothing_forged() {
    let upgrade = upgrade_of(&handshake(&[]));
    let answer = |protocol, extension| {
        let mut out = Vec::new();
        switching_protocols(&upgrade, protocol, extension, &mut out);
        String::from_utf8(out).unwrap()
    };
    let written = |protocol| answer(protocol, None);
    let plain = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_eq!(written(None), format!("{plain}\r\n"));
    assert_eq!(written(Some("json")), format!("{plain}Sec-WebSocket-Protocol: json\r\n\r\n"));
    let extended = format!("{plain}Sec-WebSocket-Extensions: permessage-deflate; a=1\r\n\r\n");
    assert_eq!(answer(None, Some("permessage-deflate; a=1")), extended);
    for forged in ["a\r\nSet-Cookie: b", "a, b", "", "a b", "\u{e4}"] {
        assert_eq!(written(Some(forged)), format!("{plain}\r\n"), "{forged:?}");
    }
}

#[test]
fn the_largest_head_is_read_in_linear_time_however_it_drips_in() {
    // A million bytes, one at a time: quadratic work would be 5 * 10^11 steps.
    let limits = Limits { head_bytes: 1 << 20, ..Limits::default() };
    let bytes = [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'x'; limits.head_bytes]].concat();
    let mut scanner = HeadScanner::default();
    let refused_at = (0..bytes.len()).find(|&end| scanner.scan(&bytes[..end], &limits).is_err());
    assert_eq!(refused_at, Some(limits.head_bytes));
}
