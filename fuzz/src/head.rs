//! Request heads: where one ends, what it says, what it is answered.
//!
//! The first byte of the input chooses limits, endpoint, and the seed of the cuts; the rest is what a peer sends.
//!
//! Not here: what follows an upgrade (`frames.rs`).

use barewire::auth::NoAuth;
use barewire::limits::{BODY_BYTES, HEAD_BYTES_MAX, HEADERS_MAX, LIST_ITEMS};
use barewire::wire::http::{HeadScanner, Origins, Refusal, RequestHead, Route, Upgrade, Version, is_token, route};
use barewire::{EngineConfig, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use super::driver::{Connection, Host, Outcome, Pace, cut_into_bytes};
use super::peer::chance::Chance;

/// How far back a scanner may look: at the blank line under way, and at the empty line in front.
const LOOK_BACK: usize = 3;
const EMPTY_LINE: usize = 2;

/// See the module.
pub fn run(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let limits =
        if choice & 1 == 0 { Limits::default() } else { Limits { head_bytes: 256, headers: 4, ..Limits::default() } };
    let endpoint = if choice & 2 == 0 { "/ws" } else { "" };
    let mut chance = Chance::new(u64::from(choice));

    let end = scan(&[bytes], &limits, false);
    let cut = chance.cut(bytes, 1 + bytes.len() / 3);
    let bytewise = cut_into_bytes(bytes, choice);
    for pieces in [&bytewise, &cut] {
        assert_eq!(scan(pieces, &limits, false), end, "the end of a head depends on how it is cut: {pieces:x?}");
        match (scan(pieces, &limits, true), &end) {
            // Which of the two it is depends on the first line, at which the scanner looks once more then.
            (Err(found), Err(whole)) if [414, 431].contains(&whole.status()) => {
                assert!([414, 431].contains(&found.status()), "{found:?}");
            }
            (found, whole) => assert_eq!(found, *whole, "what was scanned is looked at again: {pieces:x?}"),
        }
    }
    if let Ok(Some(length)) = end {
        judge(&bytes[..length], &limits, endpoint);
    }
    let config = EngineConfig { limits, path: endpoint.into(), origins: Origins::Any, ..EngineConfig::default() };
    converse(&config, bytes, &[&bytewise, &cut]);
}

/// The end of the head in what these pieces make together; perhaps with what was scanned made unreadable.
fn scan(pieces: &[&[u8]], limits: &Limits, forget: bool) -> Result<Option<usize>, Refusal> {
    let (mut scanner, mut received) = (HeadScanner::default(), Vec::new());
    for piece in pieces {
        received.extend_from_slice(piece);
        if let Some(length) = scanner.scan(&received, limits)? {
            return Ok(Some(length));
        }
        if forget {
            let end = received.len().saturating_sub(LOOK_BACK).max(EMPTY_LINE).min(received.len());
            let start = EMPTY_LINE.min(end);
            received[start..end].fill(0);
        }
    }
    Ok(None)
}

/// What a whole head says is what it says once more when it is written anew.
fn judge(bytes: &[u8], limits: &Limits, endpoint: &str) {
    assert!(bytes.len() <= limits.head_bytes && bytes.ends_with(b"\r\n\r\n"));
    let head = match RequestHead::parse(bytes, limits) {
        Ok(head) => head,
        Err(refusal) => {
            assert!([400, 413, 414, 417, 431, 505].contains(&refusal.status()), "{refusal:?}");
            return;
        }
    };
    check_grammar(&head, limits);
    let rewritten = rewrite(&head);
    let wide = Limits { head_bytes: HEAD_BYTES_MAX, headers: HEADERS_MAX, ..Limits::default() };
    let again = RequestHead::parse(&rewritten, &wide).expect("a head that was taken is taken when it is written anew");
    assert_eq!(rewrite(&again), rewritten);
    assert_eq!(
        (head.path(), head.query(), head.host(), head.content_length(), head.keep_alive(), head.version()),
        (again.path(), again.query(), again.host(), again.content_length(), again.keep_alive(), again.version()),
    );
    let routed = route(&head, endpoint);
    assert_eq!(routed, route(&again, endpoint));
    match routed {
        Route::Request => assert_ne!(head.path(), endpoint),
        Route::Refuse(refusal) => assert!([400, 404, 405, 426].contains(&refusal.status()), "{refusal:?}"),
        Route::Upgrade(upgrade) => check_upgrade(&head, &upgrade, endpoint),
    }
    for origins in [Origins::Same, Origins::Any] {
        match origins.check(&head, true) {
            Ok(origin) => assert_eq!(origin.map(str::as_bytes), head.header("origin")),
            Err(refusal) => assert_eq!(refusal.status(), 403),
        }
    }
}

/// RFC 9112, sections 2 to 6, as far as one can see it from outside.
fn check_grammar(head: &RequestHead, limits: &Limits) {
    let is_field_byte = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    assert!(is_token(head.method().as_bytes()));
    assert!(!head.target().is_empty() && head.target().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(head.path() == "*" || head.path().starts_with('/'), "{}", head.path());
    assert!(head.headers().count() <= limits.headers);
    for (name, value) in head.headers() {
        assert!(is_token(name.as_bytes()), "{name:?}");
        assert!(value.iter().all(is_field_byte) && value.trim_ascii() == value, "{value:x?}");
    }
    assert!(head.host().is_some() || head.version() == Version::Http10);
    assert!(head.values("host").count() <= 1);
    assert!(head.header("transfer-encoding").is_none(), "a body of unknown length");
    assert!(head.content_length() <= BODY_BYTES);
    let announced = head.header("content-length").map(|digits| std::str::from_utf8(digits).unwrap().parse().unwrap());
    assert_eq!(head.content_length(), announced.unwrap_or(0));
    assert!(head.content_length() == 0 || !matches!(head.method(), "GET" | "HEAD"));
}

/// The head as one writes it who knows only what it says.
fn rewrite(head: &RequestHead) -> Vec<u8> {
    let minor = if head.version() == Version::Http11 { 1 } else { 0 };
    let mut text = format!("{} {} HTTP/1.{minor}\r\n", head.method(), head.target()).into_bytes();
    for (name, value) in head.headers() {
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// RFC 6455, section 4.2.
fn check_upgrade(head: &RequestHead, upgrade: &Upgrade, endpoint: &str) {
    assert!(endpoint.is_empty() || head.path() == endpoint);
    assert_eq!((head.method(), head.version()), ("GET", Version::Http11));
    let lists = |name, word: &[u8]| head.tokens(name).any(|token| token.eq_ignore_ascii_case(word));
    assert!(lists("upgrade", b"websocket") && lists("connection", b"upgrade"));
    assert_eq!(head.values("sec-websocket-version").collect::<Vec<_>>(), [b"13"]);
    let keys: Vec<&[u8]> = head.values("sec-websocket-key").collect();
    let [key] = keys[..] else { panic!("{} keys", keys.len()) };
    assert_eq!(STANDARD.decode(key).map(|bytes| bytes.len()), Ok(16));
    let salted = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    assert_eq!(upgrade.accept(), STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted)));
    let protocols = upgrade.protocols();
    assert!(protocols.len() <= LIST_ITEMS && upgrade.extensions().len() <= LIST_ITEMS);
    for (index, protocol) in protocols.iter().enumerate() {
        assert!(is_token(protocol.as_bytes()) && !protocols[..index].contains(protocol), "{protocol}");
    }
    let supported = ["json".to_owned()];
    if let Some(selected) = upgrade.select(&supported) {
        assert!(protocols.iter().any(|protocol| protocol == selected), "{selected} was not offered");
        assert!(selected == "json" || upgrade.token(&supported).is_some());
    }
}

/// The server's answers do not depend on how the requests are cut, and are answers.
fn converse(config: &EngineConfig, bytes: &[u8], cuts: &[&Vec<&[u8]>]) {
    let outcome = |pieces: &[&[u8]]| {
        let mut connection = Connection::new(config.clone(), Box::new(NoAuth), Host::Router);
        connection.send(pieces.iter().copied(), Pace::Prompt);
        connection.finish()
    };
    let whole = outcome(&[bytes]);
    for pieces in cuts {
        assert_eq!(outcome(pieces), whole, "the answer depends on how it is cut: {pieces:x?}");
    }
    check_answers(&whole);
}

/// Whole answers, one behind the other, and as many as requests; frames may follow a 101.
fn check_answers(outcome: &Outcome) {
    let requests = outcome.story.iter().filter(|word| word.starts_with("Request ")).count();
    let (mut rest, mut count) = (&outcome.received[..], 0);
    while !rest.is_empty() {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let (head, behind) = rest.split_at(end + 4);
        let head = std::str::from_utf8(head).expect("a head is text");
        let mut lines = head[..end].split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse::<u16>().ok());
        let status = status.expect("a status");
        let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").expect("a header line")).collect();
        for (name, value) in &headers {
            assert!(is_token(name.as_bytes()) && !value.contains(char::is_control), "{name}: {value}");
        }
        if status == 101 {
            return;
        }
        assert!(status >= 200, "{status}");
        count += 1;
        let length = headers.iter().find(|(name, _)| *name == "Content-Length").expect("a length");
        let length: usize = length.1.parse().expect("a length");
        let closes = headers.iter().any(|(name, value)| *name == "Connection" && value.contains("close"));
        // The answer to HEAD has none; nor has it anything behind it, or another answer.
        let has_body = !behind.is_empty() && (closes || !behind.starts_with(b"HTTP/1.1 "));
        rest = if has_body { behind.get(length..).expect("a whole body") } else { behind };
        assert!(!closes || rest.is_empty(), "an answer behind the last one");
    }
    assert!(count >= requests && count <= requests + 1, "{count} answers to {requests} requests");
}
