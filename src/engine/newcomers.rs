//! Connections that have not yet said who they are, in the order in which they came: where there are too many, the oldest
//! is dropped for the newest.
//!
//! Those that have left the crowd stay in the queue until they come to its front, or until they are the greater part of
//! it; so all calls are cheap, however many come and go.
//!
//! Not here: whether a session is still one of them (`engine/session/`).

use std::collections::VecDeque;

use crate::engine::hub::ConnId;
use crate::limits::{CROWD_LOG_INTERVAL, NEWCOMERS_SLACK};
use crate::time::micros;

/// See the module.
#[derive(Debug, Default)]
pub struct Newcomers {
    /// The crowd, and some that have left it.
    queue: VecDeque<ConnId>,
    count: usize,
    /// Dropped since that was last told.
    dropped: usize,
    told_us: Option<u64>,
}

impl Newcomers {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives back room that is not used.
    pub fn shrink(&mut self) {
        if self.count == 0 {
            self.queue.clear();
        }
        self.queue.shrink_to_fit();
    }

    /// One more. `is_newcomer` says of an id whether it is still one.
    pub fn enter(&mut self, id: ConnId, is_newcomer: impl Fn(ConnId) -> bool) {
        if self.queue.len() >= self.count.saturating_mul(2).saturating_add(NEWCOMERS_SLACK) {
            self.queue.retain(|id| is_newcomer(*id));
        }
        self.queue.push_back(id);
        self.count += 1;
    }

    /// One has said who it is, or has gone.
    pub fn leave(&mut self) {
        debug_assert!(self.count > 0, "nobody is there that could leave");
        self.count = self.count.saturating_sub(1);
    }

    /// The one that came first, to be dropped.
    pub fn oldest(&mut self, is_newcomer: impl Fn(ConnId) -> bool) -> Option<ConnId> {
        let id = std::iter::from_fn(|| self.queue.pop_front()).find(|id| is_newcomer(*id))?;
        self.dropped += 1;
        Some(id)
    }

    /// How many were dropped since this was last told, at most once in [`CROWD_LOG_INTERVAL`].
    pub fn poll_dropped(&mut self, now_us: u64) -> Option<usize> {
        let is_due = self.told_us.is_none_or(|at| now_us.saturating_sub(at) >= micros(CROWD_LOG_INTERVAL));
        if self.dropped == 0 || !is_due {
            return None;
        }
        self.told_us = Some(now_us);
        Some(std::mem::take(&mut self.dropped))
    }

    /// Panics unless these are the newcomers, and each is found. For tests; O(sessions).
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants(&self, newcomers: &std::collections::BTreeSet<ConnId>) {
        assert_eq!(self.count, newcomers.len(), "the count of newcomers");
        let found = self.queue.iter().filter(|id| newcomers.contains(id)).count();
        assert_eq!(found, self.count, "each is in the queue once");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_oldest_that_is_still_there_is_named_first() {
        let mut newcomers = Newcomers::default();
        let ids: Vec<ConnId> = (0..5).map(|n| ConnId::new(n, n)).collect();
        ids.iter().for_each(|id| newcomers.enter(*id, |_| true));
        (0..2).for_each(|_| newcomers.leave());
        let stays = |id: ConnId| ![ids[0], ids[2]].contains(&id);
        assert_eq!(newcomers.oldest(stays), Some(ids[1]));
        assert_eq!(newcomers.oldest(stays), Some(ids[3]));
        assert_eq!(newcomers.oldest(stays), Some(ids[4]));
        assert_eq!(newcomers.oldest(stays), None);
    }

    #[test]
    fn however_many_come_and_go_the_queue_stays_as_short_as_the_crowd() {
        let mut newcomers = Newcomers::default();
        let present = RefCell::new(BTreeSet::new());
        for n in 0..100_000_u32 {
            let id = ConnId::new(n % 7, n);
            newcomers.enter(id, |id| present.borrow().contains(&id));
            present.borrow_mut().insert(id);
            // Ten stay, and the others go at once.
            if n >= 10 {
                newcomers.leave();
                present.borrow_mut().remove(&id);
            }
            assert!(newcomers.queue.len() <= 2 * newcomers.count() + NEWCOMERS_SLACK + 2, "{n}");
        }
        newcomers.check_invariants(&present.borrow());
    }

    #[test]
    fn a_storm_is_told_once_in_ten_seconds_with_all_that_were_dropped_since() {
        let mut newcomers = Newcomers::default();
        let mut drop_one = |now_us| {
            newcomers.enter(ConnId::new(1, 1), |_| true);
            newcomers.oldest(|_| true);
            newcomers.leave();
            newcomers.poll_dropped(now_us)
        };
        assert_eq!(drop_one(5), Some(1));
        assert_eq!(drop_one(6), None);
        assert_eq!(drop_one(10_000_004), None);
        assert_eq!(drop_one(10_000_005), Some(3));
        assert_eq!(newcomers.poll_dropped(u64::MAX), None, "nobody since");
    }
}
