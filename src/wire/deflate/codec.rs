//! One message through DEFLATE (RFC 1951), as RFC 7692 cuts it.
//!
//! A peer chooses what its bytes cost: a few of them inflate to a thousand times as many, and blocks that say next to
//! nothing cost as much to read as a screenful of text. So inflating goes in steps that are bounded both ways, and
//! deflating tries less hard the larger a message is.
//!
//! Not here: what was agreed on (`wire/deflate.rs`), when a context is kept (`engine/compression.rs`).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::WINDOW_BITS;
use crate::error::CloseReason;
use crate::limits::{
    CONTEXT_KEEP_BYTES, DEFLATE_LARGE_BYTES, DEFLATE_LEVELS, DEFLATE_PROBE_BYTES, DEFLATE_PROBE_GAIN,
    INFLATE_INPUT_PER_STEP, INFLATE_INPUT_WEIGHT, INFLATE_ROOM_MIN,
};
use crate::wire::websocket::{Bytes, Kind, Message, Utf8Bytes, settled};

/// What a compressor's flush ends with: an empty stored block without its first byte (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// The same, and an empty stored block that is the last.
const TAIL_AND_LAST_BLOCK: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// The level of large messages.
const FAST: u8 = 1;
/// Room beyond its input in which a flush ends, as a rule; where it does not, there is more.
const FLUSH_ROOM: usize = 64;

/// Deflates messages.
#[derive(Debug)]
pub struct Compressor {
    stream: Compress,
    window_bits: u8,
    level: u8,
    /// What the stream is set to.
    current: u8,
}

impl Compressor {
    /// `level` within [`DEFLATE_LEVELS`], `window_bits` within [`WINDOW_BITS`]; what is outside is brought into it.
    pub fn new(level: u8, window_bits: u8) -> Compressor {
        let level = level.clamp(*DEFLATE_LEVELS.start(), *DEFLATE_LEVELS.end());
        let window_bits = window_bits.clamp(*WINDOW_BITS.start(), *WINDOW_BITS.end());
        Compressor { stream: stream(level, window_bits), window_bits, level, current: level }
    }

    /// Forgets what it has seen: the next message can be read by whoever has seen none.
    pub fn forget(&mut self) {
        self.stream.reset();
    }

    /// Appends to `out` a message that stands alone, if it gets smaller; if not, `out` is as it was. What it has seen
    /// before is forgotten.
    pub fn compress_alone(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        self.forget();
        self.set_level(if payload.len() > DEFLATE_LARGE_BYTES { FAST.min(self.level) } else { self.level });
        let start = out.len();
        // No level makes more than nine bits of a byte.
        out.reserve(payload.len() + payload.len() / 8 + FLUSH_ROOM);
        let is_whole = self.compress_whole(payload, out);
        if !is_whole {
            self.renew();
        }
        let is_smaller = is_whole && cut_tail(out) && out.len() - start < payload.len();
        if !is_smaller {
            out.truncate(start);
        }
        is_smaller
    }

    /// Says whether all is out; it gives up where the beginning of a large message gains little.
    fn compress_whole(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let (probe, rest) = payload.split_at_checked(DEFLATE_PROBE_BYTES).unwrap_or((&[], payload));
        if !probe.is_empty() {
            let start = out.len();
            let is_ok = self.stream.compress_vec(probe, out, FlushCompress::None).is_ok();
            if !is_ok || out.len() - start > probe.len() - probe.len() / DEFLATE_PROBE_GAIN {
                return false;
            }
        }
        let is_ok = self.stream.compress_vec(rest, out, FlushCompress::Sync).is_ok();
        // All is out if there was room for more (zlib's manual, deflate).
        is_ok && self.stream.total_in() == payload.len() as u64 && out.len() < out.capacity()
    }

    /// Appends to `out` a message for one who has seen all the others since [`Compressor::forget`]. `false`, with `out`
    /// as it was and all forgotten, if the library fails.
    pub fn compress_behind(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut rest = payload;
        loop {
            out.reserve(rest.len() + FLUSH_ROOM);
            let before = self.stream.total_in();
            let end = self.stream.compress_vec(rest, out, FlushCompress::Sync);
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            // All is out when there was room for more (zlib's manual, deflate).
            let is_whole = rest.is_empty() && out.len() < out.capacity();
            if is_whole && cut_tail(out) {
                return true;
            }
            if is_whole || end.is_err() {
                out.truncate(start);
                self.renew();
                return false;
            }
        }
    }

    /// Starts with a new stream, which forgetting does not do: in zlib-rs 0.6.8 what is left inside of a message that was
    /// given up halfway spoils the next, or panics.
    fn renew(&mut self) {
        self.stream = stream(self.level, self.window_bits);
        self.current = self.level;
    }

    fn set_level(&mut self, level: u8) {
        // Behind a reset nothing is to be flushed, so that this cannot fail.
        if level != self.current && self.stream.set_level(Compression::new(level.into())).is_ok() {
            self.current = level;
        }
    }
}

fn stream(level: u8, window_bits: u8) -> Compress {
    Compress::new_with_window_bits(Compression::new(level.into()), false, window_bits)
}

/// Takes the tail off that is not sent; it is the end of every flush.
fn cut_tail(out: &mut Vec<u8>) -> bool {
    let is_there = out.ends_with(&TAIL);
    if is_there {
        out.truncate(out.len() - TAIL.len());
    }
    is_there
}

/// Inflates messages, one after another.
#[derive(Debug)]
pub struct Decompressor {
    stream: Decompress,
    takes_over: bool,
}

impl Decompressor {
    /// `takes_over`: whether a message may refer to those before it.
    pub fn new(takes_over: bool) -> Decompressor {
        // The largest window serves every peer, and flate2 has no smaller one (zlib-rs holds the same for each).
        Decompressor { stream: Decompress::new(false), takes_over }
    }
}

/// One message that is being inflated, step by step.
#[derive(Debug)]
pub struct Inflation {
    kind: Kind,
    payload: Bytes,
    /// How much of the payload, and of what is to be put behind it, is done with.
    taken: usize,
    out: Vec<u8>,
    /// How much of that the payload says by itself, once it is known. What is put behind it has nothing to add.
    said: Option<usize>,
    at_most: usize,
}

/// Why a decompressor came back.
enum Pause {
    /// All input is taken, and all that it says is out.
    NeedsInput,
    /// The last block of a stream has ended: there may be input behind it.
    StreamEnded,
    OutputIsFull,
}

impl Inflation {
    /// Of `payload`, to `at_most` so many bytes, into `buffer`, which is emptied.
    pub fn new(kind: Kind, payload: Bytes, at_most: usize, mut buffer: Vec<u8>) -> Inflation {
        buffer.clear();
        Inflation { kind, payload, taken: 0, out: buffer, said: None, at_most }
    }

    /// What it holds, in bytes.
    pub fn weight(&self) -> usize {
        self.payload.len() + self.out.capacity()
    }

    /// What it has cost so far: bytes in by their weight, [`INFLATE_INPUT_WEIGHT`], or bytes out, whichever are more.
    pub fn cost(&self) -> usize {
        (self.taken * INFLATE_INPUT_WEIGHT).max(self.out.len())
    }

    /// It outlives the turn that it came in: its payload pins nothing beside itself from here on.
    pub fn settle(&mut self) {
        self.payload = settled(std::mem::take(&mut self.payload));
    }

    /// Goes on, by at most `output` bytes of output (or what the buffer has room for), and by as many bytes of input as
    /// weigh the same, but no more than [`INFLATE_INPUT_PER_STEP`]; says whether the message is whole: then
    /// [`Inflation::finish`]. All steps of a message are with the same decompressor, and no other message's between them.
    ///
    /// An error is the end of the peer: [`CloseReason::MessageTooBig`] with the first byte above the limit, and
    /// [`CloseReason::Protocol`] for what is not DEFLATE.
    pub fn step(&mut self, decompressor: &mut Decompressor, output: usize) -> Result<bool, CloseReason> {
        let Decompressor { ref mut stream, takes_over } = *decompressor;
        if self.taken == 0 && !takes_over {
            stream.reset(false);
        }
        let payload = self.payload.clone();
        // Behind a whole message the tail and one more block are its end; in the middle of a block they are not. With
        // takeover there must be no end, and this is told only where the tail adds something.
        let behind = if takes_over { TAIL.as_slice() } else { &TAIL_AND_LAST_BLOCK };
        let whole = payload.len() + if payload.is_empty() { 0 } else { behind.len() };
        let input = INFLATE_INPUT_PER_STEP.min(output.div_ceil(INFLATE_INPUT_WEIGHT));
        let (input_end, output_end) = (self.taken + input, self.out.len() + output);
        while self.taken < whole {
            let rest = match self.taken.checked_sub(payload.len()) {
                None => payload.get(self.taken..payload.len().min(input_end)).filter(|rest| !rest.is_empty()),
                // All that the payload says comes out first.
                Some(0) if self.said.is_none() => Some(&[][..]),
                Some(taken) => behind.get(taken..),
            };
            let Some(rest) = rest else { return Ok(false) };
            match self.inflate(stream, rest, output_end)? {
                Pause::NeedsInput => self.said = (self.taken >= payload.len()).then_some(self.out.len()),
                Pause::OutputIsFull => return Ok(false),
                Pause::StreamEnded => {
                    // One that is done may have sent its last block as such (RFC 7692, section 7.2.3.4).
                    stream.reset(false);
                    if self.taken == payload.len() {
                        return Ok(true);
                    }
                    if self.taken > payload.len() {
                        return if self.taken == whole && !takes_over { Ok(true) } else { Err(broken()) };
                    }
                }
            }
        }
        if takes_over || payload.is_empty() { Ok(true) } else { Err(broken()) }
    }

    fn inflate(&mut self, stream: &mut Decompress, input: &[u8], output_end: usize) -> Result<Pause, CloseReason> {
        let mut rest = input;
        loop {
            if self.out.len() == self.out.capacity() {
                let Some(most @ 1..) = output_end.min(self.at_most + 1).checked_sub(self.out.len()) else {
                    return Ok(Pause::OutputIsFull);
                };
                self.out.reserve_exact(self.out.len().max(INFLATE_ROOM_MIN).min(most));
            }
            let (before, had) = (stream.total_in(), self.out.len());
            let status = stream.decompress_vec(rest, &mut self.out, FlushDecompress::Sync).map_err(|_| broken())?;
            let taken = usize::try_from(stream.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            self.taken += taken;
            if self.said.is_some_and(|said| self.out.len() > said) {
                return Err(broken());
            }
            if self.out.len() > self.at_most {
                return Err(CloseReason::MessageTooBig);
            }
            if status == Status::StreamEnd {
                return Ok(Pause::StreamEnded);
            }
            let has_room = self.out.len() < self.out.capacity();
            if has_room && rest.is_empty() {
                return Ok(Pause::NeedsInput);
            }
            if has_room && taken == 0 && self.out.len() == had {
                return Err(broken());
            }
            if self.out.len() >= output_end {
                return Ok(Pause::OutputIsFull);
            }
        }
    }

    /// The message, and a buffer for the next one. [`CloseReason::InvalidUtf8`] for a text that is none.
    pub fn finish(mut self) -> (Result<Message, CloseReason>, Vec<u8>) {
        let bytes = if self.out.len() > CONTEXT_KEEP_BYTES {
            self.out.shrink_to_fit();
            Bytes::from(std::mem::take(&mut self.out))
        } else {
            Bytes::copy_from_slice(&self.out)
        };
        let message = match self.kind {
            Kind::Text => Utf8Bytes::try_from(bytes).map(Message::Text).map_err(|_| CloseReason::InvalidUtf8),
            Kind::Binary => Ok(Message::Binary(bytes)),
        };
        (message, self.out)
    }
}

fn broken() -> CloseReason {
    CloseReason::Protocol("a deflated message that cannot be inflated".into())
}
