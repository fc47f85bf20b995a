//! Finds the end of a head while it arrives, a request's or an answer's, looking at each byte once, and refuses at once
//! what can never become a good head. The parser proper runs once, on the complete head.
//!
//! Not here: what the head says (`head.rs`, `response_head.rs`), how long it may take (`engine/session/`).

use super::grammar::is_token_byte;
use super::response::Refusal;
use crate::limits::{INTERIM_RESPONSES, Limits};

/// What an answer begins with, whatever it is (RFC 9112, section 4).
const STATUS_LINE_START: &[u8] = b"HTTP/1.";

/// How many bytes what a head begins with may depend on: those of [`STATUS_LINE_START`], or an empty line and one more.
const BEGINNING: usize = STATUS_LINE_START.len();

/// What the alert begins with that a server of TLS has for who speaks without it (RFC 8446, section 5.1).
const TLS_ALERT: u8 = 21;

/// How much of a request's head was looked at. Lives as long as the head is incomplete.
#[derive(Debug, Clone, Default)]
pub struct HeadScanner {
    scanned: u32,
}

impl HeadScanner {
    /// Looks at what is new in `received`: everything that arrived since the end of the last head, so at least what
    /// it was given before.
    ///
    /// `Some(length)`: the head, its blank line included, is the first `length` bytes; the scanner is ready for the
    /// next head, which starts behind them. `None`: more is needed. An error is final for the connection:
    /// - 400 for a line feed or a carriage return on its own, another control character (but HTAB), more than one
    ///   empty line in front (RFC 9112, section 2.2 asks for tolerance of one), or a first byte that starts no method;
    /// - 431 as soon as [`Limits::head_bytes`] bytes are there without an end; 414 where not even the request line
    ///   ended within them. A head of exactly that many bytes is good.
    ///
    /// The answer does not depend on how the head was cut into pieces.
    pub fn scan(&mut self, received: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let window = received.get(..limits.head_bytes).unwrap_or(received);
        let first_line = if window.starts_with(b"\r\n") { 2 } else { 0 };
        let begins = |at: usize, byte: u8| at != first_line || is_token_byte(byte) || (at, byte) == (0, b'\r');
        match find_end(window, self.scanned, begins).map_err(Refusal::malformed)? {
            Scan::Ends(length) => {
                *self = HeadScanner::default();
                Ok(Some(length))
            }
            Scan::GoesOn(_) if window.len() == limits.head_bytes => Err(too_large(window, first_line, limits)),
            Scan::GoesOn(scanned) => {
                self.scanned = scanned;
                Ok(None)
            }
        }
    }
}

/// How much of an answer's head was looked at, and how many heads of it were found.
#[derive(Debug, Clone, Default)]
pub struct ResponseScanner {
    scanned: u32,
    heads: u32,
}

impl ResponseScanner {
    /// Looks at what is new in `received`: everything that arrived since the end of the last head, so at least what
    /// it was given before.
    ///
    /// `Some(length)`: the head, its blank line included, is the first `length` bytes. Where it is an interim one
    /// ([`super::ResponseHead::is_interim`]), the next head starts behind it and the scanner is ready for that. `None`:
    /// more is needed. An error is a sentence, and final for the connection: for a line feed or a carriage return on its
    /// own, another control character (but HTAB), a beginning that is no answer of HTTP/1; as soon as
    /// [`Limits::head_bytes`] bytes are there without an end (a head of exactly that many is good); and for more than
    /// [`INTERIM_RESPONSES`] heads before the last.
    ///
    /// The answer does not depend on how the head was cut into pieces.
    pub fn scan(&mut self, received: &[u8], limits: &Limits) -> Result<Option<usize>, String> {
        if self.heads > INTERIM_RESPONSES {
            return Err(format!("more than {INTERIM_RESPONSES} interim answers before the answer itself"));
        }
        if received.first() == Some(&TLS_ALERT) {
            return Err("the server speaks TLS: wss:// is for that".into());
        }
        let window = received.get(..limits.head_bytes).unwrap_or(received);
        let begins = |at: usize, byte: u8| STATUS_LINE_START.get(at).is_none_or(|&expected| expected == byte);
        match find_end(window, self.scanned, begins)? {
            Scan::Ends(length) => {
                *self = ResponseScanner { scanned: 0, heads: self.heads + 1 };
                Ok(Some(length))
            }
            Scan::GoesOn(_) if window.len() == limits.head_bytes => {
                Err(format!("the head of the answer does not fit in {} bytes", limits.head_bytes))
            }
            Scan::GoesOn(scanned) => {
                self.scanned = scanned;
                Ok(None)
            }
        }
    }
}

/// What a look at the bytes of a head found.
enum Scan {
    /// The head is the first so many bytes.
    Ends(usize),
    /// All bytes were looked at, so many.
    GoesOn(u32),
}

/// Looks at the bytes of `window` behind the first `scanned`. `begins` says whether a byte may stand where it does, among
/// the first [`BEGINNING`].
fn find_end(window: &[u8], scanned: u32, begins: impl Fn(usize, u8) -> bool) -> Result<Scan, &'static str> {
    let mut at = scanned as usize;
    let mut behind_cr = at.checked_sub(1).and_then(|at| window.get(at)) == Some(&b'\r');
    while let Some(&byte) = window.get(at) {
        if let Some(fault) = fault(behind_cr, byte) {
            return Err(fault);
        }
        if at < BEGINNING && !begins(at, byte) {
            return Err("this does not begin like a message of HTTP/1");
        }
        if byte == b'\n' && window.get(..=at).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
            return Ok(Scan::Ends(at + 1));
        }
        (behind_cr, at) = (byte == b'\r', at + 1);
        // Most bytes stand neither at the beginning nor at the end of a line: nothing is wrong with them.
        if at >= BEGINNING && !behind_cr {
            let rest = window.get(at..).unwrap_or_default();
            at += rest.iter().take_while(|byte| !byte.is_ascii_control()).count();
        }
    }
    Ok(Scan::GoesOn(u32::try_from(window.len()).unwrap_or(u32::MAX)))
}

/// What makes `byte` impossible in a head, behind a carriage return or not.
fn fault(behind_cr: bool, byte: u8) -> Option<&'static str> {
    match (behind_cr, byte) {
        (true, b'\n') => None,
        (false, b'\n') => Some("a line feed without a carriage return"),
        (true, _) => Some("a carriage return without a line feed"),
        (_, b'\r' | b'\t') => None,
        _ => byte.is_ascii_control().then_some("a control character in the head"),
    }
}

fn too_large(window: &[u8], first_line: usize, limits: &Limits) -> Refusal {
    let line_ended = window.get(first_line..).is_some_and(|lines| lines.windows(2).any(|pair| pair == b"\r\n"));
    let (status, part) = if line_ended { (431, "head") } else { (414, "line") };
    Refusal::new(status, format!("the request {part} does not fit in {} bytes", limits.head_bytes))
}
