//! The program itself: what it prints, what it refuses to start with, how it ends, and what it never says.
//!
//! Not here: its users file, keys and tokens (`daemon/credentials.rs`), the syntax of its configuration
//! (`src/daemon/config/tests.rs`), the server inside (`server.rs`), its log (`logging.rs`).

#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "daemon/credentials.rs"]
mod credentials;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use common::frames;
use program::{BARE, Daemon, LOOPBACK, TemporaryFile, barewire, refusal, run};
use server::{connect, connect_tls, eventually, hear, hear_close, read_past, read_to_end, say, websocket};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A key that belongs to no certificate; made for this test, and public.
const OTHER_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj0KN5OqsEfYAiDt3
iBkhIjqht0XL/UT9Wegech3XmS+hRANCAAQ95MOYS6EzMK9fVAhNLnEfAd+P0WiY
eO3931ld8npW7Cmi2HHdHp9q3jld2B5Cx1BTo0pkLZQIN4UIGEgpl2wO
-----END PRIVATE KEY-----
";

// --- the start ---

#[test]
fn it_says_which_ports_it_really_has_its_limits_and_how_to_try_it() {
    let mut daemon = Daemon::start(&["--plain-listen", "127.0.0.1:0", "--log-level", "off"]);
    let (secure, plain) = (daemon.tls_addr(), daemon.plain_addr());
    assert!(secure.port() != 0 && plain.port() != 0 && secure != plain);
    let said = daemon.said.clone();
    let starts = said.iter().map(|line| line.split_once(" server running").map_or("", |(kind, _)| kind));
    assert_eq!(starts.collect::<Vec<_>>(), ["HTTPS + WSS", "HTTP + WS", "HTTP + WS", "", ""]);
    assert!(said[3].starts_with("Limits: limits.connections 10000, open files "), "{}", said[3]);
    for part in ["auth.timeout 10s", "heartbeat.interval 30s", "limits.message_bytes 1MiB", "send_queue_bytes 1MiB"] {
        assert!(said[3].contains(part), "{}", said[3]);
    }
    let client = format!(", or {} connect wss://{secure}/ws --basic user:pass", env!("CARGO_BIN_EXE_barewire"));
    let client = if cfg!(feature = "tools") { client.as_str() } else { "" };
    assert_eq!(said[4], format!("Try it: https://{secure}/ in a browser{client}"));
    // And it does serve there, with what it says.
    assert!(hear(&mut websocket(connect_tls(secure))).contains(r#""userId":"user""#));
    assert!(hear(&mut websocket(connect(plain))).contains("connected"));
    daemon.signal("TERM");
    assert_eq!(daemon.end(), (Some(0), said.join("\n")), "and with the log off nothing else");
}

#[test]
fn it_warns_of_the_development_pair_and_user() {
    let mut daemon = Daemon::start(&[]);
    assert!(daemon.wait_for("development certificate is in use").contains("WARN"));
    assert!(daemon.wait_for("default user").contains("WARN"));
}

#[test]
fn what_the_whole_world_knows_guards_no_public_address() {
    let mine = ["--user", "anna:secret"];
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--listen", "0.0.0.0:0"], &["server.listen = 0.0.0.0:0", "development certificate", "loopback"]),
        (&["--listen", "[::]:0", mine[0], mine[1]], &["server.listen = [::]:0", "development certificate"]),
        (&["--plain-listen", "0.0.0.0:0"], &["server.plain_listen = 0.0.0.0:0", "default user", "--user"]),
        (
            &["--plain-listen", "0.0.0.0:0", mine[0], mine[1]],
            &["server.plain_listen = 0.0.0.0:0", "in the clear", "auth.allow_plain = true"],
        ),
        (&["--listen", "127.0.0.1:0", "--listen", "192.0.2.1:0"], &["server.listen = 192.0.2.1:0"]),
    ];
    for (arguments, parts) in cases {
        let (code, line) = refusal(arguments);
        assert_eq!(code, 2, "{line}");
        assert!(line.starts_with("barewire: ") && parts.iter().all(|part| line.contains(part)), "{line}");
    }
}

#[test]
fn misuse_is_exit_code_2_and_one_line_that_names_the_offender() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["--set", "limits.headers=0"], &["limits.headers", "\"0\"", "1 to 256"]),
        (&["--set", "limits.head=1"], &["limits.head"]),
        (&["--listen", "nowhere"], &["server.listen", "nowhere"]),
    ];
    for (arguments, parts) in cases {
        let (code, line) = refusal(arguments);
        assert!(code == 2 && parts.iter().all(|part| line.contains(part)), "{code}: {line}");
    }
    // A bad flag is shown with the usage.
    let output = run(&["--nope"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("'--nope'"));
}

#[test]
fn help_and_version_go_to_standard_output_with_exit_code_0() {
    for (argument, part) in [("--help", "limits.message_bytes"), ("-h", "--listen"), ("--version", "barewire 0.")] {
        let output = run(&[argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty() && String::from_utf8_lossy(&output.stdout).contains(part), "{argument}");
    }
}

#[test]
fn a_port_in_use_is_exit_code_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--plain-listen"] {
        let output = run(&[flag, &addr, "--log-level", "off"]);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(line.starts_with(&format!("barewire: cannot listen on {addr}: ")), "{line}");
        assert!(line.lines().count() == 1 && output.stdout.is_empty(), "never half a start: {line}");
    }
}

#[test]
fn it_serves_from_any_directory_and_with_a_pair_of_its_own() {
    let elsewhere = TemporaryFile::new("elsewhere.pem", OTHER_KEY);
    let folder = std::path::Path::new(elsewhere.path()).parent().unwrap();
    let mut daemon = Daemon::spawn(barewire(&["--listen", "127.0.0.1:0"]).current_dir(folder));
    assert!(hear(&mut websocket(connect_tls(daemon.tls_addr()))).contains("connected"));
    assert!(daemon.wait_for("certificate").contains("the development certificate is in use"));

    let pair = ["/certs/dev-cert.pem", "/certs/dev-key.pem"].map(|name| env!("CARGO_MANIFEST_DIR").to_owned() + name);
    let mut daemon = Daemon::start(&["--tls-cert", &pair[0], "--tls-key", &pair[1]]);
    assert!(hear(&mut websocket(connect_tls(daemon.tls_addr()))).contains("connected"));
    daemon.signal("TERM");
    let (_, output) = daemon.end();
    assert!(!output.contains("development certificate"), "{output}");
}

/// What is answered to an upgrade with these header lines, as far as it has come in one piece.
fn upgrade(addr: SocketAddr, headers: &str) -> String {
    let mut client = connect(addr);
    client.write_all(common::upgrade(headers).as_bytes()).unwrap();
    let mut bytes = [0; 1000];
    let count = client.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[test]
fn the_page_is_where_the_start_says_unless_it_is_off() {
    for (page, status) in [("true", "200 OK"), ("false", "404 Not Found")] {
        let mut daemon = Daemon::start(&["--set", &format!("server.page={page}"), "--path", "/else'where"]);
        assert_eq!(daemon.wait_for("Try it: ").contains("/ in a browser, or "), page == "true");
        for path in ["/", "/client.js", "/console.css"] {
            let mut client = connect(daemon.plain_addr());
            write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{path}: {answer}");
            assert_eq!(answer.contains("data-path=\"/else&#39;where\""), path == "/" && page == "true");
        }
    }
}

#[test]
fn what_the_keys_say_of_the_door_is_what_happens_there() {
    const WRONG: &str = "Authorization: Basic dXNlcjp3cm9uZw==\r\n";
    const OFFER: &str = "Authorization: Basic dXNlcjpwYXNz\r\nSec-WebSocket-Protocol: json, v1, v2\r\n";
    const FOREIGN: &str = "Authorization: Basic dXNlcjpwYXNz\r\nOrigin: https://a.example\r\n";
    let cases: &[(&str, &str, &str, &str)] = &[
        ("server.path=/ws", "", "HTTP/1.1 101 ", ""),
        ("server.path=/other", "", "HTTP/1.1 404 ", ""),
        ("server.path=", "", "HTTP/1.1 101 ", ""),
        ("server.subprotocols=json", OFFER, "HTTP/1.1 101 ", "Sec-WebSocket-Protocol: json\r\n"),
        ("server.subprotocols=v2,v1", OFFER, "HTTP/1.1 101 ", "Sec-WebSocket-Protocol: v2\r\n"),
        ("auth.origins=same", FOREIGN, "HTTP/1.1 403 ", ""),
        ("auth.origins=https://a.example", FOREIGN, "HTTP/1.1 101 ", ""),
        ("auth.origins=any", FOREIGN, "HTTP/1.1 101 ", ""),
        ("auth.methods=basic", "", "HTTP/1.1 401 ", r#"Basic realm="barewire""#),
        ("auth.methods=none", WRONG, "HTTP/1.1 101 ", ""),
        ("auth.wrong_password_status=403", WRONG, "HTTP/1.1 403 ", ""),
        ("auth.wrong_password_status=401", WRONG, "HTTP/1.1 401 ", r#"Basic realm="barewire""#),
        ("auth.refuse=close", WRONG, "HTTP/1.1 101 ", ""),
        ("limits.head_bytes=256", &format!("X: {}\r\n", "x".repeat(256)), "HTTP/1.1 431 ", ""),
    ];
    for (setting, headers, start, part) in cases {
        let mut daemon = Daemon::start(&["--set", setting]);
        let answer = upgrade(daemon.plain_addr(), headers);
        assert!(answer.starts_with(start) && answer.contains(part), "{setting}: {answer}");
    }
    let mut daemon = Daemon::start(&["--set", "auth.methods=basic", "--set", "auth.realm=the back door"]);
    assert!(upgrade(daemon.plain_addr(), "").contains(r#"realm="the back door""#));

    let mut daemon = Daemon::start(&["--set", "auth.refuse=close"]);
    let mut client = connect(daemon.plain_addr());
    client.write_all(common::upgrade(WRONG).as_bytes()).unwrap();
    read_past(&mut client, &[&4403u16.to_be_bytes()[..], b"Forbidden"].concat());

    // One address may fail once; a proxy, behind which many stand, as often as it likes.
    for (proxies, status) in [("", "429"), ("127.0.0.0/8", "403")] {
        let proxies = format!("server.trusted_proxies={proxies}");
        let mut daemon = Daemon::start(&["--set", "limits.auth_failures_per_minute=1", "--set", &proxies]);
        assert!(upgrade(daemon.plain_addr(), WRONG).starts_with("HTTP/1.1 403 "));
        assert!(upgrade(daemon.plain_addr(), WRONG).starts_with(&format!("HTTP/1.1 {status} ")), "{proxies}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_one_line_and_exit_code_2() {
    let cert = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/dev-cert.pem");
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/dev-key.pem");
    let junk = TemporaryFile::new("junk.pem", "no PEM at all");
    let half = fs::read_to_string(cert).unwrap();
    let half = TemporaryFile::new("half.pem", &half[..half.len() / 2]);
    let other = TemporaryFile::new("other.pem", OTHER_KEY);
    let missing = "/nonexistent/chain.pem";
    let cases: [(&str, &str, &[&str]); 7] = [
        (missing, key, &["tls.cert = /nonexistent/chain.pem", "No such file"]),
        (cert, missing, &["tls.key = /nonexistent/chain.pem", "No such file"]),
        (env!("CARGO_MANIFEST_DIR"), key, &["tls.cert = ", "directory"]),
        (junk.path(), key, &[junk.path(), "certificate"]),
        (half.path(), key, &[half.path(), "certificate"]),
        (cert, junk.path(), &[junk.path(), "private key"]),
        (cert, other.path(), &[other.path(), "private key"]),
    ];
    for (cert, key, parts) in cases {
        let (code, line) = refusal(&["--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
        assert!(code == 2 && parts.iter().all(|part| line.contains(part)), "{code}: {line}");
        assert!(!line.contains("MIGH") && !line.contains("no PEM at all"), "{line}");
    }
}

// --- the end ---

#[test]
fn a_signal_closes_open_sessions_with_1001_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(&[]);
        let mut secure = websocket(connect_tls(daemon.tls_addr()));
        let mut plain = websocket(connect(daemon.plain_addr()));
        // One in the middle of a TLS handshake, which nobody can be told of.
        let silent = connect(daemon.tls_addr());
        hear(&mut secure);
        hear(&mut plain);
        daemon.signal(signal);
        assert_eq!(hear_close(&mut secure), (1001, "Server shutting down".into()));
        assert_eq!(hear_close(&mut plain).0, 1001);
        // tungstenite replies when it is flushed or read once more.
        while secure.read().is_ok() {}
        while plain.read().is_ok() {}
        drop((secure, plain, silent));
        let (code, output) = daemon.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("closing all sessions"), "{output}");
        assert_eq!(output.matches("Client disconnected: user").count(), 2, "{output}");
    }
}

#[test]
fn with_a_spread_sessions_are_told_of_a_restart() {
    let mut daemon = Daemon::start(&["--set", "drain.spread=100ms"]);
    let mut client = websocket(connect(daemon.plain_addr()));
    hear(&mut client);
    daemon.signal("TERM");
    assert_eq!(hear_close(&mut client), (1012, "Server restarting".into()));
    while client.read().is_ok() {}
    drop(client);
    assert_eq!(daemon.end().0, Some(0));
}

#[test]
fn signals_of_a_closed_terminal_or_pipe_end_nothing() {
    let mut daemon = Daemon::start(&[]);
    let mut client = websocket(connect(daemon.plain_addr()));
    hear(&mut client);
    daemon.signal("PIPE");
    for _ in 0..2 {
        daemon.signal("HUP");
        assert!(daemon.wait_for("SIGHUP").contains("WARN"));
        daemon.said.clear();
    }
    say(&mut client, r#"{"type":"ping"}"#);
    assert!(hear(&mut client).contains("pong"));
    daemon.signal("TERM");
    assert_eq!(hear_close(&mut client).0, 1001);
    while client.read().is_ok() {}
    drop(client);
    assert_eq!(daemon.end().0, Some(0));
}

#[test]
fn a_second_signal_exits_at_once() {
    // Without it, this one would wait for an hour.
    let mut daemon = Daemon::start(&["--set", "limits.close_timeout=1h"]);
    let mut client = connect(daemon.plain_addr());
    client.write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
    read_past(&mut client, b"connected");
    daemon.signal("TERM");
    read_past(&mut client, b"shutting down");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0, Some(1));
}

// --- out of descriptors ---

/// The program after this has been said to the shell.
fn within(limit: &str) -> Daemon {
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"{limit} && exec "$0" "$@""#), BARE]).args(LOOPBACK);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Daemon::spawn(&mut command)
}

#[test]
fn the_soft_limit_of_open_files_is_raised_and_there_are_no_more_connections_than_it_leaves() {
    let mut daemon = within("ulimit -Sn 64 && ulimit -Hn 100");
    assert!(daemon.wait_for("Limits: ").contains("limits.connections 68, open files 100, "));
    let warning = daemon.wait_for("is above the open-file limit");
    assert!(warning.contains("WARN") && warning.contains("limits.connections = 10000"), "{warning}");
}

#[test]
fn out_of_descriptors_those_who_wait_are_served_when_there_are_some_again() {
    const CLIENTS: usize = 100;
    let mut daemon = within("ulimit -n 64");
    let addr = daemon.plain_addr();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| connect(addr)).collect();
    for client in &mut clients {
        client.write_all(HEALTH).unwrap();
    }
    let line = daemon.wait_for("cannot accept connections for now");
    assert!(line.contains("ERROR") && line.contains("] WebSocket Server Error: cannot accept"), "{line}");
    // The queue is first in, first out: when the first half is gone there is room for the second, and nobody
    // else connects. Served means answered, be it by 200 or, above the limit of connections, by 503.
    let waiting = clients.split_off(CLIENTS / 2);
    for mut client in clients {
        read_past(&mut client, b"HTTP/1.1 ");
    }
    for mut client in waiting {
        read_past(&mut client, b"HTTP/1.1 ");
    }
    // And it goes on as if nothing had been.
    eventually("a client is served as usual", || {
        let mut late = connect(addr);
        late.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
        read_to_end(&mut late).starts_with(b"HTTP/1.1 200")
    });
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0), "{output}");
    assert_eq!(output.matches("cannot accept").count(), 1, "told once, not once a try: {output}");
}

// --- out of memory ---

#[test]
fn past_the_ceiling_of_memory_the_heavy_are_closed_the_operator_is_told_and_others_are_served() {
    // Each sends half a message of less than its share: together they hold more than may be held.
    const HALF: usize = 15 << 10;
    let mut daemon = Daemon::start(&["--set", "limits.max_memory=1MiB"]);
    let addr = daemon.plain_addr();
    let open = || {
        let mut client = connect(addr);
        client.write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
        read_past(&mut client, b"\"connected\"");
        client
    };
    let mut honest = open();
    let mut heavy: Vec<_> = (0..80).map(|_| open()).collect();
    for client in &mut heavy {
        let half = [frames::header(0x82, 2 * HALF as u64), vec![0; HALF]].concat();
        client.write_all(&half).unwrap();
        client.set_nonblocking(true).unwrap();
    }
    let told = daemon.wait_for("The peers hold ");
    assert!(told.contains("limits.max_memory = 1048576 bytes") && told.contains("WARN"), "{told}");
    daemon.wait_for("the peers hold more memory than allowed, and this one the most");
    eventually("one of the heavy is told why it is closed", || {
        let mut bytes = [0; 1000];
        let told = |client: &mut std::net::TcpStream| {
            let count = client.read(&mut bytes).unwrap_or(0);
            bytes[..count].windows(17).any(|part| part == b"Server overloaded")
        };
        heavy.iter_mut().any(told)
    });
    honest.write_all(&frames::text(r#"{"type":"ping","id":"still here"}"#)).unwrap();
    read_past(&mut honest, b"still here");
    drop(heavy);
    eventually("others may come in again", || {
        let mut late = connect(addr);
        late.write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
        let mut status = [0; 12];
        late.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 101"
    });
}
