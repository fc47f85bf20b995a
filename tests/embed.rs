//! The server inside a host's own loop: the very code of `examples/embed.rs`, run in a thread.
//!
//! Not here: the server's own loop (`server.rs`).

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[allow(dead_code, reason = "its main is not called here")]
#[path = "../examples/embed.rs"]
mod embed;
#[path = "common/memory.rs"]
mod memory;
#[path = "common/server.rs"]
mod server;
#[path = "common/tls_client.rs"]
mod tls_client;

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use barewire::{EngineConfig, Handle, Limits, PreparedMessage, ServerConfig};
use embed::Host;
use server::{DEADLINE, connect, hear, hear_close, read_to_end, say, websocket};
use tungstenite::WebSocket;

struct Running {
    handle: Handle,
    addr: SocketAddr,
    datagrams: SocketAddr,
    thread: JoinHandle<usize>,
}

impl Running {
    fn start(limits: Limits) -> Running {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let engine = EngineConfig { limits, ..EngineConfig::default() };
        let config = ServerConfig { plain_listen: vec![any], engine, ..ServerConfig::default() };
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || {
            let mut host = Host::open(config, any).unwrap();
            let addr = host.server.local_addrs().next().unwrap().0;
            sender.send((host.server.handle(), addr, host.datagrams.local_addr().unwrap())).unwrap();
            let mut turns = 0;
            while !host.server.is_finished() {
                host.turn().unwrap();
                turns += 1;
            }
            turns
        });
        let (handle, addr, datagrams) = receiver.recv_timeout(DEADLINE).unwrap();
        Running { handle, addr, datagrams, thread }
    }

    fn client(&self) -> WebSocket<TcpStream> {
        websocket(connect(self.addr))
    }

    /// A UDP socket that sends to the host.
    fn sender(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(self.datagrams).unwrap();
        socket
    }

    /// Ends the host's loop; returns how many turns it took in all.
    fn stop(self) -> usize {
        self.handle.shut_down();
        self.thread.join().unwrap()
    }
}

#[test]
fn messages_flow_both_ways_between_the_hosts_socket_and_the_servers_clients() {
    let host = Running::start(Limits::default());
    let mut clients: Vec<_> = (0..50).map(|_| host.client()).collect();
    let sender = host.sender();
    for round in 0..20 {
        sender.send(format!("datagram {round}").as_bytes()).unwrap();
        for client in &mut clients {
            assert_eq!(hear(client), format!("datagram {round}"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            say(client, format!("message {number}"));
            let mut buffer = [0; 100];
            let length = sender.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], *format!("message {number}").as_bytes());
        }
    }
    drop(clients);
    host.stop();
}

#[test]
fn the_servers_own_deadlines_are_kept_and_an_idle_host_sleeps() {
    let host = Running::start(Limits { head_timeout: Duration::from_millis(50), ..Limits::default() });
    for _ in 0..5 {
        // Nothing but the clock ends a connection on which nothing is said.
        assert_eq!(read_to_end(&mut connect(host.addr)), b"");
    }
    let turns = host.stop();
    assert!(turns < 1000, "{turns} turns for five connections: it spins");
}

#[test]
fn a_handle_wakes_the_hosts_loop_and_a_shutdown_ends_it() {
    let host = Running::start(Limits::default());
    let mut client = host.client();
    // By the time it hears itself it is subscribed.
    let sender = host.sender();
    sender.send(b"hello").unwrap();
    assert_eq!(hear(&mut client), "hello");
    host.handle.publish(Some("udp"), PreparedMessage::text("from another thread")).unwrap();
    assert_eq!(hear(&mut client), "from another thread");
    let big = "b".repeat(500_000);
    host.handle.publish(None, PreparedMessage::text(&big)).unwrap();
    assert_eq!(hear(&mut client), big);
    host.handle.shut_down();
    assert_eq!(hear_close(&mut client).0, 1001);
    while client.read().is_ok() {}
    drop(client);
    host.thread.join().unwrap();
}
