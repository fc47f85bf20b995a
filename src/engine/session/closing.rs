//! Our Close is out: what the peer still sends is followed, so that its own Close is found, and dropped.
//!
//! Not here: how we come to close (`mod.rs` beside this file), what is read once frames do not count any more
//! (`net/connection.rs`).

use super::weight::weight_of_frames;
use super::{Phase, Session};
use crate::engine::shared::Shared;
use crate::limits::LINGER_BYTES;
use crate::wire::websocket::{Context, FrameWalker, Input, MessageLimits, Received};

/// A session that awaits the peer's Close.
#[derive(Debug)]
pub struct Closing {
    walker: FrameWalker,
    /// Its own context, only while it is not clean.
    context: Option<Box<Context>>,
    /// Whether messages may be deflated: they are dropped as they are.
    may_be_deflated: bool,
    /// What has come behind our Close, in bytes.
    received: usize,
}

impl Closing {
    /// Goes on where the open session stood.
    pub fn new(walker: FrameWalker, context: Option<Box<Context>>, may_be_deflated: bool) -> Closing {
        Closing { walker, context, may_be_deflated, received: 0 }
    }

    /// What the message under way weighs, in bytes.
    pub fn weight(&self) -> usize {
        weight_of_frames(&self.walker, self.context.as_deref())
    }

    /// Payload still to come of the frame under way.
    pub fn remaining(&self) -> u64 {
        self.walker.remaining()
    }
}

impl Session {
    /// Takes frames until the peer's Close has come. One that sends more than [`LINGER_BYTES`] and a message of the allowed
    /// size instead is dropped.
    pub(super) fn take_closing(&mut self, shared: &mut Shared, input: &[u8]) -> (usize, bool) {
        let role = self.role();
        let limits = &shared.config.limits;
        let at_most = limits.message_bytes.saturating_add(LINGER_BYTES);
        let Phase::Closing(closing) = &mut self.phase else { return (0, false) };
        let limits = MessageLimits {
            bytes: limits.message_bytes,
            fragments: limits.fragments,
            messages: usize::MAX,
            frames: shared.share.frames,
            deflate: closing.may_be_deflated,
        };
        let walk = closing.walker.walk(input, limits);
        shared.share.frames -= walk.frames;
        closing.received = closing.received.saturating_add(walk.end);
        if closing.received > at_most {
            self.drop_socket(shared);
            return (input.len(), false);
        }
        let mut context = closing.context.take().unwrap_or_else(|| {
            let mut context = shared.new_context(role);
            context.begin_closing();
            context
        });
        let mut rest = Input::new(input, &walk);
        let mut replies = Vec::new();
        let is_over = loop {
            match context.receive(&mut rest, &mut replies) {
                Received::Pending => break walk.violation.is_some(),
                Received::Close { .. } | Received::Violation(_) => break true,
                Received::Message(_) | Received::Ping | Received::Pong(_) => {}
            }
        };
        if is_over {
            self.wind_down(shared);
        } else if let Phase::Closing(closing) = &mut self.phase
            && !closing.walker.is_clean()
        {
            closing.context = Some(context);
        }
        (walk.end, is_over || walk.may_go_on && shared.share.frames > 0)
    }
}
