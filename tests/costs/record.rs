//! A network in memory that notes every call the server makes, as a line each; what it allocates itself does not count.
//!
//! A wait that would sleep is the same call as the one that wakes up: it is noted when it does. Closing a socket is a call
//! too.
//!
//! Not here: the network (`common/memory.rs`), what a server on it is to do (`tests/costs.rs`).

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use barewire::Now;
use barewire::net::io::{Io, Ready, Socket};

use crate::memory::{MemoryIo, MemorySocket, Network};

/// What was called so far; shared by the network and its sockets.
#[derive(Clone, Default)]
pub struct Record(Rc<RefCell<Noted>>);

#[derive(Default)]
struct Noted {
    calls: Vec<String>,
    sleeps: bool,
    sockets: usize,
}

impl Record {
    /// The calls since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }

    /// Whether the last wait would have slept.
    pub fn sleeps(&self) -> bool {
        self.0.borrow().sleeps
    }

    /// Notes a call, and how it failed if it did.
    fn note<T>(&self, call: String, result: io::Result<T>) -> io::Result<T> {
        let failure = result.as_ref().err().map(|error| format!(" fails: {:?}", error.kind()));
        self.0.borrow_mut().calls.push(call + &failure.unwrap_or_default());
        result
    }

    /// The number of the next socket.
    fn number(&self) -> usize {
        let mut noted = self.0.borrow_mut();
        noted.sockets += 1;
        noted.sockets - 1
    }
}

/// What this allocates is no cost of the server's.
fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let mut result = None;
    allocation_counter::opt_out(|| result = Some(work()));
    result.unwrap()
}

pub struct RecordedIo {
    io: MemoryIo,
    record: Record,
}

impl RecordedIo {
    pub fn new(network: &Network) -> (RecordedIo, Record) {
        let record = Record::default();
        (RecordedIo { io: MemoryIo(network.clone()), record: record.clone() }, record)
    }
}

impl Io for RecordedIo {
    type Socket = RecordedSocket;

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        uncounted(|| {
            let result = self.io.wait(timeout, ready);
            let sleeps = ready.is_empty() && timeout != Some(Duration::ZERO);
            self.record.0.borrow_mut().sleeps = sleeps;
            if sleeps { result } else { self.record.note(format!("wait: {} ready", ready.len()), result) }
        })
    }

    fn accept(&mut self, listener: usize) -> io::Result<(RecordedSocket, SocketAddr)> {
        uncounted(|| {
            let (socket, peer) = self.record.note("accept".into(), self.io.accept(listener))?;
            Ok((
                RecordedSocket { socket: Some(socket), number: self.record.number(), record: self.record.clone() },
                peer,
            ))
        })
    }

    fn register(&mut self, socket: &mut RecordedSocket, token: usize) -> io::Result<()> {
        let io = &mut self.io;
        socket.call("register", |socket| io.register(socket, token))
    }

    fn close_listeners(&mut self) {
        uncounted(|| self.io.close_listeners());
    }

    /// Not noted: the system's clock is read without a call.
    fn now(&mut self) -> Now {
        self.io.now()
    }
}

pub struct RecordedSocket {
    /// There until it is dropped.
    socket: Option<MemorySocket>,
    number: usize,
    record: Record,
}

impl RecordedSocket {
    fn call<T>(&mut self, name: &str, call: impl FnOnce(&mut MemorySocket) -> io::Result<T>) -> io::Result<T> {
        uncounted(|| self.record.note(format!("{name} {}", self.number), call(self.socket.as_mut().unwrap())))
    }
}

impl Socket for RecordedSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call("read", |socket| socket.read(buffer))
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call("write", |socket| socket.write(slices))
    }

    fn shut_down_write(&mut self) -> io::Result<()> {
        self.call("shutdown", MemorySocket::shut_down_write)
    }
}

impl Drop for RecordedSocket {
    fn drop(&mut self) {
        uncounted(|| {
            drop(self.socket.take());
            drop(self.record.note(format!("close {}", self.number), Ok(())));
        });
    }
}
