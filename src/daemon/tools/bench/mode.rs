//! What is measured: a [`Mode`] with what it needs, or its [`ModeName`] alone; and what is taken where nothing else is asked for.
//!
//! Not here: what all modes need (`asked.rs`), what each does (the files named after them).

use std::fmt;

/// Messages in flight, in echo and fan-out.
pub const DEPTH_DEFAULT: usize = 1;
/// Messages a second, in rate.
pub const RATE_DEFAULT: u64 = 1000;
/// Waves of idle.
pub const WAVES_DEFAULT: usize = 1;
/// Connections that do not read, in slow.
pub const STALLED_DEFAULT: usize = 10;
/// How those spread who come back, in storm, and how often all are cut.
pub const JITTER_DEFAULT: Jitter = Jitter::Proportional;
pub const ROUNDS_DEFAULT: usize = 3;
/// Bytes of a message, in all modes that say something.
pub const SIZE_DEFAULT: usize = 20;

/// What is measured, and what it needs beside what all need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// A closed loop: each connection has so many messages in flight, and sends the next when one is answered.
    Echo { depth: usize },
    /// An open loop: so many messages a second in all, sent when they are due, whether or not the last ones are answered.
    Rate { per_second: u64 },
    /// One more connection publishes, so many messages in flight, each of which every other one is to get. With a channel it
    /// speaks the protocol of barewire.
    FanOut { depth: usize, channel: Option<String> },
    /// In each wave all connections are opened, held for the duration, and closed.
    Idle { waves: usize },
    /// Each connection is opened and closed, over and over.
    Connect { resumes: bool },
    /// Beside the connections, which echo as [`Mode::Echo`] of one message in flight, so many that send and never read.
    Slow { stalled: usize },
    /// All are cut at once, and come back, so many times; each time they have the duration for it.
    Storm { jitter: Jitter, rounds: usize },
}

/// A mode, without what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeName {
    Echo,
    Rate,
    FanOut,
    Idle,
    Connect,
    Slow,
    Storm,
}

impl Mode {
    /// Which one it is.
    pub fn name(&self) -> ModeName {
        match self {
            Mode::Echo { .. } => ModeName::Echo,
            Mode::Rate { .. } => ModeName::Rate,
            Mode::FanOut { .. } => ModeName::FanOut,
            Mode::Idle { .. } => ModeName::Idle,
            Mode::Connect { .. } => ModeName::Connect,
            Mode::Slow { .. } => ModeName::Slow,
            Mode::Storm { .. } => ModeName::Storm,
        }
    }
}

impl ModeName {
    /// In the order in which they are told.
    pub const ALL: [ModeName; 7] = [
        ModeName::Echo,
        ModeName::Rate,
        ModeName::FanOut,
        ModeName::Idle,
        ModeName::Connect,
        ModeName::Slow,
        ModeName::Storm,
    ];

    /// As it is typed and reported.
    pub fn text(self) -> &'static str {
        match self {
            ModeName::Echo => "echo",
            ModeName::Rate => "rate",
            ModeName::FanOut => "fan-out",
            ModeName::Idle => "idle",
            ModeName::Connect => "connect",
            ModeName::Slow => "slow",
            ModeName::Storm => "storm",
        }
    }

    /// Whether something is said while it is measured.
    pub fn speaks(self) -> bool {
        match self {
            ModeName::Echo | ModeName::Rate | ModeName::FanOut | ModeName::Slow => true,
            ModeName::Idle | ModeName::Connect | ModeName::Storm => false,
        }
    }
}

/// How those who come back spread: see [`barewire::client`] for what each does to the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// All at the same moments.
    None,
    /// Up to 30 % later.
    Proportional,
    /// Anywhere between nothing and the whole wait.
    Full,
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Jitter::None => "none",
            Jitter::Proportional => "proportional",
            Jitter::Full => "full",
        })
    }
}
