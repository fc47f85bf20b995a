//! A report as JSON: one object on a line, whose names stay. The README has what each of them is.
//!
//! Not here: the table for people (`table.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Findings, Plan, Report, ServerFigures};
use crate::daemon::tools::bench::histogram::Histogram;
use crate::daemon::tools::bench::mode::Mode;

#[derive(Serialize)]
struct Object<'a> {
    mode: &'static str,
    url: &'a str,
    /// As they were asked for; `opened` is how many of them there were.
    connections: usize,
    opened: usize,
    #[serde(flatten)]
    options: Options<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm_up_seconds: Option<f64>,
    seconds: f64,
    unit: &'static str,
    units: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    units_per_second: Option<f64>,
    errors: u64,
    errors_by_kind: BTreeMap<&'a str, u64>,
    latency_us: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Server<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_cpu_seconds: Option<f64>,
    #[serde(flatten)]
    findings: Found,
    cut_short: bool,
    warnings: Vec<String>,
    seed: u64,
    version: &'static str,
}

/// What was asked of this mode alone.
#[derive(Serialize)]
#[serde(untagged)]
enum Options<'a> {
    Echo {
        depth: usize,
    },
    Rate {
        rate: u64,
    },
    FanOut {
        depth: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<&'a str>,
    },
    Connect {
        resumption: bool,
    },
    Slow {
        stalled: usize,
    },
    Storm {
        jitter: String,
    },
    None {},
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Echo { outstanding: u64 },
    Rate { due: u64, sent: u64, outstanding: u64, late_us: f64 },
    FanOut { published: u64, missing: u64, unasked: u64 },
    Idle { waves: Vec<Wave> },
    Connect { resumed: u64 },
    Slow { stalled_open: usize, stalled_cut: usize, outstanding: u64 },
    Storm { rounds: Vec<Round> },
}

#[derive(Serialize)]
struct Wave {
    held: usize,
    opened_in_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes_full: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes_after: Option<u64>,
}

#[derive(Serialize)]
struct Round {
    cut: usize,
    back: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    back_in_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_in_seconds: Option<f64>,
    attempts: u64,
    refused: u64,
    fullest_tenth_second: u64,
}

#[derive(Serialize)]
struct Latency {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

/// `null` where there is nothing to divide by.
#[derive(Serialize)]
struct Server<'a> {
    pids: &'a [u32],
    cpu_us_per_unit: Option<f64>,
    user_us_per_unit: Option<f64>,
    cpu_seconds: f64,
    user_seconds: Option<f64>,
    resident_bytes_start: u64,
    resident_bytes_end: u64,
    resident_bytes_per_connection: Option<f64>,
}

impl Report {
    /// An object on one line.
    pub fn json(&self, plan: &Plan) -> String {
        let object = Object {
            mode: plan.mode.name().text(),
            url: &plan.place,
            connections: plan.connections,
            opened: self.connections,
            options: options(&plan.mode),
            message_bytes: if plan.mode.name().speaks() { Some(plan.template.bytes()) } else { None },
            warm_up_seconds: (!is_begun_at_once(&plan.mode)).then_some(plan.warm_up.as_secs_f64()),
            seconds: self.measured.as_secs_f64(),
            unit: self.unit.one(),
            units: self.units,
            units_per_second: (!matches!(plan.mode, Mode::Idle { .. })).then(|| self.per_second()),
            errors: self.errors.count(),
            errors_by_kind: self.errors.by_kind().into_iter().collect(),
            latency_us: latency(&self.latency),
            server: self.server.as_ref().map(|figures| self.server_object(figures)),
            load_cpu_seconds: self.own_cpu.map(|cpu| cpu.as_secs_f64()),
            findings: found(&self.findings),
            cut_short: self.is_cut_short,
            warnings: self.warnings(plan),
            seed: plan.seed,
            version: env!("CARGO_PKG_VERSION"),
        };
        // Maps with keys of text and numbers that are finite can be written.
        serde_json::to_string(&object).unwrap_or_default()
    }

    fn server_object<'a>(&self, figures: &'a ServerFigures) -> Server<'a> {
        Server {
            pids: &figures.pids,
            cpu_us_per_unit: self.per_unit(figures.cpu),
            user_us_per_unit: figures.user.and_then(|user| self.per_unit(user)),
            cpu_seconds: figures.cpu.as_secs_f64(),
            user_seconds: figures.user.map(|user| user.as_secs_f64()),
            resident_bytes_start: figures.resident_start,
            resident_bytes_end: figures.resident_end,
            resident_bytes_per_connection: figures.bytes_per_connection,
        }
    }
}

/// Whether there is nothing to warm up for.
fn is_begun_at_once(mode: &Mode) -> bool {
    matches!(mode, Mode::Idle { .. } | Mode::Storm { .. })
}

fn options(mode: &Mode) -> Options<'_> {
    match mode {
        Mode::Echo { depth } => Options::Echo { depth: *depth },
        Mode::Rate { per_second } => Options::Rate { rate: *per_second },
        Mode::FanOut { depth, channel } => Options::FanOut { depth: *depth, channel: channel.as_deref() },
        Mode::Idle { .. } => Options::None {},
        Mode::Connect { resumes } => Options::Connect { resumption: *resumes },
        Mode::Slow { stalled } => Options::Slow { stalled: *stalled },
        Mode::Storm { jitter, .. } => Options::Storm { jitter: jitter.to_string() },
    }
}

fn found(findings: &Findings) -> Found {
    match findings {
        Findings::Echo { outstanding } => Found::Echo { outstanding: *outstanding },
        Findings::Rate { due, sent, outstanding, late } => {
            Found::Rate { due: *due, sent: *sent, outstanding: *outstanding, late_us: micros(*late) }
        }
        Findings::FanOut { published, missing, unasked } => {
            Found::FanOut { published: *published, missing: *missing, unasked: *unasked }
        }
        Findings::Idle { waves } => {
            let wave = |wave: &super::Wave| Wave {
                held: wave.held,
                opened_in_seconds: wave.opened_in.as_secs_f64(),
                resident_bytes_full: wave.resident_full,
                resident_bytes_after: wave.resident_after,
            };
            Found::Idle { waves: waves.iter().map(wave).collect() }
        }
        Findings::Connect { resumed } => Found::Connect { resumed: *resumed },
        Findings::Slow { stalled, cut, outstanding } => {
            Found::Slow { stalled_open: *stalled, stalled_cut: *cut, outstanding: *outstanding }
        }
        Findings::Storm { rounds } => {
            let round = |round: &super::Round| Round {
                cut: round.cut,
                back: round.back,
                seconds: round.lasted.as_secs_f64(),
                back_in_seconds: round.back_in.map(|last| last.as_secs_f64()),
                half_in_seconds: round.half_in.map(|half| half.as_secs_f64()),
                attempts: round.attempts,
                refused: round.refused,
                fullest_tenth_second: round.fullest,
            };
            Found::Storm { rounds: rounds.iter().map(round).collect() }
        }
    }
}

fn latency(histogram: &Histogram) -> Latency {
    let percentile = |millipercent| micros(histogram.percentile(millipercent));
    Latency {
        count: histogram.count(),
        mean: micros(histogram.mean()),
        p50: percentile(50_000),
        p90: percentile(90_000),
        p99: percentile(99_000),
        p99_9: percentile(99_900),
        max: micros(histogram.max()),
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}
