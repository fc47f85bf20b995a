//! `barewire print-config`: what `serve` would run with, as a file.
//!
//! Not here: what it looks like (`daemon/config/written.rs`).

use std::env;

use super::answer;
use super::config::{Configuration, written};
use super::failure::Failure;

/// All keys on standard output.
pub fn print_config(configuration: &Configuration) -> Result<(), Failure> {
    let folder = env::current_dir().map_err(|error| Failure::runtime(format!("no working directory: {error}")))?;
    answer(written(configuration, &folder).trim_end())
}
