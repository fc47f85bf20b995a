//! One peer of the simulation: what it says, right and wrong, and how it takes what it is told.
//!
//! Not here: when its bytes move (`simulator.rs`), what it must be told (`model.rs`).

use std::collections::BTreeMap;

use barewire::ConnId;

use super::chance::Chance;
use super::deflate::{Client, RSV1};
use super::frames::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT};
use super::model::{Model, line};
use super::{GOOD, upgrade};

/// What a peer is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Basic,
    WrongBasic,
    InBand,
    WrongInBand,
    Silent,
}

const KINDS: [Kind; 12] = [
    Kind::Basic,
    Kind::Basic,
    Kind::Basic,
    Kind::Basic,
    Kind::Basic,
    Kind::InBand,
    Kind::InBand,
    Kind::InBand,
    Kind::Http,
    Kind::WrongBasic,
    Kind::WrongInBand,
    Kind::Silent,
];
/// One that most are in, and others.
const CHANNELS: [&str; 8] = ["a", "a", "a", "a", "b", "b", "c", "d"];
/// One peer and its socket.
#[derive(Debug)]
pub struct RandomPeer {
    pub id: ConnId,
    pub number: usize,
    pub kind: Kind,
    /// An `auth` that it keeps for later.
    kept: Option<Vec<u8>>,
    /// Said, and not with the server yet.
    pub outbox: Vec<u8>,
    /// What its socket still takes.
    pub room: usize,
    /// Got, and not decoded yet.
    pub inbox: Vec<u8>,
    pub is_websocket: bool,
    pub answers: usize,
    /// How many of the lines that are due have come.
    pub heard: usize,
    /// A Close frame has come, and nothing may come behind it.
    is_told: bool,
    pub server_ended: bool,
    pub has_ended: bool,
    pub is_gone: bool,
    /// When the simulation first saw that its session is over.
    pub over_us: Option<u64>,
    /// Chats said so far, by channel.
    chats: BTreeMap<&'static str, usize>,
    pings: u32,
    last_pong: u32,
    /// Pings and pongs it has said.
    pub control_frames: usize,
    /// Once the server has agreed to deflate.
    deflate: Option<Client>,
    /// Deflated messages it has said, and heard.
    pub deflated: usize,
    pub inflated: usize,
}

/// What most offer of permessage-deflate, each one of these.
const OFFERS: [&str; 4] =
    ["", "; server_max_window_bits=9", "; server_no_context_takeover", "; client_no_context_takeover"];
/// More than any message has.
const MESSAGE_BYTES_MOST: usize = 100_000;

impl RandomPeer {
    /// A peer whose first words wait to be delivered. Most are soon where most are: an eager one subscribes at once.
    pub fn new(id: ConnId, number: usize, is_eager: bool, chance: &mut Chance) -> RandomPeer {
        let kind = *chance.pick(&KINDS);
        let offer = format!("Sec-WebSocket-Extensions: permessage-deflate{}\r\n", chance.pick(&OFFERS));
        let upgrade = |line: &str| upgrade(&format!("{line}{}", if number.is_multiple_of(3) { "" } else { &offer }));
        let auth = |credentials| frames::text(&format!(r#"{{"type":"auth","token":"Basic {credentials}"}}"#));
        let mut outbox = match kind {
            Kind::Http => Vec::new(),
            Kind::Silent => upgrade("")[..chance.below(60)].into(),
            Kind::Basic => upgrade(GOOD).into_bytes(),
            Kind::WrongBasic => upgrade("Authorization: Basic dXNlcjp3cm9uZw==\r\n").into_bytes(),
            Kind::InBand | Kind::WrongInBand => upgrade("").into_bytes(),
        };
        let mut kept = match kind {
            Kind::InBand => Some(auth("dXNlcjpwYXNz")),
            Kind::WrongInBand => Some(auth("dXNlcjp3cm9uZw==")),
            Kind::Http | Kind::Silent | Kind::Basic | Kind::WrongBasic => None,
        };
        if chance.once_in(2) {
            outbox.extend(kept.take().unwrap_or_default());
        }
        if is_eager && kept.is_none() && !matches!(kind, Kind::Http | Kind::Silent) {
            outbox.extend(frames::text(r#"{"type":"subscribe","channel":"a"}"#));
        }
        RandomPeer {
            id,
            number,
            kind,
            kept,
            outbox,
            room: usize::MAX,
            inbox: Vec::new(),
            is_websocket: false,
            answers: 0,
            heard: 0,
            is_told: false,
            server_ended: false,
            has_ended: false,
            is_gone: false,
            over_us: None,
            chats: BTreeMap::new(),
            pings: 0,
            control_frames: 0,
            deflate: None,
            deflated: 0,
            inflated: 0,
            last_pong: 0,
        }
    }

    /// Whether its credentials are right.
    pub fn is_welcome(&self) -> bool {
        matches!(self.kind, Kind::Basic | Kind::InBand)
    }

    // --- what it says ---

    /// Says one more thing, right or wrong.
    pub fn speak(&mut self, chance: &mut Chance) {
        if let Some(auth) = self.kept.take_if(|_| !self.has_ended) {
            return self.outbox.extend(auth);
        }
        match self.kind {
            _ if self.has_ended => {}
            Kind::Silent => {}
            Kind::Http => {
                let path = chance.pick(&["/health", "/nothing"]);
                self.outbox.extend(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
            }
            Kind::Basic | Kind::WrongBasic | Kind::InBand | Kind::WrongInBand => match chance.below(40) {
                0..31 => self.say_something(chance),
                31..35 => self.ping(),
                35 => self.burst(chance),
                36 if chance.once_in(3) => self.outbox.extend(garbage(chance)),
                37 if chance.once_in(3) => self.outbox.extend(frames::close(4001, "enough")),
                _ => self.say_pong(b"unasked"),
            },
        }
    }

    fn say_pong(&mut self, payload: &[u8]) {
        self.control_frames += 1;
        self.outbox.extend(frames::frame(PONG, payload));
    }

    fn ping(&mut self) {
        self.control_frames += 1;
        self.pings += 1;
        self.outbox.extend(frames::frame(PING, &self.pings.to_be_bytes()));
    }

    /// A message as one frame or as several, of either kind, with pings between.
    fn say_something(&mut self, chance: &mut Chance) {
        let text = self.message(chance);
        let opcode = if chance.once_in(5) { BINARY } else { TEXT };
        let (opcode, payload) = self.deflate(opcode, text, chance);
        if !chance.once_in(4) {
            return self.outbox.extend(frames::frame(opcode, &payload));
        }
        let (first, last) = payload.split_at(chance.below(payload.len()));
        self.outbox.extend(frames::raw(opcode, first));
        // Now and then one too many.
        for _ in 0..*chance.pick(&[0, 0, 0, 1, 1, 2, 3, 4, 4, 5]) {
            if chance.once_in(2) {
                self.ping();
            }
            self.outbox.extend(frames::raw(CONTINUATION, b""));
        }
        self.outbox.extend(frames::frame(CONTINUATION, last));
    }

    /// Deflates a message now and then, if it may.
    fn deflate(&mut self, opcode: u8, text: String, chance: &mut Chance) -> (u8, Vec<u8>) {
        match &mut self.deflate {
            Some(client) if chance.once_in(2) => {
                self.deflated += 1;
                (RSV1 | opcode, client.deflate(text.as_bytes()))
            }
            _ => (opcode, text.into_bytes()),
        }
    }

    fn message(&mut self, chance: &mut Chance) -> String {
        let channel = *chance.pick(&CHANNELS);
        match chance.below(31) {
            0..6 => format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#),
            6..8 => format!(r#"{{"type":"unsubscribe","payload":{{"channel":"{channel}"}},"channel":"{channel}"}}"#),
            8..22 => self.chat(Some(channel), chance),
            22..25 => self.chat(None, chance),
            25 => format!(r#"{{"type":"what","channel":"{channel}"}}"#),
            _ => format!(r#"{{"type":"ping","id":{}}}"#, chance.below(1000)),
        }
    }

    /// A chat with the next number on this channel.
    fn chat(&mut self, channel: Option<&'static str>, chance: &mut Chance) -> String {
        let count = self.chats.entry(channel.unwrap_or("")).or_default();
        *count += 1;
        let to = channel.map_or(String::new(), |channel| format!(r#","channel":"{channel}""#));
        let quiet = if chance.once_in(4) { r#","self":false"# } else { "" };
        let ack = if chance.once_in(4) { r#","id":"ack""# } else { "" };
        // Deflated it is still half as long.
        let letters = *chance.pick(&[0, 0, 0, 100, 130, 2000]);
        let filler: String = (0..letters).map(|_| char::from(b'a' + chance.below(16) as u8)).collect();
        format!(r#"{{"type":"chat"{to}{quiet}{ack},"payload":[{},{count},"{filler}"]}}"#, self.number)
    }

    /// More questions than a turn may serve, or more answers than may wait.
    fn burst(&mut self, chance: &mut Chance) {
        if chance.once_in(3) {
            let large = self.chat(Some("a"), chance).replacen(',', &format!(",{}", " ".repeat(30_000)), 1);
            let (opcode, payload) = self.deflate(TEXT, large, chance);
            return self.outbox.extend(frames::frame(opcode, &payload));
        }
        if chance.once_in(2) {
            let large = frames::text(&format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(2000)));
            return self.outbox.extend(large.repeat(70));
        }
        for i in 0..*chance.pick(&[70, 140]) {
            self.outbox.extend(frames::text(&format!(r#"{{"type":"ping","id":{i}}}"#)));
        }
    }

    // --- what it hears ---

    /// Decodes what has come, answers pings, and compares with what was due.
    pub fn absorb(&mut self, model: &Model) {
        if !self.is_websocket {
            if !self.inbox.starts_with(b"HTTP/1.1 101 ") {
                return self.absorb_answers();
            }
            let Some(end) = self.inbox.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            let head: Vec<u8> = self.inbox.drain(..end + 4).collect();
            self.deflate = Client::agreed(std::str::from_utf8(&head).expect("a head is text"));
            self.is_websocket = true;
        }
        let (got, rest) = frames::decode_partial(&self.inbox);
        let taken = self.inbox.len() - rest.len();
        for frame in got {
            assert!(!self.is_told, "{} gets {frame:?} behind a Close", self.number);
            match frame.opcode {
                TEXT if frame.first & RSV1 != 0 => {
                    self.inflated += 1;
                    let client = self.deflate.as_mut().expect("an agreement");
                    let text = client.inflate(&frame.payload, MESSAGE_BYTES_MOST);
                    self.take_line(model, &line(std::str::from_utf8(&text).expect("text")));
                }
                TEXT => self.take_line(model, &line(&frame.text())),
                PING => self.say_pong(&frame.payload),
                PONG => {
                    let number = u32::from_be_bytes(frame.payload.try_into().expect("its own payload"));
                    assert!(number > self.last_pong && number <= self.pings, "{} gets pong {number}", self.number);
                    self.last_pong = number;
                }
                CLOSE => self.is_told = true,
                other => panic!("{} gets opcode {other}", self.number),
            }
        }
        self.inbox.drain(..taken);
    }

    fn take_line(&mut self, model: &Model, line: &str) {
        if line == "auth_success" {
            return assert_eq!((self.kind, self.heard), (Kind::InBand, 0));
        }
        if line == "authentication failed" {
            let is_unseen = model.limits.auth_failures_per_minute > 0 && self.kind == Kind::InBand;
            return assert!(is_unseen || self.kind == Kind::WrongInBand);
        }
        let due = model.sessions[&self.id].due.get(self.heard).map(String::as_str);
        assert_eq!(Some(line), due, "message {} to {}", self.heard, self.number);
        self.heard += 1;
    }

    /// Counts whole answers to plain requests.
    fn absorb_answers(&mut self) {
        while let Some(end) = self.inbox.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(self.inbox[..end].to_vec()).expect("a head is text");
            let (_, length) = head.split_once("Content-Length: ").expect("a length");
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            if self.inbox.len() < end + 4 + length {
                return;
            }
            self.inbox.drain(..end + 4 + length);
            let is_answer = self.kind == Kind::Http && (head.starts_with("HTTP/1.1 200 ") || head.contains(" 404 "));
            self.answers += usize::from(is_answer);
        }
    }
}

fn garbage(chance: &mut Chance) -> Vec<u8> {
    match chance.below(6) {
        // Whatever it is, it has a reserved bit.
        0 => std::iter::once(0xf0).chain((0..chance.below(50)).map(|_| chance.next() as u8)).collect(),
        1 => frames::frame(TEXT, b"\xff"),
        2 => frames::frame(CONTINUATION, b"alone"),
        3 => frames::header(0x81, 1 << 40),
        // No DEFLATE, or a reserved bit.
        4 => frames::raw(0x80 | RSV1 | BINARY, b"\x07"),
        _ => frames::frame(3, b"reserved"),
    }
}
