//! Two thousand clients that lose the daemon at once, and come back: over TLS, on real sockets, to the program itself in a
//! process of its own. `cargo bench --bench storm` prints a table, and how the arrivals were spread; it takes about a minute.
//!
//! All clients are in this process and share one loop. Where `taskset` exists the daemon is pinned to core 0, the clients to
//! core 1. Wall time on a shared machine: read it, and never check it.
//!
//! Not here: the same by a clock that stands still, with what must hold (`tests/storm.rs`).

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "arguments/mod.rs"]
mod arguments;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use barewire::auth::NoAuth;
use barewire::client::{Backoff, ClientConfig, ClientError, ClientEvent, Credentials, Jitter, Reconnector, dial};
use barewire::{ClientTls, ConnId, Message, Server, ServerConfig};

const CLIENTS: usize = 2000;
const CERT: &[u8] = include_bytes!("../certs/dev-cert.pem");
const CHANNEL: &str = "news";
/// Between the end of one daemon and the start of the next.
const AWAY: Duration = Duration::from_secs(2);
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS_SHOWN: usize = 60;
/// Whoever is not back by then is lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// What no daemon comes near to.
const AMPLE: &str = "512MiB";
/// What no turn of the clients' loop sleeps longer than.
const NAP: Duration = Duration::from_millis(20);
/// What the kernel counts processor time in, per second.
const CLOCK_TICKS: f64 = 100.0;

/// How a daemon comes to its end.
#[derive(Clone, Copy)]
enum End {
    Kill,
    Stop { spread: &'static str },
}

struct Row {
    name: &'static str,
    end: End,
    jitter: Jitter,
    max_memory: &'static str,
}

fn main() {
    arguments::of_process("cargo bench --bench storm", "2 000 clients lose the daemon and come back; a minute.", 0);
    // Each client is a descriptor here; the daemon raises its own limit.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    pin(std::process::id(), 1);
    let rows = [
        Row { name: "killed", end: End::Kill, jitter: Jitter::None, max_memory: AMPLE },
        Row { name: "killed", end: End::Kill, jitter: Jitter::Proportional, max_memory: AMPLE },
        Row { name: "killed", end: End::Kill, jitter: Jitter::Full, max_memory: AMPLE },
        Row {
            name: "stopped, drain.spread = 5s",
            end: End::Stop { spread: "5s" },
            jitter: Jitter::Proportional,
            max_memory: AMPLE,
        },
        Row { name: "killed, little memory", end: End::Kill, jitter: Jitter::Proportional, max_memory: "10150KiB" },
    ];
    println!(
        "| the daemon is | jitter | most in 100 ms | half, all back | refused | lost | CPU s | RSS of max_memory |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let spreads: Vec<_> = rows.iter().map(|row| (row, run(row))).collect();
    println!("\nArrivals since the daemon was back, a sign for each 100 ms, a full one for the most in that row:\n");
    for (row, arrivals) in spreads {
        println!("{:<26} {:<12} {}", row.name, format!("{:?}", row.jitter), signs(&arrivals));
    }
}

/// A storm. Prints its row, and returns the arrivals in each [`BUCKET`].
fn run(row: &Row) -> Vec<usize> {
    let port = free_port();
    let mut daemon = Daemon::start(port, row.end, AMPLE);
    let mut crowd = Crowd::new(port, row.jitter);
    crowd.turn_until(|_| daemon.is_up());
    crowd.turn_until(|crowd| crowd.present() == CLIENTS);
    match row.end {
        End::Kill => daemon.child.kill().unwrap(),
        End::Stop { .. } => daemon.stop(),
    }
    crowd.turn_until(|_| daemon.child.try_wait().unwrap().is_some());
    let gone = Instant::now();
    crowd.turn_until(|_| gone.elapsed() >= AWAY);
    let mut daemon = Daemon::start(port, row.end, row.max_memory);
    crowd.turn_until(|_| daemon.is_up());
    let (_, idle) = daemon.costs();
    crowd.began = Instant::now();
    crowd.dialed.clear();
    crowd.refused = 0;
    crowd.turn_until(|crowd| crowd.present() == CLIENTS || crowd.began.elapsed() > PATIENCE);
    let mut back: Vec<Duration> =
        crowd.clients.iter().map(|client| client.subscribed.map_or(PATIENCE, |at| at - crowd.began)).collect();
    back.sort_unstable();
    let (half, all) = (back[CLIENTS / 2], back[CLIENTS - 1]);
    let heard = crowd.all_hear_once();
    let mut buckets = Vec::new();
    for at in &crowd.dialed {
        let bucket = (at.as_micros() / BUCKET.as_micros()) as usize;
        buckets.resize(buckets.len().max(bucket + 1), 0);
        buckets[bucket] += 1;
    }
    let (cpu, peak) = daemon.costs();
    println!(
        "| {} | {:?} | {} | {:.1} s, {:.1} s | {} | {} | {cpu:.2} | {:.1} MiB of {} |",
        row.name,
        row.jitter,
        buckets.iter().max().unwrap(),
        half.as_secs_f64(),
        all.as_secs_f64(),
        crowd.refused,
        CLIENTS - heard,
        peak - idle,
        row.max_memory,
    );
    buckets
}

/// A sign for each of the first buckets, and how many come later.
fn signs(buckets: &[usize]) -> String {
    const SIGNS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (shown, later) = buckets.split_at(buckets.len().min(BUCKETS_SHOWN));
    let most = buckets.iter().copied().max().unwrap_or(1);
    let signs: String = shown.iter().map(|count| SIGNS[(count * 8).div_ceil(most)]).collect();
    match later.iter().sum() {
        0 => signs,
        later => format!("{signs} and {later} later"),
    }
}

// --- the daemon ---

struct Daemon {
    child: Child,
    up: Receiver<()>,
    is_up: bool,
}

impl Daemon {
    fn start(port: u16, end: End, max_memory: &str) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--log-level", "off"]);
        command.args(["--set", &format!("limits.max_memory={max_memory}")]);
        if let End::Stop { spread } = end {
            command.args(["--set", &format!("drain.spread={spread}")]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        pin(child.id(), 0);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, up) = channel();
        std::thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            for _ in lines.filter(|line| line.contains(" server running on port ")) {
                let _ = sender.send(());
            }
        });
        Daemon { child, up, is_up: false }
    }

    fn is_up(&mut self) -> bool {
        self.is_up |= self.up.try_recv().is_ok();
        assert!(self.child.try_wait().unwrap().is_none(), "the daemon has ended");
        self.is_up
    }

    fn stop(&self) {
        let status = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Its processor time in seconds, and the most it has had resident, in MiB.
    fn costs(&self) -> (f64, f64) {
        let of = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap();
        // The fields behind the name, which stands in parentheses: user and system are the 12th and 13th.
        let stat = of("stat");
        let ticks = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        let ticks: f64 = ticks.map(|field| field.parse::<f64>().unwrap()).sum();
        let status = of("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        (ticks / CLOCK_TICKS, kib / 1024.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port below those that the system gives to clients: one of them could be where the next daemon wants to be.
fn free_port() -> u16 {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn pin(pid: u32, core: u32) {
    let taskset = Command::new("taskset").args(["-acp", &core.to_string(), &pid.to_string()]).output();
    if taskset.is_err() {
        println!("(taskset is not there: nothing is pinned)");
    }
}

// --- the clients ---

struct Member {
    reconnector: Reconnector,
    /// When the daemon has last taken its subscription.
    subscribed: Option<Instant>,
    heard: usize,
}

struct Crowd {
    server: Server,
    clients: Vec<Member>,
    owners: HashMap<ConnId, usize>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    began: Instant,
    dialed: Vec<Duration>,
    refused: usize,
}

impl Crowd {
    fn new(port: u16, jitter: Jitter) -> Crowd {
        let tls = ClientTls::with_roots(CERT).unwrap();
        let now = Instant::now();
        let member = |seed| {
            let config = ClientConfig {
                credentials: Credentials::Basic { user: "user".into(), password: "pass".into() },
                channels: vec![CHANNEL.into()],
                backoff: Backoff { jitter, ..Backoff::default() },
                tls: Some(tls.clone()),
                ..ClientConfig::new(format!("wss://127.0.0.1:{port}/ws"))
            };
            Member { reconnector: Reconnector::new(config, seed).unwrap(), subscribed: None, heard: 0 }
        };
        Crowd {
            server: Server::bind(ServerConfig::default(), Box::new(NoAuth)).unwrap(),
            clients: (0..CLIENTS as u64).map(member).collect(),
            owners: HashMap::new(),
            due: (0..CLIENTS).map(|number| Reverse((now, number))).collect(),
            began: now,
            dialed: Vec::new(),
            refused: 0,
        }
    }

    /// Those who are in and hear what is said.
    fn present(&self) -> usize {
        self.clients.iter().filter(|client| client.subscribed.is_some()).count()
    }

    fn turn_until(&mut self, mut is_done: impl FnMut(&mut Crowd) -> bool) {
        while !is_done(self) {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, number))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            self.dial(number);
        }
        let next = self.due.peek().map_or(NAP, |Reverse((at, _))| at.saturating_duration_since(now));
        self.server.poll(Some(next.min(NAP))).unwrap();
        while let Some(event) = self.server.poll_event() {
            let number = self.owners[&event.id()];
            self.clients[number].reconnector.handle_event(self.server.engine(), event);
            self.heed(number);
        }
    }

    fn dial(&mut self, number: usize) {
        let reconnector = &mut self.clients[number].reconnector;
        dial(reconnector, &mut self.server);
        if let Some(id) = reconnector.session() {
            self.owners.insert(id, number);
        }
        self.heed(number);
    }

    fn heed(&mut self, number: usize) {
        let client = &mut self.clients[number];
        while let Some(event) = client.reconnector.poll_event() {
            match event {
                ClientEvent::Connecting { .. } => self.dialed.push(self.began.elapsed()),
                ClientEvent::Close { .. } => client.subscribed = None,
                ClientEvent::Error(ClientError::Refused { .. } | ClientError::Failed(_)) => self.refused += 1,
                ClientEvent::Message(Message::Text(text)) => {
                    client.heard += usize::from(text.contains(r#""type":"chat""#));
                    if text.contains(r#""type":"subscribed""#) {
                        client.subscribed = Some(Instant::now());
                    }
                }
                _ => {}
            }
        }
        let now = self.server.engine().now();
        if let Some(wait) = client.reconnector.poll_timeout(now) {
            self.due.push(Reverse((Instant::now() + wait, number)));
        }
    }

    /// One says something; returns how many have heard it once.
    fn all_hear_once(&mut self) -> usize {
        let text = format!(r#"{{"type":"chat","channel":"{CHANNEL}","payload":"is everybody there?"}}"#);
        let Some(first) = self.clients.iter_mut().find(|client| client.subscribed.is_some()) else { return 0 };
        first.reconnector.send(self.server.engine(), Message::Text(text.into())).unwrap();
        let begin = Instant::now();
        self.turn_until(|crowd| {
            let heard = crowd.clients.iter().filter(|client| client.heard > 0).count();
            heard == CLIENTS || begin.elapsed() > Duration::from_secs(10)
        });
        self.clients.iter().filter(|client| client.heard == 1).count()
    }
}
