//! Who may come in, whom it trusts, and that no secret is in what it says.
//!
//! Not here: certificates one by one (`dialing/real.rs`).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use crate::program::{Daemon, TemporaryFile, refusal, run};
use crate::server::read_past;
use crate::talk::{Talk, Told, command, converse};
use crate::{USER, nobody, ws, wss};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certs/ca.pem");
const CHAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certs/server.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certs/key.pem");
const DEVELOPMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/dev-cert.pem");
const CANARY: &str = "canary-5b1e";

/// A server that refuses every upgrade with this; with its address.
pub fn refusing(status: &'static str, body: &'static str) -> (std::thread::JoinHandle<()>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let serve = move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            read_past(&mut stream, b"\r\n\r\n");
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            let _ = stream.read(&mut [0]);
        }
    };
    (std::thread::spawn(serve), url)
}

fn with_variables(url: &str, flags: &[&str], variables: &[(&str, &str)]) -> Told {
    let mut command = command(url, flags);
    command.envs(variables.iter().copied());
    Talk::start(&mut command).end()
}

#[test]
fn a_wrong_password_is_exit_code_1_with_the_status_and_no_second_attempt() {
    let mut daemon = Daemon::start(&[]);
    let url = wss(&mut daemon);
    for (flags, expected) in [
        (&["--basic", "user:wrong"][..], "barewire: refused with 403 Forbidden"),
        (&["--token", "a.b.c"], "barewire: refused with 401 "),
        (&["--basic", "user:wrong", "--auth-by", "message"], "barewire: closed with 1008 Authentication failed"),
        (&["--token", "a.b.c", "--auth-by", "message"], "barewire: closed with 1008 Authentication failed"),
    ] {
        let told = converse(&url, flags, "");
        let last = told.assert_code(1).err.lines().last().unwrap();
        assert!(last.starts_with(expected), "{flags:?}: {told:?}");
        assert_eq!(told.err.matches("connecting").count(), 1, "{told:?}");
    }
}

#[test]
fn credentials_come_from_a_flag_a_file_or_the_environment_and_flags_are_stronger() {
    let secret = TemporaryFile::new("connect-secret", "a secret of thirty-two bytes at least\n");
    let mut daemon = Daemon::start(&["--set", &format!("auth.jwt_secret_file={}", secret.path())]);
    let token = run(&["gen-token", "tom", "--set", &format!("auth.jwt_secret_file={}", secret.path())]).stdout;
    let token = String::from_utf8(token).unwrap();
    let (pair, jwt) = (TemporaryFile::new("pair", "user:pass\r\n"), TemporaryFile::new("jwt", &token));
    let (basic, bearer) = (("BAREWIRE_CONNECT_BASIC", "user:pass"), ("BAREWIRE_CONNECT_TOKEN", token.trim()));
    let url = ws(&mut daemon);
    for (flags, variables, user) in [
        (&["--basic-file", pair.path()][..], &[][..], "user"),
        (&["--token-file", jwt.path()], &[], "tom"),
        (&["--token", token.trim()], &[], "tom"),
        (&[], &[basic], "user"),
        (&[], &[bearer], "tom"),
        (&[], &[bearer, ("BAREWIRE_CONNECT_BASIC", "")], "tom"),
        (&["--token-file", jwt.path()], &[("BAREWIRE_CONNECT_BASIC", "user:wrong")], "tom"),
        (&["--token-file", jwt.path(), "--auth-by", "message"], &[], "tom"),
    ] {
        let told = with_variables(&url, flags, variables);
        assert!(told.assert_code(0).out.contains(&format!(r#""userId":"{user}""#)), "{flags:?}: {told:?}");
    }
    // The daemon's own commands do not stumble over them.
    let mut check = crate::barewire(&["check"]);
    assert!(check.env(basic.0, basic.1).env(bearer.0, bearer.1).output().unwrap().status.success());
    let told = with_variables(&url, &[], &[basic, bearer]);
    assert!(told.assert_code(2).err.contains("BAREWIRE_CONNECT_TOKEN are set; allowed: one of them"), "{told:?}");
}

#[test]
fn the_development_certificate_is_trusted_on_this_machine_beside_the_systems_authorities_and_that_is_told() {
    let notice = "barewire: the development certificate is trusted too, since this machine is meant: its key is public";
    let mut daemon = Daemon::start(&[]);
    let port = daemon.tls_addr().port();
    for host in ["localhost", "127.0.0.1"] {
        let told = converse(&format!("wss://{host}:{port}/ws"), &USER, "");
        assert!(told.assert_code(0).err.starts_with(notice), "{told:?}");
    }
    let told = converse(&wss(&mut daemon), &[&USER[..], &["--ca", DEVELOPMENT]].concat(), "");
    assert!(!told.assert_code(0).err.contains("development"), "{told:?}");
    let mut daemon = Daemon::start(&["--tls-cert", CHAIN, "--tls-key", KEY]);
    let told = with_variables(&wss(&mut daemon), &USER, &[("SSL_CERT_FILE", CA)]);
    assert!(told.assert_code(0).err.starts_with(notice), "{told:?}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_unless_that_is_asked_for_loudly() {
    let unknown = "barewire: the server's certificate is signed by nobody that is trusted here\n";
    let mut daemon = Daemon::start(&["--tls-cert", CHAIN, "--tls-key", KEY]);
    let url = wss(&mut daemon);
    let quiet = [&USER[..], &["-q", "--no-reconnect"]].concat();
    for ca in [&[][..], &["--ca", DEVELOPMENT]] {
        assert_eq!(converse(&url, &[&quiet[..], ca].concat(), "").assert_code(1).err, unknown, "{ca:?}");
    }
    assert_eq!(converse(&url, &[&quiet[..], &["--ca", CA]].concat(), "").assert_code(0).err, "");
    let told = converse(&url, &[&quiet[..], &["--insecure"]].concat(), "");
    assert!(told.assert_code(0).err.starts_with("barewire: WARNING: --insecure: "), "{told:?}");
    assert!(told.err.contains("the certificate of localhost is not verified"), "{told:?}");
}

#[test]
fn what_is_asked_wrongly_is_one_line_that_names_it_and_exit_code_2() {
    let local = "ws://localhost:1";
    let missing = "/nonexistent/file";
    let bad = TemporaryFile::new("two-lines", "user:pass\nmore\n");
    let junk = TemporaryFile::new("junk.pem", "no PEM");
    for (arguments, parts) in [
        (&["nowhere"][..], &["the URL \"nowhere\"", "allowed: ws://host or wss://host"][..]),
        (&["ftp://x"], &["allowed schemes"]),
        (&[local, "--subscribe", ""], &["--subscribe = \"\"", "must not be empty"]),
        (&[local, "--publish", "a\u{1b}"], &["--publish = ", "control character"]),
        (&[local, "--basic", "canary-5b1e"], &["--basic: no : between user and password", "USER:PASSWORD"]),
        (&[local, "--basic", ":canary-5b1e"], &["--basic: an empty user"]),
        (&[local, "--basic-file", bad.path()], &["--basic-file = ", "more than one line"]),
        (&[local, "--basic-file", missing], &["--basic-file = /nonexistent/file: "]),
        (&[local, "--token", "canary-5b1e \n"], &["--token: not a token"]),
        (&[local, "--token-file", missing], &["--token-file = /nonexistent/file: "]),
        (
            &[local, "--basic=a:b", "--token=canary-5b1e"],
            &["'--basic <USER:PASSWORD>' cannot be used with '--token <JWT>'"],
        ),
        (&[local, "--auth-by", "post"], &["'post'", "--auth-by", "allowed: upgrade or message"]),
        (&["ws://192.0.2.1", "--basic=user:canary-5b1e"], &["ws://192.0.2.1/", "wss://, or --allow-plain"]),
        (&[local, "--ca", CA], &["--ca is of no use to ws://localhost:1/"]),
        (&[local, "--insecure"], &["--insecure is of no use to ws://"]),
        (&["wss://localhost:1", "--ca", missing], &["--ca = /nonexistent/file: "]),
        (&["wss://localhost:1", "--ca", junk.path()], &["--ca = ", "BEGIN CERTIFICATE"]),
        (&["wss://localhost:1", "--ca", CA, "--insecure"], &["'--ca <FILE>' cannot be used with '--insecure'"]),
        (&[local, "--header", "canary-5b1e"], &["--header: no : between name and value"]),
        (&[local, "--header", "Host: canary-5b1e"], &["--header has Host, which the handshake writes itself"]),
        (&[local, "--header=Authorization: canary-5b1e", "--basic=a:b"], &["--header has Authorization twice"]),
        (&[local, "--origin=x", "--header=Origin: y"], &["--header has Origin twice"]),
        (&[local, "--protocol", "canary-5b1e,"], &["--protocol[0] is no token"]),
        (&[local, "--message-bytes", "0"], &["'0'", "--message-bytes", "allowed: 1 to 1073741824 bytes"]),
        (&[local, "--heartbeat", "99ms"], &["'99ms'", "--heartbeat", "allowed: 100ms to 24 h"]),
        (&[local, "--max-attempts=-1"], &["'-1'", "--max-attempts"]),
        (&[local, "--max-attempts=1", "--no-reconnect"], &["cannot be used with"]),
        (&[local, "--log-level", "loud"], &["'loud'", "allowed: off, error, warn"]),
    ] {
        let (code, line) = refusal(&[&["connect"], arguments].concat());
        assert!(code == 2 && parts.iter().all(|part| line.contains(part)), "{arguments:?}: {code}: {line}");
        assert!(!line.contains(CANARY), "{arguments:?}: {line}");
    }
    assert_eq!(refusal(&["connect"]).0, 2);
    assert!(refusal(&["--user=a:b", "connect", local]).1.contains("--user before connect is of no use to it"));
}

#[test]
fn nothing_secret_is_in_what_it_says_whatever_it_logs() {
    let mut daemon = Daemon::start(&["--user", "anna:canary-5b1e"]);
    let query = |url: String| format!("{url}?token={CANARY}");
    let (tls, plain) = (query(wss(&mut daemon)), query(ws(&mut daemon)));
    let (_held, nobody) = nobody();
    let nobody = format!("ws://{nobody}/?token={CANARY}");
    let pair = TemporaryFile::new("canary-pair", "anna:canary-5b1e");
    let wrong = format!("bearer.{CANARY}.x.y");
    for (url, flags) in [
        (&tls, &["--basic", "anna:canary-5b1e"][..]),
        (&plain, &["--basic-file", pair.path(), "--auth-by", "message"]),
        (&plain, &["--basic", "anna:canary-5b1e", "--header", "X-Secret: canary-5b1e"]),
        (&tls, &["--basic", "canary-5b1e:canary-5b1e"]),
        (&plain, &["--token", "canary-5b1e.x.y", "--auth-by", "message"]),
        (&plain, &["--token", "canary-5b1e.x.y", "--header", "Cookie: canary-5b1e"]),
        (&plain, &["--protocol", &wrong, "--protocol", "json"]),
        (&nobody, &["--basic", "anna:canary-5b1e", "--max-attempts", "0"]),
    ] {
        for shown in [&["--log-level", "trace"][..], &["--log-level", "trace", "--json"]] {
            let told = converse(url, &[flags, shown].concat(), "");
            assert!(told.code == Some(0) || told.code == Some(1), "{told:?}");
            assert!(!told.out.contains(CANARY) && !told.err.contains(CANARY), "{flags:?}: {told:#?}");
            // Nor as base64 has it, whatever stands before.
            for part in ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"] {
                assert!(!told.out.contains(part) && !told.err.contains(part), "{flags:?}: {told:#?}");
            }
        }
    }
}
