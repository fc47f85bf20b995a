//! The log of the program: what it tells and in which form; what it never tells; and that nothing that happens to it,
//! and nothing that a peer puts into it, stops the server or forges a line.
//!
//! Not here: the start-up lines and refusals (`daemon.rs`), the queue and the writer themselves (`src/daemon/logger/`).

#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use barewire::limits::LOG_TEXT_CHARS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::frames;
use program::{Daemon, LOOPBACK, barewire};
use server::{connect, connect_tls, eventually, hear, hear_of, read_past, say, websocket};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// More lines than a pipe and the queue behind it hold together.
const STORM: usize = 12_000;
/// More lines than a pipe alone holds.
const PIPEFUL: usize = 1500;

// --- what it tells ---

#[test]
fn the_log_tells_the_life_of_a_session() {
    let mut daemon = Daemon::start(&["--user", "anna:secret"]);
    let addr = daemon.plain_addr();
    let header = format!("Authorization: Basic {}\r\n", STANDARD.encode("anna:secret"));
    let open = || {
        let mut client = connect(addr);
        client.write_all(common::upgrade(&header).as_bytes()).unwrap();
        read_past(&mut client, b"connected");
        client
    };
    // Who is not logged in, or speaks HTTP, is no client yet.
    let _http = is_healthy(addr);
    let _unknown = websocket_without_login(addr);
    let (first, mut second) = (open(), open());
    for client in [&first, &second] {
        let line = daemon.wait_for(&format!("New connection from {}", client.local_addr().unwrap()));
        assert!(line.contains("INFO"), "{line}");
    }
    assert!(daemon.wait_for("Client connected: anna (1 total)").contains("INFO"));
    daemon.wait_for("Client connected: anna (2 total)");
    server::reset(first);
    assert!(daemon.wait_for("WebSocket error for anna: ").contains("WARN"));
    assert!(daemon.wait_for("Client disconnected: anna (1 remaining)").contains("INFO"));
    second.write_all(&frames::close(1000, "bye")).unwrap();
    daemon.wait_for("Client disconnected: anna (0 remaining)");
}

#[test]
fn each_line_has_its_words_and_its_level() {
    let mut daemon = Daemon::start(&["--log-level", "debug"]);
    let mut client = websocket(connect(daemon.plain_addr()));
    hear(&mut client);
    say(&mut client, r#"{"type":"ping","id":1}"#);
    say(&mut client, r#"{"type":"dance"}"#);
    say(&mut client, "no JSON");
    hear_of(&mut client, "Invalid format");
    // A long text is cut, and what is no plain character of it is escaped.
    let start = "{\"type\":\"ping\",\"payload\":\"\u{202e}";
    let filling = "x".repeat(LOG_TEXT_CHARS - start.chars().count());
    say(&mut client, format!("{start}{filling}canary\"}}"));
    hear_of(&mut client, "canary");
    drop(client);
    let shown = format!("] Received: {}{filling}…", start.replace('\u{202e}', r"\u{202e}"));
    assert!(daemon.wait_for("xxx").ends_with(&shown));
    for (level, words) in [
        ("INFO ", "New connection from 127.0.0.1:"),
        ("INFO ", "Client connected: user (1 total)"),
        ("DEBUG", r#"Received: {"type":"ping","id":1}"#),
        ("DEBUG", "Invalid message format: "),
        ("WARN ", "WebSocket error for user: "),
        ("INFO ", "Client disconnected: user (0 remaining)"),
    ] {
        let line = daemon.wait_for(words);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == "2026-01-01T00:00:00.000Z".len() && time.ends_with('Z'), "{line}");
        assert!(rest.starts_with(&format!("{level} [barewire::")) && rest.contains(&format!("] {words}")), "{line}");
    }
}

#[test]
fn a_client_that_was_too_slow_is_named() {
    let mut daemon = Daemon::start(&["--set", "limits.send_queue_bytes=1KiB", "--set", "limits.messages_per_window=0"]);
    let addr = daemon.plain_addr();
    let _slow = session(addr);
    let mut loud = session(addr);
    let chat = format!(r#"{{"type":"chat","self":false,"payload":"{}","id":1}}"#, "x".repeat(64 * 1024));
    eventually("the kernel's buffers are full", || {
        loud.write_all(&frames::text(&chat)).unwrap();
        read_past(&mut loud, b"ack");
        daemon.hear_what_has_come();
        daemon.said.iter().any(|line| line.contains("WARN") && line.contains("] Failed to send to client: user: "))
    });
    daemon.wait_for("Client disconnected: user (1 remaining)");
}

#[test]
fn as_json_each_line_is_an_object_with_time_level_target_and_message() {
    let mut daemon = Daemon::start(&["--log-level", "debug", "--set", "log.format=json"]);
    let mut client = websocket(connect(daemon.plain_addr()));
    say(&mut client, r#"{"type":"ping","payload":"\u0007 \" \\ é"}"#);
    hear_of(&mut client, "pong");
    drop(client);
    daemon.wait_for("Client disconnected");
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with('{')).collect();
    for line in &lines {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = object.keys().collect();
        assert_eq!(keys, ["level", "message", "target", "time"], "{line}");
        let time = object["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        assert!(["debug", "info", "warn"].contains(&object["level"].as_str().unwrap()), "{line}");
        assert!(object["target"].as_str().unwrap().starts_with("barewire::"), "{line}");
    }
    // The start-up lines, and nothing else, are no part of the log.
    assert_eq!(output.lines().count() - lines.len(), 4, "{output}");
    let received = lines.iter().find(|line| line.contains("Received: ")).unwrap();
    let object: serde_json::Value = serde_json::from_str(received).unwrap();
    let shown = object["message"].as_str().unwrap();
    assert_eq!(shown, r#"Received: {"type":"ping","payload":"\\u0007 \\" \\\\ é"}"#);
}

#[test]
fn no_peer_can_forge_a_line() {
    const FORGED: &str = "\n2026-01-01T00:00:00.000Z ERROR [barewire] forged\r\u{1b}[31m\u{85}\u{2028}";
    for format in ["text", "json"] {
        let user = "user";
        let mut daemon = Daemon::start(&[
            "--log-level",
            "trace",
            "--set",
            &format!("log.format={format}"),
            "--set",
            "limits.auth_failures_per_minute=0",
        ]);
        let addr = daemon.plain_addr();
        // In the path, in a header, in a user name at the upgrade.
        let name = STANDARD.encode(format!("{FORGED}:pass"));
        for head in [
            format!("GET /{FORGED} HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: http://{FORGED}\r\n\r\n"),
            common::upgrade(&format!("Authorization: Basic {name}\r\n")),
        ] {
            let mut client = connect(addr);
            client.write_all(head.as_bytes()).unwrap();
            let _ = client.read(&mut [0; 512]).unwrap();
        }
        // In a message, a channel, a type, a user name in-band, a close reason.
        let escaped = serde_json::to_string(FORGED).unwrap();
        for text in [
            FORGED.to_string(),
            format!(r#"{{"type":{escaped}}}"#),
            format!(r#"{{"type":"subscribe","channel":{escaped}}}"#),
            format!(r#"{{"type":"chat","payload":{escaped}}}"#),
            format!(r#"{{"type":"auth","token":"Basic {name}"}}"#),
        ] {
            let mut client = websocket(connect(addr));
            say(&mut client, text);
            hear_of(&mut client, r#"type""#);
        }
        let mut client = session(addr);
        client.write_all(&frames::close(1000, FORGED)).unwrap();
        drop(client);
        eventually("all have left", || {
            daemon.hear_what_has_come();
            daemon.said.iter().filter(|line| line.contains(&format!("Client disconnected: {user}"))).count() == 6
        });
        daemon.signal("TERM");
        let (_, output) = daemon.end();
        assert!(output.contains("forged"), "something of it was logged: {output}");
        for line in output.lines() {
            assert!(!line.starts_with("2026-01-01T00:00:00.000Z"), "{line}");
            assert!(!line.contains(['\r', '\u{1b}', '\u{85}', '\u{2028}']), "{line:?}");
        }
    }
}

// --- what it never tells ---

#[test]
fn no_password_is_ever_printed_not_even_at_trace() {
    for format in ["text", "json"] {
        print_no_password(format);
    }
}

fn print_no_password(format: &str) {
    let passwords = ["right-canary-9f3c", "wrong-canary-77aa"];
    let user = format!("anna:{}", passwords[0]);
    let mut daemon = Daemon::start(&[
        "--user",
        &user,
        "--log-level",
        "trace",
        "--set",
        &format!("log.format={format}"),
        "--set",
        "limits.auth_failures_per_minute=0",
    ]);
    let tokens = passwords.map(|password| STANDARD.encode(format!("anna:{password}")));
    for addr in [daemon.plain_addr(), daemon.tls_addr()] {
        for token in &tokens {
            // In the upgrade, in requests that need none, and in-band: before the session is open, and after.
            let basic = |token: &str| format!("Authorization: Basic {token}\r\n");
            let texts = [
                format!(r#"{{"type":"auth","token":"Basic {token}"}}"#),
                format!(r#"{{"type":"auth","token":["Basic {token}"]}}"#),
                format!(r#"{{"type":"auth","token":"Basic {token}"}}{{"#),
                format!(r#"{{"token":"Basic {token}"}}"#),
                format!(r#"{{"type":"ping","to\u006ben":"Basic {token}"}}"#),
            ];
            let mut says = vec![
                common::upgrade(&basic(token)).into_bytes(),
                format!("GET /{token} HTTP/1.1\r\nHost: x\r\n{}\r\n", basic(token)).into_bytes(),
                format!("GET /ws HTTP/1.1\r\nHost: x\r\n{} : {token}\r\n\r\n", basic(token)).into_bytes(),
            ];
            for text in texts {
                for header in [String::new(), basic(&tokens[0])] {
                    says.push([common::upgrade(&header).as_bytes(), &frames::text(&text)].concat());
                }
            }
            for bytes in says {
                let mut client: Box<dyn ReadWrite> =
                    if addr == daemon.tls_addr() { Box::new(connect_tls(addr)) } else { Box::new(connect(addr)) };
                client.write_all(&bytes).unwrap();
                assert!(client.read(&mut [0; 512]).unwrap() > 0, "an answer");
            }
        }
    }
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0));
    assert!(output.contains("Client connected: anna") && output.contains("--basic anna:PASSWORD"), "{output}");
    for secret in passwords.iter().copied().chain(tokens.iter().map(String::as_str)) {
        assert!(!output.contains(secret), "{secret} is in\n{output}");
    }
}

#[test]
fn only_the_password_that_everyone_knows_is_shown_at_the_start() {
    let mut daemon = Daemon::start(&["--user", "anna:canary-5d21", "--user", "user:pass"]);
    assert!(daemon.wait_for("Try it: ").contains("--basic anna:PASSWORD"));
    daemon.signal("TERM");
    let (_, output) = daemon.end();
    assert!(!output.contains("canary-5d21"), "{output}");
}

// --- what may happen to it ---

/// An open session of `user`, whose greeting has been read.
fn session(addr: SocketAddr) -> TcpStream {
    let mut client = connect(addr);
    client.write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
    read_past(&mut client, b"connected");
    client
}

/// The program with this as its standard error, and with every message in its log.
fn with_stderr(stderr: impl Into<std::process::Stdio>, more: &[&str]) -> Daemon {
    let arguments = [&LOOPBACK, &["--log-level", "debug", "--set", "limits.messages_per_window=0"], more].concat();
    Daemon::spawn(barewire(&arguments).stderr(stderr))
}

/// Pings, numbered from `first`, and each answered: there is a line of the log for each.
fn chatter(client: &mut TcpStream, first: usize, count: usize) {
    for number in first..first + count {
        client.write_all(&frames::text(&format!(r#"{{"type":"ping","id":{number}}}"#))).unwrap();
        read_past(client, format!(r#""id":{number}}}"#).as_bytes());
    }
}

/// An upgrade without credentials, which is let in and has said nothing yet.
fn websocket_without_login(addr: SocketAddr) -> TcpStream {
    let mut client = connect(addr);
    client.write_all(common::upgrade("").as_bytes()).unwrap();
    read_past(&mut client, b"101 Switching Protocols");
    client
}

/// Asks; returns the connection, which is still open.
fn is_healthy(addr: SocketAddr) -> TcpStream {
    let mut client = connect(addr);
    client.write_all(HEALTH).unwrap();
    read_past(&mut client, b"200 OK");
    client
}

/// A log that is stuck as soon as the pipe is full.
fn stuck_log() -> (PipeReader, std::io::PipeWriter) {
    std::io::pipe().unwrap()
}

#[test]
fn a_log_that_nobody_reads_stops_nobody_and_the_count_of_lost_lines_is_exact() {
    for format in ["text", "json"] {
        let (log, stderr) = stuck_log();
        let mut daemon = with_stderr(stderr, &["--set", &format!("log.format={format}")]);
        let addr = daemon.plain_addr();
        let mut client = session(addr);
        chatter(&mut client, 0, STORM);
        let _healthy = is_healthy(addr);
        // Somebody reads after all: from here on no line is lost.
        let mut lines = BufReader::new(log).lines().map(Result::unwrap);
        let mut numbers = Vec::new();
        let mut lost = 0;
        let mut is_quiet = false;
        while numbers.last() != Some(&STORM) {
            let line = lines.next().expect("the log goes on");
            if let Some((before, _)) = line.split_once(" log lines were lost") {
                lost += before.rsplit(['"', ' ']).next().unwrap().parse::<usize>().unwrap();
                assert!(line.to_lowercase().contains("warn"), "{line}");
            } else if line.contains("Received: ") {
                let digits = line.rsplit("id").next().unwrap();
                let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
                numbers.push(digits.parse::<usize>().unwrap());
            }
            if lost > 0 && !is_quiet {
                is_quiet = true;
                chatter(&mut client, STORM, 1);
            }
        }
        // One more is lost than is missing in the row: that of the connection which asked for its health.
        let missing = STORM + 1 - numbers.len();
        assert!(numbers.is_sorted() && missing > 0, "{missing} missing");
        assert_eq!(lost, missing + 1);
    }
}

#[test]
fn a_stuck_log_does_not_hold_up_the_exit() {
    let (_nobody, stderr) = stuck_log();
    let mut daemon = with_stderr(stderr, &[]);
    let mut client = session(daemon.plain_addr());
    chatter(&mut client, 0, PIPEFUL);
    drop(client);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, Some(0));
}

#[test]
fn a_second_signal_ends_it_even_where_its_log_is_stuck() {
    let (_nobody, stderr) = stuck_log();
    // Without it, this one would wait for an hour.
    let mut daemon = with_stderr(stderr, &["--set", "limits.close_timeout=1h"]);
    let mut client = session(daemon.plain_addr());
    chatter(&mut client, 0, PIPEFUL);
    daemon.signal("TERM");
    read_past(&mut client, b"shutting down");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, Some(1));
}

#[test]
fn a_log_that_is_closed_stops_nobody() {
    for format in ["text", "json"] {
        let (log, stderr) = stuck_log();
        let mut daemon = with_stderr(stderr, &["--set", &format!("log.format={format}")]);
        drop(log);
        chatter(&mut session(daemon.plain_addr()), 0, 10);
        is_healthy(daemon.plain_addr());
        daemon.signal("TERM");
        assert_eq!(daemon.end().0, Some(0));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_on_a_full_disk_stops_nobody() {
    for format in ["text", "json"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut daemon = with_stderr(full, &["--set", &format!("log.format={format}")]);
        chatter(&mut session(daemon.plain_addr()), 0, 10);
        is_healthy(daemon.plain_addr());
        daemon.signal("TERM");
        assert_eq!(daemon.end().0, Some(0));
    }
}

#[test]
fn what_was_logged_is_written_before_the_end() {
    let mut daemon = Daemon::start(&["--log-level", "debug", "--set", "limits.messages_per_window=0"]);
    let mut client = session(daemon.plain_addr());
    chatter(&mut client, 0, 500);
    drop(client);
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0));
    assert_eq!(output.matches("Received: ").count(), 500, "{output}");
    assert!(output.contains("Client disconnected: user (0 remaining)"), "{output}");
}

trait ReadWrite: Read + Write {}
impl<S: Read + Write> ReadWrite for S {}
