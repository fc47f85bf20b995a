//! What a healthy client notices of hostile ones: the round trip of its pings, in quiet and under each kind of attack,
//! by one attacker and by ten. `cargo bench --bench fairness` prints a table; it takes about a minute.
//!
//! The server is the program itself, with its limits of rates off, so that its budgets alone are seen. The attackers are
//! a process of their own that yields to everybody; where `taskset` exists the server is pinned to core 0, all others
//! to core 1. Wall time on a shared machine: read ratios, and never check them.
//!
//! Not here: the counts behind it (`tests/fairness.rs`).

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "arguments/mod.rs"]
mod arguments;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const KINDS: [&str; 9] = [
    "empty fragments",
    "pings",
    "messages of 1 byte",
    "JSON of 1 MiB",
    "one payload of 1 MiB",
    "subscriptions",
    "pipelined requests",
    "connects",
    "TLS handshakes",
];
const PINGS: usize = 1000;
/// No row takes longer than this, however slow the answers are.
const ROW: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(1);
const WARM_UP: Duration = Duration::from_millis(300);

fn main() {
    arguments::of_process("cargo bench --bench fairness", "Round trips under attack; about a minute.", 0);
    if let Ok(attack) = std::env::var("BAREWIRE_FAIRNESS_ATTACK") {
        let mut words = attack.split(';');
        let mut next = || words.next().unwrap();
        let (kind, count, plain, secure) = (next(), next(), next(), next());
        return attack_with(kind, count.parse().unwrap(), (plain.parse().unwrap(), secure.parse().unwrap()));
    }
    pin(std::process::id(), 1);
    println!("| attack | attackers | p50 us | p99 us | p99 to quiet |\n|---|---|---|---|---|");
    let (p50, quiet) = round_trips(&Server::start());
    println!("| none | 0 | {p50} | {quiet} | 1.0 |");
    for kind in KINDS {
        for count in [1, 10] {
            let server = Server::start();
            let _attackers = attackers(&server, kind, count);
            std::thread::sleep(WARM_UP);
            let (p50, p99) = round_trips(&server);
            println!("| {kind} | {count} | {p50} | {p99} | {:.1} |", p99 as f64 / quiet as f64);
        }
    }
}

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Server {
    _process: Process,
    secure: SocketAddr,
    plain: SocketAddr,
}

impl Server {
    fn start() -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        command.args(["--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0", "--log-level", "off"]);
        for off in ["messages_per_window=0", "control_frames_per_second=0", "fragments=1000000"] {
            command.args(["--set", &format!("limits.{off}")]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        pin(child.id(), 0);
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ports = out.map_while(Result::ok).filter_map(|line| {
            let (kind, port) = line.split_once(" server running on port ")?;
            Some((kind.starts_with("HTTPS"), SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))))
        });
        let (first, second) = (ports.next().unwrap(), ports.next().unwrap());
        assert!(first.0 && !second.0, "the TLS listener is told first");
        Server { _process: Process(child), secure: first.1, plain: second.1 }
    }
}

fn attackers(server: &Server, kind: &str, count: usize) -> Process {
    let child = Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe().unwrap())
        .env("BAREWIRE_FAIRNESS_ATTACK", format!("{kind};{count};{};{}", server.plain, server.secure))
        .spawn()
        .unwrap();
    pin(child.id(), 1);
    Process(child)
}

fn pin(pid: u32, core: u32) {
    let taskset = Command::new("taskset").args(["-acp", &core.to_string(), &pid.to_string()]).output();
    if taskset.is_err() {
        println!("(taskset is not there: nothing is pinned)");
    }
}

// --- the healthy client ---

/// The median and the 99th percentile of a ping's round trip, in microseconds.
fn round_trips(server: &Server) -> (u128, u128) {
    let mut client = open(server.plain);
    let ping = frame(0x81, br#"{"type":"ping"}"#);
    let mut bytes = [0; 1000];
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < PINGS && start.elapsed() < ROW {
        let sent = Instant::now();
        client.write_all(&ping).unwrap();
        assert!(client.read(&mut bytes).unwrap() > 0, "the server closed");
        times.push(sent.elapsed().as_micros());
        std::thread::sleep(PAUSE);
    }
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// An open session.
fn open(addr: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(addr).unwrap();
    client.set_nodelay(true).unwrap();
    let head = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    let (mut greeting, mut byte) = (Vec::new(), [0]);
    while !greeting.ends_with(b"Z\"}") {
        client.read_exact(&mut byte).unwrap();
        greeting.push(byte[0]);
    }
    client
}

/// A client's masked frame (the mask is zero).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => frame.extend_from_slice(&[0xfe, (length >> 8) as u8, length as u8]),
        length => {
            frame.push(0xff);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

// --- the attackers ---

fn attack_with(kind: &str, count: usize, (plain, secure): (SocketAddr, SocketAddr)) {
    let attackers: Vec<_> = (0..count)
        .map(|_| {
            let kind = kind.to_owned();
            std::thread::spawn(move || match &*kind {
                "connects" => knock(plain, b""),
                "TLS handshakes" => knock(secure, &hello()),
                "pipelined requests" => {
                    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
                    flood(TcpStream::connect(plain).unwrap(), &request.repeat(500));
                }
                other => flood(open(plain), &input(other)),
            })
        })
        .collect();
    for attacker in attackers {
        let _ = attacker.join();
    }
}

/// What an attacker says in its session, again and again.
fn input(kind: &str) -> Vec<u8> {
    const MOST: usize = 1 << 20;
    match kind {
        "empty fragments" => [frame(0x01, b""), frame(0x00, b"").repeat(100_000), frame(0x80, b"")].concat(),
        "pings" => frame(0x89, b"").repeat(1000),
        "messages of 1 byte" => frame(0x81, b"x").repeat(1000),
        "JSON of 1 MiB" => {
            let head = r#"{"type":"chat","channel":"nobody","payload":[0"#;
            frame(0x81, format!("{head}{}]}}", ",0".repeat((MOST - head.len() - 2) / 2)).as_bytes())
        }
        "one payload of 1 MiB" => frame(0x82, &vec![0xff; MOST]),
        "subscriptions" => {
            let say = |kind: &str| frame(0x81, format!(r#"{{"type":"{kind}","channel":"a"}}"#).as_bytes());
            [say("subscribe"), say("unsubscribe")].concat().repeat(200)
        }
        other => panic!("no attack is called {other}"),
    }
}

/// Sends without end, and reads what is answered.
fn flood(mut socket: TcpStream, input: &[u8]) {
    let mut answers = socket.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while answers.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    while socket.write_all(input).is_ok() {}
}

/// Connects, says this, and resets the connection, without end.
fn knock(addr: SocketAddr, says: &[u8]) {
    loop {
        let Ok(mut socket) = TcpStream::connect(addr) else { continue };
        let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        if !says.is_empty() && socket.write_all(says).is_ok() {
            let _ = socket.read(&mut [0; 1]);
        }
    }
}

/// The first words of a TLS client.
fn hello() -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut bytes = Vec::new();
    ClientConnection::new(config.into(), name).unwrap().write_tls(&mut bytes).unwrap();
    bytes
}
