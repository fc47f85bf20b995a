//! Which key was meant by a name that is none.
//!
//! Not here: the error that tells it (`sources.rs`), the keys (`table.rs`).

use super::keys::Key;
use super::table::KEYS;

impl Key {
    /// The key whose name begins with `name`, or is the fewest edits away from it; `name` may also be a section or a key
    /// alone. None where half of the longer one or more would have to change.
    pub fn nearest(name: &str) -> Option<&'static Key> {
        let begun = KEYS.iter().find(|key| {
            let known = if name.contains('.') { Some(key.name) } else { key.name.split('.').nth(1) };
            known.is_some_and(|known| known.starts_with(name))
        });
        if begun.is_some() && !name.is_empty() && !name.ends_with('.') {
            return begun;
        }
        let distance = |known: &str| (edits_between(name, known), name.len().max(known.len()));
        let distance = |key: &Key| match key.name.split_once('.') {
            Some((section, short)) if !name.contains('.') => distance(section).min(distance(short)),
            Some(_) | None => distance(key.name),
        };
        let (key, (edits, length)) =
            KEYS.iter().map(|key| (key, distance(key))).min_by_key(|(_, (edits, _))| *edits)?;
        (edits * 2 < length).then_some(key)
    }
}

/// Levenshtein's distance, byte by byte.
fn edits_between(a: &str, b: &str) -> usize {
    // The distances from what has been seen of `a` to every prefix of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (seen, from) in a.bytes().enumerate() {
        let (mut diagonal, mut left) = (seen, seen + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, to) in cells.zip(b.bytes()) {
            left = (diagonal + usize::from(from != to)).min(*cell + 1).min(left + 1);
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or_default()
}
