//! The load: what was planned is run in its mode, and what comes of it becomes a report.
//!
//! Not here: what each mode does (the files named after them), connections (`crowd.rs`), the course of it (`course.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barewire::client::{self, Backoff};

use super::asked::{Jitter, Mode, Plan};
use super::course::{Course, Load};
use super::crowd::{Crowd, Greeting};
use super::echo::Echo;
use super::fan_out::FanOut;
use super::histogram::Histogram;
use super::process::Meter;
use super::progress::Progress;
use super::rate::Rate;
use super::report::{Findings, Report, Unit};
use super::said::{Said, subscribe};
use super::slow::Slow;
use super::{connecting, idle, storm};
use crate::daemon::failure::Failure;
use crate::daemon::signals;

/// Messages in flight that a connection of an open loop must have room for, before what is due waits.
const RATE_DEPTH: usize = 64;

/// Does it. A signal ends it early, with what was measured until then. It is a failure where nobody gets in, or the system
/// does not play along; what goes wrong after that is in the report.
pub fn run(plan: &mut Plan, meter: &mut Meter, progress: &mut Progress) -> Result<Report, Failure> {
    let is_ended = Arc::new(AtomicBool::new(false));
    let end = is_ended.clone();
    signals::watch_for_end(move || end.store(true, Ordering::Release))
        .map_err(|error| Failure::runtime(format!("cannot watch for signals: {error}")))?;
    let mode = plan.mode.clone();
    let (size, depth, greeting) = match &mode {
        Mode::Echo { depth } => (plan.connections, *depth, Greeting::Awaited),
        Mode::Rate { .. } => (plan.connections, RATE_DEPTH, Greeting::Awaited),
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
    let mut course = Course::new((plan, meter, progress), crowd, is_ended);
    let found = match mode {
        Mode::Echo { depth } => echo(&mut course, depth),
        Mode::Rate { per_second } => rate(&mut course, per_second),
        Mode::FanOut { depth, channel } => fan_out(&mut course, depth, channel.as_deref()),
        Mode::Idle { waves } => hold(&mut course, waves),
        Mode::Connect { .. } => connect(&mut course),
        Mode::Slow { stalled } => slow(&mut course, stalled),
        Mode::Storm { jitter, rounds } => cut(&mut course, jitter, rounds),
    }?;
    let Found { measured, unit, units, connections, latency, findings, ended_ns: _ } = found;
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

/// What a mode has found.
struct Found {
    measured: Duration,
    unit: Unit,
    units: u64,
    connections: usize,
    latency: Option<Histogram>,
    findings: Findings,
    /// When nothing more was waited for.
    ended_ns: u64,
}

impl Default for Found {
    fn default() -> Found {
        Found {
            measured: Duration::ZERO,
            unit: Unit::Message,
            units: 0,
            connections: 0,
            latency: None,
            findings: Findings::Echo { outstanding: 0 },
            ended_ns: 0,
        }
    }
}

fn echo(course: &mut Course<'_>, depth: usize) -> Result<Found, Failure> {
    let (connections, said) = (course.plan.connections, Said::new(course.plan.template.again(course.plan.seed)));
    let mut load = Echo::new(said, connections, depth);
    let found = measure(course, connections, &mut load)?;
    let findings = Findings::Echo { outstanding: load.outstanding() };
    Ok(Found { latency: Some(load.into_latency()), findings, ..found })
}

fn rate(course: &mut Course<'_>, per_second: u64) -> Result<Found, Failure> {
    let (connections, said) = (course.plan.connections, Said::new(course.plan.template.again(course.plan.seed)));
    let mut load = Rate::new(said, connections, per_second);
    let found = measure(course, connections, &mut load)?;
    let (latency, findings) = load.finish(found.ended_ns);
    Ok(Found { latency: Some(latency), findings, ..found })
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
    let found = measure(course, connections + 1, &mut load)?;
    let (latency, published, missing) = load.finish();
    let findings = Findings::FanOut { published, missing };
    let opened = found.connections.saturating_sub(1);
    Ok(Found { unit: Unit::Delivery, connections: opened, latency: Some(latency), findings, ..found })
}

fn slow(course: &mut Course<'_>, stalled: usize) -> Result<Found, Failure> {
    let (connections, seed) = (course.plan.connections, course.plan.seed);
    let said = [seed, seed.wrapping_add(1)].map(|seed| Said::new(course.plan.template.again(seed)));
    let mut load = Slow::new(said, connections, stalled);
    let found = measure(course, connections + stalled, &mut load)?;
    let (opened, cut) = (load.began_with(), load.began_with() - load.stalled());
    let findings = Findings::Slow { stalled: opened, cut };
    let connections = found.connections.saturating_sub(opened);
    Ok(Found { connections, latency: Some(load.into_latency()), findings, ..found })
}

/// Opens all, measures, and lets all leave.
fn measure(course: &mut Course<'_>, connections: usize, load: &mut impl Load) -> Result<Found, Failure> {
    course.open_all(connections)?;
    let opened = course.crowd.open();
    let measured = course.measure(load)?;
    let ended_ns = course.crowd.now_ns();
    course.leave()?;
    Ok(Found { measured, connections: opened, units: load.units(), ended_ns, ..Found::default() })
}

fn hold(course: &mut Course<'_>, waves: usize) -> Result<Found, Failure> {
    let found = idle::run(course, waves)?;
    Ok(Found {
        measured: found.held,
        unit: Unit::Connection,
        units: found.units,
        connections: found.first,
        latency: Some(found.opened),
        findings: Findings::Idle { waves: found.each },
        ended_ns: 0,
    })
}

fn connect(course: &mut Course<'_>) -> Result<Found, Failure> {
    let found = connecting::run(course)?;
    Ok(Found {
        measured: found.measured,
        unit: Unit::Connection,
        units: found.opened.count(),
        connections: course.plan.connections,
        latency: Some(found.opened),
        findings: Findings::Connect { resumed: found.resumed },
        ended_ns: 0,
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
        latency: Some(found.back),
        findings: Findings::Storm { rounds: found.each },
        ended_ns: 0,
    })
}
