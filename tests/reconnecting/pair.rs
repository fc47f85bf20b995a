//! One client, the daemon, and what is between them: a network that is up, refuses or swallows everything.
//!
//! Not here: many of them (`tests/storm/crowd.rs`).

use std::net::SocketAddr;
use std::time::Duration;

use barewire::client::{ClientConfig, ClientError, ClientEvent, Reconnector, SendError};
use barewire::{CloseReason, ConnId, EngineConfig, Message, PreparedMessage};

use crate::MILLI;
use crate::common::{Peer, World, carry};

/// What becomes of a dial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Network {
    /// It reaches the daemon.
    Up,
    /// Nobody listens.
    Refuses,
    /// Packets vanish, in either direction.
    Silent,
}

/// One client, the daemon, and what is between them.
pub struct Pair {
    pub here: World,
    pub there: World,
    pub client: Reconnector,
    pub network: Network,
    /// The ends of the connection that stands.
    pub line: Option<(ConnId, ConnId)>,
    /// What the client told, in short.
    told: Vec<String>,
    /// Headers of each dial.
    pub asked: Vec<Vec<(String, String)>>,
}

impl Pair {
    pub fn new(config: ClientConfig) -> Pair {
        Pair::with(config, World::daemon(EngineConfig::default()))
    }

    pub fn with(config: ClientConfig, there: World) -> Pair {
        let here = World::new(EngineConfig::default(), Box::new(barewire::auth::NoAuth));
        let client = Reconnector::new(config, 7).unwrap();
        let (told, asked) = (Vec::new(), Vec::new());
        let mut pair = Pair { here, there, client, network: Network::Up, line: None, told, asked };
        pair.turn();
        pair
    }

    /// Everything that can happen at this moment.
    pub fn turn(&mut self) {
        for _ in 0..1000 {
            let mut is_quiet = true;
            while let Some(dial) = self.client.poll_dial(self.here.now) {
                self.asked.push(dial.upgrade.headers.clone());
                let id = self.here.engine.connect(dial.upgrade, false, [9; 32]).unwrap();
                self.client.handle_dialed(self.here.now, Ok(id));
                self.connect(id);
                is_quiet = false;
            }
            self.here.turn();
            is_quiet &= !self.carry();
            for event in std::mem::take(&mut self.here.events) {
                let ours = self.client.handle_event(&mut self.here.engine, event);
                assert!(ours.is_none(), "nobody else is here: {ours:?}");
                is_quiet = false;
            }
            while let Some(event) = self.client.poll_event() {
                self.told.push(short(&event));
            }
            self.here.turn();
            if is_quiet {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.told);
    }

    fn connect(&mut self, id: ConnId) {
        self.here.peers.insert(id, Peer { room: usize::MAX, ..Peer::default() });
        match self.network {
            Network::Up => {
                self.line = Some((id, self.there.connect()));
                self.here.engine.handle_connected(id, SocketAddr::from(([127, 0, 0, 1], 80)));
            }
            Network::Refuses => {
                let reason = CloseReason::NotConnected("connection refused by 127.0.0.1:80".into());
                self.here.engine.handle_error(id, reason);
            }
            Network::Silent => {}
        }
        self.here.turn();
    }

    /// Carries bytes both ways, and the ends of streams; says whether there were any.
    fn carry(&mut self) -> bool {
        let Some((id, guest)) = self.line.filter(|_| self.network == Network::Up) else { return false };
        if carry((&mut self.here, id), (&mut self.there, guest)) {
            return true;
        }
        let (is_over, has_left) = (self.there.peer(guest).ended, self.here.peer(id).ended || self.here.is_gone(id));
        if is_over || has_left {
            self.line = None;
            self.here.end(id);
            self.there.end(guest);
        }
        is_over || has_left
    }

    pub fn advance(&mut self, by: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let due = self.client.poll_timeout(self.here.now).unwrap_or(left).max(MILLI);
            let step = due.min(left).min(100 * MILLI);
            self.here.advance(step);
            self.there.advance(step);
            left -= step;
            self.turn();
        }
    }

    /// The daemon is killed: its end of the stream is closed without a word.
    pub fn kill(&mut self) {
        self.network = Network::Refuses;
        if let Some((id, guest)) = self.line.take() {
            self.here.end(id);
            self.there.end(guest);
        }
        self.turn();
    }

    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub fn send(&mut self, text: &str) -> Result<(), SendError> {
        let sent = self.client.send(&mut self.here.engine, Message::Text(text.into()));
        self.turn();
        sent
    }

    pub fn close(&mut self) {
        self.client.close(&mut self.here.engine, 1000, "");
        self.turn();
    }

    /// The daemon closes this session.
    pub fn daemon_closes(&mut self, code: u16, reason: &'static str) {
        let (_, guest) = self.line.unwrap();
        self.there.engine.close(guest, code, reason);
        self.there.turn();
        self.turn();
    }

    pub fn publish(&mut self, channel: &str, text: &str) {
        self.there.engine.publish(channel, &PreparedMessage::text(text), None);
        self.there.turn();
        self.turn();
    }
}

fn short(event: &ClientEvent) -> String {
    match event {
        ClientEvent::Connecting { attempt } => format!("connecting {attempt}"),
        ClientEvent::Open { .. } => "open".into(),
        ClientEvent::Message(message) => {
            let text = String::from_utf8_lossy(message.payload()).into_owned();
            let is_stamped = text.find(r#","timestamp""#);
            is_stamped.map_or(text.clone(), |at| text[..at].to_owned() + "}")
        }
        ClientEvent::Error(ClientError::Refused { response, body }) => {
            format!("refused {} {}", response.status(), String::from_utf8_lossy(body))
        }
        ClientEvent::Error(error) => format!("error: {error}"),
        ClientEvent::Close { code, reason, retries, .. } => {
            format!("close {code} {reason}{}", if *retries { "" } else { " for good" })
        }
        ClientEvent::Reconnecting { delay, attempt } => format!("in {} ms {attempt}", delay.as_millis()),
        ClientEvent::MaxReconnect => "maxreconnect".into(),
        other => format!("{other:?}"),
    }
}
