//! The header lines of a head that was taken apart, as requests and answers both have them.
//!
//! Not here: what any one header means (`head.rs`, `response_head.rs`), the grammar of lists (`grammar.rs`).

use std::ops::Range;

use super::grammar::elements;

/// A head and where its header lines are in it, in two allocations. It has no `Debug`: values may be credentials.
pub(super) struct Fields {
    raw: Box<[u8]>,
    lines: Box<[Line]>,
}

/// Where a header line's two parts are.
struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl Fields {
    /// Keeps `head`, of which `lines` are slices.
    pub(super) fn new(head: &[u8], lines: &[httparse::Header<'_>]) -> Fields {
        let place = |line: &httparse::Header<'_>| Line {
            name: range_within(head, line.name.as_bytes()),
            value: range_within(head, line.value),
        };
        Fields { raw: head.into(), lines: lines.iter().map(place).collect() }
    }

    /// What it keeps, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.raw.len() + size_of_val(&*self.lines)
    }

    /// All lines in their order, the whitespace around the values removed.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| (self.text(&line.name), self.bytes(&line.value)))
    }

    /// The values of all lines named `name`, in any case.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_named = move |line: &&Line| self.bytes(&line.name).eq_ignore_ascii_case(name.as_bytes());
        self.lines.iter().filter(is_named).map(|line| self.bytes(&line.value))
    }

    /// The elements of the list that all lines named `name` make together (RFC 9110, section 5.6.1).
    pub(super) fn tokens(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.values(name).flat_map(elements)
    }

    /// Whether that list has the word, in any case.
    pub(super) fn lists(&self, name: &str, word: &str) -> bool {
        self.tokens(name).any(|token| token.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// A part of the head, for what is known to be ASCII.
    pub(super) fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(self.bytes(range)).unwrap_or_default()
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }
}

/// Where `part`, a slice of `whole`, lies in it. An empty part may point anywhere.
pub(super) fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}
