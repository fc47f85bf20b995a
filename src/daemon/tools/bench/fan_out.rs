//! Mode `fan-out`: one connection publishes, all others are to get each of its messages. So many of these are in flight at a
//! time: the next is published when everybody has the oldest. The n-th of them that a subscriber gets is the n-th that was
//! published; a message in which that is not found is another, and counted apart.
//!
//! Not here: what is published (`said.rs`), when it begins and ends (`course.rs`).

use std::collections::VecDeque;

use barewire::Message;

use super::course::{Heard, Load};
use super::crowd::Crowd;
use super::histogram::Histogram;
use super::report::Findings;
use super::said::Said;
use super::tally::Tally;

/// What is on its way to whom.
#[derive(Debug)]
struct Deliveries {
    /// The oldest that somebody has not got yet stands first.
    under_way: VecDeque<Publish>,
    /// How many were published before that.
    done: u64,
    subscribers: Vec<Subscriber>,
    present: u64,
    /// Deliveries that will not come: their receiver has gone.
    missing: u64,
    /// What was published last.
    last: Option<Message>,
}

#[derive(Debug)]
struct Publish {
    message: Message,
    at_ns: u64,
    /// Deliveries still to come.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscriber {
    /// With the number of the publish that comes next.
    Present {
        next: u64,
    },
    Gone,
}

impl Deliveries {
    fn to(subscribers: impl Iterator<Item = bool>) -> Deliveries {
        let of = |is_open| if is_open { Subscriber::Present { next: 0 } } else { Subscriber::Gone };
        let subscribers: Vec<_> = subscribers.map(of).collect();
        let present = subscribers.iter().filter(|subscriber| **subscriber != Subscriber::Gone).count() as u64;
        Deliveries { under_way: VecDeque::new(), done: 0, subscribers, present, missing: 0, last: None }
    }

    fn in_flight(&self) -> usize {
        self.under_way.len()
    }

    /// Deliveries that are awaited.
    fn outstanding(&self) -> u64 {
        self.under_way.iter().map(|publish| publish.left).sum()
    }

    fn publish(&mut self, message: Message, now_ns: u64) {
        self.last = Some(message.clone());
        self.under_way.push_back(Publish { message, at_ns: now_ns, left: self.present });
        self.retire();
    }

    /// What this one is to get next, if that is published.
    fn awaited(&self, number: usize) -> Option<&Message> {
        let Some(Subscriber::Present { next }) = self.subscribers.get(number) else { return None };
        let place = usize::try_from(next.checked_sub(self.done)?).ok()?;
        self.under_way.get(place).map(|publish| &publish.message)
    }

    /// One has come: when it was published. `None` for one that was not.
    fn receive(&mut self, number: usize) -> Option<u64> {
        let Some(Subscriber::Present { next }) = self.subscribers.get_mut(number) else { return None };
        let place = usize::try_from(next.checked_sub(self.done)?).ok()?;
        let publish = self.under_way.get_mut(place)?;
        *next += 1;
        publish.left -= 1;
        let at_ns = publish.at_ns;
        self.retire();
        Some(at_ns)
    }

    /// A subscriber has gone: what it has not got is missing.
    fn leave(&mut self, number: usize) {
        let Some(subscriber) = self.subscribers.get_mut(number) else { return };
        let Subscriber::Present { next } = std::mem::replace(subscriber, Subscriber::Gone) else { return };
        self.present -= 1;
        let place = usize::try_from(next - self.done).unwrap_or(usize::MAX);
        for publish in self.under_way.iter_mut().skip(place) {
            publish.left -= 1;
            self.missing += 1;
        }
        self.retire();
    }

    fn retire(&mut self) {
        while self.under_way.front().is_some_and(|publish| publish.left == 0) {
            self.under_way.pop_front();
            self.done += 1;
        }
    }
}

/// See the module. Connections up to the publisher's number are the subscribers.
pub struct FanOut {
    said: Said,
    publisher: usize,
    depth: usize,
    deliveries: Deliveries,
    tally: Tally,
    published: u64,
    /// Other messages than those, while it was measured.
    unasked: u64,
    is_publisher_lost: bool,
}

impl FanOut {
    /// To the first so many connections of the crowd; the next one publishes, with so many messages in flight.
    pub fn new(said: Said, subscribers: usize, depth: usize) -> FanOut {
        FanOut {
            said,
            publisher: subscribers,
            depth,
            deliveries: Deliveries::to(std::iter::empty()),
            tally: Tally::new(),
            published: 0,
            unasked: 0,
            is_publisher_lost: false,
        }
    }

    /// What was measured.
    pub fn finish(self) -> (Histogram, Findings) {
        let missing = self.deliveries.missing + self.deliveries.outstanding();
        (self.tally.into_latency(), Findings::FanOut { published: self.published, missing, unasked: self.unasked })
    }

    fn publish(&mut self, crowd: &mut Crowd) {
        while !self.tally.is_stopped() && self.deliveries.present > 0 && self.deliveries.in_flight() < self.depth {
            let message = self.said.next(crowd, self.publisher);
            if !crowd.send(self.publisher, message.clone()) {
                return;
            }
            self.deliveries.publish(message, crowd.now_ns());
            self.published += u64::from(self.tally.is_measuring());
        }
    }
}

impl Load for FanOut {
    fn begin(&mut self, crowd: &mut Crowd) {
        self.deliveries = Deliveries::to((0..self.publisher).map(|number| crowd.is_open(number)));
        self.is_publisher_lost = !crowd.is_open(self.publisher);
        self.publish(crowd);
    }

    fn hear(&mut self, crowd: &mut Crowd, number: usize, message: &Message) -> Heard {
        // Some servers send to everybody, be it their own words.
        if number == self.publisher {
            return Heard::Well;
        }
        let awaited = self.deliveries.awaited(number);
        let known = awaited.or(self.deliveries.last.as_ref());
        if !known.is_some_and(|known| self.said.is_in(message, known)) {
            self.unasked += u64::from(self.tally.is_measuring());
            return Heard::Well;
        }
        // It has them all already.
        let Some(at_ns) = self.deliveries.receive(number) else { return Heard::Unasked };
        self.tally.count(crowd.now_ns().saturating_sub(at_ns));
        if self.deliveries.in_flight() < self.depth {
            self.publish(crowd);
        }
        Heard::Well
    }

    fn lose(&mut self, crowd: &mut Crowd, number: usize) -> bool {
        self.is_publisher_lost |= number == self.publisher;
        self.deliveries.leave(number);
        self.publish(crowd);
        true
    }

    fn is_over(&self) -> bool {
        self.is_publisher_lost || self.deliveries.present == 0
    }

    fn measure(&mut self, _: u64) {
        self.tally.measure();
    }

    fn stop(&mut self, _: &mut Crowd) {
        self.tally.stop();
    }

    fn outstanding(&self) -> u64 {
        self.deliveries.outstanding()
    }

    fn units(&self) -> u64 {
        self.tally.units()
    }

    fn latency(&self) -> &Histogram {
        self.tally.latency()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: u64) -> Message {
        Message::Text(number.to_string().into())
    }

    #[test]
    fn the_nth_message_that_one_gets_is_the_nth_that_was_published() {
        let mut deliveries = Deliveries::to([true, true, false].into_iter());
        for at in [10, 20, 30] {
            deliveries.publish(text(at), at);
        }
        assert_eq!((deliveries.in_flight(), deliveries.outstanding()), (3, 6));
        assert_eq!([0, 1, 2].map(|number| deliveries.awaited(number)), [Some(&text(10)), Some(&text(10)), None]);
        assert_eq!([0, 0, 1, 0].map(|number| deliveries.receive(number)), [Some(10), Some(20), Some(10), Some(30)]);
        assert_eq!((deliveries.in_flight(), deliveries.outstanding()), (2, 2), "everybody has the first");
        assert_eq!([0, 1].map(|number| deliveries.awaited(number)), [None, Some(&text(20))]);
        assert_eq!(deliveries.receive(0), None, "it has them all");
        assert_eq!(deliveries.receive(2), None, "it was never there");
        assert_eq!([1, 1].map(|number| deliveries.receive(number)), [Some(20), Some(30)]);
        assert_eq!((deliveries.in_flight(), deliveries.outstanding(), deliveries.missing), (0, 0, 0));
    }

    #[test]
    fn what_one_that_goes_has_not_got_is_missing_and_awaited_no_more() {
        let mut deliveries = Deliveries::to([true; 3].into_iter());
        deliveries.publish(text(1), 1);
        deliveries.publish(text(2), 2);
        deliveries.receive(0);
        deliveries.receive(0);
        deliveries.receive(1);
        deliveries.leave(1);
        deliveries.leave(1);
        assert_eq!((deliveries.missing, deliveries.outstanding(), deliveries.in_flight()), (1, 2, 2));
        assert_eq!(deliveries.receive(1), None);
        deliveries.leave(2);
        assert_eq!((deliveries.missing, deliveries.outstanding(), deliveries.in_flight()), (3, 0, 0));
        deliveries.publish(text(3), 3);
        assert_eq!((deliveries.receive(0), deliveries.in_flight()), (Some(3), 0));
    }

    #[test]
    fn what_is_published_to_nobody_is_done_at_once() {
        let mut deliveries = Deliveries::to([false].into_iter());
        deliveries.publish(text(1), 1);
        assert_eq!((deliveries.in_flight(), deliveries.done), (0, 1));
    }
}
