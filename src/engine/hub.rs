//! Who is who and who listens to what: [`ConnId`] names a session for good, [`Hub`] knows the channels and
//! their subscribers.
//!
//! Not here: the delivery to subscribers (`engine/mod.rs`), the right to subscribe (`app/router.rs`).

use std::collections::HashMap;
use std::sync::Arc;
use std::{fmt, slice};

use slab::Slab;

/// Names one session: a slot of the session table and the generation of its tenant. An id whose session
/// has gone names nobody, for as long as the process is likely to live (the generation counts 2^24 tenants
/// of one slot).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    index: u32,
    /// 24 bits of generation, and 8 of the worker that owns the session.
    tag: u32,
}

const GENERATION: u32 = (1 << 24) - 1;

impl ConnId {
    /// The id of a slot's tenant, at worker 0.
    pub(crate) fn new(index: u32, generation: u32) -> ConnId {
        ConnId { index, tag: generation & GENERATION }
    }

    /// The slot.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// The id as one number, for a table or a log.
    pub fn to_bits(self) -> u64 {
        u64::from(self.tag) << 32 | u64::from(self.index)
    }

    /// The id that has these bits.
    pub fn from_bits(bits: u64) -> ConnId {
        let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
        ConnId { tag: u32::from_be_bytes([a, b, c, d]), index: u32::from_be_bytes([e, f, g, h]) }
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({}.{})", self.index, self.tag & GENERATION)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.tag & GENERATION)
    }
}

/// A session's place in a channel. There are never more of either than 32 bits count: ids hold the sessions in as many, and
/// a channel is there for one of them.
#[derive(Debug, Clone, Copy)]
struct Membership {
    channel: u32,
    /// Where in the channel's subscribers the session stands.
    position: u32,
}

impl Membership {
    fn new(channel: usize, position: usize) -> Membership {
        let narrow = |index| u32::try_from(index).unwrap_or(u32::MAX);
        Membership { channel: narrow(channel), position: narrow(position) }
    }

    fn channel(self) -> usize {
        self.channel as usize
    }

    fn position(self) -> usize {
        self.position as usize
    }
}

/// The channels of one session, as the session keeps them.
#[derive(Debug, Default)]
pub struct Memberships(Places);

/// Most sessions are in one channel at most, which takes no memory beside the session's own.
#[derive(Debug, Default)]
enum Places {
    #[default]
    None,
    One(Membership),
    #[expect(clippy::box_collection, reason = "every session has room for the pointer, and few need more")]
    Many(Box<Vec<Membership>>),
}

impl Memberships {
    /// How many channels there are.
    pub fn count(&self) -> usize {
        self.places().len()
    }

    fn places(&self) -> &[Membership] {
        match &self.0 {
            Places::None => &[],
            Places::One(place) => slice::from_ref(place),
            Places::Many(places) => places,
        }
    }

    fn places_mut(&mut self) -> &mut [Membership] {
        match &mut self.0 {
            Places::None => &mut [],
            Places::One(place) => slice::from_mut(place),
            Places::Many(places) => places,
        }
    }

    fn push(&mut self, place: Membership) {
        match &mut self.0 {
            Places::None => self.0 = Places::One(place),
            Places::One(first) => self.0 = Places::Many(Box::new(vec![*first, place])),
            Places::Many(places) => places.push(place),
        }
    }

    /// Takes one out; the last one moves to its place.
    fn remove(&mut self, channel: usize) -> Option<Membership> {
        let at = self.places().iter().position(|place| place.channel() == channel)?;
        match &mut self.0 {
            Places::Many(places) if places.len() > 1 => Some(places.swap_remove(at)),
            Places::None | Places::One(_) | Places::Many(_) => self.pop(),
        }
    }

    /// Takes the last one out.
    fn pop(&mut self) -> Option<Membership> {
        let last = self.places().last().copied();
        match &mut self.0 {
            Places::Many(places) if places.len() > 1 => drop(places.pop()),
            places => *places = Places::None,
        }
        last
    }
}

#[derive(Debug)]
struct Channel {
    name: Arc<str>,
    subscribers: Vec<ConnId>,
}

/// All channels. One exists as long as it has a subscriber.
#[derive(Debug, Default)]
pub struct Hub {
    channels: Slab<Channel>,
    by_name: HashMap<Arc<str>, usize>,
}

/// Where the hub finds the memberships of the session that it must correct.
pub trait Directory {
    /// The memberships of this session.
    fn memberships(&mut self, id: ConnId) -> Option<&mut Memberships>;
}

impl Hub {
    /// How many channels have a subscriber.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Gives back room that is not used; what is kept is moved. O(subscriptions).
    pub fn shrink(&mut self) {
        for (_, channel) in &mut self.channels {
            channel.subscribers = channel.subscribers.as_slice().to_vec();
        }
        self.channels.shrink_to_fit();
        self.by_name.shrink_to_fit();
    }

    /// The subscribers of a channel, in no particular order.
    pub fn subscribers(&self, name: &str) -> &[ConnId] {
        let channel = self.by_name.get(name).and_then(|&channel| self.channels.get(channel));
        channel.map(|channel| channel.subscribers.as_slice()).unwrap_or_default()
    }

    /// The names of the channels in `memberships`.
    pub fn names<'a>(&'a self, memberships: &'a Memberships) -> impl Iterator<Item = &'a str> {
        let channels = memberships.places().iter().filter_map(|place| self.channels.get(place.channel()));
        channels.map(|channel| &*channel.name)
    }

    /// Whether the session with these memberships is subscribed to `name`.
    pub fn is_subscribed(&self, memberships: &Memberships, name: &str) -> bool {
        let is_it = |&channel: &usize| memberships.places().iter().any(|place| place.channel() == channel);
        self.by_name.get(name).is_some_and(is_it)
    }

    /// Adds a session that is not subscribed yet.
    pub fn subscribe(&mut self, id: ConnId, memberships: &mut Memberships, name: &str) {
        let channel = match self.by_name.get(name) {
            Some(&channel) => channel,
            None => {
                let name: Arc<str> = name.into();
                let channel = self.channels.insert(Channel { name: name.clone(), subscribers: Vec::new() });
                self.by_name.insert(name, channel);
                channel
            }
        };
        if let Some(entry) = self.channels.get_mut(channel) {
            memberships.push(Membership::new(channel, entry.subscribers.len()));
            entry.subscribers.push(id);
        }
    }

    /// Removes a session from one channel; says whether it was in it.
    pub fn unsubscribe(&mut self, id: ConnId, name: &str, directory: &mut impl Directory) -> bool {
        let Some(&channel) = self.by_name.get(name) else { return false };
        let Some(memberships) = directory.memberships(id) else { return false };
        let Some(membership) = memberships.remove(channel) else { return false };
        self.leave(membership, directory);
        true
    }

    /// Removes a session from all its channels.
    pub fn unsubscribe_all(&mut self, id: ConnId, directory: &mut impl Directory) {
        while let Some(membership) = directory.memberships(id).and_then(Memberships::pop) {
            self.leave(membership, directory);
        }
    }

    /// Takes a subscriber out of its channel; the last one of the channel moves to its place.
    fn leave(&mut self, place: Membership, directory: &mut impl Directory) {
        let Some(channel) = self.channels.get_mut(place.channel()) else { return };
        if place.position() < channel.subscribers.len() {
            channel.subscribers.swap_remove(place.position());
        }
        if let Some(&moved) = channel.subscribers.get(place.position())
            && let Some(memberships) = directory.memberships(moved)
        {
            let entry = memberships.places_mut().iter_mut().find(|membership| membership.channel == place.channel);
            if let Some(entry) = entry {
                entry.position = place.position;
            }
        }
        if channel.subscribers.is_empty() {
            let channel = self.channels.remove(place.channel());
            self.by_name.remove(&channel.name);
        }
    }

    /// Every membership of `sessions` points at its session, and nothing else is in a channel.
    #[cfg(any(test, debug_assertions))]
    pub fn check_invariants<'a>(&self, sessions: impl Iterator<Item = (ConnId, &'a Memberships)>) {
        let mut places = 0;
        for (id, memberships) in sessions {
            for membership in memberships.places() {
                let channel = self.channels.get(membership.channel());
                let found = channel.and_then(|channel| channel.subscribers.get(membership.position()));
                assert_eq!(found, Some(&id), "a membership points at its session");
                places += 1;
            }
        }
        assert_eq!(places, self.channels.iter().map(|(_, channel)| channel.subscribers.len()).sum::<usize>());
        assert_eq!(self.channels.len(), self.by_name.len());
        assert!(self.channels.iter().all(|(_, channel)| !channel.subscribers.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sessions(Vec<Memberships>);

    impl Directory for Sessions {
        fn memberships(&mut self, id: ConnId) -> Option<&mut Memberships> {
            self.0.get_mut(id.index())
        }
    }

    fn id(index: u32) -> ConnId {
        ConnId::new(index, 1)
    }

    #[test]
    fn an_id_survives_the_way_through_its_bits() {
        for id in [ConnId::new(0, 0), ConnId::new(7, 9), ConnId::new(u32::MAX, GENERATION)] {
            assert_eq!(ConnId::from_bits(id.to_bits()), id);
        }
        assert_eq!(ConnId::new(3, GENERATION + 1), ConnId::new(3, 0), "a generation wraps within its bits");
    }

    #[test]
    fn the_hub_agrees_with_a_plain_list_through_any_sequence() {
        let mut hub = Hub::default();
        let mut sessions = Sessions((0..8).map(|_| Memberships::default()).collect());
        let mut plain: Vec<(u32, String)> = Vec::new();
        let mut chance = 1u32;
        for _ in 0..5000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (who, name) = ((chance >> 8) % 8, format!("c{}", (chance >> 16) % 5));
            let is_in = plain.contains(&(who, name.clone()));
            match (chance >> 24) % 5 {
                0..=2 if !is_in => {
                    let mut memberships = std::mem::take(&mut sessions.0[who as usize]);
                    assert!(!hub.is_subscribed(&memberships, &name));
                    hub.subscribe(id(who), &mut memberships, &name);
                    assert!(hub.is_subscribed(&memberships, &name));
                    sessions.0[who as usize] = memberships;
                    plain.push((who, name));
                }
                4 if chance.is_multiple_of(8) => {
                    hub.unsubscribe_all(id(who), &mut sessions);
                    plain.retain(|(other, _)| *other != who);
                }
                _ => {
                    assert_eq!(hub.unsubscribe(id(who), &name, &mut sessions), is_in);
                    plain.retain(|entry| *entry != (who, name.clone()));
                }
            }
            hub.check_invariants(sessions.0.iter().enumerate().map(|(i, memberships)| (id(i as u32), memberships)));
            for channel in 0..5 {
                let name = format!("c{channel}");
                let mut found: Vec<_> = hub.subscribers(&name).to_vec();
                let mut wanted: Vec<_> =
                    plain.iter().filter(|entry| entry.1 == name).map(|entry| id(entry.0)).collect();
                found.sort();
                wanted.sort();
                assert_eq!(found, wanted);
            }
        }
    }
}
