//! What is told of what was found.
//!
//! Not here: how single figures are written (`daemon/tools/bench/figures.rs`).

use barewire::client::AuthenticateBy;
use serde_json::{Value, json};

use super::*;
use crate::daemon::tools::bench::asked::{self, Asked, Content};
use crate::daemon::tools::bench::mode::Jitter;
use crate::daemon::tools::reach::{Reach, Who};

fn plan_of(mode: Mode) -> Plan {
    plan_at("ws://localhost:8080/ws?hush", mode)
}

fn plan_at(url: &str, mode: Mode) -> Plan {
    let reach = Reach {
        url: url.into(),
        who: Who::Environment,
        authenticate_by: AuthenticateBy::Upgrade,
        allow_plain: false,
        ca: None,
        insecure: false,
        protocols: Vec::new(),
        headers: Vec::new(),
        origin: None,
    };
    let asked = Asked {
        reach,
        mode,
        connections: 1000,
        duration: Duration::from_secs(10),
        warm_up: Duration::from_secs(1),
        content: Content::Size(20),
        is_binary: false,
        on_open: Vec::new(),
        deflate: false,
        sources: Vec::new(),
        pids: Vec::new(),
        json: false,
        quiet: false,
        seed: Some(7),
        open_at_once: 64,
    };
    let Ok(plan) = asked::plan(&asked, |_| None) else { panic!("refused") };
    plan
}

/// Nothing is wrong with it.
fn report(unit: Unit, findings: Findings) -> Report {
    let mut latency = Histogram::new();
    (0..900).for_each(|_| latency.record(Duration::from_micros(150)));
    (0..90).for_each(|_| latency.record(Duration::from_micros(300)));
    (0..10).for_each(|_| latency.record(Duration::from_millis(4)));
    Report {
        measured: Duration::from_secs(10),
        unit,
        units: 100_000,
        connections: 1000,
        errors: Errors::default(),
        latency,
        findings,
        server: Some(ServerFigures {
            pids: vec![17],
            cpu: Duration::from_millis(1500),
            user: Some(Duration::from_millis(450)),
            resident_start: 4 << 20,
            resident_end: 5 << 20,
            bytes_per_connection: Some(1048.576),
        }),
        own_cpu: Some(Duration::from_secs(2)),
        is_cut_short: false,
    }
}

const ECHO: Mode = Mode::Echo { depth: 16 };

fn echo() -> Report {
    report(Unit::Message, Findings::Echo { outstanding: 0 })
}

#[test]
fn a_table_has_every_figure_with_its_unit() {
    let expected = "\
echo ws://localhost:8080/ws?…
1 000 connections, 16 in flight on each, messages of 20 bytes

messages           100 000   10 000/s, 195 KiB/s
measured            10.0 s
errors                   3   cut off (2), closed with 1013 (1)
unanswered               0

latency  mean       202 us
         p50        150 us
         p90        150 us
         p99        300 us
         p99.9     4.00 ms
         max       4.00 ms

from    100 us  ████████████████████████████████████████  90.0 %
from    200 us  ████                                      9.0 %
from    500 us
from   1.00 ms
from   2.00 ms  ▍                                         1.0 %

server CPU          1.50 s   15.0 us a message, 15.0 % of a core
  user space        450 ms   4.50 us a message
server memory     5.00 MiB   1.02 KiB a connection, 4.00 MiB before
load CPU            2.00 s   20.0 % of a core";
    let mut report = echo();
    ["cut off", "closed with 1013", "cut off"].into_iter().for_each(|kind| report.errors.note(kind));
    assert_eq!(report.table(&plan_of(ECHO)), expected);
}

#[test]
fn each_mode_has_rows_of_its_own() {
    let wave = Wave {
        held: 1000,
        opened_in: Duration::from_millis(800),
        resident_full: Some(9 << 20),
        resident_after: Some(5 << 20),
    };
    let round = Round {
        cut: 1000,
        back: 1000,
        lasted: Duration::from_millis(2500),
        back_in: Some(Duration::from_millis(2500)),
        attempts: 1012,
        half_in: Some(Duration::from_millis(1200)),
        refused: 12,
        fullest: 400,
    };
    let fan_out = Mode::FanOut { depth: 4, channel: Some("news".into()) };
    let late = Duration::from_micros(20);
    for (mode, findings, rows) in [
        (
            Mode::Rate { per_second: 10_000 },
            Findings::Rate { due: 100_000, sent: 100_000, outstanding: 0, late },
            &["10 000 messages/s due in all", "of 100 000 due; p99.9 20.0 us late"][..],
        ),
        (
            fan_out,
            Findings::FanOut { published: 100, missing: 0, unasked: 0 },
            &[
                "one more publishes to \"news\", 4 in flight",
                "published              100",
                "not come                 0",
                "unasked                  0",
            ],
        ),
        (
            Mode::Idle { waves: 2 },
            Findings::Idle { waves: vec![wave, Wave { resident_full: None, ..wave }] },
            &[
                "held for 10.0 s, waves: 2",
                "connections        100 000\n",
                "wave 1               1 000   held, opened in 800 ms; server memory 9.00 MiB, after they left 5.00 MiB\n",
                "wave 2               1 000   held, opened in 800 ms\n",
                "server CPU          1.50 s   15.0 % of a core\n",
            ],
        ),
        (Mode::Connect { resumes: false }, Findings::Connect { resumed: 0 }, &["opened and closed over and over\n"]),
        (
            Mode::Slow { stalled: 10 },
            Findings::Slow { stalled: 10, cut: 9, outstanding: 0 },
            &["and 10 that do not read", "stalled                 10   9 of them cut by the server"],
        ),
        (
            Mode::Storm { jitter: Jitter::Full, rounds: 1 },
            Findings::Storm { rounds: vec![round] },
            &[
                "rounds: 1, jitter: full",
                "1 000   back, half of them after 1.20 s, the last after 2.50 s, by 1 012 attempts, 12 of them refused, 400 in the fullest 100 ms",
            ],
        ),
    ] {
        let table = report(Unit::Connection, findings).table(&plan_of(mode));
        for row in rows {
            assert!(table.contains(row), "{row}\n{table}");
        }
        assert!(!table.contains("warning"), "{table}");
        assert!(!table.contains("hush"), "{table}");
    }
}

#[test]
fn whether_tls_was_resumed_is_told_where_there_is_tls() {
    for (resumes, told) in [(true, ", TLS resumed\n"), (false, ", TLS not resumed\n")] {
        let plan = plan_at("wss://localhost/ws", Mode::Connect { resumes });
        let table = report(Unit::Connection, Findings::Connect { resumed: 7 }).table(&plan);
        assert!(table.contains(told) && table.contains("\nTLS resumed              7\n"), "{table}");
    }
    let table =
        report(Unit::Connection, Findings::Connect { resumed: 0 }).table(&plan_of(Mode::Connect { resumes: true }));
    assert!(!table.contains("TLS"), "{table}");
}

#[test]
fn json_has_the_names_that_the_readme_tells() {
    let line = echo().json(&plan_of(ECHO));
    let expected = json!({
        "mode": "echo", "url": "ws://localhost:8080/ws?…", "connections": 1000, "opened": 1000, "depth": 16,
        "message_bytes": 20, "warm_up_seconds": 1.0, "seconds": 10.0,
        "unit": "message", "units": 100_000, "units_per_second": 10_000.0, "errors": 0, "errors_by_kind": {},
        "latency_us": {"count": 1000, "mean": 202.0, "p50": 150.015, "p90": 150.015, "p99": 300.031, "p99_9": 4000.0, "max": 4000.0},
        "server": {
            "pids": [17], "cpu_us_per_unit": 15.0, "user_us_per_unit": 4.5, "cpu_seconds": 1.5, "user_seconds": 0.45,
            "resident_bytes_start": 4 << 20, "resident_bytes_end": 5 << 20, "resident_bytes_per_connection": 1048.576,
        },
        "load_cpu_seconds": 2.0, "outstanding": 0, "cut_short": false, "warnings": [], "seed": 7,
        "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
    assert!(line.starts_with("{\"mode\":\"echo\",\"url\":"), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn json_leaves_out_what_there_is_not() {
    let idle = report(Unit::Connection, Findings::Idle { waves: Vec::new() });
    let without = Report { server: None, own_cpu: None, units: 0, ..idle.clone() };
    let value: Value = serde_json::from_str(&without.json(&plan_of(Mode::Idle { waves: 1 }))).unwrap();
    for name in ["server", "load_cpu_seconds", "message_bytes", "depth", "warm_up_seconds", "units_per_second"] {
        assert!(value.get(name).is_none(), "{name}");
    }
    let nothing =
        Report { units: 0, measured: Duration::ZERO, ..report(Unit::Connection, Findings::Connect { resumed: 0 }) };
    let value: Value = serde_json::from_str(&nothing.json(&plan_of(Mode::Connect { resumes: true }))).unwrap();
    assert_eq!((&value["units_per_second"], &value["server"]["cpu_us_per_unit"]), (&json!(0.0), &Value::Null));
}

#[test]
fn every_field_of_json_is_in_the_readme() {
    let told = include_str!("../../../../../README.md").split_once("### barewire bench").unwrap().1;
    let told = told.split_once("\n## ").unwrap().0;
    let wave = Wave { held: 1, opened_in: Duration::ZERO, resident_full: Some(0), resident_after: Some(0) };
    let round = Round {
        cut: 1,
        back: 1,
        lasted: Duration::ZERO,
        back_in: Some(Duration::ZERO),
        attempts: 1,
        half_in: Some(Duration::ZERO),
        refused: 0,
        fullest: 1,
    };
    let late = Duration::ZERO;
    for (mode, findings) in [
        (ECHO, Findings::Echo { outstanding: 0 }),
        (Mode::Rate { per_second: 1 }, Findings::Rate { due: 0, sent: 0, outstanding: 0, late }),
        (
            Mode::FanOut { depth: 1, channel: Some("a".into()) },
            Findings::FanOut { published: 0, missing: 0, unasked: 0 },
        ),
        (Mode::Idle { waves: 1 }, Findings::Idle { waves: vec![wave] }),
        (Mode::Connect { resumes: true }, Findings::Connect { resumed: 0 }),
        (Mode::Slow { stalled: 1 }, Findings::Slow { stalled: 0, cut: 0, outstanding: 0 }),
        (Mode::Storm { jitter: Jitter::None, rounds: 1 }, Findings::Storm { rounds: vec![round] }),
    ] {
        let value = serde_json::from_str(&report(Unit::Message, findings).json(&plan_of(mode))).unwrap();
        for name in names(&value) {
            assert!(told.contains(&format!("`{name}`")), "`{name}` is not in the README");
        }
    }
}

/// Of all objects in it.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], names(value)].concat()).collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn nothing_is_warned_of_where_all_is_well() {
    assert_eq!(echo().warnings(&plan_of(ECHO)), Vec::<String>::new());
}

#[test]
fn what_makes_a_figure_untrue_is_warned_of_and_not_before() {
    let secs = Duration::from_secs;
    let nano = Duration::from_nanos(1);
    let few = |count: u64| {
        let mut latency = Histogram::new();
        (0..count).for_each(|_| latency.record(nano));
        latency
    };
    let spent = |cpu| echo().server.map(|server| ServerFigures { cpu, ..server });
    let well = [
        Report { own_cpu: Some(secs(9) - nano), ..echo() },
        Report { latency: few(1000), ..echo() },
        Report { latency: few(0), ..echo() },
        Report { server: spent(CPU_LITTLE), ..echo() },
    ];
    for report in well {
        assert_eq!(report.warnings(&plan_of(ECHO)), Vec::<String>::new());
    }
    for (report, warning) in [
        (Report { own_cpu: Some(secs(9)), ..echo() }, "busy for 90 % of a core"),
        (Report { latency: few(999), ..echo() }, "of fewer than 1 000 latencies p99.9 is the longest"),
        (Report { server: spent(CPU_LITTLE - nano), ..echo() }, "user space is coarse"),
        (Report { connections: 999, ..echo() }, "missing in this: 1 of 1 000"),
        (Report { is_cut_short: true, ..echo() }, "before its time"),
        (Report { findings: Findings::Echo { outstanding: 2 }, ..echo() }, "not answered in the end: 2"),
        (
            Report { findings: Findings::Slow { stalled: 9, cut: 0, outstanding: 3 }, ..echo() },
            "not answered in the end: 3",
        ),
        (Report { findings: Findings::FanOut { published: 9, missing: 1, unasked: 0 }, ..echo() }, "not come: 1"),
        (
            Report { findings: Findings::FanOut { published: 9, missing: 0, unasked: 2 }, ..echo() },
            "messages that came and were none of those published: 2",
        ),
    ] {
        let warnings = report.warnings(&plan_of(ECHO));
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{warning}: {warnings:?}");
        assert!(report.table(&plan_of(ECHO)).ends_with(&format!("\n\nwarning: {}", warnings[0])));
    }
}

#[test]
fn a_rate_that_is_not_reached_is_told() {
    let warnings = |units, sent, late| {
        let findings = Findings::Rate { due: 100_000, sent, outstanding: 0, late };
        let plan = plan_of(Mode::Rate { per_second: 10_000 });
        let own_cpu = Some(Duration::from_secs(10));
        Report { units, own_cpu, ..report(Unit::Message, findings) }.warnings(&plan)
    };
    let in_time = LATE - Duration::from_nanos(1);
    assert_eq!(warnings(99_000, 100_000, in_time), Vec::<String>::new());
    let reached = warnings(98_999, 100_000, in_time);
    assert!(reached.len() == 1 && reached[0].starts_with("9 900/s were answered of the 10 000/s"), "{reached:?}");
    assert_eq!(warnings(100_000, 99_999, in_time), ["messages that were due and not sent: 1"]);
    let late = warnings(100_000, 100_000, LATE);
    assert_eq!(late, ["one in 1 000 messages was sent 1.00 ms after it was due, or later"]);
}

#[test]
fn who_is_missing_of_a_wave_or_a_round_is_told() {
    let wave = Wave { held: 999, opened_in: Duration::ZERO, resident_full: None, resident_after: None };
    let idle = report(Unit::Connection, Findings::Idle { waves: vec![wave, wave] });
    let idle =
        Report { server: idle.server.clone().map(|server| ServerFigures { cpu: Duration::ZERO, ..server }), ..idle };
    assert_eq!(
        idle.warnings(&plan_of(Mode::Idle { waves: 2 })),
        ["connections that were not open at the end of their wave: 2"]
    );
    let round = Round {
        cut: 1000,
        back: 900,
        lasted: Duration::from_secs(10),
        back_in: None,
        attempts: 900,
        half_in: None,
        refused: 0,
        fullest: 9,
    };
    let storm = report(Unit::Connection, Findings::Storm { rounds: vec![round] });
    let plan = plan_of(Mode::Storm { jitter: Jitter::None, rounds: 1 });
    assert_eq!(storm.warnings(&plan), ["connections that did not come back within their round: 100"]);
    for (half_in, row) in [
        (
            None,
            "round 1                900   back of 1 000, not all in 10.0 s, by 900 attempts, 9 in the fullest 100 ms\n",
        ),
        (
            Some(Duration::from_secs(2)),
            "round 1                900   back of 1 000, half of them after 2.00 s, not all in 10.0 s, by 900 attempts, 9 in the",
        ),
    ] {
        let storm = report(Unit::Connection, Findings::Storm { rounds: vec![Round { half_in, ..round }] });
        let table = storm.table(&plan);
        assert!(table.contains(row), "{row}\n{table}");
        let value: Value = serde_json::from_str(&storm.json(&plan)).unwrap();
        assert_eq!((&value["rounds"][0]["seconds"], value["rounds"][0].get("back_in_seconds")), (&json!(10.0), None));
    }
}

#[test]
fn kinds_of_errors_are_bounded_and_all_are_counted() {
    let mut errors = Errors::default();
    (0..30).for_each(|n| errors.note(&format!("kind {n:02}")));
    (0..5).for_each(|_| errors.note("kind 07"));
    assert_eq!(errors.count(), 35);
    let kinds = errors.by_kind();
    assert_eq!(kinds.len(), KINDS_MAX + 1);
    assert_eq!(kinds[..2], [(OTHER, 10), ("kind 07", 6)]);
}
