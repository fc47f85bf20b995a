//! The loop of `barewire connect`: events are shown, lines are sent while it is open, and after the last of them the end is
//! sought.
//!
//! ```text
//!               the input ends                 all of it is answered
//!   Speaking ------------------> Answering -------------------------> Leaving
//!       |                            |                                   ^
//!       +---- a signal, nobody reads the output, an answer is lost ------+
//! ```
//!
//! A server of barewire answers in order, so one that has answered two pings, the second sent when the first was answered,
//! has answered all before (see [`barewire::Engine::ping`]). Others may answer pings and messages apart, and are given time.
//!
//! Not here: where lines come from (`input.rs`), what an event looks like (`output.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barewire::client::{ClientEvent, ReadyState, SendError};
use barewire::limits::CONNECT_LAST_PINGS;
use barewire::{Client, Message};

use super::input::{Input, Line};
use super::output::{self, Output};
use crate::daemon::failure::Failure;

/// Closes in good order (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Lines are sent as they come.
    Speaking,
    /// There are no more; so many pings of this connection have been sent behind the last.
    Answering { pings: u32 },
    /// We have closed, or do not come back.
    Leaving,
}

/// What does not change in its course.
pub struct Manner {
    /// Where it goes, fit to be shown.
    pub place: String,
    /// Lines are said to this channel.
    pub publish: Option<String>,
    /// How long nothing must have come, after the last line, before it leaves.
    pub wait: Duration,
}

/// See the module.
pub struct Conversation {
    client: Client,
    input: Input,
    output: Output,
    manner: Manner,
    phase: Phase,
    /// Lines have been sent over this connection.
    has_spoken: bool,
    /// When the last message came, or the last ping was sent.
    heard_at: Instant,
    /// Why the attempt under way has failed.
    trouble: Option<String>,
    /// How the program ends.
    outcome: Result<(), Failure>,
}

impl Conversation {
    /// Nothing is shown or sent before [`Conversation::run`].
    pub fn new(client: Client, input: Input, output: Output, manner: Manner) -> Conversation {
        Conversation {
            client,
            input,
            output,
            manner,
            phase: Phase::Speaking,
            has_spoken: false,
            heard_at: Instant::now(),
            trouble: None,
            outcome: Ok(()),
        }
    }

    /// Goes on until it is over. Whoever sets `is_ended` wakes the client.
    pub fn run(mut self, is_ended: &AtomicBool) -> Result<(), Failure> {
        let mut sleep = None;
        while !self.client.is_finished() {
            self.client.poll(sleep)?;
            while let Some(event) = self.client.poll_event() {
                self.take(&event);
            }
            self.output.flush();
            self.see_output();
            if is_ended.load(Ordering::Acquire) {
                self.leave();
            }
            let has_sent = self.send_lines();
            let patience = self.seek_end();
            // What was queued may fit into the socket at once, and then nothing would tell that there is room again.
            sleep = if has_sent { Some(Duration::ZERO) } else { patience };
        }
        self.outcome
    }

    // --- what happens ---

    fn take(&mut self, event: &ClientEvent) {
        if matches!(event, ClientEvent::Message(_)) {
            self.heard_at = Instant::now();
        }
        let line = match event {
            ClientEvent::Connecting { attempt: 0 } => Some(format!("connecting to {}", self.manner.place)),
            ClientEvent::Connecting { attempt } => Some(format!("connecting, attempt {attempt}")),
            ClientEvent::Open { protocol: None } => Some("open".to_owned()),
            ClientEvent::Open { protocol: Some(name) } => {
                Some(format!("open, with the subprotocol {:?}", output::protocol(name)))
            }
            ClientEvent::Message(Message::Binary(bytes)) => {
                Some(format!("a binary message of {} bytes (--json shows it)", bytes.len()))
            }
            ClientEvent::Error(error) => {
                self.trouble = Some(output::sentence(error));
                None
            }
            ClientEvent::Close { code, cause, retries, .. } => {
                let why = self.trouble.take().unwrap_or_else(|| output::end(*code, cause));
                self.take_end(why, *retries)
            }
            ClientEvent::Reconnecting { delay, attempt } => {
                Some(format!("waiting {:.1} s, attempt {attempt}", delay.as_secs_f64()))
            }
            ClientEvent::Message(Message::Text(_)) | ClientEvent::MaxReconnect => None,
            // Of events that this program does not know yet.
            _ => None,
        };
        self.output.show(event, line);
    }

    /// A connection has ended, or an attempt. Says what a person is told of it; if no other follows, that is for the outcome.
    fn take_end(&mut self, why: String, retries: bool) -> Option<String> {
        let has_spoken = std::mem::take(&mut self.has_spoken);
        match self.phase {
            Phase::Leaving => return None,
            Phase::Answering { .. } if has_spoken => {
                // There is nothing left to come back for.
                self.fail(format!("{why}; answers to what was sent last, or that itself, may be lost"));
                return None;
            }
            Phase::Answering { .. } => self.phase = Phase::Answering { pings: 0 },
            Phase::Speaking => {}
        }
        if retries {
            return Some(if has_spoken { format!("{why}; what was sent last may be lost") } else { why });
        }
        self.fail(match self.client.attempt() {
            0 => why,
            1 => format!("{why}; given up after one attempt to come back"),
            attempts => format!("{why}; given up after {attempts} attempts to come back"),
        });
        None
    }

    fn see_output(&mut self) {
        match self.output.is_over() {
            Ok(false) => {}
            Ok(true) => self.leave(),
            Err(error) => {
                let sentence = format!("standard output: {error}");
                self.fail(sentence);
            }
        }
    }

    // --- what is done ---

    /// Sends lines as long as there are any and they are taken. Says whether any was.
    fn send_lines(&mut self) -> bool {
        let mut has_sent = false;
        while self.phase == Phase::Speaking && self.client.ready_state() == ReadyState::Open {
            match self.input.front() {
                None => break,
                Some(Line::Text(line)) => {
                    let sent = match &self.manner.publish {
                        Some(channel) => self.client.publish(Some(channel), &line.as_str().into()),
                        None => self.client.send(Message::Text(line.as_str().into())),
                    };
                    match sent {
                        Ok(()) => (has_sent, self.has_spoken) = (true, true),
                        // It stays the next one.
                        Err(SendError::Full | SendError::NotOpen) => break,
                    }
                }
                Some(Line::End) => self.phase = Phase::Answering { pings: 0 },
                Some(Line::Fault(sentence)) => {
                    self.outcome = Err(Failure::runtime(sentence));
                    self.phase = Phase::Answering { pings: 0 };
                }
            }
            self.input.pop();
        }
        has_sent
    }

    /// Leaves once everything is answered, and nothing has come for long enough. `Some` where that is only a question of time.
    fn seek_end(&mut self) -> Option<Duration> {
        let Phase::Answering { pings } = self.phase else { return None };
        if self.client.ready_state() != ReadyState::Open || self.client.awaits_pong() {
            return None;
        }
        if pings < CONNECT_LAST_PINGS {
            if self.client.ping() {
                self.phase = Phase::Answering { pings: pings + 1 };
                self.heard_at = Instant::now();
            }
            return None;
        }
        let left = self.manner.wait.saturating_sub(self.heard_at.elapsed());
        if left.is_zero() {
            self.leave();
        }
        Some(left)
    }

    fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.client.close(NORMAL, "");
    }

    /// Leaves, for a reason to end with an exit code of its own. The first counts.
    fn fail(&mut self, sentence: String) {
        if self.outcome.is_ok() {
            self.outcome = Err(Failure::runtime(sentence));
        }
        self.leave();
    }
}
