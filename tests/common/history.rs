//! What the engine told the host about one session, from the world's history.
//!
//! Not here: the world itself (`mod.rs` beside this file).

use barewire::ConnId;

use super::World;

impl World {
    /// The kinds of events of one session, in order: `["Accepted", "Open", "Message", "Closed"]`.
    pub fn story(&self, id: ConnId) -> Vec<&str> {
        self.told(id).map(|event| event.split_once(' ').expect("a kind and its fields").0).collect()
    }

    /// Why a session ended, in its debug form; `None` while it has not.
    pub fn ending(&self, id: ConnId) -> Option<&str> {
        let closed = self.told(id).find(|event| event.starts_with("Closed "))?;
        Some(closed.split_once("reason: ").expect("a reason").1.strip_suffix(" }").expect("the end of an event"))
    }

    /// Panics unless each session's events are in their order: Accepted, requests, Open, messages, and one
    /// Closed at the end of those that the server is through with.
    pub fn check_stories(&self) {
        for (&id, peer) in &self.peers {
            let story = self.story(id);
            let ranks: Vec<usize> = story
                .iter()
                .map(|kind| if ["RateLimited", "Renewed"].contains(kind) { &"Message" } else { kind })
                .map(|kind| ["Accepted", "Request", "Open", "Message", "Closed"].iter().position(|known| known == kind))
                .map(|rank| rank.expect("a known event"))
                .collect();
            assert!(ranks.is_sorted(), "{id}: {story:?}");
            for once in ["Accepted", "Open", "Closed"] {
                assert!(story.iter().filter(|kind| **kind == once).count() <= 1, "{id}: {story:?}");
            }
            assert_eq!(story.first(), Some(&"Accepted"), "{id}");
            assert!(!story.contains(&"Message") || story.contains(&"Open"), "{id}: {story:?}");
            assert!(!peer.dropped || story.last() == Some(&"Closed"), "{id}: {story:?}");
        }
    }

    fn told(&self, id: ConnId) -> impl Iterator<Item = &str> {
        let about = format!("{{ id: {id:?}");
        let of_it = move |event: &&str| {
            let fields = event.find(' ').map_or("", |at| &event[at + 1..]);
            fields.strip_prefix(about.as_str()).is_some_and(|rest| rest.starts_with([',', ' ']))
        };
        self.history.iter().map(String::as_str).filter(of_it)
    }
}
