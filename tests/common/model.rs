//! What each peer of the simulation must be told: the rules of the wire protocol once more, in their plainest
//! form, applied to the engine's events in their order.
//!
//! Not here: who does what when, and the comparison with what the peers get (`simulator.rs`).

use std::collections::{BTreeMap, BTreeSet};

use barewire::{CloseReason, ConnId, Event, Initiator, Limits, Message};
use serde_json::Value;

use super::bounds::{self, Addresses, Pace};

/// One session as it must be.
#[derive(Debug, Default)]
pub struct Session {
    pub is_open: bool,
    pub is_closed: bool,
    /// It said something that came too late to be answered.
    pub is_unanswered: bool,
    /// Why it ended.
    pub ended: Option<&'static str>,
    /// In the order in which they came.
    number: usize,
    address: String,
    /// Its address had as many connections as it may.
    is_excess: bool,
    pace: Pace,
    /// It was refused too often: it must go.
    is_exhausted: bool,
    pub channels: BTreeSet<String>,
    /// Requests that were told to the host, each of which is answered at once.
    pub requests: usize,
    /// The messages it is sent, each as one line. When the session is closed some of the last may be lost.
    pub due: Vec<String>,
}

/// All sessions there ever were.
#[derive(Debug, Default)]
pub struct Model {
    pub sessions: BTreeMap<ConnId, Session>,
    /// How many sessions ended for which reason, and what else a run has been through.
    pub marks: BTreeMap<&'static str, usize>,
    pub limits: Limits,
    /// The time of the events.
    pub now_us: u64,
    pub addresses: Addresses,
}

impl Model {
    /// Takes one event, before the router does. What a session said before the engine ended it, its Closed still to
    /// be told (`has_gone`), counts no more.
    pub fn observe(&mut self, event: &Event, has_gone: bool) {
        let id = event.id();
        if let Event::Accepted { peer, .. } = event {
            let address = bounds::address(peer.ip());
            let is_excess = self.addresses.enter(&address, &self.limits);
            let session = Session { number: self.sessions.len(), address, is_excess, ..Session::default() };
            assert!(self.sessions.insert(id, session).is_none(), "{id} is accepted twice");
            assert!(self.newcomers().count() <= self.limits.pre_auth_connections, "newcomers");
            return;
        }
        if let Event::Closed { reason, .. } = event {
            self.mark(reason.name());
            self.check_end(id, reason);
        }
        self.check_entry(event);
        let session = self.sessions.get_mut(&id).expect("an event of a session that was accepted");
        assert!(!session.is_closed, "{event:?} behind its Closed");
        match event {
            Event::Request { .. } => session.requests += 1,
            Event::Open { .. } => {
                assert!(!session.is_open, "{id} opens twice");
                session.is_open = true;
                session.due.push("connected".into());
            }
            Event::RateLimited { .. } | Event::Message { .. } => {
                assert!(session.is_open && !session.is_exhausted, "{event:?} before Open, or behind the last refusal");
                let (is_refused, is_exhausted) = session.pace.refuses(self.now_us, &self.limits);
                session.is_exhausted = is_exhausted;
                assert_eq!(is_refused, matches!(event, Event::RateLimited { .. }), "{event:?}");
                if has_gone {
                    session.is_unanswered = true;
                } else if let Event::Message { message, .. } = event {
                    self.take_message(id, message);
                } else {
                    self.mark("refused");
                    self.say(id, "error rate_limited".into());
                }
            }
            Event::Closed { identity, reason, .. } => {
                assert!(!session.is_unanswered || is_sudden(reason), "{id} ends before it is answered: {reason}");
                assert_eq!(identity.is_some(), session.is_open);
                (session.is_open, session.is_closed) = (false, true);
                session.channels.clear();
                session.ended = Some(reason.name());
            }
            other => panic!("an event that the model does not know: {other:?}"),
        }
    }

    pub fn mark(&mut self, what: &'static str) {
        *self.marks.entry(what).or_default() += 1;
    }

    fn newcomers(&self) -> impl Iterator<Item = (&ConnId, &Session)> {
        self.sessions.iter().filter(|(_, session)| !session.is_open && !session.is_closed)
    }

    /// What is let in was to be let in.
    fn check_entry(&self, event: &Event) {
        let session = &self.sessions[&event.id()];
        if let Event::Open { .. } | Event::Request { .. } = event {
            assert!(!session.is_excess, "one too many of {} is let in", session.address);
        }
        if let Event::Open { .. } = event {
            let is_blocked = self.addresses.is_blocked(&session.address, self.now_us, &self.limits);
            assert!(!is_blocked, "{} is let in", session.address);
        }
    }

    /// An end that a limit brings is due, and none that was due is another's.
    fn check_end(&mut self, id: ConnId, reason: &CloseReason) {
        let session = &self.sessions[&id];
        let is_blocked = self.addresses.is_blocked(&session.address, self.now_us, &self.limits);
        let is_exhausted = session.is_exhausted;
        match reason {
            CloseReason::RateLimited => assert!(is_exhausted, "{id} was not refused that often"),
            other => assert!(!is_exhausted || is_sudden(other), "{id} was refused too often, and ends by {other}"),
        }
        match reason {
            CloseReason::Crowded => {
                let oldest = self.newcomers().min_by_key(|(_, session)| session.number).expect("a newcomer");
                assert_eq!((*oldest.0, self.newcomers().count()), (id, self.limits.pre_auth_connections));
            }
            CloseReason::HttpRefused(429) => {
                assert!(session.is_excess || is_blocked, "{} is refused", session.address);
                self.mark(if is_blocked { "429 for wrong credentials" } else { "429 for its address" });
            }
            CloseReason::HttpRefused(403) => {
                assert!(!is_blocked, "{} is still asked", session.address);
                let address = session.address.clone();
                self.addresses.fail(&address, self.now_us);
            }
            CloseReason::AuthenticationFailed if is_blocked => self.mark("refused unseen"),
            CloseReason::AuthenticationFailed => {
                let address = session.address.clone();
                self.addresses.fail(&address, self.now_us);
            }
            _ => {}
        }
    }

    /// Its socket is closed.
    pub fn release(&mut self, id: ConnId) {
        self.addresses.leave(&self.sessions[&id].address);
    }

    pub fn open_sessions(&self) -> usize {
        self.sessions.values().filter(|session| session.is_open).count()
    }

    /// Channels with a subscriber.
    pub fn channels(&self) -> usize {
        self.sessions.values().flat_map(|session| &session.channels).collect::<BTreeSet<_>>().len()
    }

    fn take_message(&mut self, id: ConnId, message: &Message) {
        let payload = message.clone().into_payload();
        let value: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let channel = value["channel"].as_str().map(str::to_owned);
        match (value["type"].as_str(), channel) {
            (Some("ping"), _) => self.say(id, format!("pong {}", value["id"])),
            (Some("subscribe"), Some(channel)) => {
                let most = self.limits.channels_per_session;
                let session = self.session(id);
                if session.channels.len() == most && !session.channels.contains(&channel) {
                    return self.say(id, "error too_many_channels".into());
                }
                session.channels.insert(channel.clone());
                self.say(id, format!("subscribed {channel}"));
            }
            (Some("unsubscribe"), Some(channel)) => {
                self.session(id).channels.remove(&channel);
                self.say(id, format!("unsubscribed {channel}"));
            }
            (Some("chat"), channel) => {
                let line = format!("chat {} {}", value["channel"], value["payload"]);
                let to_self = value["self"] != Value::Bool(false);
                for (&other, session) in &mut self.sessions {
                    let is_addressed = match &channel {
                        Some(channel) => session.channels.contains(channel),
                        None => session.is_open,
                    };
                    if is_addressed && (other != id || to_self) {
                        session.due.push(line.clone());
                    }
                }
                if !value["id"].is_null() {
                    self.say(id, format!("ack {}", value["id"]));
                }
            }
            _ => self.say(id, "error".into()),
        }
    }

    fn session(&mut self, id: ConnId) -> &mut Session {
        self.sessions.get_mut(&id).expect("a session")
    }

    fn say(&mut self, id: ConnId, line: String) {
        self.session(id).due.push(line);
    }
}

/// Whether this end may come between what a peer said and the answer to it: it is not in the peer's own stream.
fn is_sudden(reason: &CloseReason) -> bool {
    let is_of_the_moment =
        matches!(reason, CloseReason::Transport(_) | CloseReason::SlowConsumer | CloseReason::Overloaded);
    reason.initiator() == Initiator::Server || is_of_the_moment
}

/// A message of the server as such a line.
pub fn line(text: &str) -> String {
    let value: Value = serde_json::from_str(text).expect("the server speaks JSON");
    match value["type"].as_str().expect("a type") {
        "pong" => format!("pong {}", value["id"]),
        "subscribed" => format!("subscribed {}", value["channel"].as_str().unwrap()),
        "unsubscribed" => format!("unsubscribed {}", value["channel"].as_str().unwrap()),
        "chat" => format!("chat {} {}", value["channel"], value["payload"]),
        "ack" => format!("ack {}", value["id"]),
        "error" if value["code"] == "too_many_channels" => "error too_many_channels".into(),
        "error" if value["code"] == "rate_limited" => "error rate_limited".into(),
        "error" if value["message"] == "Authentication failed" => "authentication failed".into(),
        kind => kind.to_owned(),
    }
}
