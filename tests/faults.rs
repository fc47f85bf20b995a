//! Every system call failing once, at every place: two clients talk through a server on a network in memory,
//! one call fails, and whoever was not hit by it must not notice.
//!
//! Not here: real sockets (`server.rs`), what a hostile TLS peer may send (`tls.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::{self, ErrorKind};
use std::time::Duration;

use barewire::limits::{HEARTBEAT_INTERVAL_DEFAULT, READY_PER_TURN};
use barewire::{Error, ServerConfig};
use common::frames;
use memory::{Call, FIRST, Fault, Site};
use tls_client::{End, TLS12, TLS13, TlsPeer};

/// Longer than the pause of accepting, and than any deadline of a session that is winding down.
const LONG: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

fn site() -> Site {
    Site::new(ServerConfig::default(), Box::new(common::methods()))
}

fn secure_site() -> Site {
    let config = ServerConfig { tls: Some(tls_client::server_config()), ..ServerConfig::default() };
    Site::new(config, Box::new(common::methods()))
}

type Say = fn() -> Vec<u8>;

/// What the peers say, step by step; after each step the server comes to rest.
const SCRIPT: [(usize, Say); 8] = [
    (0, || common::upgrade(common::GOOD).into_bytes()),
    (1, || common::upgrade(common::GOOD).into_bytes()),
    (0, || frames::text(r#"{"type":"subscribe","channel":"news"}"#)),
    (1, || frames::text(r#"{"type":"subscribe","channel":"news"}"#)),
    (0, || frames::text(r#"{"type":"chat","channel":"news","payload":"from 0"}"#)),
    (1, || frames::text(r#"{"type":"chat","channel":"news","payload":"from 1"}"#)),
    (0, || frames::close(1000, "bye")),
    (1, || frames::close(1000, "bye")),
];

/// Plays the script, and returns what each peer has received.
fn play(site: &mut Site, pace: usize) -> Result<[Vec<u8>; 2], Error> {
    let peers = [site.network.connect(FIRST), site.network.connect(FIRST)];
    for peer in peers {
        site.network.cut_into(peer, pace);
    }
    let pause = Duration::from_millis(200);
    for (peer, say) in SCRIPT {
        site.network.send(peers[peer], &say());
        site.try_rest()?;
        // A listener that could not accept tries again.
        site.network.advance(pause);
        site.try_rest()?;
    }
    for peer in peers {
        site.network.end(peer);
    }
    site.try_rest()?;
    site.try_advance(LONG)?;
    Ok(peers.map(|peer| site.network.take(peer)))
}

/// The frames that the peer must have got whatever happened to the other one, and those of the other one.
fn check_untouched(name: &str, received: &[u8], this: usize, other_is_well: bool) {
    let got = frames::decode(received);
    let texts: Vec<_> = got.iter().filter(|frame| frame.opcode == frames::TEXT).map(frames::Frame::text).collect();
    let has = |part: &str| texts.iter().any(|text| text.contains(part));
    assert!(has(r#""type":"connected""#) && has(r#""type":"subscribed""#), "{name}: {texts:?}");
    assert!(has(&format!("from {this}")), "{name}: its own message is missing: {texts:?}");
    assert!(!other_is_well || has(&format!("from {}", 1 - this)), "{name}: the other's message is missing: {texts:?}");
    assert_eq!(got.last().map(frames::Frame::close), Some((1000, "bye".into())), "{name}");
}

fn check(name: &str, site: &mut Site, received: &[Vec<u8>; 2]) {
    let (_, victim) = site.network.fault();
    for this in [0, 1] {
        if victim == Some(this) {
            // Whatever it got is frames, and nothing behind a Close.
            if received[this].windows(4).any(|four| four == b"\r\n\r\n") {
                frames::decode_partial(&received[this]);
            }
        } else {
            check_untouched(name, &received[this], this, victim.is_none());
        }
        assert!(site.network.is_dropped(this), "{name}: the socket of {this} is left");
    }
    assert_eq!(site.server.engine().sessions(), 0, "{name}: a session is left");
    assert_eq!(site.server.engine().open_sessions(), 0, "{name}");
    let accepted = site.history.iter().filter(|event| event.starts_with("Accepted")).count();
    let closed = site.history.iter().filter(|event| event.starts_with("Closed")).count();
    assert_eq!((accepted, closed), (2, 2), "{name}: {:?}", site.history);
}

#[test]
fn two_clients_talk_however_finely_the_network_cuts() {
    for pace in [1, 2, 3, 7, 64, usize::MAX] {
        let mut site = site();
        let received = play(&mut site, pace).unwrap();
        check(&format!("{pace} bytes at a time"), &mut site, &received);
    }
}

/// An error by its number where the standard library has no name for it. The numbers are Linux's; elsewhere
/// they are just other errors.
macro_rules! errno {
    ($number:literal) => {
        || io::Error::from_raw_os_error($number)
    };
}

/// What an error is called, and how it is made.
type Errno = (&'static str, fn() -> io::Error);

const INTERRUPTED: Errno = ("EINTR", || ErrorKind::Interrupted.into());
const WOULD_BLOCK: Errno = ("EAGAIN", || ErrorKind::WouldBlock.into());
const RESET: Errno = ("ECONNRESET", || ErrorKind::ConnectionReset.into());
const ENOBUFS: Errno = ("ENOBUFS", errno!(105));

/// Each call with the errors that it may meet, and whether these are nobody's end.
const FAULTS: [(Call, &[Errno], bool); 8] = [
    (Call::Read, &[INTERRUPTED, WOULD_BLOCK], true),
    (Call::Read, &[RESET, ENOBUFS, ("ETIMEDOUT", || ErrorKind::TimedOut.into())], false),
    (Call::Write, &[INTERRUPTED, WOULD_BLOCK], true),
    (Call::Write, &[RESET, ENOBUFS, ("EPIPE", || ErrorKind::BrokenPipe.into())], false),
    (
        Call::Accept,
        &[
            INTERRUPTED,
            WOULD_BLOCK,
            ENOBUFS,
            ("EMFILE", errno!(24)),
            ("ENFILE", errno!(23)),
            ("ENOMEM", errno!(12)),
            ("EPROTO", errno!(71)),
            ("ECONNABORTED", || ErrorKind::ConnectionAborted.into()),
        ],
        true,
    ),
    (Call::Register, &[("ENOMEM", errno!(12)), ("ENOSPC", errno!(28))], false),
    (Call::ShutDownWrite, &[("ENOTCONN", || ErrorKind::NotConnected.into())], false),
    (Call::Wait, &[INTERRUPTED], true),
];

#[test]
fn whichever_call_fails_only_its_own_connection_notices() {
    for pace in [usize::MAX, 40] {
        for (call, errors, is_harmless) in FAULTS {
            for &(errno, error) in errors {
                for nth in 0.. {
                    let name = format!("{errno} of {call:?} number {nth} at {pace} bytes at a time");
                    let mut site = site();
                    site.network.fail(Fault { call, nth, error });
                    let received = play(&mut site, pace).unwrap();
                    let (struck, victim) = site.network.fault();
                    if is_harmless {
                        for this in [0, 1] {
                            check_untouched(&name, &received[this], this, true);
                        }
                    } else {
                        assert!(!struck || victim.is_some(), "{name} hit nobody");
                    }
                    check(&name, &mut site, &received);
                    if !struck {
                        assert!(nth > 0, "{name}: the call is never made");
                        break;
                    }
                }
            }
        }
    }
}

/// The same script over TLS: one peer may fail, the other must see it through to a clean end.
fn play_securely(site: &mut Site, pace: usize) -> [TlsPeer; 2] {
    let mut peers = [TLS12, TLS13].map(|version| TlsPeer::new(site, tls_client::client_config(version)));
    for peer in &mut peers {
        site.network.cut_into(peer.peer, pace);
        peer.pump(site);
        // A listener that could not accept tries again.
        site.advance(Duration::from_millis(200));
        peer.pump(site);
    }
    for (peer, say) in SCRIPT {
        peers[peer].send(site, &say());
        peers[1 - peer].pump(site);
    }
    for peer in &mut peers {
        peer.tls.send_close_notify();
        peer.pump(site);
        site.network.end(peer.peer);
    }
    site.advance(LONG);
    peers
}

#[test]
fn whichever_call_fails_below_tls_only_its_own_connection_notices() {
    for (pace, step) in [(usize::MAX, 1), (100, 7)] {
        for (call, errors, is_harmless) in FAULTS {
            for &(errno, error) in &errors[..errors.len().min(2)] {
                for nth in (0..).step_by(step) {
                    let name = format!("{errno} of {call:?} number {nth} at {pace} bytes at a time");
                    let mut site = secure_site();
                    site.network.fail(Fault { call, nth, error });
                    let peers = play_securely(&mut site, pace);
                    let (struck, victim) = site.network.fault();
                    for (this, peer) in peers.iter().enumerate() {
                        if victim != Some(this) || is_harmless {
                            assert_eq!((&peer.error, peer.end), (&None, Some(End::Clean)), "{name}");
                            check_untouched(&name, &peer.received, this, is_harmless);
                        }
                        assert!(site.network.is_dropped(this), "{name}: the socket of {this} is left");
                    }
                    assert_eq!(site.server.engine().sessions(), 0, "{name}: a session is left");
                    if !struck {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn a_broken_poller_is_an_error_of_the_server_and_no_panic() {
    for nth in 0.. {
        let mut site = site();
        site.network.fail(Fault { call: Call::Wait, nth, error: errno!(9) });
        let result = play(&mut site, usize::MAX);
        if !site.network.fault().0 {
            assert!(result.is_ok() && nth > 10);
            break;
        }
        assert!(matches!(result, Err(Error::Poll(_))), "wait number {nth}");
    }
}

#[test]
fn a_shutdown_is_over_with_the_last_session_and_not_a_sleep_later() {
    let mut site = site();
    let peers = [(); 2].map(|()| site.network.connect(FIRST));
    for peer in peers {
        site.network.send(peer, common::upgrade(common::GOOD).as_bytes());
    }
    site.rest();
    site.server.shut_down();
    site.rest();
    let sleeps = site.network.calls(Call::Wait);
    // Both end in one turn, which is interrupted to tell of it.
    for peer in peers {
        site.network.reset(peer);
    }
    while !site.server.is_finished() {
        site.server.poll(None).unwrap();
        while site.server.poll_event().is_some() {}
    }
    assert_eq!(site.network.calls(Call::Wait) - sleeps, 1);
    // A host that goes on polling neither sleeps nor spins.
    site.server.poll(None).unwrap();
    assert_eq!(site.network.calls(Call::Wait) - sleeps, 1);
    assert_ne!(site.server.poll_timeout(), Some(Duration::ZERO));
}

#[test]
fn a_shutdown_is_over_after_the_close_timeout_whoever_stays_silent() {
    let mut site = secure_site();
    let mut peer = TlsPeer::connect(&mut site, tls_client::client_config(TLS13));
    peer.send(&mut site, common::upgrade(common::GOOD).as_bytes());
    let silent = site.network.connect(FIRST);
    site.rest();
    site.server.shut_down();
    site.advance(Duration::from_millis(4900));
    assert!(!site.server.is_finished(), "it waits for an answer to its Close");
    site.advance(Duration::from_millis(200));
    assert!(site.server.is_finished() && site.network.is_dropped(peer.peer) && site.network.is_dropped(silent));
}

/// A process that was stopped for a minute (SIGSTOP, a suspended machine) finds every deadline past and every
/// peer's pong unread, and more of them than one wait tells of.
#[test]
fn whoever_has_answered_its_ping_survives_a_long_stop_of_the_server() {
    const PEERS: usize = READY_PER_TURN + 500;
    let mut site = site();
    let peers: Vec<usize> = (0..PEERS).map(|_| site.network.connect(FIRST)).collect();
    for &peer in &peers {
        site.network.send(peer, common::upgrade(common::GOOD).as_bytes());
    }
    site.rest();
    assert_eq!(site.server.engine().open_sessions(), PEERS);
    // Nearly all are pinged by now, and nobody twice; a frame of any kind is a sign of life.
    site.advance(HEARTBEAT_INTERVAL_DEFAULT - SECOND);
    for &peer in &peers {
        site.network.send(peer, &frames::frame(frames::PONG, b""));
    }
    site.network.advance(2 * HEARTBEAT_INTERVAL_DEFAULT);
    site.rest();
    assert_eq!(site.server.engine().open_sessions(), PEERS);
    site.advance(2 * HEARTBEAT_INTERVAL_DEFAULT + SECOND);
    assert_eq!(site.server.engine().open_sessions(), 0, "who is silent from then on is cut all the same");
}
