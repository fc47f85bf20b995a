//! What the configuration promises, key by key and layer by layer. The environment and the file are made here.
//!
//! Not here: users, methods and tokens (`tests/auth.rs`), the syntax of values (tested in `value.rs`), the command line (tested in `daemon/cli.rs`).

mod auth;
mod contradictions;
mod exposure;
mod written;

use std::time::Duration;

use super::keys::Key;
use super::sources::PRESETS;
use super::value::Value;
use super::*;
use barewire::limits::*;

const README: &str = include_str!("../../../README.md");

/// What is given to [`load`], the file as its text.
#[derive(Default)]
struct Given<'a> {
    flags: Flags,
    environment: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Given<'_> {
    fn load(mut self) -> Result<Settings, String> {
        if self.file.is_some() {
            self.flags.config = Some("barewire.toml".into());
        }
        let environment = self.environment.iter().map(|(name, value)| (name.into(), value.into()));
        load(&self.flags, environment, |path| {
            assert_eq!(path, Path::new("barewire.toml"));
            Ok(self.file.unwrap().to_string())
        })
        .map(|configuration| configuration.settings)
        .map_err(one_line)
    }
}

fn one_line(error: ConfigError) -> String {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    text
}

fn keys(pairs: &[(&str, &str)]) -> Flags {
    let flag = |(key, value): &(&str, &str)| Flag { flag: "--set", key: (*key).into(), value: (*value).into() };
    Flags { keys: pairs.iter().map(flag).collect(), ..Flags::default() }
}

fn set(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    Given { flags: keys(pairs), ..Given::default() }.load()
}

fn environment(environment: &[(&str, &str)]) -> Result<Settings, String> {
    Given { environment, ..Given::default() }.load()
}

fn file(text: &str) -> Result<Settings, String> {
    Given { file: Some(text), ..Given::default() }.load()
}

fn users(pairs: &[&str]) -> Flags {
    Flags { users: pairs.iter().map(|pair| Secret::from(*pair)).collect(), ..Flags::default() }
}

/// For each key what it takes, both ends of its range among it, and what it refuses, one past each end among it.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("server.listen", &["127.0.0.1:0", "[::1]:8443, 127.0.0.2:65535", "127.0.0.1:1"], LISTEN_WRONG),
    ("server.plain_listen", &["", "127.0.0.1:0", "[::1]:80,127.0.0.1:80"], LISTEN_WRONG),
    (
        "server.path",
        &["", "/", "/ws", "/a/b~%20"],
        &["ws", "/health", " ", "/a b", "/a?b", "/a#b", "/a|b", "/%2", "/\u{e9}", "/\n", "*"],
    ),
    ("server.subprotocols", &["", "json", "json, v2.json"], &[",", "a b", "a/b", "json,", "\u{e9}"]),
    ("server.page", &["true", "false"], &["", "no", "/console"]),
    ("server.trusted_proxies", &["", "10.0.0.0/8, fd00::/8", "192.0.2.1,::1"], PROXIES_WRONG),
    ("tls.cert", &["c.pem", "/etc/a b/\u{e9}.pem"], &[]),
    ("tls.key", &["k.pem"], &[]),
    (
        "auth.methods",
        &["basic", "message", "message,bearer,basic", "message,basic", "none"],
        &["", "token", "none,basic", "Basic", "basic,"],
    ),
    ("auth.timeout", &["10ms", "24h"], &["9ms", "86400001ms", "25h", "10"]),
    ("auth.realm", &[" ", "~", "a realm", "\u{27}"], &["", "\"", "\\", "\u{e9}", "\t", "\u{7f}"]),
    ("auth.origins", &["same", "any", "https://a.example, https://b.example:8443"], &["", "a,,b", "a b", "\u{e9}"]),
    ("auth.refuse", &["http", "close"], &["", "HTTP", "4401"]),
    ("auth.wrong_password_status", &["401", "403"], &["400", "402", "404", "", "forbidden"]),
    ("auth.allow_plain", &["true", "false"], &["", "1", "yes", "TRUE"]),
    ("auth.users_file", &["users", "/etc/a b/\u{e9}"], &[]),
    ("auth.hash_workers", &["1", "64"], &["0", "65", "all"]),
    (
        "auth.jwt_algorithm",
        &["RS256", "ES256", "EdDSA", "HS256"],
        &["", "none", "hs256", "HS512", "HS256,RS256", "PS256"],
    ),
    ("auth.jwt_secret_file", &["secret"], &[]),
    ("auth.jwt_public_key_file", &["key.pem"], &[]),
    ("auth.jwt_audience", &["a", "https://a.example/\u{e9}"], &[]),
    ("auth.jwt_issuer", &["i", "a, b"], &[]),
    ("auth.jwt_leeway", &["0ms", "5m"], &["300001ms", "30", "-1s"]),
    ("heartbeat.interval", &["100ms", "24h"], &["99ms", "86400001ms", "30", "off"]),
    ("log.level", &["off", "error", "warn", "info", "debug", "trace", "INFO"], &["", "loud", "infos"]),
    ("log.format", &["text", "json"], &["", "JSON", "xml"]),
    ("limits.message_bytes", &["1", "1GiB"], &["0", "1073741825", "12 apples", "-1"]),
    ("limits.send_queue_bytes", &["1KiB", "1GiB"], &["1023", "1073741825"]),
    ("limits.connections", &["1", "1000000"], &["0", "1000001", "1KiB"]),
    ("limits.connections_per_ip", &["0", "1000000"], &["1000001", "-1"]),
    ("limits.pre_auth_connections", &["1", "1000000"], &["0", "1000001"]),
    ("limits.auth_failures_per_minute", &["0", "1000000"], &["1000001", "off"]),
    ("limits.messages_per_window", &["0", "1000000"], &["1000001", "100/60s"]),
    ("limits.window", &["10ms", "24h"], &["9ms", "86400001ms", "60"]),
    ("limits.rate_algorithm", &["window", "bucket"], &["", "Window", "token bucket"]),
    ("limits.control_frames_per_second", &["0", "1000000"], &["1000001"]),
    ("limits.max_memory", &["1MiB", "1024GiB"], &["1048575", "1099511627777"]),
    ("limits.head_bytes", &["256", "64KiB"], &["255", "65537"]),
    ("limits.headers", &["1", "256"], &["0", "257"]),
    ("limits.head_timeout", &["10ms", "24h"], &["9ms", "86400001ms"]),
    ("limits.keep_alive_timeout", &["10ms", "24h"], &["9ms", "86400001ms"]),
    ("limits.close_timeout", &["10ms", "24h"], &["9ms", "86400001ms"]),
    ("limits.write_stall_timeout", &["10ms", "24h"], &["9ms", "86400001ms"]),
    ("limits.fragments", &["1", "1000000"], &["0", "1000001"]),
    ("limits.message_timeout", &["10ms", "24h"], &["9ms", "86400001ms"]),
    ("limits.channels_per_session", &["1", "1000000"], &["0", "1000001"]),
    ("deflate.enabled", &["true", "false"], &["", "yes", "1"]),
    ("deflate.level", &["1", "6", "9"], &["0", "10", "256", "", "6.0"]),
    ("deflate.min_bytes", &["0", "1", "512", "1GiB"], &["1073741825", "-1"]),
    ("deflate.server_max_window_bits", &["9", "15"], &["8", "16", "271", ""]),
    ("deflate.server_context_takeover", &["true", "false"], &["", "on"]),
    ("deflate.client_context_takeover", &["true", "false"], &["", "on"]),
    ("deflate.takeover_sessions", &["0", "1", "1000000"], &["1000001", "-1"]),
    ("drain.spread", &["0s", "1ms", "24h"], &["86400001ms", "", "0", "-1s"]),
    ("net.send_buffer_bytes", &["0", "1", "1GiB"], &["1073741825", "-1"]),
];
const PROXIES_WRONG: &[&str] = &["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8,", "proxy", "::ffff:10.0.0.0/104"];
const LISTEN_WRONG: &[&str] =
    &["8443", ":8443", "localhost:8443", "127.0.0.1", "127.0.0.1:65536", "::1:80:x", "127.0.0.1:1,"];

#[test]
fn a_heartbeat_whose_pongs_are_too_many_is_refused_with_the_shortest_that_is_not() {
    let pair =
        |frames, interval| set(&[("limits.control_frames_per_second", frames), ("heartbeat.interval", interval)]);
    assert!(pair("4", "250ms").is_ok() && pair("0", "100ms").is_ok());
    assert_eq!(
        pair("4", "249ms").unwrap_err(),
        "--set: heartbeat.interval = 249ms with limits.control_frames_per_second = 4: the answers to its pings would be too \
         many; allowed: at least 250ms"
    );
}

#[test]
fn every_key_takes_its_range_and_nothing_past_it_in_any_layer() {
    let named: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, KEYS.iter().map(|key| key.name).collect::<Vec<_>>(), "a row for each key, in the same order");
    for (name, good, bad) in CASES {
        let key = Key::named(name).unwrap();
        for text in *good {
            let mut settings = Settings::default();
            key.set(&mut settings, &Value::Text((*text).into())).unwrap_or_else(|e| panic!("{name} = {text:?}: {e}"));
            let mut again = Settings::default();
            key.set(&mut again, &Value::Text(key.show(&settings))).unwrap();
            assert_eq!(again, settings, "{name} = {text:?} is not printed back as itself");
        }
        for text in *bad {
            let (section, short) = name.split_once('.').unwrap();
            let toml =
                format!("[{section}]\n{short} = {}", serde_json::to_string(text).unwrap().replace('\u{7f}', r"\u007f"));
            for (source, error) in [
                ("--set", set(&[(*name, *text)])),
                (&*key.variable(), environment(&[(&*key.variable(), *text)])),
                ("barewire.toml", file(&toml)),
            ] {
                let error = error.expect_err(text);
                let (start, end) = (format!("{source}: {name} = {text:?}: "), format!("; allowed: {}", key.allowed()));
                assert!(error.starts_with(&start) && error.ends_with(&end), "{error}");
            }
            let mut settings = Settings::default();
            key.set(&mut settings, &Value::Text((*text).into())).unwrap_err();
            assert_eq!(settings, Settings::default(), "{name} = {text:?} changed something");
        }
    }
}

#[test]
fn every_key_refuses_a_type_that_is_not_its_own() {
    for key in KEYS {
        for value in [Value::Foreign("a float"), Value::Foreign("a table"), Value::Integer(-1)] {
            let mut settings = Settings::default();
            assert!(key.set(&mut settings, &value).is_err(), "{} = {value}", key.name);
            assert_eq!(settings, Settings::default());
        }
    }
}

#[test]
fn the_table_agrees_with_the_defaults() {
    assert_eq!(set(&[]), Ok(Settings::default()));
    assert_eq!(Settings::default().limits, Limits::default());
    for ((_, good, _), key) in CASES.iter().zip(KEYS) {
        let apply = |settings: &mut Settings, text: &str| key.set(settings, &Value::Text(text.into())).unwrap();
        let mut settings = Settings::default();
        apply(&mut settings, good.iter().find(|text| **text != key.default).unwrap());
        for other in KEYS {
            let same = other.show(&settings) == other.show(&Settings::default());
            assert_eq!(same, other.name != key.name, "{} after setting {}", other.name, key.name);
        }
        apply(&mut settings, key.default);
        assert_eq!(settings, Settings::default(), "{} has another default", key.name);
    }
}

#[test]
fn names_and_docs_fit_a_table() {
    for key in KEYS {
        assert!(!key.doc.is_empty() && !key.doc.contains(['\n', '|']) && !key.doc.ends_with('.'), "{}", key.name);
        assert_eq!(key.name, key.name.to_lowercase());
    }
}

#[test]
fn the_readme_lists_every_key_with_its_default_and_meaning() {
    let row = |key: &Key| {
        let default = if key.default.is_empty() { "nothing".to_string() } else { format!("`{}`", key.default) };
        format!("| `{}` | {default} | {} |", key.name, key.doc)
    };
    let table = README.split_once("| key | default | what |\n|---|---|---|\n").unwrap().1;
    let told: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(told, KEYS.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_readmes_file_is_one_that_loads() {
    let text = README.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let given = Given { flags: users(&["name:password"]), file: Some(text), ..Given::default() };
    assert_ne!(given.load().map(|settings| settings.limits), Ok(Limits::default()), "{text}");
    assert!(file(text).unwrap_err().contains("--user name:password"), "as the README says");
}

#[test]
fn variables_are_unambiguous() {
    let mut variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
    assert!(variables.contains(&"BAREWIRE_LIMITS_MESSAGE_BYTES".to_string()));
    variables.push(FILE_VARIABLE.into());
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), KEYS.len() + 1);
}

/// One key of each kind, with four values that differ from each other and from the default, as flag, environment,
/// TOML and default.
const LAYERS: &[(&str, [&str; 3])] = &[
    ("limits.message_bytes", ["3KiB", "2KiB", "1024"]),
    ("limits.headers", ["3", "2", "1"]),
    ("heartbeat.interval", ["3s", "2s", "'1s'"]),
    ("server.path", ["/3", "/2", "'/1'"]),
    ("server.subprotocols", ["c,cc", "b", "['a', 'aa']"]),
    ("log.level", ["trace", "debug", "'warn'"]),
    ("auth.wrong_password_status", ["403", "401", "403"]),
    ("server.listen", ["127.0.0.1:3", "127.0.0.1:2", "['127.0.0.1:1']"]),
    ("auth.allow_plain", ["false", "true", "false"]),
];

#[test]
fn flags_beat_the_environment_that_the_file_that_the_preset_that_the_defaults() {
    for (name, [flag, variable, toml]) in LAYERS {
        let key = Key::named(name).unwrap();
        let (section, short) = name.split_once('.').unwrap();
        let text = format!("[{section}]\n{short} = {toml}\n");
        let environment = [(&*key.variable(), *variable), ("PATH", "/bin")];
        let shown = |flags: Flags, environment: &[(&str, &str)], file: Option<&str>| {
            key.show(
                &Given { flags: Flags { preset: Some("hardened".into()), ..flags }, environment, file }.load().unwrap(),
            )
        };
        let toml = toml.replace(['\'', '[', ']', ' '], "").replace("1024", "1KiB");
        assert_eq!(shown(keys(&[(*name, *flag)]), &environment, Some(&text)), *flag);
        assert_eq!(shown(keys(&[]), &environment, Some(&text)), *variable);
        assert_eq!(shown(keys(&[]), &[], Some(&text)), toml);
        let lowest = if *name == "limits.message_bytes" { "100KiB".into() } else { key.show(&Settings::default()) };
        assert_eq!(shown(keys(&[]), &[], Some("")), lowest);
        assert_eq!(shown(keys(&[(*name, *flag)]), &[], None), *flag);
    }
}

#[test]
fn of_two_flags_for_one_key_the_last_counts() {
    let settings = set(&[("limits.headers", "7"), ("limits.headers", "8")]).unwrap();
    assert_eq!(settings.limits.headers, 8);
}

#[test]
fn a_weaker_layer_is_judged_even_where_a_stronger_one_overrides_it() {
    let flags = keys(&[("limits.headers", "7")]);
    let error = Given { flags, environment: &[("BAREWIRE_LIMITS_HEADERS", "many")], file: None }.load().unwrap_err();
    assert!(error.starts_with("BAREWIRE_LIMITS_HEADERS: limits.headers = \"many\": not a whole number"), "{error}");
}

#[test]
fn a_preset_changes_defaults_only() {
    let preset =
        |name: &str| Given { flags: Flags { preset: Some(name.into()), ..Flags::default() }, ..Given::default() };
    assert_eq!(preset("default").load(), Ok(Settings::default()));
    let hardened = preset("hardened").load().unwrap();
    assert_eq!(hardened.limits.message_bytes, MESSAGE_BYTES_HARDENED);
    assert_eq!(hardened.limits, Limits { message_bytes: MESSAGE_BYTES_HARDENED, ..Limits::default() });
    for name in PRESETS {
        preset(name).load().unwrap();
    }
    let error = preset("soft").load().unwrap_err();
    assert_eq!(error, "--preset = \"soft\": not a preset; allowed: default or hardened");
}

#[test]
fn a_file_holds_typed_values_in_tables() {
    let settings = file(
        r#"
        [server]
        listen = "127.0.0.1:443, [::1]:443"
        [auth]
        methods = ["message"]
        origins = ["https://a.example", "https://b.example"]
        wrong_password_status = 401
        allow_plain = true
        [limits]
        message_bytes = 1_000
        head_bytes = 0x1_00
        head_timeout = "3s"
        [heartbeat]
        "#,
    )
    .unwrap();
    assert_eq!(settings.listen, ["127.0.0.1:443".parse().unwrap(), "[::1]:443".parse().unwrap()]);
    assert_eq!(settings.methods, [Method::Message]);
    assert_eq!(settings.origins.to_string(), "https://a.example,https://b.example");
    assert_eq!((settings.wrong_password_status, settings.allow_plain), (401, true));
    assert_eq!((settings.limits.message_bytes, settings.limits.head_bytes), (1000, 256));
    assert_eq!(settings.limits.head_timeout, Duration::from_secs(3));

    let settings = file("server.plain_listen = ['127.0.0.1:80', '[::1]:80']\nserver.path = ''").unwrap();
    assert_eq!(settings.plain_listen, ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
    assert_eq!(settings.path, "");
}

#[test]
fn an_error_of_the_file_names_file_key_value_and_what_is_allowed() {
    for (text, error) in [
        (
            "limits.message_bytes = '12 apples'",
            "limits.message_bytes = \"12 apples\": not a size, a whole number of B, KiB, MiB, GiB; allowed: 1 B to 1 GiB, such as 64KiB",
        ),
        (
            "limits.message_bytes = 1.5",
            "limits.message_bytes = a float: not a size, a whole number of B, KiB, MiB, GiB; allowed: 1 B to 1 GiB, such as 64KiB",
        ),
        ("limits.headers = 257", "limits.headers = 257: out of range; allowed: 1 to 256"),
        (
            "limits.headers = 99999999999999999999",
            "limits.headers = an integer beyond 64 bits: not a whole number; allowed: 1 to 256",
        ),
        (
            "heartbeat.interval = 30",
            "heartbeat.interval = 30: not a duration, a whole number of ms, s, m, h; allowed: 100 ms to 24 h, such as 10s",
        ),
        ("auth.allow_plain = 1", "auth.allow_plain = 1: not a boolean; allowed: true or false"),
        ("log.level = true", "log.level = true: not a string; allowed: off, error, warn, info, debug or trace"),
        (
            "log.level = 'a\\nb'",
            "log.level = \"a\\\\nb\": not a level; allowed: off, error, warn, info, debug or trace",
        ),
        (
            "log.level = \"a\\nb\"",
            "log.level = \"a\\nb\": not a level; allowed: off, error, warn, info, debug or trace",
        ),
        (
            "auth.methods = ['basic', 'none']",
            "auth.methods = [\"basic\", \"none\"]: none beside others; allowed: basic, bearer, message, or none alone",
        ),
        (
            "[server]\nlisten = [8443]",
            "server.listen = an array with other items than strings: not a list; \
             allowed: addresses with a port, such as 127.0.0.1:8443 or [::1]:8443",
        ),
        ("[limits.headers]\na = 1", "limits.headers = a table: not a whole number; allowed: 1 to 256"),
        ("limits = 5", "limits = 5: not a table; allowed: its keys"),
        ("limits.mesage_bytes = 1", "\"limits.mesage_bytes\" is not a key; the nearest is limits.message_bytes"),
        ("[limit]\nheaders = 1", "\"limit.headers\" is not a key; the nearest is limits.headers"),
        ("[autth]", "\"autth\" is not a key; the nearest is auth.methods"),
        ("listen = '127.0.0.1:80'", "\"listen\" is not a key; the nearest is server.listen"),
        ("[server]\n\"li\\nsten\" = 1", "\"server.li\\nsten\" is not a key; the nearest is server.listen"),
    ] {
        let got = file(text).expect_err(text);
        assert_eq!(got, format!("barewire.toml: {error}"));
    }
}

#[test]
fn what_is_not_toml_is_told_by_its_line_without_its_text() {
    for (text, start) in [
        ("[limits]\nheaders = hush", "barewire.toml: line 2: not TOML: "),
        ("hush", "barewire.toml: line 1: not TOML: "),
        ("[limits]\nheaders = 1\nheaders = 2\n# hush", "barewire.toml: line 3: not TOML: "),
        ("[limits\n# hush", "barewire.toml: line 1: not TOML: "),
        ("a = 'hush", "barewire.toml: line 1: not TOML: "),
    ] {
        let error = file(text).expect_err(text);
        assert!(error.starts_with(start) && !error.contains("hush"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let flags = Flags { config: Some("no\nsuch.toml".into()), ..Flags::default() };
    let error = load(&flags, [], |_| Err(io::ErrorKind::NotFound.into())).map_err(one_line).unwrap_err();
    assert_eq!(error, "--config = no\\nsuch.toml: entity not found");
    for (value, expected) in [
        ("no.toml", "BAREWIRE_CONFIG = no.toml: entity not found"),
        ("", "BAREWIRE_CONFIG is empty; allowed: the path of a file"),
    ] {
        let variables = [(FILE_VARIABLE.into(), value.into())];
        let error = load(&Flags::default(), variables, |_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_environment_may_name_the_file_but_a_flag_is_stronger() {
    let variables = || [(OsString::from(FILE_VARIABLE), OsString::from("env.toml"))];
    let path_read = |flags: Flags| {
        let mut seen = None;
        load(&flags, variables(), |path| {
            seen = Some(path.to_path_buf());
            Ok(String::new())
        })
        .unwrap();
        seen
    };
    assert_eq!(path_read(Flags::default()), Some("env.toml".into()));
    assert_eq!(path_read(Flags { config: Some("flag.toml".into()), ..Flags::default() }), Some("flag.toml".into()));
}

#[test]
fn without_a_file_none_is_read() {
    load(&Flags::default(), [], |path| panic!("{path:?}")).unwrap();
}

#[test]
fn a_variable_of_ours_that_is_no_key_is_an_error_and_others_are_not() {
    let settings = environment(&[("BAREWIRE_LIMITS_MESSAGE_BYTES", "64KiB"), ("BAREWIR", "x"), ("LANG", "C")]).unwrap();
    assert_eq!(settings.limits.message_bytes, 65_536);
    for (variable, nearest) in [
        ("BAREWIRE_LIMITS_MESSAGE_BYTE", "BAREWIRE_LIMITS_MESSAGE_BYTES"),
        ("BAREWIRE_LISTEN", "BAREWIRE_SERVER_LISTEN"),
        ("BAREWIRE_limits_headers", "BAREWIRE_LIMITS_HEADERS"),
    ] {
        let error = environment(&[(variable, "hush")]).unwrap_err();
        assert_eq!(error, format!("{variable}: no such variable; the nearest is {nearest}"));
    }
    for variable in ["BAREWIRE_", "BAREWIRE_NEBULA"] {
        let error = environment(&[(variable, "hush")]).unwrap_err();
        assert_eq!(error, format!("{variable}: no such variable; barewire --help lists them"));
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt;
    let raw = || OsString::from_vec(vec![b'/', 0xff]);
    let load = |name: OsString| load(&Flags::default(), [(name, raw())], |_| Ok(String::new())).map_err(one_line);
    assert!(load("LANG".into()).is_ok() && load(raw()).is_ok());
    let error = load("BAREWIRE_LOG_LEVEL".into()).unwrap_err();
    assert!(error.starts_with("BAREWIRE_LOG_LEVEL: log.level = \"/\\xFF\": not UTF-8; allowed: off"), "{error}");
    assert!(load(FILE_VARIABLE.into()).is_ok());
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest() {
    for (typed, nearest) in [
        ("limits.mesage_bytes", "limits.message_bytes"),
        ("limit.message_bytes", "limits.message_bytes"),
        ("message_bytes", "limits.message_bytes"),
        ("server.liste", "server.listen"),
        ("listen", "server.listen"),
        ("Server.Path", "server.path"),
        ("tls.certificate", "tls.cert"),
        ("auth.user", "auth.users_file"),
        ("auth.jwt_secret", "auth.jwt_secret_file"),
        ("users", "auth.users_file"),
        ("limit", "limits.message_bytes"),
        ("log", "log.level"),
    ] {
        let error = set(&[(typed, "hush")]).unwrap_err();
        assert_eq!(error, format!("--set: {typed:?} is not a key; the nearest is {nearest}"));
    }
}

#[test]
fn what_is_near_to_no_key_is_answered_without_one() {
    for typed in ["", "x", "nebula", "quantum.flux", "database.connection_string"] {
        let error = set(&[(typed, "hush")]).unwrap_err();
        assert_eq!(error, format!("--set: {typed:?} is not a key; barewire --help lists them"));
    }
}

#[test]
fn a_path_in_the_file_begins_in_the_files_folder_and_any_other_in_the_working_directory() {
    let load = |config: &str, keys: Flags, variables: &[(&str, &str)]| {
        let flags = Flags { config: Some(config.into()), ..keys };
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let text = "[tls]\ncert = 'pair/chain.pem'\nkey = '/etc/key.pem'";
        let settings = load(&flags, variables, |_| Ok(text.into())).unwrap().settings;
        [settings.tls_cert.unwrap(), settings.tls_key.unwrap()]
    };
    for (config, cert) in
        [("/etc/barewire/conf.toml", "/etc/barewire/pair/chain.pem"), ("a/conf.toml", "a/pair/chain.pem")]
    {
        assert_eq!(load(config, keys(&[]), &[]), [Path::new(cert), Path::new("/etc/key.pem")]);
    }
    assert_eq!(load("conf.toml", keys(&[]), &[])[0], Path::new("pair/chain.pem"));
    assert_eq!(load("/a/conf.toml", keys(&[("tls.cert", "b.pem")]), &[])[0], Path::new("b.pem"));
    assert_eq!(load("/a/conf.toml", keys(&[]), &[("BAREWIRE_TLS_KEY", "b.pem")])[1], Path::new("b.pem"));
}

#[test]
fn each_value_is_traced_to_the_strongest_that_set_it_and_the_file_is_named() {
    let flags =
        Flags { config: Some("a.toml".into()), preset: Some("hardened".into()), ..keys(&[("log.level", "off")]) };
    let variables = || [("BAREWIRE_LIMITS_HEADERS".into(), "7".into())];
    let text = "log.level = 'warn'\n[limits]\nheaders = 8\nfragments = 9";
    let loaded = load(&flags, variables(), |_| Ok(text.into())).unwrap();
    let origins: Vec<(&str, &str)> = loaded.origins.iter().map(|(key, origin)| (*key, &**origin)).collect();
    let expected = [
        ("limits.fragments", "a.toml"),
        ("limits.headers", "BAREWIRE_LIMITS_HEADERS"),
        ("limits.message_bytes", "--preset hardened"),
        ("log.level", "--set"),
    ];
    assert_eq!((origins.as_slice(), loaded.file), (expected.as_slice(), Some("a.toml".into())));
    assert_eq!(load(&Flags::default(), [], |_| Ok(String::new())).unwrap().file, None);
}

const OWN_PAIR: [(&str, &str); 2] = [("tls.cert", "c.pem"), ("tls.key", "k.pem")];
