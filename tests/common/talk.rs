//! `barewire connect` as a process of its own, with both its streams listened to, and ended with the test.
//!
//! Not here: the daemon that it talks to (`program.rs` beside this file).

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::program::barewire;
use crate::server::{DEADLINE, eventually};

/// What one has said that is over.
#[derive(Debug)]
pub struct Told {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Told {
    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// All that it has said, with one word for how it ended.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Told {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// See the module.
pub struct Talk {
    pub child: Child,
    /// Until the test ends it.
    pub stdin: Option<ChildStdin>,
    out: Stream,
    err: Stream,
}

/// Lines of one stream.
struct Stream {
    lines: Receiver<Vec<u8>>,
    said: Vec<u8>,
}

/// Talks to this URL with these flags; the environment has only these variables.
pub fn command(url: &str, flags: &[&str]) -> Command {
    let mut command = barewire(&[&["connect", url], flags].concat());
    command.stdin(Stdio::piped());
    command
}

/// Says all of this, and waits for the end.
pub fn converse(url: &str, flags: &[&str], input: &str) -> Told {
    let mut talk = Talk::start(&mut command(url, flags));
    let mut stdin = talk.stdin.take().unwrap();
    let input = input.to_owned();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let told = talk.end();
    writer.join().unwrap();
    told
}

pub fn send_signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

impl Talk {
    pub fn start(command: &mut Command) -> Talk {
        let mut child = command.spawn().unwrap();
        let (out, err) = (Stream::of(child.stdout.take().unwrap()), Stream::of(child.stderr.take().unwrap()));
        Talk { stdin: child.stdin.take(), child, out, err }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line of standard output with this in it.
    pub fn hear(&mut self, part: &str) {
        self.out.wait_for(part);
    }

    /// The same for standard error.
    pub fn see(&mut self, part: &str) {
        self.err.wait_for(part);
    }

    pub fn signal(&self, name: &str) {
        send_signal(&self.child, name);
    }

    /// Ends its input, if that was not done, and waits for its end.
    pub fn end(mut self) -> Told {
        drop(self.stdin.take());
        let (out, err) = (self.out.rest(), self.err.rest());
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Told { code: status.and_then(|status| status.code()), out, err }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn of(stream: impl Read + Send + 'static) -> Stream {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            loop {
                let mut line = Vec::new();
                if stream.read_until(b'\n', &mut line).unwrap() == 0 || sender.send(line).is_err() {
                    return;
                }
            }
        });
        Stream { lines, said: Vec::new() }
    }

    fn wait_for(&mut self, part: &str) {
        let mut at = 0;
        loop {
            if self.said.get(at..).is_some_and(|new| String::from_utf8_lossy(new).contains(part)) {
                return;
            }
            let line = self.lines.recv_timeout(DEADLINE);
            let said = || String::from_utf8_lossy(&self.said);
            let line = line.unwrap_or_else(|error| panic!("{error}: no line with {part:?} in {}", said()));
            at = self.said.len();
            self.said.extend(line);
        }
    }

    fn rest(&mut self) -> String {
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => self.said.extend(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("{error}: no end behind {}", String::from_utf8_lossy(&self.said)),
            }
        }
        String::from_utf8(std::mem::take(&mut self.said)).unwrap()
    }
}
