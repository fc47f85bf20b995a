//! Connecting to others: names, addresses one after another, TCP and TLS, each way in which it may fail; on a network in
//! memory, where addresses are silent and the clock is the test's, and on real sockets of the loopback.
//!
//! Not here: the opening handshake as a client and what follows (`outbound.rs`), TLS byte by byte (`src/net/tls/tests.rs`).

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

#[path = "dialing/faults.rs"]
mod faults;
#[path = "dialing/real.rs"]
mod real;

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barewire::client::{Client, ClientConfig, ClientEvent, Reconnector};
use barewire::engine::Refused;
use barewire::limits::{ADDRESSES_TRIED, CONNECT_ADDRESS_TIMEOUT, DIALS_PER_TURN, HEAD_TIMEOUT_DEFAULT, TICK_MILLIS};
use barewire::wire::http::UpgradeRequest;
use barewire::wire::url::Url;
use barewire::{ClientTls, Dial, EngineConfig, ServerConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use memory::{Answer, Call, FIRST, Fault, MemoryIo, Network, Site};

const TICK: Duration = Duration::from_millis(TICK_MILLIS);

fn site() -> Site {
    Site::new(ServerConfig::default(), Box::new(common::methods()))
}

fn upgrade() -> UpgradeRequest {
    let authority = "upstream.example".into();
    UpgradeRequest { authority, target: "/ws".into(), protocols: Vec::new(), headers: Vec::new() }
}

fn dial(host: &str, port: u16) -> Dial {
    Dial { host: host.into(), port, tls: None, addrs: Vec::new(), source: None, upgrade: upgrade() }
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

/// Whom the server has connected to so far.
fn tried(site: &Site) -> Vec<SocketAddr> {
    site.network.dialed().into_iter().map(|(addr, _)| addr).collect()
}

/// The sentence of the only end so far.
fn end(site: &Site) -> String {
    let ends: Vec<_> = site.history.iter().filter(|event| event.starts_with("Closed")).collect();
    let [end] = ends[..] else { panic!("not one end: {:?}", site.history) };
    end.clone()
}

/// Nothing is left, in the engine or of sockets.
fn check_gone(site: &mut Site) {
    assert_eq!(site.server.engine().sessions(), 0);
    assert!(site.network.dialed().into_iter().all(|(_, wire)| site.network.is_dropped(wire)), "a socket is left");
    // A deadline of the session's own may stand on the wheel yet; none of an address does.
    let next = site.server.poll_timeout().unwrap_or(Duration::MAX);
    assert!(next > CONNECT_ADDRESS_TIMEOUT, "a deadline is left: {next:?}");
}

#[test]
fn what_stands_is_written_to_and_not_before() {
    let mut site = site();
    site.network.answer(addr(1), Answer::Accepts);
    site.server.connect(Dial::plain(&Url::parse("ws://192.0.2.1/ws?a=b").unwrap())).unwrap();
    site.rest();
    let [(to, wire)] = site.network.dialed()[..] else { panic!("{:?}", site.network.dialed()) };
    assert_eq!(to, addr(1));
    let request = String::from_utf8(site.network.take(wire)).unwrap();
    assert!(request.starts_with("GET /ws?a=b HTTP/1.1\r\nHost: 192.0.2.1\r\n"), "{request:?}");
}

#[test]
fn addresses_are_tried_in_their_order_and_the_last_failure_is_told() {
    let mut site = site();
    site.network.name("upstream", Some(&[addr(1), addr(2), addr(3)]));
    site.server.connect(dial("upstream", 80)).unwrap();
    site.rest();
    assert_eq!(tried(&site), [addr(1), addr(2), addr(3)]);
    let sentence = "connection refused by 192.0.2.3:80 (the last of 3 addresses)";
    assert!(end(&site).contains(&format!("NotConnected({sentence:?})")), "{}", end(&site));
    check_gone(&mut site);
}

#[test]
fn the_first_address_that_takes_it_has_it() {
    let mut site = site();
    site.network.name("upstream", Some(&[addr(1), addr(2), addr(3)]));
    site.network.answer(addr(2), Answer::Accepts);
    site.server.connect(dial("upstream", 80)).unwrap();
    site.rest();
    assert_eq!(tried(&site), [addr(1), addr(2)]);
    let (_, wire) = site.network.dialed()[1];
    assert!(!site.network.take(wire).is_empty() && !site.network.is_dropped(wire));
}

#[test]
fn a_silent_address_is_given_up_for_the_next_and_the_last_has_what_is_left() {
    let mut site = site();
    site.network.name("upstream", Some(&[addr(1), addr(2)]));
    site.network.answer(addr(1), Answer::Silent);
    site.network.answer(addr(2), Answer::Silent);
    site.server.connect(dial("upstream", 80)).unwrap();
    site.rest();
    assert_eq!(tried(&site), [addr(1)]);
    assert!(site.server.poll_timeout().unwrap() <= CONNECT_ADDRESS_TIMEOUT);
    site.advance(CONNECT_ADDRESS_TIMEOUT - Duration::from_millis(1));
    assert_eq!(tried(&site), [addr(1)]);
    site.advance(Duration::from_millis(1));
    assert_eq!(tried(&site), [addr(1), addr(2)]);
    assert!(site.network.is_dropped(site.network.dialed()[0].1), "one socket at a time");
    site.advance(HEAD_TIMEOUT_DEFAULT - CONNECT_ADDRESS_TIMEOUT - Duration::from_millis(1));
    assert_eq!(site.server.engine().sessions(), 1, "it has what is left of the session's time");
    site.advance(TICK + Duration::from_millis(1));
    assert!(site.has_seen(&["Closed"]));
    check_gone(&mut site);
}

#[test]
fn a_host_that_has_slept_since_the_last_turn_has_all_the_time_for_it() {
    let mut site = site();
    site.network.name("upstream", Some(&[addr(1), addr(2)]));
    site.network.answer(addr(1), Answer::Silent);
    site.network.answer(addr(2), Answer::Silent);
    site.rest();
    site.network.advance(10 * HEAD_TIMEOUT_DEFAULT);
    site.server.connect(dial("upstream", 80)).unwrap();
    site.rest();
    assert_eq!(tried(&site), [addr(1)]);
    assert!(site.server.poll_timeout().unwrap() <= CONNECT_ADDRESS_TIMEOUT, "it is not slept past");
    site.advance(CONNECT_ADDRESS_TIMEOUT);
    assert_eq!(tried(&site), [addr(1), addr(2)]);
    site.advance(HEAD_TIMEOUT_DEFAULT - CONNECT_ADDRESS_TIMEOUT - Duration::from_millis(1));
    assert_eq!(site.server.engine().sessions(), 1);
    site.advance(TICK + Duration::from_millis(1));
    check_gone(&mut site);
}

#[test]
fn the_time_of_the_session_bounds_how_many_silent_addresses_are_tried() {
    let mut site = site();
    let addrs: Vec<_> = (0..ADDRESSES_TRIED as u8).map(addr).collect();
    site.network.name("upstream", Some(&addrs));
    for addr in &addrs {
        site.network.answer(*addr, Answer::Silent);
    }
    site.server.connect(dial("upstream", 80)).unwrap();
    site.rest();
    site.advance(HEAD_TIMEOUT_DEFAULT + TICK);
    let spans = (HEAD_TIMEOUT_DEFAULT.as_secs() / CONNECT_ADDRESS_TIMEOUT.as_secs()) as usize;
    assert!((spans..=spans + 1).contains(&tried(&site).len()), "{:?}", tried(&site));
    check_gone(&mut site);
}

#[test]
fn a_name_that_nobody_knows_or_has_no_address_is_told_as_such() {
    for (name, sentence) in
        [("nobody", "no address for `nobody`: nobody knows it"), ("empty", "no address for `empty`")]
    {
        let mut site = site();
        site.network.name("empty", Some(&[]));
        site.server.connect(dial(name, 80)).unwrap();
        site.rest();
        assert!(end(&site).contains(&format!("NotConnected({sentence:?})")), "{}", end(&site));
        check_gone(&mut site);
    }
}

#[test]
fn a_name_that_is_never_answered_holds_up_only_its_own_session_until_its_deadline() {
    let mut site = site();
    site.network.name("stuck", None);
    site.network.answer(addr(1), Answer::Accepts);
    site.server.connect(dial("stuck", 80)).unwrap();
    site.server.connect(dial("192.0.2.1", 80)).unwrap();
    let peer = site.network.connect(FIRST);
    site.network.send(peer, common::upgrade(common::GOOD).as_bytes());
    site.rest();
    assert_eq!(tried(&site), [addr(1)]);
    assert!(site.network.take(peer).starts_with(b"HTTP/1.1 101 "));
    site.network.reset(peer);
    site.network.reset(site.network.dialed()[0].1);
    site.rest();
    assert_eq!(site.server.engine().sessions(), 1);
    site.advance(HEAD_TIMEOUT_DEFAULT + TICK);
    check_gone(&mut site);
}

#[test]
fn an_answer_for_a_session_that_has_gone_is_nobodys() {
    let mut site = site();
    site.network.name("upstream", Some(&[addr(1)]));
    let id = site.server.connect(dial("upstream", 80)).unwrap();
    site.server.engine().drop_all();
    site.rest();
    assert_eq!(tried(&site), []);
    assert_eq!(site.server.engine().peer(id), None);
    check_gone(&mut site);
}

#[test]
fn a_session_that_ends_takes_its_socket_with_it() {
    let mut site = site();
    site.network.answer(addr(1), Answer::Silent);
    site.server.connect(dial("192.0.2.1", 80)).unwrap();
    site.rest();
    assert!(!site.network.is_dropped(site.network.dialed()[0].1));
    site.server.shut_down();
    site.rest();
    assert!(site.server.is_finished());
    check_gone(&mut site);
    assert_eq!(site.server.connect(dial("192.0.2.1", 80)), Err(Refused), "a server that stops connects to nobody");
}

#[test]
fn addresses_that_are_told_are_tried_in_their_order_and_nobody_is_asked_for_a_name() {
    let mut site = site();
    let addrs: Vec<_> = (0..ADDRESSES_TRIED as u8 + 1).map(addr).collect();
    site.server.connect(Dial { addrs: addrs.clone(), ..dial("upstream", 80) }).unwrap();
    site.rest();
    assert_eq!((tried(&site), site.network.calls(Call::Resolve)), (addrs[..ADDRESSES_TRIED].to_vec(), 0));
    assert!(end(&site).contains("(the last of 8 addresses)"), "{}", end(&site));
    check_gone(&mut site);
}

#[test]
fn of_many_whose_addresses_are_told_so_many_are_begun_in_a_turn() {
    let mut site = site();
    site.network.answer(addr(1), Answer::Silent);
    for _ in 0..2 * DIALS_PER_TURN {
        site.server.connect(Dial { addrs: vec![addr(1)], ..dial("upstream", 80) }).unwrap();
    }
    for turns in 1..=2 {
        site.server.poll(Some(Duration::ZERO)).unwrap();
        assert_eq!(tried(&site).len(), turns * DIALS_PER_TURN);
    }
}

#[test]
fn one_that_has_gone_before_its_turn_is_not_connected_to_the_addresses_it_was_told() {
    let mut site = site();
    let id = site.server.connect(Dial { addrs: vec![addr(1)], ..dial("upstream", 80) }).unwrap();
    site.server.engine().close(id, 1000, "");
    site.rest();
    assert_eq!(tried(&site), []);
    check_gone(&mut site);
}

#[test]
fn addresses_of_the_other_kind_than_the_source_are_left_out() {
    let of = |text: &str| SocketAddr::new(text.parse().unwrap(), 80);
    let (four, six) = (of("192.0.2.1"), of("2001:db8::1"));
    for (source, reached, other) in [("192.0.2.99", four, six), ("2001:db8::99", six, four)] {
        let source = source.parse().unwrap();
        let mut site = site();
        site.network.name("upstream", Some(&[four, six]));
        site.network.answer(reached, Answer::Silent);
        site.server.connect(Dial { source: Some(source), ..dial("upstream", 80) }).unwrap();
        site.rest();
        assert_eq!((tried(&site), site.network.sources()), (vec![reached], vec![Some(source)]));
        let mut site = self::site();
        site.network.name("upstream", Some(&[other]));
        site.server.connect(Dial { source: Some(source), ..dial("upstream", 80) }).unwrap();
        site.rest();
        let sentence = format!("cannot connect to {other} from {source}: one is IPv4, the other IPv6");
        assert!(end(&site).contains(&format!("NotConnected({sentence:?})")), "{}", end(&site));
        assert_eq!(tried(&site), []);
        check_gone(&mut site);
    }
}

#[test]
fn a_host_that_can_have_no_certificate_is_refused_before_anything_is_opened() {
    let tls = Some(ClientTls::with_roots(include_bytes!("certs/ca.pem")).unwrap());
    for host in ["", "a b", "-", "ex_\u{e4}mple", "1.2.3", "host:80", "[::1]"] {
        let mut site = site();
        let dial = Dial { tls: tls.clone(), ..dial(host, 443) };
        site.server.connect(dial).unwrap();
        site.rest();
        assert_eq!((site.network.calls(Call::Resolve), site.network.calls(Call::Connect)), (0, 0), "{host:?}");
        assert!(end(&site).contains("is no name and no address of a server"), "{}", end(&site));
        check_gone(&mut site);
    }
}

/// In a whole handshake of TLS 1.2 the server has the last word: nothing that is sent then wakes what waits for it.
#[test]
fn behind_a_handshake_that_ends_with_the_servers_word_the_request_is_sent() {
    for pace in [1, 100, usize::MAX] {
        let mut site = site();
        site.network.answer(addr(1), Answer::Accepts);
        let tls = ClientTls::dangerous_without_verification().unwrap();
        site.server.connect(Dial::secure(&Url::parse("wss://192.0.2.1:80/ws").unwrap(), tls)).unwrap();
        site.rest();
        let (_, wire) = site.network.dialed()[0];
        site.network.cut_into(wire, pace);
        let mut upstream = rustls::ServerConnection::new(Arc::new(old_server())).unwrap();
        let mut request = [0; 4096];
        let mut length = 0;
        for _ in 0..3 {
            let sent = site.take(wire);
            upstream.read_tls(&mut sent.as_slice()).unwrap();
            upstream.process_new_packets().unwrap();
            length += upstream.reader().read(&mut request).unwrap_or(0);
            let mut answer = Vec::new();
            while upstream.wants_write() {
                upstream.write_tls(&mut answer).unwrap();
            }
            site.network.send(wire, &answer);
        }
        assert!(request[..length].starts_with(b"GET /ws HTTP/1.1\r\n"), "{pace} bytes at a time: {length}");
    }
}

/// A server of TLS 1.2 and no later.
fn old_server() -> rustls::ServerConfig {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("certs/server.pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certs/key.pem")).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
}

#[test]
fn whatever_a_server_says_in_place_of_a_handshake_ends_the_session_and_leaves_nothing() {
    let answers: [(&str, &[u8], bool); 7] = [
        ("nothing", b"", true),
        ("half a record", &[22, 3, 3, 1, 0, 2], true),
        // Anybody could have said this: it ends nothing by itself.
        ("a close_notify", &[21, 3, 3, 0, 2, 1, 0], true),
        ("a fatal alert", &[21, 3, 3, 0, 2, 2, 40], false),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        ("data before its time", &[23, 3, 3, 0, 1, 0], false),
        ("an empty handshake record", &[22, 3, 3, 0, 0], false),
    ];
    for (name, answer, ends) in answers {
        for pace in [1, usize::MAX] {
            let mut site = site();
            site.network.answer(addr(1), Answer::Accepts);
            let tls = Some(ClientTls::with_roots(include_bytes!("certs/ca.pem")).unwrap());
            site.server.connect(Dial { tls, ..dial("192.0.2.1", 80) }).unwrap();
            site.rest();
            let (_, wire) = site.network.dialed()[0];
            site.network.cut_into(wire, pace);
            site.network.send(wire, answer);
            if ends {
                site.network.end(wire);
            }
            site.rest();
            assert_eq!(site.history.len(), 1, "{name}: {:?}", site.history);
            assert!(
                end(&site).contains("reason: Tls(") || end(&site).contains("reason: PeerVanished"),
                "{}",
                end(&site)
            );
            // One that does not end its half is waited for, but not for ever; and the wheel is looked at once more.
            site.advance(2 * HEAD_TIMEOUT_DEFAULT);
            check_gone(&mut site);
        }
    }
}

#[test]
fn without_randomness_nothing_is_connected() {
    let mut site = site();
    site.network.fail(Fault { call: Call::Entropy, nth: 0, error: || std::io::ErrorKind::Other.into() });
    assert_eq!(site.server.connect(dial("192.0.2.1", 80)), Err(Refused));
    site.rest();
    assert_eq!(tried(&site), []);
    check_gone(&mut site);
}

#[test]
fn a_crowd_of_answers_is_gone_on_with_over_several_turns_and_none_is_lost() {
    let mut site = site();
    const CROWD: usize = 3 * DIALS_PER_TURN + 1;
    site.network.name("upstream", Some(&[addr(1), addr(2)]));
    site.network.answer(addr(1), Answer::Silent);
    site.network.answer(addr(2), Answer::Accepts);
    for _ in 0..CROWD {
        site.server.connect(dial("upstream", 80)).unwrap();
    }
    site.rest();
    assert_eq!(tried(&site).len(), CROWD);
    site.advance(CONNECT_ADDRESS_TIMEOUT);
    assert_eq!(tried(&site).len(), 2 * CROWD);
    let asked = site.network.dialed().into_iter().filter(|(_, wire)| !site.network.take(*wire).is_empty()).count();
    assert_eq!(asked, CROWD);
}

#[test]
fn a_crowd_that_sets_out_at_once_is_connected_a_share_each_turn() {
    const CROWD: usize = 3 * DIALS_PER_TURN + 1;
    let mut site = site();
    site.network.answer(addr(1), Answer::Accepts);
    for _ in 0..CROWD {
        site.server.connect(dial("192.0.2.1", 80)).unwrap();
    }
    assert_eq!(site.network.calls(Call::Connect), 0, "the loop is not held up");
    for turn in 1..=4 {
        assert_eq!(site.server.poll_timeout(), Some(Duration::ZERO));
        site.server.poll(Some(Duration::ZERO)).unwrap();
        assert_eq!(site.network.calls(Call::Connect), CROWD.min(turn * DIALS_PER_TURN));
    }
    site.rest();
    assert!(site.network.dialed().into_iter().all(|(_, wire)| !site.network.take(wire).is_empty()), "each has asked");
}

#[test]
fn a_client_in_a_servers_loop_stops_when_that_is_shut_down() {
    let cases = [(Answer::Refuses, "waiting"), (Answer::Silent, "connecting"), (Answer::Accepts, "open")];
    for (answer, state) in cases {
        let mut site = site();
        site.network.answer(addr(1), answer);
        let mut client = Reconnector::new(ClientConfig::new("ws://192.0.2.1/ws"), 7).unwrap();
        let mut turn = |site: &mut Site| {
            barewire::client::dial(&mut client, &mut site.server);
            site.server.poll(Some(Duration::ZERO)).unwrap();
            while let Some(event) = site.server.poll_event() {
                assert!(client.handle_event(site.server.engine(), event).is_none(), "nobody else is here");
            }
            let told: Vec<_> = std::iter::from_fn(|| client.poll_event()).map(|event| format!("{event:?}")).collect();
            (told.join("\n"), client.has_stopped())
        };
        let mut told = (0..5).map(|_| turn(&mut site).0).collect::<String>();
        let (_, wire) = site.network.dialed()[0];
        if state == "open" {
            let asked = String::from_utf8(site.network.take(wire)).unwrap();
            site.network.send(wire, common::switch(&asked).as_bytes());
            told += &(0..5).map(|_| turn(&mut site).0).collect::<String>();
        }
        assert_eq!((told.contains("Open"), told.contains("Reconnecting")), (state == "open", state == "waiting"));
        site.server.handle().shut_down();
        let mut told = String::new();
        for _ in 0..5 {
            told += &turn(&mut site).0;
        }
        assert!(turn(&mut site).1, "{state}");
        assert_eq!(told.contains("retries: false"), state != "waiting", "that end was told when it came: {told}");
        site.network.advance(10 * HEAD_TIMEOUT_DEFAULT);
        assert_eq!((turn(&mut site), site.network.dialed().len()), ((String::new(), true), 1), "{state}");
        assert!(site.server.is_finished(), "{state}");
    }
}

#[test]
fn a_client_whose_events_nobody_takes_reads_no_further_and_loses_nothing() {
    const MESSAGES: usize = 100;
    let network = Network::with_listeners(0);
    network.answer(addr(1), Answer::Accepts);
    let config = ClientConfig::new("ws://192.0.2.1/ws");
    let mut client = Client::with_io(MemoryIo(network.clone()), config, EngineConfig::default()).unwrap();
    let taken = |client: &mut Client<MemoryIo>| {
        let events: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
        events.iter().filter(|event| matches!(event, ClientEvent::Message(_))).count()
    };
    for _ in 0..5 {
        client.poll(Some(Duration::ZERO)).unwrap();
        taken(&mut client);
    }
    let (_, wire) = network.dialed()[0];
    network.send(wire, common::switch(&String::from_utf8(network.take(wire)).unwrap()).as_bytes());
    for _ in 0..MESSAGES {
        network.send(wire, &common::frames::server(common::frames::TEXT, b"x"));
        client.poll(Some(Duration::ZERO)).unwrap();
    }
    let first = taken(&mut client);
    assert!(first <= 1, "{first} messages wait");
    let mut count = first;
    for _ in 0..10 {
        client.poll(Some(Duration::ZERO)).unwrap();
        count += taken(&mut client);
    }
    assert_eq!(count, MESSAGES);
}

/// A server that resets the connection behind its Close: our end of the stream cannot be ended, so the socket goes in the
/// middle of a turn, and nothing is left that would wake a sleeper.
#[test]
fn a_client_is_finished_with_its_last_socket_and_not_a_sleep_later() {
    let network = Network::with_listeners(0);
    network.answer(addr(1), Answer::Accepts);
    let config = ClientConfig { max_attempts: Some(0), ..ClientConfig::new("ws://192.0.2.1/ws") };
    let mut client = Client::with_io(MemoryIo(network.clone()), config, EngineConfig::default()).unwrap();
    let poll = |client: &mut Client<MemoryIo>| {
        client.poll(None).unwrap();
        while client.poll_event().is_some() {}
    };
    (0..5).for_each(|_| poll(&mut client));
    let [(_, wire)] = network.dialed()[..] else { panic!("{:?}", network.dialed()) };
    let asked = String::from_utf8(network.take(wire)).unwrap();
    let close = [0x88, 0];
    network.fail(Fault { call: Call::ShutDownWrite, nth: 0, error: || std::io::ErrorKind::NotConnected.into() });
    network.send(wire, &[common::switch(&asked).as_bytes(), &close].concat());
    while !client.is_finished() {
        poll(&mut client);
        assert_eq!(network.slept(), Duration::ZERO, "with nothing to wait for");
    }
    assert!(network.is_dropped(wire) && network.fault().0);
    // A host that goes on polling does not spin.
    poll(&mut client);
    assert_ne!(network.slept(), Duration::ZERO);
}
