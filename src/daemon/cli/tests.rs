//! What can be typed, and what is answered to it.
//!
//! Not here: what the keys mean (tested in `daemon/config/tests.rs`), the program as a whole (`tests/daemon.rs`).

mod bench;

use barewire::client::AuthenticateBy;
use clap::CommandFactory;
use log::LevelFilter;

use super::*;
use crate::daemon::reach::{Reach, Who};

fn typed(arguments: &[&str]) -> Result<Invocation, Outcome> {
    parse(["barewire"].iter().chain(arguments))
}

fn flag(flag: &'static str, key: &str, value: &str) -> Flag {
    Flag { flag, key: key.into(), value: value.into() }
}

fn answer(arguments: &[&str]) -> String {
    match typed(arguments) {
        Err(Outcome::Answer(text)) => text,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn misuse(arguments: &[&str]) -> String {
    let outcome = typed(arguments).expect_err("misuse");
    assert_eq!(outcome.exit_code(), 2);
    match outcome {
        Outcome::Misuse(text) => {
            assert_eq!(text.lines().count(), 1, "{text}");
            text
        }
        Outcome::Answer(text) => panic!("{arguments:?}: {text}"),
    }
}

#[test]
fn the_command_line_itself_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn serve_is_the_default_subcommand() {
    let nothing = typed(&[]).unwrap();
    assert_eq!(nothing, Invocation { command: Command::Serve, flags: Flags::default() });
    assert_eq!(typed(&["serve"]), Ok(nothing));
}

#[test]
fn every_subcommand_takes_the_flags_of_the_configuration_before_and_behind_it() {
    for (name, command) in [
        ("serve", Command::Serve),
        ("check", Command::Check),
        ("print-config", Command::PrintConfig),
        ("health", Command::Health),
    ] {
        let keys = vec![flag("--set", "limits.headers", "7"), flag("--log-level", "log.level", "off")];
        let expected = Ok(Invocation { command, flags: Flags { keys, ..Flags::default() } });
        for typed_in in [
            [name, "--set=limits.headers=7", "--log-level=off"],
            ["--set=limits.headers=7", name, "--log-level=off"],
            ["--set=limits.headers=7", "--log-level=off", name],
        ] {
            assert_eq!(typed(&typed_in), expected, "{typed_in:?}");
        }
    }
}

#[test]
fn the_readme_lists_every_subcommand_with_its_meaning() {
    let table = include_str!("../../../README.md").split_once("| subcommand | what |\n|---|---|\n").unwrap().1;
    let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let command = CommandLine::command();
    let row = |sub: &clap::Command| format!("| `{}` | {} |", sub.get_name(), sub.get_about().unwrap());
    assert_eq!(told, command.get_subcommands().map(row).collect::<Vec<_>>());
}

#[test]
fn every_flag_goes_to_its_place() {
    let flags = typed(&[
        "--config=a.toml",
        "--preset=hardened",
        "--set=limits.headers=7",
        "--set= log.level =a=b",
        "--log-level=debug",
        "--listen=[::1]:1",
        "--listen=127.0.0.1:2",
        "--plain-listen=127.0.0.1:3",
        "--tls-cert=c.pem",
        "--tls-key=k.pem",
        "--path=",
        "--users-file=u",
        "--user=bob:pw",
        "--user=-eve:p:w",
    ])
    .unwrap()
    .flags;
    assert_eq!(flags.config, Some("a.toml".into()));
    assert_eq!(flags.preset, Some("hardened".into()));
    assert_eq!(flags.users, [Secret::from("bob:pw"), Secret::from("-eve:p:w")]);
    let expected = [
        flag("--set", "limits.headers", "7"),
        flag("--set", "log.level", "a=b"),
        flag("--log-level", "log.level", "debug"),
        flag("--listen", "server.listen", "[::1]:1,127.0.0.1:2"),
        flag("--plain-listen", "server.plain_listen", "127.0.0.1:3"),
        flag("--tls-cert", "tls.cert", "c.pem"),
        flag("--tls-key", "tls.key", "k.pem"),
        flag("--path", "server.path", ""),
        flag("--users-file", "auth.users_file", "u"),
    ];
    assert_eq!(flags.keys, expected);
    for given in flags.keys {
        assert!(KEYS.iter().any(|key| key.name == given.key), "{} sets no key", given.flag);
    }
}

#[test]
fn flags_stand_before_and_behind_the_subcommand() {
    let flags = ["--config=f", "--listen=[::1]:1", "--user=a:b", "--set=limits.headers=7", "--path=/x"];
    let more = ["--listen=[::1]:2", "--user=c:d", "--set=limits.headers=8", "--path=/y"];
    // Twice at one place is a mistake, so the later --path has to be left out of the plain form.
    let plain = typed(&[&["--config=f", "--path=/y"], &flags[1..4], &more[..3]].concat());
    assert!(plain.is_ok());
    assert_eq!(typed(&[&flags[..], &["serve"], &more].concat()), plain);
    assert_eq!(typed(&[&["serve", "--config=f", "--path=/y"], &flags[1..4], &more[..3]].concat()), plain);
    assert_eq!(typed(&[&["--config=f", "--path=/y"], &flags[1..4], &more[..3], &["serve"]].concat()), plain);
}

#[test]
fn gen_token_takes_what_a_token_says_and_the_flags_of_the_server() {
    let nothing = GenToken {
        subject: "bob".into(),
        expires: Duration::from_secs(3600),
        channels: Vec::new(),
        publish: Vec::new(),
        subscribe: Vec::new(),
        key: None,
    };
    assert_eq!(typed(&["gen-token", "bob"]).unwrap().command, Command::GenToken(nothing.clone()));
    let arguments = [
        "--config=f",
        "gen-token",
        "bob",
        "--expires=10m",
        "--channel=a",
        "--channel=b",
        "--publish=a.*",
        "--subscribe=*",
        "--key=k.pem",
        "--set=auth.jwt_algorithm=ES256",
    ];
    let invocation = typed(&arguments).unwrap();
    let everything = GenToken {
        expires: Duration::from_secs(600),
        channels: vec!["a".into(), "b".into()],
        publish: vec!["a.*".into()],
        subscribe: vec!["*".into()],
        key: Some("k.pem".into()),
        ..nothing
    };
    assert_eq!(invocation.command, Command::GenToken(everything));
    assert_eq!(invocation.flags.config, Some("f".into()));
    assert_eq!(invocation.flags.keys, [flag("--set", "auth.jwt_algorithm", "ES256")]);
    for life in ["1s", "8784h"] {
        assert!(typed(&["gen-token", "bob", "--expires", life]).is_ok(), "{life}");
    }
    for life in ["999ms", "8785h", "10", ""] {
        let text = misuse(&["gen-token", "bob", "--expires", life]);
        assert!(text.contains("allowed: 1s to 8784 h"), "{text}");
    }
}

#[test]
fn hash_password_takes_a_name_and_an_algorithm() {
    for (arguments, name, algorithm) in [
        (&["hash-password"][..], None, HashAlgorithm::Argon2id),
        (&["hash-password", "bob"], Some("bob"), HashAlgorithm::Argon2id),
        (&["hash-password", "--algorithm=bcrypt"], None, HashAlgorithm::Bcrypt),
    ] {
        let expected = HashPassword { name: name.map(Into::into), algorithm };
        assert_eq!(typed(arguments).unwrap().command, Command::HashPassword(expected));
    }
    assert!(misuse(&["hash-password", "--algorithm=md5"]).contains("allowed: argon2id or bcrypt"));
}

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
        Ok(Invocation { command: Command::Connect(asked), .. }) => *asked,
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
fn the_readme_lists_every_flag_of_connect_and_bench_with_its_meaning_and_default() {
    for name in ["connect", "bench"] {
        let head = format!("| flag of `{name}` | what |\n|---|---|\n");
        let table = include_str!("../../../README.md").split_once(&head).unwrap().1;
        let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
        assert_eq!(told, rows_of_flags(name));
        let help = answer(&[name, "--help"]);
        for needed in ["BAREWIRE_CONNECT_BASIC", "BAREWIRE_CONNECT_TOKEN", "Exit codes: 0 ", "development certificate"]
        {
            assert!(help.contains(needed), "{name}: {needed}");
        }
    }
}

#[test]
fn a_password_that_is_typed_as_an_argument_is_refused_and_not_shown() {
    let text = misuse(&["hash-password", "bob", "hush"]);
    assert!(text.contains("reads the password on standard input") && !text.contains("hush"), "{text}");
}

#[test]
fn a_flag_of_the_configuration_before_hash_password_is_refused_and_not_passed_over() {
    for (given, flag) in [
        ("--config=f", "--config"),
        ("--preset=hardened", "--preset"),
        ("--user=bob:hush", "--user"),
        ("--users-file=u", "--users-file"),
        ("--set=limits.headers=7", "--set"),
    ] {
        let text = misuse(&[given, "hash-password", "bob"]);
        assert!(text.starts_with(&format!("barewire: {flag} is of no use to hash-password; allowed: ")), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn the_readme_lists_every_flag() {
    let table = include_str!("../../../README.md").split_once("| flag | what |\n|---|---|\n").unwrap().1;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let told: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let mut command = CommandLine::command();
    command.build();
    let flags = command.get_arguments().map(|flag| {
        let value = flag.get_value_names().map(|names| format!(" {}", names[0])).unwrap_or_default();
        let takes_value = flag.get_action().takes_values();
        format!("--{}{}", flag.get_long().unwrap(), if takes_value { value } else { String::new() })
    });
    assert_eq!(told, flags.collect::<Vec<_>>());
}

#[test]
fn help_lists_every_key_with_default_meaning_and_range() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["check", "--help"],
        &["print-config", "--help"],
        &["health", "--help"],
        &["gen-token", "--help"],
    ] {
        let text = answer(arguments);
        for key in KEYS {
            assert!(text.contains(&format!("  {} [default: {}", key.name, key.default)), "{}", key.name);
            assert!(text.contains(key.doc) && text.contains(&key.allowed()), "{}", key.name);
        }
        for needed in ["Configuration:", "Listeners:", "Users:", "BAREWIRE_CONFIG", "Flags are stronger"] {
            assert!(text.contains(needed), "{arguments:?} without {needed}");
        }
    }
    let short = answer(&["-h"]);
    assert!(short.contains("--plain-listen") && short.contains("--help") && !short.contains("limits.headers"));
}

#[test]
fn version_is_that_of_the_package() {
    assert_eq!(answer(&["--version"]), concat!("barewire ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(typed(&["-V"]).unwrap_err().exit_code(), 0);
}

#[test]
fn misuse_names_the_offender_and_exits_with_2() {
    for (arguments, offender) in [
        (&["--nope"][..], "'--nope'"),
        (&["dance"], "'dance'"),
        (&["help"], "'help'"),
        (&["--listen"], "'--listen <ADDRESS>'"),
        (&["--set", "limits.headers"], "'limits.headers'"),
        (&["--config=a", "--config=b"], "'--config <FILE>'"),
        (&["gen-token"], "were not provided: <SUB>;"),
        (&["da\u{1b}[2Jnce\n\nmore"], "'da\\u{1b}[2Jnce;"),
    ] {
        let text = misuse(arguments);
        assert!(text.contains(offender) && text.ends_with('\n'), "{text}");
    }
}

#[test]
fn a_password_is_never_printed() {
    let invocation = typed(&["--user", "bob:hush"]).unwrap();
    assert!(!format!("{invocation:?}").contains("hush"));
    for arguments in [&["--usr", "bob:hush"][..], &["--user=bob:hush", "--nope"], &["--usr=bob:hush"]] {
        let text = misuse(arguments);
        assert!(!text.contains("hush"), "{text}");
    }
}
