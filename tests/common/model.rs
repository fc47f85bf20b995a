//! What each peer of the simulation must be told: the rules of the wire protocol once more, in their plainest
//! form, applied to the engine's events in their order.
//!
//! Not here: who does what when, and the comparison with what the peers get (`simulator.rs`).

use std::collections::{BTreeMap, BTreeSet};

use barewire::{CloseReason, ConnId, Event, Initiator, Message};
use serde_json::Value;

/// One session as it must be.
#[derive(Debug, Default)]
pub struct Session {
    pub is_open: bool,
    pub is_closed: bool,
    /// It said something that came too late to be answered.
    pub is_unanswered: bool,
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
    pub channels_per_session: usize,
}

impl Model {
    /// Takes one event, before the router does. What a session said before the engine ended it, its Closed still to
    /// be told (`has_gone`), counts no more.
    pub fn observe(&mut self, event: &Event, has_gone: bool) {
        let id = event.id();
        if let Event::Accepted { .. } = event {
            assert!(self.sessions.insert(id, Session::default()).is_none(), "{id} is accepted twice");
            return;
        }
        if let Event::Closed { reason, .. } = event {
            self.mark(reason.name());
        }
        let session = self.sessions.get_mut(&id).expect("an event of a session that was accepted");
        assert!(!session.is_closed, "{event:?} behind its Closed");
        match event {
            Event::Request { .. } => session.requests += 1,
            Event::Open { .. } => {
                assert!(!session.is_open, "{id} opens twice");
                session.is_open = true;
                session.due.push("connected".into());
            }
            Event::Message { message, .. } => {
                assert!(session.is_open, "a message before Open");
                if has_gone {
                    session.is_unanswered = true;
                } else {
                    self.take_message(id, message);
                }
            }
            Event::Closed { identity, reason, .. } => {
                assert!(!session.is_unanswered || is_sudden(reason), "{id} ends before it is answered: {reason}");
                assert_eq!(identity.is_some(), session.is_open);
                (session.is_open, session.is_closed) = (false, true);
                session.channels.clear();
            }
            other => panic!("an event that the model does not know: {other:?}"),
        }
    }

    pub fn mark(&mut self, what: &'static str) {
        *self.marks.entry(what).or_default() += 1;
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
                let most = self.channels_per_session;
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
        "error" if value["message"] == "Authentication failed" => "authentication failed".into(),
        kind => kind.to_owned(),
    }
}
