//! The subcommands that go to a server of others; all of this is the feature `tools`.
//!
//! In this folder: `connect/` (a client for a terminal and for pipes), `bench/` (a load), `reach.rs` (where the server is, and who
//! one is there, which both share).
//!
//! Not here: their flags (`daemon/cli/tools.rs`).

pub mod bench;
pub mod connect;
pub mod reach;

use super::failure::Failure;
use bench::Asked;
use connect::Connect;

/// One of them, and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// Talk to a server.
    Connect(Box<Connect>),
    /// Measure a server under load.
    Bench(Box<Asked>),
}

impl Tool {
    /// Does what was asked for.
    pub fn run(&self) -> Result<(), Failure> {
        match self {
            Tool::Connect(asked) => connect::connect(asked),
            Tool::Bench(asked) => bench::bench(asked),
        }
    }
}
