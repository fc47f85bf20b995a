//! What can be typed behind `barewire bench`.
//!
//! Not here: what is done with it (`daemon/tools/bench/`).

use super::*;
use crate::daemon::tools::bench::{Asked, Content, Jitter, Mode, ModeName, mode};

/// What `bench` does without flags.
fn plain(mode: Mode) -> Asked {
    Asked {
        reach: plain_reach(),
        mode,
        connections: 50,
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
        seed: None,
        open_at_once: 64,
    }
}

fn bench(mode: &str, flags: &[&str]) -> Asked {
    match typed(&[&["bench", mode, "wss://example.org/ws"], flags].concat()) {
        Ok(Invocation { command: Command::Tool(Tool::Bench(asked)), .. }) => *asked,
        other => panic!("{mode} {flags:?}: {other:?}"),
    }
}

#[test]
fn each_mode_has_options_of_its_own() {
    let storm = |jitter, rounds| Mode::Storm { jitter, rounds };
    for (name, flags, mode) in [
        ("echo", &[][..], Mode::Echo { depth: 1 }),
        ("echo", &["--depth=16"], Mode::Echo { depth: 16 }),
        ("rate", &[], Mode::Rate { per_second: 1000 }),
        ("rate", &["--rate=1"], Mode::Rate { per_second: 1 }),
        ("fan-out", &[], Mode::FanOut { depth: 1, channel: None }),
        ("fan-out", &["--depth=4", "--channel=a"], Mode::FanOut { depth: 4, channel: Some("a".into()) }),
        ("idle", &[], Mode::Idle { waves: 1 }),
        ("idle", &["--waves=10"], Mode::Idle { waves: 10 }),
        ("connect", &[], Mode::Connect { resumes: true }),
        ("connect", &["--no-resumption"], Mode::Connect { resumes: false }),
        ("slow", &[], Mode::Slow { stalled: 10 }),
        ("slow", &["--stalled=1"], Mode::Slow { stalled: 1 }),
        ("storm", &[], storm(Jitter::Proportional, 3)),
        ("storm", &["--jitter=none", "--rounds=1"], storm(Jitter::None, 1)),
        ("storm", &["--jitter=full"], storm(Jitter::Full, 3)),
        ("storm", &["--jitter=proportional"], storm(Jitter::Proportional, 3)),
    ] {
        assert_eq!(bench(name, flags), plain(mode.clone()), "{name} {flags:?}");
        assert_eq!(mode.name().text(), name);
        let takes_messages = typed(&["bench", name, "ws://x", "--binary"]).is_ok();
        assert_eq!(takes_messages, mode.name().speaks(), "{name}");
    }
}

#[test]
fn the_flags_of_all_modes_go_to_their_places() {
    let flags = [
        "--connections=1000000",
        "--duration=100ms",
        "--warm-up=0s",
        "--message={number}",
        "--binary",
        "--on-open=a",
        "--on-open={\"b\":1}",
        "--deflate",
        "--source=127.0.0.2",
        "--source=::1",
        "--pid=1",
        "--pid=2",
        "--json",
        "-q",
        "--seed=0",
        "--open-at-once=1",
        "--basic=user:-pass",
        "--insecure",
    ];
    let reach = Reach { who: Who::Basic("user:-pass".into()), insecure: true, ..plain_reach() };
    let everything = Asked {
        reach,
        connections: 1_000_000,
        duration: Duration::from_millis(100),
        warm_up: Duration::ZERO,
        content: Content::Message("{number}".into()),
        is_binary: true,
        on_open: vec!["a".into(), "{\"b\":1}".into()],
        deflate: true,
        sources: vec!["127.0.0.2".parse().unwrap(), "::1".parse().unwrap()],
        pids: vec![1, 2],
        json: true,
        quiet: true,
        seed: Some(0),
        open_at_once: 1,
        ..plain(Mode::Echo { depth: 1 })
    };
    assert_eq!(bench("echo", &flags), everything);
    for (flags, content) in [
        (&["--size=0"][..], Content::Size(0)),
        (&["--size=64KiB"], Content::Size(64 << 10)),
        (&["--size=1GiB"], Content::Size(1 << 30)),
        (&["--message="], Content::Message("".into())),
        (&["--message-file=m.json"], Content::File("m.json".into())),
    ] {
        assert_eq!(bench("rate", flags), Asked { content, ..plain(Mode::Rate { per_second: 1000 }) });
    }
    for source in ["223.255.255.255", "240.0.0.0", "255.255.255.254", "0.0.0.1", "fe80::1"] {
        let sources = vec![source.parse().unwrap()];
        let asked = bench("echo", &["--source", source]);
        assert_eq!(asked, Asked { sources, ..plain(Mode::Echo { depth: 1 }) });
    }
    let short = Asked { connections: 7, duration: Duration::from_secs(86_400), ..plain(Mode::Idle { waves: 1 }) };
    assert_eq!(bench("idle", &["-c7", "-d24h"]), short);
}

#[test]
fn the_help_names_each_placeholder_as_it_is_typed() {
    let help = answer(&["bench", "-h"]);
    for placeholder in ["{number}", "{connection}", "{time}", "{random}"] {
        assert!(help.contains(placeholder), "{help}");
    }
}

#[test]
fn the_help_names_each_mode_and_what_is_taken_without_a_flag() {
    let help = answer(&["bench", "--help"]);
    // Its lines are broken anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let modes = ModeName::ALL.map(ModeName::text).join(", ").replace(", storm", " or storm");
    assert!(help.contains(&format!("What is measured: {modes}")), "{help}");
    for mode in ModeName::ALL {
        assert!(help.split_once("Modes:").unwrap().1.contains(&format!(" {} ", mode.text())), "{mode:?} in {help}");
    }
    for (flag, default) in [
        ("--depth <COUNT>", mode::DEPTH_DEFAULT.to_string()),
        ("--rate <COUNT>", mode::RATE_DEFAULT.to_string()),
        ("--waves <COUNT>", mode::WAVES_DEFAULT.to_string()),
        ("--stalled <COUNT>", mode::STALLED_DEFAULT.to_string()),
        ("--jitter <KIND>", mode::JITTER_DEFAULT.to_string()),
        ("--rounds <COUNT>", mode::ROUNDS_DEFAULT.to_string()),
        ("--size <BYTES>", mode::SIZE_DEFAULT.to_string()),
    ] {
        let (_, behind) = help.split_once(flag).unwrap();
        let of_flag = behind.split_once(" --").unwrap().0;
        assert!(of_flag.contains(&format!("; {default} without it")), "{flag}: {of_flag}");
    }
}

#[test]
fn a_flag_of_another_mode_is_misuse_that_says_where_it_is_of_use() {
    for (mode, flag, allowed) in [
        ("rate", "--depth=1", "--depth is of no use to bench rate; allowed: with echo, fan-out;"),
        ("slow", "--depth=1", "--depth is of no use to bench slow; allowed: with echo, fan-out;"),
        ("echo", "--rate=1", "--rate is of no use to bench echo; allowed: with rate;"),
        ("echo", "--channel=a", "--channel is of no use to bench echo; allowed: with fan-out;"),
        ("echo", "--waves=1", "--waves is of no use to bench echo; allowed: with idle;"),
        ("echo", "--no-resumption", "--no-resumption is of no use to bench echo; allowed: with connect;"),
        ("echo", "--stalled=1", "--stalled is of no use to bench echo; allowed: with slow;"),
        ("echo", "--jitter=none", "--jitter is of no use to bench echo; allowed: with storm;"),
        ("echo", "--rounds=1", "--rounds is of no use to bench echo; allowed: with storm;"),
        ("idle", "--size=1", "--size is of no use to bench idle; allowed: with echo, rate, fan-out, slow;"),
        ("connect", "--message=hush", "--message is of no use to bench connect; allowed: with echo,"),
        ("storm", "--message-file=f", "--message-file is of no use to bench storm; allowed: with echo,"),
        ("storm", "--binary", "--binary is of no use to bench storm; allowed: with echo,"),
    ] {
        let text = misuse(&["bench", mode, "ws://x", flag]);
        assert!(text.starts_with(&format!("barewire: {allowed}")) && !text.contains("hush"), "{text}");
    }
}

#[test]
fn what_bench_is_given_is_in_its_range_one_way_only_and_not_shown_where_it_is_a_secret() {
    for (flags, offender) in [
        (&["--connections=0"][..], "allowed: 1 to 1000000"),
        (&["--connections=1000001"], "allowed: 1 to 1000000"),
        (&["--connections=many"], "allowed: 1 to 1000000"),
        (&["--open-at-once=0"], "allowed: 1 to 1000000"),
        (&["--duration=99ms"], "allowed: 100ms to 24 h"),
        (&["--duration=86401s"], "allowed: 100ms to 24 h"),
        (&["--duration=10"], "allowed: 100ms to 24 h"),
        (&["--warm-up=86401s"], "allowed: up to 24 h"),
        (&["--depth=0"], "allowed: 1 to 65536"),
        (&["--depth=65537"], "allowed: 1 to 65536"),
        (&["--rate=0"], "allowed: 1 to 100000000"),
        (&["--rate=100000001"], "allowed: 1 to 100000000"),
        (&["--waves=10001"], "allowed: 1 to 10000"),
        (&["--rounds=0"], "allowed: 1 to 10000"),
        (&["--stalled=0"], "allowed: 1 to 1000000"),
        (&["--jitter=some"], "allowed: none, proportional or full"),
        (&["--size=1073741825"], "allowed: 0 to 1073741824 bytes"),
        (&["--pid=0"], "'--pid <PID>'"),
        (&["--source=localhost"], "allowed: the address of one machine, such as 127.0.0.2 or ::1"),
        (&["--source=0.0.0.0"], "allowed: the address of one machine"),
        (&["--source=::"], "allowed: the address of one machine"),
        (&["--source=::ffff:0.0.0.0"], "allowed: the address of one machine"),
        (&["--source=255.255.255.255"], "allowed: the address of one machine"),
        (&["--source=224.0.0.1"], "allowed: the address of one machine"),
        (&["--source=239.255.255.255"], "allowed: the address of one machine"),
        (&["--source=ff02::1"], "allowed: the address of one machine"),
        (&["--size=1", "--message=hush"], "'--message <TEMPLATE>'"),
        (&["--size=1", "--message-file=f"], "'--message-file <FILE>'"),
        (&["--message=hush", "--message-file=f"], "'--message-file <FILE>'"),
        (&["--token=hush", "--basic=a:hush"], "'--basic <USER:PASSWORD>'"),
        (&["--ca=f", "--insecure"], "'--insecure'"),
    ] {
        let text = misuse(&[&["bench", "echo", "ws://x?hush"], flags].concat());
        assert!(text.contains(offender) && !text.contains("hush"), "{text}");
    }
    assert!(
        misuse(&["bench", "dance", "ws://x"]).contains("allowed: echo, rate, fan-out, idle, connect, slow, storm;")
    );
    assert!(misuse(&["bench", "echo"]).contains("<URL>"));
    assert!(
        misuse(&["bench", "fan-out", "ws://x", "--channel=a", "--binary"])
            .starts_with("barewire: --binary is of no use with --channel")
    );
    let flags = ["--token=hush", "--on-open=hush", "--message=hush", "--header=A: hush"];
    let invocation = typed(&[&["bench", "echo", "ws://x?hush"], &flags[..]].concat()).unwrap();
    assert!(!format!("{invocation:?}").contains("hush"));
}
