//! What was found: a [`Report`], and what must be known of it so that nobody takes it for what it is not.
//!
//! In this folder: `table.rs` (it as a table for people), `json.rs` (it as JSON).
//!
//! Not here: how it is found (`load.rs`), how long things took (`histogram.rs`), what processes spend (`process.rs`).

mod json;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::asked::Plan;
use super::figures::{count, rate, span};
use super::histogram::Histogram;
use super::mode::Mode;
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
    /// How long each took.
    pub latency: Histogram,
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
    /// How many messages were published, how many deliveries of them have not come, and how many other messages have.
    FanOut { published: u64, missing: u64, unasked: u64 },
    /// Each wave.
    Idle { waves: Vec<Wave> },
    /// How many of the TLS handshakes were resumed.
    Connect { resumed: u64 },
    /// How many stalled connections there were, how many of them the server has closed, and how many messages of those who
    /// read were not answered in the end.
    Slow { stalled: usize, cut: usize, outstanding: u64 },
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
    /// Connections that were cut.
    pub cut: usize,
    /// How many of them came back.
    pub back: usize,
    /// How long it lasted, until all were back or it was ended.
    pub lasted: Duration,
    /// How long it took until the last was back; `None` where not all were.
    pub back_in: Option<Duration>,
    /// Attempts that they needed, all together.
    pub attempts: u64,
    /// How long it took until half of them were back; `None` where so many never were.
    pub half_in: Option<Duration>,
    /// Attempts that came to nothing.
    pub refused: u64,
    /// The most attempts within a tenth of a second.
    pub fullest: u64,
}

/// What has gone wrong, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors {
    kinds: BTreeMap<String, u64>,
}

/// Kinds of errors that are told apart.
const KINDS_MAX: usize = 20;
/// What all further ones are.
const OTHER: &str = "other";

impl Errors {
    /// One more of this kind, a few words such as `refused with 503`. After 20 kinds all further ones are one: a server may
    /// write another reason each time.
    pub fn note(&mut self, kind: &str) {
        let is_known = self.kinds.contains_key(kind) || self.kinds.len() < KINDS_MAX;
        *self.kinds.entry(if is_known { kind } else { OTHER }.to_owned()).or_default() += 1;
    }

    /// How many in all.
    pub fn count(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// The commonest of them and how often it was, and that there are others; `None` where nothing has gone wrong.
    pub fn summary(&self) -> Option<String> {
        let kinds = self.by_kind();
        let (kind, count) = kinds.first()?;
        let others = self.count() - count;
        Some(match (count, others) {
            (1, 0) => (*kind).to_owned(),
            (_, 0) => format!("{kind} ({count} times)"),
            (_, _) => format!("{kind} ({count} times), and {others} other errors"),
        })
    }

    /// Each kind, the commonest first.
    fn by_kind(&self) -> Vec<(&str, u64)> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }
}

impl Unit {
    /// Such as `message`.
    fn one(self) -> &'static str {
        match self {
            Unit::Message => "message",
            Unit::Delivery => "delivery",
            Unit::Connection => "connection",
        }
    }

    /// Such as `messages`.
    fn many(self) -> &'static str {
        match self {
            Unit::Message => "messages",
            Unit::Delivery => "deliveries",
            Unit::Connection => "connections",
        }
    }
}

/// From this share of a core on the load generator is in its own way.
const BUSY_SHARE: f64 = 0.9;
/// An answered rate below this part of the one that was asked for has not reached it.
const REACHED_SHARE: f64 = 0.99;
/// What is spent in less time than this is that of beginning and ending.
const MEASURED_LITTLE: Duration = Duration::from_millis(50);
/// A message that is sent so much later than it was due was late.
const LATE: Duration = Duration::from_millis(1);
/// Fewer latencies than this have no p99.9 of their own.
const LATENCIES_FEW: u64 = 1000;
/// CPU time of the server below which a tick of the system's coarse count shows.
const CPU_LITTLE: Duration = Duration::from_millis(200);

impl Report {
    /// Units in a second; 0 where nothing was measured.
    fn per_second(&self) -> f64 {
        per(self.units as f64, self.measured.as_secs_f64())
    }

    /// What must be known of it, each a sentence.
    fn warnings(&self, plan: &Plan) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_cut_short {
            warnings.push("a signal has ended it before its time".to_owned());
        }
        let missing = plan.connections.saturating_sub(self.connections);
        if missing > 0 {
            let (missing, all) = (count(missing as u64), count(plan.connections as u64));
            warnings.push(format!("connections that were not open, and are missing in this: {missing} of {all}"));
        }
        self.warn_of_findings(plan, &mut warnings);
        // An open loop waits awake for what is due next, and tells how late it was.
        let is_open = matches!(self.findings, Findings::Rate { .. });
        if let Some(share) = self.own_share().filter(|share| !is_open && *share >= BUSY_SHARE) {
            warnings.push(format!(
                "the load itself was busy for {:.0} % of a core: the server may be faster than this tells",
                share * 100.0
            ));
        }
        if (1..LATENCIES_FEW).contains(&self.latency.count()) {
            warnings.push(format!("of fewer than {} latencies p99.9 is the longest", count(LATENCIES_FEW)));
        }
        // Who holds is meant to spend little.
        let holds = matches!(self.findings, Findings::Idle { .. });
        if !holds && self.server.as_ref().is_some_and(|server| server.cpu < CPU_LITTLE) {
            warnings.push("the server has spent so little that its share of user space is coarse".to_owned());
        }
        warnings
    }

    fn warn_of_findings(&self, plan: &Plan, warnings: &mut Vec<String>) {
        let mut unless_none = |number: u64, what: &str| {
            if number > 0 {
                warnings.push(format!("{what}: {}", count(number)));
            }
        };
        match &self.findings {
            Findings::Echo { outstanding } | Findings::Slow { outstanding, .. } => {
                unless_none(*outstanding, "messages that were not answered in the end");
            }
            Findings::FanOut { missing, unasked, .. } => {
                unless_none(*missing, "deliveries that have not come");
                unless_none(*unasked, "messages that came and were none of those published");
            }
            Findings::Connect { .. } => {}
            Findings::Idle { waves } => {
                let missing = waves.iter().map(|wave| plan.connections.saturating_sub(wave.held) as u64).sum();
                unless_none(missing, "connections that were not open at the end of their wave");
            }
            Findings::Storm { rounds } => {
                let missing = rounds.iter().map(|round| round.cut.saturating_sub(round.back) as u64).sum();
                unless_none(missing, "connections that did not come back within their round");
            }
            Findings::Rate { due, sent, outstanding, late } => {
                unless_none(due.saturating_sub(*sent), "messages that were due and not sent");
                unless_none(*outstanding, "messages that were not answered in the end");
                let answered = self.per_second();
                if let Mode::Rate { per_second } = plan.mode
                    && answered < per_second as f64 * REACHED_SHARE
                {
                    warnings.push(format!(
                        "{}/s were answered of the {}/s that were due: past that limit latencies grow with the duration",
                        rate(answered),
                        count(per_second)
                    ));
                }
                if *late >= LATE {
                    warnings.push(format!("one in 1 000 messages was sent {} after it was due, or later", span(*late)));
                }
            }
        }
    }

    /// Which part of a core this process has used; `None` where too little was measured to tell.
    fn own_share(&self) -> Option<f64> {
        self.own_cpu
            .filter(|_| self.measured >= MEASURED_LITTLE)
            .map(|cpu| per(cpu.as_secs_f64(), self.measured.as_secs_f64()))
    }

    /// Microseconds of this for each unit; `None` where there was none.
    fn per_unit(&self, spent: Duration) -> Option<f64> {
        if self.units == 0 { None } else { Some(spent.as_secs_f64() * 1e6 / self.units as f64) }
    }
}

/// 0 where there is nothing to divide by.
fn per(number: f64, by: f64) -> f64 {
    if by > 0.0 { number / by } else { 0.0 }
}
