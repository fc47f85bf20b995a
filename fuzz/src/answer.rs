//! What a server answers a client's upgrade request: where each head ends, what it says, how its body ends, and whether it
//! switches.
//!
//! The first byte of the input chooses limits, offers, and the place of the cuts; the rest is what the server sends.
//!
//! Not here: what follows a 101 (`frames.rs`), requests (`head.rs`).

use barewire::Limits;
use barewire::limits::{HEAD_BYTES_MAX, HEADERS_MAX, INTERIM_RESPONSES, LIST_ITEMS, REFUSAL_BODY_BYTES};
use barewire::wire::deflate::{Agreement, NAME, WINDOW_BITS};
use barewire::wire::http::{
    BodyFraming, BodyReader, ResponseHead, ResponseScanner, UpgradeKey, Version, check_switch, is_token,
};

use super::driver::cut_into_bytes;
use super::peer::chance::Chance;

/// How far back a scanner may look: at the blank line under way.
const LOOK_BACK: usize = 3;
/// What is kept of a body in one of two cases.
const FEW: usize = 5;

/// See the module.
pub fn run(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let limits =
        if choice & 1 == 0 { Limits::default() } else { Limits { head_bytes: 256, headers: 4, ..Limits::default() } };
    let at_most = if choice & 2 == 0 { REFUSAL_BODY_BYTES } else { FEW };
    let offers = if choice & 4 == 0 { vec!["json".to_owned(), "b.c.d".to_owned()] } else { Vec::new() };
    let mut chance = Chance::new(u64::from(choice));
    let mut cuts = |bytes| [cut_into_bytes(bytes, choice), chance.cut(bytes, 1 + bytes.len() / 3)];

    let (mut scanner, mut rest, mut heads) = (ResponseScanner::default(), bytes, 0);
    loop {
        let fresh = scanner.clone();
        let end = scanner.scan(rest, &limits);
        for pieces in cuts(rest) {
            for forget in [false, true] {
                let found = scan(fresh.clone(), &pieces, &limits, forget);
                assert_eq!(found, end, "the end of a head depends on how it is cut: {pieces:x?}");
            }
        }
        let Ok(Some(length)) = end else { return };
        heads += 1;
        assert!(heads <= INTERIM_RESPONSES + 1, "{heads} heads");
        let (head, behind) = rest.split_at(length);
        let Some(head) = judge(head, &limits, &offers) else { return };
        if !head.is_interim() {
            let body = read(head.body_framing(), &[behind], at_most);
            for pieces in cuts(behind) {
                assert_eq!(
                    read(head.body_framing(), &pieces, at_most),
                    body,
                    "the body depends on the cuts: {pieces:x?}"
                );
            }
            return;
        }
        rest = behind;
    }
}

/// The end of the head in what these pieces make together; perhaps with what was scanned made unreadable.
fn scan(
    mut scanner: ResponseScanner,
    pieces: &[&[u8]],
    limits: &Limits,
    forget: bool,
) -> Result<Option<usize>, String> {
    let mut received = Vec::new();
    let mut end = scanner.scan(&received, limits);
    for piece in pieces {
        if end != Ok(None) {
            break;
        }
        if forget {
            let seen = received.len().saturating_sub(LOOK_BACK);
            received[..seen].fill(0);
        }
        received.extend_from_slice(piece);
        end = scanner.scan(&received, limits);
    }
    end
}

/// What a whole head says is what it says once more when it is written anew.
fn judge(bytes: &[u8], limits: &Limits, offers: &[String]) -> Option<ResponseHead> {
    assert!(bytes.len() <= limits.head_bytes && bytes.ends_with(b"\r\n\r\n"));
    let head = ResponseHead::parse(bytes, limits).ok()?;
    assert!((100..600).contains(&head.status()) && head.headers().count() <= limits.headers);
    assert!(head.reason().bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
    for (name, value) in head.headers() {
        assert!(is_token(name.as_bytes()), "{name:?}");
        let is_field_byte = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
        assert!(value.iter().all(is_field_byte) && value.trim_ascii() == value, "{value:x?}");
    }
    let rewritten = rewrite(&head);
    let wide = Limits { head_bytes: HEAD_BYTES_MAX, headers: HEADERS_MAX, ..Limits::default() };
    let again = ResponseHead::parse(&rewritten, &wide).expect("a head that was taken is taken when it is written anew");
    assert_eq!(rewrite(&again), rewritten);
    assert_eq!((head.body_framing(), head.is_interim()), (again.body_framing(), again.is_interim()));
    check(&head, offers);
    Some(head)
}

/// The head as one writes it who knows only what it says.
fn rewrite(head: &ResponseHead) -> Vec<u8> {
    let minor = if head.version() == Version::Http11 { 1 } else { 0 };
    let mut text = format!("HTTP/1.{minor} {} {}\r\n", head.status(), head.reason()).into_bytes();
    for (name, value) in head.headers() {
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// RFC 6455, section 4.1, and RFC 7692, section 7.1, as far as one can see them from outside. The key is that of the former's
/// section 1.3.
fn check(head: &ResponseHead, offers: &[String]) {
    let Ok(switched) = check_switch(head, &UpgradeKey::new(*b"the sample nonce"), offers) else { return };
    let values = |name: &str| -> Vec<&[u8]> {
        head.headers().filter(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    };
    assert_eq!((head.status(), head.version(), head.body_framing()), (101, Version::Http11, BodyFraming::None));
    assert_eq!(values("sec-websocket-accept"), [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    for (name, word) in [("upgrade", "websocket"), ("connection", "upgrade")] {
        let text = String::from_utf8_lossy(&values(name).join(&b","[..])).to_ascii_lowercase();
        assert!(text.split(',').any(|item| item.trim_ascii() == word), "{name}: {text}");
    }
    let chosen: Vec<&[u8]> = switched.protocol.iter().map(String::as_bytes).collect();
    assert_eq!(values("sec-websocket-protocol"), chosen);
    assert!(switched.protocol.is_none_or(|chosen| offers.contains(&chosen)));
    assert!(switched.extensions.len() <= LIST_ITEMS && values("sec-websocket-extensions").len() <= 1);
    match Agreement::of_response(&switched.extensions) {
        Ok(None) => assert!(switched.extensions.is_empty()),
        Ok(Some(agreement)) => {
            let [only] = &switched.extensions[..] else { panic!("{:?}", switched.extensions) };
            assert!(only.name() == NAME && only.parameters().any(|(name, _)| name == "server_no_context_takeover"));
            assert!(!agreement.takes_over() && agreement.window_bits().is_none_or(|bits| WINDOW_BITS.contains(&bits)));
        }
        Err(_) => assert!(!switched.extensions.is_empty()),
    }
}

/// What a body says, whether it is whole, and whether an end of the stream completes it.
fn read(framing: BodyFraming, pieces: &[&[u8]], at_most: usize) -> Result<(Vec<u8>, bool, bool), String> {
    let (mut reader, mut out) = (BodyReader::new(framing), Vec::new());
    let mut is_whole = reader.take(&[], &mut out, at_most)?;
    for piece in pieces {
        is_whole = reader.take(piece, &mut out, at_most)?;
    }
    assert!(out.len() <= at_most && (!is_whole || reader.end()));
    Ok((out, is_whole, reader.end()))
}
