//! How large barewire is, by what is built of it: the stripped program, and what it keeps resident once it listens. The first
//! row is a program that only says a word: what the standard library takes by itself. `cargo bench --bench size` builds each
//! into `target/size` and prints the table of the README; it takes some minutes, for each is optimised as a whole. With a word
//! behind it, such as `-- host`, only the rows that have it in their name.
//!
//! Not here: memory per session (`connections.rs`, `versus.rs`).

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "arguments/mod.rs"]
mod arguments;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What is built.
struct Subject {
    name: &'static str,
    profile: &'static str,
    features: &'static str,
    /// A host (`examples/smallest.rs`), or the program.
    is_host: bool,
}

const SUBJECTS: &[Subject] = &[
    Subject { name: "a host, no features", profile: "release", features: "", is_host: true },
    Subject { name: "a host, no features, `small`", profile: "small", features: "", is_host: true },
    Subject { name: "a host, `tls`", profile: "release", features: "tls", is_host: true },
    Subject { name: "a host, `tls` and `auth`", profile: "release", features: "tls,auth", is_host: true },
    Subject { name: "the program", profile: "release", features: "tools", is_host: false },
    Subject { name: "the program without `tools`", profile: "release", features: "daemon", is_host: false },
    Subject { name: "the program, `small`", profile: "small", features: "tools", is_host: false },
    Subject { name: "the program without `tools`, `small`", profile: "small", features: "daemon", is_host: false },
];

fn main() {
    let about = "Builds each row from nothing; some minutes. PART: only rows that have it in their name.";
    let asked = arguments::of_process("cargo bench --no-default-features --bench size [-- PART]", about, 1)
        .pop()
        .unwrap_or_default();
    if !SUBJECTS.iter().any(|subject| subject.name.contains(&asked)) {
        eprintln!("{asked}: no row has it in its name; they are:");
        SUBJECTS.iter().for_each(|subject| eprintln!("  {}", subject.name));
        std::process::exit(2);
    }
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    println!("barewire {}, {}, {}\n", env!("CARGO_PKG_VERSION"), rustc.trim(), std::env::consts::ARCH);
    println!("| built | stripped, bytes | resident at the start, KiB | of it its own |\n|---|---|---|---|");
    println!("| a program that says a word | {} | | |", word());
    for subject in SUBJECTS.iter().filter(|subject| subject.name.contains(&asked)) {
        let program = build(subject);
        let bytes = std::fs::metadata(&program).unwrap().len();
        let Memory { resident, own } = started(&program, subject.is_host);
        println!("| {} | {bytes} | {resident} | {own} |", subject.name);
    }
}

/// The size of the first row, in bytes.
fn word() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/size");
    std::fs::create_dir_all(&folder).unwrap();
    let (source, program) = (folder.join("word.rs"), folder.join("word"));
    std::fs::write(&source, "fn main() { println!(\"hello\"); }").unwrap();
    let options = ["--edition=2024", "-Copt-level=2", "-Clto=fat", "-Ccodegen-units=1", "-Cstrip=symbols", "-o"];
    let status = Command::new("rustc").args(options).arg(&program).arg(&source).status().unwrap();
    assert!(status.success(), "rustc builds nothing");
    std::fs::metadata(&program).unwrap().len()
}

fn build(subject: &Subject) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/size");
    let what: &[&str] = if subject.is_host { &["--example", "smallest"] } else { &["--bin", "barewire"] };
    let status = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--quiet", "--no-default-features", "--profile", subject.profile])
        .args(["--features", subject.features])
        .arg("--target-dir")
        .arg(&target)
        .args(what)
        .status()
        .unwrap();
    assert!(status.success(), "{} does not build", subject.name);
    target.join(subject.profile).join(if subject.is_host { "examples/smallest" } else { "barewire" })
}

/// Kibibytes.
struct Memory {
    resident: u64,
    /// What is no file's: the rest is pages of the program and of the system's libraries, as far as they were touched.
    own: u64,
}

/// What it has once it says that it listens, with TLS where it is built with it.
fn started(program: &Path, is_host: bool) -> Memory {
    let mut command = Command::new(program);
    if !is_host {
        command.arg("--listen");
    }
    let child = command.arg("127.0.0.1:0").env_clear().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Ends(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    // Said once it listens: by the host its address, by the program that and more.
    let last = if is_host { "listening on " } else { "Try it: " };
    assert!(lines.any(|line| line.unwrap().starts_with(last)), "it does not say that it listens");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Memory { resident: of("VmRSS:"), own: of("RssAnon:") }
}

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
