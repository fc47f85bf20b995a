//! A host that does not want to hear more for a while: a paused session is not read, nothing is lost, and no silence is
//! held against its peer; by a clock that only the test moves, and on real sockets of the loopback.
//!
//! Not here: pauses that the engine makes by itself (`fairness.rs`, `memory.rs`).

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

use std::time::Duration;

use barewire::auth::NoAuth;
use barewire::engine::Intake;
use barewire::limits::{HEARTBEAT_INTERVAL_DEFAULT, MESSAGE_TIMEOUT_DEFAULT};
use barewire::{
    ClientTls, CloseReason, ConnId, Dial, EngineConfig, Event, Limits, Message, Server, ServerConfig, TlsConfig,
};
use common::World;
use common::frames;
use memory::{FIRST, Site};
use server::{TestServer, next_event};

const SECOND: Duration = Duration::from_secs(1);

fn world() -> World {
    World::new(common::unpaced(), Box::new(NoAuth))
}

fn open(world: &mut World) -> ConnId {
    let id = world.open_with("");
    world.events.clear();
    id
}

/// The texts that have come since the last call.
fn heard(world: &mut World) -> Vec<String> {
    let text = |event| match event {
        Event::Message { message: Message::Text(text), .. } => text.as_str().to_owned(),
        other => panic!("no text: {other:?}"),
    };
    world.events.drain(..).map(text).collect()
}

#[test]
fn a_paused_session_is_not_read_and_goes_on_where_it_stood() {
    let mut world = world();
    let id = open(&mut world);
    world.input(id, &frames::text("before"));
    assert!(world.engine.pause(id) && world.engine.pause(id));
    assert_eq!(world.engine.intake(id), Intake::Pause);
    // What the shell has in hand already, such as the rest of a TLS record, is kept.
    for text in ["one", "two"] {
        world.engine.handle_input(id, &frames::text(text));
        world.turn();
    }
    assert_eq!(heard(&mut world), ["before"]);
    assert!(world.engine.send(id, Message::Text("we speak on".into())));
    world.turn();
    assert_eq!(world.messages(id), ["we speak on"]);
    assert!(world.engine.resume(id));
    world.turn();
    world.input(id, &frames::text("after"));
    assert_eq!(heard(&mut world), ["one", "two", "after"]);
    assert!(!world.engine.resume(id), "it was not paused");
}

#[test]
fn only_an_open_session_is_paused_and_its_end_is_the_end_of_that() {
    let mut world = world();
    let id = world.connect();
    assert!(!world.engine.pause(id) && !world.engine.resume(id));
    world.input(id, common::upgrade("").as_bytes());
    assert!(world.engine.pause(id));
    world.engine.close(id, 1000, "bye");
    world.turn();
    assert!(!world.engine.pause(id) && !world.engine.resume(id));
    world.input(id, &frames::close(1000, "bye"));
    world.end(id);
    assert!(world.is_gone(id));
    assert!(!world.engine.pause(id) && !world.engine.resume(id));
}

#[test]
fn one_that_is_dropped_is_paused_no_more() {
    let mut world = world();
    let id = open(&mut world);
    assert!(world.engine.pause(id));
    world.engine.drop_all();
    assert!(!world.engine.resume(id), "it is not open");
    world.turn();
    assert!(world.is_gone(id));
}

#[test]
fn a_paused_session_that_is_closed_finds_the_peers_close_behind_what_waits() {
    let mut world = world();
    let id = open(&mut world);
    world.engine.pause(id);
    world.engine.handle_input(id, &frames::text("unheard"));
    world.turn();
    world.engine.close(id, 1000, "bye");
    world.turn();
    assert_eq!(world.close_code(id), Some((1000, "bye".into())));
    world.input(id, &frames::close(1000, "bye"));
    assert!(world.peer(id).ended, "it waits for nothing more");
    world.end(id);
    assert!(world.is_gone(id));
    assert_eq!(world.ends(id).len(), 1, "{:?}", world.history);
}

#[test]
fn no_silence_is_held_against_a_peer_that_is_not_listened_to_and_again_once_it_is() {
    let mut world = world();
    let id = open(&mut world);
    world.advance(HEARTBEAT_INTERVAL_DEFAULT);
    assert!(!world.take(id).is_empty(), "a heartbeat is sent");
    // Its pong is on its way, and will not be read.
    world.engine.pause(id);
    for _ in 0..10 {
        world.advance(HEARTBEAT_INTERVAL_DEFAULT + SECOND);
        assert!(world.engine.is_alive(id) && !world.take(id).is_empty(), "heartbeats go on");
    }
    world.engine.resume(id);
    world.advance(HEARTBEAT_INTERVAL_DEFAULT - SECOND);
    assert!(world.ends(id).is_empty(), "it has a whole interval to be heard");
    world.advance(2 * HEARTBEAT_INTERVAL_DEFAULT);
    assert!(world.ends(id)[0].contains("HeartbeatLost"), "{:?}", world.ends(id));
}

#[test]
fn a_message_of_which_a_part_is_read_gets_its_time_again() {
    let mut world = world();
    let id = open(&mut world);
    let frame = frames::text("in two parts");
    let (part, rest) = frame.split_at(9);
    world.input(id, part);
    world.engine.pause(id);
    world.advance(3 * MESSAGE_TIMEOUT_DEFAULT);
    world.engine.resume(id);
    world.turn();
    world.input(id, rest);
    assert_eq!(heard(&mut world), ["in two parts"]);
    world.input(id, part);
    world.engine.pause(id);
    world.engine.resume(id);
    world.advance(MESSAGE_TIMEOUT_DEFAULT + SECOND);
    assert!(world.ends(id)[0].contains("MessageTimeout"), "{:?}", world.ends(id));
}

#[test]
fn what_broke_the_protocol_before_the_pause_ends_the_session_all_the_same() {
    let mut world = world();
    let id = open(&mut world);
    let mut bytes = frames::text("well");
    bytes.extend(frames::raw(0x83, b"of no kind"));
    world.engine.handle_input(id, &bytes);
    assert!(matches!(world.engine.poll_event(), Some(Event::Message { .. })));
    world.engine.pause(id);
    world.turn();
    assert!(world.ends(id)[0].contains("Protocol"), "{:?}", world.ends(id));
}

/// Of a server on a network: which events have come as texts.
fn texts(site: &Site) -> usize {
    site.events.iter().filter(|event| matches!(event, Event::Message { .. })).count()
}

fn opened(site: &mut Site) -> (usize, ConnId) {
    let peer = site.network.connect(FIRST);
    site.network.send(peer, common::upgrade("").as_bytes());
    site.rest();
    let id = site.events.iter().find_map(|event| if let Event::Open { id } = event { Some(*id) } else { None });
    (peer, id.expect("an open session"))
}

fn site() -> Site {
    let engine = common::unpaced();
    Site { router: None, ..Site::new(ServerConfig { engine, ..ServerConfig::default() }, Box::new(NoAuth)) }
}

#[test]
fn what_a_peer_sends_meanwhile_waits_in_its_socket_and_nobody_spins() {
    let mut site = site();
    let (peer, id) = opened(&mut site);
    assert!(site.server.engine().pause(id));
    let frame = frames::text("waits");
    for count in 1..=3 {
        site.network.send(peer, &frame);
        // That this comes to rest says that the loop does not spin.
        site.rest();
        assert_eq!((site.network.unread(peer), texts(&site)), (count * frame.len(), 0));
    }
    assert!(site.server.engine().resume(id));
    site.rest();
    assert_eq!((site.network.unread(peer), texts(&site)), (0, 3));
    site.network.send(peer, &frame);
    site.rest();
    assert_eq!(texts(&site), 4);
}

#[test]
fn a_peer_that_goes_meanwhile_is_found_on_resuming_or_by_the_next_write() {
    let mut site = site();
    let (peer, id) = opened(&mut site);
    site.server.engine().pause(id);
    site.network.send(peer, &frames::text("the last words"));
    site.network.end(peer);
    site.rest();
    assert!(!site.has_seen(&["Closed"]));
    site.server.engine().resume(id);
    site.rest();
    assert_eq!(texts(&site), 1);
    assert!(site.has_seen(&["Closed", "PeerVanished"]));

    let mut site = self::site();
    let (peer, id) = opened(&mut site);
    site.server.engine().pause(id);
    site.network.reset(peer);
    site.rest();
    assert!(!site.has_seen(&["Closed"]));
    // The next heartbeat is a write at the latest.
    site.advance(HEARTBEAT_INTERVAL_DEFAULT + SECOND);
    assert!(site.has_seen(&["Closed", "Transport"]), "{:?}", site.history);
    assert_eq!(site.server.engine().sessions(), 0);
}

/// More than all buffers on the way hold.
const MESSAGES: usize = 200;
const MESSAGE_BYTES: usize = 60_000;

#[test]
fn on_real_sockets_nothing_comes_while_it_is_paused_and_everything_after_that() {
    let tls = Some(TlsConfig::from_pem(include_bytes!("certs/server.pem"), include_bytes!("certs/key.pem")).unwrap());
    let limits = Limits { send_queue_bytes: 64 << 20, ..common::unpaced().limits };
    let engine = EngineConfig { limits, ..common::unpaced() };
    let there = TestServer::echo(ServerConfig { tls, engine: engine.clone(), ..ServerConfig::default() });
    let mut upgrade = barewire::wire::http::UpgradeRequest {
        authority: "localhost".into(),
        target: "/ws".into(),
        protocols: Vec::new(),
        headers: Vec::new(),
    };
    let (name, value) = common::GOOD.trim_end().split_once(": ").unwrap();
    upgrade.headers.push((name.into(), value.into()));
    let tls = ClientTls::with_roots(include_bytes!("certs/ca.pem")).unwrap();
    for (addr, tls) in [(there.plain_addr(), None), (there.tls_addr(), Some(tls))] {
        let config = ServerConfig { engine: engine.clone(), ..ServerConfig::default() };
        let mut here = Server::bind(config, Box::new(NoAuth)).unwrap();
        let (host, port, upgrade) = ("localhost".to_owned(), addr.port(), upgrade.clone());
        let id = here.connect(Dial { host, port, addrs: vec![addr], source: None, tls, upgrade }).unwrap();
        assert!(matches!(next_event(&mut here), Event::Connected { .. }));
        assert!(here.engine().pause(id));
        for number in 0..MESSAGES {
            let text = format!("{number:0>MESSAGE_BYTES$}");
            assert!(here.engine().send(id, Message::Text(text.into())));
        }
        for _ in 0..200 {
            here.poll(Some(Duration::from_millis(1))).unwrap();
            assert!(here.poll_event().is_none(), "it is not read");
        }
        assert!(here.engine().resume(id));
        for number in 0..MESSAGES {
            match next_event(&mut here) {
                Event::Message { message, .. } => {
                    assert!(message.payload().ends_with(number.to_string().as_bytes()), "{number}");
                }
                other => panic!("not the message {number}: {other:?}"),
            }
        }
        here.engine().close(id, 1000, "");
        assert!(matches!(next_event(&mut here), Event::Closed { reason: CloseReason::Host { .. }, .. }));
    }
}
