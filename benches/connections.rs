//! Ten thousand TLS sessions at the program itself, in ten waves: all come, are in a channel and silent but for heartbeats,
//! and leave; a few others stay. What each wave costs to let in, what it holds, and what is left of that when it has gone.
//! `cargo bench --bench connections` prints a table, and takes about three minutes.
//!
//! The daemon is a process of its own, and the clients, all in one loop, are another: this binary, run by itself. Where
//! `taskset` exists the daemon is pinned to core 0, the clients to core 1. No client resumes a TLS session of another.
//!
//! Not here: sessions that talk (`benches/versus.rs`), a crowd that comes back by itself (`benches/storm.rs`).

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "arguments/mod.rs"]
mod arguments;

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use barewire::auth::NoAuth;
use barewire::wire::url::Url;
use barewire::{ClientTls, ConnId, Dial, Event, Message, Server, ServerConfig};

const SESSIONS: usize = 10_000;
const WAVES: usize = 10;
/// Sessions that are there all the time.
const STAY: usize = 10;
/// Handshakes that the clients have under way at once.
const AT_ONCE: usize = 100;
/// For how long a wave's processor time is taken while it is silent: two intervals of heartbeats, and in the others a moment.
const SILENCE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(2);
const CERT: &[u8] = include_bytes!("../certs/dev-cert.pem");
const PORT: &str = "BAREWIRE_CONNECTIONS_PORT";
const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    arguments::of_process("cargo bench --bench connections", "Ten waves of 10 000 TLS sessions; three minutes.", 0);
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    match std::env::var(PORT) {
        Ok(port) => clients(port.parse().unwrap()),
        Err(_) => waves(),
    }
}

fn waves() {
    let mut daemon = Process::daemon();
    let port = daemon.line().rsplit(' ').next().unwrap().to_owned();
    let (mut clients, mut others) = (Process::clients(&port), Process::clients(&port));
    // A few have been there before: what is made once is there. And a few stay.
    clients.ask(&format!("come {STAY}"));
    clients.ask("leave");
    others.ask(&format!("come {STAY}"));
    sleep(MOMENT);
    let (start, descriptors) = (daemon.resident(), daemon.descriptors());
    println!(
        "{SESSIONS} sessions over TLS 1.3, {:.1} MiB resident before the first wave, with {STAY} that stay\n",
        start / MIB
    );
    println!(
        "| wave | arrivals: a second, CPU us each | resident: MiB, bytes each | silent: CPU ms a second | MiB after |"
    );
    println!("|---|---|---|---|---|");
    let (mut after, mut most) = (Vec::new(), None);
    for wave in 1..=WAVES {
        let (began, before) = (Instant::now(), daemon.processor_time());
        clients.ask(&format!("come {SESSIONS}"));
        let (took, spent) = (began.elapsed(), daemon.processor_time() - before);
        sleep(MOMENT);
        let held = daemon.resident();
        most.get_or_insert(held);
        let span = if wave == 1 { SILENCE } else { MOMENT };
        let before = daemon.processor_time();
        sleep(span);
        let idle = (daemon.processor_time() - before).as_secs_f64() * 1e3 / span.as_secs_f64();
        clients.ask("leave");
        // They are gone for themselves; the daemon has yet to see the end of each stream.
        while daemon.descriptors() > descriptors {
            sleep(Duration::from_millis(100));
        }
        sleep(MOMENT);
        after.push(daemon.resident());
        println!(
            "| {wave} | {:.0}, {:.0} | {:.1}, {:.0} | {idle:.2} | {:.2} |",
            SESSIONS as f64 / took.as_secs_f64(),
            spent.as_secs_f64() * 1e6 / SESSIONS as f64,
            held / MIB,
            (held - start) / SESSIONS as f64,
            after[wave - 1] / MIB,
        );
    }
    let (first, last, most) = (after[0], after[WAVES - 1], most.unwrap());
    println!("\nOf the first wave's {:.1} MiB", (most - start) / MIB);
    println!("- back with the system when it has gone: {:.1} %", (most - first) / (most - start) * 100.0);
    println!("- more left by the last wave than by the first: {:.1} %", (last / first - 1.0) * 100.0);
}

// --- processes ---

struct Process {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn daemon() -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        command.args(["--listen", "127.0.0.1:0", "--user", "user:pass"]).stderr(Stdio::null());
        command.args(["--set", &format!("limits.connections={}", SESSIONS + 100)]);
        Process::start(command, 0)
    }

    fn clients(port: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(PORT, port);
        Process::start(command, 1)
    }

    fn start(mut command: Command, core: u32) -> Process {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let taskset = Command::new("taskset").args(["-acp", &core.to_string(), &child.id().to_string()]).output();
        if taskset.is_err() {
            println!("(taskset is not there: nothing is pinned)");
        }
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Process { child, input, lines: BufReader::new(output).lines() }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Has something done, and waits until it is.
    fn ask(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
        assert_eq!(self.line(), what);
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")).unwrap();
        kib.parse::<f64>().unwrap() * 1024.0
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Of all its threads.
    fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |path| fs::read_to_string(path).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap();
        Duration::from_nanos(tasks.map(|task| of(task.unwrap().path().join("schedstat"))).sum())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// --- the clients ---

/// Does what each line of standard input says, and says so when it is done.
fn clients(port: u16) {
    let mut crowd = Crowd::new(port);
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            sender.send(line).unwrap();
        }
        std::process::exit(0);
    });
    loop {
        crowd.turn();
        let Ok(line) = lines.try_recv() else { continue };
        match line.split_once(' ') {
            Some((_, count)) => crowd.come(count.parse().unwrap()),
            None => crowd.leave(),
        }
        println!("{line}");
    }
}

struct Crowd {
    server: Server,
    url: Url,
    ids: Vec<ConnId>,
    subscribed: usize,
    gone: usize,
}

impl Crowd {
    fn new(port: u16) -> Crowd {
        let mut config = ServerConfig::default();
        // The daemon's heartbeats are what is measured.
        config.engine.limits.heartbeat_interval = Duration::from_secs(3600);
        Crowd {
            server: Server::bind(config, Box::new(NoAuth)).unwrap(),
            url: Url::parse(&format!("wss://127.0.0.1:{port}/ws")).unwrap(),
            ids: Vec::new(),
            subscribed: 0,
            gone: 0,
        }
    }

    /// Until so many are subscribed.
    fn come(&mut self, count: usize) {
        (self.subscribed, self.gone) = (0, 0);
        self.ids.clear();
        while self.subscribed < count {
            while self.ids.len() < count.min(self.subscribed + AT_ONCE) {
                let mut dial = Dial::secure(&self.url, ClientTls::with_roots(CERT).unwrap());
                dial.upgrade.headers.push(("Authorization".into(), "Basic dXNlcjpwYXNz".into()));
                self.ids.push(self.server.connect(dial).unwrap());
            }
            self.turn();
            assert_eq!(self.gone, 0, "a session has ended");
        }
    }

    /// Until nobody is left.
    fn leave(&mut self) {
        for &id in &self.ids {
            self.server.engine().close(id, 1000, "");
        }
        while self.gone < self.ids.len() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.server.poll(Some(Duration::from_millis(20))).unwrap();
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Connected { id, .. } => {
                    let subscribe = Message::Text(r#"{"type":"subscribe","channel":"news"}"#.into());
                    assert!(self.server.engine().send(id, subscribe));
                }
                Event::Message { message, .. } => {
                    let is_answer = message.payload().starts_with(br#"{"type":"subscribed""#);
                    self.subscribed += usize::from(is_answer);
                }
                Event::Closed { .. } => self.gone += 1,
                _ => {}
            }
        }
    }
}
