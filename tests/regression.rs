//! Faults that were found and mended, each with its story, where no file of a behaviour is its place.
//!
//! Not here: the behaviours themselves (the files beside this one).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use barewire::client::{Backoff, ClientConfig, Jitter, Reconnector, Source};
use barewire::limits::MESSAGE_BYTES_DEFAULT;
use barewire::{EngineConfig, Limits, Message, Now};
use common::pending::Pending;
use common::{World, frames, upgrade};

/// A user said something of 1 MiB and, in the same breath, something small. Both were queued for everyone
/// before anything was written, and as the queue's limit is 1 MiB too, everyone was cut with 1013: the fast
/// ones, and the user. A receiver is slow only if it has been offered what waits.
#[test]
fn a_large_message_with_a_small_one_behind_it_cuts_nobody() {
    let mut world = World::daemon(EngineConfig::default());
    let ids = [world.open(), world.open(), world.open()];
    let wrapping = r#"{"type":"chat","payload":""}"#.len();
    let large = format!(r#"{{"type":"chat","payload":"{}"}}"#, "x".repeat(MESSAGE_BYTES_DEFAULT - wrapping));
    let small = r#"{"type":"chat","payload":"and that is that"}"#;
    world.input(ids[0], &[frames::text(&large), frames::text(small)].concat());
    for id in ids {
        let messages = world.messages(id);
        assert_eq!(messages.len(), 2, "{id} got {} messages", messages.len());
        assert!(messages[0].len() > MESSAGE_BYTES_DEFAULT && messages[1].contains("that is that"));
    }
}

/// The same by three users in one turn: each message was offered to the sockets only after all of them were
/// queued.
#[test]
fn large_messages_of_several_users_in_one_turn_cut_nobody_who_reads() {
    let mut world = World::daemon(EngineConfig::default());
    let ids = [world.open(), world.open(), world.open()];
    let large = format!(r#"{{"type":"chat","payload":"{}"}}"#, "x".repeat(MESSAGE_BYTES_DEFAULT / 2));
    let bytes = frames::text(&large);
    let (most, last) = bytes.split_at(bytes.len() - 1);
    for id in ids {
        world.input(id, most);
    }
    for id in ids {
        world.engine.handle_input(id, last);
        world.answer();
    }
    world.turn();
    for id in ids {
        assert_eq!(world.messages(id).len(), 3, "{id}");
    }
}

/// A renewal was accepted while the queue was over its limit: `auth_success` cut the session in the middle of it, and its
/// end was told as that of nobody, so that it was counted as open for ever.
#[test]
fn a_renewal_that_meets_a_full_queue_ends_a_session_that_was_known() {
    let pending = Pending::default();
    let limits = Limits { send_queue_bytes: 1024, ..Limits::default() };
    let mut world = World::guarded(EngineConfig { limits, ..EngineConfig::default() }, pending.clone());
    let id = world.connect();
    world.input(id, upgrade("").as_bytes());
    pending.accept(&mut world, "anna");
    world.peer(id).room = 0;
    world.engine.send(id, Message::Binary(vec![0; 5000].into()));
    world.turn();
    world.input(id, &frames::text(r#"{"type":"auth","token":"new"}"#));
    pending.accept(&mut world, "anna");
    assert_eq!(world.ending(id), Some("SlowConsumer"));
    assert!(world.ends(id)[0].contains("anna"));
    assert_eq!(world.engine.open_sessions(), 0);
    world.check_stories();
}

/// A carriage return alone, and `HEAD` behind it: in one piece it was taken for a HEAD request, whose refusal has no body;
/// byte by byte it was refused before `HEAD` had come, with a body.
#[test]
fn what_stands_behind_a_fault_does_not_decide_how_it_is_answered() {
    for fault in
        ["\rHEAD / HTTP/1.1\r\n", " HEAD / HTTP/1.1\r\n", "\r\n\r\nHEAD / HTTP/1.1\r\n", "\r\n\tHEAD / HTTP/1.1"]
    {
        let answer = |most: usize| {
            let mut world = World::daemon(EngineConfig::default());
            let id = world.connect();
            fault.as_bytes().chunks(most).for_each(|piece| world.input(id, piece));
            world.text(id)
        };
        let whole = answer(usize::MAX);
        assert!(whole.starts_with("HTTP/1.1 400 ") && !whole.ends_with("\r\n\r\n"), "{fault:?}: {whole}");
        assert_eq!(answer(1), whole, "{fault:?}");
    }
}

/// With full jitter a delay could be nothing. A client whose URL could not be had, or whose server was stopping, failed at
/// once, waited for nothing, and failed again: its loop, and all sessions on it, stood still for good.
#[test]
fn an_attempt_that_fails_at_once_is_not_made_again_at_the_same_moment() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let ask = move || {
        assert!(counter.fetch_add(1, Ordering::Relaxed) < 1000, "it never leaves this moment");
        Err("nobody knows".to_owned())
    };
    let soon = Duration::from_millis(1);
    let backoff = Backoff { initial_delay: soon, max_delay: soon, jitter: Jitter::Full, ..Backoff::default() };
    let config = ClientConfig { backoff, ..ClientConfig::new(Source::Fresh(Box::new(ask))) };
    let mut client = Reconnector::new(config, 7).unwrap();
    let mut now = Now { mono_us: 1_000_000, unix_ms: 1_795_000_000_000 };
    for attempt in 1..100 {
        assert!(client.poll_dial(now).is_none());
        assert_eq!(asked.load(Ordering::Relaxed), attempt);
        while client.poll_event().is_some() {}
        assert_eq!(client.poll_timeout(now), Some(soon));
        now.mono_us += 1000;
    }
}
