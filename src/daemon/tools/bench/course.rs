//! How a measure goes: connections are opened, so many handshakes at a time; the load begins, and warms up; it is measured;
//! what is still in flight is waited for, for a moment; all leave. [`Course`] is what all modes share of that, a [`Load`]
//! what one mode does in between.
//!
//! Not here: what each mode says and counts (the files beside this one), connections (`crowd.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use barewire::{CloseReason, Message};

use super::asked::Plan;
use super::crowd::{Crowd, Happening, NO_PONG, nanos};
use super::histogram::Histogram;
use super::process::Meter;
use super::progress::{Progress, SoFar, Standing};
use super::report::Errors;
use crate::daemon::failure::Failure;

/// What no turn sleeps longer than: a signal, and the line that is watched, wait no longer for their turn.
pub const NAP: Duration = Duration::from_millis(50);
/// For answers to what was sent before the end.
pub const GRACE: Duration = Duration::from_secs(1);
/// For all to leave in good order. Then they are dropped.
const LEAVE: Duration = Duration::from_secs(3);
/// Connections that warm the server up before its memory is looked at.
const FEW: usize = 16;
/// A wait of the poller is in whole milliseconds, rounded up: what is due sooner than this is waited for awake.
const AWAKE: Duration = Duration::from_millis(2);

/// What one mode does with connections that are open.
pub trait Load {
    /// Everybody is there: it begins.
    fn begin(&mut self, crowd: &mut Crowd);
    /// A message has come to this one.
    fn hear(&mut self, crowd: &mut Crowd, number: usize, message: &Message) -> Heard;
    /// This one is gone. Says whether that is an error.
    fn lose(&mut self, crowd: &mut Crowd, number: usize) -> bool;
    /// Once a turn: sends what is due by itself, and says when the next is, in nanoseconds.
    fn go_on(&mut self, _crowd: &mut Crowd) -> Option<u64> {
        None
    }
    /// Whether nothing more can come of it.
    fn is_over(&self) -> bool {
        false
    }
    /// From now on it counts.
    fn measure(&mut self, now_ns: u64);
    /// From now on nothing counts, and nothing is sent.
    fn stop(&mut self, crowd: &mut Crowd);
    /// What is awaited.
    fn outstanding(&self) -> u64;
    /// Units that count, so far.
    fn units(&self) -> u64;
    /// How long each took.
    fn latency(&self) -> &Histogram;
}

/// What a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// One that was awaited, or that means nothing.
    Well,
    /// One that nobody was waiting for: what is told apart by order may be told wrongly.
    Unasked,
}

/// Where a measure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    WarmingUp { until_ns: u64 },
    Measuring { since_ns: u64, until_ns: u64 },
    Draining { measured: Duration, until_ns: u64 },
}

/// What a measure goes by.
pub struct Means<'a> {
    pub plan: &'a mut Plan,
    pub meter: &'a mut Meter,
    pub progress: &'a mut Progress,
}

/// See the module.
pub struct Course<'a> {
    pub plan: &'a mut Plan,
    pub meter: &'a mut Meter,
    pub progress: &'a mut Progress,
    pub crowd: Crowd,
    pub errors: Errors,
    /// A process of it that was named cannot be measured any more.
    pub is_server_lost: bool,
    is_ended: Arc<AtomicBool>,
}

impl<'a> Course<'a> {
    /// Nothing is open yet. `is_ended` is set by a signal.
    pub fn new(means: Means<'a>, crowd: Crowd, is_ended: Arc<AtomicBool>) -> Course<'a> {
        let Means { plan, meter, progress } = means;
        Course { plan, meter, progress, crowd, errors: Errors::default(), is_server_lost: false, is_ended }
    }

    /// Whether a signal has ended it.
    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Notes why a connection is gone.
    pub fn note(&mut self, reason: &CloseReason) {
        self.errors.note(&sentence(reason));
    }

    /// Opens so many, and looks at the server's memory with a few of them and with all. It is a failure if none gets in.
    pub fn open_all(&mut self, count: usize) -> Result<Histogram, Failure> {
        let mut took = Histogram::new();
        let few = FEW.min(count / 2);
        if few > 0 {
            self.open(0..few, &mut took)?;
            self.check_anybody()?;
            let seen = self.meter.see_few(self.crowd.open());
            self.note_unless_told(seen);
        }
        self.open(few..count, &mut took)?;
        self.check_anybody()?;
        let seen = self.meter.see_all(self.crowd.open());
        self.note_unless_told(seen);
        Ok(took)
    }

    /// Opens these. Those that cannot be are errors.
    pub fn open(&mut self, numbers: std::ops::Range<usize>, took: &mut Histogram) -> Result<(), Failure> {
        let begun_ns = self.crowd.read_clock();
        let (mut next, mut left, mut failed) = (numbers.start, numbers.len(), 0);
        while left > 0 && !self.is_ended() {
            while next < numbers.end && self.crowd.under_way() < self.plan.open_at_once {
                self.crowd.dial(next)?;
                next += 1;
            }
            self.crowd.poll(NAP)?;
            while let Some(happening) = self.crowd.next() {
                match happening {
                    Happening::Opened { took_ns, .. } => {
                        took.record_nanos(took_ns);
                        left -= 1;
                    }
                    Happening::Lost { was_open, reason, .. } => {
                        self.note(&reason);
                        if !was_open {
                            left -= 1;
                            failed += 1;
                        }
                    }
                    Happening::Heard { .. } => {}
                }
            }
            // A server that has let nobody in will not let in the rest.
            if self.crowd.open() == 0 && failed >= self.plan.open_at_once {
                break;
            }
            self.show("opening", begun_ns, None, SoFar { units: took.count(), latency: Some(took) });
        }
        Ok(())
    }

    /// It is a failure where nobody is in, and no signal has ended it.
    fn check_anybody(&self) -> Result<(), Failure> {
        if self.crowd.open() == 0 && !self.is_ended() { Err(self.no_connection()) } else { Ok(()) }
    }

    /// Nobody gets in, and why.
    pub fn no_connection(&self) -> Failure {
        let why = self.errors.summary().unwrap_or_else(|| "none was answered in time".to_owned());
        Failure::runtime(format!("no connection to {} can be opened: {why}", self.plan.place))
    }

    /// Lets the load go on for as long as the plan says, and measures. Returns how long was measured.
    pub fn measure(&mut self, load: &mut impl Load) -> Result<Duration, Failure> {
        let begun_ns = self.crowd.read_clock();
        let mut stage = Stage::WarmingUp { until_ns: begun_ns + nanos(self.plan.warm_up) };
        load.begin(&mut self.crowd);
        self.crowd.flush();
        loop {
            let now_ns = self.crowd.now_ns();
            let is_over = self.is_ended() || self.crowd.open() == 0 || load.is_over();
            stage = match stage {
                Stage::WarmingUp { until_ns } if now_ns >= until_ns || is_over => {
                    self.meter_begin();
                    let since_ns = self.crowd.read_clock();
                    load.measure(since_ns);
                    Stage::Measuring { since_ns, until_ns: since_ns + nanos(self.plan.duration) }
                }
                Stage::Measuring { since_ns, until_ns } if now_ns >= until_ns || is_over => {
                    load.stop(&mut self.crowd);
                    let measured = Duration::from_nanos(self.crowd.read_clock().saturating_sub(since_ns));
                    self.meter_end();
                    Stage::Draining { measured, until_ns: self.crowd.now_ns() + nanos(GRACE) }
                }
                Stage::Draining { measured, until_ns }
                    if load.outstanding() == 0 || now_ns >= until_ns || self.crowd.open() == 0 =>
                {
                    return Ok(measured);
                }
                other => other,
            };
            let due_ns = load.go_on(&mut self.crowd);
            self.crowd.flush();
            self.sleep(due_ns, stage)?;
            self.take(load);
            match stage {
                Stage::WarmingUp { .. } => self.show("warming up", begun_ns, Some(self.plan.warm_up), SoFar::default()),
                Stage::Measuring { since_ns, .. } => {
                    let so_far = SoFar { units: load.units(), latency: Some(load.latency()) };
                    self.show("measuring", since_ns, Some(self.plan.duration), so_far);
                }
                Stage::Draining { .. } => {}
            }
        }
    }

    /// Sleeps until something comes, or something is due.
    fn sleep(&mut self, due_ns: Option<u64>, stage: Stage) -> Result<(), Failure> {
        let (Stage::WarmingUp { until_ns } | Stage::Measuring { until_ns, .. } | Stage::Draining { until_ns, .. }) =
            stage;
        let now_ns = self.crowd.now_ns();
        let of = |until_ns: u64| Duration::from_nanos(until_ns.saturating_sub(now_ns));
        let wait = match due_ns.map(of) {
            Some(Duration::ZERO) => Duration::ZERO,
            Some(wait) if wait < AWAKE => {
                // Whoever shares this core has it first.
                thread::yield_now();
                Duration::ZERO
            }
            Some(wait) => wait - AWAKE / 2,
            None => NAP,
        };
        self.crowd.poll(wait.min(of(until_ns)).min(NAP))
    }

    /// Hands the load what has happened.
    fn take(&mut self, load: &mut impl Load) {
        while let Some(happening) = self.crowd.next() {
            match happening {
                Happening::Heard { number, message } => match load.hear(&mut self.crowd, number, &message) {
                    Heard::Well => {}
                    Heard::Unasked => self.errors.note("a message that nobody asked for"),
                },
                Happening::Lost { number, reason, .. } => {
                    if load.lose(&mut self.crowd, number) {
                        self.note(&reason);
                    }
                }
                Happening::Opened { .. } => {}
            }
        }
        self.crowd.flush();
    }

    /// What is spent counts from here on.
    pub fn meter_begin(&mut self) {
        let begun = self.meter.begin();
        self.note_unless_told(begun);
    }

    /// What was spent ends here.
    pub fn meter_end(&mut self) {
        let ended = self.meter.end();
        self.note_unless_told(ended);
    }

    /// Memory of the server at the moment, if its process was named and is there.
    pub fn resident_bytes(&mut self) -> Option<u64> {
        let (held, metered) = match self.meter.resident_bytes() {
            Ok(held) => (held, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        self.note_unless_told(metered);
        held
    }

    /// A process that cannot be measured any more takes its own figures along, and no others. That is an error, once; where the
    /// connections have ended with it, they have told that already.
    fn note_unless_told(&mut self, metered: Result<(), Failure>) {
        let Err(failure) = metered else { return };
        if !std::mem::replace(&mut self.is_server_lost, true) && (self.errors.count() == 0 || self.crowd.open() > 0) {
            self.errors.note(&failure.sentence);
        }
    }

    /// All leave in good order, and are dropped where that takes too long.
    pub fn leave(&mut self) -> Result<(), Failure> {
        self.crowd.close_all();
        let until_ns = self.crowd.read_clock() + nanos(LEAVE);
        while self.crowd.present() > 0 && self.crowd.now_ns() < until_ns {
            self.crowd.poll(NAP)?;
            while self.crowd.next().is_some() {}
        }
        self.crowd.cut_all();
        self.crowd.poll(Duration::ZERO)?;
        while self.crowd.next().is_some() {}
        self.crowd.poll(Duration::ZERO)
    }

    /// Shows how it stands, if it is time for that. `since_ns`: when that began; `whole`: how long it will be.
    pub fn show(&mut self, doing: &'static str, since_ns: u64, whole: Option<Duration>, so_far: SoFar<'_>) {
        let now = self.crowd.instant();
        if self.progress.is_due(now) {
            let elapsed = Duration::from_nanos(self.crowd.now_ns().saturating_sub(since_ns));
            let (open, errors) = (self.crowd.open(), self.errors.count());
            self.progress.show(&Standing { doing, elapsed, whole, open, so_far, errors }, now);
        }
    }
}

/// The kind of an error, in a few words.
fn sentence(reason: &CloseReason) -> String {
    match reason {
        CloseReason::NotConnected(why) => why.clone(),
        CloseReason::HttpRefused(status) => format!("refused with {status}"),
        CloseReason::HeadTimeout => "no answer to the upgrade in time".to_owned(),
        CloseReason::PeerClosed { code: Some(code), reason } if reason.is_empty() => {
            format!("closed by the server with {code}")
        }
        CloseReason::PeerClosed { code: Some(code), reason } => format!("closed by the server with {code} {reason:?}"),
        CloseReason::PeerClosed { code: None, .. } => "closed by the server without a code".to_owned(),
        CloseReason::Host { code: NO_PONG, .. } => "no answer to a ping in time".to_owned(),
        CloseReason::PeerVanished => "ended by the server without a Close".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_kind_of_an_error_is_a_few_words_on_one_line() {
        let closed = |code, reason: &str| CloseReason::PeerClosed { code, reason: reason.into() };
        for (reason, kind) in [
            (
                CloseReason::NotConnected("connection refused by 127.0.0.1:1".into()),
                "connection refused by 127.0.0.1:1",
            ),
            (CloseReason::HttpRefused(401), "refused with 401"),
            (closed(Some(1001), ""), "closed by the server with 1001"),
            (closed(Some(1008), "no\nmore"), "closed by the server with 1008 \"no\\nmore\""),
            (closed(None, ""), "closed by the server without a code"),
            (CloseReason::Host { code: NO_PONG, reason: "".into() }, "no answer to a ping in time"),
            (CloseReason::PeerVanished, "ended by the server without a Close"),
            (CloseReason::Transport(io::ErrorKind::ConnectionReset), "the connection failed: connection reset"),
        ] {
            assert_eq!(sentence(&reason), kind);
        }
    }
}
