//! permessage-deflate among all sessions: one compressor for each window size and one decompressor, lent to the session
//! that is served; and the contexts of the few sessions that keep their own.
//!
//! Not here: what DEFLATE and RFC 7692 ask for (`wire/deflate.rs`), the messages of one session
//! (`session/inflating.rs`), broadcasts (`broadcast.rs`).

use slab::Slab;

use crate::limits::{
    COMPRESSOR_BYTES, CONTEXT_KEEP_BYTES, DECOMPRESSOR_BYTES, DEFLATE_BYTES_PER_TURN, DEFLATE_LARGE_BYTES,
    DEFLATE_LARGE_PART, DEFLATE_OWN_BYTES, INFLATIONS_PER_TURN, READ_BYTES_PER_TURN,
};
use crate::wire::deflate::{Agreement, Compressor, Decompressor, DeflateConfig, Inflation, Offer, WINDOW_BITS};
use crate::wire::http::Extension;
use crate::wire::websocket::{Bytes, HEADER_BYTES, Kind, MessageHeader, PreparedMessage};

/// How many window sizes there are.
pub(super) const WINDOWS: usize = (*WINDOW_BITS.end() - *WINDOW_BITS.start() + 1) as usize;

/// What a session has agreed on, and where its contexts are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deflate {
    agreement: Agreement,
    /// Its place among the contexts that are kept; of no meaning where none is.
    place: u32,
}

impl Deflate {
    /// The answer to the peer's offers.
    pub fn response(self) -> String {
        self.agreement.response()
    }

    /// The window of what it is sent; `None` where that goes as it is.
    pub fn window_bits(self) -> Option<u8> {
        self.agreement.window_bits()
    }

    /// Whether a message of so many bytes is deflated by the compressor that is kept for it.
    pub fn has_own(self, bytes: usize) -> bool {
        self.agreement.own_takes_over && bytes <= DEFLATE_OWN_BYTES
    }

    /// What the contexts weigh that are kept for it, in bytes, whether it has used them yet or not.
    pub fn weight(self) -> usize {
        let window = self.window_bits().filter(|_| self.agreement.own_takes_over);
        let compressor = window.map_or(0, |bits| COMPRESSOR_BYTES + (4 << bits));
        compressor + if self.agreement.peer_takes_over { DECOMPRESSOR_BYTES } else { 0 }
    }
}

/// The contexts of a session that takes over; each from its first use on.
#[derive(Debug, Default)]
struct Contexts {
    compressor: Option<Box<Compressor>>,
    decompressor: Option<Box<Decompressor>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Compression {
    config: DeflateConfig,
    /// For messages that stand alone, by window size; each from its first use on.
    compressors: [Option<Box<Compressor>>; WINDOWS],
    decompressor: Option<Box<Decompressor>>,
    /// Emptied buffers: of a message that was inflated, and of one that was deflated.
    inflated: Vec<u8>,
    deflated: Vec<u8>,
    contexts: Slab<Contexts>,
    /// How often a large message may still be gone on with in this turn.
    steps: usize,
    /// What may still be deflated in this turn, as [`DEFLATE_BYTES_PER_TURN`] counts it.
    bytes: usize,
}

impl Compression {
    pub fn new(config: &DeflateConfig) -> Compression {
        Compression {
            config: config.clone(),
            compressors: [const { None }; WINDOWS],
            decompressor: None,
            inflated: Vec::new(),
            deflated: Vec::new(),
            contexts: Slab::new(),
            steps: INFLATIONS_PER_TURN,
            bytes: DEFLATE_BYTES_PER_TURN,
        }
    }

    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.steps = INFLATIONS_PER_TURN;
        self.bytes = DEFLATE_BYTES_PER_TURN;
    }

    /// Whether one more large message may be gone on with in this turn.
    pub fn take_step(&mut self) -> bool {
        let may = self.steps > 0;
        self.steps -= usize::from(may);
        may
    }

    /// What is agreed on with a peer that offers these; without takeover if there is no memory for it. To be given back by
    /// [`Compression::release`].
    pub fn agree(&mut self, offers: &[Extension], has_memory: bool) -> Option<Deflate> {
        let offer = Offer::first(offers).filter(|_| self.config.enabled)?;
        let may_take_over = has_memory && self.contexts.len() < self.config.takeover_sessions;
        let agreement = offer.accept(&self.config, may_take_over);
        // Without a place of its own a session is given one that is nobody's.
        let place = if agreement.takes_over() { self.contexts.insert(Contexts::default()) } else { usize::MAX };
        Some(Deflate { agreement, place: u32::try_from(place).unwrap_or(u32::MAX) })
    }

    /// The session is over: its contexts are let go.
    pub fn release(&mut self, deflate: Option<Deflate>) {
        if let Some(deflate) = deflate
            && deflate.agreement.takes_over()
        {
            self.contexts.try_remove(deflate.place as usize);
        }
    }

    /// Sessions that keep a context.
    #[cfg(any(test, debug_assertions))]
    pub fn takeovers(&self) -> usize {
        self.contexts.len()
    }

    // --- in ---

    /// A message of this session is to be inflated.
    pub fn lend_inflation(&mut self, deflate: Deflate, kind: Kind, payload: Bytes, at_most: usize) -> Lent {
        let takes_over = deflate.agreement.peer_takes_over;
        let kept = if takes_over {
            self.contexts.get_mut(deflate.place as usize).and_then(|contexts| contexts.decompressor.take())
        } else {
            self.decompressor.take()
        };
        let inflation = Inflation::new(kind, payload, at_most, std::mem::take(&mut self.inflated));
        Lent { inflation, decompressor: kept.unwrap_or_else(|| Box::new(Decompressor::new(takes_over))) }
    }

    /// It is whole; what it needed is given back.
    pub fn take_back(&mut self, deflate: Deflate, decompressor: Box<Decompressor>, buffer: Vec<u8>) {
        // One with more room would let the next message have more than its share.
        if buffer.capacity() <= READ_BYTES_PER_TURN {
            self.inflated = buffer;
        }
        if !deflate.agreement.peer_takes_over {
            self.decompressor = Some(decompressor);
        } else if let Some(contexts) = self.contexts.get_mut(deflate.place as usize) {
            contexts.decompressor = Some(decompressor);
        }
    }

    /// What was agreed on with a server: it takes no context over in either direction.
    pub fn join(agreement: Agreement) -> Deflate {
        Deflate { agreement, place: u32::MAX }
    }

    // --- out ---

    /// Deflates a message to this session alone; `None` if it is to go as it is. What is deflated must be sent, and in this
    /// order; then give the buffer back by [`Compression::return_buffer`].
    pub fn deflate(&mut self, deflate: Deflate, payload: &[u8]) -> Option<Vec<u8>> {
        let window_bits = deflate.window_bits()?;
        if !self.is_due(payload) {
            return None;
        }
        let mut out = std::mem::take(&mut self.deflated);
        out.clear();
        let is_done = if deflate.has_own(payload.len()) {
            self.own_compressor(deflate).is_some_and(|own| own.compress_behind(payload, &mut out))
        } else {
            let lent = self.lend_compressor(window_bits);
            lent.is_some_and(|lent| lent.compress_alone(payload, &mut out))
        };
        if is_done {
            if !deflate.has_own(payload.len()) {
                self.skip(deflate);
            }
            Some(out)
        } else {
            self.return_buffer(out);
            None
        }
    }

    /// Takes an emptied buffer back.
    pub fn return_buffer(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= CONTEXT_KEEP_BYTES {
            self.deflated = buffer;
        }
    }

    /// The frame of a broadcast for all whose window is this; `None` if it is to go as it is.
    pub fn deflate_for_all(&mut self, window_bits: u8, message: &PreparedMessage) -> Option<Bytes> {
        let payload = message.payload();
        if !self.is_due(payload) {
            return None;
        }
        let mut out = std::mem::take(&mut self.deflated);
        out.clear();
        let lent = self.lend_compressor(window_bits);
        let is_done = lent.is_some_and(|lent| lent.compress_alone(payload, &mut out));
        let frame = is_done.then(|| {
            let mut frame = Vec::with_capacity(out.len() + HEADER_BYTES);
            MessageHeader { kind: message.kind(), is_deflated: true, bytes: out.len(), mask: None }.encode(&mut frame);
            frame.extend_from_slice(&out);
            frame.into()
        });
        self.return_buffer(out);
        frame
    }

    /// A session is sent what its own compressor has not deflated: that must not refer to anything before it.
    pub fn skip(&mut self, deflate: Deflate) {
        if let Some(contexts) = self.contexts.get_mut(deflate.place as usize)
            && let Some(compressor) = &mut contexts.compressor
        {
            compressor.forget();
        }
    }

    /// Whether it is worth it, and may still be deflated in this turn: then it is counted.
    fn is_due(&mut self, payload: &[u8]) -> bool {
        let bytes = payload.len();
        let is_due = bytes > 0 && bytes >= self.config.min_bytes && self.bytes > 0;
        if is_due {
            let cost = if bytes > DEFLATE_LARGE_BYTES { bytes / DEFLATE_LARGE_PART } else { bytes };
            self.bytes = self.bytes.saturating_sub(cost);
        }
        is_due
    }

    /// The compressor that a session keeps.
    fn own_compressor(&mut self, deflate: Deflate) -> Option<&mut Compressor> {
        let window_bits = deflate.window_bits()?;
        let contexts = self.contexts.get_mut(deflate.place as usize)?;
        let new = || Box::new(Compressor::new(self.config.level, window_bits));
        Some(contexts.compressor.get_or_insert_with(new))
    }

    fn lend_compressor(&mut self, window_bits: u8) -> Option<&mut Compressor> {
        let slot = self.compressors.get_mut(window(window_bits))?;
        Some(slot.get_or_insert_with(|| Box::new(Compressor::new(self.config.level, window_bits))))
    }
}

/// The place of a window size.
pub(super) fn window(bits: u8) -> usize {
    usize::from(bits.saturating_sub(*WINDOW_BITS.start()))
}

/// A message that is being inflated, and what that takes.
#[derive(Debug)]
pub(super) struct Lent {
    pub inflation: Inflation,
    pub decompressor: Box<Decompressor>,
}

impl Lent {
    /// What it holds, in bytes.
    pub fn weight(&self) -> usize {
        self.inflation.weight() + DECOMPRESSOR_BYTES
    }
}
