//! The end of a connection below the frames: our Close is on the wire before the end of our stream, over TLS the
//! close_notify between them, and no reset destroys it, whatever of the peer's lies unread in the socket.
//!
//! Not here: which Close, and when (`closing.rs`); each way a TLS stream ends (`tls.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use barewire::limits::{LINGER_BYTES, MESSAGE_BYTES_DEFAULT, TICK_MILLIS};
use barewire::{EngineConfig, Limits, ServerConfig};
use common::chance::Chance;
use common::ending::{FRAGMENTS, MESSAGE_BYTES, small};
use common::frames::{self, BINARY, CLOSE, TEXT};
use common::malformed;
use memory::{FIRST, Site};
use rustls::SupportedProtocolVersion;
use server::{TestServer, read_to_end};
use tls_client::{End, TLS12, TLS13, TlsPeer};

const MIB: usize = 1024 * 1024;
const TICK: Duration = Duration::from_millis(TICK_MILLIS);
const ALL: [Option<&SupportedProtocolVersion>; 3] = [None, Some(TLS12), Some(TLS13)];

/// An open session in memory, plain or over TLS, whose greeting has been read.
struct Client {
    site: Site,
    peer: usize,
    tls: Option<TlsPeer>,
}

impl Client {
    fn open(version: Option<&'static SupportedProtocolVersion>) -> Client {
        Client::open_at(EngineConfig::default(), version)
    }

    /// The same where a message is soon too big.
    fn open_small(version: Option<&'static SupportedProtocolVersion>) -> Client {
        Client::open_at(small(), version)
    }

    fn open_at(engine: EngineConfig, version: Option<&'static SupportedProtocolVersion>) -> Client {
        let tls = version.map(|_| tls_client::server_config());
        let config = ServerConfig { tls, engine, ..ServerConfig::default() };
        let mut site = Site::new(config, Box::new(common::methods()));
        let tls = version.map(|version| TlsPeer::connect(&mut site, tls_client::client_config(version)));
        let peer = tls.as_ref().map_or_else(|| site.network.connect(FIRST), |tls| tls.peer);
        let mut client = Client { site, peer, tls };
        client.send(common::upgrade(common::GOOD).as_bytes());
        assert!(frames::decode(&client.take())[0].text().contains("connected"));
        client
    }

    fn send(&mut self, plain: &[u8]) {
        match &mut self.tls {
            Some(tls) => {
                tls.tls.set_buffer_limit(None);
                tls.send(&mut self.site, plain);
            }
            None => self.site.network.send(self.peer, plain),
        }
        self.site.rest();
    }

    /// What has come, in plain text.
    fn take(&mut self) -> Vec<u8> {
        match &mut self.tls {
            Some(tls) => {
                tls.pump(&mut self.site);
                tls.take()
            }
            None => self.site.take(self.peer),
        }
    }

    fn close(&mut self) -> (u16, String) {
        let received = self.take();
        let frames = frames::decode(&received);
        assert_eq!((frames.len(), frames[0].opcode), (1, CLOSE));
        frames[0].close()
    }

    /// Whether our half has ended, as it should.
    fn is_ended(&self) -> bool {
        let is_ended = self.site.network.server_ended(self.peer);
        if let Some(tls) = &self.tls {
            assert_eq!((tls.end, &tls.error), (is_ended.then_some(End::Clean), &None));
        }
        is_ended
    }

    /// It ends its half too, and the server is through with it without a reset.
    fn end(&mut self) {
        self.site.network.end(self.peer);
        self.site.rest();
        assert!(self.site.network.is_dropped(self.peer) && !self.site.network.is_reset_by_server(self.peer));
        assert_eq!(self.site.server.engine().sessions(), 0);
    }
}

/// Two frames that end a session at once, and the code they earn.
fn faults() -> [(Vec<u8>, u16); 2] {
    [(frames::frame(TEXT, b"\xff"), 1007), (frames::close(1000, ""), 1000)]
}

#[test]
fn a_close_is_whole_on_the_wire_before_our_end_however_little_the_socket_takes() {
    for version in ALL {
        for room in 0..40 {
            let mut client = Client::open(version);
            client.site.network.stop_reading_after(client.peer, room);
            client.send(&frames::frame(TEXT, b"\xff"));
            let frame = 4 + "Invalid UTF-8".len();
            assert_eq!(client.is_ended(), version.is_none() && room >= frame, "with room for {room} bytes");
            client.site.network.stop_reading_after(client.peer, usize::MAX);
            client.site.rest();
            assert_eq!(client.close(), (1007, "Invalid UTF-8".into()));
            assert!(client.is_ended());
            client.end();
        }
    }
}

#[test]
fn every_malformed_frame_is_told_its_code_over_every_transport() {
    let table = malformed::table(MESSAGE_BYTES, FRAGMENTS);
    assert!(table.len() >= 50, "{} ways", table.len());
    for version in ALL {
        for (seed, case) in table.iter().enumerate() {
            let cut = Chance::new(seed as u64).cut(&case.bytes, 40);
            for pieces in [vec![&case.bytes[..]], case.bytes.chunks(1).take(40).collect(), cut] {
                let whole: usize = pieces.iter().map(|piece| piece.len()).sum();
                let mut client = Client::open_small(version);
                for piece in pieces {
                    client.send(piece);
                }
                client.send(&case.bytes[whole..]);
                let last = frames::decode(&client.take()).pop().unwrap();
                assert_eq!((last.opcode, last.close().0), (CLOSE, case.code), "{}", case.name);
                assert!(client.is_ended(), "{}", case.name);
                client.end();
            }
        }
    }
}

#[test]
fn what_lies_unread_in_the_socket_is_drained_and_no_reset_overtakes_our_close() {
    for version in ALL {
        for (fault, code) in faults() {
            let mut client = Client::open(version);
            // It comes in pieces, so that most of it is still on its way when our Close is written.
            client.site.network.arrive_in(client.peer, 50_000);
            client.send(&[fault, vec![0x55; MIB]].concat());
            assert_eq!(client.site.network.unread(client.peer), 0, "all of it is read");
            assert_eq!(client.close().0, code);
            assert!(client.is_ended() && !client.site.network.is_dropped(client.peer));
            client.end();
        }
    }
}

#[test]
fn messages_behind_our_close_are_drained_until_the_peers_close() {
    for version in ALL {
        let mut client = Client::open(version);
        client.site.server.shut_down();
        client.site.rest();
        assert_eq!(client.close(), (1001, "Server shutting down".into()));
        client.site.network.arrive_in(client.peer, 50_000);
        client.send(&frames::frame(BINARY, &vec![0x55; MIB]));
        assert!(!client.is_ended() && !client.site.network.is_dropped(client.peer));
        client.send(&frames::close(1001, ""));
        assert_eq!(client.take(), b"");
        assert!(client.is_ended());
        client.end();
    }
}

#[test]
fn who_sends_more_than_is_drained_is_dropped() {
    for version in ALL {
        for (fault, code) in faults() {
            let mut client = Client::open(version);
            client.send(&fault);
            assert_eq!(client.close().0, code);
            for _ in 0..MESSAGE_BYTES_DEFAULT + LINGER_BYTES {
                client.site.network.send(client.peer, &[0x55]);
            }
            client.site.rest();
            assert!(!client.site.network.is_dropped(client.peer), "that much is drained");
            client.site.network.send(client.peer, &[0x55]);
            client.site.rest();
            assert!(client.site.network.is_dropped(client.peer));
            assert_eq!(client.site.server.engine().sessions(), 0);
        }
    }
}

#[test]
fn who_never_ends_is_dropped_after_the_close_timeout_whether_silent_or_dribbling() {
    let timeout = Limits::default().close_timeout;
    for version in ALL {
        for (fault, code) in faults() {
            for is_dribbling in [false, true] {
                let mut client = Client::open(version);
                client.send(&fault);
                assert_eq!(client.close().0, code);
                let seconds = timeout.as_secs();
                for second in 0..seconds {
                    assert!(!client.site.network.is_dropped(client.peer), "after {second} seconds");
                    if is_dribbling {
                        client.site.network.send(client.peer, &[0x55]);
                    }
                    client.site.advance(Duration::from_secs(1));
                }
                client.site.advance(TICK);
                assert!(client.site.network.is_dropped(client.peer));
            }
        }
    }
}

// --- real sockets ---

/// The bytes of a session that is told `code` and then has 1 MiB of its bytes in the way: one that has failed, and one
/// whose Close the server awaits.
fn crowded() -> [(Vec<u8>, u16); 2] {
    let [good, unknown] = [common::GOOD, ""].map(common::upgrade);
    let fault = frames::frame(TEXT, b"\xff");
    let rest = frames::frame(BINARY, &vec![0x55; MIB]);
    let failed = [good.as_bytes(), &fault, &rest].concat();
    let awaited = [unknown.as_bytes(), &frames::text("{}"), &rest, &frames::close(1008, "")].concat();
    [(failed, 1007), (awaited, 1008)]
}

#[test]
fn a_client_that_has_sent_a_mebibyte_too_much_reads_our_close_and_the_end() {
    let server = TestServer::daemon(ServerConfig::default());
    fn check<S: Read + Write>(mut stream: S, socket: fn(&S) -> &TcpStream, bytes: &[u8], code: u16) {
        // It reads nothing before it has sent all.
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
        // Over TLS an end without a close_notify would be an error here.
        let frames = frames::decode(&read_to_end(&mut stream));
        assert_eq!(frames.last().expect("a Close").close().0, code);
        // Behind the end of the stream a reset is not seen by reading.
        let mut socket = socket(&stream);
        socket.write_all(&[0x55; 1000]).unwrap();
        assert!(socket.take_error().unwrap().is_none());
    }
    for (bytes, code) in crowded() {
        check(server.connect(), |plain| plain, &bytes, code);
        check(server.tls(), |secure| &secure.sock, &bytes, code);
    }
}
