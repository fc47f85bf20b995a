//! A real server on real sockets: [`TestServer`] runs one in a thread of its own, and ends with it. With it,
//! blocking clients: tungstenite's, over plain TCP and over TLS, and raw ones.
//!
//! Not here: servers in memory (`memory.rs` beside this file), the program (`daemon.rs`).

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barewire::app::Router;
use barewire::auth::Authenticate;
use barewire::{Engine, Error, Event, Handle, Server, ServerConfig};
use rustls::{ClientConnection, StreamOwned};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::common::{self, frames};
use crate::tls_client;

/// How long any single thing may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// The name of the thread that a server runs in.
const THREAD: &str = "server under test";

/// The ends of sessions so far, in debug form.
type Ends = Arc<(Mutex<Vec<String>>, Condvar)>;

/// See the module.
pub struct TestServer {
    pub handle: Handle,
    pub addrs: Vec<(SocketAddr, bool)>,
    ends: Ends,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl TestServer {
    /// The daemon as it comes: its router, and its authenticator for `user:pass`.
    pub fn daemon(config: ServerConfig) -> TestServer {
        let router = Router::with_page(&config.engine.path);
        TestServer::run(config, || Box::new(common::methods()), move |engine, event| router.handle(engine, event))
    }

    /// A server that sends every message back.
    pub fn echo(config: ServerConfig) -> TestServer {
        TestServer::run(
            config,
            || Box::new(common::methods()),
            |engine, event| {
                if let Event::Message { id, message } = event {
                    engine.send(id, message);
                }
            },
        )
    }

    /// A server with this handler. Without listeners in `config` it has one of each kind on the loopback.
    pub fn run(
        mut config: ServerConfig,
        authenticator: impl FnOnce() -> Box<dyn Authenticate> + Send + 'static,
        mut handler: impl FnMut(&mut Engine, Event) + Send + 'static,
    ) -> TestServer {
        if config.listen.is_empty() && config.plain_listen.is_empty() {
            config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
            config.plain_listen = config.listen.clone();
        }
        config.tls.get_or_insert_with(tls_client::server_config);
        let ends = Ends::default();
        let told = ends.clone();
        let (sender, receiver) = channel();
        let body = move || {
            let mut server = Server::bind(config, authenticator())?;
            sender.send((server.handle(), server.local_addrs().collect())).unwrap();
            server.run(|engine, event| {
                let end = if let Event::Closed { reason, .. } = &event { Some(format!("{reason:?}")) } else { None };
                handler(engine, event);
                if let Some(end) = end {
                    told.0.lock().unwrap().push(end);
                    told.1.notify_all();
                }
            })
        };
        let thread = std::thread::Builder::new().name(THREAD.into()).spawn(body).unwrap();
        let (handle, addrs) = receiver.recv_timeout(DEADLINE).expect("the server starts");
        TestServer { handle, addrs, ends, thread: Some(thread) }
    }

    pub fn tls_addr(&self) -> SocketAddr {
        self.addrs.iter().find(|(_, is_secure)| *is_secure).expect("a TLS listener").0
    }

    pub fn plain_addr(&self) -> SocketAddr {
        self.addrs.iter().find(|(_, is_secure)| !*is_secure).expect("a plain listener").0
    }

    /// A raw connection to the plain listener.
    pub fn connect(&self) -> TcpStream {
        connect(self.plain_addr())
    }

    /// An open session over plain TCP, whose greeting is still to be read.
    pub fn ws(&self) -> WebSocket<TcpStream> {
        websocket(self.connect())
    }

    /// The same over TLS.
    pub fn wss(&self) -> WebSocket<TlsStream> {
        websocket(self.tls())
    }

    /// A connection to the TLS listener, with nothing sent yet.
    pub fn tls(&self) -> TlsStream {
        connect_tls(self.tls_addr())
    }

    /// A raw open session of the daemon over plain TCP, whose greeting has been read.
    pub fn raw_session(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(common::upgrade(common::GOOD).as_bytes()).unwrap();
        let greeting = read_past(&mut stream, b"Z\"}");
        assert!(frames::decode(&greeting)[0].text().contains("connected"));
        stream
    }

    /// Waits until this many sessions have ended, and returns why.
    pub fn ends(&self, count: usize) -> Vec<String> {
        let ends = self.ends.0.lock().unwrap();
        let (ends, result) = self.ends.1.wait_timeout_while(ends, DEADLINE, |ends| ends.len() < count).unwrap();
        assert!(!result.timed_out(), "{} of {count} sessions have ended: {ends:?}", ends.len());
        ends.clone()
    }

    /// Shuts down, and returns what `run` returned.
    pub fn stop(mut self) -> Result<(), Error> {
        self.handle.shut_down();
        self.join()
    }

    /// Waits until `run` has returned.
    pub fn join(&mut self) -> Result<(), Error> {
        self.thread.take().expect("a server that runs").join().expect("the server does not panic")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.handle.shut_down();
        if let Some(thread) = self.thread.take() {
            let result = thread.join();
            assert!(std::thread::panicking() || matches!(result, Ok(Ok(()))), "{result:?}");
        }
    }
}

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&addr, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub fn connect_tls(addr: SocketAddr) -> TlsStream {
    StreamOwned::new(tls_client::client(tls_client::client_config(tls_client::TLS13)), connect(addr))
}

/// The client's handshake, for `user:pass`.
pub fn websocket<S: Read + Write>(stream: S) -> WebSocket<S> {
    let mut request = "ws://localhost/ws".into_client_request().unwrap();
    let header = common::GOOD.trim_end().split_once(": ").unwrap().1;
    request.headers_mut().insert("Authorization", header.parse().unwrap());
    tungstenite::client(request, stream).expect("an open session").0
}

pub fn say<S: Read + Write>(websocket: &mut WebSocket<S>, text: impl Into<String>) {
    websocket.send(Message::text(text.into())).unwrap();
}

/// The next text.
pub fn hear<S: Read + Write>(websocket: &mut WebSocket<S>) -> String {
    loop {
        match websocket.read().unwrap() {
            Message::Text(text) => return text.as_str().to_owned(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// The next texts, up to one that holds `part`.
pub fn hear_of<S: Read + Write>(websocket: &mut WebSocket<S>, part: &str) -> String {
    loop {
        let text = hear(websocket);
        if text.contains(part) {
            return text;
        }
    }
}

/// Reads to the server's Close, and returns its code and reason.
pub fn hear_close<S: Read + Write>(websocket: &mut WebSocket<S>) -> (u16, String) {
    loop {
        if let Message::Close(frame) = websocket.read().expect("a Close frame before the end") {
            let frame = frame.expect("a Close with a code");
            return (frame.code.into(), frame.reason.as_str().to_owned());
        }
    }
}

/// Reads up to the end of the stream. A reset is no end.
pub fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end of the stream in good order");
    bytes
}

/// Reads until what has come holds `part`.
pub fn read_past(stream: &mut impl Read, part: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.windows(part.len()).any(|window| window == part) {
        let mut buffer = [0; 4096];
        let count = match stream.read(&mut buffer) {
            // A signal, such as that for the end of another test's process.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.expect("more to come"),
        };
        assert!(count > 0, "the end of the stream behind {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
    bytes
}

/// Resets the connection: no end of the stream, and what was sent last may be lost.
pub fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Ends the writing half.
pub fn end(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
}

/// The next event of a server in the test's own loop, which must not need longer for it than any single thing may take.
pub fn next_event(server: &mut Server) -> Event {
    let start = Instant::now();
    loop {
        if let Some(event) = server.poll_event() {
            return event;
        }
        assert!(start.elapsed() < DEADLINE, "no event");
        server.poll(Some(Duration::from_secs(1))).unwrap();
    }
}

/// Tries until it succeeds.
pub fn eventually(what: &str, mut attempt: impl FnMut() -> bool) {
    let start = Instant::now();
    while !attempt() {
        assert!(start.elapsed() < DEADLINE, "{what}: never");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// From here on a panic in a server's thread, where the test wants one, prints nothing.
pub fn silence_panics_of_handlers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                usual(info);
            }
        }));
    });
}
