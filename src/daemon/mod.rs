//! The program around the library: command line, configuration, log output, signals, exit codes.
//!
//! Exit codes: 0 after an orderly end, 1 for what went wrong while running, 2 for what was asked wrongly.
//!
//! Not here: anything that a host without this program would need (the library).

mod check;
mod cli;
mod config;
mod credentials;
mod failure;
mod gen_token;
mod hash_password;
mod health;
mod logger;
mod prepare;
mod print_config;
mod serve;
mod signals;
#[cfg(feature = "tools")]
mod tools;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use barewire::limits::LOG_EXIT_TIMEOUT;
use cli::{Command, Invocation};
use failure::Failure;

/// Runs the program.
pub fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(outcome) => {
            return match &outcome {
                cli::Outcome::Answer(text) => end(answer(text.trim_end())),
                cli::Outcome::Misuse(text) => {
                    complain(text.trim_end());
                    ExitCode::from(outcome.exit_code())
                }
            };
        }
    };
    end(run(&invocation))
}

/// The exit code, and where something has gone wrong the line that says it.
fn end(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain_in_time(format!("barewire: {}", failure.sentence));
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Does what was asked for.
fn run(invocation: &Invocation) -> Result<(), Failure> {
    let _written_at_the_end = FlushLog;
    // What needs no configuration needs no good one.
    let load = || {
        let read = |path: &Path| std::fs::read_to_string(path);
        config::load(&invocation.flags, std::env::vars_os(), read)
    };
    match &invocation.command {
        Command::Serve => serve::serve(&load()?.settings),
        Command::Check => check::check(&load()?),
        Command::PrintConfig => print_config::print_config(&load()?),
        Command::Health => health::health(&load()?.settings),
        Command::GenToken(asked) => gen_token::gen_token(&load()?.settings, asked),
        Command::HashPassword(asked) => hash_password::hash_password(asked),
        #[cfg(feature = "tools")]
        Command::Tool(tool) => tool.run(),
    }
}

/// The address at which this machine reaches a listener: an unspecified one is on the loopback too.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// However the program ends, what waits of the log is written first, if that is soon.
struct FlushLog;

impl Drop for FlushLog {
    fn drop(&mut self) {
        log::logger().flush();
    }
}

/// What was asked for, on standard output. A reader who has heard enough has closed it; whoever else does not take it is an
/// error: nobody has what was asked for.
fn answer(text: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::runtime(format!("standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// One line on standard output. Nobody may be listening, and that is no reason to stop.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// One line on standard error, likewise.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The same behind a log, which may be stuck: that must not hold up the exit.
fn complain_in_time(line: String) {
    let (told, is_told) = mpsc::channel();
    let tell = move || {
        complain(line);
        let _ = told.send(());
    };
    if thread::Builder::new().spawn(tell).is_ok() {
        let _ = is_told.recv_timeout(LOG_EXIT_TIMEOUT);
    }
}
