//! `host` or `host:port`, as in the `Host` header, in an absolute target, in an origin and in a client's URL. Stricter than
//! RFC 3986, section 3.2: no user information, no percent-escapes, none of the punctuation that no real host name has.
//!
//! Not here: schemes and the comparison of origins (`origin.rs`).

use std::net::Ipv6Addr;

/// A host and its port, where one is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in its brackets; in the case it was written in.
    pub(in crate::wire) host: &'a str,
    /// `None` too where the colon has nothing behind it (RFC 3986 allows that).
    pub(in crate::wire) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `None` where `text` is anything else.
    pub(in crate::wire) fn parse(text: &'a str) -> Option<Authority<'a>> {
        let host_end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(host_end)?;
        let sound = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(is_host_byte),
        };
        sound.then_some(Authority { host, port: parse_port(rest)? })
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What follows a host: nothing, or a colon and decimal digits. The outer `None` is neither.
fn parse_port(rest: &str) -> Option<Option<u16>> {
    let Some(digits) = rest.strip_prefix(':') else {
        return rest.is_empty().then_some(None);
    };
    if digits.is_empty() {
        return Some(None);
    }
    // `u16::from_str` would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_its_port_are_told_apart() {
        let table = [
            ("a", "a", None),
            ("a.example", "a.example", None),
            ("A.example:8443", "A.example", Some(8443)),
            ("a:", "a", None),
            ("a:0", "a", Some(0)),
            ("a:65535", "a", Some(65535)),
            ("a:00080", "a", Some(80)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
            ("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]", Some(1)),
        ];
        for (text, host, port) in table {
            assert_eq!(Authority::parse(text), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn what_no_host_looks_like_is_refused() {
        let table = [
            "",
            ":",
            ":80",
            "a b",
            " a",
            "a,b",
            "a/",
            "a/b",
            "u@a",
            "u:p@a",
            "a:b",
            "a:+1",
            "a:-1",
            "a: 1",
            "a:65536",
            "a:99999999999",
            "a:1:2",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[a]",
            "[::1]x",
            "[::1]80",
            "[::1]:x",
            "[[::1]]",
            "[fe80::1%25eth0]",
            "a%41",
            "a*",
            "a?b",
            "a#b",
            "a\\b",
            "ä.example",
            "a\u{0}",
            "a[::1]",
            "]",
            "[",
            "[ä",
        ];
        for text in table {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
    }
}
