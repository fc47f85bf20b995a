//! Whatever goes wrong: errors that are counted, one line that says so, and the exit code 1; never a hang.
//!
//! Not here: what is refused before anything is opened (`bench_report.rs` beside this folder).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output};

use barewire::{Event, Message};
use serde_json::Value;

use crate::program::{BARE, Daemon, barewire};
use crate::server::{eventually, read_past};
use crate::{Subject, bench, common, number};

/// The one line of a failure.
fn line(output: &Output) -> &str {
    let text = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{output:?}");
    text.trim_end()
}

/// The report of one that was measured with errors.
fn report(output: &Output) -> Value {
    let line = line(output);
    assert!(line.starts_with("barewire: measured with errors: "), "{line}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(number(&value, "errors") > 0, "{value}");
    value
}

#[test]
fn where_nobody_gets_in_a_line_says_why_and_there_is_no_report() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let nobody = socket.local_addr().unwrap().as_socket().unwrap();
    let mut daemon = Daemon::start(&["--set", "auth.methods=basic"]);
    let (plain, secure) = (daemon.plain_addr(), daemon.tls_addr());
    for (url, flags, why) in [
        (format!("ws://{nobody}/ws"), &[][..], format!("connection refused by {nobody}")),
        (format!("ws://{plain}/ws"), &[], "refused with 401".into()),
        (format!("ws://{plain}/other"), &["--basic", "user:pass"], "refused with 404".into()),
        (format!("wss://{secure}/ws"), &["--basic", "user:pass"], "signed by nobody that is trusted here".into()),
    ] {
        for (mode, own) in
            [("echo", &[][..]), ("connect", &[]), ("idle", &[]), ("storm", &["--rounds=1", "--duration=2s"])]
        {
            let output = bench(mode, &url, &[flags, own].concat());
            let line = line(&output);
            assert!(line.starts_with(&format!("barewire: no connection to {url} can be opened: ")), "{line}");
            assert!(line.contains(&why), "{line}");
            assert!(output.stdout.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn a_server_that_closes_everybody_in_the_middle_ends_it_and_is_counted() {
    for (mode, own) in [("echo", &[][..]), ("rate", &["--rate=1000"]), ("slow", &["--stalled=2"])] {
        let subject = Subject::new(|engine, event| {
            if let Event::Message { id, .. } = event {
                engine.close(id, 1011, "no more");
            }
        });
        let output = bench(mode, &subject.ws(), &[own, &["--duration=1h"]].concat());
        let value = report(&output);
        assert_eq!(number(&value, "errors"), 5, "{mode}: {value}");
        assert_eq!(number(&value["errors_by_kind"], r#"closed by the server with 1011 "no more""#), 5, "{value}");
    }
}

#[test]
fn a_publisher_that_is_closed_ends_a_fan_out_and_a_subscriber_that_is_does_not() {
    let subject = Subject::new(|engine, event| {
        if let Event::Message { id, .. } = event {
            engine.close(id, 1008, "");
        }
    });
    let value = report(&bench("fan-out", &subject.ws(), &["--duration=1h"]));
    assert_eq!((number(&value, "errors"), number(&value, "units")), (1, 0), "{value}");

    let (mut first, mut publishes) = (None, 0);
    let subject = Subject::new(move |engine, event| match event {
        Event::Open { id } => first = first.or(Some(id)),
        Event::Message { id, message: Message::Text(text) } => {
            publishes += 1;
            if let Some(first) = first.take_if(|_| publishes == 3) {
                engine.close(first, 1008, "");
            }
            engine.publish_to_all(&barewire::PreparedMessage::text(text.as_str()), Some(id));
        }
        _ => {}
    });
    let value = report(&bench("fan-out", &subject.ws(), &[]));
    assert_eq!(number(&value, "errors"), 1, "{value}");
    assert!(number(&value, "published") > 3 && number(&value, "missing") <= 1, "{value}");
}

#[test]
fn more_messages_than_were_asked_for_are_errors() {
    let subject = Subject::new(|engine, event| {
        if let Event::Message { id, message } = event {
            engine.send(id, message.clone());
            engine.send(id, message);
        }
    });
    let value = report(&bench("rate", &subject.ws(), &["--rate=50"]));
    assert!(number(&value["errors_by_kind"], "a message that nobody asked for") > 0, "{value}");
}

#[test]
fn a_server_that_is_killed_in_the_middle_ends_it_and_is_counted() {
    let mut daemon = Daemon::start(&["--set", "limits.messages_per_window=0", "--log-level", "info"]);
    let (url, pid) = (format!("ws://{}/ws", daemon.plain_addr()), daemon.child.id().to_string());
    let mut command = barewire(&["bench", "echo", &url, "--basic=user:pass", "--connections=5", "--duration=1h"]);
    command.args(["--warm-up=0s", "--json", "--message", r#"{"type":"ping"}"#, "--pid", &pid]);
    let load = command.spawn().unwrap();
    daemon.wait_for("(5 total)");
    daemon.signal("KILL");
    let output = load.wait_with_output().unwrap();
    // It may have been gone before anything was measured, or been missed by its number before its connections ended.
    line(&output);
    if !output.stdout.is_empty() {
        assert!((5..=6).contains(&number(&report(&output), "errors")), "{output:?}");
    }
}

/// Where the first two are let in to that subject, and whoever comes later is closed at once.
fn door_for_two(subject: &Subject) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let inside = subject.server.plain_addr();
    std::thread::spawn(move || {
        for (number, outer) in listener.incoming().enumerate() {
            let mut outer = outer.unwrap();
            if number < 2 {
                let mut inner = TcpStream::connect(inside).unwrap();
                let (mut from, mut back) = (inner.try_clone().unwrap(), outer.try_clone().unwrap());
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut back));
                    back.shutdown(Shutdown::Both)
                });
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut outer, &mut inner));
                    inner.shutdown(Shutdown::Both)
                });
            }
        }
    });
    url
}

#[test]
fn a_round_in_which_not_all_come_back_says_how_many_and_how_long_it_was() {
    let subject = Subject::echo();
    let flags = ["--connections=2", "--rounds=1", "--duration=1500ms", "--jitter=none"];
    let value = report(&bench("storm", &door_for_two(&subject), &flags));
    let round = &value["rounds"][0];
    assert_eq!((number(round, "cut"), number(round, "back"), number(&value, "units")), (2, 0, 0), "{value}");
    assert!(round.get("back_in_seconds").is_none() && round["seconds"].as_f64().unwrap() >= 1.5, "{value}");
    assert_eq!((number(round, "attempts"), number(round, "refused")), (2, 2), "{value}");
}

#[test]
fn a_wave_in_which_nobody_gets_in_takes_nothing_of_those_before_it() {
    let subject = Subject::echo();
    let value = report(&bench("idle", &door_for_two(&subject), &["--connections=2", "--waves=3"]));
    let held: Vec<u64> = value["waves"].as_array().unwrap().iter().map(|wave| number(wave, "held")).collect();
    assert_eq!((held, number(&value, "units"), number(&value, "errors")), (vec![2, 0], 2, 2), "{value}");
    assert!(value["seconds"].as_f64().unwrap() >= 0.2, "as long as the first was held: {value}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_named_process_that_ends_takes_only_its_own_figures_along() {
    for (mode, found) in [("echo", "outstanding"), ("idle", "waves"), ("connect", "resumed")] {
        let subject = Subject::echo();
        let mut named = Command::new("sleep").arg("3600").spawn().unwrap();
        let pid = named.id().to_string();
        let mut command = barewire(&["bench", mode, &subject.ws(), "--connections=2", "--duration=1h", "--warm-up=0s"]);
        let load = command.args(["--json", "--pid", &pid]).spawn().unwrap();
        eventually("it is under way", || subject.seen.lock().unwrap().opened >= 2);
        named.kill().unwrap();
        named.wait().unwrap();
        assert!(Command::new("kill").args(["-s", "INT", &load.id().to_string()]).status().unwrap().success());
        let output = load.wait_with_output().unwrap();
        let ended = format!("the process {pid} of the server has ended");
        assert_eq!(line(&output), format!("barewire: measured with errors: {ended}"), "{mode}");
        let value = report(&output);
        assert_eq!((number(&value, "errors"), value.get("server")), (1, None), "{value}");
        assert!(value.get(found).is_some() && value["load_cpu_seconds"].is_number(), "{value}");
    }
}

#[test]
fn a_signal_ends_it_early_and_it_reports_all_the_same() {
    for mode in ["echo", "rate", "fan-out", "idle", "connect", "slow"] {
        let subject = Subject::new(|engine, event| {
            if let Event::Message { id, message: Message::Text(text) } = event {
                engine.send(id, Message::Text(text.clone()));
                engine.publish_to_all(&barewire::PreparedMessage::text(text.as_str()), Some(id));
            }
        });
        let mut command = barewire(&["bench", mode, &subject.ws(), "--connections=1", "--duration=1h", "--warm-up=0s"]);
        let load = command.arg("--json").spawn().unwrap();
        eventually("it is under way", || subject.seen.lock().unwrap().opened > 0);
        let sent = Command::new("kill").args(["-s", "INT", &load.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = load.wait_with_output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["cut_short"], true, "{mode}: {output:?}");
        subject.seen();
    }
}

#[test]
fn a_signal_before_anything_is_measured_is_no_good_order() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    for mode in ["echo", "connect", "storm"] {
        let load = barewire(&["bench", mode, &url, "--connections=1", "--duration=1h", "--json"]).spawn().unwrap();
        let mut peer = listener.accept().unwrap().0;
        read_past(&mut peer, b"\r\n\r\n");
        assert!(Command::new("kill").args(["-s", "INT", &load.id().to_string()]).status().unwrap().success());
        let output = load.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, "barewire: nothing was measured: a signal has ended it before\n", "{mode}");
        assert_eq!(output.status.code(), Some(1), "{mode}");
    }
}

/// It lets the first one in, and answers nobody else.
#[test]
fn a_server_that_answers_no_more_is_an_error_of_those_who_wait() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let request = String::from_utf8(read_past(&mut first, b"\r\n\r\n")).unwrap();
        first.write_all(common::switch(&request).as_bytes()).unwrap();
        drop(first);
        let _others: Vec<_> = listener.incoming().collect();
    });
    let output = bench("connect", &url, &["--connections=1", "--duration=2s"]);
    assert_eq!(line(&output), "barewire: measured with errors: not answered in the end");
    assert_eq!(number(&report(&output), "units"), 1, "{output:?}");
}

/// It takes the upgrade, and says no word after that.
#[test]
fn a_server_that_answers_no_ping_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let mute = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let request = String::from_utf8(read_past(&mut peer, b"\r\n\r\n")).unwrap();
        peer.write_all(common::switch(&request).as_bytes()).unwrap();
        // To its end: the client gives up, and closes.
        drop(peer.read_to_end(&mut Vec::new()));
    });
    let output = bench("echo", &url, &["--connections=1"]);
    let why = format!("barewire: no connection to {url} can be opened: no answer to a ping in time");
    assert_eq!(line(&output), why);
    mute.join().unwrap();
}

#[test]
fn more_connections_than_files_are_told_before_anything_is_opened() {
    let script = format!("ulimit -n 100 && exec {BARE} bench idle ws://127.0.0.1:1/ws --connections 69");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let line = "barewire: 69 connections need as many open files; allowed: up to 68, or more by `ulimit -n` (now 100)";
    assert_eq!(text.trim_end(), line);
}
