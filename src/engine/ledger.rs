//! How much memory the peers make the process hold: the account ([`Ledger`]), frames that many queues share
//! ([`SharedFrame`]), and what is done near the ceiling and at it.
//!
//! ```text
//!   0 ............................ 7/8 ................. 15/16 ............... max_memory
//!     all as ever                   | upgrades: 503        | whatever a new     | the heaviest session is
//!                                   | heavy senders wait   | connection asks:   | closed with 1013, again
//!                                   |                      | 503                | and again until below
//! ```
//!
//! A session's weight is known at any time without looking at what it holds piece by piece. After every call that
//! touches a session the difference to what it was charged before is entered; so nothing has to be remembered
//! where something is kept or let go.
//!
//! Not here: what a session weighs (`engine/session/weight.rs`); memory of the kernel (`net.send_buffer_bytes`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tungstenite::Bytes;

use super::{Engine, Intake};
use crate::engine::hub::ConnId;
use crate::engine::session::Session;
use crate::limits::{
    CONNECTIONS_OVERFLOW, INBOUND_SHARE_BYTES, MEMORY_ACCEPT_PART, MEMORY_LOG_INTERVAL, MEMORY_NEAR_PART,
    MEMORY_TAKEOVER_PART, MEMORY_TURN_AWAY_PART, OVERLOADED_PER_TURN,
};
use crate::time::{Now, micros};

/// One encoded frame in any number of queues: entered in the account once, and taken out with the last of them.
#[derive(Debug)]
pub(super) struct SharedFrame {
    frame: Bytes,
    meter: Arc<AtomicUsize>,
}

impl SharedFrame {
    pub fn new(frame: Bytes, meter: &Arc<AtomicUsize>) -> Arc<SharedFrame> {
        meter.fetch_add(frame.len(), Ordering::Relaxed);
        Arc::new(SharedFrame { frame, meter: meter.clone() })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for SharedFrame {
    fn drop(&mut self) {
        self.meter.fetch_sub(self.frame.len(), Ordering::Relaxed);
    }
}

/// What was done for lack of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// An upgrade, or a whole connection, was answered 503.
    Refused,
    /// A sender is not read.
    Unread,
    /// A session was closed.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    ceiling: usize,
    /// What the sessions are charged.
    charged: usize,
    /// What the frames weigh that queues share.
    frames: Arc<AtomicUsize>,
    /// Senders that are not read until there is memory again. Each session is in it once.
    starved: VecDeque<ConnId>,
    /// Connections that were let in only to be told 503.
    turned_away: usize,
    /// Sessions that may still be closed in this turn.
    closings: usize,
    told_us: Option<u64>,
    /// How often each [`Measure`] was taken since the operator was last told.
    counts: [usize; 3],
}

impl Ledger {
    pub fn new(ceiling: usize) -> Ledger {
        Ledger {
            ceiling,
            charged: 0,
            frames: Arc::default(),
            starved: VecDeque::new(),
            turned_away: 0,
            closings: OVERLOADED_PER_TURN,
            told_us: None,
            counts: [0; 3],
        }
    }

    /// What all peers together make the process hold, in bytes.
    pub fn held(&self) -> usize {
        self.charged + self.frames.load(Ordering::Relaxed)
    }

    /// Gives back room that is not used.
    pub fn shrink(&mut self) {
        self.starved.shrink_to_fit();
    }

    /// A session has come that weighs so much by itself.
    pub fn arrive(&mut self, weight: usize) {
        self.charged += weight;
    }

    /// Such a one has gone.
    pub fn leave(&mut self, weight: usize) {
        self.charged -= weight;
    }

    /// A session that was charged `before` holds `after`.
    pub fn enter(&mut self, before: u32, after: u32) {
        self.charged = self.charged - before as usize + after as usize;
    }

    /// A frame that is entered as soon as it is made.
    pub fn share(&self, frame: &Bytes) -> Arc<SharedFrame> {
        SharedFrame::new(frame.clone(), &self.frames)
    }

    /// Whether too little is left for others to come in.
    pub fn is_near(&self) -> bool {
        self.held() > self.ceiling - self.ceiling / MEMORY_NEAR_PART
    }

    /// Whether the ceiling is passed.
    pub fn is_over(&self) -> bool {
        self.held() > self.ceiling
    }

    /// Whether a new connection of this weight leaves too little.
    pub fn is_crowded(&self, weight: usize) -> bool {
        self.held() + weight > self.ceiling - self.ceiling / MEMORY_ACCEPT_PART
    }

    /// Whether a session may keep contexts of this weight. They stay while it is idle, and must not keep others out.
    pub fn may_keep(&self, weight: usize) -> bool {
        self.held() + weight <= self.ceiling / MEMORY_TAKEOVER_PART
    }

    /// Whether one more of this weight may be let in to be told 503: they may not push others past the ceiling.
    pub fn may_turn_away(&self, weight: usize) -> bool {
        self.turned_away < CONNECTIONS_OVERFLOW
            && self.held() + weight <= self.ceiling - self.ceiling / MEMORY_TURN_AWAY_PART
    }

    /// A connection was let in to be told 503.
    pub fn turn_away(&mut self) {
        self.turned_away += 1;
    }

    /// One of those has gone.
    pub fn forget_turned_away(&mut self) {
        self.turned_away -= 1;
    }

    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.closings = OVERLOADED_PER_TURN;
    }

    /// The next sender that may be read again.
    pub fn poll_starved(&mut self) -> Option<ConnId> {
        if self.is_near() { None } else { self.starved.pop_front() }
    }

    /// How many senders may be read again.
    pub fn resumable(&self) -> usize {
        if self.is_near() { 0 } else { self.starved.len() }
    }

    /// Whether the next turn must begin at once: sessions are left to be closed, and until then nobody is gone on with.
    pub fn is_due(&self) -> bool {
        self.closings == 0 && self.is_over()
    }

    /// Counts what was done, and tells the operator, but not again within [`MEMORY_LOG_INTERVAL`].
    pub fn note(&mut self, measure: Measure, now: Now) {
        if let Some(count) = self.counts.get_mut(measure as usize) {
            *count += 1;
        }
        if self.told_us.is_some_and(|told| now.mono_us - told < micros(MEMORY_LOG_INTERVAL)) {
            return;
        }
        self.told_us = Some(now.mono_us);
        let [refused, unread, closed] = std::mem::take(&mut self.counts);
        log::warn!(
            "The peers hold {} of limits.max_memory = {} bytes. Since the last such line: {refused} answered 503, \
             {unread} not read for a while, {closed} closed",
            self.held(),
            self.ceiling
        );
    }
}

impl Engine {
    /// What all peers together make the process hold, in bytes, as [`crate::Limits::max_memory`] counts it.
    pub fn memory(&self) -> usize {
        self.shared.ledger.held()
    }

    /// The peer has ended its half of the stream behind input that [`Engine::intake`] says not to read. Where that is for
    /// lack of memory nobody is left to wait for: the session is closed with 1013. Says whether it was.
    pub fn handle_hang_up(&mut self, id: ConnId) -> bool {
        let is_starved = self.session(id).is_some_and(Session::is_starved) && self.shared.ledger.is_near();
        if is_starved {
            self.shared.ledger.note(Measure::Closed, self.shared.now);
            self.with(id, Session::overload);
        }
        is_starved
    }

    /// A session that has sent more than its share waits while memory is near its ceiling. Past it everybody does in
    /// whose hands there is anything; and whoever there is once this turn may close no more: what many begin at once is more
    /// than it could make room for.
    pub(super) fn ration(&mut self, id: ConnId, intake: Intake) -> Intake {
        let ledger = &mut self.shared.ledger;
        if !matches!(intake, Intake::Read(_)) || !ledger.is_near() {
            return intake;
        }
        let Some(session) = self.sessions.get_mut(id.index()).filter(|session| session.id == id) else { return intake };
        match session.inbound() {
            0..=INBOUND_SHARE_BYTES if !ledger.is_over() => return intake,
            0 if !ledger.is_due() => return intake,
            0..=INBOUND_SHARE_BYTES => {
                session.mark_ready(&mut self.shared);
                return Intake::Pause;
            }
            _ => {}
        }
        if session.starve() {
            ledger.starved.push_back(id);
            ledger.note(Measure::Unread, self.shared.now);
        }
        // Those who have gone meanwhile: they may not become more than those who are there.
        if self.shared.ledger.starved.len() > 2 * self.sessions.len() {
            let sessions = &self.sessions;
            let is_there = |id: &ConnId| sessions.get(id.index()).is_some_and(|session| session.id == *id);
            self.shared.ledger.starved.retain(is_there);
        }
        Intake::Pause
    }

    /// Past the ceiling, closes the session that holds the most: says whether there was one to close. O(sessions).
    pub(super) fn close_heaviest(&mut self) -> bool {
        let ledger = &mut self.shared.ledger;
        if !ledger.is_over() || ledger.closings == 0 {
            return false;
        }
        let heaviest = self.sessions.iter_mut().map(|(_, session)| (session.burden(), session));
        match heaviest.max_by_key(|(burden, _)| *burden) {
            Some((1.., session)) => {
                ledger.closings -= 1;
                ledger.note(Measure::Closed, self.shared.now);
                session.overload(&mut self.shared);
                session.account(&mut self.shared);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Panics unless the account is what the sessions hold.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_ledger(&self) {
        let ledger = &self.shared.ledger;
        let weights: usize = self.sessions.iter().map(|(_, session)| session.weight()).sum();
        assert_eq!(ledger.charged, weights, "what the sessions are charged is what they weigh");
        let frames = self.sessions.iter().flat_map(|(_, session)| session.frames());
        let distinct: std::collections::BTreeMap<_, _> =
            frames.map(|frame| (Arc::as_ptr(frame), frame.bytes().len())).collect();
        assert_eq!(
            ledger.frames.load(Ordering::Relaxed),
            distinct.values().sum::<usize>(),
            "each broadcast is entered once"
        );
        for (_, session) in &self.sessions {
            let places = ledger.starved.iter().filter(|id| **id == session.id).count();
            assert_eq!(places, usize::from(session.is_starved()), "{}: who is not read is known once", session.id);
        }
        assert!(ledger.resumable() == 0 || self.poll_timeout().is_some_and(|wait| wait.is_zero()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_frame_is_entered_once_and_leaves_with_its_last_queue() {
        let ledger = Ledger::new(1000);
        let frame = ledger.share(&Bytes::from_static(b"twelve bytes"));
        assert_eq!(ledger.held(), 12);
        let other = frame.clone();
        drop(frame);
        assert_eq!(ledger.held(), 12);
        drop(other);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn each_mark_is_passed_by_one_byte() {
        let mut ledger = Ledger::new(1600);
        ledger.enter(0, 700);
        assert!(ledger.may_keep(100) && !ledger.may_keep(101));
        ledger.enter(700, 1400);
        assert!(!ledger.is_near() && !ledger.is_crowded(100) && ledger.is_crowded(101));
        ledger.enter(1400, 1401);
        assert!(ledger.is_near() && !ledger.is_over());
        ledger.enter(1401, 1600);
        assert!(!ledger.is_over());
        ledger.enter(1600, 1601);
        assert!(ledger.is_over());
    }

    #[test]
    fn the_operator_is_told_at_most_once_in_ten_seconds_and_how_often() {
        let mut ledger = Ledger::new(1600);
        let at = |seconds: u64| Now { mono_us: seconds * 1_000_000, unix_ms: 0 };
        ledger.note(Measure::Refused, at(5));
        assert_eq!((ledger.told_us, ledger.counts), (Some(5_000_000), [0; 3]));
        ledger.note(Measure::Closed, at(6));
        ledger.note(Measure::Closed, at(14));
        assert_eq!((ledger.told_us, ledger.counts), (Some(5_000_000), [0, 0, 2]));
        ledger.note(Measure::Unread, at(15));
        assert_eq!((ledger.told_us, ledger.counts), (Some(15_000_000), [0; 3]));
    }
}
