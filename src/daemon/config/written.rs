//! The configuration as a TOML file: every key with its meaning, its value, and who set it. Read back by `--config`, it
//! makes the same settings; users are no keys, so they stand in it as comments, without their passwords.
//!
//! Not here: reading such a file (`sources.rs`).

use std::fmt::Write as _;
use std::path::Path;

use super::keys::Key;
use super::table::KEYS;
use super::{Configuration, in_one_line};
use barewire::limits::USER_ID_BYTES;
use barewire::wire::message::escape_for_log;

/// See the module. Paths that are not absolute begin in `folder`, and are written out.
pub fn written(configuration: &Configuration, folder: &Path) -> String {
    let mut settings = configuration.settings.clone();
    let mut text = String::from("# The effective configuration, for --config. In brackets: who set a key.\n");
    for user in &settings.users {
        let name = escape_for_log(&user.name, USER_ID_BYTES);
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "# A user, who is no key, and whose password is not shown: --user {name}:PASSWORD");
    }
    let mut sections: Vec<&str> = Vec::new();
    for key in KEYS {
        key.resolve(&mut settings, folder);
        if !sections.contains(&key.section()) {
            sections.push(key.section());
        }
    }
    for section in sections {
        let _ = writeln!(text, "\n[{section}]");
        for key in KEYS.iter().filter(|key| key.section() == section) {
            let origin = configuration.origins.get(key.name);
            let origin = origin.map(|origin| format!(" [{}]", in_one_line(origin))).unwrap_or_default();
            let shown = key.show(&settings);
            let value = if key.is_bare() { shown } else { quoted(&shown) };
            let _ = writeln!(text, "# {}{origin}\n{} = {value}", key.doc, short(key));
        }
    }
    text
}

fn short(key: &Key) -> &'static str {
    key.name.split_once('.').map_or(key.name, |(_, short)| short)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
