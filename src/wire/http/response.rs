//! Answers out: [`Refusal`] (why a request ends here), [`Response`], and the head of a 101. What goes on the wire is
//! decided in [`Response::encode`] alone, so nothing can forge a header line.
//!
//! Not here: which answer a request gets (`upgrade.rs`, `auth/`, the host's routes).

use std::borrow::Cow;
use std::io::Write;

use tungstenite::Bytes;

use super::grammar::is_token;
use super::head::Version;
use super::upgrade::Upgrade;
use crate::limits;
use crate::wire::date::http_date;

/// A header's name and value.
type Header = (Cow<'static, str>, Cow<'static, str>);

/// The headers that [`Response::encode`] alone writes; given by anyone else they are dropped.
const OWN_HEADERS: [&str; 4] = ["Connection", "Content-Length", "Date", "Transfer-Encoding"];

/// Why a request is not served: a status, a reason for the peer to read, and headers. Its answer always ends the
/// connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    reason: Cow<'static, str>,
    headers: Vec<Header>,
}

impl Refusal {
    /// A refusal with a status of 400 to 599 and a reason, which becomes the body: plain text that must not repeat
    /// what the peer sent.
    pub fn new(status: u16, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status, reason: reason.into(), headers: Vec::new() }
    }

    /// The same with one more header; see [`Response::with_header`].
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Refusal {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The reason, for another use.
    pub fn into_reason(self) -> Cow<'static, str> {
        self.reason
    }

    /// The first header named `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// 400.
    pub(super) fn malformed(reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(400, reason)
    }

    /// 400 for a list header of more than [`limits::LIST_ITEMS`] items.
    pub(super) fn too_many_items(header: &'static str) -> Refusal {
        Refusal::malformed(format!("more than {} items in the header {header}", limits::LIST_ITEMS))
    }
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<Header>,
    body: Bytes,
    close: bool,
}

/// How a [`Response`] is to be sent; what the answer itself does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The version of the request ([`Version::Http11`] where no request could be read).
    pub version: Version,
    /// Whether to leave out the body: the answer to HEAD.
    pub head_only: bool,
    /// Whether the connection goes on afterwards, if the response agrees.
    pub keep_alive: bool,
    /// The time for `Date`, in milliseconds since 1970.
    pub unix_ms: u64,
}

impl Response {
    /// An answer with a body of this content type, and `X-Content-Type-Options: nosniff`, since the type is meant. A
    /// status outside 200 to 599 is sent as 500.
    pub fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<Bytes>) -> Response {
        let headers = vec![
            ("Content-Type".into(), content_type.into()),
            ("X-Content-Type-Options".into(), Cow::Borrowed("nosniff")),
        ];
        Response { status, headers, body: body.into(), close: false }
    }

    /// An answer in plain text.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Response {
        Response::new(status, "text/plain; charset=utf-8", body)
    }

    /// An answer in JSON; `body` is JSON already.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Response {
        Response::new(status, "application/json", body)
    }

    /// The same with one more header. It is silently left out on the wire if its name is no token, its value has a
    /// control character, or it is one that [`Response::encode`] writes itself: `Connection`, `Content-Length`,
    /// `Date`, `Transfer-Encoding`.
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same, but the connection ends with it.
    pub fn closing(mut self) -> Response {
        self.close = true;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header named `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the connection ends with this answer, whatever the peer wants.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// Appends the whole answer to `out`: head, and body unless [`Delivery::head_only`].
    ///
    /// `Content-Length` is that of the body even where the body is left out (RFC 9110, section 9.3.2); 204 and 304
    /// have neither. `Connection` says `close`, or `keep-alive` to HTTP/1.0, and `Upgrade` where there is an
    /// `Upgrade` header (RFC 9110, section 7.8).
    pub fn encode(&self, how: &Delivery, out: &mut Vec<u8>) {
        let status = if (200..=599).contains(&self.status) { self.status } else { 500 };
        let has_body = !matches!(status, 204 | 304);
        // Writing to a Vec does not fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\nDate: {}\r\n", reason_phrase(status), http_date(how.unix_ms));
        if has_body {
            let _ = write!(out, "Content-Length: {}\r\n", self.body.len());
        }
        self.encode_connection(how, out);
        for (name, value) in &self.headers {
            if !OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                append_header(name, value, out);
            }
        }
        out.extend_from_slice(b"\r\n");
        if has_body && !how.head_only {
            out.extend_from_slice(&self.body);
        }
    }

    fn encode_connection(&self, how: &Delivery, out: &mut Vec<u8>) {
        let lifetime = match (self.close || !how.keep_alive, how.version) {
            (true, Version::Http10 | Version::Http11) => Some("close"),
            (false, Version::Http10) => Some("keep-alive"),
            (false, Version::Http11) => None,
        };
        let options = [lifetime, self.header("Upgrade").map(|_| "Upgrade")];
        let value = options.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if !value.is_empty() {
            append_header("Connection", &value, out);
        }
    }
}

/// The reason is the body, as plain text, and the connection ends.
impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Response {
        let body = match refusal.reason {
            Cow::Borrowed(reason) => Bytes::from_static(reason.as_bytes()),
            Cow::Owned(reason) => Bytes::from(reason),
        };
        let mut response = Response::text(refusal.status, body).closing();
        response.headers.extend(refusal.headers);
        response
    }
}

/// Appends the head of the 101 that completes `upgrade` (RFC 6455, section 4.2.2); frames follow it. `protocol` is the
/// chosen subprotocol, which must be one of the offers; one that is no token is left out. `extension` is what was agreed on
/// of the extensions offered, as `Sec-WebSocket-Extensions` has it.
pub fn switching_protocols(upgrade: &Upgrade, protocol: Option<&str>, extension: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    append_header("Upgrade", "websocket", out);
    append_header("Connection", "Upgrade", out);
    append_header("Sec-WebSocket-Accept", upgrade.accept(), out);
    if let Some(protocol) = protocol.filter(|protocol| is_token(protocol.as_bytes())) {
        append_header("Sec-WebSocket-Protocol", protocol, out);
    }
    if let Some(extension) = extension {
        append_header("Sec-WebSocket-Extensions", extension, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
}

/// One header line, or nothing: a line end inside it would start a header, or an answer, of somebody else's making.
fn append_header(name: &str, value: &str, out: &mut Vec<u8>) {
    if !is_token(name.as_bytes()) || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return;
    }
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The usual words for a status (RFC 9110, section 15; RFC 6585); none for others, which is allowed.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Delivery =
        Delivery { version: Version::Http11, head_only: false, keep_alive: true, unix_ms: 784_111_777_000 };

    fn encoded(response: &Response, how: Delivery) -> String {
        let mut out = Vec::new();
        response.encode(&how, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_answer_is_written_line_by_line() {
        let text = encoded(&Response::json(200, r#"{"status":"ok"}"#), NOW);
        let expected = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 15\r\n\
                        Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n\r\n{\"status\":\"ok\"}";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_answer_to_head_has_the_length_but_not_the_body() {
        let text = encoded(&Response::text(200, "hello"), Delivery { head_only: true, ..NOW });
        assert!(text.contains("\r\nContent-Length: 5\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn no_content_has_neither_length_nor_body() {
        for status in [204, 304] {
            let text = encoded(&Response::text(status, "hello"), NOW);
            assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn the_connection_header_says_what_happens_next() {
        let (stay, end) = (Response::text(200, ""), Response::text(200, "").closing());
        let upgrade = Response::text(426, "").with_header("Upgrade", "websocket");
        let old = Delivery { version: Version::Http10, ..NOW };
        let table = [
            (&stay, NOW, None),
            (&stay, Delivery { keep_alive: false, ..NOW }, Some("close")),
            (&end, NOW, Some("close")),
            (&stay, old, Some("keep-alive")),
            (&stay, Delivery { keep_alive: false, ..old }, Some("close")),
            (&end, old, Some("close")),
            (&upgrade, NOW, Some("Upgrade")),
            (&upgrade.clone().closing(), NOW, Some("close, Upgrade")),
        ];
        for (response, how, expected) in table {
            let text = encoded(response, how);
            let value = text.lines().find_map(|line| line.strip_prefix("Connection: "));
            assert_eq!(value, expected, "{how:?}");
        }
    }

    #[test]
    fn a_header_that_would_break_its_line_is_never_written() {
        let table = [
            ("X-A", "a\r\nX-Evil: 1"),
            ("X-A", "a\nX-Evil: 1"),
            ("X-A", "a\rX-Evil: 1"),
            ("X-A", "X-Evil\0"),
            ("X-A", "X-Evil\u{1b}[31m"),
            ("X-A", "X-Evil\u{7f}"),
            ("X-Evil: 1\r\nX-A", "a"),
            ("X-Evil\r\n", "a"),
            ("X-Evil ", "a"),
            ("X-Evil:", "a"),
            ("X-Evil\u{e9}", "a"),
            ("", "X-Evil"),
            ("Content-Length", "X-Evil"),
            ("transfer-encoding", "X-Evil"),
            ("CONNECTION", "X-Evil"),
            ("Date", "X-Evil"),
        ];
        let plain = encoded(&Response::text(200, "x"), NOW);
        for (name, value) in table {
            assert_eq!(encoded(&Response::text(200, "x").with_header(name, value), NOW), plain, "{name:?} {value:?}");
        }
    }

    #[test]
    fn every_byte_that_passes_into_a_value_leaves_the_head_one_line_longer() {
        let lines = encoded(&Response::text(200, ""), NOW).lines().count();
        for character in ('\0'..='\u{ff}').chain(['\u{85}', '\u{2028}', '😀']) {
            let text = encoded(&Response::text(200, "").with_header("X", format!("a{character}b")), NOW);
            let dropped = character.is_ascii_control() && character != '\t';
            assert_eq!(text.matches("\r\n").count(), lines + usize::from(!dropped), "{character:?}");
            assert_eq!(text.matches(['\r', '\n']).count() % 2, 0, "{character:?}");
        }
    }

    #[test]
    fn a_status_that_is_no_final_one_is_our_fault() {
        for status in [0, 99, 100, 101, 199, 600, 1000, u16::MAX] {
            let text = encoded(&Response::text(status, ""), NOW);
            assert!(text.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{status}: {text}");
        }
        assert!(encoded(&Response::text(299, ""), NOW).starts_with("HTTP/1.1 299 \r\n"));
    }

    #[test]
    fn a_refusal_is_answered_with_its_reason_and_the_end() {
        let refusal = Refusal::new(429, "Too Many Requests").with_header("Retry-After", "5");
        assert_eq!((refusal.status(), refusal.header("retry-after")), (429, Some("5")));
        let response = Response::from(refusal);
        assert!(response.closes());
        let text = encoded(&response, NOW);
        assert!(text.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
        assert!(text.contains("\r\nRetry-After: 5\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nToo Many Requests"), "{text}");
    }
}
