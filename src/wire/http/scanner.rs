//! Finds the end of a request head while it arrives, looking at each byte once, and refuses at once what can never
//! become a good head. The parser proper runs once, on the complete head.
//!
//! Not here: what the head says (`head.rs`), how long it may take (`engine/session/`).

use super::grammar::is_token_byte;
use super::response::Refusal;
use crate::limits::Limits;

/// How much of a head was looked at. Lives as long as the head is incomplete.
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
        let scanned = self.scanned as usize;
        let first_line = if window.starts_with(b"\r\n") { 2 } else { 0 };
        let mut previous = scanned.checked_sub(1).and_then(|at| window.get(at)).copied();
        for (at, &byte) in window.iter().enumerate().skip(scanned) {
            if let Some(fault) = fault(previous, byte) {
                return Err(Refusal::malformed(fault));
            }
            if at == first_line && !is_token_byte(byte) && (at, byte) != (0, b'\r') {
                return Err(Refusal::malformed("this does not begin like a request"));
            }
            if byte == b'\n' && window.get(..=at).is_some_and(|head| head.ends_with(b"\r\n\r\n")) {
                *self = HeadScanner::default();
                return Ok(Some(at + 1));
            }
            previous = Some(byte);
        }
        if window.len() == limits.head_bytes {
            return Err(too_large(window, first_line, limits));
        }
        self.scanned = u32::try_from(window.len()).unwrap_or(u32::MAX);
        Ok(None)
    }
}

/// What makes `byte` impossible in a head behind `previous`.
fn fault(previous: Option<u8>, byte: u8) -> Option<&'static str> {
    match (previous, byte) {
        (Some(b'\r'), b'\n') => None,
        (_, b'\n') => Some("a line feed without a carriage return"),
        (Some(b'\r'), _) => Some("a carriage return without a line feed"),
        (_, b'\r' | b'\t') => None,
        _ => byte.is_ascii_control().then_some("a control character in the request head"),
    }
}

fn too_large(window: &[u8], first_line: usize, limits: &Limits) -> Refusal {
    let line_ended = window.get(first_line..).is_some_and(|lines| lines.windows(2).any(|pair| pair == b"\r\n"));
    let (status, part) = if line_ended { (431, "head") } else { (414, "line") };
    Refusal::new(status, format!("the request {part} does not fit in {} bytes", limits.head_bytes))
}
