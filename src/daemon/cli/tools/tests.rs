//! What can be typed behind `connect`, and the README's tables of what can be typed.
//!
//! Not here: what can be typed behind `bench` (`tests/bench.rs`).

mod bench;

use std::time::Duration;

use barewire::client::AuthenticateBy;
use clap::CommandFactory;
use log::LevelFilter;

use super::*;
use crate::daemon::cli::CommandLine;
use crate::daemon::cli::tests::{answer, misuse, typed};
use crate::daemon::tools::connect::Connect;
use crate::daemon::tools::reach::{Reach, Who};

/// How a server is reached without flags.
fn plain_reach() -> Reach {
    Reach {
        url: "wss://example.org/ws".into(),
        who: Who::Environment,
        authenticate_by: AuthenticateBy::Upgrade,
        allow_plain: false,
        ca: None,
        insecure: false,
        protocols: Vec::new(),
        headers: Vec::new(),
        origin: None,
    }
}

/// What `connect` does without flags.
fn plain_connect() -> Connect {
    Connect {
        reach: plain_reach(),
        subscribe: Vec::new(),
        publish: None,
        json: false,
        no_input: false,
        wait: Duration::ZERO,
        quiet: false,
        message_bytes: 1 << 20,
        log_level: LevelFilter::Warn,
        max_attempts: None,
        heartbeat: Duration::from_secs(30),
    }
}

fn connect(flags: &[&str]) -> Connect {
    match typed(&[&["connect", "wss://example.org/ws"], flags].concat()) {
        Ok(Invocation { command: Command::Tool(Tool::Connect(asked)), .. }) => *asked,
        other => panic!("{flags:?}: {other:?}"),
    }
}

#[test]
fn connect_takes_a_url_and_flags_of_its_own() {
    assert_eq!(connect(&[]), plain_connect());
    let flags = [
        "--basic=user:-pass",
        "--auth-by=message",
        "--allow-plain",
        "--subscribe=a",
        "--subscribe=b",
        "--publish=c",
        "--json",
        "--no-input",
        "--wait=3s",
        "-q",
        "--message-bytes=64KiB",
        "--log-level=trace",
        "--max-attempts=3",
        "--heartbeat=10s",
        "--ca=ca.pem",
        "--protocol=x",
        "--protocol=y",
        "--header=A: 1",
        "--header=B: 2",
        "--origin=https://example.org",
    ];
    let reach = Reach {
        who: Who::Basic("user:-pass".into()),
        authenticate_by: AuthenticateBy::Message,
        allow_plain: true,
        ca: Some("ca.pem".into()),
        protocols: vec!["x".into(), "y".into()],
        headers: vec!["A: 1".into(), "B: 2".into()],
        origin: Some("https://example.org".into()),
        ..plain_reach()
    };
    let everything = Connect {
        reach,
        subscribe: vec!["a".into(), "b".into()],
        publish: Some("c".into()),
        json: true,
        no_input: true,
        wait: Duration::from_secs(3),
        quiet: true,
        message_bytes: 64 << 10,
        log_level: LevelFilter::Trace,
        max_attempts: Some(3),
        heartbeat: Duration::from_secs(10),
    };
    assert_eq!(connect(&flags), everything);
    for (flag, expected) in [
        ("--basic-file=f", Reach { who: Who::BasicFile("f".into()), ..plain_reach() }),
        ("--token=t", Reach { who: Who::Token("t".into()), ..plain_reach() }),
        ("--token-file=f", Reach { who: Who::TokenFile("f".into()), ..plain_reach() }),
        ("--insecure", Reach { insecure: true, ..plain_reach() }),
    ] {
        assert_eq!(connect(&[flag]), Connect { reach: expected, ..plain_connect() });
    }
    for (flags, expected) in [
        (&["--quiet"][..], Connect { quiet: true, ..plain_connect() }),
        (&["--no-reconnect"], Connect { max_attempts: Some(0), ..plain_connect() }),
        (&["--message-bytes=1"], Connect { message_bytes: 1, ..plain_connect() }),
        (&["--message-bytes=1GiB"], Connect { message_bytes: 1 << 30, ..plain_connect() }),
        (&["--heartbeat=100ms"], Connect { heartbeat: Duration::from_millis(100), ..plain_connect() }),
        (&["--heartbeat=24h"], Connect { heartbeat: Duration::from_secs(24 * 3600), ..plain_connect() }),
    ] {
        assert_eq!(connect(flags), expected);
    }
}

#[test]
fn what_connect_is_given_is_in_its_range_one_way_only_and_not_shown_where_it_is_a_secret() {
    for (flags, offender) in [
        (&["--message-bytes=1073741825"][..], "allowed: 1 to 1073741824 bytes"),
        (&["--wait=86401s"], "allowed: up to 24 h"),
        (&["--heartbeat=86401s"], "allowed: 100ms to 24 h"),
        (&["--basic=a:hush", "--basic-file=f"], "'--basic-file <FILE>'"),
        (&["--basic=a:hush", "--token-file=f"], "'--token-file <FILE>'"),
        (&["--basic-file=f", "--token=hush"], "'--token <JWT>'"),
        (&["--token=hush", "--token-file=f"], "'--token-file <FILE>'"),
        (&["--token=hush", "--token=hush"], "'--token <JWT>'"),
        (&["--token=hush", "more"], "'more'"),
    ] {
        let text = misuse(&[&["connect", "ws://x?hush"], flags].concat());
        assert!(text.contains(offender) && !text.contains("hush"), "{text}");
    }
    let flags = ["--basic=a:hush", "--protocol=hush", "--header=A: hush"];
    let invocation = typed(&[&["connect", "ws://x?hush"], &flags[..]].concat()).unwrap();
    assert!(!format!("{invocation:?}").contains("hush"));
}

#[test]
fn a_flag_of_the_configuration_before_connect_or_bench_is_refused_and_not_passed_over() {
    for (arguments, name) in [(&["connect", "ws://x"][..], "connect"), (&["bench", "echo", "ws://x"], "bench")] {
        let text = misuse(&[&["--log-level=trace"], arguments].concat());
        let expected = format!("barewire: --log-level before {name} is of no use to it; allowed: ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

/// The rows of a subcommand's flags, as the README has them.
fn rows_of_flags(subcommand: &str) -> Vec<String> {
    let mut command = CommandLine::command();
    command.build();
    let command = command.find_subcommand(subcommand).unwrap();
    let flags = command.get_arguments().filter(|flag| flag.get_long().is_some_and(|long| long != "help"));
    let row = |flag: &clap::Arg| {
        let takes_value = flag.get_action().takes_values();
        let value = flag.get_value_names().filter(|_| takes_value).map(|names| format!(" {}", names[0]));
        let default = flag.get_default_values().first().filter(|_| takes_value);
        let default = default.map(|value| format!("; `{}` without it", value.to_str().unwrap()));
        let (long, help) = (flag.get_long().unwrap(), flag.get_help().unwrap());
        format!("| `--{long}{}` | {help}{} |", value.unwrap_or_default(), default.unwrap_or_default())
    };
    flags.map(row).collect()
}

#[test]
fn the_readme_lists_every_subcommand_with_its_meaning() {
    let table = include_str!("../../../../README.md").split_once("| subcommand | what |\n|---|---|\n").unwrap().1;
    let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let command = CommandLine::command();
    let row = |sub: &clap::Command| format!("| `{}` | {} |", sub.get_name(), sub.get_about().unwrap());
    assert_eq!(told, command.get_subcommands().map(row).collect::<Vec<_>>());
}

#[test]
fn the_readme_lists_every_flag_of_connect_and_bench_with_its_meaning_and_default() {
    for name in ["connect", "bench"] {
        let head = format!("| flag of `{name}` | what |\n|---|---|\n");
        let table = include_str!("../../../../README.md").split_once(&head).unwrap().1;
        let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(told, rows_of_flags(name));
        let help = answer(&[name, "--help"]);
        for needed in ["BAREWIRE_CONNECT_BASIC", "BAREWIRE_CONNECT_TOKEN", "Exit codes: 0 ", "development certificate"]
        {
            assert!(help.contains(needed), "{name}: {needed}");
        }
    }
}
