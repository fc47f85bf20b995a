//! Close frames (RFC 6455, sections 5.5.1 and 7.4): the codes that one may carry, what a peer's says, and how ours is
//! encoded.
//!
//! tungstenite checks all that a Close has in common with other frames, half a code, and the reason's UTF-8. The code is
//! judged here: tungstenite would put 1002 in the place of one that it does not know, so that nobody learned which, and
//! it does not know 1014.
//!
//! Not here: who sends which code and when (`error.rs`, `engine/session/ending.rs`).

use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::Control;

use super::{Mask, Received, Utf8Bytes, encode_control};
use crate::error::{CloseReason, NO_CODE};
use crate::limits::CLOSE_REASON_BYTES;

/// The end in good order.
const NORMAL: u16 = 1000;

/// Whether a Close frame may carry this code, in either direction: those of RFC 6455, section 7.4.1, those that IANA has
/// registered since (1012 to 1014), and those for libraries (3xxx) and applications (4xxx). 1004 has no meaning yet; 1005,
/// 1006 and 1015 are for what happened without a code, and MUST NOT be in a frame.
pub fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// What a Close of the peer comes to. A code that no frame may carry breaks the protocol; it is named.
pub(super) fn judge(frame: Option<CloseFrame>) -> Received {
    let Some(CloseFrame { code, reason }) = frame else {
        return Received::Close { code: None, reason: Utf8Bytes::default() };
    };
    match code.into() {
        code if is_close_code(code) => Received::Close { code: Some(code), reason },
        code => Received::Violation(CloseReason::Protocol(format!("a Close with the code {code}").into())),
    }
}

/// Appends a Close frame. For 1005 it is an empty one, with neither code nor reason; any other code that a frame may not
/// carry becomes 1000. A reason above [`CLOSE_REASON_BYTES`] is cut at a character.
pub fn encode_close(code: u16, reason: &str, mask: Option<Mask>, out: &mut Vec<u8>) {
    if code == NO_CODE {
        return encode_control(Control::Close, &[], mask, out);
    }
    let code = if is_close_code(code) { code } else { NORMAL };
    let end = (0..=CLOSE_REASON_BYTES.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
    let reason = reason.get(..end.unwrap_or(0)).unwrap_or_default();
    encode_control(Control::Close, &[&code.to_be_bytes(), reason.as_bytes()], mask, out);
}

#[cfg(test)]
mod tests;
