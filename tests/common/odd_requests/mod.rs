//! What a peer may send in place of a plain request, and what becomes of it: HTTP that is wrong, HTTP that is odd but
//! right, other protocols, and too much of anything. Statuses are the daemon's.
//!
//! Not here: wrong frames (`malformed.rs` beside this folder), credentials and origins (`authentication.rs`,
//! `wire/http/origin.rs`).

mod bodies;
mod fields;
mod handshakes;
mod lengths;
mod request_lines;
mod strangers;

use barewire::Limits;

/// What becomes of a connection whose first bytes these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Answered with this status, and closed; nothing behind it is looked at.
    Refused(u16),
    /// Answered with this status, and the next request is served.
    Served(u16),
    /// Answered with this status, and closed because the request asks for it.
    Last(u16),
    /// Answered with 101.
    Opened,
    /// Not answered, since more is to come; in the end 408.
    Unfinished,
}

/// One odd request.
pub struct OddRequest {
    pub name: String,
    pub bytes: Vec<u8>,
    pub fate: Fate,
}

/// Every one, for these limits.
pub fn table(limits: &Limits) -> Vec<OddRequest> {
    let mut table = Vec::new();
    let mut add = |fate: Fate, name: &str, bytes: Vec<u8>| table.push(OddRequest { name: name.into(), bytes, fate });
    request_lines::add(&mut add);
    fields::add(&mut add);
    bodies::add(&mut add);
    handshakes::add(&mut add);
    strangers::add(&mut add);
    lengths::add(&mut add, limits);
    table
}

/// Rows of text, whose names they are themselves.
fn add_all(add: &mut impl FnMut(Fate, &str, Vec<u8>), rows: &[(&str, Fate)], request: impl Fn(&str) -> String) {
    for (text, fate) in rows {
        add(*fate, &text.escape_debug().to_string(), request(text).into_bytes());
    }
}

const GOOD_HANDSHAKE: [&str; 5] = [
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A good handshake behind this request line, but for the header lines that have the name of one of `lines`, which
/// replace them. A line that is only a name and a colon removes.
fn handshake(request_line: &str, lines: &[&str]) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let kept = GOOD_HANDSHAKE.iter().filter(|own| !lines.iter().any(|line| name(line) == name(own)));
    let added = lines.iter().filter(|line| !line.ends_with(':'));
    kept.chain(added).fold(format!("{request_line}\r\n"), |request, line| request + line + "\r\n") + "\r\n"
}
