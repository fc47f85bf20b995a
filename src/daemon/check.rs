//! `barewire check`: whether `serve` would find everything in order. Opens nothing but the files to read.
//!
//! Not here: what is checked (`daemon/config`, `daemon/prepare.rs`).

use super::config::{Configuration, in_one_line};
use super::failure::Failure;
use super::prepare::prepare;
use super::say;

/// One line that all is well, and which file it was; else why not.
pub fn check(configuration: &Configuration) -> Result<(), Failure> {
    prepare(&configuration.settings)?;
    let file = configuration.file.as_ref().map_or_else(|| "no file".into(), |file| file.display().to_string());
    say(format_args!("the configuration is good ({})", in_one_line(&file)));
    Ok(())
}
