//! Mode `connect`: each connection is opened and closed in good order, over and over. One that is still winding down holds
//! its place: there are never more sockets than connections.
//!
//! Not here: whether TLS sessions are resumed (`load.rs`), how connections are opened once (`course.rs`).

use std::time::Duration;

use super::course::{Course, GRACE, NAP};
use super::crowd::{Happening, nanos};
use super::histogram::Histogram;
use super::progress::SoFar;
use crate::daemon::failure::Failure;

/// So many failures in a row end it early: nobody gets in any more.
const FAILURES: u64 = 64;
/// Before a place is taken again whose last connection has failed.
const PAUSE: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Debug, Default)]
pub struct Connected {
    /// Those that were opened while it was measured, from the dial to the answer.
    pub opened: Histogram,
    pub resumed: u64,
    pub measured: Duration,
}

/// What is under way.
#[derive(Debug, Default)]
struct Places {
    /// Free to be dialed.
    free: Vec<usize>,
    /// Not before then, in nanoseconds.
    pause_until_ns: u64,
    failures: u64,
}

/// Does it, for as long as the plan says.
pub fn run(course: &mut Course<'_>) -> Result<Connected, Failure> {
    let mut found = Connected::default();
    let mut places = Places { free: (0..course.plan.connections).rev().collect(), ..Places::default() };
    let begun_ns = course.crowd.read_clock();
    let measure_ns = begun_ns + nanos(course.plan.warm_up);
    go_on(course, &mut places, Stage::WarmingUp, measure_ns)?;
    course.meter_begin();
    let since_ns = course.crowd.read_clock();
    go_on(course, &mut places, Stage::Measuring(&mut found), since_ns + nanos(course.plan.duration))?;
    found.measured = Duration::from_nanos(course.crowd.read_clock().saturating_sub(since_ns));
    course.meter_end();
    let until_ns = course.crowd.read_clock() + nanos(GRACE);
    go_on(course, &mut places, Stage::Leaving, until_ns)?;
    // They held their places, some for most of the time, and are in no latency.
    let unanswered = if course.is_ended() { 0 } else { course.crowd.under_way() };
    (0..unanswered).for_each(|_| course.errors.note("not answered in the end"));
    course.leave()?;
    if found.opened.count() == 0 && !course.is_ended() { Err(course.no_connection()) } else { Ok(found) }
}

/// Where it stands.
enum Stage<'a> {
    WarmingUp,
    /// What is found is counted.
    Measuring(&'a mut Connected),
    /// Those that are under way get in, and leave.
    Leaving,
}

impl Stage<'_> {
    fn is_over(&self, course: &mut Course<'_>, places: &Places) -> bool {
        match self {
            Stage::WarmingUp | Stage::Measuring(_) => course.is_ended() || places.failures >= FAILURES,
            Stage::Leaving => course.crowd.present() == 0,
        }
    }
}

/// Opens and closes until then.
fn go_on(course: &mut Course<'_>, places: &mut Places, mut stage: Stage<'_>, until_ns: u64) -> Result<(), Failure> {
    let since_ns = course.crowd.read_clock();
    while course.crowd.now_ns() < until_ns && !stage.is_over(course, places) {
        let room = match stage {
            Stage::WarmingUp | Stage::Measuring(_) => course.plan.connections.saturating_sub(course.crowd.present()),
            Stage::Leaving => 0,
        };
        if course.crowd.now_ns() >= places.pause_until_ns {
            for _ in 0..room {
                let Some(number) = places.free.pop() else { break };
                course.crowd.dial(number)?;
            }
        }
        let left = Duration::from_nanos(until_ns.saturating_sub(course.crowd.now_ns()));
        course.crowd.poll(left.min(if places.failures > 0 { PAUSE } else { NAP }))?;
        while let Some(happening) = course.crowd.next() {
            match happening {
                Happening::Opened { number, took_ns, is_resumed } => {
                    places.failures = 0;
                    if let Stage::Measuring(found) = &mut stage {
                        found.opened.record_nanos(took_ns);
                        found.resumed += u64::from(is_resumed);
                    }
                    course.crowd.close(number);
                }
                // We have closed it: that is told at once.
                Happening::Lost { number, was_open: true, .. } => places.free.push(number),
                Happening::Lost { number, was_open: false, reason } => {
                    course.note(&reason);
                    places.free.push(number);
                    places.failures += 1;
                    places.pause_until_ns = course.crowd.now_ns() + nanos(PAUSE);
                }
                Happening::Heard { .. } => {}
            }
        }
        let whole = Duration::from_nanos(until_ns.saturating_sub(since_ns));
        match &stage {
            Stage::WarmingUp => course.show("warming up", since_ns, Some(whole), SoFar::default()),
            Stage::Measuring(found) => {
                let so_far = SoFar { units: found.opened.count(), latency: Some(&found.opened) };
                course.show("measuring", since_ns, Some(whole), so_far);
            }
            Stage::Leaving => {}
        }
    }
    Ok(())
}
