//! A deflated message of the peer: inflated in the same turn where it is small, else step by step, while whatever stands
//! behind it waits.
//!
//! Not here: DEFLATE (`wire/deflate/`), who lends what it takes (`engine/compression.rs`).

use super::open::Pending;
use super::{Phase, Session};
use crate::engine::compression::Lent;
use crate::engine::shared::Shared;
use crate::error::CloseReason;
use crate::limits::READ_BYTES_PER_TURN_BULK;
use crate::wire::websocket::{Bytes, Kind};

impl Session {
    /// A deflated message has come whole. What it inflates to, up to what is left of the session's share, is handed on
    /// now, or waits for the next turn.
    pub(super) fn inflate(&mut self, shared: &mut Shared, kind: Kind, payload: Bytes) -> Result<(), CloseReason> {
        let Phase::Open(open) = &self.phase else { return Ok(()) };
        let Some(deflate) = open.deflate else { return Ok(()) };
        let at_most = open.message_limits(shared).bytes;
        let lent = shared.compression.lend_inflation(deflate, kind, payload, at_most);
        let share = shared.share.inflated;
        let cost = self.inflate_on(shared, lent, share)?;
        if let Phase::Open(open) = &mut self.phase
            && let Some(Pending::Inflating(lent)) = open.pending.as_deref_mut()
        {
            lent.inflation.settle();
        }
        shared.share.inflated = share.saturating_sub(cost);
        Ok(())
    }

    /// Goes on with a message that was not whole in its first turn, if there is one: says so. Such messages of all sessions
    /// share what a turn may spend on them.
    pub(super) fn inflate_further(&mut self, shared: &mut Shared) -> bool {
        let Phase::Open(open) = &mut self.phase else { return false };
        if !open.is_inflating() {
            return false;
        }
        if !shared.compression.take_step() {
            self.mark_ready(shared);
            return true;
        }
        let Some(Pending::Inflating(lent)) = open.pending.take().map(|pending| *pending) else { return false };
        // Few have a step in a turn: the next ones are those that had none in this.
        self.mark_ready_last(shared);
        let events_before = shared.events.len();
        if let Err(reason) = self.inflate_on(shared, lent, READ_BYTES_PER_TURN_BULK) {
            self.fail_after_answers(shared, reason, shared.events.len() > events_before);
        }
        true
    }

    /// One step, of so many bytes; returns what the message has cost so far.
    fn inflate_on(&mut self, shared: &mut Shared, mut lent: Lent, output: usize) -> Result<usize, CloseReason> {
        let is_whole = lent.inflation.step(&mut lent.decompressor, output)?;
        let cost = lent.inflation.cost();
        let Phase::Open(open) = &mut self.phase else { return Ok(cost) };
        if is_whole {
            let (message, buffer) = lent.inflation.finish();
            if let Some(deflate) = open.deflate {
                shared.compression.take_back(deflate, lent.decompressor, buffer);
            }
            self.take_message(shared, message?)?;
        } else {
            open.pending = Some(Box::new(Pending::Inflating(lent)));
            self.mark_ready(shared);
        }
        Ok(cost)
    }
}
