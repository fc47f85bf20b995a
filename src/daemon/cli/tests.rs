//! What can be typed, and what is answered to it.
//!
//! Not here: the subcommands that go to servers of others (`daemon/cli/tools/tests.rs`), what the keys mean (tested in
//! `daemon/config/tests.rs`), the program as a whole (`tests/daemon.rs`).

use clap::CommandFactory;

use super::*;

pub(super) fn typed(arguments: &[&str]) -> Result<Invocation, Outcome> {
    parse(["barewire"].iter().chain(arguments))
}

fn flag(flag: &'static str, key: &str, value: &str) -> Flag {
    Flag { flag, key: key.into(), value: value.into() }
}

pub(super) fn answer(arguments: &[&str]) -> String {
    match typed(arguments) {
        Err(Outcome::Answer(text)) => text,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

pub(super) fn misuse(arguments: &[&str]) -> String {
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
fn a_misuse_names_the_help_that_has_its_flags() {
    for (arguments, help) in [
        (&["--nope"][..], "; see barewire --help\n"),
        (&["dance"], "; see barewire --help\n"),
        (&["check", "--nope"], "; see barewire check --help\n"),
        (&["--user=bob:hush", "gen-token"], "; see barewire gen-token --help\n"),
        (&["--config=f", "hash-password"], "; see barewire hash-password --help\n"),
    ] {
        let text = misuse(arguments);
        assert!(text.ends_with(help), "{text}");
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
