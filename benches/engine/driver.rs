//! A driver without sockets: what a peer sends is handed to the engine as `net/` would, and what the engine writes goes
//! nowhere. The clock moves only when it is told to.
//!
//! Not here: what is measured (`engine.rs` beside this folder).

use std::io::IoSlice;
use std::net::SocketAddr;

use barewire::auth::NoAuth;
use barewire::engine::{Fate, Intake};
use barewire::limits::{READ_ROOM_BYTES, TICK_MILLIS, WHEEL_SLOTS, WRITE_SEGMENTS};
use barewire::wire::http::UpgradeRequest;
use barewire::wire::url::Url;
use barewire::wire::websocket::{Kind, MessageHeader, apply_mask};
use barewire::{ConnId, Engine, EngineConfig, Event, Limits, Message, Now};
use divan::black_box;

pub const CHANNEL: &str = "news";
pub const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// After which the wheel of the deadlines begins again.
pub const REVOLUTION_US: u64 = WHEEL_SLOTS as u64 * TICK_MILLIS * 1000;
const PEER: ([u8; 4], u16) = ([127, 0, 0, 1], 40_000);

/// As a browser asks.
pub const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: localhost:8443\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://localhost:8443\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An engine, and what it takes to drive it.
pub struct Driver {
    pub engine: Engine,
    now: Now,
}

impl Driver {
    /// The defaults, but nobody is too fast, and there is room for every session.
    pub fn new() -> Driver {
        Driver::with(|_| {})
    }

    /// The same with what `change` has made of the configuration.
    pub fn with(change: impl FnOnce(&mut EngineConfig)) -> Driver {
        let limits =
            Limits { connections: 200_000, messages_per_window: 0, control_frames_per_second: 0, ..Limits::default() };
        let mut config = EngineConfig { limits, ..EngineConfig::default() };
        change(&mut config);
        let now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
        Driver { engine: Engine::new(config, Box::new(NoAuth), now, 42), now }
    }

    /// Time passes, and all that is due in it comes about.
    pub fn pass(&mut self, micros: u64) {
        self.now.mono_us += micros;
        self.now.unix_ms = 1_795_000_000_000 + self.now.mono_us / 1000;
        self.engine.handle_now(self.now);
        while self.engine.poll_timeout_due() {}
    }

    pub fn accept(&mut self) -> ConnId {
        self.engine.handle_accept(SocketAddr::from(PEER), true).unwrap()
    }

    /// A session that is open and has nothing to do.
    pub fn open(&mut self) -> ConnId {
        self.open_by(UPGRADE)
    }

    /// The same by this request.
    pub fn open_by(&mut self, head: &str) -> ConnId {
        let id = self.accept();
        self.hear(id, head.as_bytes(), |_, _| {});
        self.drain();
        assert!(self.engine.is_open(id));
        id
    }

    /// So many of them, all subscribed to [`CHANNEL`].
    pub fn open_subscribed(&mut self, count: usize) -> Vec<ConnId> {
        let ids: Vec<_> = (0..count).map(|_| self.open()).collect();
        for &id in &ids {
            assert_eq!(self.engine.subscribe(id, CHANNEL), Ok(true));
        }
        ids
    }

    /// A session in the client role that its server has let in.
    pub fn open_client(&mut self) -> ConnId {
        let url = Url::parse("wss://localhost:8443/ws").unwrap();
        let id = self.engine.connect(UpgradeRequest::to(&url), true, [7; 32]).unwrap();
        self.engine.handle_connected(id, SocketAddr::from(PEER));
        let asked = String::from_utf8(self.engine.output(id).unwrap().front().to_vec()).unwrap();
        self.drain();
        let key = asked.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.hear(id, answer.as_bytes(), |_, _| {});
        assert!(self.engine.is_open(id));
        id
    }

    /// What a peer sends, read in the portions in which a socket would be, over as many turns as it takes, of which this
    /// begins the first. Each event is handed on.
    pub fn hear(&mut self, id: ConnId, mut bytes: &[u8], mut host: impl FnMut(&mut Engine, Event)) {
        self.engine.handle_now(self.now);
        loop {
            if let Intake::Read(limit) = self.engine.intake(id)
                && !bytes.is_empty()
            {
                let (read, rest) = bytes.split_at(bytes.len().min(limit + READ_ROOM_BYTES));
                self.engine.handle_input(id, read);
                bytes = rest;
            }
            self.hand_on(&mut host);
            if bytes.is_empty() && self.engine.ready() == 0 {
                return;
            }
            self.drain();
            self.engine.handle_now(self.now);
            for _ in 0..self.engine.ready() {
                self.engine.poll_ready();
                self.hand_on(&mut host);
            }
        }
    }

    fn hand_on(&mut self, host: &mut impl FnMut(&mut Engine, Event)) {
        while let Some(event) = self.engine.poll_event() {
            host(&mut self.engine, event);
        }
    }

    /// Writes all that waits, to nowhere: as many segments at a time as one `write` takes.
    pub fn drain(&mut self) {
        self.drain_each(|_| {});
    }

    /// The same, and names each session that something was written to.
    pub fn drain_each(&mut self, mut written: impl FnMut(ConnId)) {
        while let Some(id) = self.engine.poll_dirty() {
            if self.engine.fate(id) == Fate::Drop {
                self.engine.handle_released(id);
                continue;
            }
            let Some(queue) = self.engine.output(id).filter(|queue| !queue.is_empty()) else {
                self.engine.handle_written(id, false, false);
                continue;
            };
            while !queue.is_empty() {
                let mut slices = [IoSlice::new(&[]); WRITE_SEGMENTS];
                let count = queue.slices(&mut slices);
                let bytes = black_box(&slices[..count]).iter().map(|slice| slice.len()).sum();
                queue.advance(bytes);
            }
            self.engine.handle_written(id, true, false);
            written(id);
        }
    }

    /// Sends back what a peer sends, all the way to nowhere.
    pub fn echo(&mut self, id: ConnId, bytes: &[u8]) {
        self.hear(id, bytes, |engine, event| {
            if let Event::Message { id, message } = event {
                engine.send(id, message);
            }
        });
        self.drain();
    }
}

/// A client's frame, masked, with so many bytes of text.
pub fn frame(bytes: usize) -> Vec<u8> {
    masked(Kind::Text, false, &text(bytes))
}

pub fn masked(kind: Kind, is_deflated: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    MessageHeader { kind, is_deflated, bytes: payload.len(), mask: Some(MASK) }.encode(&mut frame);
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[start..], MASK);
    frame
}

/// A client's answer to a heartbeat.
pub fn pong() -> Vec<u8> {
    [&[0x8a, 0x80], &MASK[..]].concat()
}

pub fn text(bytes: usize) -> Vec<u8> {
    b"All work and no play makes Jack a dull boy. ".iter().copied().cycle().take(bytes).collect()
}

/// A KiB of JSON that deflates as such does.
pub fn json() -> String {
    let items = (0..)
        .map(|n| format!(r#"{{"id":{},"price":{}.{:02},"side":"buy"}},"#, n * 7919 % 10_007, n * 31, n * 17 % 100));
    let mut json: String = items.take(30).collect();
    json.truncate(1024);
    json
}

/// A message of the host's, of so many bytes.
pub fn message(bytes: usize) -> Message {
    Message::Text(String::from_utf8(text(bytes)).unwrap().into())
}
