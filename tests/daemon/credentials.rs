//! The program's users file, its keys, and the subcommands that make what goes with them.
//!
//! Not here: which password or token is good (`../authentication.rs`).

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Output, Stdio};

use super::OTHER_KEY;
use super::common::{self, frames, http::basic};
use super::program::{Daemon, LOOPBACK, TemporaryFile, barewire, refusal, run};
use super::server::{connect, read_past};

const SECRET: &str = "canary-secret-of-32-bytes-for-hs\n";

/// `p256-private.pem` in the form of `openssl ecparam -genkey` (RFC 5915).
const SEC1_KEY: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIFFeP7mcHzwi5vUzVn8Fjp+3mY/355qVJwRdEO6+UcQpoAoGCCqGSM49
AwEHoUQDQgAEgj8F/OO4OGRchXVcCPdiD3aFps4Y3J4ZB2g9CNG6RW00tq/vcIF7
CoLHQ/uLDW5rE5xJigiehdfYb9c0WarFfQ==
-----END EC PRIVATE KEY-----
";

fn key(name: &str) -> String {
    format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// Runs one with this on its standard input.
fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut child = barewire(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // One that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one line that it prints, and nothing else.
fn line(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

/// The one line that it complains in, with exit code 2.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        (output.status.code(), text.lines().count(), output.stdout.is_empty()),
        (Some(2), 1, true),
        "{output:?}"
    );
    text.trim_end().to_owned()
}

/// The status line of an upgrade with this `Authorization`.
fn upgrade(addr: SocketAddr, authorization: &str) -> String {
    let mut client = connect(addr);
    client.write_all(common::upgrade(&format!("Authorization: {authorization}\r\n")).as_bytes()).unwrap();
    let mut status = [0; "HTTP/1.1 101".len()];
    client.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[test]
fn what_hash_password_prints_is_a_user_of_the_server() {
    let bob = line(&run_with(&["hash-password", "bob"], "p:w ü\n"));
    let eve = run_with(&["hash-password", "--algorithm=bcrypt"], "secret\nwhat follows is not read\n");
    let eve = line(&eve);
    assert!(bob.starts_with("bob:$argon2id$v=19$") && eve.starts_with("$2b$12$"), "{bob} {eve}");
    let file = TemporaryFile::new("users-good", &format!("# users\n\n{bob}\neve:{eve}\n"));
    let mut daemon = Daemon::start(&["--users-file", file.path(), "--user", "plain:pw"]);
    let addr = daemon.plain_addr();
    for (credentials, status) in [
        ("bob:p:w ü", "101"),
        ("bob:p:w ü", "101"),
        ("eve:secret", "101"),
        ("plain:pw", "101"),
        ("bob:secret", "403"),
        ("nobody:secret", "403"),
        ("user:pass", "403"),
    ] {
        assert_eq!(upgrade(addr, &basic(credentials)), status, "{credentials}");
    }
    let mut client = connect(addr);
    let auth = format!(r#"{{"type":"auth","token":"{}"}}"#, basic("bob:p:w ü"));
    client.write_all(&[common::upgrade("").as_bytes(), &frames::text(&auth)].concat()).unwrap();
    read_past(&mut client, br#""userId":"bob""#);
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(!output.contains("default user") && !output.contains("argon2id"), "{output}");
}

#[test]
fn a_password_that_cannot_be_hashed_and_a_name_that_cannot_be_a_users_are_refused() {
    let long = "x".repeat(1025);
    for (arguments, input, part) in [
        (&["hash-password"][..], "", "the password is empty"),
        (&["hash-password"], "\nsecond\n", "the password is empty"),
        (&["hash-password"], &*long, "allowed: 1 to 1024"),
        (&["hash-password", "--algorithm=bcrypt"], &long[..73], "73 bytes; allowed with bcrypt: 1 to 72"),
        (&["hash-password", "a:b"], "canary", "\"a:b\" is no user's name"),
        (&["hash-password", ""], "canary", "\"\" is no user's name"),
        (&["hash-password", "#a"], "canary", "\"#a\" is no user's name"),
        (&["hash-password", " a"], "canary", "\" a\" is no user's name"),
        (&["hash-password", "a\nb"], "canary", "\"a\\nb\" is no user's name"),
        (&["hash-password", "--algorithm=md5"], "canary", "allowed: argon2id or bcrypt"),
    ] {
        let complaint = complaint(&run_with(arguments, input));
        assert!(complaint.contains(part) && !complaint.contains("canary") && !complaint.contains("xxx"), "{complaint}");
    }
}

#[test]
fn what_gen_token_prints_the_server_takes_for_each_algorithm() {
    let secret = TemporaryFile::new("secret-good", SECRET);
    for (algorithm, name) in [("HS256", ""), ("RS256", "rsa"), ("ES256", "p256"), ("EdDSA", "ed25519")] {
        let own = match algorithm {
            "HS256" => format!("auth.jwt_secret_file={}", secret.path()),
            _ => format!("auth.jwt_public_key_file={}", key(&format!("{name}-public"))),
        };
        let algorithm = format!("auth.jwt_algorithm={algorithm}");
        let settings =
            ["--set", &own, "--set", &algorithm, "--set", "auth.jwt_audience=us", "--set", "auth.jwt_issuer=i"];
        let private = key(&format!("{name}-private"));
        let mut arguments = vec!["gen-token", "bob", "--channel", "news", "--expires", "10m"];
        arguments.extend(settings);
        if !name.is_empty() {
            arguments.extend(["--key", &private]);
        }
        let token = line(&run(&arguments));
        let mut daemon = Daemon::start(&[&["--set", "auth.methods=bearer"], &settings[..]].concat());
        let addr = daemon.plain_addr();
        assert_eq!(upgrade(addr, &format!("Bearer {token}")), "101", "{algorithm}");
        assert_eq!(upgrade(addr, &format!("Bearer {token}x")), "401", "{algorithm}");
        let mut client = connect(addr);
        let offers = format!("Sec-WebSocket-Protocol: json, bearer.{token}\r\n");
        client.write_all(common::upgrade(&offers).as_bytes()).unwrap();
        read_past(&mut client, br#""channel":"news""#);
    }
}

#[test]
fn a_token_that_cannot_be_made_is_one_line_that_says_why() {
    let secret = TemporaryFile::new("secret-gen", SECRET);
    let own = format!("--set=auth.jwt_secret_file={}", secret.path());
    let p256 = "--set=auth.jwt_algorithm=ES256";
    let public = format!("--set=auth.jwt_public_key_file={}", key("p256-public"));
    let (rsa, ed, ec) = (key("rsa-private"), key("ed25519-private"), key("p256-private"));
    let long = "n".repeat(256);
    let sec1 = TemporaryFile::new("sec1.pem", SEC1_KEY);
    let cases: [(&[&str], &str); 14] = [
        (&["bob"], "gen-token signs HS256 with auth.jwt_secret_file, and there is none"),
        (&["bob", p256], "gen-token signs ES256 with --key, and there is none"),
        (&["bob", &own, "--key", &ec], "HS256 signs with auth.jwt_secret_file"),
        (
            &["bob", p256, "--key", &rsa],
            "rsa-private.pem: a key that does not fit (WrongAlgorithm); allowed with ES256: a P-256 key, PEM",
        ),
        (&["bob", p256, "--key", &ed], "ed25519-private.pem: a key that does not fit"),
        (&["bob", p256, "--key", "/nonexistent"], "--key = /nonexistent: No such file"),
        (&["bob", p256, "--key", secret.path()], "no private key, or an encrypted one; allowed with ES256: "),
        (&["bob", p256, "--key", sec1.path()], "BEGIN EC PRIVATE KEY"),
        (&["", &own], "SUB = \"\" is no user id; allowed: 1 to 255 bytes"),
        (&[&long, &own], "is no user id; allowed: 1 to 255 bytes"),
        (&["b\nb", &own], "SUB = \"b\\nb\" is no user id"),
        (&["bob", &own, "--channel", ""], "--channel = \"\": "),
        (&["bob", &own, "--publish", "a\tb"], "--publish = \"a\\tb\": "),
        (&["bob", p256, &public, "--key", &ec, "--subscribe", &long], "--subscribe = "),
    ];
    for (arguments, part) in cases {
        let complaint = complaint(&run(&[&["gen-token"], arguments].concat()));
        assert!(complaint.contains(part) && !complaint.contains("canary"), "{complaint}");
    }
    let many = "n".repeat(200);
    let arguments: Vec<&str> = std::iter::repeat_n(["--channel", many.as_str()], 20).flatten().collect();
    let long = complaint(&run(&[&["gen-token", "bob", &own], &arguments[..]].concat()));
    assert!(long.contains("allowed: up to 4096"), "{long}");
    // A private key that is not the one of the public key which the server has.
    let other = TemporaryFile::new("other-private.pem", OTHER_KEY);
    let refused = complaint(&run(&["gen-token", "bob", p256, &public, "--key", other.path()]));
    assert!(refused.contains("p256-public.pem: its signature is wrong"), "{refused}");
    assert_eq!(line(&run(&["gen-token", "bob", p256, "--key", &ec])).split('.').count(), 3, "no public key is needed");
}

#[test]
fn a_file_that_cannot_be_used_is_one_line_that_names_key_and_file() {
    let hash = "$2b$04$n5oyx0JmRdXHi/PnAE3mbuMNoQ.hbzoTHiSgbDjdYj3a1bXtsXbRe";
    let file = |name: &str, text: &str| TemporaryFile::new(name, text);
    let (junk, empty) = (file("users-junk", "bob:canary\n"), file("users-empty", "# nobody\n\n"));
    let twice = file("users-twice", &format!("bob:{hash}\nbob:{hash}\n"));
    let costly = file("users-costly", &format!("bob:{}\n", hash.replace("04", "31")));
    let good = file("users-fine", &format!("bob:{hash}\n"));
    let (short, pem) = (file("secret-short", "canary\n"), key("rsa-public"));
    let public = |name: &str| format!("auth.jwt_public_key_file={}", key(name));
    let (p384, small, ec) = (public("p384-public"), public("rsa-1024-public"), public("p256-public"));
    let secret = |path: &str| format!("auth.jwt_secret_file={path}");
    let (short_secret, pem_secret, none) = (secret(short.path()), secret(&pem), secret("/nonexistent"));
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--users-file", "/nonexistent"], &["auth.users_file = /nonexistent: No such file"]),
        (&["--users-file", env!("CARGO_MANIFEST_DIR")], &["auth.users_file = ", "directory"]),
        (
            &["--users-file", junk.path()],
            &[junk.path(), "line 1: not a hash of a known kind; allowed: an argon2id hash"],
        ),
        (&["--users-file", empty.path()], &[empty.path(), "no users"]),
        (&["--users-file", twice.path()], &[twice.path(), "line 2: \"bob\" is given twice"]),
        (&["--users-file", costly.path()], &[costly.path(), "line 1: ", "cost 31; allowed: 4 to 15"]),
        (&["--users-file", good.path(), "--user", "bob:x"], &[good.path(), "\"bob\" is also given by --user"]),
        (&["--set", &short_secret], &["auth.jwt_secret_file = ", short.path(), "6 bytes; allowed: 32 bytes or more"]),
        (&["--set", &pem_secret], &["auth.jwt_secret_file = ", &pem, "a PEM file is no secret"]),
        (&["--set", &none], &["auth.jwt_secret_file = /nonexistent: No such file"]),
        (
            &["--set", &p384, "--set", "auth.jwt_algorithm=ES256"],
            &["p384-public.pem: another key; ES256 needs a P-256 key"],
        ),
        (&["--set", &small, "--set", "auth.jwt_algorithm=RS256"], &["rsa-1024-public.pem: an RSA key of 1024 bits"]),
        (&["--set", &ec], &["auth.jwt_public_key_file = ", "with auth.jwt_algorithm = HS256"]),
    ];
    for (arguments, parts) in cases {
        let (code, line) = refusal(&[&LOOPBACK, arguments].concat());
        assert!(code == 2 && parts.iter().all(|part| line.contains(part)), "{code}: {line}");
        assert!(!line.contains("canary") && !line.contains("n5oyx"), "{line}");
        assert_eq!(refusal(&[&["check"], arguments].concat()), (code, line), "`check` finds the same");
    }
}

#[test]
fn how_to_try_it_fits_the_ways_that_are_on() {
    let file = TemporaryFile::new("users-try", "bob:$2b$04$n5oyx0JmRdXHi/PnAE3mbuMNoQ.hbzoTHiSgbDjdYj3a1bXtsXbRe\n");
    let secret = TemporaryFile::new("secret-try", SECRET);
    let own = format!("auth.jwt_secret_file={}", secret.path());
    let cases: [(&[&str], &str); 5] = [
        (&["--users-file", file.path()], "/ws --basic NAME:PASSWORD"),
        (&["--set", &own, "--user", "bob:pw"], "/ws --basic bob:PASSWORD"),
        (&["--set", &own, "--set", "auth.methods=bearer"], "/ws --token TOKEN"),
        (&["--set", "auth.methods=message"], "/ws --basic user:pass --auth-by message"),
        (&["--set", "auth.methods=none"], "/ws"),
    ];
    for (arguments, part) in cases {
        let mut daemon = Daemon::spawn(&mut barewire(&[&["--plain-listen", "127.0.0.1:0"], arguments].concat()));
        let line = daemon.wait_for("Try it: ");
        assert!(line.ends_with(part), "{line}");
    }
}

#[test]
fn neither_token_nor_secret_nor_hash_is_ever_printed_not_even_at_trace() {
    let secret = TemporaryFile::new("secret-canary", SECRET);
    let users =
        TemporaryFile::new("users-canary", "bob:$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\n");
    let own = format!("auth.jwt_secret_file={}", secret.path());
    let good = line(&run(&["gen-token", "anna", "--set", &own]));
    let wrong = good.replace(&good[good.len() - 8..], "canaryAA");
    let settings = ["--users-file", users.path(), "--set", &own, "--log-level", "trace"];
    let mut daemon = Daemon::start(&settings);
    let addr = daemon.plain_addr();
    for token in [&good, &wrong] {
        let says = [
            common::upgrade(&format!("Authorization: Bearer {token}\r\n")).into_bytes(),
            common::upgrade(&format!("Sec-WebSocket-Protocol: {token}\r\n")).into_bytes(),
            common::upgrade(&format!("Sec-WebSocket-Protocol: json, bearer.{token}\r\n")).into_bytes(),
            [common::upgrade("").as_bytes(), &frames::text(&format!(r#"{{"type":"auth","token":"{token}"}}"#))]
                .concat(),
            format!("GET /?token={token} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes(),
        ];
        for bytes in says {
            let mut client = connect(addr);
            client.write_all(&bytes).unwrap();
            assert!(client.read(&mut [0; 512]).unwrap() > 0, "an answer");
        }
    }
    assert_eq!(upgrade(addr, &basic("bob:canary-password")), "403");
    daemon.wait_for("is refused: its signature is wrong");
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0));
    assert!(output.contains("Client connected: anna"), "{output}");
    let signature = good.rsplit('.').next().unwrap();
    let claims = good.split('.').nth(1).unwrap();
    for secret in [signature, claims, "canary-secret", "canaryAA", "canary-password", "rS2Kdee"] {
        assert!(!output.contains(secret), "{secret} is in\n{output}");
    }
}

/// A configuration with a secret of each kind.
struct Vault {
    secret: TemporaryFile,
    users: TemporaryFile,
    tls_key: String,
    settings: Vec<String>,
    /// A token that it made, and one like it whose signature is wrong.
    tokens: [String; 2],
}

impl Vault {
    const HASH: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
    const PASSWORDS: [&str; 3] = ["eve:canary-plain", "bob:canary-wrong", "canary:canary-wrong"];

    fn new(name: &str) -> Vault {
        let secret = TemporaryFile::new(&format!("secret-{name}"), SECRET);
        let users = TemporaryFile::new(&format!("users-{name}"), &format!("bob:{}\n", Self::HASH));
        let [tls_cert, tls_key] =
            ["cert", "key"].map(|it| format!("{}/certs/dev-{it}.pem", env!("CARGO_MANIFEST_DIR")));
        let settings = [
            format!("--users-file={}", users.path()),
            format!("--set=auth.jwt_secret_file={}", secret.path()),
            format!("--user={}", Self::PASSWORDS[0]),
            format!("--tls-cert={tls_cert}"),
            format!("--tls-key={tls_key}"),
            "--log-level=trace".into(),
        ];
        let mut vault = Vault { secret, users, tls_key, settings: settings.into(), tokens: Default::default() };
        let good = line(&run(&[&["gen-token", "anna"], &vault.settings()[..]].concat()));
        vault.tokens = [good.replace(&good[good.len() - 8..], "canaryAA"), good];
        vault
    }

    fn settings(&self) -> Vec<&str> {
        self.settings.iter().map(String::as_str).collect()
    }

    /// Panics if a secret is in what somebody says.
    fn is_kept_by(&self, text: &str, whose: &str) {
        let key = std::fs::read_to_string(&self.tls_key).unwrap();
        let key = key.lines().find(|line| line.len() > 40 && !line.starts_with("-----")).unwrap();
        let signature = self.tokens[1].rsplit('.').next().unwrap();
        let passwords = Self::PASSWORDS.map(|pair| basic(pair)["Basic ".len()..].to_owned());
        let passwords = passwords.iter().map(String::as_str);
        for secret in passwords.chain(["canary-", "canaryAA", &Self::HASH[30..], signature, key]) {
            assert!(!text.contains(secret), "{secret} is in what {whose} says: {text}");
        }
    }
}

#[test]
fn no_secret_is_in_what_a_subcommand_prints_whichever_file_is_taken_for_another() {
    let vault = Vault::new("printed");
    for subcommand in ["check", "print-config"] {
        let output = run(&[&[subcommand], &vault.settings()[..]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        vault.is_kept_by(&format!("{output:?}"), subcommand);
    }
    let (secret, users, key) = (vault.secret.path(), vault.users.path(), vault.tls_key.as_str());
    for (flag, file) in [
        ("--users-file", secret),
        ("--users-file", key),
        ("--set=auth.jwt_secret_file", key),
        ("--tls-key", secret),
        ("--tls-key", users),
        ("--tls-cert", key),
        ("--config", secret),
        ("--config", users),
        ("--config", key),
    ] {
        let wrong = format!("{flag}={file}");
        for subcommand in [&["check"][..], &["serve"], &["print-config"], &["gen-token", "bob"]] {
            let output = run(&[subcommand, &LOOPBACK, &vault.settings(), &[&wrong]].concat());
            let is_refused = output.status.code() == Some(2);
            assert!(is_refused || subcommand.len() == 2 || subcommand == ["print-config"], "{wrong}: {output:?}");
            vault.is_kept_by(&format!("{output:?}"), &format!("{subcommand:?} {wrong}"));
        }
    }
}

#[test]
fn no_secret_is_in_any_answer_nor_in_the_log_of_it() {
    let vault = Vault::new("answered");
    let mut daemon = Daemon::start(&vault.settings());
    let mut says = Vec::new();
    let passwords = Vault::PASSWORDS.map(|pair| (basic(pair), basic(pair)));
    let tokens = vault.tokens.clone().map(|token| (format!("Bearer {token}"), token));
    for (header, token) in passwords.into_iter().chain(tokens) {
        let header = format!("Authorization: {header}\r\n");
        let auth = frames::text(&format!(r#"{{"type":"auth","token":"{token}"}}"#));
        let misspelt = frames::text(&format!(r#"{{"type":"Auth","token":"{token}"}}"#));
        says.push([common::upgrade(&header).as_bytes(), &auth, &misspelt].concat());
        says.push([common::upgrade("").as_bytes(), &auth, &misspelt].concat());
        says.push([common::upgrade("").as_bytes(), &misspelt].concat());
        says.push(format!("GET /nowhere HTTP/1.1\r\nHost: x\r\n{header}\r\n").into_bytes());
        says.push(format!("GET /ws HTTP/1.1\r\nHost: x\r\n{header}: {token}\r\n\r\n").into_bytes());
    }
    // An answer may hold a token only where that was the sole offer, and so is selected.
    for token in &vault.tokens {
        says.push(common::upgrade(&format!("Sec-WebSocket-Protocol: json, bearer.{token}\r\n")).into_bytes());
        says.push(common::upgrade(&format!("Sec-WebSocket-Protocol: bearer.{token}, json, json\r\n")).into_bytes());
    }
    for bytes in says {
        let mut client = connect(daemon.plain_addr());
        client.write_all(&bytes).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "));
        vault.is_kept_by(&String::from_utf8_lossy(&answer), &format!("the answer to {}", bytes.escape_ascii()));
    }
    daemon.signal("TERM");
    let (code, output) = daemon.end();
    assert_eq!(code, Some(0));
    assert!(output.contains("Client connected: eve") && output.contains("Client connected: anna"), "{output}");
    vault.is_kept_by(&output, "the log");
}
