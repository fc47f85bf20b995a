//! The load of `barewire bench`, each mode of it: what it says it has done is held against what the server saw, and whatever a
//! server does to it, it ends with a line that says so.
//!
//! How fast anything is is no test's business here.
//!
//! Not here: how a report is written (`bench_report.rs`), the flags' grammar (`src/daemon/cli/tests.rs`).

#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "bench/failures.rs"]
mod failures;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Output;
use std::sync::{Arc, Mutex};

use barewire::auth::NoAuth;
use barewire::{Engine, Event, Limits, Message, PreparedMessage, ServerConfig, TlsConfig};
use program::{Daemon, run};
use serde_json::Value;
use server::TestServer;

/// What a server has seen.
#[derive(Debug, Default)]
struct Seen {
    opened: u64,
    messages: u64,
    greetings: u64,
    /// How sessions ended, and how often.
    ends: BTreeMap<String, u64>,
    peers: BTreeMap<IpAddr, u64>,
}

/// A server that counts, and what it has counted.
struct Subject {
    server: TestServer,
    seen: Arc<Mutex<Seen>>,
}

/// What a connection may say on open, and is not counted by this server.
const GREETING: &str = "hello";

impl Subject {
    /// Every event is counted, and then this server's to answer.
    fn new(mut answer: impl FnMut(&mut Engine, Event) + Send + 'static) -> Subject {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let counted = seen.clone();
        let limits = Limits { messages_per_window: 0, control_frames_per_second: 0, ..Limits::default() };
        let tls = TlsConfig::from_pem(include_bytes!("certs/server.pem"), include_bytes!("certs/key.pem")).unwrap();
        let mut config = ServerConfig { tls: Some(tls), ..ServerConfig::default() };
        config.engine.limits = limits;
        let handler = move |engine: &mut Engine, event| {
            count(&mut counted.lock().unwrap(), &event);
            answer(engine, event);
        };
        Subject { server: TestServer::run(config, || Box::new(NoAuth), handler), seen }
    }

    fn echo() -> Subject {
        Subject::new(|engine, event| {
            if let Event::Message { id, message } = event {
                engine.send(id, message);
            }
        })
    }

    fn ws(&self) -> String {
        format!("ws://{}/ws", self.server.plain_addr())
    }

    fn wss(&self) -> String {
        format!("wss://localhost:{}/ws", self.server.tls_addr().port())
    }

    /// What it has seen, once all sessions that it opened have ended.
    fn seen(&self) -> Seen {
        server::eventually("all have left", || {
            let seen = self.seen.lock().unwrap();
            seen.ends.values().sum::<u64>() == seen.opened
        });
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn count(seen: &mut Seen, event: &Event) {
    match event {
        Event::Accepted { peer, .. } => *seen.peers.entry(peer.ip()).or_default() += 1,
        Event::Open { .. } => seen.opened += 1,
        Event::Message { message: Message::Text(text), .. } if text.as_str() == GREETING => seen.greetings += 1,
        Event::Message { .. } => seen.messages += 1,
        Event::Closed { identity: Some(_), reason, .. } => *seen.ends.entry(reason.to_string()).or_default() += 1,
        _ => {}
    }
}

/// All of its sessions were closed by their client, in good order.
fn assert_left(seen: &Seen) {
    let ends: Vec<_> = seen.ends.keys().map(String::as_str).collect();
    assert_eq!(ends, ["the peer closed with 1000 \"\""], "{seen:?}");
}

fn bench(mode: &str, url: &str, flags: &[&str]) -> Output {
    let mut all = vec!["bench", mode, url, "--json"];
    all.extend(url.starts_with("wss").then_some("--ca=tests/certs/ca.pem"));
    for (name, value) in [("--connections", "5"), ("--duration", "200ms"), ("--warm-up", "0s")] {
        // What a test says itself stands in place of these.
        if !flags.iter().any(|flag| flag.split('=').next() == Some(name)) {
            all.extend([name, value]);
        }
    }
    run(&[&all[..], flags].concat())
}

/// The report of one that went well.
fn report(mode: &str, url: &str, flags: &[&str]) -> Value {
    let output = bench(mode, url, flags);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["mode"], &value["errors"], &value["cut_short"]), (&mode.into(), &0.into(), &false.into()));
    value
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {value}"))
}

fn latencies(value: &Value) -> u64 {
    number(&value["latency_us"], "count")
}

// --- messages ---

#[test]
fn echo_counts_the_messages_that_were_answered_over_tls_and_without() {
    let subject = Subject::echo();
    for (url, depth) in [(subject.ws(), 1), (subject.ws(), 3), (subject.wss(), 2)] {
        let value = report("echo", &url, &["--depth", &depth.to_string()]);
        let seen = subject.seen();
        assert_left(&seen);
        let units = number(&value, "units");
        assert!(units > 0 && latencies(&value) == units, "{value}");
        // What was in flight at the end was answered, and is not counted.
        assert!((units..=units + 5 * depth).contains(&seen.messages), "{value}: {seen:?}");
        assert_eq!((seen.opened, number(&value, "opened"), number(&value, "outstanding")), (5, 5, 0), "{value}");
    }
}

#[test]
fn what_is_said_and_heard_on_open_is_not_counted() {
    let subject = Subject::new(|engine, event| match event {
        Event::Open { id } => drop(engine.send(id, Message::Text("welcome".into()))),
        Event::Message { id, message } => drop(engine.send(id, message)),
        _ => {}
    });
    let value = report("echo", &subject.ws(), &["--on-open", GREETING, "--on-open", GREETING]);
    let seen = subject.seen();
    assert_eq!(seen.greetings, 10);
    assert!((number(&value, "units")..=number(&value, "units") + 5).contains(&seen.messages), "{value}: {seen:?}");
}

#[test]
fn at_a_rate_everything_that_is_due_is_sent_and_counted() {
    let subject = Subject::echo();
    for url in [subject.ws(), subject.wss()] {
        let value = report("rate", &url, &["--rate", "500", "--message", r#"{"id":{number}}"#]);
        let seen = subject.seen();
        assert_left(&seen);
        let due = number(&value, "due");
        assert!(due > 0);
        assert_eq!(
            (number(&value, "sent"), number(&value, "outstanding"), latencies(&value)),
            (due, 0, due),
            "{value}"
        );
        assert_eq!(seen.messages, due, "{value}");
    }
}

/// It answers the first ten messages of all, and reads on.
#[test]
fn a_server_that_stops_answering_is_sent_all_that_is_due_and_what_it_owes_counts() {
    let mut left = 10;
    let subject = Subject::new(move |engine, event| {
        if let Event::Message { id, message } = event
            && left > 0
        {
            left -= 1;
            engine.send(id, message);
        }
    });
    let value = report("rate", &subject.ws(), &["--rate", "1000"]);
    let (seen, due) = (subject.seen(), number(&value, "due"));
    assert!(due > 10, "{value}");
    assert_eq!((number(&value, "sent"), seen.messages, number(&value, "outstanding")), (due, due, due - 10), "{value}");
    assert_eq!(latencies(&value), due, "what was not answered has taken at least so long");
    // What was not answered was waited for, a second at the most.
    assert!(value["latency_us"]["p90"].as_f64().unwrap() >= 900_000.0, "{value}");
}

#[test]
fn a_message_of_placeholders_is_another_each_time() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = told.clone();
    let subject = Subject::new(move |engine, event| {
        if let Event::Message { id, message } = event {
            heard.lock().unwrap().push(String::from_utf8(message.payload().to_vec()).unwrap());
            engine.send(id, message);
        }
    });
    report("rate", &subject.ws(), &["--rate", "100", "--message", "{number} {connection}"]);
    let mut told: Vec<(u64, u64)> = std::mem::take(&mut *told.lock().unwrap())
        .iter()
        .map(|text| text.split_once(' ').unwrap())
        .map(|(number, connection)| (number.parse().unwrap(), connection.parse().unwrap()))
        .collect();
    told.sort_unstable();
    // In turn, each connection every fifth.
    assert!(told.iter().copied().eq((0..told.len() as u64).map(|number| (number, number % 5))), "{told:?}");
}

#[test]
fn each_publish_comes_to_each_subscriber_and_is_counted_as_a_delivery() {
    let subject = Subject::new(|engine, event| {
        if let Event::Message { id, message: Message::Text(text) } = event {
            engine.publish_to_all(&PreparedMessage::text(text.as_str()), Some(id));
        }
    });
    for (url, depth) in [(subject.ws(), "1"), (subject.wss(), "4")] {
        let value = report("fan-out", &url, &["--depth", depth]);
        let seen = subject.seen();
        assert_left(&seen);
        assert_eq!((seen.opened, number(&value, "opened")), (6, 5), "one more publishes");
        let (units, published) = (number(&value, "units"), number(&value, "published"));
        assert_eq!((number(&value, "missing"), latencies(&value)), (0, units), "{value}");
        // What was published before the first turn of the measure is not counted.
        let behind = depth.parse::<u64>().unwrap();
        assert!((published..=published + behind).contains(&seen.messages), "{value}: {seen:?}");
        assert!(units > 0 && units <= 5 * seen.messages, "{value}: {seen:?}");
    }
}

/// It sends everybody words of its own upon each publish, and the publish itself with somebody's name, or not at all.
#[test]
fn messages_that_were_not_published_are_no_deliveries() {
    for (sends_on, own) in [(true, &["--depth=2"][..]), (false, &[]), (true, &["--message={number} is the number"])] {
        let subject = Subject::new(move |engine, event| {
            if let Event::Message { id, message: Message::Text(text) } = event {
                for others in ["ann is here", "a longer message than any that is published"] {
                    engine.publish_to_all(&PreparedMessage::text(others), None);
                }
                if sends_on {
                    engine.publish_to_all(&PreparedMessage::text(&format!("ann: {}", text.as_str())), Some(id));
                }
            }
        });
        let value = report("fan-out", &subject.ws(), own);
        let seen = subject.seen();
        let (units, missing) = (number(&value, "units"), number(&value, "missing"));
        assert_eq!((units > 0, missing), (sends_on, if sends_on { 0 } else { 5 }), "{value}");
        assert_eq!(latencies(&value), units, "{value}");
        let unasked = number(&value, "unasked");
        assert!(unasked >= 2 * units && (1..=10 * seen.messages).contains(&unasked), "{value}: {seen:?}");
    }
}

#[test]
fn the_daemon_itself_is_loaded_by_its_own_protocol() {
    let mut daemon = Daemon::start(&["--set", "limits.messages_per_window=0"]);
    let (ws, wss) = (daemon.plain_addr(), daemon.tls_addr().port());
    let pid = daemon.child.id().to_string();
    for (url, ca) in
        [(format!("ws://{ws}/ws"), None), (format!("wss://localhost:{wss}/ws"), Some("certs/dev-cert.pem"))]
    {
        let ca: Vec<String> = ca.map(|file| format!("--ca={file}")).into_iter().collect();
        for by in ["upgrade", "message"] {
            for (mode, own) in [
                ("echo", &["--message", r#"{"type":"ping","payload":{number}}"#][..]),
                ("fan-out", &["--channel", "news", "--depth", "2"]),
            ] {
                let mut flags =
                    vec!["bench", mode, &url, "--connections=5", "--duration=200ms", "--warm-up=0s", "--json"];
                flags.extend(["--quiet", "--basic", "user:pass", "--auth-by", by, "--pid", &pid]);
                flags.extend(ca.iter().map(String::as_str));
                flags.extend(own);
                let output = run(&flags);
                assert_eq!(output.status.code(), Some(0), "{output:?}");
                let value: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert!(number(&value, "units") > 0 && number(&value, "errors") == 0, "{value}");
                assert!(value["unasked"] == if mode == "fan-out" { 0.into() } else { Value::Null }, "{value}");
                assert!(!cfg!(target_os = "linux") || value["server"]["cpu_seconds"].is_number(), "{value}");
            }
        }
    }
}

#[test]
fn those_that_do_not_read_are_beside_those_that_are_measured() {
    let subject = Subject::echo();
    for url in [subject.ws(), subject.wss()] {
        let value = report("slow", &url, &["--stalled", "3", "--size", "4000"]);
        let seen = subject.seen();
        assert_eq!((seen.opened, number(&value, "opened")), (8, 5));
        assert_eq!((number(&value, "stalled_open"), number(&value, "stalled_cut")), (3, 0), "{value}");
        let units = number(&value, "units");
        assert!(units > 0 && latencies(&value) == units, "{value}");
        assert!(seen.messages > units, "the stalled ones have said something: {value}: {seen:?}");
    }
}

#[test]
fn a_server_that_cuts_those_who_do_not_read_does_no_wrong() {
    let subject = Subject::new(|engine, event| {
        if let Event::Message { id, .. } = event {
            engine.send(id, Message::Binary(vec![0; 1 << 20].into()));
        }
    });
    let value = report("slow", &subject.ws(), &["--stalled=3", "--connections=1", "--duration=1s"]);
    let seen = subject.seen();
    assert_eq!(seen.ends, [("the peer closed with 1000 \"\"".into(), 1), ("the send queue is full".into(), 3)].into());
    assert_eq!(number(&value, "stalled_open"), 3, "{value}");
}

// --- connections ---

#[test]
fn each_wave_opens_all_and_all_leave() {
    let subject = Subject::echo();
    for url in [subject.ws(), subject.wss()] {
        let value = report("idle", &url, &["--waves", "3", "--open-at-once", "2"]);
        let seen = subject.seen();
        assert_left(&seen);
        assert_eq!((seen.opened, seen.messages), (15, 0));
        assert_eq!((number(&value, "units"), latencies(&value)), (5, 15), "{value}");
        let held: Vec<u64> = value["waves"].as_array().unwrap().iter().map(|wave| number(wave, "held")).collect();
        assert_eq!(held, [5, 5, 5]);
    }
}

#[test]
fn connections_are_opened_and_closed_over_and_over_and_resumed_or_not() {
    let subject = Subject::echo();
    for (url, flags, resumes) in
        [(subject.ws(), &[][..], false), (subject.wss(), &[], true), (subject.wss(), &["--no-resumption"], false)]
    {
        let value = report("connect", &url, &[&["--duration=500ms"], flags].concat());
        let (seen, units) = (subject.seen(), number(&value, "units"));
        assert_left(&seen);
        // Those that were opened when it was over are not counted.
        assert!(units > 0 && (units..=units + 5).contains(&seen.opened), "{value}: {seen:?}");
        assert_eq!((latencies(&value), number(&value, "resumed") > 0), (units, resumes), "{value}");
        // The first of each place cannot be.
        assert!(!resumes || number(&value, "resumed") + 5 >= units, "{value}");
    }
}

#[test]
fn all_are_cut_without_a_close_and_come_back() {
    let subject = Subject::echo();
    let value = report("storm", &subject.wss(), &["--rounds=1", "--duration=30s", "--jitter=none"]);
    let seen = subject.seen();
    assert_eq!(seen.opened, 10);
    let without_close: u64 =
        seen.ends.iter().filter(|(end, _)| !end.starts_with("the peer closed")).map(|(_, count)| count).sum();
    assert_eq!(without_close, 5, "{seen:?}");
    let round = &value["rounds"][0];
    assert_eq!((number(round, "back"), number(round, "attempts"), number(round, "refused")), (5, 5, 0), "{value}");
    assert_eq!((number(round, "fullest_tenth_second"), number(&value, "units")), (5, 5), "{value}");
    // The first wait is a second, and nobody comes before.
    assert!(round["half_in_seconds"].as_f64().unwrap() >= 1.0, "{value}");
    assert!(round["back_in_seconds"].as_f64().unwrap() >= round["half_in_seconds"].as_f64().unwrap(), "{value}");
}

/// All of 127.0.0.0/8 is an address of this machine on Linux.
#[test]
#[cfg(target_os = "linux")]
fn connections_take_their_sources_in_turn() {
    let subject = Subject::echo();
    let sources = ["--source", "127.0.0.2", "--source", "127.0.0.3"];
    report("idle", &subject.ws(), &[&sources[..], &["--connections", "6"]].concat());
    let peers: Vec<_> = subject.seen().peers.into_iter().collect();
    assert_eq!(peers, [([127, 0, 0, 2].into(), 3), ([127, 0, 0, 3].into(), 3)]);
}
