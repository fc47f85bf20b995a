//! Mode `idle`: in each wave all connections are opened, held for the duration, and closed in good order. What the server
//! holds of memory while they are there, and when they have left, is looked at each time. A wave in which nobody gets in is
//! the last; if it is the first there is nothing to tell.
//!
//! Not here: how connections are opened and left (`course.rs`).

use std::time::Duration;

use super::course::{Course, GRACE, NAP};
use super::crowd::{Happening, nanos};
use super::histogram::Histogram;
use super::progress::SoFar;
use super::report::Wave;
use crate::daemon::failure::Failure;

/// What came of all waves.
#[derive(Debug, Default)]
pub struct Waves {
    pub each: Vec<Wave>,
    /// How long connections were held in the last wave: what the server has spent then is measured.
    pub held: Duration,
    /// From the dial to the answer of each.
    pub opened: Histogram,
    /// How many were opened for the last wave.
    pub units: u64,
    /// How many there were in the first wave.
    pub first: usize,
}

/// Does so many.
pub fn run(course: &mut Course<'_>, waves: usize) -> Result<Waves, Failure> {
    let mut all = Waves::default();
    for number in 0..waves {
        let begun_ns = course.crowd.read_clock();
        let count = course.plan.connections;
        // The server is warm in later waves, and its memory with a few would not be that of a fresh one.
        let before = all.opened.count();
        match number {
            0 => all.opened = course.open_all(count)?,
            _ => course.open(0..count, &mut all.opened)?,
        }
        let opened = all.opened.count() - before;
        let opened_in = Duration::from_nanos(course.crowd.read_clock().saturating_sub(begun_ns));
        if number == 0 {
            all.first = course.crowd.open();
        }
        if course.crowd.open() == 0 {
            all.each.push(Wave { held: 0, opened_in, resident_full: None, resident_after: None });
            break;
        }
        all.units = opened;
        course.meter_begin();
        all.held = hold(course, all.units)?;
        course.meter_end();
        let held = course.crowd.open();
        let resident_full = course.resident_bytes();
        course.leave()?;
        let resident_after = settled(course)?;
        all.each.push(Wave { held, opened_in, resident_full, resident_after });
        if course.is_ended() {
            break;
        }
    }
    Ok(all)
}

/// Memory of the server when it has seen them go: as soon as two looks, a moment apart, find the same.
fn settled(course: &mut Course<'_>) -> Result<Option<u64>, Failure> {
    let until_ns = course.crowd.read_clock() + nanos(GRACE);
    let mut found = course.resident_bytes();
    while found.is_some() && course.crowd.now_ns() < until_ns {
        course.crowd.poll(NAP)?;
        let before = std::mem::replace(&mut found, course.resident_bytes());
        if before == found {
            break;
        }
    }
    Ok(found)
}

/// For the duration, unless all are gone before. Returns how long it was.
fn hold(course: &mut Course<'_>, units: u64) -> Result<Duration, Failure> {
    let since_ns = course.crowd.read_clock();
    let until_ns = since_ns + nanos(course.plan.duration);
    while course.crowd.now_ns() < until_ns && course.crowd.open() > 0 && !course.is_ended() {
        let left = Duration::from_nanos(until_ns - course.crowd.now_ns());
        course.crowd.poll(left.min(NAP))?;
        while let Some(happening) = course.crowd.next() {
            match happening {
                Happening::Lost { reason, .. } => course.note(&reason),
                // Whatever it says to those who are there.
                Happening::Heard { .. } | Happening::Opened { .. } => {}
            }
        }
        course.show("holding", since_ns, Some(course.plan.duration), SoFar { units, latency: None });
    }
    Ok(Duration::from_nanos(course.crowd.now_ns().saturating_sub(since_ns)))
}
