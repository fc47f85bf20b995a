//! What was asked on the command line.
//!
//! Not here: the rows and servers that can be chosen (`rows.rs`, `peers.rs`).

use super::peers::Peer;
use super::rows::{self, Row};

pub const USAGE: &str = "\
cargo bench --bench versus [-- FLAGS]

  --only NAMES   servers of these names only, separated by commas: barewire, Bun, fastwebsockets, ...; parts of names will do
  --rows NAMES   these rows only, separated by commas: echo-20, tls, fan-out, idle, ...; parts of names will do
  --rounds N     rounds, of which the median counts (3)
  --seconds S    how long each is measured (1.8)
  --quick        one round of half a second: whether it works
  --write        put what was measured into the README, and draw benches/versus/figures.svg
  --help         this
";

pub const ROWS: &str = "allowed: parts of the keys that a run prints";

#[derive(Debug)]
pub struct Options {
    only: Vec<String>,
    rows: Vec<String>,
    pub rounds: usize,
    pub seconds: f64,
    pub write: bool,
}

impl Options {
    /// None where help is wanted.
    pub fn of_process() -> Result<Option<Options>, String> {
        let mut options = Options { only: Vec::new(), rows: Vec::new(), rounds: 3, seconds: 1.8, write: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            let names = |value: String| value.split(',').map(str::to_lowercase).collect();
            match argument.as_str() {
                // Cargo says so of itself.
                "--bench" => {}
                "--only" => options.only = names(value()?),
                "--rows" => options.rows = names(value()?),
                "--rounds" => options.rounds = number(&argument, &value()?, |&rounds: &usize| rounds > 0)?,
                "--seconds" => options.seconds = number(&argument, &value()?, |&seconds: &f64| seconds > 0.0)?,
                "--quick" => (options.rounds, options.seconds) = (1, 0.5),
                "--write" => options.write = true,
                "--help" => return Ok(None),
                other => return Err(format!("{other}: unknown\n\n{USAGE}")),
            }
        }
        Ok(Some(options))
    }

    pub fn rows(&self) -> Vec<Row> {
        rows::all().into_iter().filter(|row| is_among(&self.rows, row.key)).collect()
    }

    pub fn rows_asked(&self) -> String {
        self.rows.join(",")
    }

    pub fn wants(&self, peer: Peer) -> bool {
        is_among(&self.only, peer.name())
    }
}

/// No names are all of them.
fn is_among(asked: &[String], name: &str) -> bool {
    asked.is_empty() || asked.iter().any(|asked| name.to_lowercase().contains(asked.as_str()))
}

fn number<N: std::str::FromStr>(flag: &str, value: &str, is_allowed: impl Fn(&N) -> bool) -> Result<N, String> {
    value.parse().ok().filter(is_allowed).ok_or_else(|| format!("{flag} {value}: allowed: a number above 0"))
}
