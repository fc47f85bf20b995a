//! Mode `rate`: an open loop. Messages are due at even moments, whatever became of the last ones, and the connections say them
//! in turn; what an answer took is counted from the moment at which its message was due. So a server that stalls for a second
//! has stalled every message that was due in that second, as its clients would feel it.
//!
//! What a connection cannot send yet, since its server does not read, stays due and is sent as soon as it can be. What is not
//! answered in the end counts with what it has taken until then: the percentiles are never better for it.
//!
//! Not here: when it begins and ends (`course.rs`).

use std::time::Duration;

use barewire::Message;

use super::course::{Heard, Load};
use super::crowd::Crowd;
use super::histogram::Histogram;
use super::report::Findings;
use super::said::Said;

const SECOND_NS: u128 = 1_000_000_000;
/// Messages sent in one turn, at most: answers are read in between, however late it is.
const SENT_PER_TURN: u64 = 1024;
/// p99.9, in thousandths of a percent.
const LATE_PERCENTILE: u32 = 99_900;

/// When messages are due, and who says them: number k at `k / per_second`, by connection `k % lanes`.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    start_ns: u64,
    per_second: u64,
    lanes: u64,
}

impl Schedule {
    /// When this message is due.
    fn due_ns(&self, message: u64) -> u64 {
        let after = u128::from(message) * SECOND_NS / u128::from(self.per_second.max(1));
        self.start_ns.saturating_add(u64::try_from(after).unwrap_or(u64::MAX))
    }

    /// How many are due by then.
    fn count(&self, now_ns: u64) -> u64 {
        let Some(elapsed) = now_ns.checked_sub(self.start_ns) else { return 0 };
        // The last of them is the largest k with k * SECOND <= elapsed * rate + what rounding down took from its moment.
        let whole = (u128::from(elapsed) + 1) * u128::from(self.per_second);
        u64::try_from(whole.div_ceil(SECOND_NS)).unwrap_or(u64::MAX)
    }

    /// Which message is the n-th of a lane.
    fn message(&self, lane: usize, nth: u64) -> u64 {
        nth * self.lanes + lane as u64
    }

    /// How many of the first so many messages are this lane's.
    fn of_lane(&self, lane: usize, messages: u64) -> u64 {
        messages.saturating_sub(lane as u64).div_ceil(self.lanes)
    }
}

/// One connection's part of it.
#[derive(Debug, Clone, Copy)]
struct Lane {
    number: usize,
    sent: u64,
    heard: u64,
    state: LaneState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneState {
    /// All that is due is sent.
    Level,
    /// Something that is due could not be sent yet.
    Behind,
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    WarmingUp,
    /// From this message on.
    Measuring {
        first: u64,
    },
    /// From the first to before the second.
    Stopped {
        first: u64,
        end: u64,
    },
}

impl Stage {
    fn counts(self, message: u64) -> bool {
        match self {
            Stage::WarmingUp => false,
            Stage::Measuring { first } => message >= first,
            Stage::Stopped { first, end } => (first..end).contains(&message),
        }
    }
}

/// See the module.
pub struct Rate {
    said: Said,
    schedule: Schedule,
    lanes: Vec<Lane>,
    /// By number of the connection.
    lane_of: Vec<usize>,
    /// Those that are behind.
    behind: Vec<usize>,
    /// The first message that is not taken up yet.
    next: u64,
    stage: Stage,
    latency: Histogram,
    late: Histogram,
    units: u64,
    /// Of those that count.
    sent: u64,
    answered: u64,
    /// Messages of connections that are there, taken up and not answered.
    awaited: u64,
}

impl Rate {
    /// So many messages a second, by the first so many connections of the crowd.
    pub fn new(said: Said, connections: usize, per_second: u64) -> Rate {
        Rate {
            said,
            schedule: Schedule { start_ns: 0, per_second, lanes: 1 },
            lanes: Vec::new(),
            lane_of: vec![usize::MAX; connections],
            behind: Vec::new(),
            next: 0,
            stage: Stage::WarmingUp,
            latency: Histogram::new(),
            late: Histogram::new(),
            units: 0,
            sent: 0,
            answered: 0,
            awaited: 0,
        }
    }

    /// What was measured; what is still not answered has taken until now.
    pub fn finish(mut self, now_ns: u64) -> (Histogram, Findings) {
        let Stage::Stopped { first, end } = self.stage else {
            let late = Duration::ZERO;
            return (self.latency, Findings::Rate { due: 0, sent: 0, outstanding: 0, late });
        };
        for (index, lane) in self.lanes.iter().enumerate() {
            let before = self.schedule.of_lane(index, first).max(lane.heard);
            let took_ns = |nth| now_ns.saturating_sub(self.schedule.due_ns(self.schedule.message(index, nth)));
            self.latency.record_falling(before..self.schedule.of_lane(index, end), took_ns);
        }
        let due = end - first;
        let (outstanding, late) = (due.saturating_sub(self.answered), self.late.percentile(LATE_PERCENTILE));
        (self.latency, Findings::Rate { due, sent: self.sent, outstanding, late })
    }

    /// Sends the next of a lane, which is due. Says whether it could be.
    fn send(&mut self, crowd: &mut Crowd, index: usize, now_ns: u64) -> bool {
        let Some(lane) = self.lanes.get(index).copied() else { return true };
        let message = self.said.next(crowd, lane.number);
        if !crowd.send(lane.number, message) {
            return false;
        }
        let message = self.schedule.message(index, lane.sent);
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.sent += 1;
        }
        if self.stage.counts(message) {
            self.sent += 1;
            self.late.record_nanos(now_ns.saturating_sub(self.schedule.due_ns(message)));
        }
        true
    }

    /// Those that were behind go on.
    fn catch_up(&mut self, crowd: &mut Crowd, now_ns: u64) {
        let mut place = 0;
        while let Some(&index) = self.behind.get(place) {
            let due = self.schedule.of_lane(index, self.next);
            let mut is_level = self.lanes.get(index).is_none_or(|lane| lane.state == LaneState::Lost);
            while !is_level && self.send(crowd, index, now_ns) {
                is_level = self.lanes.get(index).is_none_or(|lane| lane.sent >= due);
            }
            if is_level {
                self.behind.swap_remove(place);
                self.set_state(index, LaneState::Level);
            } else {
                place += 1;
            }
        }
    }

    fn set_state(&mut self, index: usize, state: LaneState) {
        if let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.state != LaneState::Lost) {
            lane.state = state;
        }
    }

    /// What is due so far and is more than a turn takes up, however much: it is sent as what is behind.
    fn fall_behind(&mut self, due: u64) {
        for (index, lane) in self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.state != LaneState::Lost) {
            let more = self.schedule.of_lane(index, due).saturating_sub(self.schedule.of_lane(index, self.next));
            self.awaited += more;
            if more > 0 && lane.state == LaneState::Level {
                lane.state = LaneState::Behind;
                self.behind.push(index);
            }
        }
        self.next = self.next.max(due);
    }

    /// Takes up what is due.
    fn take_up(&mut self, crowd: &mut Crowd, now_ns: u64) {
        let due = self.schedule.count(now_ns).min(self.next + SENT_PER_TURN);
        while self.next < due {
            let index = usize::try_from(self.next % self.schedule.lanes).unwrap_or(usize::MAX);
            self.next += 1;
            match self.lanes.get(index).map(|lane| lane.state) {
                Some(LaneState::Level) => {
                    self.awaited += 1;
                    if !self.send(crowd, index, now_ns) {
                        self.set_state(index, LaneState::Behind);
                        self.behind.push(index);
                    }
                }
                Some(LaneState::Behind) => self.awaited += 1,
                Some(LaneState::Lost) | None => {}
            }
        }
    }
}

impl Load for Rate {
    fn begin(&mut self, crowd: &mut Crowd) {
        for number in (0..self.lane_of.len()).filter(|number| crowd.is_open(*number)) {
            if let Some(lane) = self.lane_of.get_mut(number) {
                *lane = self.lanes.len();
            }
            self.lanes.push(Lane { number, sent: 0, heard: 0, state: LaneState::Level });
        }
        self.schedule.lanes = (self.lanes.len() as u64).max(1);
        self.schedule.start_ns = crowd.now_ns();
    }

    fn hear(&mut self, crowd: &mut Crowd, number: usize, _: &Message) -> Heard {
        let index = self.lane_of.get(number).copied().unwrap_or(usize::MAX);
        let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.heard < lane.sent) else { return Heard::Unasked };
        let message = self.schedule.message(index, lane.heard);
        lane.heard += 1;
        self.awaited -= 1;
        if self.stage.counts(message) {
            self.answered += 1;
            self.latency.record_nanos(crowd.now_ns().saturating_sub(self.schedule.due_ns(message)));
        }
        self.units += u64::from(matches!(self.stage, Stage::Measuring { .. }));
        Heard::Well
    }

    fn lose(&mut self, _: &mut Crowd, number: usize) -> bool {
        let index = self.lane_of.get(number).copied().unwrap_or(usize::MAX);
        let due = self.schedule.of_lane(index.min(self.lanes.len()), self.next);
        if let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.state != LaneState::Lost) {
            lane.state = LaneState::Lost;
            self.awaited -= due - lane.heard;
        }
        true
    }

    fn go_on(&mut self, crowd: &mut Crowd) -> Option<u64> {
        let now_ns = crowd.read_clock();
        self.catch_up(crowd, now_ns);
        if matches!(self.stage, Stage::Stopped { .. }) {
            return None;
        }
        self.take_up(crowd, now_ns);
        Some(self.schedule.due_ns(self.next))
    }

    fn measure(&mut self, now_ns: u64) {
        // What was due while it warmed up is not of it, though a late turn may not have taken it up yet.
        let has_warmed_up = self.next > 0;
        self.stage = Stage::Measuring { first: if has_warmed_up { self.schedule.count(now_ns) } else { 0 } };
    }

    fn stop(&mut self, crowd: &mut Crowd) {
        if let Stage::Measuring { first } = self.stage {
            // What is due by now is due, though the last turn has not seen it.
            let now_ns = crowd.read_clock();
            self.take_up(crowd, now_ns);
            self.fall_behind(self.schedule.count(now_ns));
            self.stage = Stage::Stopped { first, end: self.next.max(first) };
        }
    }

    fn outstanding(&self) -> u64 {
        self.awaited
    }

    fn units(&self) -> u64 {
        self.units
    }

    fn latency(&self) -> &Histogram {
        &self.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::tools::bench::template::Template;

    #[test]
    fn messages_are_due_at_even_moments_and_none_is_due_before_its_own() {
        for per_second in [1, 3, 1000, 999_999, 1_000_000, 100_000_000] {
            let schedule = Schedule { start_ns: 5_000, per_second, lanes: 7 };
            assert_eq!((schedule.count(4_999), schedule.count(5_000)), (0, 1));
            for message in (0..100).chain([per_second, 10 * per_second + 1]) {
                let due_ns = schedule.due_ns(message);
                assert!(schedule.count(due_ns) > message, "{message} at {per_second}");
                assert!(schedule.count(due_ns - 1) <= message, "{message} at {per_second}");
            }
            let second = schedule.due_ns(per_second) - schedule.due_ns(0);
            assert_eq!(u128::from(second), SECOND_NS, "{per_second}");
        }
    }

    #[test]
    fn what_was_due_while_it_warmed_up_does_not_count_though_it_is_late() {
        let said = Said::new(Template::of_size(20, false, 1));
        let mut rate = Rate::new(said, 1, 1000);
        for (next, first) in [(0, 0), (1, 11)] {
            rate.next = next;
            rate.measure(10_000_000);
            assert_eq!(rate.stage, Stage::Measuring { first });
        }
    }

    #[test]
    fn an_hour_of_the_highest_rate_is_still_exact() {
        let schedule = Schedule { start_ns: 0, per_second: 100_000_000, lanes: 1 };
        assert_eq!(schedule.due_ns(3600 * 100_000_000), 3_600_000_000_000);
        assert_eq!(schedule.count(3_600_000_000_000), 3600 * 100_000_000 + 1);
    }

    #[test]
    fn each_message_has_one_lane_and_they_take_turns() {
        let schedule = Schedule { start_ns: 0, per_second: 10, lanes: 3 };
        for messages in 0..20 {
            let of: Vec<u64> = (0..3).map(|lane| schedule.of_lane(lane, messages)).collect();
            assert_eq!(of.iter().sum::<u64>(), messages);
            assert!(of.iter().max().unwrap() - of.iter().min().unwrap() <= 1, "{of:?}");
        }
        let mut all: Vec<u64> = (0..3).flat_map(|lane| (0..4).map(move |nth| schedule.message(lane, nth))).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..12));
    }
}
