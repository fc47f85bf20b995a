//! Too much of everything, each at its limit and one past it.

use barewire::Limits;
use barewire::limits::{BODY_BYTES, LIST_ITEMS};

use super::Fate::{self, Opened, Refused, Served, Unfinished};
use super::handshake;

pub fn add(add: &mut impl FnMut(Fate, &str, Vec<u8>), limits: &Limits) {
    add_heads(add, limits.head_bytes);
    add_request_lines(add, limits.head_bytes);
    add_counts(add, limits.headers);
    add_lists(add);
    add_bodies(add);
}

/// `start`, then as many `x` as make `length` bytes with `end`, then `end`.
fn padded(start: &str, length: usize, end: &str) -> Vec<u8> {
    let fill = length.checked_sub(start.len() + end.len()).expect("a head that may be this long");
    [start.as_bytes(), &vec![b'x'; fill], end.as_bytes()].concat()
}

/// The limit counts the blank line, and an empty one in front.
fn add_heads(add: &mut impl FnMut(Fate, &str, Vec<u8>), most: usize) {
    let head = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
    for (name, lead, start, end) in [
        ("a value", "", "X: ", "\r\n\r\n"),
        ("a value behind an empty line", "\r\n", "X: ", "\r\n\r\n"),
        ("a name", "", "", ": y\r\n\r\n"),
        ("a last line", "", "X: y\r\nX: ", "\r\n\r\n"),
    ] {
        let start = format!("{lead}{head}{start}");
        add(Served(200), &format!("{name} that just fits"), padded(&start, most, end));
        add(Refused(431), &format!("{name} one byte too long"), padded(&start, most + 1, end));
        add(Refused(431), &format!("{name} far too long"), padded(&start, 3 * most, end));
        add(Refused(431), &format!("{name} without an end"), padded(&start, most, ""));
        add(Unfinished, &format!("{name} that may still end"), padded(&start, most - 1, ""));
    }
    let spaces = |length: usize| {
        let fill = " ".repeat(length - head.len() - "X:\r\n\r\n".len());
        format!("{head}X:{fill}\r\n\r\n").into_bytes()
    };
    add(Served(200), "spaces that just fit", spaces(most));
    add(Refused(431), "a space too many", spaces(most + 1));
    let crlf = "\r\n".repeat(most);
    add(Refused(400), "empty lines without an end", crlf.into_bytes());
}

/// 414 where even the request line does not fit (RFC 9110, section 15.5.15).
fn add_request_lines(add: &mut impl FnMut(Fate, &str, Vec<u8>), most: usize) {
    let (line_end, head_end) = (" HTTP/1.1\r\n", " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (name, start) in [("path", "GET /"), ("query", "GET /health?"), ("target", "GET http://"), ("method", "G")] {
        let end = if name == "method" { format!(" /health{head_end}") } else { head_end.into() };
        let rest = end.len() - "\r\n".len() - end.find("\r\n").expect("a line");
        let fate = match name {
            "path" => Served(404),
            "query" | "target" => Served(200),
            _ => Served(405),
        };
        add(fate, &format!("a {name} in a head that just fits"), padded(start, most, &end));
        add(Refused(431), &format!("a {name} in a head one byte too long"), padded(start, most + 1, &end));
        add(Refused(431), &format!("a {name} whose line just fits"), padded(start, most + rest, &end));
        add(Refused(414), &format!("a {name} whose line is one byte too long"), padded(start, most + rest + 1, &end));
        add(Refused(414), &format!("a {name} without an end"), padded(start, most, ""));
        add(Unfinished, &format!("a {name} that may still end"), padded(start, most - 1, ""));
    }
    let behind_lead = padded("\r\nGET /", most, line_end);
    add(Refused(431), "an empty line and a line that just fit", behind_lead);
    add(Refused(414), "an empty line and a line one byte too long", padded("\r\nGET /", most + 1, line_end));
}

fn add_counts(add: &mut impl FnMut(Fate, &str, Vec<u8>), most: usize) {
    let with = |count: usize| format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X:\r\n".repeat(count - 1));
    add(Served(200), "as many header lines as there may be", with(most).into_bytes());
    add(Refused(431), "a header line too many", with(most + 1).into_bytes());
    let upgrade =
        format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{}Upgrade: websocket\r\n\r\n", "X:\r\n".repeat(most - 1));
    add(Refused(431), "an upgrade one header line too late", upgrade.into_bytes());
}

fn add_lists(add: &mut impl FnMut(Fate, &str, Vec<u8>)) {
    let list = |count: usize| (0..count).map(|n| format!("x{n}")).collect::<Vec<_>>().join(",");
    for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Connection", "Upgrade"] {
        // The two that an upgrade needs are in every list.
        let own = if name.starts_with("Sec") { "" } else { "upgrade,websocket," };
        let used = own.matches(',').count();
        let of = |count: usize| format!("{name}: {own}{}", list(count - used));
        for (count, fate) in [(LIST_ITEMS, Opened), (LIST_ITEMS + 1, Refused(400))] {
            let request = handshake("GET /ws HTTP/1.1", &[&of(count)]);
            add(fate, &format!("{count} items in {name}"), request.into_bytes());
        }
        let two = [&of(LIST_ITEMS)[..], &format!("{name}: y")];
        add(
            Refused(400),
            &format!("an item too many in a second {name}"),
            handshake("GET /ws HTTP/1.1", &two).into_bytes(),
        );
    }
    let parameters = |count: usize| format!("Sec-WebSocket-Extensions: a{}", "; b=c".repeat(count));
    for (lines, fate) in [
        (vec![parameters(LIST_ITEMS)], Opened),
        (vec![parameters(LIST_ITEMS / 2), parameters(LIST_ITEMS / 2)], Opened),
        (vec![parameters(LIST_ITEMS + 1)], Refused(400)),
        (vec![parameters(LIST_ITEMS / 2), parameters(LIST_ITEMS / 2 + 1)], Refused(400)),
    ] {
        let request = handshake("GET /ws HTTP/1.1", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        add(fate, &format!("handshake with {lines:?}"), request.into_bytes());
    }
    let commas = format!("Connection: {}upgrade", ",".repeat(40));
    add(Opened, "empty items in Connection", handshake("GET /ws HTTP/1.1", &[&commas]).into_bytes());
}

fn add_bodies(add: &mut impl FnMut(Fate, &str, Vec<u8>)) {
    let of = |length: usize| format!("POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let largest = [of(BODY_BYTES).into_bytes(), vec![b'x'; BODY_BYTES]].concat();
    add(Served(405), "a body as large as bodies may be", largest);
    add(Refused(413), "a body one byte too large", of(BODY_BYTES + 1).into_bytes());
}
