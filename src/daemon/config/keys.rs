//! A configuration key: its name, default and meaning, what it allows, where it goes in [`Settings`] and how it is printed
//! back.
//!
//! Not here: which keys there are (`table.rs`), the syntax of values (`value.rs`), what must hold between two keys
//! (`checks.rs`), which key was meant (`nearest.rs`).

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Settings;
use super::value::{self, Value};

/// One key: a row of [`KEYS`](super::KEYS).
#[derive(Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// The default, as text that the key itself accepts.
    pub default: &'static str,
    /// One line: what it is, in which unit, what happens at it.
    pub doc: &'static str,
    pub(super) kind: Kind,
}

/// What a key takes, and where in [`Settings`] that is.
#[derive(Debug)]
pub(super) enum Kind {
    Size(RangeInclusive<usize>, Field<usize>),
    Count(RangeInclusive<usize>, Field<usize>),
    Small(RangeInclusive<u8>, Field<u8>),
    Duration(RangeInclusive<Duration>, Field<Duration>),
    Boolean(Field<bool>),
    File(Field<Option<PathBuf>>),
    Custom {
        allowed: &'static str,
        set: fn(&mut Settings, &Value) -> Result<(), String>,
        show: fn(&Settings) -> String,
    },
}

/// A place in [`Settings`].
#[derive(Debug)]
pub(super) struct Field<T> {
    pub read: fn(&Settings) -> &T,
    pub write: fn(&mut Settings) -> &mut T,
}

impl Key {
    /// The part of the name before the dot: a table of the file.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The environment variable that sets this key: `BAREWIRE_<SECTION>_<KEY>`.
    pub fn variable(&self) -> String {
        format!("{}{}", super::VARIABLE_PREFIX, self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// What the key takes, as it ends an error and stands in `--help`.
    pub fn allowed(&self) -> String {
        match &self.kind {
            Kind::Size(range, _) => {
                let [min, max] = [range.start(), range.end()].map(|bytes| value::write_size(*bytes, " "));
                format!("{min} to {max}, such as 64KiB")
            }
            Kind::Count(range, _) => format!("{} to {}", range.start(), range.end()),
            Kind::Small(range, _) => format!("{} to {}", range.start(), range.end()),
            Kind::Duration(range, _) => {
                let [min, max] = [range.start(), range.end()].map(|duration| value::write_duration(*duration, " "));
                format!("{min} to {max}, such as 10s")
            }
            Kind::Boolean(_) => "true or false".into(),
            Kind::File(_) => "the path of a file, or nothing".into(),
            Kind::Custom { allowed, .. } => (*allowed).into(),
        }
    }

    /// Sets this key. An error is the reason alone (`not a size`), and leaves `settings` as they were.
    pub fn set(&self, settings: &mut Settings, value: &Value) -> Result<(), String> {
        match &self.kind {
            Kind::Size(range, field) => *(field.write)(settings) = within(range, value.size()?)?,
            Kind::Count(range, field) => *(field.write)(settings) = within(range, value.count()?)?,
            Kind::Small(range, field) => {
                *(field.write)(settings) = within(range, u8::try_from(value.count()?).unwrap_or(u8::MAX))?;
            }
            Kind::Duration(range, field) => *(field.write)(settings) = within(range, value.duration()?)?,
            Kind::Boolean(field) => *(field.write)(settings) = value.boolean()?,
            Kind::File(field) => *(field.write)(settings) = given(value.text()?),
            Kind::Custom { set, .. } => set(settings, value)?,
        }
        Ok(())
    }

    /// Where the key names a file by a path that is not absolute, takes that from `folder` on.
    pub fn resolve(&self, settings: &mut Settings, folder: &Path) {
        match &self.kind {
            Kind::File(field) => {
                if let Some(path) = (field.write)(settings) {
                    *path = folder.join(&path);
                }
            }
            Kind::Size(..) | Kind::Count(..) | Kind::Small(..) | Kind::Duration(..) => {}
            Kind::Boolean(_) | Kind::Custom { .. } => {}
        }
    }

    /// Whether [`Key::show`] gives a number or a boolean of TOML; everything else is a string there.
    pub fn is_bare(&self) -> bool {
        match &self.kind {
            Kind::Count(..) | Kind::Small(..) | Kind::Boolean(_) => true,
            Kind::Size(..) | Kind::Duration(..) | Kind::File(_) | Kind::Custom { .. } => false,
        }
    }

    /// The value in `settings`, as text that [`Key::set`] reads back as the same.
    pub fn show(&self, settings: &Settings) -> String {
        match &self.kind {
            Kind::Size(_, field) => value::write_size(*(field.read)(settings), ""),
            Kind::Count(_, field) => (field.read)(settings).to_string(),
            Kind::Small(_, field) => (field.read)(settings).to_string(),
            Kind::Duration(_, field) => value::write_duration(*(field.read)(settings), ""),
            Kind::Boolean(field) => (field.read)(settings).to_string(),
            Kind::File(field) => show_file((field.read)(settings).as_ref()),
            Kind::Custom { show, .. } => show(settings),
        }
    }
}

fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: T) -> Result<T, String> {
    if range.contains(&value) { Ok(value) } else { Err("out of range".into()) }
}

/// An empty text is none, as a path too.
pub(super) fn given<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    if text.is_empty() { None } else { Some(text.into()) }
}

fn show_file(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}
