//! What the servers of this package have in common, so that they differ in nothing but the library that each shows: what
//! they are told, the runtime, listening and accepting, TLS.
//!
//! `NAME --mode echo|broadcast --plain PORT --tls PORT`, where port 0 takes any free one; each listener has a line on standard
//! output that ends with its port, the TLS one first, as barewire's own have. What is asked wrongly is a panic: nobody but
//! the bench runs them.
//!
//! Not here: WebSocket (`bin/`), the servers that are not in Rust (`../js/`).

pub mod hub;
pub mod listening;
pub mod tls;

use std::future::Future;

/// The largest message that is taken, in bytes: barewire's default.
pub const MESSAGE_BYTES: usize = 1 << 20;

/// What a server does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It goes back to who sent it.
    Echo,
    /// It goes to everybody else.
    Broadcast,
}

/// What a server is told.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub mode: Mode,
    pub plain: u16,
    pub tls: u16,
    /// Threads of the runtime; without it everything is on the first one.
    pub workers: Option<usize>,
    /// What a WebSocket reads at a time, where the library lets one choose; without it what the library takes.
    pub buffer: Option<usize>,
}

impl Asked {
    /// From the arguments of the process.
    pub fn of_process() -> Asked {
        let mut asked = Asked { mode: Mode::Echo, plain: 0, tls: 0, workers: None, buffer: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            let number = || value.parse().unwrap_or_else(|_| panic!("{argument} {value}: no number"));
            match (argument.as_str(), value.as_str()) {
                ("--mode", "echo") => asked.mode = Mode::Echo,
                ("--mode", "broadcast") => asked.mode = Mode::Broadcast,
                ("--plain", _) => asked.plain = number() as u16,
                ("--tls", _) => asked.tls = number() as u16,
                ("--workers", _) => asked.workers = Some(number()),
                ("--buffer", _) => asked.buffer = Some(number()),
                _ => panic!("{argument} {value}: unknown"),
            }
        }
        asked
    }

    /// Runs `server` until the process is killed.
    pub fn run(self, server: impl Future<Output = ()>) {
        let mut builder = match self.workers {
            None => tokio::runtime::Builder::new_current_thread(),
            Some(workers) => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().build().expect("a runtime").block_on(server);
    }
}
