//! The subcommands beside `serve`: what they print, and with which exit code they end.
//!
//! Not here: `serve` (`daemon.rs`), the command line's grammar (`src/daemon/cli/tests.rs`).

#![cfg(feature = "daemon")]
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

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use program::{Daemon, TemporaryFile, barewire, refusal, run};

/// What one prints that ends well, and says nothing else.
fn answer(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

// --- standard output ---

#[test]
#[cfg(target_os = "linux")]
fn what_was_asked_for_and_cannot_be_written_is_told_and_a_reader_who_has_gone_is_not() {
    let secret = TemporaryFile::new("unwritten-secret", "0123456789abcdef0123456789abcdef");
    let setting = format!("auth.jwt_secret_file={}", secret.path());
    for arguments in [&["print-config"][..], &["hash-password"], &["gen-token", "ann", "--set", &setting], &["--help"]]
    {
        // As the password that is hashed.
        let input = || fs::File::open(secret.path()).unwrap();
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = barewire(arguments).stdin(input()).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.starts_with("barewire: standard output: ") && err.lines().count() == 1, "{arguments:?}: {err}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = barewire(arguments).stdin(input()).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

// --- check ---

#[test]
fn check_says_in_one_line_that_all_is_well_and_which_file_it_was() {
    assert_eq!(answer(&["check"]), "the configuration is good (no file)\n");
    let file = TemporaryFile::new("good.toml", "limits.headers = 7");
    let line = format!("the configuration is good ({})\n", file.path());
    assert_eq!(answer(&["check", "--config", file.path()]), line);
    let mut command = barewire(&["check"]);
    let output = command.env("BAREWIRE_CONFIG", file.path()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), line);
}

#[test]
fn check_opens_no_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    answer(&["check", "--listen", &addr]);
}

#[test]
fn check_refuses_what_serve_refuses_in_the_same_words() {
    let junk = TemporaryFile::new("check-junk.pem", "no PEM at all");
    let too_many = ["127.0.0.1:0"; 257].join(",");
    let cases: [&[&str]; 7] = [
        &["--set", "limits.headers=0"],
        &["--listen", "127.0.0.1:1", "--plain-listen", "127.0.0.1:1"],
        &["--config", "/nonexistent/barewire.toml"],
        &["--listen", "0.0.0.0:443"],
        &["--tls-cert", "/nonexistent/chain.pem", "--tls-key", "/nonexistent/\nkey.pem"],
        &["--tls-cert", junk.path(), "--tls-key", junk.path()],
        &["--set", &format!("server.listen={too_many}")],
    ];
    for arguments in cases {
        let checked = refusal(&[&["check"], arguments].concat());
        assert_eq!(checked.0, 2, "{checked:?}");
        assert_eq!(checked, refusal(arguments), "{arguments:?}");
    }
}

#[test]
fn files_that_the_file_names_are_looked_for_beside_it() {
    let folder = TemporaryFolder::new("beside");
    for name in ["dev-cert.pem", "dev-key.pem"] {
        let pair = format!("{}/certs/{name}", env!("CARGO_MANIFEST_DIR"));
        fs::copy(pair, folder.0.join(name)).unwrap();
    }
    let config = folder.0.join("barewire.toml");
    fs::write(&config, "tls.cert = 'dev-cert.pem'\ntls.key = 'dev-key.pem'").unwrap();
    let config = config.to_str().unwrap();
    answer(&["check", "--config", config]);
    // A flag means the working directory, where there is no such file.
    let (code, line) = refusal(&["check", "--config", config, "--tls-key", "dev-key.pem"]);
    assert!(code == 2 && line.contains("tls.key = dev-key.pem: No such file"), "{line}");
}

/// A folder for one test, gone with it.
struct TemporaryFolder(std::path::PathBuf);

impl TemporaryFolder {
    fn new(name: &str) -> TemporaryFolder {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        TemporaryFolder(path)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

// --- print-config ---

#[test]
fn print_config_prints_a_file_that_prints_itself() {
    let issuer = "--set=auth.jwt_issuer=a\"b";
    let flags = ["--preset=hardened", issuer, "--plain-listen=127.0.0.1:80", "--user=anna:canary-81c2"];
    let printed = answer(&[&["print-config"], &flags[..]].concat());
    assert!(printed.contains("message_bytes = \"100KiB\"") && printed.contains("jwt_issuer = \"a\\\"b\""), "{printed}");
    assert!(printed.contains("--user anna:PASSWORD") && !printed.contains("canary"), "{printed}");
    let file = TemporaryFile::new("printed.toml", &printed);
    let again = answer(&["print-config", "--config", file.path(), "--user", "anna:canary-81c2"]);
    let values =
        |text: &str| -> Vec<String> { text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect() };
    assert_eq!(values(&again), values(&printed));
    assert!(values(&printed).len() > 30);
    answer(&["check", "--config", file.path()]);
}

#[test]
fn print_config_of_a_configuration_that_is_wrong_is_one_line() {
    let (code, line) = refusal(&["print-config", "--set", "limits.headers=0"]);
    assert!(code == 2 && line.contains("limits.headers"), "{line}");
}

// --- health ---

#[test]
fn health_is_told_by_plain_and_by_tls() {
    let mut daemon = Daemon::start(&["--log-level", "off"]);
    let (plain, secure) = (daemon.plain_addr().to_string(), daemon.tls_addr().to_string());
    assert_eq!(answer(&["health", "--plain-listen", &plain]), format!("{plain} is well\n"));
    assert_eq!(answer(&["health", "--listen", &secure]), format!("{secure} is well\n"));
    let everywhere = secure.replace("127.0.0.1", "0.0.0.0");
    let pair = ["--tls-cert", "not-read.pem", "--tls-key", "not-read.pem", "--user", "anna:secret"];
    let told = answer(&[&["health", "--listen", &everywhere], &pair[..]].concat());
    assert_eq!(told, format!("{secure} is well\n"), "the machine's own");
}

#[test]
fn whoever_is_not_well_is_exit_code_1_and_one_line_that_says_why() {
    let endless = "x".repeat(100_000);
    let cases: [(&str, &str); 6] = [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "it answers HTTP/1.1 503 Service Unavailable"),
        ("HTTP/1.1 404 \u{1b}[31m\u{85}\r\n\r\n", r"it answers HTTP/1.1 404 \u{1b}[31m\u{85}"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "it answers HTTP/1.1 2000 OK"),
        ("", "no status line"),
        ("HTTP/1.1 200 OK", "no status line"),
        (&endless, "no status line"),
    ];
    for (says, why) in cases {
        let addr = impostor(says.into());
        let (code, line) = refusal(&["health", "--plain-listen", &addr.to_string()]);
        assert_eq!((code, line), (1, format!("barewire: {addr} is not well: {why}")));
    }
    for kind in ["--plain-listen", "--listen"] {
        let (code, line) = refusal(&["health", kind, "127.0.0.1:1"]);
        assert!(code == 1 && line.contains("Connection refused"), "{line}");
    }
    // Where TLS is asked for, it is spoken.
    let (code, line) = refusal(&["health", "--listen", &impostor("HTTP/1.1 200 OK\r\n\r\n".into()).to_string()]);
    assert!(code == 1 && line.contains("is not well: no TLS: "), "{line}");
}

#[test]
fn who_drips_its_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let (code, line) = refusal(&["health", "--plain-listen", &addr]);
    assert_eq!((code, line), (1, format!("barewire: {addr} is not well: no answer within 5s")));
}

#[test]
fn a_port_that_the_system_chooses_cannot_be_asked() {
    for arguments in [["health", "--listen", "127.0.0.1:0"], ["health", "--plain-listen", "127.0.0.1:0"]] {
        let (code, line) = refusal(&arguments);
        assert!(code == 2 && line.contains("listen = 127.0.0.1:0: with port 0"), "{line}");
    }
}

/// Somebody who says this to the first who asks, and ends.
fn impostor(says: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Whoever asks may have heard enough before the end.
        let _ = stream.write_all(says.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    addr
}
