//! Mode `echo`: a closed loop. Each connection has so many messages in flight, and sends the next when one is answered: the
//! n-th answer belongs to the n-th message. What an answer says is not looked at: a server may answer with other words.
//!
//! A closed loop waits when the server stalls, and so measures a stall once for each message in flight: whoever wants to know
//! what clients would feel that do not wait takes mode `rate`.
//!
//! Not here: its stalled neighbours (`slow.rs`), when it begins and ends (`course.rs`).

use barewire::Message;

use super::course::{Heard, Load};
use super::crowd::Crowd;
use super::histogram::Histogram;
use super::said::Said;
use super::tally::Tally;

/// See the module.
pub struct Echo {
    said: Said,
    in_flight: InFlight,
    tally: Tally,
    /// Connections that are there.
    left: usize,
}

impl Echo {
    /// For so many connections, the first ones of the crowd, with so many messages in flight on each.
    pub fn new(said: Said, connections: usize, depth: usize) -> Echo {
        let in_flight = InFlight::new(connections, depth);
        Echo { said, in_flight, tally: Tally::new(), left: 0 }
    }

    /// What was measured.
    pub fn into_latency(self) -> Histogram {
        self.tally.into_latency()
    }

    /// Whether it sends no more.
    pub fn is_stopped(&self) -> bool {
        self.tally.is_stopped()
    }

    fn send(&mut self, crowd: &mut Crowd, number: usize) {
        let message = self.said.next(crowd, number);
        if crowd.send(number, message) {
            self.in_flight.push(number, crowd.now_ns());
        }
    }
}

impl Load for Echo {
    fn begin(&mut self, crowd: &mut Crowd) {
        for number in (0..self.in_flight.connections()).filter(|number| crowd.is_open(*number)).collect::<Vec<_>>() {
            self.left += 1;
            for _ in 0..self.in_flight.depth() {
                self.send(crowd, number);
            }
        }
    }

    fn hear(&mut self, crowd: &mut Crowd, number: usize, _: &Message) -> Heard {
        let now_ns = crowd.now_ns();
        let Some(sent_ns) = self.in_flight.pop(number) else { return Heard::Unasked };
        self.tally.count(now_ns.saturating_sub(sent_ns));
        if !self.tally.is_stopped() {
            self.send(crowd, number);
        }
        Heard::Well
    }

    fn lose(&mut self, _: &mut Crowd, number: usize) -> bool {
        self.in_flight.forget(number);
        self.left = self.left.saturating_sub(1);
        true
    }

    fn is_over(&self) -> bool {
        self.left == 0
    }

    fn measure(&mut self, _: u64) {
        self.tally.measure();
    }

    fn stop(&mut self, _: &mut Crowd) {
        self.tally.stop();
    }

    fn outstanding(&self) -> u64 {
        self.in_flight.count()
    }

    fn units(&self) -> u64 {
        self.tally.units()
    }

    fn latency(&self) -> &Histogram {
        self.tally.latency()
    }
}

/// When what is in flight was sent, connection by connection: a ring for each, in one table.
#[derive(Debug)]
struct InFlight {
    stamps: Vec<u64>,
    rings: Vec<Ring>,
    depth: usize,
    count: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ring {
    first: usize,
    length: usize,
}

impl InFlight {
    fn new(connections: usize, depth: usize) -> InFlight {
        let depth = depth.max(1);
        let stamps = vec![0; connections.saturating_mul(depth)];
        InFlight { stamps, rings: vec![Ring::default(); connections], depth, count: 0 }
    }

    fn connections(&self) -> usize {
        self.rings.len()
    }

    fn depth(&self) -> usize {
        self.depth
    }

    /// All that is in flight.
    fn count(&self) -> u64 {
        self.count
    }

    /// One was sent. No more than the depth have room.
    fn push(&mut self, number: usize, sent_ns: u64) {
        let Some(ring) = self.rings.get_mut(number).filter(|ring| ring.length < self.depth) else { return };
        let mut place = ring.first + ring.length;
        if place >= self.depth {
            place -= self.depth;
        }
        ring.length += 1;
        self.count += 1;
        if let Some(stamp) = self.stamps.get_mut(number * self.depth + place) {
            *stamp = sent_ns;
        }
    }

    /// One was answered: when the oldest was sent.
    fn pop(&mut self, number: usize) -> Option<u64> {
        let ring = self.rings.get_mut(number).filter(|ring| ring.length > 0)?;
        let place = number * self.depth + ring.first;
        ring.first = if ring.first + 1 == self.depth { 0 } else { ring.first + 1 };
        ring.length -= 1;
        self.count -= 1;
        self.stamps.get(place).copied()
    }

    /// Nothing of it will be answered.
    fn forget(&mut self, number: usize) {
        if let Some(ring) = self.rings.get_mut(number) {
            self.count -= ring.length as u64;
            *ring = Ring::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_answer_belongs_to_the_nth_message_of_its_connection() {
        for depth in [1, 2, 3, 16] {
            let mut in_flight = InFlight::new(3, depth);
            let mut next = 0;
            // Each ring goes round more than once, and is empty and full in between.
            for round in 0..2 * depth as u64 {
                for number in 0..3 {
                    let batch = (usize::try_from(round).unwrap() + number) % depth + 1;
                    let sent: Vec<u64> = (next..next + batch as u64).collect();
                    next += batch as u64;
                    sent.iter().for_each(|stamp| in_flight.push(number, *stamp));
                    assert_eq!(in_flight.count(), batch as u64);
                    let heard: Vec<u64> = std::iter::from_fn(|| in_flight.pop(number)).collect();
                    assert_eq!(heard, sent, "depth {depth}, connection {number}");
                }
            }
            assert_eq!(in_flight.count(), 0);
        }
    }

    #[test]
    fn a_message_that_nobody_asked_for_answers_nothing() {
        let mut in_flight = InFlight::new(2, 2);
        in_flight.push(0, 7);
        assert_eq!(
            (in_flight.pop(1), in_flight.pop(5), in_flight.pop(0), in_flight.pop(0)),
            (None, None, Some(7), None)
        );
    }

    #[test]
    fn what_was_in_flight_on_a_lost_connection_is_awaited_no_more() {
        let mut in_flight = InFlight::new(2, 2);
        (0..2).for_each(|number| (0..2).for_each(|stamp| in_flight.push(number, stamp)));
        in_flight.push(0, 9);
        assert_eq!(in_flight.count(), 4, "no more than the depth");
        in_flight.forget(0);
        in_flight.forget(0);
        assert_eq!((in_flight.count(), in_flight.pop(0), in_flight.pop(1)), (2, None, Some(0)));
    }
}
