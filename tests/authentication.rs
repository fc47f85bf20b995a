//! Who may come in: `Basic` at the upgrade, and the `auth` message, the first one and one that renews.
//!
//! Not here: users of a file (`authentication/passwords.rs`), tokens (`authentication/tokens.rs`), verdicts that come
//! later, and expiry (`authentication/verdicts.rs`); each form of a credential (`src/auth/basic.rs`); the checks before
//! it (`http.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing)]

mod common;
#[path = "authentication/passwords.rs"]
mod passwords;
#[path = "authentication/tokens.rs"]
mod tokens;
#[path = "authentication/verdicts.rs"]
mod verdicts;

use std::time::Duration;

use barewire::auth::{Identity, Methods, NoAuth};
use barewire::limits::MESSAGE_BYTES_UNAUTHENTICATED;
use barewire::{ConnId, EngineConfig, Limits, PreparedMessage};
use common::http::{basic, head};
use common::{GOOD, World, frames, methods, upgrade, users};

const SUCCESS: &str = r#"{"type":"auth_success"}"#;
const FAILED: &str = r#"{"type":"error","message":"Authentication failed"}"#;
const FAILED_CLOSE: &str = "close 1008 Authentication failed";
const TIMEOUT_CLOSE: &str = "close 1008 Authentication timeout";
const SUBSCRIBE: &str = r#"{"type":"subscribe","channel":"c"}"#;
const SUBSCRIBED: &str = r#"{"type":"subscribed","channel":"c"}"#;
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// A deadline fires at most one tick of the wheel late.
const TICK: Duration = Duration::from_millis(32);

/// The greeting, at the moment at which a world begins.
fn connected(user: &str) -> String {
    format!(r#"{{"type":"connected","userId":"{user}","timestamp":"2026-11-18T11:06:40.000Z"}}"#)
}

fn auth(token: &str) -> String {
    format!(r#"{{"type":"auth","token":"{token}"}}"#)
}

fn auth_basic(credentials: &str) -> Vec<u8> {
    frames::text(&auth(&basic(credentials)))
}

fn daemon() -> World {
    World::daemon(EngineConfig::default())
}

/// A WebSocket session that nobody knows yet.
fn unknown(world: &mut World) -> ConnId {
    let id = world.open_with("");
    assert_eq!(world.engine.identity(id), None);
    id
}

/// What the host was told, but for the arrival of connections.
fn told(world: &World) -> Vec<&String> {
    world.history.iter().filter(|event| !event.starts_with("Accepted")).collect()
}

// --- Basic at the upgrade ---

#[test]
fn an_upgrade_is_judged_by_the_ways_that_are_on() {
    let (good, wrong) = (GOOD, &format!("Authorization: {}\r\n", basic("user:wrong")));
    let (bad_form, foreign) = ("Authorization: Basic !\r\n", "Authorization: Bearer x.y.z\r\n");
    let open = "101 user";
    let waits = "101 unknown";
    for (basic, message, wrong_password_status, rows) in [
        (true, true, 403, [("", waits), (good, open), (wrong, "403"), (bad_form, "401"), (foreign, "401")]),
        (true, true, 401, [("", waits), (good, open), (wrong, "401"), (bad_form, "401"), (foreign, "401")]),
        (true, false, 403, [("", "401"), (good, open), (wrong, "403"), (bad_form, "401"), (foreign, "401")]),
        (false, true, 403, [("", waits), (good, waits), (wrong, waits), (bad_form, waits), (foreign, waits)]),
    ] {
        for (headers, outcome) in rows {
            let methods = Methods { basic, message, wrong_password_status, ..methods() };
            let mut world = World::guarded(EngineConfig::default(), methods);
            let id = world.connect();
            world.input(id, upgrade(headers).as_bytes());
            let bytes = world.take(id);
            let answer = head(&String::from_utf8_lossy(&bytes)).0;
            let user = world.engine.identity(id).map_or("unknown", Identity::user);
            let got = if answer.status == 101 { format!("101 {user}") } else { answer.status.to_string() };
            assert_eq!(got, outcome, "basic {basic}, message {message}, {headers:?}");
            let challenge = (answer.status == 401).then_some(r#"Basic realm="barewire", charset="UTF-8""#);
            assert_eq!(answer.header("WWW-Authenticate"), challenge);
            assert_eq!(world.peer(id).ended, answer.status != 101);
        }
    }
}

#[test]
fn a_password_may_hold_colons_and_any_character_and_the_scheme_is_of_any_case() {
    for password in [":", "a:b:c", "pä ß", "🦀", " ", "\t", "\"\\"] {
        let credentials = format!("zoë:{password}");
        for scheme in ["Basic ", "basic ", "BASIC  "] {
            let methods = Methods { users: users(&[&credentials]), ..methods() };
            let mut world = World::guarded(EngineConfig::default(), methods);
            let token = basic(&credentials).replace("Basic ", scheme);
            let known = world.open_with(&format!("Authorization: {token}\r\n"));
            let told = unknown(&mut world);
            world.input(told, &frames::text(&auth(&token)));
            for id in [known, told] {
                assert_eq!(world.engine.identity(id).map(Identity::user), Some("zoë"), "{credentials} {scheme}");
            }
        }
    }
}

#[test]
fn where_no_way_is_on_nobody_gets_in_and_where_nobody_is_asked_everyone_is_anonymous() {
    for headers in ["", GOOD] {
        let mut world = World::guarded(EngineConfig::default(), Methods { basic: false, message: false, ..methods() });
        let id = world.connect();
        assert_eq!(world.ask(id, &upgrade(headers)).status, 401);

        let mut world = World::guarded(EngineConfig::default(), NoAuth);
        let id = world.connect();
        world.input(id, upgrade(headers).as_bytes());
        assert_eq!(world.transcript(id), [connected("anonymous")]);
    }
}

#[test]
fn a_refusal_says_why_in_its_body() {
    for (headers, status, body) in [("", 401, "Unauthorized"), ("Authorization: Basic dTpw\r\n", 403, "Forbidden")] {
        let mut world = World::guarded(EngineConfig::default(), Methods { message: false, ..methods() });
        let id = world.connect();
        let answer = world.ask(id, &upgrade(headers));
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
        assert_eq!(world.ends(id), [format!("identity: None, reason: HttpRefused({status}) }}")]);
    }
}

// --- the first message ---

#[test]
fn a_right_auth_message_opens_the_session_in_any_framing() {
    let text = auth(&basic("anna:secret"));
    let bytes = text.as_bytes();
    let fragments = [
        frames::raw(frames::TEXT, &bytes[..5]),
        frames::frame(frames::PING, b"between"),
        frames::raw(frames::CONTINUATION, b""),
        frames::raw(0x80 | frames::CONTINUATION, &bytes[5..]),
    ]
    .concat();
    let token = basic("anna:secret").replace("Basic ", r"\u0042ASIC\u0020");
    let odd = format!(r#" {{"id":1,"token":"{token}","payload":{{}},"type":"auth","x":[]}} "#);
    for frame in [frames::text(&text), frames::frame(frames::BINARY, bytes), fragments, frames::text(&odd)] {
        for size in [frame.len(), 1] {
            let mut world = daemon();
            let id = unknown(&mut world);
            for piece in frame.chunks(size) {
                world.input(id, piece);
            }
            let said: Vec<_> = world.transcript(id).into_iter().filter(|line| line != "pong between").collect();
            assert_eq!(said, [SUCCESS.to_owned(), connected("anna")]);
            assert_eq!(told(&world), [&format!("Open {{ id: {id:?} }}")], "no handler sees the message itself");
            assert_eq!(world.engine.open_sessions(), 1);
        }
    }
}

#[test]
fn a_message_takes_a_password_where_there_are_users_whether_an_upgrade_does_or_not() {
    let mut world = World::guarded(EngineConfig::default(), Methods { basic: false, ..methods() });
    let id = unknown(&mut world);
    world.input(id, &auth_basic("user:pass"));
    assert_eq!(world.transcript(id), [SUCCESS.to_owned(), connected("user")]);

    let nobody = Methods { basic: false, users: users(&[]), ..methods() };
    let mut world = World::guarded(EngineConfig::default(), nobody);
    let id = unknown(&mut world);
    world.input(id, &auth_basic("user:pass"));
    assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE]);
}

#[test]
fn a_wrong_token_is_told_and_the_session_closed() {
    let good = basic("user:pass");
    for token in [
        &basic("user:wrong"),
        &basic("nobody:pass"),
        &basic("userpass"),
        "",
        "Basic",
        "Basic !!!",
        "user:pass",
        "x.y.z",
        &good.replace("Basic", "Bearer"),
        &format!("{good} {good}"),
    ] {
        let mut world = daemon();
        let id = unknown(&mut world);
        world.input(id, &[frames::text(&auth(token)), frames::text(SUBSCRIBE)].concat());
        assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE], "{token}");
        assert_eq!(world.ends(id), ["identity: None, reason: AuthenticationFailed }"]);
        world.input(id, &auth_basic("user:pass"));
        assert_eq!(world.take(id), b"", "there is no second try");
        assert_eq!(told(&world).len(), 1, "nothing but its end was told");
        world.input(id, &frames::close(1008, ""));
        world.end(id);
        assert!(world.is_gone(id));
    }
}

#[test]
fn anything_but_auth_as_the_first_message_closes_the_session() {
    let good = basic("user:pass");
    let twice = format!(r#"{{"type":"auth","type":"auth","token":"{good}"}}"#);
    for frame in [
        frames::text(r#"{"type":"ping"}"#),
        frames::text(SUBSCRIBE),
        frames::text(r#"{"type":"chat","payload":1}"#),
        frames::text(r#"{"type":"auth"}"#),
        frames::text(r#"{"type":"auth","token":7}"#),
        frames::text(r#"{"type":"auth","token":null}"#),
        frames::text(&twice),
        frames::text(&auth(&good).replace("auth", "Auth")),
        frames::text(&format!(r#"["auth","{good}"]"#)),
        frames::text(&good),
        frames::text(""),
        frames::frame(frames::BINARY, b"\xff"),
    ] {
        let mut world = daemon();
        let id = unknown(&mut world);
        world.input(id, &[frame.clone(), auth_basic("user:pass")].concat());
        assert_eq!(world.transcript(id), ["close 1008 Authentication required"], "{frame:x?}");
        assert_eq!(world.ends(id), ["identity: None, reason: AuthenticationRequired }"]);
        assert_eq!(told(&world).len(), 1, "nothing but its end was told");
        world.advance(Limits::default().close_timeout + TICK);
        assert!(world.is_gone(id), "a peer that does not close is dropped");
    }
}

#[test]
fn control_frames_are_no_messages() {
    let mut world = daemon();
    let id = unknown(&mut world);
    world.input(id, &[frames::frame(frames::PING, b"hi"), frames::frame(frames::PONG, b"")].concat());
    assert_eq!(world.transcript(id), ["pong hi"]);
    world.input(id, &auth_basic("user:pass"));
    assert_eq!(world.transcript(id), [SUCCESS.to_owned(), connected("user")]);

    let id = unknown(&mut world);
    world.input(id, &frames::close(1000, "never mind"));
    assert_eq!(world.transcript(id), ["close 1000 never mind"]);
    assert!(world.ends(id)[0].starts_with("identity: None, reason: PeerClosed"));
}

#[test]
fn what_is_pipelined_behind_auth_is_judged_after_it_wherever_it_is_cut() {
    let large = format!(r#"{{"type":"ping","payload":"{}"}}"#, "x".repeat(MESSAGE_BYTES_UNAUTHENTICATED));
    let bytes = [
        auth_basic("user:pass"),
        frames::text(SUBSCRIBE),
        frames::text(r#"{"type":"chat","channel":"c","payload":1,"id":2}"#),
        frames::close(1000, "done"),
    ]
    .concat();
    let chat = r#"{"type":"chat","channel":"c","userId":"user","payload":1,"timestamp":"2026-11-18T11:06:40.000Z"}"#;
    let ack = r#"{"type":"ack","id":2}"#;
    for at in 0..=bytes.len() {
        let mut world = daemon();
        let id = unknown(&mut world);
        world.input(id, &bytes[..at]);
        world.input(id, &bytes[at..]);
        assert_eq!(world.transcript(id), [SUCCESS, &connected("user"), SUBSCRIBED, chat, ack, "close 1000 done"]);
    }
    let mut world = daemon();
    let id = unknown(&mut world);
    world.input(id, &[auth_basic("user:pass"), frames::text(&large)].concat());
    assert_eq!(world.transcript(id).len(), 3, "the limits are those of an authenticated session, too");
}

#[test]
fn before_authentication_a_message_has_at_most_16_kib() {
    let most = MESSAGE_BYTES_UNAUTHENTICATED;
    let padded = |bytes: usize| format!("{:<bytes$}", auth(&basic("user:pass"))).into_bytes();
    let in_two = |bytes: usize| {
        let message = padded(bytes);
        let (first, second) = message.split_at(bytes / 2);
        [frames::raw(frames::TEXT, first), frames::raw(0x80 | frames::CONTINUATION, second)].concat()
    };
    for good in [frames::frame(frames::TEXT, &padded(most)), frames::frame(frames::BINARY, &padded(most)), in_two(most)]
    {
        let mut world = daemon();
        let id = unknown(&mut world);
        world.input(id, &good);
        assert_eq!(world.transcript(id), [SUCCESS.to_owned(), connected("user")]);
    }
    for bad in [frames::header(0x81, most as u64 + 1), frames::header(0x81, u64::MAX >> 1), in_two(most + 1)] {
        let mut world = daemon();
        let id = unknown(&mut world);
        world.input(id, &bad);
        assert_eq!(world.transcript(id), ["close 1009 Message too big"]);
        assert!(world.peer(id).ended);
        assert_eq!(world.ends(id), ["identity: None, reason: MessageTooBig }"]);
    }
}

#[test]
fn the_deadline_runs_from_the_upgrade_request_and_ends_with_success() {
    let half = auth_basic("user:pass");
    // Shorter and longer than the time for a head.
    for auth_timeout in [7 * SECOND, 13 * SECOND] {
        let limits = Limits { auth_timeout, ..Limits::default() };
        let config = EngineConfig { limits, ..EngineConfig::default() };
        for sent in [vec![], frames::frame(frames::PING, b""), half[..half.len() - 1].to_vec()] {
            let mut world = World::daemon(config.clone());
            let id = world.connect();
            world.advance(9 * SECOND);
            world.input(id, upgrade("").as_bytes());
            world.advance(auth_timeout - SECOND);
            world.input(id, &sent);
            world.take(id);
            world.advance(SECOND - MILLI);
            assert!(world.ends(id).is_empty(), "not before");
            world.take(id);
            world.advance(MILLI + TICK);
            assert_eq!(world.transcript(id), [TIMEOUT_CLOSE]);
            assert_eq!(world.ends(id), ["identity: None, reason: AuthenticationTimeout }"]);
        }
        let mut world = World::daemon(config);
        let id = unknown(&mut world);
        world.advance(auth_timeout - MILLI);
        world.input(id, &half);
        world.advance(2 * SECOND);
        assert_eq!(world.messages(id).len(), 2);
        assert!(world.ends(id).is_empty(), "in time is in time");
    }
}

#[test]
fn a_host_cannot_reach_a_session_that_nobody_knows() {
    let mut world = daemon();
    let id = unknown(&mut world);
    let message = PreparedMessage::text("x");
    assert!(!world.engine.send(id, barewire::Message::Text("x".into())));
    assert_eq!(world.engine.subscribe(id, "c"), Err(barewire::SubscribeError::NotOpen));
    assert_eq!(world.engine.publish_to_all(&message, None), barewire::Published::default());
    world.engine.renew(id, &basic("user:pass"));
    world.turn();
    assert_eq!(world.take(id), b"");
    assert_eq!(world.engine.identity(id), None);
}

// --- renewal ---

#[test]
fn a_known_session_renews_as_the_same_user_or_is_closed() {
    for (credentials, outcome) in [
        ("user:pass", &[SUCCESS, SUBSCRIBED][..]),
        ("anna:secret", &[FAILED, FAILED_CLOSE]),
        ("user:wrong", &[FAILED, FAILED_CLOSE]),
    ] {
        let mut world = daemon();
        let id = world.open();
        world.input(id, &auth_basic(credentials));
        world.input(id, &frames::text(SUBSCRIBE));
        assert_eq!(world.transcript(id), outcome);
        let opened = world.history.iter().filter(|event| event.starts_with("Open")).count();
        assert_eq!(opened, 1, "a renewal opens nothing");
        if outcome[0] == FAILED {
            let ends = world.ends(id);
            assert!(ends[0].contains(r#"user: "user""#), "{ends:?}");
            assert!(ends[0].ends_with("}), reason: AuthenticationFailed }"), "{ends:?}");
            assert_eq!(world.engine.open_sessions(), 0);
        }
    }
}

#[test]
fn where_messages_are_off_an_auth_message_is_a_wrong_one() {
    let mut world = World::guarded(EngineConfig::default(), Methods { message: false, ..methods() });
    let id = world.open();
    world.input(id, &auth_basic("user:pass"));
    assert_eq!(world.transcript(id), [FAILED, FAILED_CLOSE]);
}
