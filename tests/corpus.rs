//! The kept inputs of the fuzzer, through the functions that it calls: what was found once is found again.
//!
//! Not here: the functions (`../fuzz/src/`), fuzzing itself (`../fuzz/README.md`).

#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

/// More in one corpus, and it is time to minimise it: the tests would be slow.
const FILES_MAX: usize = 600;
const BYTES_MAX: u64 = 400 * 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The names in a folder, without this ending.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| name(entry.unwrap()).trim_end_matches(ending).to_owned()).collect()
}

/// Runs every input of a target; the name of one that fails is told.
fn replay(target: &str) {
    let (_, run) = fuzz::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = folder("corpus").join(target);
    let (mut files, mut bytes) = (0, 0);
    for name in names(&corpus, "") {
        let input = fs::read(corpus.join(&name)).unwrap();
        (files, bytes) = (files + 1, bytes + input.len() as u64);
        if panic::catch_unwind(|| run(&input)).is_err() {
            panic!("the target {target} fails for fuzz/corpus/{target}/{name}");
        }
    }
    assert!((10..=FILES_MAX).contains(&files), "{files} files in {}", corpus.display());
    assert!(bytes <= BYTES_MAX, "{bytes} bytes in {}", corpus.display());
}

#[test]
fn the_corpus_of_answer_holds() {
    replay("answer");
}

#[test]
fn the_corpus_of_config_holds() {
    replay("config");
}

#[test]
fn the_corpus_of_dialed_holds() {
    replay("dialed");
}

#[test]
fn the_corpus_of_frames_holds() {
    replay("frames");
}

#[test]
fn the_corpus_of_head_holds() {
    replay("head");
}

#[test]
fn the_corpus_of_message_holds() {
    replay("message");
}

#[test]
fn the_corpus_of_token_holds() {
    replay("token");
}

/// A target that nobody runs would hold whatever it says.
#[test]
fn every_target_has_a_corpus_a_test_and_a_fuzzer() {
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), fuzz::TARGETS.len());
    assert_eq!(names(&folder("corpus"), ""), targets);
    assert_eq!(names(&folder("fuzz_targets"), ".rs"), targets);
    for target in &targets {
        let this = include_str!("corpus.rs");
        assert!(this.contains(&format!("    replay(\"{target}\");")), "no test runs {target}");
        let fuzzer = fs::read_to_string(folder("fuzz_targets").join(format!("{target}.rs"))).unwrap();
        assert!(fuzzer.contains(&format!("barewire_fuzz::{target}::run(input)")), "{target}: {fuzzer}");
        let package = fs::read_to_string(folder("Cargo.toml")).unwrap();
        assert!(package.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target} is not built");
    }
}

/// The name and the version of each package in a lock file.
fn locked(lock: &str) -> BTreeSet<(&str, &str)> {
    fn field<'a>(package: &'a str, name: &str) -> &'a str {
        package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap()
    }
    lock.split("[[package]]").skip(1).map(|package| (field(package, "name"), field(package, "version"))).collect()
}

/// It is the same code that is fuzzed.
#[test]
fn the_fuzzer_has_the_versions_of_the_crate() {
    let own = fs::read_to_string(folder("Cargo.lock")).unwrap();
    let (packages, fuzzed) = (locked(include_str!("../Cargo.lock")), locked(&own));
    let is_known = |name: &str| packages.iter().any(|(known, _)| *known == name);
    let (shared, foreign): (Vec<_>, Vec<_>) = fuzzed.iter().partition(|(name, _)| is_known(name));
    assert!(shared.len() > 50 && !foreign.is_empty());
    let stale: Vec<_> = shared.into_iter().filter(|package| !packages.contains(*package)).collect();
    assert!(stale.is_empty(), "fuzz/Cargo.lock is not in step, see fuzz/README.md: {stale:?}");
}
