//! Odd ways to announce a body (RFC 9112, section 6), and bodies that look like requests.

use super::Fate::{self, Last, Refused, Served, Unfinished};
use super::add_all;

/// What would be answered if a body were taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

pub fn add(add: &mut impl FnMut(Fate, &str, Vec<u8>)) {
    let after = |line: &'static str| move |lines: &str| format!("{line}\r\nHost: localhost\r\n{lines}\r\n\r\n");
    add_all(add, LENGTHS, after("POST /health HTTP/1.1"));
    add_all(add, ENCODINGS, after("POST /health HTTP/1.1"));
    let methods = [
        ("GET /health HTTP/1.1", 200),
        ("HEAD /health HTTP/1.1", 200),
        ("DELETE /health HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 404),
        ("TRACE /health HTTP/1.1", 405),
    ];
    for (line, status) in methods {
        let of_length = |length: &str| format!("{line}\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        add(Served(status), &format!("{line} with no bytes of body"), of_length("0").into_bytes());
        let body = of_length(&SMUGGLED.len().to_string()) + SMUGGLED;
        let is_read = line.starts_with("GET") || line.starts_with("HEAD");
        let fate = if is_read { Refused(400) } else { Served(status) };
        add(fate, &format!("{line} with a request as its body"), body.into_bytes());
        let encoded = format!("{line}\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        add(Refused(400), &format!("{line} with chunks"), encoded.into_bytes());
    }
    add_smuggled(add);
    add(
        Refused(400),
        "an old request with chunks",
        b"GET /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
    );
    let old = "POST /health HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
    add(Last(405), "an old request that expects an interim answer", old.into());
    let refused =
        format!("POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len());
    add(Refused(405), "a body for the endpoint", refused.into_bytes());
    let half = format!("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n{SMUGGLED}");
    add(Refused(400), "a request line among the header lines", half.into_bytes());
    let short = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n";
    add(Unfinished, "a head without its blank line", short.into());
}

/// Bodies that one reader could take for a request, and another for a body.
fn add_smuggled(add: &mut impl FnMut(Fate, &str, Vec<u8>)) {
    let chunked = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let length = SMUGGLED.len();
    let rows = [
        ("plain", format!("Content-Length: {length}"), SMUGGLED.to_owned(), Served(405)),
        ("zeroes in front", format!("Content-Length: {length:030}"), SMUGGLED.to_owned(), Served(405)),
        (
            "CL.TE",
            "Content-Length: 5\r\nTransfer-Encoding: chunked".into(),
            format!("0\r\n\r\n{SMUGGLED}"),
            Refused(400),
        ),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4".into(), chunked.clone(), Refused(400)),
        ("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x".into(), chunked.clone(), Refused(400)),
        ("CL.0", format!("Content-Length: 0\r\nContent-Length: {length}"), SMUGGLED.to_owned(), Refused(400)),
        ("0.CL", format!("Content-Length: {length}\r\nContent-Length: 0"), SMUGGLED.to_owned(), Refused(400)),
        ("TE.0", "Transfer-Encoding: chunked".into(), chunked, Refused(400)),
    ];
    for (name, lines, body, fate) in rows {
        let head = format!("POST /health HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
        add(fate, &format!("smuggling, {name}"), (head + &body).into_bytes());
    }
}

/// One line of decimal digits (RFC 9110, section 8.6), and nothing else.
const LENGTHS: &[(&str, Fate)] = &[
    ("X: y", Served(405)),
    ("Content-Length: 0", Served(405)),
    ("content-LENGTH:0", Served(405)),
    ("Content-Length: \t0 \t", Served(405)),
    ("Content-Length: 000000000000000000000000000000", Served(405)),
    ("Content-Length:", Refused(400)),
    ("Content-Length: ", Refused(400)),
    ("Content-Length: ,", Refused(400)),
    ("Content-Length: +0", Refused(400)),
    ("Content-Length: -0", Refused(400)),
    ("Content-Length: +5", Refused(400)),
    ("Content-Length: -5", Refused(400)),
    ("Content-Length: 0x5", Refused(400)),
    ("Content-Length: 0b1", Refused(400)),
    ("Content-Length: 5h", Refused(400)),
    ("Content-Length: a", Refused(400)),
    ("Content-Length: 5.0", Refused(400)),
    ("Content-Length: 5e0", Refused(400)),
    ("Content-Length: 1_000", Refused(400)),
    ("Content-Length: 1,000", Refused(400)),
    ("Content-Length: 5 5", Refused(400)),
    ("Content-Length: 5\t5", Refused(400)),
    ("Content-Length: \"5\"", Refused(400)),
    ("Content-Length: 5;", Refused(400)),
    ("Content-Length: 5 bytes", Refused(400)),
    ("Content-Length: \u{665}", Refused(400)),
    ("Content-Length: \u{ff15}", Refused(400)),
    ("Content-Length: \u{a0}5", Refused(400)),
    ("Content-Length: 5\u{0}", Refused(400)),
    ("Content-Length: 5\u{b}", Refused(400)),
    ("Content-Length: NaN", Refused(400)),
    ("Content-Length: 5, 5", Refused(400)),
    ("Content-Length: 5,5", Refused(400)),
    ("Content-Length: 5,", Refused(400)),
    ("Content-Length: ,5", Refused(400)),
    ("Content-Length: 5, 6", Refused(400)),
    ("Content-Length: 5\r\nContent-Length: 5", Refused(400)),
    ("Content-Length: 0\r\nContent-Length: 0", Refused(400)),
    ("Content-Length: 5\r\ncontent-length: 6", Refused(400)),
    ("Content-Length: 6\r\nX: y\r\nCONTENT-LENGTH: 5", Refused(400)),
    ("Content-Length: 5\r\nContent-Length:", Refused(400)),
    ("Content-Length:\r\nContent-Length: 5", Refused(400)),
    ("Content-Length: 5\r\nContent-Length: a", Refused(400)),
    ("Content-Length : 5", Refused(400)),
    ("Content-Length\t: 5", Refused(400)),
    ("Content-Length: 5\r\n 6", Refused(400)),
    ("Content-Length:\r\n 5", Refused(400)),
    ("Content Length: 5", Refused(400)),
    ("Content-Length", Refused(400)),
    ("Content-Length=5", Refused(400)),
    ("Content-Length: 0000065537", Refused(413)),
    ("Content-Length: 2147483648", Refused(413)),
    ("Content-Length: 4294967296", Refused(413)),
    ("Content-Length: 4294967301", Refused(413)),
    ("Content-Length: 9223372036854775808", Refused(413)),
    ("Content-Length: 18446744073709551615", Refused(413)),
    ("Content-Length: 18446744073709551616", Refused(413)),
    ("Content-Length: 99999999999999999999999999999999999999999", Refused(413)),
    ("Content-Length: 1\r\nExpect: 100-continue", Refused(417)),
    ("Content-Length: 65537\r\nExpect: 100-continue", Refused(413)),
    ("Content-Length: 0\r\nExpect: 100-continue", Served(405)),
];

/// Refused in every form, beside a length or not (RFC 9112, section 6.1).
const ENCODINGS: &[(&str, Fate)] = &[
    ("Transfer-Encoding: chunked", Refused(400)),
    ("transfer-encoding:chunked", Refused(400)),
    ("TRANSFER-ENCODING: CHUNKED", Refused(400)),
    ("Transfer-Encoding:\tchunked", Refused(400)),
    ("Transfer-Encoding: chunked ", Refused(400)),
    ("Transfer-Encoding:", Refused(400)),
    ("Transfer-Encoding: ,", Refused(400)),
    ("Transfer-Encoding: identity", Refused(400)),
    ("Transfer-Encoding: gzip", Refused(400)),
    ("Transfer-Encoding: gzip, chunked", Refused(400)),
    ("Transfer-Encoding: chunked, identity", Refused(400)),
    ("Transfer-Encoding: chunked, chunked", Refused(400)),
    ("Transfer-Encoding: chunked;q=1", Refused(400)),
    ("Transfer-Encoding: xchunked", Refused(400)),
    ("Transfer-Encoding: chunked-x", Refused(400)),
    ("Transfer-Encoding: \"chunked\"", Refused(400)),
    ("Transfer-Encoding: ch\u{212a}unked", Refused(400)),
    ("Transfer-Encoding: \u{b}chunked", Refused(400)),
    ("Transfer-Encoding: chunked\u{0}", Refused(400)),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Refused(400)),
    ("Transfer-Encoding: identity\r\nX: y\r\ntransfer-encoding: chunked", Refused(400)),
    ("Transfer-Encoding : chunked", Refused(400)),
    ("Transfer-Encoding\t: chunked", Refused(400)),
    ("Transfer-Encoding:\r\n chunked", Refused(400)),
    ("Transfer-Encoding: identity\r\n , chunked", Refused(400)),
    ("X: y\r\n\tTransfer-Encoding: chunked", Refused(400)),
    ("Transfer Encoding: chunked", Refused(400)),
    ("Transfer-Encoding", Refused(400)),
    ("Content-Length: 0\r\nTransfer-Encoding: chunked", Refused(400)),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0", Refused(400)),
    ("Transfer-Encoding: identity\r\nContent-Length: 5", Refused(400)),
    ("Transfer-Encoding:\r\nContent-Length: 5", Refused(400)),
    ("Content-Length: 65537\r\nTransfer-Encoding: chunked", Refused(400)),
    ("Transfer-Encoding: chunked\r\nExpect: 100-continue", Refused(400)),
    ("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding", Refused(400)),
    ("Content-Encoding: chunked", Served(405)),
    ("X-Transfer-Encoding: chunked", Served(405)),
    ("Transfer_Encoding: chunked", Served(405)),
    ("TransferEncoding: chunked", Served(405)),
];
