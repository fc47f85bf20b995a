//! Requests that are wrong, and requests that are odd but right: each has the fate that the table says, however its
//! bytes are cut, in memory and on real sockets; and so has whatever chance makes of them.
//!
//! Not here: the table itself (`common/odd_requests/`), plain requests and their answers (`http.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod common;
#[cfg(feature = "tls")]
#[path = "common/memory.rs"]
mod memory;
#[path = "common/odd_requests/mod.rs"]
mod odd_requests;
#[cfg(feature = "tls")]
#[path = "common/server.rs"]
mod server;
#[cfg(feature = "tls")]
#[path = "odd_requests/sockets.rs"]
mod sockets;
#[cfg(feature = "tls")]
#[path = "common/tls_client.rs"]
mod tls_client;

use std::collections::BTreeSet;
use std::time::Duration;

use barewire::{EngineConfig, Limits};
use common::chance::Chance;
use common::http::{answers, head, request};
use common::{World, frames};
use odd_requests::{Fate, OddRequest, table};

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// Rows longer than this are cut at every byte of their beginning and their end only.
const LONG: usize = 2048;

/// Limits that are soon reached.
fn small() -> Limits {
    Limits { head_bytes: 512, auth_failures_per_minute: 0, ..Limits::default() }
}

fn world() -> World {
    World::daemon(EngineConfig { limits: small(), ..EngineConfig::default() })
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    written: Vec<u8>,
    ended: bool,
    /// What the host was told of the end.
    told: Vec<String>,
}

/// Sends it in these pieces over a connection of its own, which it then leaves.
fn outcome(world: &mut World, pieces: &[&[u8]]) -> Outcome {
    let id = world.connect();
    for piece in pieces {
        world.input(id, piece);
    }
    let told = world.ends(id).into_iter().map(str::to_owned).collect();
    let outcome = Outcome { written: world.take(id), ended: world.peer(id).ended, told };
    world.end(id);
    world.peers.remove(&id);
    world.history.clear();
    outcome
}

/// The row, and behind it what shows whether anything behind it is looked at.
fn followed(row: &OddRequest) -> Vec<u8> {
    let behind = match row.fate {
        Fate::Refused(_) | Fate::Served(_) | Fate::Last(_) => HEALTH.into(),
        Fate::Opened => frames::text(r#"{"type":"auth","token":"Basic dXNlcjpwYXNz"}"#),
        Fate::Unfinished => Vec::new(),
    };
    [row.bytes.clone(), behind].concat()
}

/// All that was written, split into answers: those to HEAD have no body.
fn statuses(row: &OddRequest, written: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(written).expect("text");
    if row.bytes.starts_with(b"HEAD ") || row.bytes.starts_with(b"\r\nHEAD ") {
        let (first, behind) = head(text);
        let behind = answers(behind.as_bytes());
        return std::iter::once(first.status).chain(behind.iter().map(|answer| answer.status)).collect();
    }
    answers(written).iter().map(|answer| answer.status).collect()
}

/// Panics unless this is what the table says of the row.
fn check(row: &OddRequest, outcome: &Outcome) {
    let Outcome { written, ended, told } = outcome;
    let refused_by = |status: u16| vec![format!("identity: None, reason: HttpRefused({status}) }}")];
    match row.fate {
        Fate::Refused(status) => {
            assert_eq!(statuses(row, written), [status], "{}: {}", row.name, written.escape_ascii());
            let answer = head(std::str::from_utf8(written).unwrap()).0;
            assert!(answer.header("Connection").is_some_and(|value| value.starts_with("close")), "{}", row.name);
            assert_eq!((*ended, told), (true, &refused_by(status)), "{}", row.name);
        }
        Fate::Served(status) => {
            assert_eq!(statuses(row, written), [status, 200], "{}: {}", row.name, written.escape_ascii());
            assert_eq!((*ended, told.len()), (false, 0), "{}", row.name);
        }
        Fate::Last(status) => {
            assert_eq!(statuses(row, written), [status], "{}: {}", row.name, written.escape_ascii());
            let done = vec!["identity: None, reason: HttpDone }".to_owned()];
            let expected = if status < 400 { done } else { refused_by(status) };
            assert_eq!((*ended, told), (true, &expected), "{}", row.name);
        }
        Fate::Opened => {
            assert!(written.starts_with(b"HTTP/1.1 101 "), "{}: {}", row.name, written.escape_ascii());
            let texts: Vec<_> = frames::decode(written).iter().map(frames::Frame::line).collect();
            assert_eq!(texts[0], r#"{"type":"auth_success"}"#, "{}", row.name);
            assert!(!ended, "{}", row.name);
        }
        Fate::Unfinished => {
            assert_eq!((written.len(), *ended, told.len()), (0, false, 0), "{}: {}", row.name, written.escape_ascii());
        }
    }
}

#[test]
fn the_table_has_rows_of_every_kind_and_none_twice() {
    let table = table(&small());
    let of_kind = |is_meant: fn(&Fate) -> bool| table.iter().filter(|row| is_meant(&row.fate)).count();
    assert!(of_kind(|fate| matches!(fate, Fate::Refused(_))) >= 100);
    assert!(of_kind(|fate| matches!(fate, Fate::Served(_))) >= 50);
    assert!(of_kind(|fate| matches!(fate, Fate::Opened)) >= 20);
    let statuses: BTreeSet<u16> =
        table.iter().filter_map(|row| if let Fate::Refused(status) = row.fate { Some(status) } else { None }).collect();
    assert_eq!(Vec::from_iter(statuses), [400, 403, 404, 405, 413, 414, 417, 426, 431, 505]);
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = table.iter().filter(|row| !seen.insert(&row.bytes)).map(|row| &row.name).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_odd_request_has_its_fate_wherever_it_is_cut() {
    for row in &table(&small()) {
        let mut world = world();
        let bytes = followed(row);
        let whole = outcome(&mut world, &[&bytes]);
        check(row, &whole);
        let is_cut_at = |at: &usize| bytes.len() <= LONG || *at < LONG / 4 || *at + LONG / 4 > bytes.len();
        for at in (1..bytes.len()).filter(is_cut_at) {
            let (first, second) = bytes.split_at(at);
            assert_eq!(outcome(&mut world, &[first, second]), whole, "{}, cut at {at}", row.name);
        }
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(outcome(&mut world, &bytewise), whole, "{}, byte by byte", row.name);
        for seed in 0..4 {
            let pieces = Chance::new(seed).cut(&bytes, 1 + bytes.len() / 2);
            assert_eq!(outcome(&mut world, &pieces), whole, "{}, cut with seed {seed}", row.name);
        }
    }
}

#[test]
fn nothing_that_comes_after_a_refusal_is_answered() {
    for row in table(&small()).iter().filter(|row| matches!(row.fate, Fate::Refused(_))) {
        let mut world = world();
        let id = world.connect();
        world.input(id, &row.bytes);
        assert!(!world.take(id).is_empty() && world.peer(id).ended, "{}", row.name);
        // Past the shell, which would throw it away.
        for _ in 0..3 {
            world.engine.handle_input(id, HEALTH.as_bytes());
            world.turn();
        }
        assert_eq!(world.text(id), "", "{}", row.name);
        world.end(id);
        assert!(world.is_gone(id) && world.engine.sessions() == 0, "{}", row.name);
    }
}

#[test]
fn odd_requests_in_a_row_get_each_its_own_answer_and_no_more() {
    let table = table(&small());
    // The answer to HEAD can be told from the others only where one knows which it is.
    let served = |row: &&OddRequest| matches!(row.fate, Fate::Served(_)) && !row.bytes.starts_with(b"HEAD ");
    let served: Vec<_> = table.iter().filter(served).collect();
    for seed in 0..20 {
        let mut chance = Chance::new(seed);
        let row: Vec<_> = (0..50).map(|_| *chance.pick(&served)).collect();
        let bytes = row.iter().flat_map(|row| row.bytes.clone()).collect::<Vec<u8>>();
        let expected: Vec<_> = row.iter().map(|row| row.fate).collect();
        for most in [bytes.len(), 1000, 7, 1] {
            let outcome = outcome(&mut world(), &chance.cut(&bytes, most));
            let fates: Vec<_> = answers(&outcome.written).iter().map(|answer| Fate::Served(answer.status)).collect();
            assert_eq!(fates, expected, "seed {seed}, pieces of {most}");
            assert!(!outcome.ended);
        }
    }
}

#[test]
fn what_is_never_finished_is_told_408() {
    for row in table(&small()).iter().filter(|row| row.fate == Fate::Unfinished) {
        let mut world = world();
        let id = world.connect();
        world.input(id, &row.bytes);
        world.advance(small().head_timeout + Duration::from_secs(1));
        assert_eq!(world.answers(id).iter().map(|answer| answer.status).collect::<Vec<_>>(), [408], "{}", row.name);
        assert!(world.peer(id).ended, "{}", row.name);
    }
}

#[test]
fn no_answer_to_head_has_a_body_whatever_is_wrong_with_it() {
    for row in &table(&small()) {
        let (Some(rest), Fate::Refused(_)) = (row.bytes.strip_prefix(b"GET "), row.fate) else { continue };
        let mut world = world();
        // A length may be too long by the one byte that HEAD is longer: so may the status differ, but not the form.
        let bytes = [b"HEAD ", rest].concat();
        let whole = outcome(&mut world, &[&bytes]);
        if whole.written.is_empty() {
            continue;
        }
        let text = String::from_utf8(whole.written.clone()).unwrap();
        assert_eq!(head(&text).1, "", "{}", row.name);
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(outcome(&mut world, &bytewise), whole, "{}", row.name);
    }
}

/// Bytes that stand in a request at one place, the fate of all others there being 400.
type Place = (&'static str, &'static str, fn(u8) -> bool);

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[test]
fn at_every_place_just_those_bytes_are_taken_that_the_grammar_has_there() {
    let places: [Place; 9] = [
        // A question mark begins a query.
        ("GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n", |b| is_unreserved(b) || b"!$&'()*+,;=:@/?[]".contains(&b)),
        // Browsers leave these as they are.
        ("GET /?a", "b HTTP/1.1\r\nHost: a\r\n\r\n", |b| b.is_ascii_graphic() && !b"\"#<>%".contains(&b)),
        ("G", "T /health HTTP/1.1\r\nHost: a\r\n\r\n", is_token),
        ("GET /health HTTP/1.", "\r\nHost: a\r\n\r\n", |byte| byte == b'1'),
        ("GET /health HTTP/1.1\r\nHost: a\r\nX", "Y: z\r\n\r\n", |byte| is_token(byte) || byte == b':'),
        ("GET /health HTTP/1.1\r\nHost: a\r\n", "X: y\r\n\r\n", is_token),
        ("GET /health HTTP/1.1\r\nHost: a\r\nX: y", "z\r\n\r\n", |b| b == b'\t' || (b >= b' ' && b != 0x7f)),
        ("GET /health HTTP/1.1\r\nHost: a", "b\r\n\r\n", is_unreserved),
        ("GET /health HTTP/1.1\r\nHost: a\r\nConnection: a", "b\r\n\r\n", |byte| is_token(byte) || byte == b','),
    ];
    let mut world = world();
    for (before, behind, is_taken) in places {
        for byte in 0..=u8::MAX {
            let bytes = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
            let whole = outcome(&mut world, &[&bytes]);
            let status = answers(&whole.written)[0].status;
            let expected = match (is_taken(byte), byte) {
                (true, _) => !matches!(status, 400..=403),
                (false, b'0'..=b'9') if before.ends_with("1.") => status == 505 || (byte == b'0' && status == 200),
                (false, _) => status == 400,
            };
            assert!(expected, "{status} for {}", bytes.escape_ascii());
            let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(outcome(&mut world, &bytewise), whole, "{}", bytes.escape_ascii());
        }
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[test]
fn no_cut_changes_the_answer_to_what_chance_makes_of_a_request() {
    let table = table(&small());
    let mut chance = Chance::new(7);
    let mut world = world();
    for _ in 0..10_000 {
        let bytes = chance.mutated(&table);
        let whole = outcome(&mut world, &[&bytes]);
        let most = *chance.pick(&[1, 3, 20, 200]);
        let pieces = chance.cut(&bytes, most);
        assert_eq!(outcome(&mut world, &pieces), whole, "{}", bytes.escape_ascii());
        assert!(whole.told.len() <= 1);
        assert_eq!(whole.told.is_empty(), !whole.ended, "{}", bytes.escape_ascii());
    }
}

impl Chance {
    /// A row, or two of them, in which a few bytes are others, lost, doubled or moved.
    fn mutated(&mut self, table: &[OddRequest]) -> Vec<u8> {
        let mut bytes = self.row(table);
        if self.once_in(2) {
            bytes.extend(self.row(table));
        }
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            let byte = *self.pick(b"\0\t\r\n \"%:,;=/#?*@-19aZ\x7f\x80\xff");
            match self.below(5) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {
                    let end = (at + 1 + self.below(40)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
            }
        }
        bytes
    }

    /// Mostly one that is soon looked at.
    fn row(&mut self, table: &[OddRequest]) -> Vec<u8> {
        loop {
            let row = self.pick(table);
            if row.bytes.len() <= LONG {
                return row.bytes.clone();
            }
        }
    }
}
