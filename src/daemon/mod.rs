//! The program around the library: command line, configuration, log output, signals, exit codes.
//!
//! Exit codes: 0 after an orderly end, 1 for what went wrong while running, 2 for what was asked wrongly.
//!
//! Not here: anything that a host without this program would need (the library).

mod cli;
mod config;
mod credentials;
mod gen_token;
mod hash_password;
mod logger;
mod serve;
mod signals;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use cli::Command;

/// Runs the program.
pub fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(outcome) => {
            match &outcome {
                cli::Outcome::Answer(text) => say(text.trim_end()),
                cli::Outcome::Misuse(text) => complain(text.trim_end()),
            }
            return ExitCode::from(outcome.exit_code());
        }
    };
    if let Command::HashPassword(asked) = &invocation.command {
        // It needs no configuration, and so no good one.
        return finish(hash_password::hash_password(asked));
    }
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    let settings = match config::load(&invocation.flags, std::env::vars_os(), read) {
        Ok(settings) => settings,
        Err(error) => {
            complain(format_args!("barewire: {error}"));
            return ExitCode::from(config::EXIT_CODE);
        }
    };
    finish(match &invocation.command {
        Command::Serve => serve::serve(&settings),
        Command::GenToken(asked) => gen_token::gen_token(&settings, asked),
        Command::HashPassword(asked) => hash_password::hash_password(asked),
    })
}

fn finish(result: Result<(), serve::Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(format_args!("barewire: {}", failure.sentence));
            ExitCode::from(failure.exit_code)
        }
    }
}

/// One line on standard output. Nobody may be listening, and that is no reason to stop.
fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line on standard error, likewise.
fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
