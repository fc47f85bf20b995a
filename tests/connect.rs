//! `barewire connect`, run against the daemon: in pipes, over TLS and without it, through the end of either side.
//!
//! Not here: servers that mean no good, and what is shown of them (`connect/peers.rs`), who may come in and whom it trusts
//! (`connect/trust.rs`), the flags' grammar (`src/daemon/cli/tools/tests.rs`), the bounds on lines (`src/daemon/tools/connect/`).

#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "connect/peers.rs"]
mod peers;
#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;
#[path = "common/talk.rs"]
mod talk;
#[path = "common/tls_client.rs"]
mod tls_client;
#[path = "connect/trust.rs"]
mod trust;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use barewire::auth::NoAuth;
use barewire::{Event, Message, ServerConfig};
use program::{Daemon, barewire};
use server::{TestServer, eventually};
use talk::{Talk, command, converse, send_signal};

const USER: [&str; 2] = ["--basic", "user:pass"];
const PING: &str = r#"{"type":"ping","payload":"there?"}"#;

fn ws(daemon: &mut Daemon) -> String {
    format!("ws://{}/ws", daemon.plain_addr())
}

fn wss(daemon: &mut Daemon) -> String {
    format!("wss://localhost:{}/ws", daemon.tls_addr().port())
}

/// One that takes any number of messages.
fn unpaced() -> Daemon {
    Daemon::start(&["--set", "limits.messages_per_window=0"])
}

/// A port at which nobody listens: it is held by a socket that is bound only.
pub fn nobody() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

// --- pipes ---

#[test]
fn what_is_piped_in_is_answered_before_it_closes_over_tls_and_without() {
    let mut daemon = Daemon::start(&["--log-level", "debug"]);
    for url in [wss(&mut daemon), ws(&mut daemon)] {
        for by in ["upgrade", "message"] {
            let told = converse(&url, &[&USER[..], &["--auth-by", by]].concat(), &format!("{PING}\n"));
            let lines = told.assert_code(0).lines();
            assert!(lines[lines.len() - 2].contains("connected"), "{lines:?}");
            assert!(lines[lines.len() - 1].contains(r#""payload":"there?""#), "{lines:?}");
            let states: Vec<_> = told.err.lines().filter(|line| !line.contains("certificate")).collect();
            assert_eq!(states, [format!("barewire: connecting to {url}"), "barewire: open".into()]);
        }
    }
    daemon.signal("TERM");
    let (_, log) = daemon.end();
    assert_eq!(log.matches(r#"user: the peer closed with 1000 """#).count(), 4, "{log}");
}

#[test]
fn an_input_that_is_over_at_once_says_nothing_and_closes() {
    let mut daemon = Daemon::start(&[]);
    let told = converse(&ws(&mut daemon), &[&USER[..], &["--subscribe", "news", "-q"]].concat(), "");
    let lines = told.assert_code(0).lines();
    assert!(lines.len() == 2 && lines[1].contains(r#""subscribed","channel":"news""#), "{told:?}");
    assert_eq!(told.err, "");
}

#[test]
fn ten_thousand_lines_are_answered_in_order_though_nobody_reads_at_first() {
    const LINES: usize = 10_000;
    let mut daemon = unpaced();
    let pad = "x".repeat(1000);
    for url in [ws(&mut daemon), wss(&mut daemon)] {
        let mut child = command(&url, &[&USER[..], &["-q"]].concat()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let pad = pad.clone();
        let writer = std::thread::spawn(move || {
            for id in 0..LINES {
                writeln!(stdin, r#"{{"type":"ping","id":{id},"payload":"{pad}"}}"#).unwrap();
            }
        });
        // Ten megabytes of answers fit into no pipe: it waits, and so does whoever writes to it.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("connected"));
        for id in 0..LINES {
            let line = lines.next().unwrap().unwrap();
            assert!(line.ends_with(&format!(r#""id":{id}}}"#)), "{id}: {line:.100}");
        }
        assert!(lines.next().is_none());
        writer.join().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let mut daemon = unpaced();
    let mut talk = command(&ws(&mut daemon), &USER).spawn().unwrap();
    let mut stdin = talk.stdin.take().unwrap();
    let mut out = BufReader::new(talk.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.contains("connected"));
    drop(out);
    // Its input goes on, until that is closed too.
    while writeln!(stdin, "{PING}").is_ok() {}
    let output = talk.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.lines().count()), (Some(0), 2), "{err}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_takes_nothing_is_told_and_is_exit_code_1() {
    let mut daemon = Daemon::start(&[]);
    let mut command = command(&ws(&mut daemon), &[&USER[..], &["-q"]].concat());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("barewire: standard output: ") && err.lines().count() == 1, "{err}");
}

#[test]
fn a_line_that_is_no_message_is_told_when_those_before_it_are_answered() {
    let mut daemon = Daemon::start(&[]);
    let long = format!("{PING}\n{}\n{PING}\n", "x".repeat(1001));
    let told = converse(&ws(&mut daemon), &[&USER[..], &["-q", "--message-bytes", "1000"]].concat(), &long);
    assert_eq!(told.assert_code(1).lines().len(), 2, "{told:?}");
    let line =
        "barewire: line 2 of standard input has more bytes than a message may; allowed: 1000 (--message-bytes)\n";
    assert_eq!(told.err, line);
}

// --- what is said and shown ---

#[test]
fn with_json_each_event_is_an_object_on_a_line_and_standard_error_is_silent() {
    let mut daemon = Daemon::start(&[]);
    let told = converse(&ws(&mut daemon), &[&USER[..], &["--json", "--protocol", "json"]].concat(), "no json\n");
    let lines = told.assert_code(0).lines();
    assert_eq!(lines[0], r#"{"event":"connecting","attempt":0}"#);
    assert_eq!(lines[1], r#"{"event":"open","protocol":"json"}"#);
    for (line, kind) in [(lines[2], "connected"), (lines[3], "error")] {
        let start = format!(r#"{{"event":"message","text":"{{\"type\":\"{kind}\","#);
        assert!(line.starts_with(&start), "{line}");
    }
    assert_eq!(lines[4], r#"{"event":"close","code":1000,"reason":"","retries":false}"#);
    assert_eq!((lines.len(), told.err.as_str()), (5, ""));
}

#[test]
fn lines_are_said_to_a_channel_and_heard_by_who_listens_without_input() {
    let mut daemon = Daemon::start(&[]);
    let url = wss(&mut daemon);
    let mut listener = Talk::start(&mut command(&url, &[&USER[..], &["--subscribe", "news", "--no-input"]].concat()));
    drop(listener.stdin.take());
    listener.hear("subscribed");
    let told = converse(&ws(&mut daemon), &[&USER[..], &["--publish", "news"]].concat(), "one\n\"two\" \\ é\n");
    assert_eq!(told.assert_code(0).lines().len(), 1, "only the greeting: {told:?}");
    listener.hear(r#""payload":"\"two\" \\ é""#);
    listener.signal("INT");
    let heard = listener.end();
    let chats: Vec<_> = heard.assert_code(0).out.lines().filter(|line| line.contains(r#""type":"chat""#)).collect();
    assert!(chats.len() == 2 && chats[0].contains(r#""channel":"news","userId":"user","payload":"one""#), "{chats:?}");
}

// --- coming back ---

#[test]
fn a_daemon_that_is_killed_and_started_again_is_come_back_to_and_what_waits_in_the_pipe_arrives() {
    let mut daemon = Daemon::start(&[]);
    let (addr, url) = (daemon.plain_addr().to_string(), ws(&mut daemon));
    let mut talk = Talk::start(&mut command(&url, &[&USER[..], &["--subscribe", "news"]].concat()));
    talk.say(r#"{"type":"ping","id":"before"}"#);
    talk.hear(r#""id":"before""#);
    drop(daemon);
    talk.see("waiting 1.");
    talk.say(r#"{"type":"ping","id":"while away"}"#);
    talk.say(r#"{"type":"ping","id":"behind it"}"#);
    let mut daemon = Daemon::spawn(&mut barewire(&["--plain-listen", &addr]));
    assert_eq!(daemon.plain_addr().to_string(), addr);
    let told = talk.end();
    told.assert_code(0);
    let (away, behind) = (told.out.find("while away").unwrap(), told.out.find("behind it").unwrap());
    assert!(away < behind && told.out.matches("while away").count() == 1, "{}", told.out);
    assert_eq!(told.out.matches("subscribed").count(), 2, "on every open: {}", told.out);
    assert!(told.err.contains("barewire: connecting, attempt "), "{}", told.err);
    let lost = "closed with 1006: ";
    let line = told.err.lines().find(|line| line.contains(lost)).unwrap();
    assert!(line.ends_with("; what was sent last may be lost"), "{line}");
}

#[test]
fn a_daemon_that_stops_is_told_with_its_code_and_attempts_are_counted() {
    let daemon = Daemon::start(&[]);
    let mut daemon = daemon;
    let flags = [&USER[..], &["--max-attempts", "1", "--log-level", "info"]].concat();
    let mut talk = Talk::start(&mut command(&ws(&mut daemon), &flags));
    talk.see("open");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, Some(0));
    talk.see("Reconnecting in 1");
    talk.see("ms (attempt 1)");
    talk.see("closed with 1001 Server shutting down");
    talk.see(" s, attempt 1");
    // Its input has not ended: it ends by itself.
    let stdin = talk.stdin.take();
    let told = talk.end();
    drop(stdin);
    assert!(told.assert_code(1).err.ends_with("; given up after one attempt to come back\n"), "{told:?}");
}

#[test]
fn where_nobody_listens_it_gives_up_if_it_may_not_come_back() {
    let (_held, addr) = nobody();
    let told = converse(&format!("ws://{addr}/ws"), &["--no-reconnect"], "lost\n");
    let expected = format!("barewire: connecting to ws://{addr}/ws\nbarewire: connection refused by {addr}\n");
    assert_eq!((told.assert_code(1).err.as_str(), told.out.as_str()), (expected.as_str(), ""));
    let told = converse("ws://nobody.invalid/ws", &["--no-reconnect", "-q"], "");
    assert!(told.assert_code(1).err.starts_with("barewire: no address for `nobody.invalid`"), "{told:?}");
    let told = converse(&format!("ws://{addr}/ws"), &["--max-attempts", "1", "--json"], "");
    let events: Vec<_> = told.assert_code(1).out.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    let expected = ["connecting", "error", "close", "reconnecting", "connecting", "error", "close", "maxreconnect"];
    assert_eq!(events, expected);
    assert!(told.err.ends_with("; given up after one attempt to come back\n"), "{told:?}");
}

// --- signals ---

#[test]
fn a_signal_ends_it_in_good_order_open_or_waiting() {
    let mut daemon = Daemon::start(&["--log-level", "debug"]);
    let url = ws(&mut daemon);
    for signal in ["INT", "TERM"] {
        let mut talk = Talk::start(&mut command(&url, &USER));
        talk.see("open");
        talk.signal(signal);
        let stdin = talk.stdin.take();
        talk.end().assert_code(0);
        drop(stdin);
    }
    daemon.wait_for(r#"the peer closed with 1000 """#);
    let (_held, addr) = nobody();
    let mut talk = Talk::start(&mut command(&format!("ws://{addr}"), &[]));
    talk.see("waiting");
    talk.signal("TERM");
    let stdin = talk.stdin.take();
    assert_eq!(talk.end().assert_code(0).out, "");
    drop(stdin);
}

#[test]
fn a_second_signal_ends_it_at_once_whatever_it_waits_for() {
    let config = ServerConfig::default();
    let big = "x".repeat(1_000_000);
    let server = TestServer::run(
        config,
        || Box::new(NoAuth),
        move |engine, event| {
            if let Event::Open { id } = event {
                engine.send(id, Message::Text(big.as_str().into()));
            }
        },
    );
    let mut child = command(&format!("ws://{}/ws", server.plain_addr()), &[]).spawn().unwrap();
    // It has begun to write what no pipe has room for, so it waits for this reader, and sees no first signal.
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let mut status = None;
    eventually("it ends", || {
        send_signal(&child, "TERM");
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1));
}
