//! Deadlines: which kinds a session has ([`Timer`]), when each is due ([`TimerTable`]), and the one wheel
//! that finds the sessions whose time has come ([`TimerWheel`]).
//!
//! The wheel is lazy. A session is in it with one entry, for the earliest of its deadlines; moving a
//! deadline later touches only the session's own table, and the entry is put back when it fires. So a
//! message costs no timer work, and a turn in which nothing is due costs the same with 0 and 100 000
//! sessions. Entries are four bytes, and carry no proof of whom they mean: a session remembers the tick it
//! is armed for, and an entry that fires at any other tick is stale and dropped.
//!
//! Not here: what happens at a deadline (`engine/session/`).

use std::time::Duration;

use crate::limits::{TICK_MILLIS, WHEEL_SLOT_KEEP, WHEEL_SLOTS};
use crate::time::{Now, micros};

/// A moment in the wheel's resolution of [`TICK_MILLIS`], counted modulo 2^32: after 4.3 years it starts again,
/// and two moments are told apart as long as they are within two years of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick(u32);

impl Tick {
    /// The tick of a deadline that is not set. No deadline is given it.
    const NEVER: Tick = Tick(u32::MAX);
    /// The longest span to a deadline, a year; what is set for later is looked at then.
    const FARTHEST: u64 = 1 << 30;

    /// The last tick that has begun at `now`: a deadline at it is due.
    pub fn reached(now: Now) -> Tick {
        Tick(low_half(ticks(now)))
    }

    /// The first tick that is not earlier than `after` from `now`: a deadline never fires early (but one more
    /// than a year away fires after a year).
    pub fn after(now: Now, after: Duration) -> Tick {
        let due = now.mono_us.saturating_add(micros(after)).div_ceil(TICK_MILLIS * 1000);
        match Tick(low_half(due.min(ticks(now) + Tick::FARTHEST))) {
            Tick::NEVER => Tick(0),
            due => due,
        }
    }

    /// How long it is from `now` until this tick is reached; zero if it is.
    pub fn wait(self, now: Now) -> Duration {
        let ahead = u64::try_from(self.ahead_of(Tick::reached(now))).unwrap_or(0);
        Duration::from_micros(((ticks(now) + ahead) * TICK_MILLIS * 1000).saturating_sub(now.mono_us))
    }

    /// How many ticks later than `other` this one is; negative if it is earlier.
    fn ahead_of(self, other: Tick) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    fn plus(self, ticks: u32) -> Tick {
        Tick(self.0.wrapping_add(ticks))
    }

    fn slot(self) -> usize {
        self.0 as usize % WHEEL_SLOTS
    }
}

/// How many ticks of the clock have begun.
fn ticks(now: Now) -> u64 {
    now.mono_us / (TICK_MILLIS * 1000)
}

/// A number modulo 2^32.
fn low_half(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The deadlines a session can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The request head is due (or, between requests, the next one; or the answer to one).
    Head,
    /// A successful `auth` is due.
    Authentication,
    /// The end of a message that has begun is due.
    Message,
    /// The next heartbeat.
    Heartbeat,
    /// The peer's Close, or its end of the stream, is due.
    Close,
    /// Progress of the send queue is due.
    WriteStall,
    /// The identity expires.
    Expiry,
    /// Its turn to leave a server that is stopping.
    Drain,
}

impl Timer {
    /// All of them, in the order in which they fire.
    pub const ALL: [Timer; 8] = [
        Timer::Head,
        Timer::Authentication,
        Timer::Message,
        Timer::Heartbeat,
        Timer::Close,
        Timer::WriteStall,
        Timer::Expiry,
        Timer::Drain,
    ];
}

/// The deadlines of one session, four bytes each, and the tick of its live entry in the wheel.
#[derive(Debug)]
pub struct TimerTable {
    due: [Tick; Timer::ALL.len()],
    armed: Tick,
}

impl Default for TimerTable {
    /// No deadline.
    fn default() -> TimerTable {
        TimerTable { due: [Tick::NEVER; Timer::ALL.len()], armed: Tick::NEVER }
    }
}

impl TimerTable {
    /// Sets or moves a deadline. The caller then calls [`TimerWheel::arm`].
    pub fn set(&mut self, timer: Timer, due: Tick) {
        // The discriminants are 0..ALL.len() by declaration; a test walks them all.
        if let Some(slot) = self.due.get_mut(timer as usize) {
            *slot = due;
        }
    }

    /// Forgets a deadline. Its entry in the wheel, if it has one, is dropped when it fires.
    pub fn stop(&mut self, timer: Timer) {
        self.set(timer, Tick::NEVER);
    }

    /// Forgets all deadlines.
    pub fn stop_all(&mut self) {
        self.due = [Tick::NEVER; Timer::ALL.len()];
    }

    /// Whether this deadline is set.
    pub fn is_set(&self, timer: Timer) -> bool {
        self.due.get(timer as usize).is_some_and(|&due| due != Tick::NEVER)
    }

    /// Takes one deadline that is due at `reached`, if there is any.
    pub fn poll_due(&mut self, reached: Tick) -> Option<Timer> {
        let is_due = |due: Tick| due != Tick::NEVER && reached.ahead_of(due) >= 0;
        let (timer, _) = Timer::ALL.into_iter().zip(self.due).find(|&(_, due)| is_due(due))?;
        self.stop(timer);
        Some(timer)
    }

    /// The deadline that is first, seen from `current`; with how many ticks it is ahead.
    fn earliest(&self, current: Tick) -> Option<i32> {
        self.due.iter().filter(|due| **due != Tick::NEVER).map(|due| due.ahead_of(current)).min()
    }
}

/// Ticks ahead of the current one that have a slot of their own.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const HORIZON: u32 = WHEEL_SLOTS as u32 - 1;

/// The wheel: slots of slab indices, one revolution every [`WHEEL_SLOTS`] ticks.
#[derive(Debug)]
pub struct TimerWheel {
    slots: Vec<Vec<u32>>,
    occupied: [u64; WHEEL_SLOTS / 64],
    /// The tick whose slot is being emptied; all earlier ones are empty.
    current: Tick,
}

impl TimerWheel {
    /// An empty wheel that stands at `now`.
    pub fn new(now: Now) -> TimerWheel {
        TimerWheel {
            slots: vec![Vec::new(); WHEEL_SLOTS],
            occupied: [0; WHEEL_SLOTS / 64],
            current: Tick::reached(now),
        }
    }

    /// Takes all entries out, but for those of sessions that have gone, and gives back the room of all slots. O(entries).
    pub fn take_all(&mut self, is_there: impl Fn(u32) -> bool) -> Vec<(usize, u32)> {
        let mut all = Vec::new();
        for (slot, entries) in self.slots.iter_mut().enumerate() {
            all.extend(std::mem::take(entries).into_iter().filter(|&index| is_there(index)).map(|index| (slot, index)));
        }
        self.occupied = [0; WHEEL_SLOTS / 64];
        all
    }

    /// Puts back what [`TimerWheel::take_all`] has taken, in the same turn.
    pub fn put_all(&mut self, all: &[(usize, u32)]) {
        for &(slot, index) in all {
            if let Some(entries) = self.slots.get_mut(slot) {
                entries.push(index);
            }
            self.mark(slot, true);
        }
    }

    /// Makes sure that the session at `index` is looked at no later than its earliest deadline. O(1).
    pub fn arm(&mut self, index: u32, timers: &mut TimerTable) {
        let Some(due) = timers.earliest(self.current) else { return };
        if timers.armed != Tick::NEVER && timers.armed.ahead_of(self.current) <= due {
            return;
        }
        // A deadline beyond the horizon is looked at, and put back, once a revolution.
        let at = self.current.plus(u32::try_from(due).unwrap_or(0).min(HORIZON));
        timers.armed = at;
        let slot = at.slot();
        if let Some(entries) = self.slots.get_mut(slot) {
            entries.push(index);
        }
        self.mark(slot, true);
    }

    /// Takes one entry whose tick is reached at `now`. The caller looks the session up, asks
    /// [`TimerWheel::is_current`] whether the entry is live, fires what is due, and arms it again.
    pub fn poll(&mut self, now: Now) -> Option<u32> {
        let reached = Tick::reached(now);
        while reached.ahead_of(self.current) >= 0 {
            let slot = self.current.slot();
            if let Some(entries) = self.slots.get_mut(slot) {
                if let Some(index) = entries.pop() {
                    return Some(index);
                }
                if entries.capacity() > WHEEL_SLOT_KEEP {
                    *entries = Vec::new();
                }
            }
            self.mark(slot, false);
            if self.current == reached {
                break;
            }
            self.current = match self.next_occupied() {
                Some(next) if reached.ahead_of(next) >= 0 => next,
                Some(_) | None => reached,
            };
        }
        None
    }

    /// Whether an entry that [`TimerWheel::poll`] has just given is the live one of the session with these
    /// timers; if so, the session is no longer armed.
    pub fn is_current(&self, timers: &mut TimerTable) -> bool {
        let live = timers.armed == self.current;
        if live {
            timers.armed = Tick::NEVER;
        }
        live
    }

    /// How long until an entry may be due; `None` when the wheel is empty. An entry may turn out stale, so
    /// this may be too early, never too late.
    pub fn poll_timeout(&self, now: Now) -> Option<Duration> {
        self.next_occupied().map(|tick| tick.wait(now))
    }

    /// The first tick from `current` on whose slot holds anything.
    fn next_occupied(&self) -> Option<Tick> {
        let start = self.current.slot();
        let words = self.occupied.len();
        // One word more than there are: the start's word is seen twice, from the bit on and up to it.
        for step in 0..=words {
            let word = (start / 64 + step) % words;
            let mut bits = self.occupied.get(word).copied().unwrap_or(0);
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (slot + WHEEL_SLOTS - start) % WHEEL_SLOTS;
                return Some(self.current.plus(u32::try_from(ahead).unwrap_or(0)));
            }
        }
        None
    }

    fn mark(&mut self, slot: usize, occupied: bool) {
        if let Some(word) = self.occupied.get_mut(slot / 64) {
            let bit = 1u64 << (slot % 64);
            if occupied { *word |= bit } else { *word &= !bit }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { mono_us: millis * 1000, unix_ms: 0 }
    }

    /// Fires everything due and returns the milliseconds at which each session was told.
    fn fire(wheel: &mut TimerWheel, sessions: &mut [TimerTable], now: Now) -> Vec<(u32, Timer)> {
        let mut fired = Vec::new();
        while let Some(index) = wheel.poll(now) {
            let timers = &mut sessions[index as usize];
            if !wheel.is_current(timers) {
                continue;
            }
            while let Some(timer) = timers.poll_due(Tick::reached(now)) {
                fired.push((index, timer));
            }
            wheel.arm(index, timers);
        }
        fired
    }

    #[test]
    fn every_timer_has_a_slot_of_its_own() {
        let mut timers = TimerTable::default();
        for (i, timer) in Timer::ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, i);
            assert!(!timers.is_set(timer));
            timers.set(timer, Tick(7));
            assert!(timers.is_set(timer));
        }
        timers.stop_all();
        assert!(Timer::ALL.into_iter().all(|timer| !timers.is_set(timer)));
    }

    #[test]
    fn a_deadline_fires_within_one_tick_after_it_and_never_before() {
        // The ticks' 32 bits start again after 4.3 years.
        let again = (1 << 32) * TICK_MILLIS;
        for start in [0, 1, 31, 32, 33, 1_000_000_007, again - 40_000, again - 33, again - 32, again, 2 * again + 1] {
            for delay in [0u64, 1, 31, 32, 33, 500, 10_000, 32_767, 32_768, 40_000, 86_400_000] {
                let mut wheel = TimerWheel::new(at(start));
                let mut sessions = [TimerTable::default()];
                sessions[0].set(Timer::Close, Tick::after(at(start), Duration::from_millis(delay)));
                wheel.arm(0, &mut sessions[0]);
                let mut now = at(start);
                // Go where the wheel says, as a driver does.
                let fired_at = loop {
                    if !fire(&mut wheel, &mut sessions, now).is_empty() {
                        break now.mono_us / 1000;
                    }
                    let wait = wheel.poll_timeout(now).expect("an armed wheel knows its next tick");
                    assert!(wait > Duration::ZERO, "a wait of nothing would spin");
                    now.mono_us += wait.as_micros() as u64;
                };
                assert!(fired_at >= start + delay, "{start}+{delay} fired at {fired_at}");
                // The tick that stands for never is stepped over.
                let skipped = u64::from((start + delay).div_ceil(TICK_MILLIS) % (1 << 32) == (1 << 32) - 1);
                assert!(fired_at <= start + delay + (1 + skipped) * TICK_MILLIS, "{start}+{delay} fired at {fired_at}");
            }
        }
    }

    #[test]
    fn moving_a_deadline_later_adds_no_entry_and_fires_once() {
        let mut wheel = TimerWheel::new(at(0));
        let mut sessions = [TimerTable::default()];
        for millis in 0..1000 {
            sessions[0].set(Timer::WriteStall, Tick::after(at(millis), Duration::from_secs(1)));
            wheel.arm(0, &mut sessions[0]);
        }
        assert_eq!(wheel.slots.iter().map(Vec::len).sum::<usize>(), 1);
        assert_eq!(fire(&mut wheel, &mut sessions, at(1500)), []);
        assert_eq!(fire(&mut wheel, &mut sessions, at(2100)), [(0, Timer::WriteStall)]);
        assert_eq!(wheel.poll_timeout(at(2100)), None);
    }

    #[test]
    fn an_earlier_deadline_overtakes_and_leaves_a_stale_entry_that_fires_nothing() {
        let mut wheel = TimerWheel::new(at(0));
        let mut sessions = [TimerTable::default()];
        sessions[0].set(Timer::Heartbeat, Tick::after(at(0), Duration::from_secs(10)));
        wheel.arm(0, &mut sessions[0]);
        sessions[0].set(Timer::Close, Tick::after(at(0), Duration::from_secs(5)));
        wheel.arm(0, &mut sessions[0]);
        assert_eq!(fire(&mut wheel, &mut sessions, at(6000)), [(0, Timer::Close)]);
        sessions[0].stop(Timer::Heartbeat);
        assert_eq!(fire(&mut wheel, &mut sessions, at(11_000)), []);
    }

    #[test]
    fn an_entry_of_a_session_that_has_gone_does_not_touch_the_next_one_in_its_slot() {
        let mut wheel = TimerWheel::new(at(0));
        let mut sessions = [TimerTable::default()];
        sessions[0].set(Timer::Head, Tick::after(at(0), Duration::from_secs(1)));
        wheel.arm(0, &mut sessions[0]);
        sessions[0] = TimerTable::default();
        sessions[0].set(Timer::Head, Tick::after(at(500), Duration::from_secs(2)));
        wheel.arm(0, &mut sessions[0]);
        assert_eq!(fire(&mut wheel, &mut sessions, at(1100)), []);
        assert_eq!(fire(&mut wheel, &mut sessions, at(2600)), [(0, Timer::Head)]);
    }

    #[test]
    fn a_long_sleep_fires_all_that_came_due_in_it() {
        let mut wheel = TimerWheel::new(at(0));
        let mut sessions: Vec<TimerTable> = (0..5000).map(|_| TimerTable::default()).collect();
        for (i, timers) in sessions.iter_mut().enumerate() {
            timers.set(Timer::Heartbeat, Tick::after(at(0), Duration::from_millis(i as u64 * 13)));
            wheel.arm(i as u32, timers);
        }
        let mut fired = fire(&mut wheel, &mut sessions, at(100_000));
        fired.sort_by_key(|&(index, _)| index);
        assert_eq!(fired.len(), 5000);
        assert!(fired.iter().enumerate().all(|(i, &(index, _))| i as u32 == index));
    }

    #[test]
    fn a_slot_keeps_room_for_few_and_gives_back_what_a_crowd_took() {
        for (crowd, keeps) in [(WHEEL_SLOT_KEEP, true), (WHEEL_SLOT_KEEP + 1, false)] {
            let mut wheel = TimerWheel::new(at(0));
            let mut sessions: Vec<TimerTable> = (0..crowd).map(|_| TimerTable::default()).collect();
            for (i, timers) in sessions.iter_mut().enumerate() {
                timers.set(Timer::Close, Tick::after(at(0), Duration::from_secs(5)));
                wheel.arm(i as u32, timers);
            }
            assert_eq!(fire(&mut wheel, &mut sessions, at(6000)).len(), crowd);
            assert_eq!(wheel.slots.iter().any(|entries| entries.capacity() > 0), keeps, "{crowd} entries");
        }
    }

    #[test]
    fn a_clock_that_goes_backwards_fires_nothing_and_breaks_nothing() {
        let mut wheel = TimerWheel::new(at(50_000));
        let mut sessions = [TimerTable::default()];
        sessions[0].set(Timer::Head, Tick::after(at(50_000), Duration::from_millis(100)));
        wheel.arm(0, &mut sessions[0]);
        assert_eq!(fire(&mut wheel, &mut sessions, at(10)), []);
        assert_eq!(fire(&mut wheel, &mut sessions, at(50_200)), [(0, Timer::Head)]);
    }

    #[test]
    fn a_deadline_more_than_a_year_away_is_looked_at_after_a_year() {
        let year = Duration::from_millis((1 << 30) * TICK_MILLIS);
        for start in [0, (1 << 32) * TICK_MILLIS - 5] {
            for after in [year, year * 2, Duration::MAX] {
                let due = Tick::after(at(start), after);
                let wait = due.wait(at(start));
                assert!(wait >= year - Duration::from_millis(TICK_MILLIS) && wait <= year * 2, "{after:?}: {wait:?}");
            }
        }
    }
}
