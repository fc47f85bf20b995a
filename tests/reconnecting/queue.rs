//! What is queued on a connection whatever the limit of its queue.
//!
//! Not here: what may wait, and a full queue as a host sees it (`reconnecting.rs` beside this folder).

use barewire::Message;

use crate::logged_in;
use crate::pair::Pair;

#[test]
fn a_channel_that_is_subscribed_to_while_the_queue_is_full_is_heard_all_the_same() {
    let mut pair = Pair::new(logged_in());
    let (id, _) = pair.line.unwrap();
    pair.here.peer(id).room = 0;
    let message = Message::Text(format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(1 << 18)).into());
    while pair.client.send(&mut pair.here.engine, message.clone()).is_ok() {}
    pair.client.subscribe(&mut pair.here.engine, "news").unwrap();
    pair.here.peer(id).room = usize::MAX;
    pair.here.engine.mark_dirty(id);
    pair.turn();
    let told = pair.told();
    assert!(told.iter().any(|text| text == r#"{"type":"subscribed","channel":"news"}"#), "it is not there");
}
