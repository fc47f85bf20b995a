//! `barewire connect`: a client for a terminal and for pipes. Lines of standard input become messages, messages become
//! lines of standard output, and what happens to the connection is told on standard error.
//!
//! In this folder: `prepare.rs` (what was asked for becomes a configuration), `input.rs` (the thread that reads lines),
//! `output.rs` (what is shown, and how), `conversation.rs` (the loop).
//!
//! Not here: how it comes back (the library's `client`), credentials and trust (`daemon/tools/reach.rs`), the flags
//! (`daemon/cli/tools/connect.rs`).

mod conversation;
mod input;
mod output;
mod prepare;

use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barewire::Client;
use log::LevelFilter;

use crate::daemon::config::LogFormat;
use crate::daemon::failure::Failure;
use crate::daemon::tools::reach::Reach;
use crate::daemon::{complain, logger, signals};
use conversation::{Conversation, Manner};
use input::Input;
use output::Output;
use prepare::Prepared;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Where to, and as whom.
    pub reach: Reach,
    /// Channels to subscribe to.
    pub subscribe: Vec<String>,
    /// The channel that lines are said to; without one they are sent as they are.
    pub publish: Option<String>,
    /// Whether everything is shown as JSON.
    pub json: bool,
    /// Whether standard input is left alone.
    pub no_input: bool,
    /// How long nothing must have come, after the last line, before it leaves.
    pub wait: Duration,
    /// Whether nothing is told but why it fails.
    pub quiet: bool,
    /// Largest message, in and out.
    pub message_bytes: usize,
    /// The least severe level to log.
    pub log_level: LevelFilter,
    /// Attempts to come back; `None` for any number.
    pub max_attempts: Option<u32>,
    /// Between two pings.
    pub heartbeat: Duration,
}

/// Connects, and goes on until the input has ended and is answered, a signal comes, nobody reads the output any more, or it
/// cannot come back.
pub fn connect(asked: &Connect) -> Result<(), Failure> {
    let Prepared { client, engine, place, notices } = prepare::prepare(asked, |name| env::var_os(name))?;
    let cannot = |what: &str, error: io::Error| Failure::runtime(format!("cannot {what}: {error}"));
    logger::start(asked.log_level, LogFormat::Text).map_err(|error| cannot("start the log", error))?;
    notices.iter().filter(|notice| notice.is_loud || !asked.quiet).for_each(|notice| {
        complain(format_args!("barewire: {}", notice.text));
    });
    let client = Client::connect(client, engine)?;
    let input = match asked.no_input {
        true => Input::none(),
        false => Input::start(asked.message_bytes, client.waker()).map_err(|error| cannot("read lines", error))?,
    };
    let is_ended = Arc::new(AtomicBool::new(false));
    let (end, waker) = (is_ended.clone(), client.waker());
    let end = move || {
        end.store(true, Ordering::Release);
        waker.wake();
    };
    signals::watch_for_end(end).map_err(|error| cannot("watch for signals", error))?;
    let output = Output::new(asked.json, asked.quiet);
    let manner = Manner { place, publish: asked.publish.clone(), wait: asked.wait };
    Conversation::new(client, input, output, manner).run(&is_ended)
}
