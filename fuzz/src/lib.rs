//! What is fuzzed: one function for each target, which takes any bytes and panics where a promise is broken.
//!
//! libFuzzer calls them with bytes of its own making (`fuzz_targets/`), and `tests/corpus.rs` of the crate, which
//! includes this file, with those of `corpus/`. How to fuzz is said in `README.md`.
//!
//! Not here: peers that do what they are meant to, and time (the crate's `tests/`).

#![allow(dead_code, reason = "of the program's configuration and of the tests' files only a part is used")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

pub mod answer;
pub mod config;
pub mod dialed;
pub mod frames;
pub mod head;
pub mod message;
pub mod token;

mod driver;
mod model;
mod peer;

/// The program's configuration, which is no part of the library. It stands on the library alone, so it can be had without
/// the rest of the program; with `tests/corpus.rs` its own tests come along.
#[path = "../../src/daemon/config/mod.rs"]
mod configuration;

/// Its name, which is that of its corpus too, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("answer", answer::run),
    ("config", config::run),
    ("dialed", dialed::run),
    ("frames", frames::run),
    ("head", head::run),
    ("message", message::run),
    ("token", token::run),
];
