//! What can be typed behind `barewire connect`, for clap; the doc comments of the fields are the help.
//!
//! Not here: the other subcommands (`daemon/cli/tools.rs`), the flags that `bench` has too (`reach.rs`), what is done with it
//! (`daemon/tools/connect/`).

use std::str::FromStr;
use std::time::Duration;

use barewire::limits::{HEARTBEAT_INTERVAL_MIN, MESSAGE_BYTES_MAX, TIMEOUT_MAX};
use clap::Args;
use log::LevelFilter;

use super::reach::{TypedServer, TypedWho, reach};
use crate::daemon::config::{self, Secret};
use crate::daemon::tools::connect::Connect;

const SAID: &str = "What is said and shown";
const BACK: &str = "Coming back";

#[derive(Debug, Args)]
pub struct TypedConnect {
    /// Where to: wss://host[:port]/path, or ws://
    #[arg(value_name = "URL")]
    url: Secret,

    #[command(flatten)]
    who: TypedWho,

    /// Subscribe to this channel, on every open; repeatable
    #[arg(long, value_name = "CHANNEL", help_heading = SAID)]
    subscribe: Vec<String>,
    /// Say each line to this channel, as the payload of a chat message, instead of sending it as it is
    #[arg(long, value_name = "CHANNEL", help_heading = SAID)]
    publish: Option<String>,
    /// Show everything that happens on standard output, each as a JSON object on a line
    #[arg(long, help_heading = SAID)]
    json: bool,
    /// Read no lines: listen until a signal comes
    #[arg(long, help_heading = SAID)]
    no_input: bool,
    /// After the last line, stay until nothing has come for so long: some servers answer pings before messages
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait, help_heading = SAID)]
    wait: Duration,
    /// Do not tell on standard error what happens, but for why it fails
    #[arg(long, short, help_heading = SAID)]
    quiet: bool,
    /// Largest message, in and out
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = message_bytes, help_heading = SAID)]
    message_bytes: usize,
    /// The least severe level to log: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = level, help_heading = SAID)]
    log_level: LevelFilter,

    /// Give up after this many attempts to come back; without it never
    #[arg(long, value_name = "COUNT", help_heading = BACK, conflicts_with = "no_reconnect")]
    max_attempts: Option<u32>,
    /// Do not come back
    #[arg(long, help_heading = BACK)]
    no_reconnect: bool,
    /// Between two pings; a server that is silent for a whole interval is given up
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = heartbeat, help_heading = BACK)]
    heartbeat: Duration,

    #[command(flatten)]
    server: TypedServer,
}

impl TypedConnect {
    pub fn into_command(self) -> Connect {
        Connect {
            reach: reach(self.url, self.who, self.server),
            subscribe: self.subscribe,
            publish: self.publish,
            json: self.json,
            no_input: self.no_input,
            wait: self.wait,
            quiet: self.quiet,
            message_bytes: self.message_bytes,
            log_level: self.log_level,
            max_attempts: if self.no_reconnect { Some(0) } else { self.max_attempts },
            heartbeat: self.heartbeat,
        }
    }
}

fn level(text: &str) -> Result<LevelFilter, &'static str> {
    LevelFilter::from_str(text).map_err(|_| "allowed: off, error, warn, info, debug, trace")
}

fn message_bytes(text: &str) -> Result<usize, String> {
    let allowed = || format!("allowed: 1 to {MESSAGE_BYTES_MAX} bytes, such as 64KiB");
    let bytes = config::size(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if (1..=MESSAGE_BYTES_MAX).contains(&bytes) { Ok(bytes) } else { Err(allowed()) }
}

fn wait(text: &str) -> Result<Duration, String> {
    let allowed = || format!("allowed: up to {} h", TIMEOUT_MAX.as_secs() / 3600);
    let wait = config::duration(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if wait <= TIMEOUT_MAX { Ok(wait) } else { Err(allowed()) }
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let allowed = || format!("allowed: {HEARTBEAT_INTERVAL_MIN:?} to {} h", TIMEOUT_MAX.as_secs() / 3600);
    let interval = config::duration(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if (HEARTBEAT_INTERVAL_MIN..=TIMEOUT_MAX).contains(&interval) { Ok(interval) } else { Err(allowed()) }
}
