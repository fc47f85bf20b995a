//! A host that has what it says on the wire at once, at moments that are not the end of a turn: nothing is lost, doubled or
//! out of order for it, with TLS, behind a socket that takes no more, and before a socket stands.
//!
//! Not here: what a turn writes (`server.rs`), in how many system calls (`costs.rs`).

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

use std::time::{Duration, Instant};

use barewire::auth::NoAuth;
use barewire::wire::http::UpgradeRequest;
use barewire::{ClientTls, CloseReason, Dial, EngineConfig, Event, Limits, Message, Server, ServerConfig, TlsConfig};
use server::{DEADLINE, TestServer};

/// More than all buffers on the way hold.
const MESSAGES: usize = 300;
const MESSAGE_BYTES: usize = 60_000;

#[test]
fn what_is_flushed_at_any_moment_comes_once_and_in_order() {
    let tls = Some(TlsConfig::from_pem(include_bytes!("certs/server.pem"), include_bytes!("certs/key.pem")).unwrap());
    let limits = Limits { send_queue_bytes: 64 << 20, ..common::unpaced().limits };
    let engine = EngineConfig { limits, ..common::unpaced() };
    let there = TestServer::echo(ServerConfig { tls, engine: engine.clone(), ..ServerConfig::default() });
    let tls = ClientTls::with_roots(include_bytes!("certs/ca.pem")).unwrap();
    for (addr, tls) in [(there.plain_addr(), None), (there.tls_addr(), Some(tls))] {
        let config = ServerConfig { engine: engine.clone(), ..ServerConfig::default() };
        let mut here = Server::bind(config, Box::new(NoAuth)).unwrap();
        here.flush();
        let (host, port) = ("localhost".to_owned(), addr.port());
        let id = here.connect(Dial { host, port, addrs: vec![addr], source: None, tls, upgrade: upgrade() }).unwrap();
        here.flush();
        assert!(matches!(next(&mut here), Event::Connected { .. }));
        for number in 0..MESSAGES {
            assert!(here.engine().send(id, text(number)));
            here.flush();
        }
        for number in 0..MESSAGES {
            match next(&mut here) {
                Event::Message { message, .. } => assert!(message == text(number), "{number}"),
                other => panic!("not the message {number}: {other:?}"),
            }
        }
        here.engine().close(id, 1000, "");
        here.flush();
        assert!(matches!(next(&mut here), Event::Closed { reason: CloseReason::Host { .. }, .. }));
        while here.engine().sessions() > 0 {
            here.poll(Some(Duration::from_millis(10))).unwrap();
            here.flush();
        }
    }
}

fn text(number: usize) -> Message {
    Message::Text(format!("{number:0>MESSAGE_BYTES$}").into())
}

fn upgrade() -> UpgradeRequest {
    let (name, value) = common::GOOD.trim_end().split_once(": ").unwrap();
    UpgradeRequest {
        authority: "localhost".into(),
        target: "/ws".into(),
        protocols: Vec::new(),
        headers: vec![(name.into(), value.into())],
    }
}

/// The next event; it is flushed before and behind each turn, and behind each event.
fn next(server: &mut Server) -> Event {
    let start = Instant::now();
    loop {
        if let Some(event) = server.poll_event() {
            server.flush();
            return event;
        }
        assert!(start.elapsed() < DEADLINE, "no event");
        server.flush();
        server.poll(Some(Duration::from_secs(1))).unwrap();
        server.flush();
    }
}
