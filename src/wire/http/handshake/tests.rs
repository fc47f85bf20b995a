//! Requests as they go out, what cannot, and what is said of that.
//!
//! Not here: answers (`../response_head.rs`, `../switch.rs`).

use super::*;
use crate::limits::Limits;
use crate::wire::http::{HeadScanner, RequestHead, Route, route};

/// The key of RFC 6455, section 1.3.
fn key() -> UpgradeKey {
    UpgradeKey::new(*b"the sample nonce")
}

fn request() -> UpgradeRequest {
    UpgradeRequest {
        authority: "a.example:8080".into(),
        target: "/ws?a=b".into(),
        protocols: vec!["json".into(), "b.c.d".into()],
        headers: vec![("Authorization".into(), "Basic s3cr3t".into()), ("Origin".into(), "http://a.example".into())],
    }
}

fn encoded(request: &UpgradeRequest, extensions: Option<&str>) -> String {
    let mut out = b"before".to_vec();
    request.encode(&key(), extensions, &mut out);
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

#[test]
fn a_request_goes_out_as_the_rfc_has_it() {
    let head = "GET /ws?a=b HTTP/1.1\r\nHost: a.example:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let offers = "Sec-WebSocket-Protocol: json, b.c.d\r\n";
    let own = "Authorization: Basic s3cr3t\r\nOrigin: http://a.example\r\n";
    let extensions = "Sec-WebSocket-Extensions: x; y=1\r\n";
    assert_eq!(encoded(&request(), None), format!("{head}{offers}{own}\r\n"));
    assert_eq!(encoded(&request(), Some("x; y=1")), format!("{head}{offers}{extensions}{own}\r\n"));
    let bare = UpgradeRequest { protocols: Vec::new(), headers: Vec::new(), ..request() };
    assert_eq!(encoded(&bare, None), format!("{head}\r\n"));
}

#[test]
fn a_server_here_takes_it_and_reads_the_same() {
    let bytes = encoded(&request(), Some("permessage-deflate; client_max_window_bits"));
    let limits = Limits::default();
    assert_eq!(HeadScanner::default().scan(bytes.as_bytes(), &limits), Ok(Some(bytes.len())));
    let head = RequestHead::parse(bytes.as_bytes(), &limits).unwrap();
    assert_eq!((head.host(), head.target()), (Some("a.example:8080"), "/ws?a=b"));
    assert_eq!(head.header("authorization"), Some(&b"Basic s3cr3t"[..]));
    let Route::Upgrade(upgrade) = route(&head, "/ws") else { panic!("{head:?}") };
    assert_eq!((upgrade.accept(), upgrade.protocols()), (key().accept().as_str(), &request().protocols[..]));
    assert_eq!(upgrade.extensions().len(), 1);
}

type Change = fn(&mut UpgradeRequest);

fn header(request: &mut UpgradeRequest, name: &str, value: &str) {
    request.headers.push((name.into(), value.into()));
}

#[test]
fn what_could_forge_a_line_or_is_the_handshakes_own_is_refused_and_nothing_of_it_is_written() {
    let table: &[(Change, &str)] = &[
        (|r| r.authority = "".into(), "UpgradeRequest::authority = \"\"; allowed: host or host:port"),
        (|r| r.authority = "a\r\nX: y".into(), "UpgradeRequest::authority = \"a\\r\\nX: y\""),
        (|r| r.authority = "a b".into(), "UpgradeRequest::authority"),
        (|r| r.authority = "u:s3cr3t@a".into(), "UpgradeRequest::authority = \"a\""),
        (|r| r.authority = "a/b".into(), "UpgradeRequest::authority"),
        (|r| r.target = "".into(), "UpgradeRequest::target = \"\"; allowed: a path"),
        (|r| r.target = "ws".into(), "UpgradeRequest::target = \"ws\""),
        (|r| r.target = "http://a/".into(), "UpgradeRequest::target"),
        (|r| r.target = "*".into(), "UpgradeRequest::target"),
        (|r| r.target = "/ HTTP/1.1\r\nX: y".into(), "UpgradeRequest::target"),
        (|r| r.target = "/a b?s3cr3t".into(), "UpgradeRequest::target = \"/a b\""),
        (|r| r.target = "/a?s3cr3t b".into(), "UpgradeRequest::target = \"/a\""),
        (|r| r.target = "/a#s3cr3t".into(), "UpgradeRequest::target = \"/a\""),
        (|r| r.target = "/\u{e4}".into(), "UpgradeRequest::target"),
        (|r| r.target = "/%zz".into(), "UpgradeRequest::target"),
        (|r| r.protocols[1] = "".into(), "UpgradeRequest::protocols[1] is no token; allowed: "),
        (|r| r.protocols[1] = "s3cr3t, a".into(), "UpgradeRequest::protocols[1] is no token"),
        (|r| r.protocols[1] = "s3cr3t\r\nX: y".into(), "UpgradeRequest::protocols[1] is no token"),
        (|r| r.protocols[0] = "s3cr3t=".into(), "UpgradeRequest::protocols[0] is no token"),
        (|r| r.protocols.push("b.c.d".into()), "UpgradeRequest::protocols[2] comes twice"),
        (|r| header(r, "", "s3cr3t"), "the name of UpgradeRequest::headers[2] is no token"),
        (|r| header(r, "X: s3cr3t\r\nY", ""), "the name of UpgradeRequest::headers[2] is no token"),
        (|r| header(r, "X ", "s3cr3t"), "the name of UpgradeRequest::headers[2] is no token"),
        (|r| header(r, "X", "s3cr3t\r\nY: z"), "the value of X in UpgradeRequest::headers has a control character"),
        (|r| header(r, "X", "s3cr3t\n"), "the value of X"),
        (|r| header(r, "X", "s3cr3t\r"), "the value of X"),
        (|r| header(r, "X", "s3cr3t\0"), "the value of X"),
        (|r| header(r, "X", "s3cr3t\u{1b}"), "the value of X"),
        (|r| header(r, "X", "s3cr3t\u{7f}"), "the value of X"),
        (|r| header(r, "ORIGIN", "s3cr3t"), "UpgradeRequest::headers has ORIGIN twice"),
        (|r| header(r, "host", "s3cr3t"), "UpgradeRequest::headers has host, which the handshake writes itself"),
        (|r| header(r, "Upgrade", "s3cr3t"), "has Upgrade, which"),
        (|r| header(r, "CONNECTION", "s3cr3t"), "has CONNECTION, which"),
        (|r| header(r, "Sec-WebSocket-Key", "s3cr3t"), "has Sec-WebSocket-Key, which"),
        (|r| header(r, "sec-websocket-protocol", "s3cr3t"), "has sec-websocket-protocol, which"),
        (|r| header(r, "Sec-WebSocket-Extensions", "s3cr3t"), "has Sec-WebSocket-Extensions, which"),
        (|r| header(r, "Sec-WebSocket-Version", "s3cr3t"), "has Sec-WebSocket-Version, which"),
        (|r| header(r, "Content-Length", "0"), "has Content-Length, which"),
        (|r| header(r, "Transfer-Encoding", "s3cr3t"), "has Transfer-Encoding, which"),
        (|r| header(r, "Expect", "s3cr3t"), "has Expect, which"),
    ];
    assert_eq!(request().check(), Ok(()));
    for (place, (change, expected)) in table.iter().enumerate() {
        let mut request = request();
        change(&mut request);
        let line = request.check().unwrap_err();
        assert!(line.starts_with(expected) || line.contains(&format!(" {expected}")), "{place}: {line}");
        assert!(!line.contains("s3cr3t") && !line.contains(['\r', '\n']), "{place}: {line}");
        assert_eq!(encoded(&request, None), "", "{place}");
    }
    for extensions in ["x\r\nY: z", "x\n", "x\0", "\u{e4}"] {
        assert_eq!(encoded(&request(), Some(extensions)), "", "{extensions:?}");
    }
}

#[test]
fn what_is_odd_but_right_is_taken() {
    let table: &[Change] = &[
        |r| r.authority = "[::1]:80".into(),
        |r| r.authority = "a".into(),
        |r| r.target = "/".into(),
        |r| r.target = "//a/../%20?b=[c]|{d}".into(),
        |r| r.protocols.clear(),
        |r| r.headers.clear(),
        |r| header(r, "X", ""),
        |r| header(r, "X", "a\tb, \"c\" \u{fc}"),
        |r| header(r, "Sec-WebSocket", "a"),
        |r| header(r, "Sec-Fetch-Mode", "websocket"),
    ];
    for (place, change) in table.iter().enumerate() {
        let mut request = request();
        change(&mut request);
        assert_eq!(request.check(), Ok(()), "{place}");
        let bytes = encoded(&request, None);
        assert!(RequestHead::parse(bytes.as_bytes(), &Limits::default()).is_ok(), "{place}: {bytes}");
    }
}

#[test]
fn offers_headers_and_bytes_are_bounded_to_the_last() {
    let offers = |count: usize| (0..count).map(|place| format!("p{place}")).collect();
    let with = |count| UpgradeRequest { protocols: offers(count), ..request() }.check();
    assert_eq!(with(LIST_ITEMS), Ok(()));
    assert_eq!(with(LIST_ITEMS + 1), Err("33 UpgradeRequest::protocols; allowed: 32".into()));
    let headers = |count: usize| (0..count).map(|place| (format!("X-{place}"), String::new())).collect();
    let with = |count| UpgradeRequest { headers: headers(count), ..request() }.check();
    assert_eq!(with(HEADERS_MAX), Ok(()));
    assert_eq!(with(HEADERS_MAX + 1), Err("257 UpgradeRequest::headers; allowed: 256".into()));
    let of = |bytes: usize| {
        let headers = vec![("X".into(), "x".repeat(bytes - 3))];
        UpgradeRequest { authority: "a".into(), target: "/".into(), protocols: Vec::new(), headers }.check()
    };
    assert_eq!(of(UPGRADE_REQUEST_BYTES), Ok(()));
    assert_eq!(of(UPGRADE_REQUEST_BYTES + 1), Err("an UpgradeRequest of 65537 bytes of text; allowed: 65536".into()));
}

#[test]
fn every_byte_that_passes_into_a_value_leaves_the_head_as_many_lines() {
    let lines = encoded(&request(), None).matches("\r\n").count();
    for character in ('\0'..='\u{ff}').chain(['\u{85}', '\u{2028}']) {
        let mut request = request();
        header(&mut request, "X", &format!("a{character}b"));
        let text = encoded(&request, None);
        let is_refused = character.is_ascii_control() && character != '\t';
        assert_eq!(text.matches("\r\n").count(), if is_refused { 0 } else { lines + 1 }, "{character:?}");
        assert_eq!(text.matches(['\r', '\n']).count(), if is_refused { 0 } else { 2 * (lines + 1) }, "{character:?}");
    }
}

#[test]
fn no_credential_shows_in_debug_output() {
    let mut request = request();
    request.target = "/ws?token=s3cr3t".into();
    request.protocols = vec!["bearer.s3cr3t".into()];
    header(&mut request, "X: s3cr3t", "");
    let shown = format!("{request:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(
        shown.contains("a.example:8080") && shown.contains("\"/ws\"") && shown.contains("Authorization"),
        "{shown}"
    );
    request.authority = "u:s3cr3t@a".into();
    assert!(!format!("{request:?}").contains("s3cr3t"));
}
