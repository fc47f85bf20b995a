//! Answers that are wrong, odd but right, cut anywhere, and too large.
//!
//! Not here: what a 101 must say (`../switch.rs`), bodies (`../body.rs`).

use super::*;
use crate::limits::INTERIM_RESPONSES;

/// What becomes of bytes that begin an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A head with this status and framing.
    Read(u16, BodyFraming),
    /// More is needed.
    Unfinished,
    /// A sentence that has this in it.
    Fails(&'static str),
}

use BodyFraming::{Chunked, Length, None as Bodiless, UntilEnd};
use Fate::{Fails, Read, Unfinished};

/// Scanned as the bytes come in pieces of so many, then parsed.
fn received(bytes: &[u8], piece: usize, limits: &Limits) -> Result<Option<ResponseHead>, String> {
    let mut scanner = ResponseScanner::default();
    let ends = (0..bytes.len()).step_by(piece).chain([bytes.len()]);
    for end in ends {
        if let Some(length) = scanner.scan(&bytes[..end], limits)? {
            return ResponseHead::parse(&bytes[..length], limits).map(Some);
        }
    }
    Ok(None)
}

fn fate(bytes: &[u8], piece: usize) -> Result<Option<(u16, BodyFraming)>, String> {
    let head = received(bytes, piece, &Limits::default())?;
    Ok(head.map(|head| (head.status(), head.body_framing())))
}

fn parse(head: &str) -> ResponseHead {
    ResponseHead::parse(head.as_bytes(), &Limits::default()).unwrap()
}

const TABLE: &[(&[u8], Fate)] = &[
    // Status lines.
    (b"HTTP/1.1 200 OK\r\n\r\n", Read(200, UntilEnd)),
    (b"HTTP/1.0 200 OK\r\n\r\n", Read(200, UntilEnd)),
    (b"HTTP/1.1 200 \r\n\r\n", Read(200, UntilEnd)),
    (b"HTTP/1.1 200\r\n\r\n", Read(200, UntilEnd)),
    (b"HTTP/1.1 599 a\tb  c\r\n\r\n", Read(599, UntilEnd)),
    (b"HTTP/1.1 403 N\xc3\xb6\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 100 \r\n\r\n", Read(100, Bodiless)),
    (b"HTTP/1.1 099 \r\n\r\n", Fails("the status 99; there are 100 to 599")),
    (b"HTTP/1.1 000 \r\n\r\n", Fails("the status 0;")),
    (b"HTTP/1.1 600 \r\n\r\n", Fails("the status 600;")),
    (b"HTTP/1.1 999 \r\n\r\n", Fails("the status 999;")),
    (b"HTTP/1.1 20 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 2000 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 20x OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 -20 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1  200 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1\t200 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.2 200 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.10 200 OK\r\n\r\n", Fails("malformed")),
    (b"HTTP/2.0 200 OK\r\n\r\n", Fails("does not begin like")),
    (b"HTTP/2 101\r\n\r\n", Fails("does not begin like")),
    (b"http/1.1 200 OK\r\n\r\n", Fails("does not begin like")),
    (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Fails("does not begin like")),
    (b" HTTP/1.1 200 OK\r\n\r\n", Fails("does not begin like")),
    (b"GET / HTTP/1.1\r\n\r\n", Fails("does not begin like")),
    (b"200 OK\r\n\r\n", Fails("does not begin like")),
    (b"<html>", Fails("does not begin like")),
    (b"\x15\x03\x03\x00\x02\x02\x28", Fails("the server speaks TLS: wss://")),
    (b"\x16\x03\x03\x00\x02", Fails("a control character")),
    (b"SSH-2.0-OpenSSH", Fails("does not begin like")),
    (b"\x81\x02hi", Fails("does not begin like")),
    // Lines and their ends.
    (b"HTTP/1.1 200 OK\n\n", Fails("a line feed without a carriage return")),
    (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", Fails("a line feed without a carriage return")),
    (b"HTTP/1.1 200 OK\rA: b\r\n\r\n", Fails("a carriage return without a line feed")),
    (b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", Fails("a carriage return without a line feed")),
    (b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", Fails("a control character")),
    (b"HTTP/1.1 200 OK\r\nA: \x1b[31m\r\n\r\n", Fails("a control character")),
    (b"HTTP/1.1 200 O\x7fK\r\n\r\n", Fails("a control character")),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\nA\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\nA\xe4: c\r\n\r\n", Fails("malformed")),
    (b"HTTP/1.1 200 OK\r\nA:\r\nb:\tc \r\nD: \xff\xe4\r\n\r\n", Read(200, UntilEnd)),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n", Unfinished),
    (b"HTTP/1.1 200 OK\r\n", Unfinished),
    (b"HTTP/1.", Unfinished),
    (b"", Unfinished),
    // How the body ends.
    (b"HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n", Read(403, Length(0))),
    (b"HTTP/1.1 403 \r\nCONTENT-LENGTH:\t7 \r\n\r\n", Read(403, Length(7))),
    (b"HTTP/1.0 403 \r\nContent-Length: 7\r\n\r\n", Read(403, Length(7))),
    (b"HTTP/1.1 403 \r\nContent-Length: 99999999999999999999999\r\n\r\n", Read(403, Length(usize::MAX))),
    (b"HTTP/1.1 403 \r\nContent-Length: \r\n\r\n", Fails("a Content-Length that is no number")),
    (b"HTTP/1.1 403 \r\nContent-Length: +7\r\n\r\n", Fails("a Content-Length that is no number")),
    (b"HTTP/1.1 403 \r\nContent-Length: -7\r\n\r\n", Fails("a Content-Length that is no number")),
    (b"HTTP/1.1 403 \r\nContent-Length: 0x7\r\n\r\n", Fails("a Content-Length that is no number")),
    (b"HTTP/1.1 403 \r\nContent-Length: 7, 7\r\n\r\n", Fails("a Content-Length that is no number")),
    (b"HTTP/1.1 403 \r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n", Fails("more than one Content-Length")),
    (b"HTTP/1.1 403 \r\nContent-Length: 7\r\ncontent-length: 8\r\n\r\n", Fails("more than one Content-Length")),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: chunked\r\n\r\n", Read(403, Chunked)),
    (b"HTTP/1.1 403 \r\ntransfer-encoding: CHUNKED\r\n\r\n", Read(403, Chunked)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Read(403, Chunked)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", Read(403, Chunked)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: gzip\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: xchunked\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: chunked;a=b\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: \r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.0 403 \r\nTransfer-Encoding: chunked\r\n\r\n", Read(403, UntilEnd)),
    (b"HTTP/1.1 403 \r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n", Fails("both Content-Length and")),
    (b"HTTP/1.1 403 \r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\n\r\n", Fails("both Content-Length and")),
    (b"HTTP/1.1 204 \r\nContent-Length: 7\r\n\r\n", Read(204, Bodiless)),
    (b"HTTP/1.1 304 \r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n", Read(304, Bodiless)),
    (b"HTTP/1.1 101 \r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\n", Read(101, Bodiless)),
    (b"HTTP/1.1 205 \r\n\r\n", Read(205, UntilEnd)),
    // What is behind the head is not looked at.
    (b"HTTP/1.1 101 \r\n\r\n\x81\x02hi\0\n", Read(101, Bodiless)),
    (b"HTTP/1.1 100 \r\n\r\n\x00", Read(100, Bodiless)),
];

#[test]
fn an_odd_answer_is_read_or_refused_in_words_however_it_is_cut() {
    for &(bytes, expected) in TABLE {
        let name = bytes.escape_ascii();
        let whole = fate(bytes, usize::MAX);
        match (&whole, expected) {
            (Ok(Some(read)), Read(status, framing)) => assert_eq!(*read, (status, framing), "{name}"),
            (Ok(None), Unfinished) => {}
            (Err(line), Fails(part)) => assert!(line.contains(part), "{name}: {line}"),
            (whole, expected) => panic!("{name}: {whole:?} in place of {expected:?}"),
        }
        for piece in [1, 2, 3, 7] {
            assert_eq!(fate(bytes, piece), whole, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn a_head_cut_at_any_byte_is_unfinished_and_no_head() {
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nA: b\r\n\r\n";
    for end in 0..head.len() {
        assert_eq!(fate(&head[..end], usize::MAX), Ok(None), "{end}");
        assert!(ResponseHead::parse(&head[..end], &Limits::default()).is_err(), "{end}");
        // Cut in two there.
        let mut scanner = ResponseScanner::default();
        assert_eq!(scanner.scan(&head[..end], &Limits::default()), Ok(None));
        assert_eq!(scanner.scan(head, &Limits::default()), Ok(Some(head.len())));
    }
    let behind = [&head[..], b"x"].concat();
    assert!(ResponseHead::parse(&behind, &Limits::default()).is_err());
}

#[test]
fn what_can_never_become_a_head_is_refused_at_that_byte() {
    let table: [(&[u8], usize); 5] = [
        (b"GET", 1),
        (b"HTTP/2", 6),
        (b"HTTP/1.1 200 OK\n", 16),
        (b"HTTP/1.1 200 OK\rX", 17),
        (b"HTTP/1.1 200 OK\r\nA: \x1b", 21),
    ];
    for (bytes, refused_at) in table {
        let first = (0..=bytes.len()).find(|&end| fate(&bytes[..end], usize::MAX).is_err());
        assert_eq!(first, Some(refused_at), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_head_may_have_exactly_head_bytes_and_headers_lines() {
    let limits = Limits { head_bytes: 256, headers: 3, ..Limits::default() };
    let head = |length: usize| {
        let start = "HTTP/1.1 403 Forbidden\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    let (fits, exceeds) = (head(256), head(257));
    assert!(matches!(received(fits.as_bytes(), 1, &limits), Ok(Some(_))));
    for end in 0..=exceeds.len() {
        let scanned = ResponseScanner::default().scan(&exceeds.as_bytes()[..end], &limits);
        let expected =
            if end < 256 { Ok(None) } else { Err("the head of the answer does not fit in 256 bytes".into()) };
        assert_eq!(scanned, expected, "{end}");
    }
    let lines = |count: usize| format!("HTTP/1.1 403 \r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(ResponseHead::parse(lines(3).as_bytes(), &limits).unwrap().headers().count(), 3);
    let line = ResponseHead::parse(lines(4).as_bytes(), &limits).unwrap_err();
    assert_eq!(line, "the answer has more than 3 header lines");
}

#[test]
fn interim_answers_are_read_over_so_many_and_no_more() {
    let limits = Limits::default();
    let read_over = |interims: u32| {
        let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n".repeat(interims as usize);
        let bytes = [&early[..], b"HTTP/1.1 101 \r\n\r\n\x81"].concat();
        let (mut scanner, mut start) = (ResponseScanner::default(), 0);
        loop {
            let length = scanner.scan(&bytes[start..], &limits)?.unwrap();
            let head = ResponseHead::parse(&bytes[start..start + length], &limits)?;
            start += length;
            if !head.is_interim() {
                return Ok::<_, String>((head.status(), bytes.len() - start));
            }
        }
    };
    assert_eq!(read_over(0), Ok((101, 1)));
    assert_eq!(read_over(INTERIM_RESPONSES), Ok((101, 1)));
    assert_eq!(read_over(INTERIM_RESPONSES + 1), Err("more than 8 interim answers before the answer itself".into()));
    let interim = |status: u16| parse(&format!("HTTP/1.1 {status} \r\n\r\n")).is_interim();
    assert_eq!(
        (100..600).filter(|&status| interim(status)).collect::<Vec<_>>(),
        [100].into_iter().chain(102..200).collect::<Vec<_>>()
    );
}

#[test]
fn what_a_head_says_can_be_asked() {
    let head = parse("HTTP/1.1 403 No  way\r\nRetry-After: 5\r\nX:\r\nretry-after: 6\r\nOdd: \u{e4}\t\r\n\r\n");
    assert_eq!((head.status(), head.reason(), head.version()), (403, "No  way", Version::Http11));
    assert_eq!(head.header("RETRY-AFTER"), Some(&b"5"[..]));
    assert_eq!((head.header("x"), head.header("absent")), (Some(&b""[..]), None));
    assert_eq!(head.header("odd"), Some("\u{e4}".as_bytes()));
    assert_eq!(head.headers().map(|(name, _)| name).collect::<Vec<_>>(), ["Retry-After", "X", "retry-after", "Odd"]);
    for (line, reason) in [("403", ""), ("403 ", ""), ("403 a\tb", "a\tb"), ("403 N\u{f6}", "")] {
        assert_eq!(parse(&format!("HTTP/1.0 {line}\r\n\r\n")).reason(), reason, "{line}");
    }
}

#[test]
fn no_value_shows_in_debug_output() {
    let head = parse("HTTP/1.1 403 s3cr3t\r\nSet-Cookie: s3cr3t\r\n\r\n");
    assert_eq!(format!("{head:?}"), "ResponseHead { status: 403, headers: [\"Set-Cookie\"], .. }");
}

#[test]
fn the_largest_head_is_read_in_linear_time_however_it_drips_in() {
    // A million bytes, one at a time: quadratic work would be 5 * 10^11 steps.
    let limits = Limits { head_bytes: 1 << 20, ..Limits::default() };
    let bytes = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; limits.head_bytes]].concat();
    let mut scanner = ResponseScanner::default();
    let refused_at = (0..bytes.len()).find(|&end| scanner.scan(&bytes[..end], &limits).is_err());
    assert_eq!(refused_at, Some(limits.head_bytes));
}
