//! How fast a session may go, and what is counted by address, over time and by the fake clock.
//!
//! Not here: each limit at it and one past it (`limits.rs`), the arithmetic (`src/engine/rate.rs`, `addresses.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::cast_possible_truncation)]
#![allow(clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use barewire::auth::{Identity, NoAuth, Verdict};
use barewire::limits::{CONNECTIONS_PER_IP_OVERFLOW, REFUSALS_PER_WINDOW, RateAlgorithm};
use barewire::wire::http::Refusal;
use barewire::{CloseReason, ConnId, EngineConfig, Event, Limits};
use common::frames::{self, CONTINUATION, PING, PONG, TEXT};
use common::pending::Pending;
use common::{GOOD, World, upgrade};

const SECOND: Duration = Duration::from_secs(1);
const MICRO: Duration = Duration::from_micros(1);
const WRONG: &str = "Authorization: Basic dXNlcjp3cm9uZw==\r\n";
const REFUSED: &str = r#"{"type":"error","message":"Rate limit exceeded","code":"rate_limited"}"#;
const FAILED: &str = r#"{"type":"error","message":"Authentication failed"}"#;

/// A configuration whose heartbeats do not get in the way.
fn with(change: impl FnOnce(&mut Limits)) -> EngineConfig {
    let mut config = EngineConfig::default();
    config.limits.heartbeat_interval = Duration::from_secs(24 * 3600);
    change(&mut config.limits);
    config
}

fn messages_per_window(count: usize) -> EngineConfig {
    with(|limits| limits.messages_per_window = count)
}

fn ping(id: usize) -> Vec<u8> {
    frames::text(&format!(r#"{{"type":"ping","id":{id}}}"#))
}

/// What has come, one word for each: the id of a pong, `refused`, or the type.
fn words(world: &mut World, id: ConnId) -> Vec<String> {
    let word = |line: &String| {
        let of =
            |name: &str| line.split_once(name).map(|(_, rest)| rest.split(['"', ',', '}']).next().unwrap().to_owned());
        if line == REFUSED {
            "refused".into()
        } else {
            of(r#""id":"#).or_else(|| of(r#""type":""#)).unwrap_or(line.clone())
        }
    };
    world.transcript(id).iter().map(word).collect()
}

/// How many of so many pings are answered at this moment.
fn answered(world: &mut World, id: ConnId, count: usize) -> usize {
    for i in 0..count {
        world.input(id, &ping(i));
    }
    words(world, id).iter().filter(|word| *word != "refused").count()
}

/// The status of an upgrade's answer, from this address.
fn status(world: &mut World, ip: &str, headers: &str) -> u16 {
    let id = world.connect_from(ip);
    world.input(id, upgrade(headers).as_bytes());
    String::from_utf8_lossy(&world.take(id))[9..12].parse().unwrap()
}

// --- messages ---

#[test]
fn a_window_begins_with_the_first_message_and_the_next_with_the_first_after_its_end() {
    let mut world = World::daemon(messages_per_window(3));
    let id = world.open();
    world.advance(SECOND * 45);
    assert_eq!(answered(&mut world, id, 1), 1);
    world.advance(SECOND * 60 - MICRO);
    assert_eq!(answered(&mut world, id, 4), 2);
    world.advance(MICRO);
    assert_eq!(answered(&mut world, id, 4), 3);
    world.advance(SECOND * 60 - MICRO);
    assert_eq!(answered(&mut world, id, 1), 0);
    world.advance(MICRO + SECOND * 100);
    assert_eq!(answered(&mut world, id, 4), 3, "a late window is a whole one");
}

#[test]
fn a_bucket_gives_its_messages_back_one_by_one() {
    let mut world = World::daemon(with(|limits| {
        (limits.messages_per_window, limits.rate_algorithm) = (3, RateAlgorithm::Bucket);
    }));
    let id = world.open();
    assert_eq!(answered(&mut world, id, 5), 3);
    for _ in 0..4 {
        world.advance(SECOND * 20 - MICRO);
        assert_eq!(answered(&mut world, id, 1), 0);
        world.advance(MICRO);
        assert_eq!(answered(&mut world, id, 2), 1);
    }
    world.advance(SECOND * 600);
    assert_eq!(answered(&mut world, id, 5), 3);
}

#[test]
fn after_fifty_days_of_silence_both_algorithms_go_on_as_at_the_start() {
    for algorithm in [RateAlgorithm::Window, RateAlgorithm::Bucket] {
        let mut world = World::daemon(with(|limits| {
            (limits.messages_per_window, limits.rate_algorithm) = (2, algorithm);
        }));
        let id = world.open();
        for _ in 0..2 {
            assert_eq!(answered(&mut world, id, 3), 2, "{algorithm:?}");
            for _ in 0..50 {
                world.advance(SECOND * 3600 * 24);
                world.take(id);
                world.input(id, &frames::frame(PONG, b""));
            }
        }
    }
}

#[test]
fn a_refusal_stands_where_the_answer_would_and_the_last_one_closes() {
    let mut world = World::daemon(messages_per_window(2));
    let id = world.open();
    let last = REFUSALS_PER_WINDOW as usize + 2;
    let said: Vec<u8> = (0..last + 5).flat_map(ping).collect();
    world.input(id, &said);
    let words = words(&mut world, id);
    assert_eq!(words[..2], ["0", "1"]);
    assert!(words[2..last].iter().all(|word| word == "refused"), "{words:?}");
    assert_eq!(words[last..].len(), 1, "nothing behind the last refusal is answered");
    assert!(words[last].contains("1008") && words[last].contains("Rate limit exceeded"), "{words:?}");
    assert_eq!(world.ending(id), Some("RateLimited"));
    world.see_through(id);
}

#[test]
fn whatever_a_message_holds_it_counts() {
    let said = [
        frames::text("{"),
        frames::frame(frames::BINARY, b"\xff"),
        frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#),
        [frames::raw(TEXT, b"fra"), frames::frame(CONTINUATION, b"gments")].concat(),
        frames::text(r#"{"type":"chat","payload":1,"self":false}"#),
    ];
    let mut world = World::daemon(messages_per_window(said.len() + 1));
    let id = world.open();
    said.iter().for_each(|message| world.input(id, message));
    world.take(id);
    assert_eq!(answered(&mut world, id, 2), 1);
}

#[test]
fn before_its_peer_is_known_nothing_is_counted() {
    let mut world = World::daemon(messages_per_window(1));
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    world.input(id, &frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#));
    world.take(id);
    assert_eq!(answered(&mut world, id, 2), 1);
}

/// A session of `anna` whose first `auth` was accepted, and that has just asked for a renewal with `rest` behind it.
fn renewing(config: EngineConfig, rest: &[u8]) -> (World, Pending, ConnId) {
    let pending = Pending::default();
    let mut world = World::guarded(config, pending.clone());
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    pending.accept(&mut world, "anna");
    world.take(id);
    world.input(id, &[frames::text(r#"{"type":"auth","token":"new"}"#).as_slice(), rest].concat());
    (world, pending, id)
}

#[test]
fn what_waits_for_a_renewal_is_counted_once_and_answered_in_its_order() {
    let (mut world, pending, id) = renewing(messages_per_window(3), &(1..6).flat_map(ping).collect::<Vec<_>>());
    assert_eq!(world.transcript(id), [""; 0], "all of it waits");
    pending.accept(&mut world, "anna");
    assert_eq!(words(&mut world, id), ["auth_success", "1", "2", "refused", "refused", "refused"]);
    world.advance(SECOND * 60);
    assert_eq!(answered(&mut world, id, 4), 3);
}

#[test]
fn one_that_goes_on_and_on_behind_a_renewal_is_closed_after_its_answers() {
    let (mut world, pending, id) = renewing(
        with(|limits| (limits.messages_per_window, limits.control_frames_per_second) = (2, 1)),
        &[ping(1), ping(2), frames::frame(PONG, b"").repeat(6), ping(3)].concat(),
    );
    assert_eq!((world.transcript(id), world.ending(id)), (Vec::new(), None));
    pending.accept(&mut world, "anna");
    let words = words(&mut world, id);
    assert_eq!(words[..3], ["auth_success", "1", "refused"]);
    assert_eq!(world.ending(id), Some("TooManyControlFrames"));
    assert!(words[3].contains("1008") && words.len() == 4, "{words:?}");
    world.see_through(id);
}

#[test]
fn a_host_is_told_of_each_message_that_was_dropped() {
    let mut world = World::new(messages_per_window(1), Box::new(NoAuth));
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    world.events.clear();
    world.input(id, &[ping(1), ping(2), ping(3)].concat());
    let limited = |event: &Event| matches!(event, Event::RateLimited { id: named } if *named == id);
    assert_eq!(world.events.iter().map(limited).collect::<Vec<_>>(), [false, true, true]);
}

// --- control frames ---

#[test]
fn pings_and_pongs_come_back_one_each_tenth_of_a_second() {
    let mut world = World::daemon(with(|_| {}));
    let id = world.open();
    world.input(id, &[frames::frame(PING, b"").repeat(20), frames::frame(PONG, b"").repeat(30)].concat());
    for _ in 0..100 {
        world.advance(Duration::from_millis(100));
        world.input(id, &frames::frame(PONG, b""));
    }
    world.advance(Duration::from_millis(100) - MICRO);
    assert_eq!(world.ending(id), None);
    world.take(id);
    world.input(id, &frames::frame(PING, b""));
    assert_eq!(world.close_code(id), Some((1008, "Too many control frames".into())));
    assert_eq!(world.ending(id), Some("TooManyControlFrames"));
    world.see_through(id);
}

#[test]
fn no_cutting_and_no_hiding_place_makes_room_for_more_control_frames() {
    let flood = frames::frame(PING, b"").repeat(51);
    let floods: [(&str, Vec<u8>); 3] = [
        (GOOD, flood.clone()),
        // Between fragments, and before anyone is known.
        (GOOD, [frames::raw(TEXT, b"x"), flood.clone()].concat()),
        ("", flood),
    ];
    for (headers, flood) in floods {
        for most in [1, 7, 100, usize::MAX] {
            let mut world = World::daemon(with(|_| {}));
            let id = world.open_with(headers);
            for piece in flood.chunks(most) {
                world.input(id, piece);
            }
            let last = world.frames(id).pop().unwrap();
            assert_eq!(last.close().0, 1008);
            assert_eq!(world.ending(id), Some("TooManyControlFrames"));
        }
    }
}

#[test]
fn what_came_before_one_ping_too_many_is_answered() {
    let mut world = World::daemon(with(|limits| limits.control_frames_per_second = 1));
    let id = world.open();
    world.input(id, &[frames::frame(PONG, b"").repeat(5), ping(7), frames::frame(PING, b""), ping(8)].concat());
    let words = words(&mut world, id);
    assert!(words[0] == "7" && words[1].contains("1008") && words.len() == 2, "{words:?}");
}

// --- connections by address ---

fn connections_per_ip(count: usize) -> EngineConfig {
    EngineConfig {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..with(|limits| limits.connections_per_ip = count)
    }
}

#[test]
fn addresses_are_counted_apart_by_64_bits_and_without_their_clothes() {
    let mut world = World::daemon(connections_per_ip(1));
    for (ip, expected) in [
        ("192.0.2.1", 101),
        ("192.0.2.1", 429),
        ("::ffff:192.0.2.1", 429),
        ("192.0.2.2", 101),
        ("2001:db8::1", 101),
        ("2001:db8::ffff:0:0:2", 429),
        ("2001:db8:0:1::1", 101),
        ("10.1.2.3", 101),
        ("10.1.2.3", 101),
        ("::ffff:10.1.2.3", 101),
    ] {
        assert_eq!(status(&mut world, ip, GOOD), expected, "{ip}");
    }
}

#[test]
fn one_that_has_gone_makes_room_for_another_of_its_address() {
    let mut world = World::daemon(connections_per_ip(1));
    let first = world.connect_from("192.0.2.1");
    let second = world.connect_from("192.0.2.1");
    let answer = world.ask(second, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.status, answer.header("Retry-After")), (429, Some("5")));
    world.end(second);
    world.engine.handle_error(first, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
    world.turn();
    assert_eq!(status(&mut world, "192.0.2.1", GOOD), 101);
    world.engine.drop_all();
    world.turn();
    world.assert_at_rest();
}

#[test]
fn a_storm_from_one_address_is_turned_away_and_others_come_in() {
    let mut world = World::daemon(connections_per_ip(3));
    let storm = "192.0.2.1:40000".parse().unwrap();
    let let_in = (0..1000).filter(|_| world.engine.handle_accept(storm, true).is_ok()).count();
    assert_eq!(let_in, 3 + CONNECTIONS_PER_IP_OVERFLOW);
    assert_eq!(status(&mut world, "192.0.2.2", GOOD), 101);
}

// --- wrong credentials ---

fn failures_per_minute(count: usize) -> EngineConfig {
    EngineConfig {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..with(|limits| limits.auth_failures_per_minute = count)
    }
}

#[test]
fn too_many_wrong_passwords_shut_out_their_address_until_its_minute_is_over() {
    let mut world = World::daemon(failures_per_minute(3));
    let inside = world.connect_from("192.0.2.1");
    world.input(inside, upgrade(GOOD).as_bytes());
    world.take(inside);
    for _ in 0..3 {
        assert_eq!(status(&mut world, "192.0.2.1", WRONG), 403);
        world.advance(SECOND);
    }
    for (wait, left) in [(Duration::ZERO, "57"), (MICRO, "57"), (SECOND, "56"), (SECOND * 56 - MICRO * 2, "1")] {
        world.advance(wait);
        let id = world.connect_from("::ffff:192.0.2.1");
        let answer = world.ask(id, &upgrade(GOOD));
        assert_eq!((answer.status, answer.header("Retry-After")), (429, Some(left)), "after {wait:?}");
        world.end(id);
    }
    assert_eq!(status(&mut world, "192.0.2.2", GOOD), 101, "nobody is locked out elsewhere");
    assert_eq!(answered(&mut world, inside, 1), 1, "who is known stays");
    world.input(inside, &frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#));
    assert_eq!(world.messages(inside), [r#"{"type":"auth_success"}"#], "and may renew");
    world.advance(MICRO);
    assert_eq!(status(&mut world, "192.0.2.1", GOOD), 101);
}

#[test]
fn from_a_shut_out_address_nobody_is_asked_about_anything() {
    let pending = Pending::default();
    let mut world = World::guarded(failures_per_minute(1), pending.clone());
    let waiting = world.connect();
    world.input(waiting, upgrade("").as_bytes());
    pending.resolve(&mut world, Verdict::AskInBand);
    let wrong = world.connect();
    world.input(wrong, upgrade("").as_bytes());
    pending.resolve(&mut world, Verdict::AskInBand);
    world.input(wrong, &frames::text(r#"{"type":"auth","token":"wrong"}"#));
    pending.resolve(&mut world, Verdict::Deny(Refusal::new(403, "Forbidden")));
    world.take(waiting);
    world.input(waiting, &frames::text(r#"{"type":"auth","token":"right"}"#));
    assert!(pending.is_empty());
    let told = world.transcript(waiting);
    assert!(told[0] == FAILED && told[1].contains("1008") && told.len() == 2, "{told:?}");
    assert_eq!(world.ending(waiting), Some("AuthenticationFailed"));
    assert_eq!(status(&mut world, "127.0.0.1", GOOD), 429);
    assert!(pending.is_empty());
}

#[test]
fn a_wrong_password_counts_though_its_peer_has_gone_and_its_slot_is_another_ones() {
    let pending = Pending::default();
    let mut world = World::guarded(failures_per_minute(1), pending.clone());
    let id = world.connect_from("192.0.2.1");
    world.input(id, upgrade(WRONG).as_bytes());
    world.engine.handle_error(id, CloseReason::Transport(std::io::ErrorKind::ConnectionReset));
    world.turn();
    assert!(world.is_gone(id));
    let tenant = world.connect_from("192.0.2.2");
    assert_eq!(tenant.index(), id.index());
    pending.resolve(&mut world, Verdict::Deny(Refusal::new(403, "Forbidden")));
    assert_eq!(status(&mut world, "192.0.2.1", GOOD), 429);
    world.input(tenant, upgrade(GOOD).as_bytes());
    pending.resolve(&mut world, Verdict::Accept(Identity::new("user")));
    assert!(world.take(tenant).starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn neither_missing_credentials_nor_a_trusted_proxy_are_held_against_anyone() {
    let mut world = World::daemon(failures_per_minute(1));
    for _ in 0..5 {
        assert_eq!(status(&mut world, "10.0.0.1", WRONG), 403);
        assert_eq!(status(&mut world, "192.0.2.1", "Authorization: Basic\r\n"), 401);
        assert_eq!(status(&mut world, "192.0.2.1", ""), 101);
    }
    assert_eq!(status(&mut world, "192.0.2.1", GOOD), 101);
}

#[test]
fn an_origin_is_judged_before_the_address() {
    let mut world = World::daemon(failures_per_minute(1));
    assert_eq!(status(&mut world, "192.0.2.1", WRONG), 403);
    assert_eq!(status(&mut world, "192.0.2.1", "Origin: https://elsewhere.example\r\n"), 403);
    assert_eq!(status(&mut world, "192.0.2.1", ""), 429);
}

// --- the crowd at the door ---

#[test]
fn whoever_came_first_and_has_not_said_who_it_is_goes_for_the_newest() {
    let mut world = World::daemon(with(|limits| limits.pre_auth_connections = 3));
    let open = world.open();
    let [http, silent, in_band] = [(); 3].map(|()| world.connect());
    world.ask(http, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    world.input(in_band, upgrade("").as_bytes());
    world.take(in_band);
    let order = [http, silent, in_band];
    for (i, &oldest) in order.iter().enumerate() {
        world.connect();
        assert_eq!(world.ending(oldest), Some("Crowded"));
        assert!(world.is_gone(oldest) && world.take(oldest).is_empty(), "at once, and without a word");
        assert!(order[i + 1..].iter().all(|id| !world.peers[id].dropped));
    }
    assert_eq!(world.engine.sessions(), 4);
    // The crowd is 3 again: one that says who it is, makes room.
    let newest = world.connect();
    world.input(newest, upgrade(GOOD).as_bytes());
    world.connect();
    assert_eq!((world.ending(open), world.ending(newest)), (None, None));
    world.check_stories();
}

#[test]
fn a_storm_of_connections_leaves_the_newest_and_is_told_once_in_ten_seconds() {
    let mut world = World::daemon(with(|limits| limits.pre_auth_connections = 10));
    let ids: Vec<ConnId> = (0..500).map(|_| world.connect()).collect();
    assert_eq!(world.engine.sessions(), 10);
    assert!(ids[490..].iter().all(|id| !world.peers[id].dropped));
    assert_eq!(world.engine.poll_crowded(), Some(490));
    world.connect();
    assert_eq!(world.engine.poll_crowded(), None);
    world.advance(Duration::from_millis(9999));
    assert_eq!(world.engine.poll_crowded(), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.engine.poll_crowded(), Some(1));
    world.engine.drop_all();
    world.turn();
    world.assert_at_rest();
}
