//! The table of messages of the wire protocol, row by row, through the engine and the daemon's router.
//!
//! Not here: `auth` (`authentication.rs`), every form of bad JSON (`src/wire/message/`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing)]

mod common;

use barewire::auth::Methods;
use barewire::limits::{CHANNEL_NAME_BYTES, CHANNELS_PER_SESSION_DEFAULT, JSON_DEPTH};
use barewire::{ConnId, EngineConfig, Limits, PreparedMessage, Published};
use common::http::basic;
use common::{World, frames, methods};

/// The moment at which a world begins.
const NOW: &str = "2026-11-18T11:06:40.000Z";

fn daemon() -> World {
    World::daemon(EngineConfig::default())
}

/// What `id` is told after it said `message`.
fn say(world: &mut World, id: ConnId, message: &str) -> Vec<String> {
    world.input(id, &frames::text(message));
    world.transcript(id)
}

fn subscribe(world: &mut World, id: ConnId, channel: &str) {
    let said = say(world, id, &format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#));
    assert_eq!(said, [format!(r#"{{"type":"subscribed","channel":"{channel}"}}"#)]);
}

fn error(message: &str, code: &str) -> String {
    format!(r#"{{"type":"error","message":"{message}","code":"{code}"}}"#)
}

/// An open session of `anna`.
fn anna(world: &mut World) -> ConnId {
    world.open_with(&format!("Authorization: {}\r\n", basic("anna:secret")))
}

#[test]
fn a_session_is_greeted_with_its_user_and_the_time() {
    let mut world = daemon();
    let id = world.connect();
    world.input(id, common::upgrade(common::GOOD).as_bytes());
    assert_eq!(world.transcript(id), [format!(r#"{{"type":"connected","userId":"user","timestamp":"{NOW}"}}"#)]);
}

#[test]
fn a_ping_is_answered_with_what_it_carried() {
    let mut world = daemon();
    let id = world.open();
    for (ping, echo) in [
        ("", ""),
        (r#","payload":null"#, r#","payload":null"#),
        (r#","payload":{"b": 1,  "a":[2,{}]}"#, r#","payload":{"b": 1,  "a":[2,{}]}"#),
        (r#","id":7"#, r#","id":7"#),
        (r#","id":{"x":"\u00e9"}"#, r#","id":{"x":"\u00e9"}"#),
        (r#","id":null"#, ""),
        (r#","id":0,"payload":"é\n""#, r#","payload":"é\n","id":0"#),
        (r#","timestamp":17,"channel":"c","token":{},"self":1,"other":[]"#, ""),
    ] {
        let said = say(&mut world, id, &format!(r#"{{"type":"ping"{ping}}}"#));
        assert_eq!(said, [format!(r#"{{"type":"pong","timestamp":"{NOW}"{echo}}}"#)], "{ping}");
    }
}

#[test]
fn a_channel_is_named_at_the_top_level_or_in_the_payload() {
    let mut world = daemon();
    let id = world.open();
    for (named, channel) in [
        (r#""channel":"a""#, "a"),
        (r#""payload":{"channel":"b"}"#, "b"),
        (r#""payload":{"x":1,"channel":"b\u0062"}"#, "bb"),
        (r#""channel":"c","payload":{"channel":"ignored"}"#, "c"),
        (r#""channel":"d","payload":17"#, "d"),
        (r#""channel":" ""#, " "),
        (r#""channel":"d""#, "d"),
    ] {
        for (verb, done) in [("subscribe", "subscribed"), ("unsubscribe", "unsubscribed"), ("subscribe", "subscribed")]
        {
            let said = say(&mut world, id, &format!(r#"{{"type":"{verb}",{named}}}"#));
            assert_eq!(said, [format!(r#"{{"type":"{done}","channel":"{channel}"}}"#)], "{named}");
            assert_eq!(world.engine.channels_of(id).any(|name| name == channel), verb == "subscribe", "{named}");
        }
    }
    assert_eq!(world.engine.channels(), 6);
}

#[test]
fn to_subscribe_twice_is_to_subscribe_once_and_to_leave_where_one_never_was_is_fine() {
    let mut world = daemon();
    let id = world.open();
    for _ in 0..2 {
        subscribe(&mut world, id, "c");
    }
    let said = say(&mut world, id, r#"{"type":"chat","channel":"c"}"#);
    assert_eq!(said.len(), 1, "it is delivered once: {said:?}");
    for channel in ["c", "c", "never"] {
        let said = say(&mut world, id, &format!(r#"{{"type":"unsubscribe","channel":"{channel}"}}"#));
        assert_eq!(said, [format!(r#"{{"type":"unsubscribed","channel":"{channel}"}}"#)]);
    }
    assert_eq!(say(&mut world, id, r#"{"type":"chat","channel":"c"}"#), Vec::<String>::new());
    assert_eq!(world.engine.channels(), 0);
}

#[test]
fn a_subscriber_gets_what_is_published_and_others_do_not() {
    for verb in ["chat", "publish"] {
        let mut world = daemon();
        let [first, second, sender] = [world.open(), world.open(), anna(&mut world)];
        for id in [first, second] {
            subscribe(&mut world, id, "news");
        }
        let message = format!(r#"{{"type":"{verb}","channel":"news","payload":{{"b": 1,  "a":2}},"id":7}}"#);
        assert_eq!(say(&mut world, sender, &message), [r#"{"type":"ack","id":7}"#]);
        let payload = r#"{"b": 1,  "a":2}"#;
        let chat =
            format!(r#"{{"type":"chat","channel":"news","userId":"anna","payload":{payload},"timestamp":"{NOW}"}}"#);
        for id in [first, second] {
            assert_eq!(world.transcript(id), [chat.as_str()]);
        }
    }
}

#[test]
fn a_sender_gets_its_own_message_before_its_ack_unless_it_does_not_want_it() {
    for (to, subscribes) in [(r#","channel":"c""#, true), (r#","channel":"c""#, false), ("", false)] {
        for (to_self, wants) in [("", true), (r#","self":true"#, true), (r#","self":false"#, false)] {
            let mut world = daemon();
            let [sender, other] = [anna(&mut world), world.open()];
            subscribe(&mut world, other, "c");
            if subscribes {
                subscribe(&mut world, sender, "c");
            }
            let message = format!(r#"{{"type":"chat"{to},"payload":1{to_self},"id":"x"}}"#);
            let said = say(&mut world, sender, &message);
            let chat = format!(r#"{{"type":"chat"{to},"userId":"anna","payload":1,"timestamp":"{NOW}"}}"#);
            let ack = r#"{"type":"ack","id":"x"}"#;
            let receives = wants && (subscribes || to.is_empty());
            assert_eq!(said, if receives { vec![&*chat, ack] } else { vec![ack] }, "{message}");
            assert_eq!(world.transcript(other), [chat], "{message}");
        }
    }
}

#[test]
fn what_goes_to_no_channel_goes_to_everyone_who_is_known_and_to_nobody_else() {
    let mut world = daemon();
    let [sender, other] = [anna(&mut world), world.open()];
    let [unknown, idle] = [world.open_with(""), world.connect()];
    let said = say(&mut world, sender, r#"{"type":"chat","payload":"hello"}"#);
    let chat = format!(r#"{{"type":"chat","userId":"anna","payload":"hello","timestamp":"{NOW}"}}"#);
    assert_eq!(said, [chat.as_str()], "and without an id there is no ack");
    assert_eq!(world.transcript(other), [chat]);
    assert_eq!((world.take(unknown), world.take(idle)), (vec![], vec![]));
    assert_eq!(say(&mut world, sender, r#"{"type":"chat","self":false,"id":null}"#), Vec::<String>::new());
    let nothing = format!(r#"{{"type":"chat","userId":"anna","payload":null,"timestamp":"{NOW}"}}"#);
    assert_eq!(world.transcript(other), [nothing], "no payload is null");
}

#[test]
fn a_payload_passes_byte_for_byte() {
    let deep = "[".repeat(JSON_DEPTH) + &"]".repeat(JSON_DEPTH);
    let mut world = daemon();
    let [sender, other] = [world.open(), world.open()];
    for payload in [
        "null",
        "0.10",
        "-0",
        "12345678901234567890123",
        "1E5",
        r#""""#,
        r#""\u00e9 é \/ / \ud83e\udd80 🦀 \" </script> ""#,
        "\"\u{2028}\u{7f}\"",
        "{ \"b\" :\t1,\r\n \"a\": [ ] , \"b\":2 }",
        r#"{"type":"error","channel":"x","userId":"someone else"}"#,
        &deep,
    ] {
        say(&mut world, sender, &format!(r#"{{"type":"chat","self":false,"payload":{payload}}}"#));
        let chat = format!(r#"{{"type":"chat","userId":"user","payload":{payload},"timestamp":"{NOW}"}}"#);
        assert_eq!(world.transcript(other), [chat]);
    }
}

#[test]
fn a_message_of_the_largest_size_reaches_everyone() {
    let mut world = daemon();
    let [sender, other] = [world.open(), world.open()];
    let frame = |bytes: usize| {
        let empty = r#"{"type":"chat","payload":""}"#;
        frames::text(&empty.replace(r#""""#, &format!("\"{}\"", "x".repeat(bytes - empty.len()))))
    };
    let most = Limits::default().message_bytes;
    world.input(sender, &frame(most));
    for id in [sender, other] {
        let said = world.transcript(id);
        assert!(said.len() == 1 && said[0].len() > most, "{}", said.len());
    }
    world.input(sender, &frame(most + 1));
    assert_eq!(world.transcript(sender), ["close 1009 Message too big"]);
    assert_eq!(world.take(other), b"");
}

#[test]
fn a_binary_message_is_read_as_text_and_answered_as_text() {
    let mut world = daemon();
    let id = world.open();
    world.input(id, &frames::frame(frames::BINARY, r#"{"type":"chat","payload":"é"}"#.as_bytes()));
    assert_eq!(
        world.transcript(id),
        [format!(r#"{{"type":"chat","userId":"user","payload":"é","timestamp":"{NOW}"}}"#)]
    );
}

#[test]
fn a_bad_message_is_told_so_and_the_session_stays() {
    let deep = format!(r#"{{"type":"ping","payload":{}0{}}}"#, "[".repeat(JSON_DEPTH + 1), "]".repeat(JSON_DEPTH + 1));
    let bad = |code| error("Invalid format", code);
    for (message, answer) in [
        ("", bad("bad_json")),
        ("hello", bad("bad_json")),
        (r#"{"type":"ping""#, bad("bad_json")),
        (r#"{"type":"ping"} x"#, bad("bad_json")),
        (r#"{"type":"ping","payload":"\ud800"}"#, bad("bad_json")),
        ("[]", bad("not_an_object")),
        (r#"["type","ping"]"#, bad("not_an_object")),
        (r#""ping""#, bad("not_an_object")),
        ("null", bad("not_an_object")),
        ("{}", bad("missing_type")),
        (r#"{"Type":"ping"}"#, bad("missing_type")),
        (r#"{"type":null}"#, bad("bad_field")),
        (r#"{"type":["ping"]}"#, bad("bad_field")),
        (r#"{"type":"ping","type":"ping"}"#, bad("duplicate_key")),
        (r#"{"type":""}"#, bad("unknown_type")),
        (r#"{"type":"PING"}"#, bad("unknown_type")),
        (r#"{"type":"connected","userId":"x"}"#, bad("unknown_type")),
        (r#"{"type":"auth"}"#, bad("missing_field")),
        (r#"{"type":"subscribe"}"#, bad("missing_field")),
        (r#"{"type":"subscribe","payload":"news"}"#, bad("missing_field")),
        (r#"{"type":"subscribe","channel":null,"payload":{"channel":"c"}}"#, bad("bad_field")),
        (r#"{"type":"unsubscribe","payload":{"channel":7}}"#, bad("bad_field")),
        (r#"{"type":"chat","channel":null,"payload":1}"#, bad("bad_field")),
        (r#"{"type":"chat","self":"false"}"#, bad("bad_field")),
        (&deep, bad("too_deep")),
    ] {
        let mut world = daemon();
        let [id, other] = [world.open(), world.open()];
        assert_eq!(say(&mut world, id, message), [answer], "{message}");
        subscribe(&mut world, id, "still-here");
        assert_eq!(world.take(other), b"", "{message}");
    }
    let mut world = daemon();
    let id = world.open();
    world.input(id, &frames::frame(frames::BINARY, b"{\"type\":\"ping\xff\"}"));
    assert_eq!(world.transcript(id), [bad("bad_utf8")], "in a text frame it would be 1007");
    subscribe(&mut world, id, "still-here");
}

#[test]
fn a_channel_name_has_1_to_255_bytes_and_no_control_characters() {
    let full = "x".repeat(CHANNEL_NAME_BYTES);
    let wide = "é".repeat(CHANNEL_NAME_BYTES / 2);
    for (name, code) in [
        ("x", None),
        (&full, None),
        (&format!("{wide}x"), None),
        ("", Some("channel_empty")),
        (&format!("{full}x"), Some("channel_too_long")),
        (&format!("{wide}é"), Some("channel_too_long")),
        (r"a\nb", Some("channel_control_character")),
        (r"\u0000", Some("channel_control_character")),
        ("\u{7f}", Some("channel_control_character")),
        ("\u{85}", Some("channel_control_character")),
    ] {
        let mut world = daemon();
        let [id, other] = [world.open(), world.open()];
        for (verb, good) in [
            ("subscribe", format!(r#"{{"type":"subscribed","channel":"{name}"}}"#)),
            ("unsubscribe", format!(r#"{{"type":"unsubscribed","channel":"{name}"}}"#)),
            ("chat", r#"{"type":"ack","id":1}"#.to_owned()),
        ] {
            let said = say(&mut world, id, &format!(r#"{{"type":"{verb}","channel":"{name}","id":1}}"#));
            let refused = |code| format!(r#"{{"type":"error","message":"Invalid channel","code":"{code}","id":1}}"#);
            assert_eq!(said, [code.map_or(good, refused)], "{verb} {name}");
            assert_eq!(world.engine.channels(), usize::from(verb == "subscribe" && code.is_none()));
        }
        assert_eq!(world.take(other), b"");
    }
}

#[test]
fn a_session_may_be_in_128_channels() {
    let mut world = daemon();
    let [id, other] = [world.open(), world.open()];
    for n in 0..CHANNELS_PER_SESSION_DEFAULT {
        subscribe(&mut world, id, &n.to_string());
    }
    let one_more = r#"{"type":"subscribe","channel":"more","id":"q"}"#;
    let refused = r#"{"type":"error","message":"Too many channels","code":"too_many_channels","id":"q"}"#;
    for _ in 0..2 {
        assert_eq!(say(&mut world, id, one_more), [refused]);
    }
    subscribe(&mut world, id, "0");
    subscribe(&mut world, other, "more");
    say(&mut world, id, r#"{"type":"unsubscribe","channel":"64"}"#);
    subscribe(&mut world, id, "more");
    assert_eq!(world.engine.channels_of(id).count(), CHANNELS_PER_SESSION_DEFAULT);
    world.engine.close(id, 1000, "");
    world.turn();
    assert_eq!(world.engine.channels(), 1, "a session that closes is in no channel");
}

#[test]
fn a_publish_returns_how_many_matched_were_queued_and_were_dropped() {
    let limits = Limits { send_queue_bytes: 1024, ..Limits::default() };
    let mut world = World::daemon(EngineConfig { limits, ..EngineConfig::default() });
    let [quick, also, slow] = [world.open(), world.open(), world.open()];
    for id in [quick, also, slow] {
        subscribe(&mut world, id, "c");
    }
    world.peer(slow).room = 0;
    let message = PreparedMessage::text(&"m".repeat(600));
    let counts = |matched, queued, dropped| Published { matched, queued, dropped };
    assert_eq!(world.engine.publish("nobody", &message, None), counts(0, 0, 0));
    assert_eq!(world.engine.publish("c", &message, Some(slow)), counts(2, 2, 0));
    world.turn();
    assert_eq!(world.engine.publish("c", &message, Some(quick)), counts(2, 2, 0));
    world.turn();
    assert_eq!(world.engine.publish("c", &message, None), counts(3, 2, 1));
    world.turn();
    assert_eq!(world.engine.publish("c", &message, None), counts(2, 2, 0), "the slow one has left the channel");
    world.turn();
    assert_eq!(world.engine.publish_to_all(&message, Some(also)), counts(1, 1, 0), "nor is it counted elsewhere");
    world.turn();
    assert_eq!(world.ends(slow).len(), 1);
    world.make_room(slow, usize::MAX);
    assert_eq!(world.transcript(slow), ["close 1013 slow consumer"]);
}

#[test]
fn a_user_id_and_a_channel_with_odd_characters_come_out_as_valid_json() {
    let names =
        [r#"a"b\c"#, "</script><b>", "é🦀", "\u{2028}\u{202e}", r"\u0000", "{}", " ", "' OR 1=1", &"n".repeat(255)];
    for name in names {
        let users = common::users(&[&format!("{name}:p")]);
        let mut world = World::guarded(EngineConfig::default(), Methods { users, ..methods() });
        let id = world.connect();
        world.input(id, common::upgrade(&format!("Authorization: {}\r\n", basic(&format!("{name}:p")))).as_bytes());
        let json = |world: &mut World| -> serde_json::Value {
            let said = world.transcript(id);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(!said[0].contains(['\u{2028}', '\u{202e}']), "escaped: {said:?}");
            serde_json::from_str(&said[0]).unwrap()
        };
        assert_eq!(json(&mut world)["userId"], name);
        let channel = serde_json::to_string(name).unwrap();
        for (verb, field) in
            [("subscribe", "channel"), ("chat", "channel"), ("chat", "userId"), ("unsubscribe", "channel")]
        {
            world.input(id, &frames::text(&format!(r#"{{"type":"{verb}","channel":{channel}}}"#)));
            assert_eq!(json(&mut world)[field], name, "{verb}");
        }
    }
}
