//! [`ResponseHead`]: the head of an answer to an upgrade request, taken apart once by httparse, then held to what
//! httparse lets pass: its status, and how its body ends.
//!
//! Not here: where a head ends (`scanner.rs`), what a 101 must say (`switch.rs`), the body itself (`body.rs`).

use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::body::BodyFraming;
use super::fields::{Fields, range_within};
use super::grammar::parse_length;
use super::head::Version;
use super::scanner::ResponseScanner;
use crate::limits::{HEADERS_MAX, Limits};

/// The codes that there are (RFC 9110, section 15).
const STATUSES: RangeInclusive<u16> = 100..=599;
/// An answer that ends HTTP on its connection.
const SWITCHING_PROTOCOLS: u16 = 101;

/// The head of an answer to a GET.
///
/// Owned, in two allocations. Its `Debug` shows the status and header names, never a value: those may be cookies.
pub struct ResponseHead {
    fields: Fields,
    version: Version,
    status: u16,
    reason: Range<usize>,
    framing: BodyFraming,
}

impl ResponseHead {
    /// Takes apart a complete head, blank line included and nothing behind it, as [`ResponseScanner::scan`] delimits it
    /// (its rules are applied once more, so any bytes may be given).
    ///
    /// An error is a sentence that repeats nothing of what the peer sent, and the end of the connection: for what RFC 9112
    /// does not allow (a status line without a reason is taken, and without the space before it: nobody can read these
    /// differently); a status outside 100 to 599; more than [`Limits::head_bytes`], or [`Limits::headers`] lines; several
    /// `Content-Length` lines or one that is no plain number, or one beside a `Transfer-Encoding` (section 6.3).
    pub fn parse(head: &[u8], limits: &Limits) -> Result<ResponseHead, String> {
        if ResponseScanner::default().scan(head, limits)? != Some(head.len()) {
            return Err("the head of the answer has no end, or something behind it".into());
        }
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let lines = lines.get_mut(..limits.headers.min(HEADERS_MAX)).unwrap_or_default();
        let most = lines.len();
        let mut response = httparse::Response::new(lines);
        match response.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err("the head of the answer ends in the wrong place".into()),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(format!("the answer has more than {most} header lines"));
            }
            Err(error) => return Err(format!("the answer is malformed: {error}")),
        }
        let status = response.code.unwrap_or_default();
        if !STATUSES.contains(&status) {
            let (least, most) = STATUSES.into_inner();
            return Err(format!("the answer has the status {status}; there are {least} to {most}"));
        }
        let fields = Fields::new(head, response.headers);
        let version = if response.version == Some(1) { Version::Http11 } else { Version::Http10 };
        let framing = framing(status, version, &fields)?;
        let reason = range_within(head, response.reason.unwrap_or_default().as_bytes());
        Ok(ResponseHead { fields, version, status, reason, framing })
    }

    /// The status code, 100 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the peer says of the status, in visible ASCII, spaces and tabs; empty where it says nothing, or anything else.
    pub fn reason(&self) -> &str {
        self.fields.text(&self.reason)
    }

    /// The version of the status line.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether this is not yet the answer: 1xx, but for 101. It has no body, says nothing to a handshake, and another head
    /// follows (RFC 9110, section 15.2).
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != SWITCHING_PROTOCOLS
    }

    /// How the body ends that follows the head (RFC 9112, section 6.3, for an answer to GET): none with 1xx, 204 and 304,
    /// whatever else they say; chunks where `chunked` is the last transfer coding; the bytes of `Content-Length`; else all
    /// until the end of the stream, as where the transfer coding is another, or comes in HTTP/1.0 (section 6.1).
    pub fn body_framing(&self) -> BodyFraming {
        self.framing
    }

    /// What it keeps, in bytes.
    pub fn weight(&self) -> usize {
        self.fields.weight()
    }

    /// All header lines in their order, the whitespace around the values removed. A value has no control characters
    /// but HTAB; it need not be UTF-8.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.all()
    }

    /// The first value named `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.fields.values(name).next()
    }

    /// All lines, for what a handshake asks of them.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("status", &self.status)
            .field("headers", &self.headers().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn framing(status: u16, version: Version, fields: &Fields) -> Result<BodyFraming, String> {
    if matches!(status, 100..=199 | 204 | 304) {
        return Ok(BodyFraming::None);
    }
    let coding = fields.tokens("transfer-encoding").last();
    let is_coded = fields.values("transfer-encoding").next().is_some();
    let mut lengths = fields.values("content-length");
    match (lengths.next(), lengths.next()) {
        (Some(_), Some(_)) => Err("the answer has more than one Content-Length".into()),
        (Some(_), None) if is_coded => Err("the answer has both Content-Length and Transfer-Encoding".into()),
        (Some(digits), None) => {
            let length = parse_length(digits).ok_or("the answer has a Content-Length that is no number")?;
            Ok(BodyFraming::Length(length))
        }
        (None, _)
            if version == Version::Http11 && coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked")) =>
        {
            Ok(BodyFraming::Chunked)
        }
        (None, _) => Ok(BodyFraming::UntilEnd),
    }
}

#[cfg(test)]
mod tests;
