//! The line that a person watches while it runs: [`Progress`], on standard error, where that is a terminal. It is drawn in
//! place at most five times a second, and gone at the end.
//!
//! Not here: the report at the end (`report.rs`), how figures are written (`figures.rs`).

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::figures::{count, rate, span};
use super::histogram::Histogram;

/// Between two looks of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// To the line's beginning, and all that is on it away (ECMA-48).
const ERASE: &str = "\r\x1b[K";
/// What does not fit into the line is left out, and does not begin another (DECAWM); and as it was.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// See the module.
#[derive(Debug)]
pub struct Progress(State);

#[derive(Debug)]
enum State {
    /// Nobody watches.
    Hidden,
    /// There is no line yet.
    Blank,
    /// The line says how it stood then.
    Drawn { at: Instant, doing: &'static str, units: u64 },
}

/// How it stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// What is going on, such as `opening` or `measuring`.
    pub doing: &'static str,
    /// How long this has been going on.
    pub elapsed: Duration,
    /// How long it will, if that is known.
    pub whole: Option<Duration>,
    /// Connections that are open.
    pub open: usize,
    /// What has come of it.
    pub so_far: SoFar<'a>,
    /// What has gone wrong so far.
    pub errors: u64,
}

/// What has come of it so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct SoFar<'a> {
    /// Units: the line tells their rate since it was drawn last.
    pub units: u64,
    /// How long they took, if that is known.
    pub latency: Option<&'a Histogram>,
}

impl Progress {
    /// To standard error, unless that is no terminal, one that can nothing (`TERM=dumb`), or `is_quiet`.
    pub fn new(is_quiet: bool) -> Progress {
        let is_able = env::var_os("TERM").is_some_and(|kind| kind != "dumb");
        let is_watched = !is_quiet && is_able && io::stderr().is_terminal();
        Progress(if is_watched { State::Blank } else { State::Hidden })
    }

    /// Whether there is a line to draw. Ask as often as is convenient, and call [`Progress::show`] if so.
    pub fn is_due(&self, now: Instant) -> bool {
        match self.0 {
            State::Hidden => false,
            State::Blank => true,
            State::Drawn { at, .. } => now.saturating_duration_since(at) >= INTERVAL,
        }
    }

    /// Draws the line in place of the last one. Where nobody watches it does nothing.
    pub fn show(&mut self, standing: &Standing, now: Instant) {
        if let Some(line) = self.next(standing, now) {
            put(&format!("{ERASE}{NO_WRAP}{line}{WRAP}"));
        }
    }

    /// Takes the line away.
    pub fn erase(&mut self) {
        match self.0 {
            State::Hidden | State::Blank => {}
            State::Drawn { .. } => {
                put(ERASE);
                self.0 = State::Blank;
            }
        }
    }

    /// What the line says now.
    fn next(&mut self, standing: &Standing, now: Instant) -> Option<String> {
        let rate = match self.0 {
            State::Hidden => return None,
            State::Drawn { at, doing, units, .. } if doing == standing.doing && standing.so_far.units >= units => {
                let seconds = now.saturating_duration_since(at).as_secs_f64();
                let more = (standing.so_far.units - units) as f64;
                if seconds > 0.0 { Some(more / seconds) } else { None }
            }
            State::Blank | State::Drawn { .. } => None,
        };
        self.0 = State::Drawn { at: now, doing: standing.doing, units: standing.so_far.units };
        Some(line(standing, rate))
    }
}

/// Such as `measuring 3.2/10 s  50 open  81 200/s  p50 580 us  p99 1.20 ms  2 errors`, without what is not known.
fn line(standing: &Standing, per_second: Option<f64>) -> String {
    let seconds = standing.elapsed.as_secs_f64();
    let mut line = match standing.whole {
        Some(whole) => format!("{} {seconds:.1}/{} s", standing.doing, whole.as_secs_f64()),
        None => format!("{} {seconds:.1} s", standing.doing),
    };
    line += &format!("  {} open", count(standing.open as u64));
    if let Some(per_second) = per_second.filter(|_| standing.so_far.units > 0) {
        line += &format!("  {}/s", rate(per_second));
    }
    if let Some(latency) = standing.so_far.latency.filter(|latency| latency.count() > 0) {
        line += &format!("  p50 {}  p99 {}", span(latency.percentile(50_000)), span(latency.percentile(99_000)));
    }
    match standing.errors {
        0 => {}
        1 => line += "  1 error",
        more => line += &format!("  {} errors", count(more)),
    }
    line
}

/// A terminal that is gone is no reason to stop.
fn put(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDING: Standing = Standing {
        doing: "measuring",
        elapsed: Duration::from_millis(3210),
        whole: Some(Duration::from_secs(10)),
        open: 1050,
        so_far: SoFar { units: 0, latency: None },
        errors: 0,
    };

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(line(&STANDING, None), "measuring 3.2/10 s  1 050 open");
        let whole = Some(Duration::from_millis(1500));
        let opening = Standing { doing: "opening", whole: None, open: 7, errors: 1, ..STANDING };
        assert_eq!(line(&opening, None), "opening 3.2 s  7 open  1 error");
        let mut latency = Histogram::new();
        assert_eq!(
            line(&Standing { so_far: SoFar { units: 0, latency: Some(&latency) }, ..STANDING }, None),
            line(&STANDING, None)
        );
        (1..=100).for_each(|n| latency.record(Duration::from_micros(n * 25)));
        let so_far = SoFar { units: 1, latency: Some(&latency) };
        let busy = Standing { whole, so_far, errors: 12_345, ..STANDING };
        let told = "measuring 3.2/1.5 s  1 050 open  81 200/s  p50 1.25 ms  p99 2.48 ms  12 345 errors";
        assert_eq!(line(&busy, Some(81_200.0)), told);
    }

    #[test]
    fn a_rate_is_that_since_the_last_line_of_the_same_phase() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut progress = Progress(State::Blank);
        let mut next = |doing, units, ms| {
            let line =
                progress.next(&Standing { doing, so_far: SoFar { units, latency: None }, ..STANDING }, at(ms)).unwrap();
            line.split("  ").nth(2).map(str::to_owned)
        };
        assert_eq!(next("opening", 0, 0), None);
        assert_eq!(next("opening", 0, 0), None, "nothing is counted yet");
        assert_eq!(next("warming up", 100, 0), None);
        assert_eq!(next("warming up", 300, 200), Some("1 000/s".to_owned()));
        assert_eq!(next("measuring", 0, 400), None);
        assert_eq!(next("measuring", 50, 900), Some("100/s".to_owned()));
        assert_eq!(next("measuring", 60, 900), None, "no time has passed");
        assert_eq!(next("measuring", 40, 1000), None, "a count that went back");
    }

    #[test]
    fn it_is_due_five_times_a_second_and_only_where_somebody_watches() {
        let start = Instant::now();
        let mut progress = Progress(State::Blank);
        assert!(progress.is_due(start));
        progress.next(&STANDING, start);
        assert!(!progress.is_due(start + INTERVAL - Duration::from_nanos(1)));
        assert!(progress.is_due(start + INTERVAL));
        let mut hidden = Progress(State::Hidden);
        assert!(!hidden.is_due(start + Duration::from_secs(9)));
        assert_eq!(hidden.next(&STANDING, start), None);
        let quiet = Progress::new(true);
        assert!(!quiet.is_due(start));
    }
}
