//! Mode `slow`: beside connections that echo as in mode `echo`, one message in flight, there are some that send as much as
//! the server takes, and never read what it answers. What the others feel of it is measured; that a server cuts such
//! connections is no error.
//!
//! Not here: how a connection is not read (the library's `Engine::pause`).

use std::time::Duration;

use barewire::Message;

use super::course::{Heard, Load};
use super::crowd::{Crowd, nanos};
use super::echo::Echo;
use super::histogram::Histogram;
use super::said::Said;

/// Between two moments at which each that is stalled sends some more.
const PESTER: Duration = Duration::from_millis(10);
/// What it sends then, at most, in messages and in bytes: many of them must not keep this loop busy.
const BURST_MESSAGES: usize = 64;
const BURST_BYTES: usize = 64 * 1024;

/// See the module. The stalled ones have the numbers behind those that echo.
pub struct Slow {
    echo: Echo,
    said: Said,
    connections: usize,
    /// By number, less that of connections: whether it is still there.
    stalled: Vec<bool>,
    began_with: usize,
    /// Messages that each of them sends at a time.
    burst: usize,
    next_ns: u64,
}

impl Slow {
    /// Of the first so many connections of the crowd, which say `echoed`, and so many stalled ones behind them, which say
    /// `said`.
    pub fn new(echoed: Said, said: Said, connections: usize, stalled: usize) -> Slow {
        let burst = BURST_BYTES.checked_div(said.bytes()).unwrap_or(BURST_MESSAGES).clamp(1, BURST_MESSAGES);
        let echo = Echo::new(echoed, connections, 1);
        Slow { echo, said, connections, stalled: vec![false; stalled], began_with: 0, burst, next_ns: 0 }
    }

    /// What was measured.
    pub fn into_latency(self) -> Histogram {
        self.echo.into_latency()
    }

    /// How many stalled ones there were at first.
    pub fn began_with(&self) -> usize {
        self.began_with
    }

    /// How many of the stalled ones the server has not closed.
    pub fn stalled(&self) -> usize {
        self.stalled.iter().filter(|is_there| **is_there).count()
    }
}

impl Load for Slow {
    fn begin(&mut self, crowd: &mut Crowd) {
        for (offset, is_there) in self.stalled.iter_mut().enumerate() {
            *is_there = crowd.is_open(self.connections + offset);
            crowd.stall(self.connections + offset);
        }
        self.began_with = self.stalled();
        self.echo.begin(crowd);
    }

    fn hear(&mut self, crowd: &mut Crowd, number: usize, message: &Message) -> Heard {
        // What was on its way before it was stalled.
        if number >= self.connections { Heard::Well } else { self.echo.hear(crowd, number, message) }
    }

    fn lose(&mut self, crowd: &mut Crowd, number: usize) -> bool {
        match number.checked_sub(self.connections).and_then(|offset| self.stalled.get_mut(offset)) {
            Some(is_there) => {
                *is_there = false;
                false
            }
            None => self.echo.lose(crowd, number),
        }
    }

    fn go_on(&mut self, crowd: &mut Crowd) -> Option<u64> {
        let now_ns = crowd.now_ns();
        if now_ns >= self.next_ns && !self.echo.is_stopped() {
            self.next_ns = now_ns + nanos(PESTER);
            for (offset, _) in self.stalled.iter().enumerate().filter(|(_, is_there)| **is_there) {
                let number = self.connections + offset;
                for _ in 0..self.burst {
                    let message = self.said.next(crowd, number);
                    if !crowd.send(number, message) {
                        break;
                    }
                }
            }
        }
        None
    }

    fn is_over(&self) -> bool {
        self.echo.is_over()
    }

    fn measure(&mut self, now_ns: u64) {
        self.echo.measure(now_ns);
    }

    fn stop(&mut self, crowd: &mut Crowd) {
        self.echo.stop(crowd);
    }

    fn outstanding(&self) -> u64 {
        self.echo.outstanding()
    }

    fn units(&self) -> u64 {
        self.echo.units()
    }

    fn latency(&self) -> &Histogram {
        self.echo.latency()
    }
}
