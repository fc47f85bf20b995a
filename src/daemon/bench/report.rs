//! What was found: a [`Report`], as a table for people, or as JSON.
//!
//! Not here: how it is found (`load.rs`), how long things took (`histogram.rs`), what processes spend (`process.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::asked::Plan;
use super::histogram::Histogram;
use super::process::ServerFigures;

/// What was found.
#[derive(Debug, Clone)]
pub struct Report {
    /// How long was measured.
    pub measured: Duration,
    /// What is counted.
    pub unit: Unit,
    /// How many of it, within what was measured.
    pub units: u64,
    /// Connections that were open when the measure began (in `connect`: that were tried at all).
    pub connections: usize,
    /// What has gone wrong.
    pub errors: Errors,
    /// How long each took, where a mode measures that.
    pub latency: Option<Histogram>,
    /// What this mode alone finds.
    pub findings: Findings,
    /// What the server has spent, where its process was named: [`super::process::Meter::server`].
    pub server: Option<ServerFigures>,
    /// What this process has spent: [`super::process::Meter::own_cpu`].
    pub own_cpu: Option<Duration>,
    /// A signal has ended it before its time.
    pub is_cut_short: bool,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A message that was answered.
    Message,
    /// A message that has come to one receiver.
    Delivery,
    /// A connection that was opened.
    Connection,
}

/// What a mode alone finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Findings {
    /// Messages that were not answered in the end.
    Echo { outstanding: u64 },
    /// How many messages were sent of those that were due, and not answered; how much later than due the last of 1000 was
    /// sent (p99.9), since this process had other things to do.
    Rate { due: u64, sent: u64, outstanding: u64, late: Duration },
    /// How many messages were published, and how many deliveries of them have not come.
    FanOut { published: u64, missing: u64 },
    /// Each wave.
    Idle { waves: Vec<Wave> },
    /// How many of the TLS handshakes were resumed.
    Connect { resumed: u64 },
    /// How many stalled connections there were, and how many of them the server has closed.
    Slow { stalled: usize, cut: usize },
    /// Each round.
    Storm { rounds: Vec<Round> },
}

/// See [`Findings::Idle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wave {
    /// Connections that were open at its end.
    pub held: usize,
    /// How long it took until all were open.
    pub opened_in: Duration,
    /// Memory of the server while all were open, and after they had left, if its process was named.
    pub resident_full: Option<u64>,
    pub resident_after: Option<u64>,
}

/// See [`Findings::Storm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Connections that came back.
    pub back: usize,
    /// How long it took until the last of them was.
    pub back_in: Duration,
    /// Attempts that they needed, all together.
    pub attempts: u64,
}

/// What has gone wrong, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    kinds: BTreeMap<String, u64>,
}

impl Errors {
    /// One more of this kind, a few words such as `refused with 503`.
    pub fn note(&mut self, kind: impl Into<String>) {
        *self.kinds.entry(kind.into()).or_default() += 1;
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.kinds.values().sum()
    }
}

impl Report {
    /// An object on one line.
    pub fn json(&self, plan: &Plan) -> String {
        format!("{:?} {:?}", plan.place, self)
    }

    /// For people.
    pub fn table(&self, plan: &Plan) -> String {
        format!("{:?} {:?}", plan.place, self)
    }
}
