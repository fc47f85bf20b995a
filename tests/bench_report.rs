//! What `barewire bench` tells, run against the daemon: its report in both forms, what is refused before anything is opened,
//! and why nothing can be measured.
//!
//! Not here: the flags' grammar (`src/daemon/cli/tools/tests/bench.rs`), each figure of a report
//! (`src/daemon/tools/bench/report/`).

#![cfg(feature = "tools")]
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

use std::process::{Command, Output};

use program::{Daemon, barewire, refusal, run};
use serde_json::Value;

const PING: &str = r#"{"type":"ping","payload":{number}}"#;

/// One that takes any number of messages.
fn unpaced() -> Daemon {
    Daemon::start(&["--set", "limits.messages_per_window=0"])
}

fn bench(mode: &str, url: &str, flags: &[&str]) -> Output {
    let short = ["--connections=4", "--duration=200ms", "--warm-up=50ms", "--message", PING];
    run(&[&["bench", mode, url, "--basic=user:pass"], &short[..], flags].concat())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_report_is_a_json_object_on_one_line_and_nothing_else() {
    let mut daemon = unpaced();
    let url = format!("ws://{}/ws?hush", daemon.plain_addr());
    let output = bench("echo", &url, &["--json", "--depth=2", "--seed=7"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let line = text(&output.stdout);
    assert!(line.ends_with('\n') && line.lines().count() == 1 && !line.contains("hush"), "{line}");
    let report: Value = serde_json::from_str(line).unwrap();
    for (name, value) in
        [("connections", 4), ("opened", 4), ("depth", 2), ("errors", 0), ("outstanding", 0), ("seed", 7)]
    {
        assert_eq!(report[name], value, "{name} in {line}");
    }
    assert_eq!((report["mode"].as_str(), report["unit"].as_str()), (Some("echo"), Some("message")));
    let (units, latency) = (report["units"].as_u64().unwrap(), &report["latency_us"]);
    assert!(units > 0 && latency["count"] == units, "{line}");
    let of = |name: &str| latency[name].as_f64().unwrap();
    assert!(of("p50") > 0.0 && of("p50") <= of("p99") && of("p99") <= of("max"), "{line}");
    assert!(report["seconds"].as_f64().unwrap() >= 0.2, "{line}");
    assert!(report.get("server").is_none());
}

#[test]
fn a_report_for_people_is_on_standard_output_and_what_they_must_know_beside_it() {
    let mut daemon = unpaced();
    let url = format!("wss://localhost:{}/ws", daemon.tls_addr().port());
    let output = bench("echo", &url, &[]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(err.contains("development certificate") && err.lines().count() == 1, "{err}");
    assert!(out.starts_with(&format!("echo {url}\n4 connections, 1 in flight on each")), "{out}");
    for part in ["\nmessages ", "\nlatency  mean ", " p99.9 ", "\nfrom ", "█"] {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "no terminal is driven where there is none");
    let quiet = bench("echo", &url, &["-q"]);
    assert_eq!((quiet.status.code(), text(&quiet.stderr)), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_report_that_cannot_be_written_is_told_and_is_exit_code_1() {
    let mut daemon = unpaced();
    let url = format!("ws://{}/ws", daemon.plain_addr());
    for form in [&[][..], &["--json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let flags = ["bench", "idle", &url, "--basic=user:pass", "--connections=1", "--duration=100ms", "-q"];
        let output = barewire(&[&flags[..], form].concat()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let err = text(&output.stderr);
        assert!(err.starts_with("barewire: standard output: ") && err.lines().count() == 1, "{err}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_server_has_spent_and_holds_is_told_where_its_process_is_named() {
    let mut daemon = unpaced();
    let (url, pid) = (format!("ws://{}/ws", daemon.plain_addr()), daemon.child.id().to_string());
    let output = bench("echo", &url, &["--json", "--pid", &pid]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let server = &report["server"];
    assert_eq!(server["pids"], serde_json::json!([daemon.child.id()]));
    for name in ["cpu_us_per_unit", "cpu_seconds", "resident_bytes_start", "resident_bytes_end"] {
        assert!(server[name].as_f64().unwrap() > 0.0, "{name} in {report}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_is_not_there_is_refused_before_anything_is_opened() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let pid = gone.id().to_string();
    // Nobody is there either, and that is not found out.
    let told = refusal(&["bench", "echo", "ws://127.0.0.1:1/", "--pid", &pid]);
    assert_eq!(told.0, 2);
    assert!(told.1.starts_with(&format!("barewire: --pid = {pid}: no such process")), "{}", told.1);
}

#[test]
fn where_nobody_gets_in_one_line_says_why() {
    let mut daemon = unpaced();
    let url = format!("ws://{}/ws?hush", daemon.plain_addr());
    for (flags, why) in [
        (&["--basic=user:hush"][..], "refused with 403"),
        (&["--basic=user:pass", "--origin=http://x"], "refused with 403"),
    ] {
        let (code, line) = refusal(&[&["bench", "echo", &url], flags].concat());
        assert_eq!(code, 1);
        assert!(line.contains(why) && !line.contains("hush"), "{line}");
    }
}
