//! What can be typed to go to a server of others: `connect` and `bench`, each of which has flags of its own.
//!
//! In this folder: `connect.rs`, `bench.rs` (the flags of each), `reach.rs` (those that they share).
//!
//! Not here: the other subcommands (`daemon/cli.rs`), what is done with it (`daemon/tools/`).

mod bench;
mod connect;
mod reach;
#[cfg(test)]
mod tests;

use clap::Subcommand;

use super::{Command, Invocation};
use crate::daemon::config::Flags;
use crate::daemon::tools::Tool;
use bench::TypedBench;
use connect::TypedConnect;

#[derive(Debug, Subcommand)]
pub enum TypedTool {
    /// Talk to a WebSocket server: lines become messages, messages become lines; comes back when it is cut off
    #[command(after_help = format!("{REACH_HELP_END}{CONNECT_HELP_END}"))]
    Connect(Box<TypedConnect>),
    /// Load a WebSocket server, and report rates, latencies, and what its process spends
    #[command(after_help = format!("{BENCH_HELP_END}{REACH_HELP_END}{BENCH_EXIT_CODES}"))]
    Bench(Box<TypedBench>),
}

/// Of all that reach a server of others.
const REACH_HELP_END: &str = "\
Credentials may also come from the environment: BAREWIRE_CONNECT_BASIC (USER:PASSWORD) or BAREWIRE_CONNECT_TOKEN.
With wss:// to this machine barewire's development certificate is trusted beside the system's authorities.
";

const CONNECT_HELP_END: &str = "\
After the last line everything is answered before it closes. Exit codes: 0 closed by us in good order; 1 refused for good,
given up, or an answer lost; 2 asked wrongly.";

const BENCH_HELP_END: &str = "\
Modes:
  echo     each connection has --depth messages in flight, and sends the next one when one is answered
  rate     --rate messages a second, each sent when it is due, and its latency counted from then
  fan-out  one more connection publishes, and all others are to get each message
  idle     all are opened, held, and closed
  connect  each is opened and closed, over and over
  slow     as echo, and --stalled more connections send and never read
  storm    all are cut at once, and come back

";

const BENCH_EXIT_CODES: &str =
    "Exit codes: 0 measured without an error; 1 with errors, or not at all; 2 asked wrongly.";

impl TypedTool {
    /// With what was typed before the subcommand, which must be nothing: the flags of the configuration are of no use to these. An
    /// error is a sentence.
    pub fn into_invocation(self, flags: Flags) -> Result<Invocation, String> {
        let (name, tool) = match self {
            TypedTool::Connect(typed) => ("connect", Tool::Connect(Box::new(typed.into_command()))),
            TypedTool::Bench(typed) => ("bench", Tool::Bench(Box::new(typed.into_command()?))),
        };
        match flags.first() {
            Some(flag) => Err(format!("{flag} before {name} is of no use to it; allowed: its own flags, behind it")),
            None => Ok(Invocation { command: Command::Tool(tool), flags }),
        }
    }
}
