//! What an identity may: its own channels, subscriptions, publications, and what a renewal changes; and how one is told
//! that it may not come in at all.
//!
//! Not here: patterns one by one (`src/auth/identity.rs`), where rights come from (`authentication.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing)]

mod common;

use barewire::auth::{Identity, Patterns, Rights, Verdict};
use barewire::wire::http::Refusal;
use barewire::{ConnId, EngineConfig, Limits, RefuseBy};
use common::pending::Pending;
use common::{World, frames, upgrade};

fn only(patterns: &[&str]) -> Patterns {
    Patterns::only(patterns.iter().map(ToString::to_string).collect())
}

/// May hear `in.*` and its own channel, and say something on `out.*`.
fn some() -> Rights {
    Rights { channels: vec!["own".into()], publish: only(&["out.*"]), subscribe: only(&["in.*"]) }
}

fn identity(user: &str, rights: Rights) -> Verdict {
    Verdict::Accept(Identity::new(user).with_rights(rights))
}

fn world() -> (World, Pending) {
    with(EngineConfig::default())
}

fn with(config: EngineConfig) -> (World, Pending) {
    let pending = Pending::default();
    (World::guarded(config, pending.clone()), pending)
}

/// A session with these rights, whose greeting has not been read.
fn enter(world: &mut World, pending: &Pending, rights: Rights) -> ConnId {
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    pending.resolve(world, identity("anna", rights));
    let answer = world.peer(id).received.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    world.peer(id).received.drain(..answer);
    id
}

/// What a session is answered to this.
fn say(world: &mut World, id: ConnId, text: &str) -> Vec<String> {
    world.input(id, &frames::text(text));
    world.messages(id)
}

fn subscribed(channel: &str) -> String {
    format!(r#"{{"type":"subscribed","channel":"{channel}"}}"#)
}

fn not_allowed(what: &str, id: u32) -> String {
    format!(r#"{{"type":"error","message":"Not allowed","code":"{what}_not_allowed","id":{id}}}"#)
}

#[test]
fn its_own_channels_are_subscribed_and_told_right_behind_the_greeting() {
    let (mut world, pending) = world();
    let rights = Rights { channels: vec!["b".into(), "a".into()], ..some() };
    let id = enter(&mut world, &pending, rights);
    let told = world.messages(id);
    assert!(told[0].starts_with(r#"{"type":"connected","#), "{told:?}");
    assert_eq!(told[1..], [subscribed("b"), subscribed("a")]);
    assert_eq!(world.engine.channels_of(id).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn more_channels_of_its_own_than_a_session_may_have_are_an_error_each() {
    let limits = Limits { channels_per_session: 2, ..Limits::default() };
    let (mut world, pending) = with(EngineConfig { limits, ..EngineConfig::default() });
    let rights = Rights { channels: vec!["a".into(), "b".into(), "c".into()], ..Rights::default() };
    let id = enter(&mut world, &pending, rights);
    let told = world.messages(id);
    assert_eq!(told[1..3], [subscribed("a"), subscribed("b")]);
    assert_eq!(told[3], r#"{"type":"error","message":"Too many channels","code":"too_many_channels"}"#);
    assert_eq!(told.len(), 4);
}

#[test]
fn a_subscription_needs_the_right_to_it_and_its_end_does_not() {
    let (mut world, pending) = world();
    let id = enter(&mut world, &pending, some());
    world.take(id);
    let ask = |kind: &str, channel: &str| format!(r#"{{"type":"{kind}","channel":"{channel}","id":7}}"#);
    for channel in ["in.1", "in.", "own"] {
        assert_eq!(say(&mut world, id, &ask("subscribe", channel)), [subscribed(channel)]);
    }
    for channel in ["in", "out.1", "other", "*"] {
        assert_eq!(say(&mut world, id, &ask("subscribe", channel)), [not_allowed("subscribe", 7)], "{channel}");
    }
    assert_eq!(world.engine.channels_of(id).count(), 3);
    let gone = |channel: &str| [format!(r#"{{"type":"unsubscribed","channel":"{channel}"}}"#)];
    for channel in ["own", "in.1", "other"] {
        assert_eq!(say(&mut world, id, &ask("unsubscribe", channel)), gone(channel));
    }
}

#[test]
fn a_publication_needs_the_right_to_it_and_one_to_everyone_the_right_to_all() {
    let (mut world, pending) = world();
    let all = enter(&mut world, &pending, Rights::default());
    let id = enter(&mut world, &pending, some());
    let starred = enter(&mut world, &pending, Rights { publish: only(&["x", "*"]), ..Rights::default() });
    say(&mut world, all, r#"{"type":"subscribe","channel":"out.1"}"#);
    say(&mut world, all, r#"{"type":"subscribe","channel":"own"}"#);
    for peer in [all, id, starred] {
        world.take(peer);
    }
    let chat = |kind: &str, channel: &str| format!(r#"{{"type":"{kind}",{channel}"payload":1,"id":9}}"#);
    let ack = r#"{"type":"ack","id":9}"#;
    for kind in ["chat", "publish"] {
        assert_eq!(say(&mut world, id, &chat(kind, r#""channel":"out.1","#)), [ack]);
        assert_eq!(world.messages(all).len(), 1);
        for refused in [r#""channel":"own","#, r#""channel":"out","#, ""] {
            assert_eq!(say(&mut world, id, &chat(kind, refused)), [not_allowed("publish", 9)], "{refused}");
            assert_eq!(world.messages(all), [""; 0]);
        }
        // Without a channel the sender gets it too.
        assert_eq!(say(&mut world, starred, &chat(kind, "")).len(), 2);
        assert_eq!(world.messages(all).len(), 1);
        assert_eq!(world.messages(id).len(), 1, "who may say little may hear everything said to all");
    }
}

#[test]
fn a_renewal_brings_its_own_rights_and_ends_what_they_do_not_cover() {
    let (mut world, pending) = world();
    let id = enter(&mut world, &pending, some());
    for channel in ["in.1", "in.2"] {
        say(&mut world, id, &format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#));
    }
    world.take(id);
    // What is said behind the new token is judged by its rights.
    let renew = r#"{"type":"auth","token":"new"}"#;
    let late = r#"{"type":"subscribe","channel":"in.9","id":1}"#;
    world.input(id, &[frames::text(renew), frames::text(late)].concat());
    assert_eq!(world.messages(id), [""; 0]);
    let less = Rights { channels: vec!["new".into()], publish: Patterns::default(), subscribe: only(&["in.2"]) };
    pending.resolve(&mut world, identity("anna", less));
    let mut told = world.messages(id);
    assert_eq!(told.remove(0), r#"{"type":"auth_success"}"#);
    assert_eq!(told.pop().unwrap(), not_allowed("subscribe", 1));
    told.sort();
    assert_eq!(told, ["in.1", "own"].map(|channel| format!(r#"{{"type":"unsubscribed","channel":"{channel}"}}"#)));
    // Its own channels are subscribed at the open alone; but it may ask for them.
    assert_eq!(world.engine.channels_of(id).collect::<Vec<_>>(), ["in.2"]);
    assert_eq!(say(&mut world, id, r#"{"type":"subscribe","channel":"new"}"#), [subscribed("new")]);
    assert_eq!(say(&mut world, id, r#"{"type":"chat","payload":1,"self":false,"id":2}"#), [r#"{"type":"ack","id":2}"#]);
}

// --- refused ---

fn refused(world: &mut World, pending: &Pending, headers: &str, verdict: Verdict) -> ConnId {
    let id = world.connect();
    world.input(id, upgrade(headers).as_bytes());
    pending.resolve(world, verdict);
    id
}

#[test]
fn refusals_by_close_are_seen_by_a_page_with_the_code_that_belongs_to_the_status() {
    let (mut world, pending) = with(EngineConfig { refuse_by: RefuseBy::Close, ..EngineConfig::default() });
    for (verdict, told) in [
        (Verdict::Refuse(Refusal::new(401, "Unauthorized")), (4401, "Unauthorized")),
        (Verdict::Deny(Refusal::new(401, "Invalid token")), (4401, "Invalid token")),
        (Verdict::Deny(Refusal::new(403, "Forbidden")), (4403, "Forbidden")),
    ] {
        let id = refused(&mut world, &pending, "", verdict);
        let received = world.take(id);
        let head = received.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert!(received.starts_with(b"HTTP/1.1 101 "));
        let frames = frames::decode(&received[head..]);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].close(), (told.0, told.1.to_owned()));
        // Nothing that is said now counts, and the peer's Close ends it.
        world.input(id, &frames::text(r#"{"type":"auth","token":"late"}"#));
        assert!(pending.is_empty());
        world.input(id, &frames::close(told.0, ""));
        assert!(world.peer(id).ended && world.take(id).is_empty());
        assert_eq!(world.engine.open_sessions(), 0);
        let end = format!("identity: None, reason: UpgradeRefused {{ code: {}, reason: \"{}\" }} }}", told.0, told.1);
        assert_eq!(world.ends(id), [end]);
        world.end(id);
        assert!(world.is_gone(id));
    }
}

#[test]
fn a_refusal_for_another_reason_is_an_answer_whatever_the_way() {
    for refuse_by in [RefuseBy::Http, RefuseBy::Close] {
        let (mut world, pending) = with(EngineConfig { refuse_by, ..EngineConfig::default() });
        let busy = Refusal::new(503, "busy").with_header("Retry-After", "5");
        let id = refused(&mut world, &pending, "", Verdict::Refuse(busy));
        assert!(world.text(id).starts_with("HTTP/1.1 503 "));
        // A page from elsewhere is not even told that there is a WebSocket.
        let foreign = world.connect();
        world.input(foreign, upgrade("Origin: https://evil.example\r\n").as_bytes());
        assert!(world.text(foreign).starts_with("HTTP/1.1 403 "));
    }
    let (mut world, pending) = world();
    let id = refused(&mut world, &pending, "", Verdict::Deny(Refusal::new(401, "Invalid token")));
    assert!(world.text(id).starts_with("HTTP/1.1 401 "));
}

#[test]
fn a_token_that_is_the_only_offer_is_selected_also_where_it_is_refused() {
    // A browser fails a handshake that selects none of its offers, and would never see the code.
    for (offers, selected) in [
        ("a.b.c", Some("a.b.c")),
        ("bearer.a.b.c", Some("bearer.a.b.c")),
        ("json, bearer.a.b.c", Some("json")),
        ("bearer.a.b.c, json", Some("json")),
        ("bearer.a.b.c, other", None),
        ("a.b.c, json", Some("json")),
        ("a.b.c, other", None),
        ("other", None),
        ("a.b", None),
        ("a..c", None),
        ("a.b.c.d", None),
    ] {
        for verdict in [identity("anna", Rights::default()), Verdict::Deny(Refusal::new(401, "Invalid token"))] {
            let (mut world, pending) = with(EngineConfig { refuse_by: RefuseBy::Close, ..EngineConfig::default() });
            let id = refused(&mut world, &pending, &format!("Sec-WebSocket-Protocol: {offers}\r\n"), verdict);
            let text = String::from_utf8_lossy(&world.take(id)).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
            assert_eq!(line, selected, "{offers}");
        }
    }
}
