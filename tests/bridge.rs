//! The very code of `examples/bridge.rs`, between a real server upstream and real clients downstream.
//!
//! Not here: the policy of coming back (`reconnecting.rs`), a host's own loop (`embed.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../examples/bridge.rs"]
mod bridge;
mod common;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::client::{Backoff, ClientConfig, Credentials, Jitter};
use barewire::{Handle, ServerConfig};
use bridge::Bridge;
use server::{DEADLINE, TestServer, connect, hear, hear_of, say, websocket};
use tungstenite::WebSocket;

const DELAY: Duration = Duration::from_millis(10);

struct Running {
    handle: Handle,
    addr: SocketAddr,
    thread: JoinHandle<usize>,
}

fn listening_at(addr: SocketAddr) -> ServerConfig {
    ServerConfig { plain_listen: vec![addr], ..ServerConfig::default() }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Running {
    /// A bridge to this server, for the channel `news`.
    fn start(upstream: SocketAddr) -> Running {
        let upstream = ClientConfig {
            credentials: Credentials::Basic { user: "user".into(), password: "pass".into() },
            channels: vec!["news".into()],
            backoff: Backoff { initial_delay: DELAY, max_delay: DELAY, factor: 1.0, jitter: Jitter::None },
            ..ClientConfig::new(format!("ws://{upstream}/ws"))
        };
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || {
            let mut bridge = Bridge::open(listening_at(anywhere()), upstream).unwrap();
            let addr = bridge.server.local_addrs().next().unwrap().0;
            sender.send((bridge.server.handle(), addr)).unwrap();
            let mut turns = 0;
            while !bridge.server.is_finished() {
                bridge.turn().unwrap();
                turns += 1;
            }
            turns
        });
        let (handle, addr) = receiver.recv_timeout(DEADLINE).unwrap();
        Running { handle, addr, thread }
    }

    /// A client of it, subscribed to this channel.
    fn client(&self, channel: &str) -> WebSocket<TcpStream> {
        let mut client = websocket(connect(self.addr));
        say(&mut client, format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#));
        hear_of(&mut client, "subscribed");
        client
    }

    /// Ends it; returns how many turns it took in all.
    fn stop(self) -> usize {
        self.handle.shut_down();
        self.thread.join().unwrap()
    }
}

/// Waits until the bridge is subscribed upstream: a message from there has come through. What is heard of `round` is left out.
fn until_it_comes_through(upstream: &TestServer, client: &mut WebSocket<TcpStream>, round: &str) {
    let mut speaker = websocket(connect(upstream.plain_addr()));
    let start = std::time::Instant::now();
    client.get_ref().set_read_timeout(Some(DELAY)).unwrap();
    loop {
        assert!(start.elapsed() < DEADLINE, "{round}: nothing comes through");
        say(&mut speaker, format!(r#"{{"type":"chat","channel":"news","payload":"{round}"}}"#));
        match client.read() {
            Ok(message) if message.to_text().unwrap().contains(round) => break,
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{round}: {error}"),
        }
    }
    client.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
}

#[test]
fn what_is_said_upstream_is_heard_downstream_byte_for_byte_and_on_its_channel_only() {
    let upstream = TestServer::daemon(listening_at(anywhere()));
    let bridge = Running::start(upstream.plain_addr());
    let (mut client, mut other) = (bridge.client("news"), bridge.client("weather"));
    until_it_comes_through(&upstream, &mut client, "first");
    let mut speaker = websocket(connect(upstream.plain_addr()));
    say(&mut speaker, r#"{"type":"subscribe","channel":"news"}"#);
    hear_of(&mut speaker, "subscribed");
    say(&mut speaker, r#"{"type":"chat","channel":"weather","payload":"not this"}"#);
    say(&mut speaker, r#"{"type":"chat","payload":"nor this, said to everybody there"}"#);
    say(&mut speaker, r#"{"type":"chat","channel":"news","payload":{"a": [1,  "é"]}}"#);
    let said = hear_of(&mut speaker, r#"{"a": [1,  "é"]}"#);
    assert_eq!(hear_of(&mut client, r#""payload":{"#), said);
    // What its clients say stays downstream.
    say(&mut client, r#"{"type":"chat","channel":"news","payload":"here"}"#);
    assert!(hear(&mut client).contains(r#""payload":"here""#));
    say(&mut other, r#"{"type":"ping"}"#);
    assert!(hear(&mut other).contains("pong"), "nothing but that");
    say(&mut speaker, r#"{"type":"ping"}"#);
    assert!(hear(&mut speaker).contains("pong"), "nothing but that");
    drop((client, other, speaker));
    bridge.stop();
}

#[test]
fn sessions_downstream_outlive_upstream_and_hear_again_when_it_is_back() {
    let mut upstream = TestServer::daemon(listening_at(anywhere()));
    let addr = upstream.plain_addr();
    let bridge = Running::start(addr);
    let mut client = bridge.client("news");
    until_it_comes_through(&upstream, &mut client, "first");
    for round in ["second", "third"] {
        upstream.stop().unwrap();
        say(&mut client, format!(r#"{{"type":"ping","id":"{round}"}}"#));
        hear_of(&mut client, &format!(r#""id":"{round}""#));
        upstream = TestServer::daemon(listening_at(addr));
        until_it_comes_through(&upstream, &mut client, round);
    }
    drop(client);
    bridge.stop();
}

#[test]
fn an_upstream_that_is_not_there_holds_up_nobody_and_an_idle_bridge_sleeps() {
    let upstream = TestServer::daemon(listening_at(anywhere()));
    let addr = upstream.plain_addr();
    upstream.stop().unwrap();
    let bridge = Running::start(addr);
    let mut clients = [bridge.client("news"), bridge.client("news")];
    for client in &mut clients {
        say(client, r#"{"type":"ping"}"#);
        hear_of(client, "pong");
    }
    let upstream = TestServer::daemon(listening_at(addr));
    until_it_comes_through(&upstream, &mut clients[0], "there");
    hear_of(&mut clients[1], "there");
    drop(clients);
    let turns = bridge.stop();
    // One that spins makes hundreds of thousands a second.
    assert!(turns < 20_000, "{turns} turns: it spins");
}
