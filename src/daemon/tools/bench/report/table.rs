//! A report as a table for people, with a picture of how the latencies lie.
//!
//! Not here: JSON (`json.rs`), how single figures are written (`daemon/tools/bench/figures.rs`).

use std::time::Duration;

use super::{Findings, Plan, Report, Round, ServerFigures, Wave, per};
use crate::daemon::tools::bench::figures::{count, memory, micros, rate, span};
use crate::daemon::tools::bench::histogram::Histogram;
use crate::daemon::tools::bench::mode::Mode;

/// Columns of the longest bar.
const BAR: u32 = 40;
/// A bar's last column, by eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Columns of what a row begins with, and of the figure behind that.
const NAME: usize = 14;
const FIGURE: usize = 12;

impl Report {
    /// For people; it ends without a line break.
    pub fn table(&self, plan: &Plan) -> String {
        let mut lines = vec![format!("{} {}", plan.mode.name().text(), plan.place), circumstances(plan), String::new()];
        lines.push(row(self.unit.many(), &count(self.units), &self.pace(plan)));
        lines.push(row("measured", &span(self.measured), ""));
        if !self.errors.kinds.is_empty() {
            let kinds: Vec<String> =
                self.errors.by_kind().iter().map(|(kind, number)| format!("{kind} ({})", count(*number))).collect();
            lines.push(row("errors", &count(self.errors.count()), &kinds.join(", ")));
        }
        lines.extend(found(&self.findings, plan));
        if self.latency.count() > 0 {
            lines.extend(percentiles(&self.latency));
            lines.extend(picture(&self.latency));
        }
        lines.push(String::new());
        if let Some(server) = &self.server {
            lines.extend(self.server_rows(server, plan));
        }
        if let (Some(cpu), Some(share)) = (self.own_cpu, self.own_share()) {
            lines.push(row("load CPU", &span(cpu), &of_a_core(share)));
        }
        let warnings = self.warnings(plan);
        if !warnings.is_empty() {
            lines.push(String::new());
            lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.join("\n")
    }

    /// Units a second, and their bytes. Those that were held have none.
    fn pace(&self, plan: &Plan) -> String {
        let per_second = self.per_second();
        match plan.mode {
            Mode::Idle { .. } => String::new(),
            Mode::Connect { .. } | Mode::Storm { .. } => format!("{}/s", rate(per_second)),
            Mode::Echo { .. } | Mode::Rate { .. } | Mode::FanOut { .. } | Mode::Slow { .. } => {
                format!("{}/s, {}/s", rate(per_second), memory(per_second * plan.template.bytes() as f64))
            }
        }
    }

    fn server_rows(&self, server: &ServerFigures, plan: &Plan) -> Vec<String> {
        let share = of_a_core(per(server.cpu.as_secs_f64(), self.measured.as_secs_f64()));
        // What holding costs has nothing to do with how many were opened.
        let is_per_unit = !matches!(plan.mode, Mode::Idle { .. });
        let each = |spent| match self.per_unit(spent).filter(|_| is_per_unit) {
            Some(each) => format!("{} a {}", micros(each), self.unit.one()),
            None => String::new(),
        };
        let joined =
            |parts: [&str; 2]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let mut rows = vec![row("server CPU", &span(server.cpu), &joined([&each(server.cpu), &share]))];
        if let Some(user) = server.user {
            rows.push(row("  user space", &span(user), &each(user)));
        }
        let before = format!("{} before", memory(server.resident_start as f64));
        let connection = server.bytes_per_connection.map(|bytes| format!("{} a connection", memory(bytes)));
        let told = joined([&connection.unwrap_or_default(), &before]);
        rows.push(row("server memory", &memory(server.resident_end as f64), &told));
        rows
    }
}

/// What was asked for, in a line.
fn circumstances(plan: &Plan) -> String {
    let connections = match plan.connections {
        1 => "1 connection".to_owned(),
        more => format!("{} connections", count(more as u64)),
    };
    let own = match &plan.mode {
        Mode::Echo { depth } => format!("{} in flight on each", count(*depth as u64)),
        Mode::Rate { per_second } => format!("{} messages/s due in all", count(*per_second)),
        Mode::FanOut { depth, channel: None } => format!("one more publishes, {} in flight", count(*depth as u64)),
        Mode::FanOut { depth, channel: Some(name) } => {
            format!("one more publishes to {name:?}, {} in flight", count(*depth as u64))
        }
        Mode::Idle { waves } => format!("held for {}, waves: {waves}", span(plan.duration)),
        Mode::Connect { .. } if plan.dial.tls.is_none() => "opened and closed over and over".to_owned(),
        Mode::Connect { resumes: true } => "opened and closed over and over, TLS resumed".to_owned(),
        Mode::Connect { resumes: false } => "opened and closed over and over, TLS not resumed".to_owned(),
        Mode::Slow { stalled } => format!("1 in flight on each, and {} that do not read", count(*stalled as u64)),
        Mode::Storm { jitter, rounds } => format!("all cut at once, rounds: {rounds}, jitter: {jitter}"),
    };
    match plan.mode.name().speaks() {
        true => format!("{connections}, {own}, messages of {} bytes", count(plan.template.bytes() as u64)),
        false => format!("{connections}, {own}"),
    }
}

fn row(name: &str, figure: &str, more: &str) -> String {
    format!("{name:<NAME$}{figure:>FIGURE$}   {more}").trim_end().to_owned()
}

fn of_a_core(share: f64) -> String {
    format!("{:.1} % of a core", share * 100.0)
}

fn found(findings: &Findings, plan: &Plan) -> Vec<String> {
    match findings {
        Findings::Echo { outstanding } => vec![row("unanswered", &count(*outstanding), "")],
        Findings::Rate { due, sent, outstanding, late } => vec![
            row("sent", &count(*sent), &format!("of {} due; p99.9 {} late", count(*due), span(*late))),
            row("unanswered", &count(*outstanding), ""),
        ],
        Findings::FanOut { published, missing, unasked } => vec![
            row("published", &count(*published), ""),
            row("not come", &count(*missing), ""),
            row("unasked", &count(*unasked), ""),
        ],
        Findings::Idle { waves } => waves.iter().enumerate().map(|(number, wave)| wave_row(number + 1, wave)).collect(),
        Findings::Connect { .. } if plan.dial.tls.is_none() => Vec::new(),
        Findings::Connect { resumed } => vec![row("TLS resumed", &count(*resumed), "")],
        Findings::Slow { stalled, cut, outstanding } => vec![
            row("unanswered", &count(*outstanding), ""),
            row("stalled", &count(*stalled as u64), &format!("{} of them cut by the server", count(*cut as u64))),
        ],
        Findings::Storm { rounds } => {
            rounds.iter().enumerate().map(|(number, round)| round_row(number + 1, round)).collect()
        }
    }
}

fn wave_row(number: usize, wave: &Wave) -> String {
    let mut told = format!("held, opened in {}", span(wave.opened_in));
    if let (Some(full), Some(after)) = (wave.resident_full, wave.resident_after) {
        told += &format!("; server memory {}, after they left {}", memory(full as f64), memory(after as f64));
    }
    row(&format!("wave {number}"), &count(wave.held as u64), &told)
}

fn round_row(number: usize, round: &Round) -> String {
    let half = round.half_in.map(|half| format!("half of them after {}, ", span(half))).unwrap_or_default();
    let mut told = match round.back_in {
        Some(last) => format!("back, {half}the last after {}", span(last)),
        None => format!("back of {}, {half}not all in {}", count(round.cut as u64), span(round.lasted)),
    };
    told += &format!(", by {} attempts", count(round.attempts));
    if round.refused > 0 {
        told += &format!(", {} of them refused", count(round.refused));
    }
    told += &format!(", {} in the fullest 100 ms", count(round.fullest));
    row(&format!("round {number}"), &count(round.back as u64), &told)
}

fn percentiles(latency: &Histogram) -> Vec<String> {
    let percentile = |name: &str, millipercent| row(name, &span(latency.percentile(millipercent)), "");
    vec![
        String::new(),
        row("latency  mean", &span(latency.mean()), ""),
        percentile("         p50", 50_000),
        percentile("         p90", 90_000),
        percentile("         p99", 99_000),
        percentile("         p99.9", 99_900),
        row("         max", &span(latency.max()), ""),
    ]
}

/// A bar for each span of 1, 2 or 5 of a decade, from the shortest to the longest that there is.
fn picture(latency: &Histogram) -> Vec<String> {
    let steps: Vec<Duration> = edges().collect();
    let mut spans: Vec<(Duration, Duration, u64)> = std::iter::once(Duration::ZERO)
        .chain(steps.iter().copied())
        .zip(steps.iter().copied().chain([Duration::MAX]))
        .map(|(from, to)| (from, to, latency.count_within(from, to)))
        .collect();
    let is_empty = |span: &(Duration, Duration, u64)| span.2 == 0;
    spans.truncate(spans.iter().rposition(|span| !is_empty(span)).map_or(0, |last| last + 1));
    let longest = spans.iter().map(|span| span.2).max().unwrap_or(0);
    let rows = spans.into_iter().skip_while(is_empty).map(|(from, _, number)| {
        let share = per(number as f64 * 100.0, latency.count() as f64);
        let bar = bar(number, longest);
        format!("from {:>9}  {bar:<width$}  {}", span(from), percent(share), width = BAR as usize).trim_end().to_owned()
    });
    std::iter::once(String::new()).chain(rows).collect()
}

/// 1 us, 2 us, 5 us, 10 us … 1000 s.
fn edges() -> impl Iterator<Item = Duration> {
    (3..12).flat_map(|decade| [1, 2, 5].map(|step| Duration::from_nanos(step * 10_u64.pow(decade))))
}

/// Whoever is there at all has an eighth of a column.
fn bar(number: u64, longest: u64) -> String {
    let eighths = (u128::from(number) * u128::from(BAR) * 8).checked_div(u128::from(longest)).unwrap_or(0);
    let eighths = usize::try_from(eighths).unwrap_or(0).max(usize::from(number > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS.get(eighths % 8).unwrap_or(&""))
}

fn percent(share: f64) -> String {
    match share {
        0.0 => String::new(),
        ..0.001 => "< 0.001 %".to_owned(),
        ..1.0 => format!("{share:.3} %"),
        _ => format!("{share:.1} %"),
    }
}
