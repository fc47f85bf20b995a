//! [`RequestHead`]: a request line and its header lines, taken apart once by httparse, then held to what httparse
//! lets pass: the target's characters, `Host`, the body's framing, `Expect`.
//!
//! Not here: where a head ends (`scanner.rs`), what an upgrade needs beside (`upgrade.rs`), paths that exist (the
//! host's routes).

use std::fmt;
use std::ops::Range;

use super::authority::Authority;
use super::fields::{Fields, range_within};
use super::grammar::{is_token, parse_length};
use super::response::Refusal;
use super::scanner::HeadScanner;
use crate::limits::{self, Limits};

/// The protocol version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, which is tolerated: no upgrade, and no keep-alive unless asked for.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request head that passed every check that does not depend on the route.
///
/// Owned, in two allocations; it is meant to live only until the request is answered. Its `Debug` shows method, path
/// and header names, never a value: those may be credentials.
pub struct RequestHead {
    fields: Fields,
    version: Version,
    method: Range<usize>,
    target: Range<usize>,
    content_length: usize,
}

impl RequestHead {
    /// Takes apart a complete head, blank line included and nothing behind it, as [`HeadScanner::scan`] delimits it
    /// (its rules are applied once more, so any bytes may be given).
    ///
    /// Refused, always with the end of the connection:
    /// - 400: what RFC 9112 does not allow; an HTTP/1.1 head without `Host` (even with an absolute target: section
    ///   3.2), several `Host` lines, or an implausible host; any `Transfer-Encoding`; several `Content-Length` lines
    ///   or one that is no plain number; a body with GET or HEAD; a target that is neither a path, nor an `http` or
    ///   `https` URI without user information, nor `*` with OPTIONS (so CONNECT always); a character in the target
    ///   that RFC 3986 has no place for, a `#`, or a broken percent-escape; a `Connection` with an item that is no
    ///   token; more than [`limits::LIST_ITEMS`] items in `Connection` or `Upgrade`;
    /// - 413: a body above [`limits::BODY_BYTES`];
    /// - 414 or 431: more than [`Limits::head_bytes`]; 431: more than [`Limits::headers`] lines;
    /// - 417: an `Expect` other than `100-continue`, or that one before a body: no interim answer is ever sent, and a
    ///   client that is told 417 repeats without it (RFC 9110, section 10.1.1). Without a body it has no meaning and
    ///   is ignored, as is every `Expect` of HTTP/1.0;
    /// - 505: a version other than 1.0 and 1.1.
    pub fn parse(head: &[u8], limits: &Limits) -> Result<RequestHead, Refusal> {
        if HeadScanner::default().scan(head, limits)? != Some(head.len()) {
            return Err(Refusal::malformed("the request head has no end, or something behind it"));
        }
        let mut lines = [httparse::EMPTY_HEADER; limits::HEADERS_MAX];
        let lines = lines.get_mut(..limits.headers.min(limits::HEADERS_MAX)).unwrap_or_default();
        let mut request = httparse::Request::new(lines);
        match request.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(Refusal::malformed("the request head ends in the wrong place")),
            Err(error) => return Err(refuse_unparsable(error, head, limits)),
        }
        let mut parsed = RequestHead {
            fields: Fields::new(head, request.headers),
            version: if request.version == Some(1) { Version::Http11 } else { Version::Http10 },
            method: range_within(head, request.method.unwrap_or_default().as_bytes()),
            target: range_within(head, request.path.unwrap_or_default().as_bytes()),
            content_length: 0,
        };
        parsed.check_target()?;
        parsed.check_host()?;
        parsed.check_lists()?;
        parsed.content_length = parsed.body_length()?;
        parsed.check_expectation()?;
        Ok(parsed)
    }

    /// The method as sent: a token, in any case, known or not.
    pub fn method(&self) -> &str {
        self.fields.text(&self.method)
    }

    /// The request target as sent (RFC 9112, section 3.2).
    pub fn target(&self) -> &str {
        self.fields.text(&self.target)
    }

    /// The target's path without the query, not decoded, so that two spellings are two paths; `/` where an absolute
    /// target has none (RFC 9112, section 3.2.1), `*` for that form.
    pub fn path(&self) -> &str {
        Target::split(self.target()).path
    }

    /// What follows the first `?` of the target, not decoded.
    pub fn query(&self) -> Option<&str> {
        Target::split(self.target()).query
    }

    /// The version of the request line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host that is asked for, with its port if one is named: the authority of an absolute target, in whose
    /// presence `Host` says nothing (RFC 9112, section 3.2.2), else that header. `None` only for HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        let named = || self.header("host").and_then(|value| std::str::from_utf8(value).ok());
        Target::split(self.target()).authority.or_else(named)
    }

    /// Bytes of body that follow the head; at most [`limits::BODY_BYTES`], and 0 for GET and HEAD.
    pub fn content_length(&self) -> usize {
        self.content_length
    }

    /// What it keeps, in bytes.
    pub fn weight(&self) -> usize {
        self.fields.weight()
    }

    /// Whether the peer wants to keep the connection for another request (RFC 9112, section 9.3): HTTP/1.1 unless it
    /// says `close`, HTTP/1.0 only if it says `keep-alive` and not `close`.
    pub fn keep_alive(&self) -> bool {
        let says = |option: &[u8]| self.tokens("connection").any(|token| token.eq_ignore_ascii_case(option));
        !says(b"close") && (self.version == Version::Http11 || says(b"keep-alive"))
    }

    /// All header lines in their order, the whitespace around the values removed. A value has no control characters
    /// but HTAB; it need not be UTF-8.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.all()
    }

    /// The values of all lines named `name`, in any case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.values(name)
    }

    /// The first value named `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The elements of the comma-separated list that all lines named `name` make together, trimmed, without empty
    /// ones (RFC 9110, section 5.6.1). Most are compared by `eq_ignore_ascii_case`.
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.tokens(name)
    }

    fn check_target(&self) -> Result<(), Refusal> {
        let target = self.target();
        if !is_target_text(target.as_bytes()) {
            return Err(Refusal::malformed("a character or a percent-escape that no request target may have"));
        }
        // The four forms of RFC 9112, section 3.2. That of CONNECT asks for a tunnel; `*` is for OPTIONS alone.
        let known = match self.method() {
            "CONNECT" => false,
            "OPTIONS" if target == "*" => true,
            _ => target.starts_with('/') || Target::is_absolute(target),
        };
        known.then_some(()).ok_or(Refusal::malformed("a form of request target that is not served here"))
    }

    /// RFC 9112, section 3.2: none, several or an invalid one is 400, also where an absolute target replaces it.
    fn check_host(&self) -> Result<(), Refusal> {
        let mut hosts = self.values("host");
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => std::str::from_utf8(host).unwrap_or_default(),
            (None, _) if self.version == Version::Http10 => return Ok(()),
            (None, _) => return Err(Refusal::malformed("no Host header")),
            (Some(_), Some(_)) => return Err(Refusal::malformed("more than one Host header")),
        };
        let sound = Authority::parse(host).is_some();
        sound.then_some(()).ok_or(Refusal::malformed("a Host header that names no host"))
    }

    fn check_lists(&self) -> Result<(), Refusal> {
        for name in ["connection", "upgrade"] {
            if self.tokens(name).count() > limits::LIST_ITEMS {
                return Err(Refusal::too_many_items(name));
            }
        }
        // It says whether another request may follow: what is no list of tokens (RFC 9110, section 7.6.1) says neither.
        let sound = self.tokens("connection").all(is_token);
        sound.then_some(()).ok_or(Refusal::malformed("a Connection header that is no list of tokens"))
    }

    /// A body of unknown length, or one that two readers could measure differently, is how requests are smuggled
    /// (RFC 9112, section 11.2): there is one way to announce a body, one `Content-Length` of digits alone. Section
    /// 6.1 lets a server refuse `Transfer-Encoding` beside it, section 6.3 one without it, and RFC 9110, section 8.6
    /// the same length twice.
    fn body_length(&self) -> Result<usize, Refusal> {
        if self.header("transfer-encoding").is_some() {
            return Err(Refusal::malformed("Transfer-Encoding is not taken here"));
        }
        let mut lines = self.values("content-length");
        let length = match (lines.next(), lines.next()) {
            (None, _) => 0,
            (Some(digits), None) => parse_length(digits).ok_or(Refusal::malformed("a Content-Length of no number"))?,
            (Some(_), Some(_)) => return Err(Refusal::malformed("more than one Content-Length")),
        };
        if length > 0 && matches!(self.method(), "GET" | "HEAD") {
            return Err(Refusal::malformed("a request of this method has no body"));
        }
        if length > limits::BODY_BYTES {
            return Err(Refusal::new(413, format!("the body is larger than {} bytes", limits::BODY_BYTES)));
        }
        Ok(length)
    }

    fn check_expectation(&self) -> Result<(), Refusal> {
        let pointless = |token: &[u8]| self.content_length == 0 && token.eq_ignore_ascii_case(b"100-continue");
        if self.version == Version::Http11 && !self.tokens("expect").all(pointless) {
            return Err(Refusal::new(417, "Expectation Failed"));
        }
        Ok(())
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("headers", &self.headers().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The parts of a request target.
struct Target<'a> {
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn split(target: &'a str) -> Target<'a> {
        let (authority, local) = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => {
                let (authority, local) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (Some(authority), local)
            }
            Some(_) | None => (None, target),
        };
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        Target { authority, path: if path.is_empty() { "/" } else { path }, query }
    }

    /// `http` and `https`, in any case (RFC 9110, section 4.2), with a host and without user information (4.2.4). A
    /// handshake has these too, and not `ws` (RFC 6455, section 4.2.1).
    fn is_absolute(target: &str) -> bool {
        let known =
            |(scheme, _): (&str, &str)| ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
        target.split_once("://").is_some_and(known)
            && Target::split(target).authority.and_then(Authority::parse).is_some()
    }
}

/// Whether a request can name `text` as its path, byte for byte as it stands here.
pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains('?') && is_target_text(text.as_bytes())
}

/// Visible ASCII without what RFC 3986 keeps out of paths and queries, without fragments, with whole escapes. In a query
/// also what browsers leave there as it is (the query percent-encode set of the URL standard).
pub(in crate::wire) fn is_target_text(target: &[u8]) -> bool {
    let mut bytes = target.iter();
    let mut kept_out: &[u8] = b"\"#<>\\^`{|}";
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(u8::is_ascii_hexdigit)),
            _ => byte.is_ascii_graphic() && !kept_out.contains(byte),
        };
        if !sound {
            return false;
        }
        if *byte == b'?' {
            kept_out = b"\"#<>";
        }
    }
    true
}

fn refuse_unparsable(error: httparse::Error, head: &[u8], limits: &Limits) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal::new(431, format!("more than {} header lines", limits.headers.min(limits::HEADERS_MAX)))
        }
        httparse::Error::Version if names_a_version(head) => Refusal::new(505, "HTTP/1.1 and HTTP/1.0 are spoken here"),
        _ => Refusal::malformed(error.to_string()),
    }
}

/// Whether the third word of the request line is `HTTP/x.y` (RFC 9112, section 2.3).
fn names_a_version(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|&byte| byte == b'\r').next().unwrap_or_default();
    let version = line.splitn(3, |&byte| byte == b' ').nth(2).unwrap_or_default();
    matches!(version.strip_prefix(b"HTTP/"), Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}
