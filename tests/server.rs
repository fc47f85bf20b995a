//! The server on real sockets, with the clients that the world has: blocking, half-closing, resetting, slow.
//!
//! Not here: system calls that fail (`faults.rs`), TLS record by record (`tls.rs`), the program (`daemon.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use barewire::auth::{Attempt, Authenticate, Decision, Identity, NoAuth, Ticket, Verdict};
use barewire::limits::{COMMANDS_PER_TURN, COMMANDS_WAITING, TIMEOUT_MAX};
use barewire::net::io::{Io, SystemIo};
use barewire::wire::http::Response;
use barewire::{ConnId, EngineConfig, Event, HandleError, Limits, Message, PreparedMessage, Server, ServerConfig};
use common::frames;
use server::{DEADLINE, TestServer, connect, eventually, hear, hear_close, hear_of, read_past, read_to_end, say};
use tungstenite::WebSocket;

const PING: &str = r#"{"type":"ping"}"#;
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn with_limits(limits: Limits) -> ServerConfig {
    ServerConfig { engine: EngineConfig { limits, ..EngineConfig::default() }, ..ServerConfig::default() }
}

fn loopback() -> ServerConfig {
    ServerConfig { plain_listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))], ..ServerConfig::default() }
}

// --- conversations ---

#[test]
fn clients_chat_across_plain_and_secure_connections() {
    let server = TestServer::daemon(ServerConfig::default());
    let (mut anna, mut berta) = (server.ws(), server.wss());
    assert!(hear(&mut anna).contains("connected") && hear(&mut berta).contains("connected"));
    say(&mut anna, r#"{"type":"subscribe","channel":"news"}"#);
    hear_of(&mut anna, "subscribed");
    say(&mut berta, r#"{"type":"subscribe","channel":"news"}"#);
    hear_of(&mut berta, "subscribed");
    say(&mut anna, r#"{"type":"chat","channel":"news","payload":"from anna"}"#);
    say(&mut berta, r#"{"type":"chat","channel":"news","payload":"from berta"}"#);
    for part in ["from anna", "from berta"] {
        hear_of(&mut berta, part);
    }
    hear_of(&mut anna, "from berta");
}

#[test]
fn messages_of_all_sizes_come_back_as_they_went() {
    let server = TestServer::echo(ServerConfig::default());
    fn check<S: Read + Write>(mut client: WebSocket<S>) {
        for size in [0, 1, 125, 126, 127, 1023, 8191, 8192, 16_370, 16_384, 65_535, 65_536, 300_000, 1 << 20] {
            let text: String = (0..size).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
            say(&mut client, text.clone());
            assert!(hear(&mut client) == text, "{size} bytes");
        }
    }
    check(server.ws());
    check(server.wss());
}

#[test]
fn what_follows_the_head_in_the_same_segment_is_answered_too() {
    let server = TestServer::daemon(ServerConfig::default());
    let bytes = [common::upgrade(common::GOOD).as_bytes(), &frames::text(PING), &frames::close(1000, "")].concat();
    let mut plain = server.connect();
    plain.write_all(&bytes).unwrap();
    let mut secure = server.tls();
    secure.write_all(&bytes).unwrap();
    for answer in [read_to_end(&mut plain), read_to_end(&mut secure)] {
        let opcodes: Vec<_> = frames::decode(&answer).iter().map(|frame| frame.opcode).collect();
        assert_eq!(opcodes, [frames::TEXT, frames::TEXT, frames::CLOSE]);
    }
}

#[test]
fn a_message_at_the_limit_is_taken_and_one_past_it_is_told_1009_without_a_reset() {
    const LIMIT: usize = 150_000;
    let server = TestServer::echo(with_limits(Limits { message_bytes: LIMIT, ..Limits::default() }));
    fn check<S: Read + Write>(mut client: WebSocket<S>) {
        say(&mut client, "x".repeat(LIMIT));
        assert_eq!(hear(&mut client).len(), LIMIT);
        say(&mut client, "x".repeat(LIMIT + 1));
        assert_eq!(hear_close(&mut client).0, 1009);
        let end = client.read().expect_err("the end");
        assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end:?}");
    }
    check(server.ws());
    check(server.wss());
}

#[test]
fn a_client_that_reads_while_it_writes_far_past_the_limit_sees_1009_first() {
    let server = TestServer::daemon(ServerConfig::default());
    let mut stream = server.raw_session();
    let mut writer = stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        // The server stops reading at some point, and resets: that is what the writer is told.
        let _ = writer.write_all(&frames::frame(frames::BINARY, &vec![0; 8 << 20]));
    });
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        received.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(frames::decode(&received)[0].close().0, 1009);
    flood.join().unwrap();
}

// --- ends ---

/// No heartbeat comes between the answers, however slow the machine is.
fn quiet() -> ServerConfig {
    let limits = Limits { heartbeat_interval: TIMEOUT_MAX, ..Limits::default() };
    ServerConfig { engine: EngineConfig { limits, ..EngineConfig::default() }, ..ServerConfig::default() }
}

#[test]
fn three_hundred_clients_that_half_close_at_once_are_all_answered_and_closed() {
    const CLIENTS: usize = 300;
    let server = TestServer::daemon(quiet());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.raw_session()).collect();
    for client in &mut clients {
        client.write_all(&frames::text(PING)).unwrap();
        server::end(client);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let answer = frames::decode(&read_to_end(client));
        assert!(answer.len() == 1 && answer[0].text().contains("pong"), "client {number}: {answer:?}");
    }
    assert_eq!(server.ends(CLIENTS), vec!["PeerVanished"; CLIENTS]);
}

#[test]
fn the_same_over_tls_and_with_everything_in_one_go() {
    const CLIENTS: usize = 50;
    let server = TestServer::daemon(quiet());
    let bytes = [common::upgrade(common::GOOD).as_bytes(), &frames::text(PING)].concat();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.tls()).collect();
    for client in &mut clients {
        client.write_all(&bytes).unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
        server::end(&client.sock);
    }
    for client in &mut clients {
        let answer = frames::decode(&read_to_end(client));
        assert!(answer[1].text().contains("pong"), "{answer:?}");
    }
    server.ends(CLIENTS);
}

#[test]
fn a_half_close_during_http_is_answered_as_far_as_a_request_is_whole() {
    let server = TestServer::daemon(ServerConfig::default());
    for (sent, answers) in [(&b""[..], 0), (b"GET /hea", 0), (HEALTH, 1), (&[HEALTH, HEALTH].concat(), 2)] {
        let mut client = server.connect();
        client.write_all(sent).unwrap();
        server::end(&client);
        let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
        assert_eq!(answer.matches("200 OK").count(), answers, "{answer}");
    }
    server.ends(4);
}

#[test]
fn a_reset_in_any_state_frees_the_slot() {
    const SLOTS: usize = 4;
    const ROUNDS: usize = 10;
    let server = TestServer::daemon(with_limits(Limits { connections: SLOTS, ..Limits::default() }));
    let upgrade = common::upgrade(common::GOOD);
    let large = frames::header(0x80 | frames::BINARY, 500_000);
    let states: [(&str, Vec<u8>, bool); 9] = [
        ("connected", vec![], false),
        ("in the head", b"GET /ws HT".to_vec(), false),
        ("answered", HEALTH.to_vec(), true),
        ("upgraded", upgrade.clone().into(), true),
        ("in a frame", [upgrade.as_bytes(), &large, &[0; 9000]].concat(), true),
        ("closed by it", [upgrade.as_bytes(), &frames::close(1000, "")].concat(), true),
        ("closed by us", [common::upgrade("").as_bytes(), &frames::text("{}")].concat(), true),
        ("failed", [upgrade.as_bytes(), &frames::close(999, ""), &[0; 9000]].concat(), true),
        ("refused", b"NONSENSE\r\n\r\n".to_vec(), true),
    ];
    let mut connections = 0;
    for (state, bytes, is_answered) in &states {
        for is_secure in [false, true] {
            for _ in 0..ROUNDS {
                connections += 1;
                let read = |stream: &mut dyn Read| {
                    if *is_answered {
                        assert!(stream.read(&mut [0; 100]).expect("an answer") > 0, "{state}");
                    }
                };
                if is_secure {
                    let mut client = server.tls();
                    client.conn.complete_io(&mut client.sock).unwrap();
                    client.write_all(bytes).unwrap();
                    read(&mut client);
                    server::reset(client.sock);
                } else {
                    let mut client = server.connect();
                    client.write_all(bytes).unwrap();
                    read(&mut client);
                    server::reset(client);
                }
                // One at a time, so that no slot is short because of the test itself.
                server.ends(connections);
            }
        }
        // All slots are there again: with one leaked, one of these would be told 503.
        eventually(state, || {
            let mut clients: Vec<_> = (0..SLOTS).map(|_| server.connect()).collect();
            connections += SLOTS;
            for client in &mut clients {
                client.write_all(HEALTH).unwrap();
            }
            let is_served = |client: &mut TcpStream| {
                let mut answer = [0; 12];
                client.read_exact(&mut answer).is_ok() && answer.ends_with(b"200")
            };
            let served = clients.iter_mut().filter_map(|client| is_served(client).then_some(())).count();
            drop(clients);
            server.ends(connections);
            served == SLOTS
        });
    }
}

#[test]
fn a_reset_in_the_middle_of_a_tls_handshake_frees_the_slot() {
    let server = TestServer::daemon(with_limits(Limits { connections: 1, ..Limits::default() }));
    let mut hello = Vec::new();
    tls_client::client(tls_client::client_config(tls_client::TLS13)).write_tls(&mut hello).unwrap();
    for (round, length) in [0, 1, 5, 6, 100, hello.len()].into_iter().enumerate() {
        let mut client = connect(server.tls_addr());
        client.write_all(&hello[..length]).unwrap();
        server::reset(client);
        server.ends(round + 1);
    }
    eventually("the slot is free", || {
        let mut client = server.tls();
        client.write_all(HEALTH).unwrap();
        read_past(&mut client, b"\r\n").starts_with(b"HTTP/1.1 200")
    });
}

#[test]
fn a_slot_is_used_again_and_its_last_tenant_is_not_mistaken_for_the_new_one() {
    let (sender, opened) = channel();
    let server = TestServer::run(
        ServerConfig::default(),
        || Box::new(NoAuth),
        move |_, event| {
            if let Event::Open { id } = event {
                sender.send(id).unwrap();
            }
        },
    );
    let next = || opened.recv_timeout(DEADLINE).unwrap();
    let first = server.ws();
    let old: ConnId = next();
    server::reset(first.get_ref().try_clone().unwrap());
    drop(first);
    server.ends(1);
    let mut second = server.ws();
    let new = next();
    assert_eq!(old.index(), new.index(), "the slot is used again");
    assert_ne!(old, new);
    server.handle.send(old, Message::Text("for the old one".into())).unwrap();
    server.handle.close(old, 4000, "the old one").unwrap();
    server.handle.send(new, Message::Text("for the new one".into())).unwrap();
    assert_eq!(hear(&mut second), "for the new one");
}

// --- slow ones ---

#[test]
fn a_client_that_does_not_read_is_cut_with_1013_and_the_others_get_everything() {
    const MESSAGES: usize = 1000;
    const AT_ONCE: usize = 20;
    let server = TestServer::daemon(ServerConfig::default());
    let slow = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    slow.set_recv_buffer_size(16 * 1024).unwrap();
    slow.connect(&server.plain_addr().into()).unwrap();
    let slow: TcpStream = slow.into();
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut slow = server::websocket(slow);
    let mut quick = server.wss();
    hear_of(&mut quick, "connected");
    // No faster than the quick one reads: a flood past the queue of 1 MiB would cut anyone.
    for first in (0..MESSAGES).step_by(AT_ONCE) {
        for number in first..first + AT_ONCE {
            let message = PreparedMessage::text(&format!("{number:05}{}", "z".repeat(10_000)));
            server.handle.publish(None, message).unwrap();
        }
        for number in first..first + AT_ONCE {
            assert_eq!(hear(&mut quick)[..5], format!("{number:05}"));
        }
    }
    assert_eq!(server.ends(1), ["SlowConsumer"]);
    hear_of(&mut slow, "connected");
    let mut number = 0;
    let code = loop {
        match slow.read().expect("whole frames up to the Close") {
            tungstenite::Message::Text(text) => {
                assert_eq!(text.as_str()[..5], format!("{number:05}"), "none is missing before the cut");
                number += 1;
            }
            tungstenite::Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1013);
    assert!(number < MESSAGES);
}

// --- other threads ---

#[test]
fn a_handle_sends_publishes_and_closes_from_other_threads() {
    let (sender, opened) = channel();
    let server = TestServer::run(
        ServerConfig::default(),
        || Box::new(NoAuth),
        move |engine, event| match event {
            Event::Open { id } => {
                engine.subscribe(id, "news").unwrap();
                sender.send(id).unwrap();
            }
            Event::Request { id, .. } => sender.send(id).unwrap(),
            _ => {}
        },
    );
    let mut client = server.wss();
    let id = opened.recv_timeout(DEADLINE).unwrap();
    let handle = server.handle.clone();
    let other = std::thread::spawn(move || {
        handle.send(id, Message::Text("to you".into())).unwrap();
        handle.publish(Some("news"), PreparedMessage::text("to the channel")).unwrap();
        handle.publish(Some("other news"), PreparedMessage::text("to nobody")).unwrap();
        handle.publish(None, PreparedMessage::text("to all")).unwrap();
        handle.close(id, 4321, "enough").unwrap();
        handle.send(id, Message::Text("too late".into())).unwrap();
    });
    assert_eq!([hear(&mut client), hear(&mut client), hear(&mut client)], ["to you", "to the channel", "to all"]);
    assert_eq!(hear_close(&mut client), (4321, "enough".into()));
    other.join().unwrap();
    // An answer to a request may come from another thread too.
    let mut http = server.connect();
    http.write_all(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let id = opened.recv_timeout(DEADLINE).unwrap();
    server.handle.respond(id, Response::text(200, "later")).unwrap();
    read_past(&mut http, b"later");
}

/// Has every question answered by another thread.
struct Ask(Sender<Ticket>);

impl Authenticate for Ask {
    fn begin(&mut self, _: &Attempt<'_>, ticket: Ticket) -> Decision {
        self.0.send(ticket).unwrap();
        Decision::Later
    }
}

#[test]
fn a_verdict_may_come_from_another_thread() {
    let (sender, tickets) = channel();
    let server = TestServer::run(
        ServerConfig::default(),
        || Box::new(Ask(sender)),
        |engine, event| {
            if let Event::Open { id } = event {
                let user = engine.identity(id).unwrap().user().to_owned();
                engine.send(id, Message::Text(user.into()));
            }
        },
    );
    let handle = server.handle.clone();
    let judge = std::thread::spawn(move || {
        let ticket = tickets.recv_timeout(DEADLINE).unwrap();
        handle.resolve(ticket, Verdict::Accept(Identity::new("anna"))).unwrap();
        // A second verdict on the same question changes nothing.
        handle.resolve(ticket, Verdict::Accept(Identity::new("eve"))).unwrap();
    });
    assert_eq!(hear(&mut server.wss()), "anna");
    judge.join().unwrap();
}

#[test]
fn commands_beyond_what_may_wait_are_refused_until_the_loop_is_polled() {
    let mut server = Server::bind(loopback(), Box::new(NoAuth)).unwrap();
    let handle = server.handle();
    let news = || handle.publish(None, PreparedMessage::text("news"));
    for number in 0..COMMANDS_WAITING {
        assert_eq!(news(), Ok(()), "command {number}");
    }
    assert_eq!(news(), Err(HandleError::Full));
    server.poll(Some(Duration::ZERO)).unwrap();
    assert_eq!(news(), Ok(()));
    drop(server);
    assert_eq!(news(), Err(HandleError::Gone));
}

#[test]
fn a_turn_that_leaves_commands_behind_does_not_sleep() {
    let mut server = Server::bind(loopback(), Box::new(NoAuth)).unwrap();
    let handle = server.handle();
    for _ in 0..3 * COMMANDS_PER_TURN {
        handle.publish(Some("nobody"), PreparedMessage::text("hello?")).unwrap();
    }
    // Their wake-ups are one event, and the first turn has seen it.
    for turn in 0..3 {
        server.poll(Some(Duration::ZERO)).unwrap();
        assert_eq!(server.poll_timeout(), Some(Duration::ZERO), "after turn {turn} there may be more");
    }
    server.poll(Some(Duration::ZERO)).unwrap();
    assert_eq!(server.poll_timeout(), None, "nothing is left");
}

// --- shutdown and panics ---

#[test]
fn a_shutdown_closes_all_sessions_with_1001_and_run_returns() {
    let mut server = TestServer::daemon(ServerConfig::default());
    let mut half = server.connect();
    half.write_all(b"GET").unwrap();
    let silent = connect(server.tls_addr());
    let mut http = server.connect();
    http.write_all(HEALTH).unwrap();
    read_past(&mut http, b"\"ok\"}");
    // When these two are greeted, those before them in the same queues have been accepted.
    let mut plain = server.ws();
    let mut secure = server.wss();
    hear(&mut plain);
    hear(&mut secure);
    server.handle.shut_down();
    assert_eq!(hear_close(&mut plain).0, 1001);
    assert_eq!(hear_close(&mut secure).0, 1001);
    // tungstenite's reply to the Close, and the end of its stream.
    assert!(plain.flush().is_err() || plain.read().is_err());
    assert!(secure.flush().is_err() || secure.read().is_err());
    assert_eq!(read_to_end(&mut http), b"");
    assert_eq!(read_to_end(&mut half), b"");
    drop((plain, secure, http, half, silent));
    assert!(matches!(server.join(), Ok(())));
    assert!(TcpStream::connect(server.plain_addr()).is_err(), "nobody listens any more");
}

#[test]
fn a_shutdown_waits_no_longer_than_the_close_timeout_for_those_who_do_not_answer() {
    let limits = Limits { close_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = TestServer::daemon(with_limits(limits));
    let mut client = server.raw_session();
    assert!(matches!(server.stop(), Ok(())));
    assert_eq!(frames::decode(&read_past(&mut client, b"down"))[0].close().0, 1001);
}

#[test]
fn a_panic_of_the_handler_closes_its_session_with_1011_and_the_server_goes_on() {
    server::silence_panics_of_handlers();
    let server = TestServer::run(
        ServerConfig::default(),
        || Box::new(NoAuth),
        |engine, event| {
            if let Event::Message { id, message } = event {
                assert!(message.len() > 1, "a short message");
                engine.send(id, message);
            }
        },
    );
    let (mut other, mut unlucky) = (server.ws(), server.wss());
    for _ in 0..2 {
        say(&mut unlucky, "x");
        assert_eq!(hear_close(&mut unlucky), (1011, "Internal error".into()));
        say(&mut other, "still there?");
        assert_eq!(hear(&mut other), "still there?");
        unlucky = server.wss();
    }
    assert_eq!(server.ends(2)[..2], ["HandlerPanicked", "HandlerPanicked"]);
}

#[test]
fn a_panic_of_the_handler_at_a_request_is_a_500() {
    server::silence_panics_of_handlers();
    let server = TestServer::run(
        ServerConfig::default(),
        || Box::new(NoAuth),
        |_, event| {
            assert!(!matches!(event, Event::Request { .. }), "a request");
        },
    );
    let mut client = server.connect();
    client.write_all(HEALTH).unwrap();
    let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

// --- listeners ---

#[test]
fn every_listener_of_port_0_has_a_port_of_its_own_and_says_which() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = TestServer::daemon(ServerConfig {
        listen: vec![any, any],
        plain_listen: vec![any, any],
        ..ServerConfig::default()
    });
    let kinds: Vec<_> = server.addrs.iter().map(|(_, is_secure)| *is_secure).collect();
    assert_eq!(kinds, [true, true, false, false]);
    let mut ports: Vec<_> = server.addrs.iter().map(|(addr, _)| addr.port()).collect();
    ports.dedup();
    assert!(ports.len() == 4 && !ports.contains(&0), "{ports:?}");
    for (addr, is_secure) in server.addrs.clone() {
        if !is_secure {
            assert!(hear(&mut server::websocket(connect(addr))).contains("connected"));
        }
    }
}

/// Whether this machine speaks IPv6 at all.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

fn serves(addr: SocketAddr) -> bool {
    let Ok(mut client) = TcpStream::connect_timeout(&addr, DEADLINE) else { return false };
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(HEALTH).unwrap();
    read_past(&mut client, b"ok").starts_with(b"HTTP/1.1 200")
}

#[test]
fn an_ipv6_listener_serves_ipv6_and_the_wildcard_serves_both() {
    if !has_ipv6() {
        return;
    }
    let listen = |addr: &str| ServerConfig { plain_listen: vec![addr.parse().unwrap()], ..ServerConfig::default() };
    let server = TestServer::daemon(listen("[::1]:0"));
    assert!(serves(server.plain_addr()));
    let server = TestServer::daemon(listen("[::]:0"));
    let port = server.plain_addr().port();
    assert!(serves(format!("[::1]:{port}").parse().unwrap()));
    assert!(serves(SocketAddr::from(([127, 0, 0, 1], port))), "an IPv4 client");
}

#[test]
fn both_wildcards_may_share_a_port() {
    if !has_ipv6() {
        return;
    }
    // A port that was free a moment ago; somebody else may be quicker.
    let server = (0..20).find_map(|_| {
        let port = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
        let addrs = [format!("[::]:{port}"), format!("0.0.0.0:{port}")];
        let plain_listen = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        std::panic::catch_unwind(|| TestServer::daemon(ServerConfig { plain_listen, ..ServerConfig::default() })).ok()
    });
    let port = server.as_ref().expect("a free port").plain_addr().port();
    assert!(serves(format!("[::1]:{port}").parse().unwrap()));
    assert!(serves(SocketAddr::from(([127, 0, 0, 1], port))));
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_address() {
    let server = TestServer::daemon(ServerConfig::default());
    let taken = server.plain_addr();
    let error = Server::bind(ServerConfig { plain_listen: vec![taken], ..ServerConfig::default() }, Box::new(NoAuth));
    let sentence = error.err().expect("an error").to_string();
    assert!(sentence.starts_with(&format!("cannot listen on {taken}: ")), "{sentence}");
}

#[test]
fn accepted_sockets_send_at_once_and_have_the_send_buffer_asked_for() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut io = SystemIo::open(&[any], 40_000).unwrap();
    let _client = TcpStream::connect(io.local_addr(0).unwrap()).unwrap();
    let (accepted, _) = io.accept(0).unwrap();
    assert!(accepted.nodelay().unwrap(), "TCP_NODELAY");
    // Linux doubles what is asked for.
    let size = socket2::SockRef::from(&accepted).send_buffer_size().unwrap();
    assert!((40_000..=80_000).contains(&size), "{size}");
}
