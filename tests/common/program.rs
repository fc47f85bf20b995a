//! The program as a process of its own: started with what a test gives it and nothing else, listened to, and ended with
//! the test.
//!
//! Not here: servers in the test's own process (`server.rs`, `memory.rs` beside this file).

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use crate::server::{DEADLINE, eventually};

pub const BARE: &str = env!("CARGO_BIN_EXE_barewire");
pub const LOOPBACK: [&str; 4] = ["--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0"];
/// The program, with nothing of this environment but what is said here.
pub fn barewire(arguments: &[&str]) -> Command {
    let mut command = Command::new(BARE);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs one that ends by itself.
pub fn run(arguments: &[&str]) -> Output {
    barewire(arguments).output().unwrap()
}

/// The exit code and the only line on standard error of one that refuses to start.
pub fn refusal(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: one line, not {text}");
    (output.status.code().expect("an exit code"), lines[0].into())
}

/// A running one, which is killed with the test.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<String>,
    /// All that it has printed, on both streams.
    pub said: Vec<String>,
}

impl Daemon {
    /// Starts it, and waits until it serves.
    pub fn start(arguments: &[&str]) -> Daemon {
        Daemon::spawn(&mut barewire(&[&LOOPBACK, arguments].concat()))
    }

    pub fn spawn(command: &mut Command) -> Daemon {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        follow(child.stdout.take().unwrap(), sender.clone());
        // A test may have taken standard error for itself.
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, sender);
        }
        let mut daemon = Daemon { child, lines, said: Vec::new() };
        daemon.wait_for("Try it: ");
        daemon
    }

    /// The first line, so far or to come, that holds `part`.
    pub fn wait_for(&mut self, part: &str) -> String {
        loop {
            if let Some(line) = self.said.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("{error}: no line with {part:?} in {:#?}", self.said),
            }
        }
    }

    /// Takes the lines that have come so far.
    pub fn hear_what_has_come(&mut self) {
        self.said.extend(self.lines.try_iter());
    }

    pub fn addr(&mut self, kind: &str) -> SocketAddr {
        let line = self.wait_for(&format!("{kind} server running on port "));
        SocketAddr::from(([127, 0, 0, 1], line.rsplit(' ').next().unwrap().parse().unwrap()))
    }

    pub fn tls_addr(&mut self) -> SocketAddr {
        self.addr("HTTPS + WSS")
    }

    pub fn plain_addr(&mut self) -> SocketAddr {
        self.addr("HTTP + WS")
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; returns the exit code, and all that it has printed.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("somebody else holds its output open"),
            }
        }
        (status.and_then(|status| status.code()), self.said.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stream: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
}

/// A file for one test, gone with it.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub fn new(name: &str, text: &str) -> TemporaryFile {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        TemporaryFile(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
