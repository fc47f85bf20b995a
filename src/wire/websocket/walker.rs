//! Where frames end, and what must be known of one before its payload arrives: [`FrameWalker`].
//!
//! Not here: all else about a frame (`context.rs`), what a turn may take (`limits.rs`).

use super::{HEADER_BYTES, Kind};
use crate::error::CloseReason;
use crate::limits::{
    CONTROL_PAYLOAD_BYTES, DEFLATE_OVERHEAD_MIN, DEFLATE_OVERHEAD_PART, FRAMES_PER_TURN, MESSAGE_BYTES_MAX,
};

// The first two bytes of a header (RFC 6455, section 5.2).
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
pub(super) const CONTROL: u8 = 0x08;
pub(super) const CONTINUATION: u8 = 0x00;
const TEXT: u8 = 0x01;
const BINARY: u8 = 0x02;
pub(super) const CLOSE: u8 = 0x08;
pub(super) const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// What a message may be, at most.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Bytes of payload over all fragments; more than [`MESSAGE_BYTES_MAX`] is never allowed.
    pub bytes: usize,
    /// Fragments.
    pub fragments: usize,
    /// Messages after which a walk stops.
    pub messages: usize,
    /// Frames after which a walk stops: [`FRAMES_PER_TURN`], less what other walks of this turn have had.
    pub frames: usize,
    /// Whether messages may be deflated. Their payload may then be larger by what deflating adds ([`deflated_bound`]); what
    /// they inflate to is not known here.
    pub deflate: bool,
}

/// The largest payload of a message that inflates to so many bytes, as far as it is taken.
pub fn deflated_bound(bytes: usize) -> usize {
    bytes + bytes / DEFLATE_OVERHEAD_PART + DEFLATE_OVERHEAD_MIN
}

/// What one walk has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// How much of the input may go to the context now. The rest waits for the next turn (or, with
    /// `violation`, is never looked at).
    pub end: usize,
    /// How many frames end within that.
    pub frames: usize,
    /// How many data messages end within that.
    pub messages: usize,
    /// Whether one of these frames left no message under way: what is under way at `end` has begun behind it.
    pub was_clean: bool,
    /// The header behind `end` breaks a limit.
    pub violation: Option<CloseReason>,
    /// The walk begins with a Close frame.
    pub is_close: bool,
    /// What the context must see in the place of the first byte, where a deflated message begins with that.
    pub first: Option<u8>,
    /// The only message that ends within it is deflated, and of this kind.
    pub deflated: Option<Kind>,
    /// The walk ends because a deflated message begins or ends there: what is behind may be walked in the same turn.
    pub may_go_on: bool,
}

/// Follows the frames of one peer through any cutting of its bytes.
///
/// It reads headers only, and checks only what must be known before a payload arrives: sizes and counts.
/// All else about a frame is the context's to judge.
#[derive(Debug, Default)]
pub struct FrameWalker {
    /// Payload still to come of the frame that is under way.
    remaining: u64,
    /// Payload announced so far by the fragments of the message that is under way; 0 when there is none.
    message_bytes: u32,
    /// The header that is under way, as far as it has come: with its last byte it is not any more.
    header: [u8; HEADER_BYTES - 1],
    header_bytes: u8,
    /// Whether the frame under way ends a data message.
    ends_message: bool,
    /// The message under way is deflated, and of this kind.
    deflated: Option<Kind>,
    /// Fragments so far of the message under way; 0 when there is none.
    fragments: u32,
}

impl FrameWalker {
    /// Whether the peer stands at a frame boundary and in no fragmented message.
    pub fn is_clean(&self) -> bool {
        self.remaining == 0 && self.header_bytes == 0 && self.fragments == 0
    }

    /// Payload that is still to come of the frame under way, in bytes.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// What a context keeps of the message under way, in bytes: the payload that has come, and twice that where it comes
    /// in fragments, for they are collected in a buffer that grows by doubling. A control frame between them is not
    /// counted.
    pub fn held(&self) -> usize {
        let announced = self.message_bytes as usize;
        let received = announced.saturating_sub(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let in_fragments = self.fragments > 1 || self.fragments == 1 && self.remaining == 0;
        if in_fragments { 2 * received } else { received }
    }

    /// Walks on through `input`, as far as one turn may go: [`FRAMES_PER_TURN`] frames, or up to a Close
    /// frame that has others before it (so that what was asked before it can be answered before it). And no further than
    /// to where a deflated message begins or ends.
    pub fn walk(&mut self, input: &[u8], limits: MessageLimits) -> Walk {
        let mut walk = Walk::default();
        let is_turns_first = limits.frames == FRAMES_PER_TURN;
        loop {
            if self.remaining == 0 {
                let rest = input.get(walk.end..).unwrap_or_default();
                let is_first = is_turns_first && walk.frames == 0;
                let spent = walk.frames == limits.frames || walk.messages == limits.messages;
                let is_close = self.close_is_next(rest);
                if rest.is_empty() || spent || (!is_first && is_close) {
                    return walk;
                }
                walk.is_close |= is_close;
                if limits.deflate
                    && let Some((kind, first)) = self.deflated_is_next(rest)
                {
                    walk.may_go_on = walk.end > 0;
                    if walk.may_go_on {
                        return walk;
                    }
                    (self.deflated, walk.first) = (Some(kind), Some(first));
                }
                let Some((header, length)) = self.take_header(rest) else {
                    walk.end = input.len();
                    return walk;
                };
                if let Err(reason) = self.admit(&header, limits) {
                    // What comes before it is answered first: it is found again by the next walk.
                    walk.violation = is_first.then_some(reason);
                    return walk;
                }
                walk.end += length;
            }
            let there = input.len() - walk.end;
            let taken = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(there);
            self.remaining -= taken as u64;
            walk.end += taken;
            if self.remaining > 0 {
                return walk;
            }
            walk.frames += 1;
            if self.ends_message {
                self.ends_message = false;
                (self.message_bytes, self.fragments) = (0, 0);
                walk.messages += 1;
                walk.deflated = self.deflated.take();
                walk.may_go_on = walk.deflated.is_some();
            }
            walk.was_clean |= self.fragments == 0;
            if walk.may_go_on {
                return walk;
            }
        }
    }

    fn close_is_next(&self, rest: &[u8]) -> bool {
        self.header_bytes == 0 && rest.first().is_some_and(|first| first & OPCODE == CLOSE)
    }

    /// The kind of the deflated message that begins here, and its first byte as a plain one would have it: binary, since
    /// deflated text is no UTF-8 (RFC 7692, section 6). RSV1 elsewhere is the context's to refuse.
    fn deflated_is_next(&self, rest: &[u8]) -> Option<(Kind, u8)> {
        let first = *rest.first().filter(|first| self.header_bytes == 0 && **first & RSV1 != 0)?;
        let kind = match first & OPCODE {
            TEXT => Kind::Text,
            BINARY => Kind::Binary,
            _ => return None,
        };
        Some((kind, first & !(RSV1 | OPCODE) | BINARY))
    }

    /// The header that begins, or is gone on with, in `rest`; with it, how many bytes of `rest` belong to it.
    fn take_header(&mut self, rest: &[u8]) -> Option<(Header, usize)> {
        match Header::parse(rest) {
            Some(header) if self.header_bytes == 0 => Some((header, header.bytes)),
            _ => self.take_cut_header(rest),
        }
    }

    /// The same for a header that comes in pieces.
    #[cold]
    fn take_cut_header(&mut self, rest: &[u8]) -> Option<(Header, usize)> {
        let mut bytes = [0; HEADER_BYTES];
        let mut have = usize::from(self.header_bytes);
        let taken = rest.len().min(HEADER_BYTES - have);
        for (to, from) in bytes.iter_mut().zip(self.header.iter().take(have).chain(rest)) {
            *to = *from;
        }
        if let Some(header) = bytes.get(..have + taken).and_then(Header::parse) {
            self.header_bytes = 0;
            return Some((header, header.bytes - have));
        }
        have += taken;
        self.header.copy_from_slice(bytes.first_chunk::<{ HEADER_BYTES - 1 }>()?);
        self.header_bytes = u8::try_from(have).ok()?;
        None
    }

    /// Enters the frame, or says which limit it breaks.
    fn admit(&mut self, header: &Header, limits: MessageLimits) -> Result<(), CloseReason> {
        if header.opcode & CONTROL != 0 {
            if header.payload > CONTROL_PAYLOAD_BYTES as u64 {
                return Err(CloseReason::Protocol("control frame too big".into()));
            }
            self.ends_message = false;
        } else {
            let (bytes, fragments) =
                if header.opcode == CONTINUATION { (self.message_bytes, self.fragments) } else { (0, 0) };
            let payload = u32::try_from(header.payload).unwrap_or(u32::MAX);
            let (bytes, fragments) = (bytes.saturating_add(payload), fragments.saturating_add(1));
            let most = limits.bytes.min(MESSAGE_BYTES_MAX);
            let most = if self.deflated.is_some() { deflated_bound(most) } else { most };
            if bytes as usize > most {
                return Err(CloseReason::MessageTooBig);
            }
            if fragments as usize > limits.fragments {
                return Err(CloseReason::TooManyFragments);
            }
            (self.message_bytes, self.fragments) = (bytes, fragments);
            self.ends_message = header.fin;
        }
        self.remaining = header.payload;
        Ok(())
    }
}

/// What a frame's first bytes say.
#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: u8,
    payload: u64,
    bytes: usize,
}

impl Header {
    /// The header at the start of `bytes`, if all of it is there (RFC 6455, section 5.2).
    fn parse(bytes: &[u8]) -> Option<Header> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let (payload, extended) = match second & LENGTH {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
            short => (u64::from(short), 0),
        };
        let bytes_needed = 2 + extended + if second & MASKED == 0 { 0 } else { 4 };
        if bytes.len() < bytes_needed {
            return None;
        }
        Some(Header { fin: first & FIN != 0, opcode: first & OPCODE, payload, bytes: bytes_needed })
    }
}

/// The length of the frame at the start of `bytes`, header and payload, whether or not all of it is there;
/// `None` when not even the header is.
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = Header::parse(bytes)?;
    Some(header.bytes.saturating_add(usize::try_from(header.payload).ok()?))
}
