//! What can be typed behind `barewire bench`, for clap; the doc comments of the fields are the help.
//!
//! Not here: the other subcommands (`daemon/cli/tools.rs`), the flags that `connect` has too (`reach.rs`), what is done with it
//! (`daemon/tools/bench/`).

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use barewire::limits::{MESSAGE_BYTES_MAX, TIMEOUT_MAX};
use clap::Args;

use super::reach::{TypedServer, TypedWho, reach};
use crate::daemon::config::{self, Secret};
use crate::daemon::tools::bench::mode::{
    DEPTH_DEFAULT, JITTER_DEFAULT, RATE_DEFAULT, ROUNDS_DEFAULT, SIZE_DEFAULT, STALLED_DEFAULT, WAVES_DEFAULT,
};
use crate::daemon::tools::bench::{Asked, Content, Jitter, Mode, ModeName};

const LOAD: &str = "The load";
const SAID: &str = "What is said";
const OWN: &str = "Of one mode alone";
const SHOWN: &str = "What is measured and shown";

const CONNECTIONS_MAX: usize = 1_000_000;
const DEPTH_MAX: usize = 65_536;
const RATE_MAX: u64 = 100_000_000;
const TIMES_MAX: usize = 10_000;
const DURATION_MIN: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct TypedBench {
    /// What is measured: echo, rate, fan-out, idle, connect, slow or storm
    #[arg(value_name = "MODE", value_parser = mode)]
    mode: ModeName,
    /// Where to: wss://host[:port]/path, or ws://
    #[arg(value_name = "URL")]
    url: Secret,

    /// Connections at once; of fan-out the subscribers
    #[arg(long, short, value_name = "COUNT", default_value = "50", value_parser = connections, help_heading = LOAD)]
    connections: usize,
    /// How long is measured; of idle how long a wave is held, of storm how long a round may take
    #[arg(long, short, value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = LOAD)]
    duration: Duration,
    /// How long it goes on before that
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = warm_up, help_heading = LOAD)]
    warm_up: Duration,
    /// How many handshakes at a time while the connections are opened
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = connections, help_heading = LOAD)]
    open_at_once: usize,
    /// Come from this address; repeatable, the connections take them in turn: each has some 28 000 ports to one server
    #[arg(long, value_name = "ADDRESS", value_parser = source, help_heading = LOAD)]
    source: Vec<IpAddr>,
    /// For all that is random, so that it is the same again; another each time without it
    #[arg(long, value_name = "NUMBER", help_heading = LOAD)]
    seed: Option<u64>,

    /// Bytes of a message, of printable text; 20 without it
    #[arg(long, value_name = "BYTES", value_parser = size, help_heading = SAID, conflicts_with_all = ["message", "message_file"])]
    size: Option<usize>,
    /// A message, in which {number}, {connection}, {time} and {random} stand for what they say
    #[arg(long, value_name = "TEMPLATE", help_heading = SAID, conflicts_with = "message_file")]
    message: Option<Secret>,
    /// The same from a file, to its last byte
    #[arg(long, value_name = "FILE", help_heading = SAID)]
    message_file: Option<PathBuf>,
    /// In binary messages
    #[arg(long, help_heading = SAID)]
    binary: bool,
    /// Each connection says this once it is open, before anything is measured; repeatable
    #[arg(long, value_name = "MESSAGE", help_heading = SAID)]
    on_open: Vec<Secret>,
    /// Offer permessage-deflate
    #[arg(long, help_heading = SAID)]
    deflate: bool,

    /// Messages in flight on a connection (echo), or published and not yet received by all (fan-out); 1 without it
    #[arg(long, value_name = "COUNT", value_parser = depth, help_heading = OWN)]
    depth: Option<usize>,
    /// Messages a second in all (rate); 1000 without it
    #[arg(long, value_name = "COUNT", value_parser = rate, help_heading = OWN)]
    rate: Option<u64>,
    /// Publish to this channel of a barewire server (fan-out); without it any server that sends each message to all
    #[arg(long, value_name = "CHANNEL", help_heading = OWN)]
    channel: Option<String>,
    /// How often all come, are held and leave (idle); 1 without it
    #[arg(long, value_name = "COUNT", value_parser = times, help_heading = OWN)]
    waves: Option<usize>,
    /// A whole TLS handshake for each connection (connect); without it those after the first are resumed, as far as the server's tickets go
    #[arg(long, help_heading = OWN)]
    no_resumption: bool,
    /// Further connections, which send and never read (slow); 10 without it
    #[arg(long, value_name = "COUNT", value_parser = connections, help_heading = OWN)]
    stalled: Option<usize>,
    /// How those who come back spread (storm): none, proportional or full; proportional without it
    #[arg(long, value_name = "KIND", value_parser = jitter, help_heading = OWN)]
    jitter: Option<Jitter>,
    /// How often all are cut (storm); 3 without it
    #[arg(long, value_name = "COUNT", value_parser = times, help_heading = OWN)]
    rounds: Option<usize>,

    /// Measure this process of the server too, on this machine: its CPU time for each unit and its memory; repeatable
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), help_heading = SHOWN)]
    pid: Vec<u32>,
    /// Report as a JSON object on a line
    #[arg(long, help_heading = SHOWN)]
    json: bool,
    /// Show nothing but the report
    #[arg(long, short, help_heading = SHOWN)]
    quiet: bool,

    #[command(flatten)]
    who: TypedWho,

    #[command(flatten)]
    server: TypedServer,
}

/// Whether a flag is of use in a mode.
type OfUse = fn(ModeName) -> bool;

impl TypedBench {
    /// An error is a sentence.
    pub fn into_command(self) -> Result<Asked, String> {
        self.check_flags()?;
        if self.binary && self.channel.is_some() {
            return Err(
                "--binary is of no use with --channel, whose messages are JSON; allowed: one of them".to_owned()
            );
        }
        let mode = match self.mode {
            ModeName::Echo => Mode::Echo { depth: self.depth.unwrap_or(DEPTH_DEFAULT) },
            ModeName::Rate => Mode::Rate { per_second: self.rate.unwrap_or(RATE_DEFAULT) },
            ModeName::FanOut => Mode::FanOut { depth: self.depth.unwrap_or(DEPTH_DEFAULT), channel: self.channel },
            ModeName::Idle => Mode::Idle { waves: self.waves.unwrap_or(WAVES_DEFAULT) },
            ModeName::Connect => Mode::Connect { resumes: !self.no_resumption },
            ModeName::Slow => Mode::Slow { stalled: self.stalled.unwrap_or(STALLED_DEFAULT) },
            ModeName::Storm => Mode::Storm {
                jitter: self.jitter.unwrap_or(JITTER_DEFAULT),
                rounds: self.rounds.unwrap_or(ROUNDS_DEFAULT),
            },
        };
        let content = match (self.message, self.message_file) {
            (Some(template), _) => Content::Message(template),
            (None, Some(path)) => Content::File(path),
            (None, None) => Content::Size(self.size.unwrap_or(SIZE_DEFAULT)),
        };
        Ok(Asked {
            reach: reach(self.url, self.who, self.server),
            mode,
            connections: self.connections,
            duration: self.duration,
            warm_up: self.warm_up,
            content,
            is_binary: self.binary,
            on_open: self.on_open,
            deflate: self.deflate,
            sources: self.source,
            pids: self.pid,
            json: self.json,
            quiet: self.quiet,
            seed: self.seed,
            open_at_once: self.open_at_once,
        })
    }

    /// Whether all that is given is of use in this mode.
    fn check_flags(&self) -> Result<(), String> {
        let depth = |mode| matches!(mode, ModeName::Echo | ModeName::FanOut);
        let given: [(&str, bool, OfUse); 12] = [
            ("--size", self.size.is_some(), ModeName::speaks),
            ("--message", self.message.is_some(), ModeName::speaks),
            ("--message-file", self.message_file.is_some(), ModeName::speaks),
            ("--binary", self.binary, ModeName::speaks),
            ("--depth", self.depth.is_some(), depth),
            ("--rate", self.rate.is_some(), |mode| mode == ModeName::Rate),
            ("--channel", self.channel.is_some(), |mode| mode == ModeName::FanOut),
            ("--waves", self.waves.is_some(), |mode| mode == ModeName::Idle),
            ("--no-resumption", self.no_resumption, |mode| mode == ModeName::Connect),
            ("--stalled", self.stalled.is_some(), |mode| mode == ModeName::Slow),
            ("--jitter", self.jitter.is_some(), |mode| mode == ModeName::Storm),
            ("--rounds", self.rounds.is_some(), |mode| mode == ModeName::Storm),
        ];
        let mode = self.mode;
        match given.into_iter().find(|(_, is_given, is_of_use)| *is_given && !is_of_use(mode)) {
            None => Ok(()),
            Some((flag, _, is_of_use)) => {
                let modes: Vec<_> =
                    ModeName::ALL.into_iter().filter(|mode| is_of_use(*mode)).map(ModeName::text).collect();
                Err(format!("{flag} is of no use to bench {}; allowed: with {}", mode.text(), modes.join(", ")))
            }
        }
    }
}

fn mode(text: &str) -> Result<ModeName, String> {
    let known = ModeName::ALL.into_iter().find(|mode| mode.text() == text);
    known.ok_or_else(|| format!("allowed: {}", ModeName::ALL.map(ModeName::text).join(", ")))
}

fn jitter(text: &str) -> Result<Jitter, &'static str> {
    match text {
        "none" => Ok(Jitter::None),
        "proportional" => Ok(Jitter::Proportional),
        "full" => Ok(Jitter::Full),
        _ => Err("allowed: none, proportional or full"),
    }
}

fn source(text: &str) -> Result<IpAddr, &'static str> {
    // As IPv4, where that is written as IPv6.
    let is_one = |addr: &IpAddr| match addr.to_canonical() {
        IpAddr::V4(addr) => !(addr.is_unspecified() || addr.is_multicast() || addr.is_broadcast()),
        IpAddr::V6(addr) => !(addr.is_unspecified() || addr.is_multicast()),
    };
    text.parse().ok().filter(is_one).ok_or("allowed: the address of one machine, such as 127.0.0.2 or ::1")
}

fn connections(text: &str) -> Result<usize, String> {
    count(text, CONNECTIONS_MAX)
}

fn depth(text: &str) -> Result<usize, String> {
    count(text, DEPTH_MAX)
}

fn times(text: &str) -> Result<usize, String> {
    count(text, TIMES_MAX)
}

fn rate(text: &str) -> Result<u64, String> {
    count(text, RATE_MAX)
}

fn count<N: FromStr + PartialOrd + Display + From<u8>>(text: &str, most: N) -> Result<N, String> {
    let number = text.parse().ok().filter(|number: &N| *number >= N::from(1) && *number <= most);
    number.ok_or_else(|| format!("allowed: 1 to {most}"))
}

fn size(text: &str) -> Result<usize, String> {
    let allowed = || format!("allowed: 0 to {MESSAGE_BYTES_MAX} bytes, such as 64KiB");
    let bytes = config::size(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if bytes <= MESSAGE_BYTES_MAX { Ok(bytes) } else { Err(allowed()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    span(text, DURATION_MIN..=TIMEOUT_MAX)
}

fn warm_up(text: &str) -> Result<Duration, String> {
    span(text, Duration::ZERO..=TIMEOUT_MAX)
}

fn span(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let hours = range.end().as_secs() / 3600;
    let allowed = || match *range.start() {
        Duration::ZERO => format!("allowed: up to {hours} h, such as 500ms"),
        least => format!("allowed: {least:?} to {hours} h, such as 10s"),
    };
    let duration = config::duration(text).map_err(|reason| format!("{reason}; {}", allowed()))?;
    if range.contains(&duration) { Ok(duration) } else { Err(allowed()) }
}
