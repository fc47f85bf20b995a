//! A whole session: an upgrade, and whatever a peer sends behind it. The peer is a client, or, of a session in the client
//! role, a server (`dialed.rs`): then messages are always sent back.
//!
//! The first two bytes of the input choose the session and the cuts, the rest is what the peer sends. A mask may be four
//! zeroes, so that payloads stand in the corpus as they are.
//!
//! ```text
//!   first byte   1: larger messages, more fragments        2: nobody is asked who it is, and messages are sent back
//!                4: the peer is slow, and time passes      8: contexts may be kept (RFC 7692)
//!                16, 32, 64: which extensions are offered  128: nobody is too fast
//!                (to a server 16: deflating is offered, 32: and accepted)
//!   second byte  the seed of the cuts
//! ```
//!
//! Not here: what should come of it (`model.rs`), request heads (`head.rs`).

use std::time::Duration;

use barewire::auth::{Authenticate, Methods, NoAuth, Users};
use barewire::wire::deflate::DeflateConfig;
use barewire::wire::http::{UpgradeKey, UpgradeRequest};
use barewire::{EngineConfig, Limits, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress};

use super::driver::{Connection, Host, Outcome, Pace, cut_into_bytes};
use super::model::{self, Deflate, Rules};
use super::peer::chance::Chance;
use super::peer::frames::{BINARY, CLOSE, Frame, PING, PONG, TEXT, decode_partial};

const LARGE: u8 = 1;
const ECHO: u8 = 2;
const SLOW: u8 = 4;
const TAKEOVER: u8 = 8;
const OFFER: u8 = 16 | 32 | 64;
const CLIENT_OFFERS: u8 = 16;
const SERVER_ACCEPTS: u8 = 32;
const UNPACED: u8 = 128;

/// What may be offered.
const OFFERS: [&str; 8] = [
    "",
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_no_context_takeover",
    "x-other; a=1, permessage-deflate; server_max_window_bits=\"12\"",
    "permessage-deflate; unknown",
];

/// Small limits, which a short input reaches.
const MESSAGE_BYTES: usize = 600;
const FRAGMENTS: usize = 8;
/// Larger ones: above what one turn inflates, and above what buffers are kept for.
const LARGE_MESSAGE_BYTES: usize = 70_000;
const LARGE_FRAGMENTS: usize = 100;
/// From here on messages are deflated, small as they are here.
const DEFLATE_MIN_BYTES: usize = 32;
/// The server's messages may be this much larger than what they carry.
const ENVELOPE_BYTES: usize = 2048;
/// A slow peer reads this much with each piece, and so much time passes.
const SLOW_READ: usize = 50;
const SLOW_STEP: Duration = Duration::from_millis(700);
const RSV1: u8 = 0x40;

/// See the module.
pub fn run(input: &[u8]) {
    run_against(Peer::Client, input);
}

/// Who sends the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Client,
    Server,
}

/// The same with this peer.
pub fn run_against(peer: Peer, input: &[u8]) {
    let [choice, seed, bytes @ ..] = input else { return };
    let choice = if peer == Peer::Server { choice | ECHO } else { *choice };
    let session = Session { choice, peer };
    let cut = Chance::new(u64::from(*seed)).cut(bytes, 1 + bytes.len() / (1 + usize::from(seed % 8)));
    if choice & SLOW != 0 {
        let outcome = session.play(&cut, Pace::Slow(SLOW_READ, SLOW_STEP));
        session.check_output(&outcome);
        return;
    }
    let whole = session.play(&[bytes], Pace::Prompt);
    let told = session.check_output(&whole);
    for pieces in [cut_into_bytes(bytes, *seed), cut] {
        let outcome = session.play(&pieces, Pace::Prompt);
        assert_eq!(session.check_output(&outcome), told, "the cuts matter: {pieces:x?}");
        assert_eq!((outcome.story, outcome.messages), (whole.story.clone(), whole.messages.clone()), "{pieces:x?}");
    }
    if choice & ECHO != 0 {
        session.compare(bytes, &whole, &told);
    }
}

/// What the server told a peer.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    deflate: Option<Deflate>,
    /// Messages, then pings and pongs, then the Close: a pong may pass the answer to a message that came before its ping,
    /// and how far hangs on the cuts (RFC 6455, section 5.5.2).
    frames: Vec<Frame>,
    /// The payloads of its messages, inflated.
    messages: Vec<Message>,
}

struct Session {
    choice: u8,
    peer: Peer,
}

impl Session {
    fn has(&self, bit: u8) -> bool {
        self.choice & bit != 0
    }

    fn config(&self) -> EngineConfig {
        let mut limits = Limits::default();
        (limits.message_bytes, limits.fragments) =
            if self.has(LARGE) { (LARGE_MESSAGE_BYTES, LARGE_FRAGMENTS) } else { (MESSAGE_BYTES, FRAGMENTS) };
        // Who is too fast is no matter of frames.
        if self.has(UNPACED | ECHO) {
            (limits.messages_per_window, limits.control_frames_per_second) = (0, 0);
        }
        let deflate = DeflateConfig {
            enabled: self.peer == Peer::Client || self.has(CLIENT_OFFERS),
            min_bytes: DEFLATE_MIN_BYTES,
            server_context_takeover: self.has(TAKEOVER),
            client_context_takeover: self.has(TAKEOVER),
            ..DeflateConfig::default()
        };
        EngineConfig { limits, deflate, ..EngineConfig::default() }
    }

    fn upgrade(&self) -> String {
        let offer = OFFERS[usize::from((self.choice & OFFER) / (OFFER & OFFER.wrapping_neg()))];
        let offer = if offer.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {offer}\r\n") };
        format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        )
    }

    /// A session in the client role whose request is answered.
    fn dial(&self) -> Connection {
        let (authority, target) = ("localhost".into(), "/ws".into());
        let upgrade = UpgradeRequest { authority, target, protocols: Vec::new(), headers: Vec::new() };
        let mut connection = Connection::dial(self.config(), upgrade, Host::Echo);
        let asked = String::from_utf8(connection.take_received()).expect("a request");
        let field = |name: &str| asked.lines().find_map(|line| line.strip_prefix(name));
        assert_eq!(field("Sec-WebSocket-Extensions: ").is_some(), self.has(CLIENT_OFFERS), "{asked}");
        let key = field("Sec-WebSocket-Key: ").expect("a key");
        let nonce = STANDARD.decode(key).expect("base64").try_into().expect("16 bytes");
        let accept = UpgradeKey::new(nonce).accept();
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
            if self.deflates() { deflate } else { "" }
        );
        connection.send([answer.as_bytes()], Pace::Prompt);
        connection
    }

    /// Whether a client and its server have agreed to.
    fn deflates(&self) -> bool {
        self.has(CLIENT_OFFERS) && self.has(SERVER_ACCEPTS)
    }

    fn play(&self, pieces: &[&[u8]], pace: Pace) -> Outcome {
        if self.peer == Peer::Server {
            let mut connection = self.dial();
            connection.send(pieces.iter().copied(), pace);
            return connection.finish();
        }
        let (authenticator, host): (Box<dyn Authenticate>, _) =
            if self.has(ECHO) { (Box::new(NoAuth), Host::Echo) } else { (Box::new(methods()), Host::Router) };
        let mut connection = Connection::new(self.config(), authenticator, host);
        connection.send([self.upgrade().as_bytes()], Pace::Prompt);
        connection.send(pieces.iter().copied(), pace);
        connection.finish()
    }

    /// What was agreed on, and what [`Session::check_frames`] makes of what was written.
    fn check_output(&self, outcome: &Outcome) -> Told {
        if self.peer == Peer::Server {
            let deflate = self.deflates().then_some(Deflate { peer_takes_over: false });
            return self.check_frames(deflate, false, &unmask(&outcome.received));
        }
        let text = String::from_utf8_lossy(&outcome.received);
        let (head, _) = text.split_once("\r\n\r\n").expect("an answer to the upgrade");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let agreed = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        assert!(agreed.is_none_or(|agreed| agreed.starts_with("permessage-deflate")), "{agreed:?}");
        let without = |name: &str| agreed.is_some_and(|agreed| agreed.contains(name));
        let deflate = agreed.map(|_| Deflate { peer_takes_over: !without("client_no_context_takeover") });
        self.check_frames(deflate, !without("server_no_context_takeover"), &outcome.received)
    }

    /// RFC 6455, section 5, of what was written, without masks; and RFC 7692, section 6.
    fn check_frames(&self, deflate: Option<Deflate>, takes_over: bool, written: &[u8]) -> Told {
        let (mut frames, rest) = decode_partial(written);
        // Who is cut while a message is half out gets no more of it: only a slow one can be.
        assert!(rest.is_empty() || self.has(SLOW), "half a frame: {rest:x?}");
        let mut inflate = Inflate { stream: Decompress::new(false), takes_over };
        let mut messages = Vec::new();
        for frame in &frames {
            assert!(frame.first & 0xb0 == 0x80, "whole frames, and no reserved bit: {frame:x?}");
            let is_deflated = frame.first & RSV1 != 0;
            match frame.opcode {
                TEXT | BINARY => {
                    assert!(!is_deflated || deflate.is_some(), "deflated, and nobody has agreed: {frame:x?}");
                    let payload = if is_deflated { inflate.message(&frame.payload) } else { frame.payload.clone() };
                    messages.push(match frame.opcode {
                        TEXT => Message::Text(String::from_utf8(payload).expect("text is UTF-8").into()),
                        _ => Message::Binary(payload.into()),
                    });
                }
                PING | PONG => assert!(!is_deflated && frame.payload.len() <= 125, "{frame:x?}"),
                CLOSE => {
                    let (code, _) = frame.close();
                    let may_be_sent = matches!(code, 1000..=1003 | 1005 | 1007..=1014 | 3000..=4999);
                    assert!(!is_deflated && may_be_sent && frame.payload.len() != 1, "{frame:x?}");
                }
                opcode => panic!("opcode {opcode}"),
            }
        }
        frames.sort_by_key(|frame| match frame.opcode {
            CLOSE => 2,
            PING | PONG => 1,
            _ => 0,
        });
        Told { deflate, frames, messages }
    }

    /// What came of it is what the model says; each message came back.
    fn compare(&self, bytes: &[u8], outcome: &Outcome, told: &Told) {
        let limits = self.config().limits;
        let rules = Rules {
            message_bytes: limits.message_bytes,
            fragments: limits.fragments,
            deflate: told.deflate,
            masks: self.peer == Peer::Client,
        };
        let verdict = model::judge(bytes, &rules);
        if let Some(perhaps) = &verdict.perhaps {
            let (known, more) = outcome.messages.split_at_checked(verdict.messages.len()).expect("the sure ones");
            assert_eq!(known, verdict.messages);
            assert!(more.first().is_none_or(|message| message == perhaps), "{more:?}, not {perhaps:?}");
            return;
        }
        assert_eq!(outcome.messages, verdict.messages);
        // The first is a greeting where a router is the host; here nothing is.
        assert_eq!(told.messages, verdict.messages, "what was sent back");
        let pongs = told.frames.iter().filter(|frame| frame.opcode == PONG).map(|frame| &frame.payload);
        assert_eq!(pongs.collect::<Vec<_>>(), verdict.pongs.iter().collect::<Vec<_>>());
        match told.frames.iter().find(|frame| frame.opcode == CLOSE).map(|frame| frame.close().0) {
            Some(code) => {
                assert!(verdict.codes.contains(&code), "closed with {code}, and not one of {:?}", verdict.codes)
            }
            None => assert!(verdict.may_wait, "not closed, and not one of {:?}", verdict.codes),
        }
    }
}

/// What a client wrote, as a server would have: each frame without its mask, which it must have. Half a frame at the end
/// stays as it is.
fn unmask(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, second, ..] = *bytes {
        assert_eq!(second & 0x80, 0x80, "a client masks everything");
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((header, behind)) = bytes.split_at_checked(2 + extended + 4) else { break };
        let length = match extended {
            0 => usize::from(second & 0x7f),
            _ => header[2..2 + extended].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let Some((payload, rest)) = behind.split_at_checked(length) else { break };
        let mask = &header[2 + extended..];
        out.extend([first, second & 0x7f]);
        out.extend_from_slice(&header[2..2 + extended]);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes = rest;
    }
    out.extend_from_slice(bytes);
    out
}

/// The peer's decompressor.
struct Inflate {
    stream: Decompress,
    takes_over: bool,
}

impl Inflate {
    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takes_over {
            self.stream.reset(false);
        }
        let mut out = Vec::new();
        for mut part in [payload, &[0x00, 0x00, 0xff, 0xff]] {
            while !part.is_empty() {
                out.reserve(ENVELOPE_BYTES);
                let before = self.stream.total_in();
                self.stream.decompress_vec(part, &mut out, FlushDecompress::Sync).expect("the server deflates");
                part = &part[(self.stream.total_in() - before) as usize..];
            }
        }
        while out.len() == out.capacity() {
            out.reserve(ENVELOPE_BYTES);
            self.stream.decompress_vec(&[], &mut out, FlushDecompress::Sync).expect("the server deflates");
        }
        out
    }
}

/// The daemon's authenticator, which asks in-band.
fn methods() -> Methods {
    let mut users = Users::new([1; 32]);
    users.add("user", "pass");
    Methods {
        basic: true,
        bearer: false,
        message: true,
        users,
        hashing: None,
        tokens: Some(super::peer::jwt::tokens()),
        realm: "barewire".into(),
        wrong_password_status: 403,
    }
}
