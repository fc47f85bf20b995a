//! Mode `storm`: all connections are cut at once, without a close, and come back as clients with backoff do: after a wait that
//! doubles with each attempt that fails, and jitter. It is done when all are back, or the time of a round is over.
//!
//! Not here: how long a wait is (the library's `Backoff`), who is back (`crowd.rs`: one that has been greeted).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use barewire::client::Backoff;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::course::{Course, NAP};
use super::crowd::{Happening, nanos};
use super::histogram::Histogram;
use super::progress::SoFar;
use super::report::Round;
use crate::daemon::failure::Failure;

/// What the fullest of is told: attempts within so long.
const BUCKET: Duration = Duration::from_millis(100);

/// What came of all rounds.
#[derive(Debug, Default)]
pub struct Storms {
    pub each: Vec<Round>,
    /// From the cut to the return of each.
    pub back: Histogram,
    /// All rounds together.
    pub measured: Duration,
}

/// How the attempts of a round fell.
#[derive(Debug, Default)]
struct Arrivals {
    /// How many in each [`BUCKET`] since the cut.
    buckets: Vec<u64>,
    /// Those who were cut and have not been back.
    awaited: BTreeSet<usize>,
    /// When each was back, since the cut.
    back: Vec<Duration>,
    attempts: u64,
    refused: u64,
}

impl Arrivals {
    fn attempt(&mut self, after: Duration) {
        self.attempts += 1;
        let bucket = usize::try_from(after.as_nanos() / BUCKET.as_nanos()).unwrap_or(usize::MAX - 1);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// One is open. Says whether it is back with that: it was there at the cut, and has not been back already.
    fn come_back(&mut self, number: usize, after: Duration) -> bool {
        let is_back = self.awaited.remove(&number);
        if is_back {
            self.back.push(after);
        }
        is_back
    }

    fn round(&self, cut: usize, lasted: Duration) -> Round {
        let mut back = self.back.clone();
        back.sort_unstable();
        Round {
            cut,
            back: back.len(),
            lasted,
            back_in: back.last().copied().filter(|_| back.len() >= cut),
            attempts: self.attempts,
            half_in: cut.div_ceil(2).checked_sub(1).and_then(|half| back.get(half)).copied(),
            refused: self.refused,
            fullest: self.buckets.iter().copied().max().unwrap_or(0),
        }
    }
}

/// Who tries again when.
struct Waits {
    backoff: Backoff,
    chance: StdRng,
    due: BinaryHeap<Reverse<(u64, usize)>>,
    /// Attempts since the cut, by number.
    attempts: Vec<u32>,
}

impl Waits {
    /// For so many connections; nobody waits yet.
    fn new(backoff: Backoff, seed: u64, connections: usize) -> Waits {
        Waits { backoff, chance: StdRng::seed_from_u64(seed), due: BinaryHeap::new(), attempts: vec![0; connections] }
    }

    /// All are cut: nobody has tried yet.
    fn restart(&mut self) {
        self.due.clear();
        self.attempts.fill(0);
    }

    fn add(&mut self, number: usize, now_ns: u64) {
        let Some(attempts) = self.attempts.get_mut(number) else { return };
        let delay = self.backoff.delay(*attempts, self.chance.random_range(0.0..1.0));
        *attempts += 1;
        self.due.push(Reverse((now_ns.saturating_add(nanos(delay)), number)));
    }

    fn next_due(&mut self, now_ns: u64) -> Option<usize> {
        let Reverse((due_ns, number)) = *self.due.peek()?;
        (due_ns <= now_ns).then(|| {
            self.due.pop();
            number
        })
    }
}

/// Does so many rounds; all are open already.
pub fn run(course: &mut Course<'_>, backoff: Backoff, rounds: usize) -> Result<Storms, Failure> {
    let mut all = Storms::default();
    let mut waits = Waits::new(backoff, course.plan.seed, course.plan.connections);
    course.meter_begin();
    for _ in 0..rounds {
        let of = course.crowd.open();
        let begun_ns = course.crowd.read_clock();
        waits.restart();
        let round = storm(course, &mut waits, &mut all.back)?;
        all.measured += Duration::from_nanos(course.crowd.now_ns().saturating_sub(begun_ns));
        // Where a signal has ended it, they had less time.
        let missing = if course.is_ended() { 0 } else { of.saturating_sub(round.back) };
        for _ in 0..missing {
            course.errors.note("not back in time");
        }
        all.each.push(round);
        if course.is_ended() || course.crowd.open() == 0 {
            break;
        }
    }
    course.meter_end();
    course.leave()?;
    Ok(all)
}

/// One round; how long each took to come back is counted in `all` too.
fn storm(course: &mut Course<'_>, waits: &mut Waits, all: &mut Histogram) -> Result<Round, Failure> {
    let awaited = (0..course.plan.connections).filter(|number| course.crowd.is_open(*number)).collect();
    let mut arrivals = Arrivals { awaited, ..Arrivals::default() };
    let of = course.crowd.open();
    course.crowd.cut_all();
    let cut_ns = course.crowd.read_clock();
    let until_ns = cut_ns + nanos(course.plan.duration);
    let after = |now_ns: u64| Duration::from_nanos(now_ns.saturating_sub(cut_ns));
    while arrivals.back.len() < of && course.crowd.now_ns() < until_ns && !course.is_ended() {
        let now_ns = course.crowd.now_ns();
        while let Some(number) = waits.next_due(now_ns) {
            arrivals.attempt(after(now_ns));
            course.crowd.dial(number)?;
        }
        let due_ns = waits.due.peek().map_or(until_ns, |Reverse((due_ns, _))| *due_ns);
        course.crowd.poll(Duration::from_nanos(due_ns.min(until_ns).saturating_sub(now_ns)).min(NAP))?;
        while let Some(happening) = course.crowd.next() {
            let now_ns = course.crowd.now_ns();
            match happening {
                Happening::Opened { number, .. } => {
                    if arrivals.come_back(number, after(now_ns)) {
                        all.record(after(now_ns));
                    }
                }
                // Cut by us, at the beginning.
                Happening::Lost { number, reason: barewire::CloseReason::ServerShutdown, .. } => {
                    waits.add(number, now_ns);
                }
                Happening::Lost { number, was_open, reason } => {
                    course.note(&reason);
                    arrivals.refused += u64::from(!was_open);
                    waits.add(number, now_ns);
                }
                Happening::Heard { .. } => {}
            }
        }
        let so_far = SoFar { units: arrivals.back.len() as u64, latency: Some(all) };
        course.show("coming back", cut_ns, None, so_far);
    }
    let lasted = after(course.crowd.read_clock());
    Ok(arrivals.round(of, lasted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(span: u64) -> Duration {
        Duration::from_millis(span)
    }

    #[test]
    fn the_fullest_tenth_of_a_second_is_found_and_its_end_belongs_to_the_next() {
        let mut arrivals = Arrivals::default();
        for at in [0, 99, 100, 150, 199, 200, 5_000] {
            arrivals.attempt(millis(at));
        }
        let round = arrivals.round(1, millis(9_999));
        assert_eq!((round.attempts, round.fullest), (7, 3));
    }

    #[test]
    fn whoever_is_let_in_and_cut_again_is_back_once_and_stands_for_nobody_else() {
        let mut arrivals = Arrivals { awaited: [0, 1].into(), ..Arrivals::default() };
        assert_eq!(
            [(0, 10), (0, 20), (7, 30)].map(|(who, at)| arrivals.come_back(who, millis(at))),
            [true, false, false]
        );
        assert_eq!((arrivals.back.len(), arrivals.round(2, millis(9_999)).back_in), (1, None));
        assert!(arrivals.come_back(1, millis(40)));
        assert_eq!(arrivals.round(2, millis(9_999)).back_in, Some(millis(40)));
    }

    #[test]
    fn half_are_back_with_the_one_that_makes_it_half_and_all_with_the_last() {
        for (of, back, half, last) in [
            (4, vec![40, 10, 30, 20], Some(20), Some(40)),
            (5, vec![50, 10, 40, 20, 30], Some(30), Some(50)),
            (1, vec![7], Some(7), Some(7)),
            // Two of five: neither half nor all.
            (5, vec![10, 20], None, None),
            (5, vec![10, 20, 30], Some(30), None),
            (2, vec![], None, None),
        ] {
            let arrivals = Arrivals { back: back.iter().copied().map(millis).collect(), ..Arrivals::default() };
            let round = arrivals.round(of, millis(9_999));
            assert_eq!(
                (round.cut, round.back, round.half_in, round.back_in, round.lasted),
                (of, back.len(), half.map(millis), last.map(millis), millis(9_999)),
                "{of}"
            );
        }
    }

    #[test]
    fn whoever_fails_again_waits_longer_and_the_earliest_is_first() {
        let backoff = Backoff { jitter: barewire::client::Jitter::None, ..Backoff::default() };
        let mut waits = Waits::new(backoff, 1, 2);
        waits.add(0, 0);
        assert_eq!((waits.next_due(999_999_999), waits.next_due(1_000_000_000)), (None, Some(0)));
        waits.add(0, 1_000_000_000);
        waits.add(1, 1_000_000_000);
        assert_eq!(
            [2_000_000_000, 2_999_999_999, 3_000_000_000].map(|now| waits.next_due(now)),
            [Some(1), None, Some(0)]
        );
        waits.add(7, 0);
        assert_eq!(waits.next_due(u64::MAX), None, "there is no such one");
        waits.add(0, 0);
        waits.restart();
        waits.add(1, 0);
        assert_eq!([999_999_999, 1_000_000_000, u64::MAX].map(|now| waits.next_due(now)), [None, Some(1), None]);
    }
}
