//! A probe of the figures that matter: CPU of the server process per echoed message, and resident bytes per
//! idle session. `cargo bench --bench probe` prints them as a table.
//!
//! The server is `examples/echo.rs`, run by this same binary as a process of its own; where `taskset` exists
//! it is pinned to core 0 and the load to core 1. Wall time appears nowhere: the steady figure on a shared
//! machine is CPU time over messages, and even that only as a ratio within one run.
//!
//! Not here: the comparison with other servers.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

#[path = "../examples/echo.rs"]
mod echo;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

const CONNECTIONS: usize = 50;
const IDLE: usize = 5_000;
const ROUNDS: usize = 3;

fn main() {
    if std::env::var_os("BAREWIRE_PROBE_SERVE").is_some() {
        // `cargo bench` hands arguments of its own to the parent only.
        echo::main().unwrap();
        return;
    }
    pin(std::process::id(), 1);
    println!("| echo, {CONNECTIONS} connections | CPU us per message | of it user |");
    println!("|---|---|---|");
    for (name, size, in_flight, messages) in [
        ("20 B, one in flight", 20, 1, 200_000),
        ("20 B, 16 in flight", 20, 16, 2_000_000),
        ("1 KiB, one in flight", 1 << 10, 1, 150_000),
        ("16 KiB, one in flight", 16 << 10, 1, 40_000),
        ("64 KiB, one in flight", 64 << 10, 1, 15_000),
    ] {
        for secure in [false, true] {
            let mut figures: Vec<_> = (0..ROUNDS).map(|_| echoed(secure, size, in_flight, messages)).collect();
            figures.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (cpu, user) = figures[ROUNDS / 2];
            println!("| {name}, {} | {cpu:.2} | {user:.2} |", if secure { "TLS 1.3" } else { "plain" });
        }
    }
    let mut figures: Vec<_> = (0..ROUNDS).map(|_| echo_deflated(100_000)).collect();
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (cpu, user) = figures[ROUNDS / 2];
    println!("| 1 KiB of JSON, deflated, one in flight, plain | {cpu:.2} | {user:.2} |");
    println!("\n| {IDLE} idle sessions, one echo each before | resident bytes per session |\n|---|---|");
    for secure in [false, true] {
        println!("| {} | {} |", if secure { "TLS 1.3" } else { "plain" }, idle(secure));
    }
}

/// The server as a process.
struct Server {
    child: Child,
    plain: SocketAddr,
    secure: SocketAddr,
}

impl Server {
    fn start() -> Server {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("BAREWIRE_PROBE_SERVE", "1")
            .args(["--listen", "127.0.0.1:0", "--plain-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        pin(child.id(), 0);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut port = || {
            let line = lines.next().unwrap().unwrap();
            let port: u16 = line.rsplit(' ').next().unwrap().parse().unwrap();
            SocketAddr::from(([127, 0, 0, 1], port))
        };
        let (secure, plain) = (port(), port());
        Server { child, plain, secure }
    }

    /// Nanoseconds on a processor, and ticks of user time.
    fn cpu(&self) -> (u64, u64) {
        let schedstat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (schedstat.split(' ').next().unwrap().parse().unwrap(), fields[11].parse().unwrap())
    }

    fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pin(pid: u32, core: u32) {
    let taskset = Command::new("taskset").args(["-cp", &core.to_string(), &pid.to_string()]).output();
    if taskset.is_err() {
        println!("(taskset is not there: nothing is pinned)");
    }
}

/// CPU and user microseconds per message.
fn echoed(secure: bool, size: usize, in_flight: usize, messages: usize) -> (f64, f64) {
    let server = Server::start();
    let load = Load::connect(&server, secure, "", CONNECTIONS);
    measure(&server, load, &frame(size), in_flight, messages)
}

/// The same for messages that are deflated both ways, at the level that is the default.
fn echo_deflated(messages: usize) -> (f64, f64) {
    let server = Server::start();
    let load = Load::connect(&server, false, "Sec-WebSocket-Extensions: permessage-deflate\r\n", CONNECTIONS);
    let items = (0..)
        .map(|n| format!(r#"{{"id":{},"price":{}.{:02},"side":"buy"}},"#, n * 7919 % 10_007, n * 31, n * 17 % 100));
    let json: String = items.take(30).collect();
    let mut payload = Vec::with_capacity(2048);
    let mut deflate = flate2::Compress::new(flate2::Compression::new(6), false);
    deflate.compress_vec(&json.as_bytes()[..1024], &mut payload, flate2::FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    let mut message = frame(payload.len());
    message[0] |= 0x40;
    let start = message.len() - payload.len();
    message[start..].copy_from_slice(&payload);
    measure(&server, load, &message, 1, messages)
}

fn measure(server: &Server, mut load: Load, frame: &[u8], in_flight: usize, messages: usize) -> (f64, f64) {
    let batch = frame.repeat(in_flight);
    load.run(&batch, in_flight, messages / in_flight / 10);
    let before = server.cpu();
    let batches = load.run(&batch, in_flight, messages / in_flight);
    let after = server.cpu();
    let count = (batches * in_flight) as f64;
    ((after.0 - before.0) as f64 / 1e3 / count, (after.1 - before.1) as f64 * 1e4 / count)
}

fn idle(secure: bool) -> u64 {
    let server = Server::start();
    let mut warm = Load::connect(&server, secure, "", 10);
    warm.run(&frame(20), 1, 10);
    let before = server.resident_bytes();
    let mut load = Load::connect(&server, secure, "", IDLE);
    load.run(&frame(20), 1, IDLE);
    (server.resident_bytes() - before) / IDLE as u64
}

/// A client's masked binary frame (the mask is zero).
fn frame(size: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match size {
        0..126 => frame.push(0x80 | size as u8),
        126..65_536 => frame.extend_from_slice(&[0xfe, (size >> 8) as u8, size as u8]),
        _ => {
            frame.push(0xff);
            frame.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.resize(frame.len() + size, b'x');
    frame
}

struct Client {
    socket: mio::net::TcpStream,
    tls: Option<ClientConnection>,
    pending: Vec<u8>,
    frames: Frames,
    /// Messages in flight.
    awaited: usize,
}

/// Many connections, each with one batch in flight.
struct Load {
    poll: Poll,
    clients: Vec<Client>,
}

impl Load {
    fn connect(server: &Server, secure: bool, offer: &str, count: usize) -> Load {
        let config = client_config();
        let poll = Poll::new().unwrap();
        let addr = if secure { server.secure } else { server.plain };
        let connect = |i| Client::connect(addr, secure.then(|| config.clone()), offer, (&poll, i));
        let clients = (0..count).map(connect).collect();
        Load { poll, clients }
    }

    /// Sends `batches` in all, over all connections, each when the echo of the last has come.
    fn run(&mut self, batch: &[u8], in_flight: usize, batches: usize) -> usize {
        let mut started = 0;
        let mut finished = 0;
        let mut buffer = vec![0; 256 << 10];
        for client in &mut self.clients {
            if started < batches {
                client.send(batch, in_flight);
                started += 1;
            }
        }
        let mut events = Events::with_capacity(1024);
        while finished < started {
            self.poll.poll(&mut events, None).unwrap();
            for event in &events {
                let client = &mut self.clients[event.token().0];
                client.write();
                if client.awaited == 0 || !client.read(&mut buffer) {
                    continue;
                }
                finished += 1;
                if started < batches {
                    client.send(batch, in_flight);
                    started += 1;
                }
            }
        }
        finished
    }
}

impl Client {
    /// Connects and upgrades, blocking.
    fn connect(addr: SocketAddr, config: Option<Arc<ClientConfig>>, offer: &str, (poll, i): (&Poll, usize)) -> Client {
        let mut socket = TcpStream::connect(addr).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut tls =
            config.map(|config| ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap());
        let head = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        let mut answer = Vec::new();
        let mut byte = [0];
        match &mut tls {
            None => socket.write_all(head.as_bytes()).unwrap(),
            Some(tls) => rustls::Stream::new(tls, &mut socket).write_all(head.as_bytes()).unwrap(),
        }
        while !answer.ends_with(b"\r\n\r\n") {
            match &mut tls {
                None => socket.read_exact(&mut byte).unwrap(),
                Some(tls) => rustls::Stream::new(tls, &mut socket).read_exact(&mut byte).unwrap(),
            }
            answer.push(byte[0]);
        }
        socket.set_nonblocking(true).unwrap();
        let mut socket = mio::net::TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(i), Interest::READABLE | Interest::WRITABLE).unwrap();
        Client { socket, tls, pending: Vec::new(), frames: Frames::default(), awaited: 0 }
    }

    fn send(&mut self, batch: &[u8], in_flight: usize) {
        self.awaited = in_flight;
        match &mut self.tls {
            None => self.pending.extend_from_slice(batch),
            Some(tls) => {
                tls.set_buffer_limit(None);
                tls.writer().write_all(batch).unwrap();
                while tls.wants_write() {
                    tls.write_tls(&mut self.pending).unwrap();
                }
            }
        }
        self.write();
    }

    fn write(&mut self) {
        while !self.pending.is_empty() {
            match self.socket.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads what there is; says whether the whole echo has come with it.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            let count = match self.socket.read(buffer) {
                Ok(0) => panic!("the server closed"),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{error}"),
            };
            match &mut self.tls {
                None => self.frames.take(&buffer[..count]),
                Some(tls) => decrypt(tls, &buffer[..count], &mut self.frames),
            }
            if self.frames.messages == self.awaited {
                self.frames.messages = 0;
                self.awaited = 0;
                return true;
            }
        }
    }
}

/// Counts messages, deflated or not; heartbeats are not counted.
#[derive(Default)]
struct Frames {
    messages: usize,
    header: Vec<u8>,
    remaining: usize,
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.remaining == 0 {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                let length = match self.header[..] {
                    [_, 126, a, b] => usize::from(u16::from_be_bytes([a, b])),
                    [_, 127, ref long @ ..] if long.len() == 8 => u64::from_be_bytes(long.try_into().unwrap()) as usize,
                    [_, short] if short < 126 => usize::from(short),
                    _ => continue,
                };
                self.remaining = length;
            }
            let taken = self.remaining.min(bytes.len());
            self.remaining -= taken;
            bytes = &bytes[taken..];
            if self.remaining == 0 {
                self.messages += usize::from(matches!(self.header[0], 0x82 | 0xc2));
                self.header.clear();
            }
        }
    }
}

fn decrypt(tls: &mut ClientConnection, mut bytes: &[u8], frames: &mut Frames) {
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes).unwrap();
        let state = tls.process_new_packets().unwrap();
        let mut sink = vec![0; state.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut sink).unwrap();
        frames.take(&sink);
    }
}

fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("../certs/dev-cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}
