//! The work that is measured, and the bar for barewire where there is one.
//!
//! Not here: how it is measured (`measure.rs`), whether a bar is met (`results.rs`).

use super::peers::Peer;

/// Connections of an echo, and of those that open and close.
pub const CONNECTIONS: usize = 50;
/// Subscribers of a fan-out.
pub const SUBSCRIBERS: usize = 1_000;
/// Idle connections.
pub const IDLE: usize = 5_000;
/// Bytes of a message that is fanned out.
pub const FAN_OUT_BYTES: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Messages of this size come back; so many are in flight on each connection.
    Echo { size: usize, depth: usize },
    /// 1 KiB of JSON comes back, deflated both ways.
    EchoDeflated,
    /// One publisher, with so many messages in flight.
    FanOut { depth: usize },
    /// TCP, TLS, the upgrade, the closing handshake.
    Connect,
    /// Many that do nothing.
    Idle,
}

/// What of a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Microseconds of processor time for each unit.
    Cpu,
    /// The part of it in user space.
    User,
    /// Resident bytes for each connection.
    Bytes,
}

/// Whom barewire is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    One(Peer),
    /// Those that run on tokio.
    Async,
    Every,
}

/// What barewire is to reach.
#[derive(Debug, Clone, Copy)]
pub struct Bar {
    pub measure: Measure,
    pub most: Most,
}

/// What its figure may be at most.
#[derive(Debug, Clone, Copy)]
pub enum Most {
    /// This share of the best of the others.
    Share { share: f64, against: Against },
    /// So much, on a machine that is like the one of the bar.
    Figure(f64),
}

#[derive(Debug, Clone)]
pub struct Row {
    pub key: &'static str,
    pub name: &'static str,
    pub is_secure: bool,
    pub work: Work,
    pub bars: Vec<Bar>,
}

impl Row {
    /// What one of its units is.
    pub fn unit(&self) -> &'static str {
        match self.work {
            Work::Echo { .. } | Work::EchoDeflated => "message",
            Work::FanOut { .. } => "delivery",
            Work::Connect | Work::Idle => "connection",
        }
    }

    pub fn measure(&self) -> Measure {
        if self.work == Work::Idle { Measure::Bytes } else { Measure::Cpu }
    }

    /// With its transport.
    pub fn title(&self) -> String {
        format!("{}, {}", self.name, if self.is_secure { "TLS 1.3" } else { "plain" })
    }

    fn bar(mut self, measure: Measure, share: f64, against: Against) -> Row {
        self.bars.push(Bar { measure, most: Most::Share { share, against } });
        self
    }

    fn at_most(mut self, measure: Measure, most: f64) -> Row {
        self.bars.push(Bar { measure, most: Most::Figure(most) });
        self
    }
}

fn row(key: &'static str, name: &'static str, work: Work) -> Row {
    Row { key, name, is_secure: key.ends_with("-tls"), work, bars: Vec::new() }
}

/// All of them; a plain one and its TLS one in this order.
pub fn all() -> Vec<Row> {
    use Against::{Async, Every, One};
    use Measure::{Bytes, Cpu, User};
    const FAST: Against = One(Peer::Fastwebsockets);
    const BUN: Against = One(Peer::Bun);
    let echo = |size, depth| Work::Echo { size, depth };
    let fan_out = |depth| Work::FanOut { depth };
    let (one, sixteen) = ("20 B, one in flight", "20 B, 16 in flight");
    let (publish, publishes) = ("128 B to 1 000, one publish in flight", "128 B to 1 000, four publishes in flight");
    let (connect, idle) = ("open, upgrade and close", "idle, after one echo");
    vec![
        row("echo-20", one, echo(20, 1)).bar(User, 0.85, FAST).at_most(User, 0.45),
        row("echo-20-tls", one, echo(20, 1)).bar(User, 0.85, Every).at_most(User, 1.2),
        row("echo-20x16", sixteen, echo(20, 16)).bar(Cpu, 0.1, Async).at_most(Cpu, 0.6),
        row("echo-20x16-tls", sixteen, echo(20, 16)).bar(Cpu, 1.0, Every).at_most(Cpu, 0.62),
        row("echo-1k", "1 KiB, one in flight", echo(1 << 10, 1)),
        row("echo-1k-tls", "1 KiB, one in flight", echo(1 << 10, 1)),
        row("echo-16k", "16 KiB, one in flight", echo(16 << 10, 1)),
        row("echo-16k-tls", "16 KiB, one in flight", echo(16 << 10, 1)).bar(Cpu, 0.85, FAST),
        row("echo-64k", "64 KiB, one in flight", echo(64 << 10, 1)).bar(Cpu, 0.95, Every),
        row("echo-64k-tls", "64 KiB, one in flight", echo(64 << 10, 1)).bar(Cpu, 0.85, FAST),
        row("echo-json-deflated", "1 KiB of JSON, deflated", Work::EchoDeflated).bar(Cpu, 1.0, BUN),
        row("fan-out-1", publish, fan_out(1)),
        row("fan-out-1-tls", publish, fan_out(1)).bar(Cpu, 1.0, BUN),
        row("fan-out-4", publishes, fan_out(4)).bar(Cpu, 1.0, BUN),
        row("fan-out-4-tls", publishes, fan_out(4)).bar(Cpu, 1.0, BUN),
        row("connect", connect, Work::Connect).bar(Cpu, 1.0, BUN),
        row("connect-tls", connect, Work::Connect).bar(Cpu, 1.05, FAST),
        row("idle", idle, Work::Idle).at_most(Bytes, 400.0),
        row("idle-tls", idle, Work::Idle).at_most(Bytes, 4300.0),
    ]
}
