//! The load: what was planned is run in its mode, and what comes of it becomes a report.
//!
//! Not here: what each mode does (the files named after them), connections (`crowd.rs`), the course of it (`course.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barewire::client::{self, Backoff};

use super::course::{Course, Load, Means};
use super::crowd::{Crowd, Greeting};
use super::echo::Echo;
use super::fan_out::FanOut;
use super::histogram::Histogram;
use super::mode::{Jitter, Mode};
use super::rate::Rate;
use super::report::{Findings, Report, Unit};
use super::said::{Said, subscribe};
use super::slow::Slow;
use super::{connect, idle, storm};
use crate::daemon::failure::Failure;
use crate::daemon::signals;

/// Messages in flight that a connection of an open loop must have room for, before what is due waits; and their bytes, where
/// that is more than one: a server that stalls must not fill the memory of this machine.
const RATE_DEPTH: usize = 64;
const RATE_BYTES: usize = 1024 * 1024;

/// Does it. A signal ends it early, with what was measured until then. It is a failure where nobody gets in, or the system
/// does not play along; what goes wrong after that is in the report.
pub fn run(means: Means<'_>) -> Result<Report, Failure> {
    let plan = &mut *means.plan;
    let is_ended = Arc::new(AtomicBool::new(false));
    let end = is_ended.clone();
    signals::watch_for_end(move || end.store(true, Ordering::Release))
        .map_err(|error| Failure::runtime(format!("cannot watch for signals: {error}")))?;
    let mode = plan.mode.clone();
    let (size, depth, greeting) = match &mode {
        Mode::Echo { depth } => (plan.connections, *depth, Greeting::Awaited),
        Mode::Rate { .. } => (plan.connections, rate_depth(plan.template.bytes()), Greeting::Awaited),
        Mode::FanOut { depth, .. } => (plan.connections + 1, *depth, Greeting::Awaited),
        Mode::Slow { stalled } => (plan.connections + stalled, 1, Greeting::Awaited),
        Mode::Idle { .. } | Mode::Storm { .. } => (plan.connections, 1, Greeting::Awaited),
        Mode::Connect { .. } => (plan.connections, 1, Greeting::None),
    };
    if let Mode::Connect { resumes: false } = &mode {
        plan.dial.tls = plan.dial.tls.take().map(barewire::ClientTls::without_resumption);
    }
    let mut crowd = Crowd::new(plan, size, depth, greeting)?;
    if matches!(mode, Mode::Connect { resumes: true } | Mode::Storm { .. }) {
        crowd.resume_apart();
    }
    let mut course = Course::new(means, crowd, is_ended);
    let found = match mode {
        Mode::Echo { depth } => echo(&mut course, depth),
        Mode::Rate { per_second } => rate(&mut course, per_second),
        Mode::FanOut { depth, channel } => fan_out(&mut course, depth, channel.as_deref()),
        Mode::Idle { waves } => hold(&mut course, waves),
        Mode::Connect { .. } => connect(&mut course),
        Mode::Slow { stalled } => slow(&mut course, stalled),
        Mode::Storm { jitter, rounds } => cut(&mut course, jitter, rounds),
    }?;
    let Found { measured, unit, units, connections, latency, findings } = found;
    Ok(Report {
        measured,
        unit,
        units,
        connections,
        latency,
        findings,
        server: if course.is_server_lost { None } else { course.meter.server() },
        own_cpu: course.meter.own_cpu(),
        is_cut_short: course.is_ended(),
        errors: course.errors,
    })
}

fn rate_depth(message_bytes: usize) -> usize {
    RATE_BYTES.checked_div(message_bytes).map_or(RATE_DEPTH, |fit| fit.clamp(1, RATE_DEPTH))
}

/// What a mode has found.
struct Found {
    measured: Duration,
    unit: Unit,
    units: u64,
    connections: usize,
    latency: Histogram,
    findings: Findings,
}

fn echo(course: &mut Course<'_>, depth: usize) -> Result<Found, Failure> {
    let (connections, said) = (course.plan.connections, Said::new(course.plan.template.again(course.plan.seed)));
    let mut load = Echo::new(said, connections, depth);
    let Run { measured, opened, .. } = measure(course, connections, &mut load)?;
    Ok(Found {
        measured,
        unit: Unit::Message,
        units: load.units(),
        connections: opened,
        findings: Findings::Echo { outstanding: load.outstanding() },
        latency: load.into_latency(),
    })
}

fn rate(course: &mut Course<'_>, per_second: u64) -> Result<Found, Failure> {
    let (connections, said) = (course.plan.connections, Said::new(course.plan.template.again(course.plan.seed)));
    let mut load = Rate::new(said, connections, per_second);
    let Run { measured, opened, ended_ns } = measure(course, connections, &mut load)?;
    let units = load.units();
    let (latency, findings) = load.finish(ended_ns);
    Ok(Found { measured, unit: Unit::Message, units, connections: opened, latency, findings })
}

fn fan_out(course: &mut Course<'_>, depth: usize, channel: Option<&str>) -> Result<Found, Failure> {
    let (connections, template) = (course.plan.connections, course.plan.template.again(course.plan.seed));
    let said = match channel {
        None => Said::new(template),
        Some(channel) => {
            course.crowd.say_on_open(subscribe(channel));
            Said::to_channel(template, channel)
        }
    };
    let mut load = FanOut::new(said, connections, depth);
    let Run { measured, opened, .. } = measure(course, connections + 1, &mut load)?;
    let units = load.units();
    let (latency, findings) = load.finish();
    Ok(Found { measured, unit: Unit::Delivery, units, connections: opened.saturating_sub(1), latency, findings })
}

fn slow(course: &mut Course<'_>, stalled: usize) -> Result<Found, Failure> {
    let (connections, seed) = (course.plan.connections, course.plan.seed);
    let [echoed, said] = [seed, seed.wrapping_add(1)].map(|seed| Said::new(course.plan.template.again(seed)));
    let mut load = Slow::new(echoed, said, connections, stalled);
    let Run { measured, opened, .. } = measure(course, connections + stalled, &mut load)?;
    let stalled = load.began_with();
    Ok(Found {
        measured,
        unit: Unit::Message,
        units: load.units(),
        connections: opened.saturating_sub(stalled),
        findings: Findings::Slow { stalled, cut: stalled - load.stalled(), outstanding: load.outstanding() },
        latency: load.into_latency(),
    })
}

/// What all modes that say something have.
struct Run {
    /// How long was measured.
    measured: Duration,
    /// Connections that were open when it began.
    opened: usize,
    /// When nothing more was waited for.
    ended_ns: u64,
}

/// Opens all, measures, and lets all leave.
fn measure(course: &mut Course<'_>, connections: usize, load: &mut impl Load) -> Result<Run, Failure> {
    course.open_all(connections)?;
    let opened = course.crowd.open();
    let measured = course.measure(load)?;
    let ended_ns = course.crowd.now_ns();
    course.leave()?;
    Ok(Run { measured, opened, ended_ns })
}

fn hold(course: &mut Course<'_>, waves: usize) -> Result<Found, Failure> {
    let found = idle::run(course, waves)?;
    Ok(Found {
        measured: found.held,
        unit: Unit::Connection,
        units: found.units,
        connections: found.first,
        latency: found.opened,
        findings: Findings::Idle { waves: found.each },
    })
}

fn connect(course: &mut Course<'_>) -> Result<Found, Failure> {
    let found = connect::run(course)?;
    Ok(Found {
        measured: found.measured,
        unit: Unit::Connection,
        units: found.opened.count(),
        connections: course.plan.connections,
        latency: found.opened,
        findings: Findings::Connect { resumed: found.resumed },
    })
}

fn cut(course: &mut Course<'_>, jitter: Jitter, rounds: usize) -> Result<Found, Failure> {
    let jitter = match jitter {
        Jitter::None => client::Jitter::None,
        Jitter::Proportional => client::Jitter::Proportional,
        Jitter::Full => client::Jitter::Full,
    };
    course.open_all(course.plan.connections)?;
    let opened = course.crowd.open();
    let found = storm::run(course, Backoff { jitter, ..Backoff::default() }, rounds)?;
    Ok(Found {
        measured: found.measured,
        unit: Unit::Connection,
        units: found.back.count(),
        connections: opened,
        latency: found.back,
        findings: Findings::Storm { rounds: found.each },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_has_room_for_many_small_messages_or_few_large_ones_and_for_one_at_least() {
        for (bytes, depth) in [(0, 64), (20, 64), (16 * 1024, 64), (16 * 1024 + 1, 63), (RATE_BYTES, 1), (1 << 30, 1)] {
            assert_eq!(rate_depth(bytes), depth, "{bytes}");
        }
    }
}
