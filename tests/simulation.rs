//! Random peers against the engine and the daemon's router, many seeds. A seed that fails is printed:
//!
//! ```text
//! BAREWIRE_SIM_SEED=1234 cargo test --test simulation      that one alone
//! BAREWIRE_SIM_SEEDS=20000 cargo test --test simulation    so many, from 0 on
//! ```
//!
//! Not here: what peers do and what must hold (`common/simulator.rs`, `common/model.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;

use common::simulator::Simulator;

const SEEDS: u64 = 1000;
const STEPS: usize = 120;

/// What that many seeds must have come by, each at least this often, or they prove little.
const MARKS: &[(&str, usize)] = &[
    ("open to the end", 2000),
    ("written in part", 2000),
    ("deflated messages said", 1000),
    ("deflated messages heard", 1000),
    ("not read", 30),
    ("429 for its address", 100),
    ("429 for wrong credentials", 100),
    ("refused", 1000),
    ("refused unseen", 10),
    ("authentication_failed", 100),
    ("crowded", 50),
    ("head_timeout", 100),
    ("heartbeat_lost", 50),
    ("host", 100),
    ("http_refused", 100),
    ("invalid_utf8", 10),
    ("message_timeout", 50),
    ("message_too_big", 10),
    ("not read near the ceiling", 10),
    ("overloaded", 50),
    ("peer_closed", 100),
    ("peer_vanished", 100),
    ("protocol", 30),
    ("rate_limited", 10),
    ("server_shutdown", 100),
    ("slow_consumer", 100),
    ("too_many_control_frames", 10),
    ("too_many_fragments", 100),
    ("transport", 100),
    ("write_stalled", 100),
];

/// Says which seed it was when the run panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {0}: run it alone with BAREWIRE_SIM_SEED={0}", self.0);
        }
    }
}

fn run(seed: u64) -> (u64, BTreeMap<&'static str, usize>) {
    let _named = Seed(seed);
    Simulator::new(seed).run(STEPS)
}

fn asked(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

#[test]
fn whatever_peers_do_each_gets_what_it_is_due_and_nothing_is_left_behind() {
    if let Some(seed) = asked("BAREWIRE_SIM_SEED") {
        run(seed);
        return;
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let seeds = asked("BAREWIRE_SIM_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        for (mark, count) in run(seed).1 {
            *seen.entry(mark).or_default() += count;
        }
    }
    for &(mark, least) in MARKS.iter().filter(|_| seeds >= SEEDS) {
        let count = seen.get(mark).copied().unwrap_or(0);
        assert!(count >= least, "only {count} times {mark:?} in {seeds} seeds: {seen:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let runs: Vec<_> = (0..5).map(run).collect();
    assert_eq!(runs, (0..5).map(run).collect::<Vec<_>>());
    assert_ne!(runs[0].0, runs[1].0);
}
