//! A 101 in order, and each way in which one is not.
//!
//! Not here: heads in disorder (`../response_head.rs`).

use super::*;
use crate::limits::Limits;

/// The key of RFC 6455, section 1.3.
fn key() -> UpgradeKey {
    UpgradeKey::new(*b"the sample nonce")
}

const GOOD: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// A good answer, but for the lines that begin as one of `lines` does, up to a colon or a slash, which replace them. A
/// line that ends so removes.
fn answer(lines: &[&str]) -> String {
    let name = |line: &str| line.split([':', '/']).next().unwrap().to_ascii_lowercase();
    let first = lines.iter().find(|line| name(line) == "http").unwrap_or(&GOOD[0]);
    let kept = GOOD[1..].iter().filter(|own| !lines.iter().any(|line| name(line) == name(own)));
    let added = lines.iter().filter(|line| name(line) != "http" && !line.ends_with(':'));
    kept.chain(added).fold(format!("{first}\r\n"), |answer, line| answer + line + "\r\n") + "\r\n"
}

fn judged(lines: &[&str], offers: &[&str]) -> Result<Switched, String> {
    let head = ResponseHead::parse(answer(lines).as_bytes(), &Limits::default()).unwrap();
    let offers: Vec<String> = offers.iter().map(|&offer| offer.into()).collect();
    check_switch(&head, &key(), &offers)
}

#[test]
fn the_key_and_what_is_due_for_it_are_those_of_the_rfc() {
    assert_eq!(key().text(), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(key().accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(format!("{:?}", key()), "UpgradeKey(..)");
}

#[test]
fn an_answer_in_order_switches_however_it_is_written() {
    let none = Switched { protocol: None, extensions: Vec::new() };
    for lines in [
        &[][..],
        &["HTTP/1.1 101"],
        &["HTTP/1.1 101 Whatever"],
        &["Upgrade: WebSocket"],
        &["upgrade: h2c, WEBSOCKET"],
        &["Upgrade: h2c", "Upgrade:websocket "],
        &["Connection: keep-alive,\tupgrade"],
        &["connection: keep-alive", "CONNECTION: UPGRADE"],
        &["SEC-WEBSOCKET-ACCEPT:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\t"],
        &["Content-Length: 7", "Transfer-Encoding: chunked"],
        &["Server: x", "Set-Cookie: a=b", "Set-Cookie: c=d"],
    ] {
        assert_eq!(judged(lines, &["json"]), Ok(none.clone()), "{lines:?}");
    }
}

#[test]
fn what_is_chosen_of_the_offers_is_told() {
    let switched = judged(&["Sec-WebSocket-Protocol: b"], &["a", "b"]).unwrap();
    assert_eq!(switched.protocol.as_deref(), Some("b"));
    let switched = judged(&["Sec-WebSocket-Extensions: x;a=1 , y"], &[]).unwrap();
    assert_eq!(switched.extensions.iter().map(Extension::name).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn each_fault_is_a_sentence_of_its_own_that_repeats_nothing() {
    let items = |count: usize| format!("Sec-WebSocket-Extensions: s3cr3t{}", ", s3cr3t".repeat(count - 1));
    let parameters = |count: usize| format!("Sec-WebSocket-Extensions: s3cr3t{}", "; s3cr3t".repeat(count));
    assert!(judged(&[&items(LIST_ITEMS)], &[]).is_ok() && judged(&[&parameters(LIST_ITEMS)], &[]).is_ok());
    let (items, parameters) = (items(LIST_ITEMS + 1), parameters(LIST_ITEMS + 1));
    let accept = GOOD[3];
    let table: &[(&[&str], &str)] = &[
        (&["HTTP/1.1 200 s3cr3t"], "is 200, not 101"),
        (&["HTTP/1.1 100 s3cr3t"], "is 100, not 101"),
        (&["HTTP/1.1 403 s3cr3t"], "is 403, not 101"),
        (&["HTTP/1.0 101 s3cr3t"], "HTTP/1.0"),
        (&["Upgrade:"], "websocket in Upgrade"),
        (&["Upgrade: s3cr3t"], "websocket in Upgrade"),
        (&["Upgrade: websockets"], "websocket in Upgrade"),
        (&["Upgrade: websocket/13"], "websocket in Upgrade"),
        (&["Upgrade: web socket"], "websocket in Upgrade"),
        (&["Connection:"], "upgrade in Connection"),
        (&["Connection: close, s3cr3t"], "upgrade in Connection"),
        (&["Connection: upgraded"], "upgrade in Connection"),
        (&["Sec-WebSocket-Accept:"], "no Sec-WebSocket-Accept"),
        (&["Sec-WebSocket-Accept: "], "not due for our key"),
        (&["Sec-WebSocket-Accept: s3cr3t"], "not due for our key"),
        (&["Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="], "not due for our key"),
        (&["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo"], "not due for our key"),
        (&["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, a"], "not due for our key"),
        (&[accept, accept], "more than one Sec-WebSocket-Accept"),
        (&[accept, "Sec-WebSocket-Accept: s3cr3t"], "more than one Sec-WebSocket-Accept"),
        (&["Sec-WebSocket-Protocol: s3cr3t"], "a subprotocol that was not offered"),
        (&["Sec-WebSocket-Protocol: JSON"], "a subprotocol that was not offered"),
        (&["Sec-WebSocket-Protocol: json, other"], "a subprotocol that was not offered"),
        (&["Sec-WebSocket-Protocol: "], "a subprotocol that was not offered"),
        (&["Sec-WebSocket-Protocol: json", "Sec-WebSocket-Protocol: other"], "more than one Sec-WebSocket-Protocol"),
        (&["Sec-WebSocket-Protocol: json", "Sec-WebSocket-Protocol: json"], "more than one Sec-WebSocket-Protocol"),
        (&["Sec-WebSocket-Extensions: s3cr3t; ="], "malformed Sec-WebSocket-Extensions"),
        (&["Sec-WebSocket-Extensions: "], "Sec-WebSocket-Extensions without any"),
        (&["Sec-WebSocket-Extensions: , ,"], "Sec-WebSocket-Extensions without any"),
        (&["Sec-WebSocket-Extensions: x", "Sec-WebSocket-Extensions: y"], "more than one Sec-WebSocket-Extensions"),
        (&[&items], "more than 32 items"),
        (&[&parameters], "more than 32 items"),
    ];
    for (lines, expected) in table {
        let line = judged(lines, &["json", "other"]).unwrap_err();
        assert!(line.contains(expected) && !line.contains("s3cr3t"), "{lines:?}: {line}");
    }
    let line = judged(&["Sec-WebSocket-Protocol: json"], &[]).unwrap_err();
    assert!(line.contains("not offered"), "{line}");
}
