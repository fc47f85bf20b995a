//! What `--write` replaces: the README's figures, between two comments, and the picture beside them.
//!
//! Not here: the text itself (`told.rs`), the picture (`plot.rs`).

use std::fs;
use std::path::PathBuf;

use super::ground::Ground;
use super::options::Options;
use super::results::Results;
use super::{plot, told};

const BEGIN: &str = "<!-- versus: what `cargo bench --bench versus -- --write` has measured -->\n";
const END: &str = "<!-- /versus -->\n";
const WIDTH: usize = 120;

pub fn write(results: &Results, ground: &Ground, options: &Options) -> Result<(), String> {
    let readme = ground.file_of_package("README.md");
    let text = fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
    let (before, rest) = text.split_once(BEGIN).ok_or(format!("README.md: no line {}", BEGIN.trim()))?;
    let (_, after) = rest.split_once(END).ok_or(format!("README.md: no line {}", END.trim()))?;
    let (middle, most) = results.spread();
    let said = format!(
        "{}. Median of {} rounds of {} s; between its least and its most round a figure differs by {:.0} % as a rule, by {:.0} % \
         at most; load average before it {}.",
        told::machine(ground),
        options.rounds,
        options.seconds,
        middle * 100.0,
        most * 100.0,
        ground.load_average,
    );
    let text = format!("{before}{BEGIN}{}\n{}\n{END}{after}", wrap(&said), told::tables(results).trim());
    put(readme, &text)?;
    put(ground.file_of_package("benches/versus/figures.svg"), &plot::draw(results))
}

fn put(file: PathBuf, text: &str) -> Result<(), String> {
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Lines of a width that reads well.
fn wrap(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.chars().count() > WIDTH {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.chars().count();
    }
    lines.push('\n');
    lines
}
