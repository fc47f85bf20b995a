//! On real sockets of the loopback: a dialing server in the test's own thread, and a server under test in another.
//!
//! Not here: what needs a clock (`dialing.rs` beside this folder).

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use barewire::TlsConfig;
use barewire::client::ClientConfig;
use barewire::net::io::SystemIo;
use barewire::{Client, ClientTls, CloseReason, Dial, EngineConfig, Event, Limits, Message, Server, ServerConfig};

use crate::common;
use crate::server::{DEADLINE, TestServer, next_event};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../certs/", $name, ".pem")).as_slice()
    };
}

/// Warnings of the threads of this process so far.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() == log::Level::Warn {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// A server without listeners, which looks names up by this.
fn dialer(lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Server {
    let io = SystemIo::open(&[], 0).unwrap().resolving_by(lookup);
    Server::with_io(io, ServerConfig::default(), Box::new(common::methods())).unwrap()
}

fn knows_nobody(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
    panic!("{host} is looked up")
}

fn dial(addr: SocketAddr, tls: Option<ClientTls>) -> Dial {
    let mut upgrade = crate::upgrade();
    let header = common::GOOD.trim_end().split_once(": ").unwrap();
    upgrade.headers = vec![(header.0.into(), header.1.into())];
    Dial { host: addr.ip().to_string(), port: addr.port(), tls, addrs: Vec::new(), source: None, upgrade }
}

fn end(server: &mut Server) -> CloseReason {
    match next_event(server) {
        Event::Closed { reason, .. } => reason,
        other => panic!("not the end: {other:?}"),
    }
}

/// Connects, has an echo from there, and closes.
fn check_echo(server: &mut Server, dial: Dial) {
    let others = server.engine().sessions();
    let id = server.connect(dial).unwrap();
    let connected = next_event(server);
    assert!(matches!(connected, Event::Connected { .. }), "{connected:?}");
    // In many records, and in more than one read.
    for length in [1, 300_000] {
        let text = "e".repeat(length);
        assert!(server.engine().send(id, Message::Text(text.as_str().into())));
        match next_event(server) {
            Event::Message { message, .. } => assert!(message == Message::Text(text.as_str().into()), "{length}"),
            other => panic!("no echo: {other:?}"),
        }
    }
    server.engine().close(id, 1000, "bye");
    let reason = end(server);
    assert!(matches!(reason, CloseReason::Host { code: 1000, .. }), "{reason:?}");
    wind_down(server, others);
}

/// Goes on until no more than so many sessions are left: behind the end that is told there is something to write.
fn wind_down(server: &mut Server, left: usize) {
    let start = Instant::now();
    while server.engine().sessions() > left {
        assert!(start.elapsed() < DEADLINE, "the session is never released");
        server.poll(Some(Duration::from_millis(100))).unwrap();
        while server.poll_event().is_some() {}
    }
}

fn secure(chain: &[u8]) -> TestServer {
    let tls = Some(TlsConfig::from_pem(chain, pem!("key")).unwrap());
    TestServer::echo(ServerConfig { tls, ..ServerConfig::default() })
}

/// A port at which nobody listens: it is held by a socket that is bound only.
fn nobody() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

#[test]
fn a_server_is_connected_to_over_plain_tcp_and_over_tls_by_name_and_by_address() {
    let upstream = secure(pem!("server"));
    let tls = ClientTls::with_roots(pem!("ca")).unwrap();
    let mut server = dialer(|host, port| {
        assert_eq!(host, "localhost");
        Ok(vec![(Ipv4Addr::LOCALHOST, port).into()])
    });
    check_echo(&mut server, dial(upstream.plain_addr(), None));
    // The second is resumed.
    for _ in 0..2 {
        check_echo(&mut server, dial(upstream.tls_addr(), Some(tls.clone())));
        check_echo(&mut server, Dial { host: "localhost".into(), ..dial(upstream.tls_addr(), Some(tls.clone())) });
    }
    let ends = upstream.ends(5);
    assert!(ends.iter().all(|end| end.contains("PeerClosed")), "{ends:?}");
}

#[test]
fn a_name_is_verified_at_addresses_that_are_told_and_not_looked_up() {
    let upstream = secure(pem!("server"));
    let tls = ClientTls::with_roots(pem!("ca")).unwrap();
    let mut server = dialer(knows_nobody);
    let dial = |host: &str| Dial {
        host: host.into(),
        addrs: vec![upstream.tls_addr()],
        ..dial(upstream.tls_addr(), Some(tls.clone()))
    };
    check_echo(&mut server, dial("localhost"));
    server.connect(dial("another.example")).unwrap();
    let reason = end(&mut server);
    assert!(matches!(&reason, CloseReason::Tls(cause) if cause.contains("another.example")), "{reason:?}");
}

/// All of 127.0.0.0/8 is an address of this machine on Linux.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_comes_from_the_address_that_was_told() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut server = dialer(knows_nobody);
    let from = |source| Dial { source: Some(source), ..dial(addr, None) };
    for last in [2, 3, 2] {
        let source = IpAddr::from([127, 0, 0, last]);
        server.connect(from(source)).unwrap();
        server.poll(Some(Duration::ZERO)).unwrap();
        let (peer, peer_addr) = listener.accept().unwrap();
        assert_eq!(peer_addr.ip(), source);
        drop(peer);
        end(&mut server);
        wind_down(&mut server, 0);
    }
    // RFC 5737: an address of no machine.
    server.connect(from([192, 0, 2, 1].into())).unwrap();
    let reason = end(&mut server);
    let sentence = format!("cannot connect to {addr} from 192.0.2.1: ");
    assert!(matches!(&reason, CloseReason::NotConnected(cause) if cause.starts_with(&sentence)), "{reason:?}");
    server.connect(from(Ipv6Addr::LOCALHOST.into())).unwrap();
    let kinds = format!("cannot connect to {addr} from ::1: one is IPv4, the other IPv6");
    assert_eq!(end(&mut server), CloseReason::NotConnected(kinds));
}

#[test]
fn a_session_is_resumed_by_the_next_connection_unless_that_is_not_wanted() {
    let upstream = secure(pem!("server"));
    let mut server = dialer(knows_nobody);
    let mut connect = |tls: Option<ClientTls>| {
        let addr = if tls.is_some() { upstream.tls_addr() } else { upstream.plain_addr() };
        let id = server.connect(dial(addr, tls)).unwrap();
        assert_eq!(server.is_resumed(id), None, "it is not connected yet");
        assert!(matches!(next_event(&mut server), Event::Connected { .. }));
        let is_resumed = server.is_resumed(id);
        // A ticket comes behind the handshake: an echo from there says that it is read.
        assert!(server.engine().send(id, Message::Text("echo".into())));
        assert!(matches!(next_event(&mut server), Event::Message { .. }));
        server.engine().close(id, 1000, "");
        end(&mut server);
        wind_down(&mut server, 0);
        assert_eq!(server.is_resumed(id), None, "it has gone");
        is_resumed
    };
    let tls = ClientTls::with_roots(pem!("ca")).unwrap();
    assert_eq!([tls.clone(), tls.clone()].map(|tls| connect(Some(tls))), [Some(false), Some(true)]);
    let whole = tls.clone().without_resumption();
    assert_eq!([whole.clone(), whole, tls].map(|tls| connect(Some(tls))), [Some(false), Some(false), Some(true)]);
    assert_eq!(connect(None), None);
    let apart = ClientTls::with_roots(pem!("ca")).unwrap();
    assert_eq!(connect(Some(apart.clone())), Some(false));
    let [one, other] = [apart.remembering_apart(), apart.remembering_apart()];
    let known = [one.clone(), other, one, apart].map(|tls| connect(Some(tls)));
    assert_eq!(known, [Some(false), Some(false), Some(true), Some(true)]);
}

#[test]
fn where_nobody_listens_the_end_says_so() {
    let (_held, addr) = nobody();
    let mut server = dialer(knows_nobody);
    server.connect(dial(addr, None)).unwrap();
    assert_eq!(end(&mut server), CloseReason::NotConnected(format!("connection refused by {addr}")));
}

/// An hour is left of the attempt's time when it fails: whoever sleeps over that does not come back in this test.
#[test]
fn a_client_that_has_stopped_does_not_sleep_over_what_is_left_of_its_last_connection() {
    let (_held, addr) = nobody();
    let hour = Duration::from_secs(3600);
    let limits = Limits { head_timeout: hour, heartbeat_interval: hour, ..Limits::default() };
    let engine = EngineConfig { limits, ..EngineConfig::default() };
    let config = ClientConfig { max_attempts: Some(0), ..ClientConfig::new(format!("ws://{addr}")) };
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        let mut client = Client::connect(config, engine).unwrap();
        let mut events = 0;
        while !client.is_finished() {
            client.poll(None).unwrap();
            events += std::iter::from_fn(|| client.poll_event()).count();
        }
        done.send(events).unwrap();
    });
    assert_eq!(is_done.recv_timeout(DEADLINE), Ok(4), "it connects, fails, closes and gives up");
}

#[test]
fn the_second_address_of_a_name_is_tried_when_the_first_refuses() {
    let (_held, refuses) = nobody();
    let upstream = secure(pem!("server"));
    let good = upstream.plain_addr();
    let mut server = dialer(move |_, _| Ok(vec![refuses, good]));
    check_echo(&mut server, Dial { host: "two.example".into(), ..dial(good, None) });
}

#[test]
fn a_name_that_the_system_does_not_know_is_told() {
    let config = ServerConfig::default();
    let mut server = Server::bind(config, Box::new(common::methods())).unwrap();
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    server.connect(Dial { host: "nobody.invalid".into(), ..dial(nowhere, None) }).unwrap();
    let CloseReason::NotConnected(sentence) = end(&mut server) else { panic!("connected to .invalid") };
    assert!(sentence.starts_with("no address for `nobody.invalid`"), "{sentence}");
}

#[test]
fn a_stuck_resolver_holds_up_neither_others_nor_the_end_of_the_server() {
    let (begun, begins) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let mut server = dialer(move |_, _| {
        begun.send(()).unwrap();
        // Until the test is over.
        let _ = released.lock().unwrap().recv();
        Err(io::ErrorKind::Other.into())
    });
    let upstream = secure(pem!("server"));
    server.connect(Dial { host: "stuck.example".into(), ..dial(upstream.plain_addr(), None) }).unwrap();
    begins.recv_timeout(DEADLINE).unwrap();
    check_echo(&mut server, dial(upstream.plain_addr(), None));
    assert_eq!(server.engine().sessions(), 1, "it waits for its name");
    // That this returns is the test.
    drop(server);
    drop(release);
}

#[test]
fn a_certificate_that_does_not_verify_ends_the_session_with_the_reason_in_words() {
    let unknown = "the server's certificate is signed by nobody that is trusted here";
    let names = "the server's certificate is for other names than `127.0.0.1`";
    let expired = "the server's certificate, or one that vouches for it, has expired";
    let strangers = include_bytes!("../../certs/dev-cert.pem").as_slice();
    for (roots, chain, sentence) in [
        (strangers, pem!("server"), unknown),
        (pem!("ca"), pem!("self"), unknown),
        (pem!("ca"), pem!("other"), names),
        (pem!("ca"), pem!("expired"), expired),
    ] {
        let upstream = secure(chain);
        let mut server = dialer(knows_nobody);
        server.connect(dial(upstream.tls_addr(), Some(ClientTls::with_roots(roots).unwrap()))).unwrap();
        assert_eq!(end(&mut server), CloseReason::Tls(sentence.into()));
        wind_down(&mut server, 0);
        let ends = upstream.ends(1);
        assert!(ends[0].contains("received fatal alert"), "{ends:?}");
    }
}

#[test]
fn without_verification_any_server_is_spoken_to_and_each_connection_is_a_warning() {
    log::set_logger(&Warnings).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let upstream = secure(pem!("expired"));
    let mut server = dialer(knows_nobody);
    let tls = ClientTls::dangerous_without_verification().unwrap();
    let warned = || {
        let warnings = WARNINGS.lock().unwrap();
        warnings.iter().filter(|warning| warning.contains("the certificate of 127.0.0.1 is not verified")).count()
    };
    for connections in 1..3 {
        check_echo(&mut server, dial(upstream.tls_addr(), Some(tls.clone())));
        assert_eq!(warned(), connections);
    }
    check_echo(&mut server, dial(secure(pem!("server")).tls_addr(), Some(ClientTls::with_roots(pem!("ca")).unwrap())));
    assert_eq!(warned(), 2, "one that verifies warns of nothing");
}

#[test]
fn a_server_that_closes_at_once_or_speaks_no_tls_is_an_end_and_no_hang() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut server = dialer(knows_nobody);
    server.connect(dial(addr, Some(ClientTls::with_roots(pem!("ca")).unwrap()))).unwrap();
    server.poll(Some(Duration::ZERO)).unwrap();
    drop(listener.accept().unwrap());
    let reason = end(&mut server);
    assert!(matches!(reason, CloseReason::PeerVanished | CloseReason::Transport(_)), "{reason:?}");
    let upstream = secure(pem!("server"));
    server.connect(dial(upstream.plain_addr(), Some(ClientTls::with_roots(pem!("ca")).unwrap()))).unwrap();
    let reason = end(&mut server);
    assert!(matches!(reason, CloseReason::Tls(_)), "{reason:?}");
    wind_down(&mut server, 0);
}

/// The variable is the process's: each case is a process of its own, this test in it.
#[cfg(feature = "native-roots")]
#[test]
#[cfg(feature = "native-roots")]
fn the_authorities_of_the_system_are_those_that_ssl_cert_file_names() {
    const CASE: &str = "BAREWIRE_TEST_ROOTS";
    if let Ok(case) = std::env::var(CASE) {
        match (case.as_str(), ClientTls::system()) {
            ("ca", Ok(tls)) => {
                let upstream = secure(pem!("server"));
                check_echo(&mut dialer(knows_nobody), dial(upstream.tls_addr(), Some(tls)));
            }
            ("none", Err(barewire::Error::Tls(sentence))) => {
                assert!(sentence.starts_with("the system trusts no authority that could be used"), "{sentence}");
                assert!(!sentence.contains('\n'), "{sentence}");
            }
            (case, made) => panic!("{case}: {made:?}"),
        }
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certs");
    for (case, file) in [("ca", "ca.pem"), ("none", "key.pem"), ("none", "no-such-file.pem")] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "real::the_authorities_of_the_system_are_those_that_ssl_cert_file_names"])
            .env(CASE, case)
            .env("SSL_CERT_FILE", format!("{folder}/{file}"))
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{file}: {told}");
    }
}

#[test]
fn what_is_flushed_between_two_polls_is_on_the_wire_before_the_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut server = dialer(knows_nobody);
    server.flush();
    let id = server.connect(dial(addr, None)).unwrap();
    let (mut peer, _) = loop {
        server.poll(Some(Duration::ZERO)).unwrap();
        listener.set_nonblocking(true).unwrap();
        if let Ok(accepted) = listener.accept() {
            break accepted;
        }
    };
    peer.set_nonblocking(false).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    // The upgrade is asked for in the turn after the connection stands.
    while server.engine().peer(id).is_none_or(|peer| peer.port() == 0) {
        server.poll(Some(Duration::from_millis(10))).unwrap();
    }
    let request = String::from_utf8(crate::server::read_past(&mut peer, b"\r\n\r\n")).unwrap();
    peer.write_all(common::switch(&request).as_bytes()).unwrap();
    assert!(matches!(next_event(&mut server), Event::Connected { .. }));
    assert!(server.engine().send(id, Message::Text("at once".into())));
    server.flush();
    let mut frame = [0; 13];
    peer.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..2], [0x81, 0x80 | 7]);
}
