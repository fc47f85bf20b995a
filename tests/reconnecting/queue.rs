//! What is sent while there is no connection, or one whose queue is full.
//!
//! Not here: what is said first on every open (`reconnecting.rs` beside this folder).

use barewire::client::{ClientConfig, ReadyState, SendError};
use barewire::limits::SEND_QUEUE_ENTRY_BYTES;
use barewire::{CloseReason, EngineConfig, Message};

use crate::{Network, Pair, SECOND, logged_in};

#[test]
fn what_is_sent_while_it_is_not_open_fails_or_waits_up_to_the_limit() {
    let mut pair = Pair::new(logged_in());
    pair.kill();
    assert_eq!(pair.send("x"), Err(SendError::NotOpen));

    let queue_bytes = 2 * (SEND_QUEUE_ENTRY_BYTES + r#"{"type":"ping","id":1}"#.len());
    let mut pair = Pair::new(ClientConfig { queue_bytes, ..logged_in() });
    pair.kill();
    assert_eq!(pair.send(r#"{"type":"ping","id":1}"#), Ok(()));
    assert_eq!(pair.send(r#"{"type":"ping","id":22}"#), Err(SendError::Full), "one byte past it");
    assert_eq!(pair.send(r#"{"type":"ping","id":2}"#), Ok(()), "at the limit");
    assert_eq!(pair.send(""), Err(SendError::Full));
    pair.network = Network::Up;
    pair.told();
    pair.advance(SECOND);
    let told = pair.told();
    assert_eq!(told.iter().filter(|text| text.contains("pong")).count(), 2, "{told:?}");
    pair.kill();
    assert_eq!(pair.send(r#"{"type":"ping","id":3}"#), Ok(()), "there is room again");
    pair.close();
    pair.client.restart();
    pair.network = Network::Up;
    pair.told();
    pair.turn();
    assert!(!pair.told().iter().any(|text| text.contains("pong")), "a close forgets what waited");
}

#[test]
fn all_that_waited_is_said_on_open_however_much_a_session_may_queue() {
    const MESSAGES: usize = 30;
    let limits = EngineConfig::default().limits;
    let bytes = (limits.send_queue_bytes + limits.message_bytes) / (MESSAGES - 10);
    let mut pair = Pair::new(ClientConfig { queue_bytes: usize::MAX, ..logged_in() });
    pair.kill();
    let payload = "x".repeat(bytes);
    for id in 0..MESSAGES {
        let chat = format!(r#"{{"type":"chat","self":false,"id":{id},"payload":"{payload}"}}"#);
        assert_eq!(pair.send(&chat), Ok(()));
    }
    pair.network = Network::Up;
    pair.told();
    pair.advance(SECOND);
    let acks: Vec<String> = pair.told().into_iter().filter(|text| text.contains("ack")).collect();
    assert!(acks.iter().cloned().eq((0..MESSAGES).map(|id| format!(r#"{{"type":"ack","id":{id}}}"#))), "{acks:?}");
}

#[test]
fn a_connection_that_has_just_ended_is_not_open_though_nobody_was_told_yet() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.engine.handle_error(id, CloseReason::PeerVanished);
    let sent = pair.client.send(&mut pair.here.engine, Message::Text("x".into()));
    assert_eq!((sent, pair.client.ready_state()), (Err(SendError::NotOpen), ReadyState::Open));
}

#[test]
fn a_queue_that_is_full_refuses_and_the_connection_stays() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.peer(id).room = 0;
    let message = Message::Binary(vec![0; 1 << 20].into());
    let sent: Vec<_> = (0..4).map(|_| pair.client.send(&mut pair.here.engine, message.clone())).collect();
    assert_eq!((sent[0], sent[3]), (Ok(()), Err(SendError::Full)));
    assert!(pair.here.engine.is_open(id));
}

#[test]
fn a_channel_that_is_subscribed_to_while_the_queue_is_full_is_heard_all_the_same() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.peer(id).room = 0;
    let message = Message::Text(format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(1 << 18)).into());
    while pair.client.send(&mut pair.here.engine, message.clone()).is_ok() {}
    pair.client.subscribe(&mut pair.here.engine, "news");
    pair.here.peer(id).room = usize::MAX;
    pair.here.engine.mark_dirty(id);
    pair.turn();
    let told = pair.told();
    assert!(told.iter().any(|text| text == r#"{"type":"subscribed","channel":"news"}"#), "it is not there");
}
