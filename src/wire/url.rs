//! Where a client connects to: [`Url`], a `ws` or `wss` URL (RFC 6455, section 3) taken apart. Strict on purpose: what two
//! readers could take for different hosts is refused.
//!
//! Not here: the `Host` header of requests that come in (`http/head.rs`), names and addresses (`net/`), credentials
//! (`client/`).

use std::fmt;
use std::net::IpAddr;

use crate::wire::http::{Authority, is_target_text};

/// The schemes, and whether each is secure. Those of HTTP name the same place.
const SCHEMES: [(&str, bool); 4] = [("ws", false), ("wss", true), ("http", false), ("https", true)];
const PLAIN_PORT: u16 = 80;
const SECURE_PORT: u16 = 443;

/// A place to connect to. Neither its `Debug` nor its `Display` shows a query: a token may be in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    is_secure: bool,
    host: String,
    port: u16,
    target: String,
}

impl Url {
    /// Takes `scheme://host[:port][/path][?query]` apart: `ws`, `wss`, or `http` and `https` for the same, in any case; a
    /// host name in ASCII, an IPv4 address, or an IPv6 address in brackets; a port of 1 to 65535, by default 80 or 443; a
    /// path and query of the characters that a request target may have, by default `/`.
    ///
    /// An error is one sentence that names the URL, without its query and what stands before an `@`, and says what is
    /// allowed. Among these are user information and a fragment, which a WebSocket's URL does not have.
    pub fn parse(text: &str) -> Result<Url, String> {
        let fault = |allowed: &str| Err(format!("the URL {:?}: {allowed}", shown(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault("allowed: ws://host or wss://host, with port, path and query");
        };
        let Some((_, is_secure)) = SCHEMES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme)) else {
            return fault("allowed schemes: ws, wss, http, https");
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return fault("credentials are given apart, not in the URL");
        }
        if target.contains('#') {
            return fault("a WebSocket has no fragment (what stands behind #)");
        }
        if !authority.is_ascii() {
            return fault("a host name that is not ASCII is given in punycode (xn--…)");
        }
        let Some(Authority { host, port }) = Authority::parse(authority) else {
            return fault(
                "allowed: a host name, an IPv4 address or an IPv6 address in brackets, and a port up to 65535",
            );
        };
        if port == Some(0) {
            return fault("allowed ports: 1 to 65535");
        }
        if !is_target_text(target.as_bytes()) {
            return fault("path and query are in ASCII, anything else in percent-escapes (%20 for a space)");
        }
        let default = if is_secure { SECURE_PORT } else { PLAIN_PORT };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url {
            is_secure,
            host: host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase(),
            port: port.unwrap_or(default),
            target: format!("{slash}{target}"),
        })
    }

    /// Whether it is over TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// A host name in lower case, or an address; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether this machine is meant, as far as a name can tell.
    pub fn is_loopback(&self) -> bool {
        let is_address = |host: &str| host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        self.host == "localhost" || is_address(&self.host)
    }

    /// The port, also where the URL names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port for `Host`: the scheme's own port is left out, an IPv6 address has its brackets (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        let Url { host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let default = if self.is_secure { SECURE_PORT } else { PLAIN_PORT };
        if *port == default { host } else { format!("{host}:{port}") }
    }

    /// Path and query, for a request line.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), without_query(&self.target))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What may be shown of a text that is no URL, so that a secret may be anywhere in it: nothing from a `?` or a `#` on; and
/// where there is an `@` anywhere, nothing but the scheme, since a password may have any character.
fn shown(text: &str) -> String {
    if !text.contains('@') {
        return without_query(text).to_owned();
    }
    let known = |scheme: &&str| SCHEMES.iter().any(|(known, _)| known.eq_ignore_ascii_case(scheme));
    match text.split("://").next().filter(known) {
        Some(scheme) => format!("{scheme}://…"),
        None => "…".to_owned(),
    }
}

fn without_query(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let mark = if end < text.len() { "?…" } else { "" };
    format!("{}{mark}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_by_its_name_and_its_addresses() {
        for (url, is_loopback) in [
            ("ws://localhost", true),
            ("ws://LocalHost:1/x", true),
            ("ws://127.0.0.1", true),
            ("ws://127.255.255.254", true),
            ("ws://[::1]", true),
            ("ws://[::ffff:127.0.0.1]", true),
            ("ws://128.0.0.1", false),
            ("ws://[::2]", false),
            ("ws://localhost.example", false),
            ("ws://a/localhost", false),
        ] {
            assert_eq!(Url::parse(url).unwrap().is_loopback(), is_loopback, "{url}");
        }
    }

    #[test]
    fn the_parts_of_a_url_are_told_apart() {
        let table = [
            ("ws://a", (false, "a", 80, "a", "/")),
            ("wss://a", (true, "a", 443, "a", "/")),
            ("http://a/", (false, "a", 80, "a", "/")),
            ("https://a/", (true, "a", 443, "a", "/")),
            ("WSS://A.Example/Path", (true, "a.example", 443, "a.example", "/Path")),
            ("HtTpS://xn--bcher-kva.example", (true, "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/")),
            ("ws://a:", (false, "a", 80, "a", "/")),
            ("ws://a:80/", (false, "a", 80, "a", "/")),
            ("ws://a:443/", (false, "a", 443, "a:443", "/")),
            ("wss://a:443/", (true, "a", 443, "a", "/")),
            ("wss://a:80", (true, "a", 80, "a:80", "/")),
            ("ws://a:1", (false, "a", 1, "a:1", "/")),
            ("ws://a:65535", (false, "a", 65535, "a:65535", "/")),
            ("ws://a:08080", (false, "a", 8080, "a:8080", "/")),
            ("ws://127.0.0.1:8080/ws", (false, "127.0.0.1", 8080, "127.0.0.1:8080", "/ws")),
            ("wss://[::1]", (true, "::1", 443, "[::1]", "/")),
            ("wss://[2001:DB8::1]:8443/ws", (true, "2001:db8::1", 8443, "[2001:db8::1]:8443", "/ws")),
            ("ws://a?", (false, "a", 80, "a", "/?")),
            ("ws://a?b=c", (false, "a", 80, "a", "/?b=c")),
            ("ws://a/b/../c//d?e=f&g=h?i/j:@k", (false, "a", 80, "a", "/b/../c//d?e=f&g=h?i/j:@k")),
            ("ws://a/b@c:d%20e", (false, "a", 80, "a", "/b@c:d%20e")),
            ("ws://a/://b", (false, "a", 80, "a", "/://b")),
        ];
        for (text, (is_secure, host, port, authority, target)) in table {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.is_secure(), url.host(), url.port()), (is_secure, host, port), "{text}");
            assert_eq!((url.authority().as_str(), url.target()), (authority, target), "{text}");
        }
    }

    #[test]
    fn what_a_url_must_not_have_is_refused_in_words() {
        let table = [
            ("", "allowed: ws://host"),
            ("a", "allowed: ws://host"),
            ("a:8080/ws", "allowed: ws://host"),
            ("//a/ws", "allowed: ws://host"),
            ("wss:/a", "allowed: ws://host"),
            ("wss:a", "allowed: ws://host"),
            ("://a", "allowed schemes: ws, wss"),
            ("ftp://a", "allowed schemes: ws, wss"),
            ("wsss://a", "allowed schemes: ws, wss"),
            (" wss://a", "allowed schemes: ws, wss"),
            ("wss://", "allowed: a host name"),
            ("wss:///ws", "allowed: a host name"),
            ("wss://:443", "allowed: a host name"),
            ("wss://?a", "allowed: a host name"),
            ("wss://a b", "allowed: a host name"),
            ("wss://a\\b", "allowed: a host name"),
            ("wss://a%2eb", "allowed: a host name"),
            ("wss://a\r\nX: y", "allowed: a host name"),
            ("wss://::1", "allowed: a host name"),
            ("wss://[::1", "allowed: a host name"),
            ("wss://[fe80::1%25eth0]", "allowed: a host name"),
            ("wss://a:b", "allowed: a host name"),
            ("wss://a:+1", "allowed: a host name"),
            ("wss://a:65536", "allowed: a host name"),
            ("wss://a:0", "allowed ports: 1 to 65535"),
            ("wss://b\u{fc}cher.example", "in punycode"),
            ("wss://a\u{3002}b", "in punycode"),
            ("wss://u@a", "credentials are given apart"),
            ("wss://u:p@a/ws", "credentials are given apart"),
            ("wss://@a", "credentials are given apart"),
            ("wss://a@b@c", "credentials are given apart"),
            ("wss://a#", "no fragment"),
            ("wss://a#b", "no fragment"),
            ("wss://a/b#c", "no fragment"),
            ("wss://a/b?c#d", "no fragment"),
            ("wss://a/b c", "percent-escapes"),
            ("wss://a/b\r\nX: y", "percent-escapes"),
            ("wss://a/\u{e4}", "percent-escapes"),
            ("wss://a/%", "percent-escapes"),
            ("wss://a/%2", "percent-escapes"),
            ("wss://a/%zz", "percent-escapes"),
            ("wss://a/b\\c", "percent-escapes"),
            ("wss://a?b c", "percent-escapes"),
            ("wss://a/\0", "percent-escapes"),
        ];
        for (text, expected) in table {
            let line = Url::parse(text).unwrap_err();
            assert!(line.contains(expected), "{text:?}: {line}");
            assert!(line.starts_with("the URL \"") && !line.contains(['\r', '\n', '\0']), "{text:?}: {line}");
        }
    }

    #[test]
    fn an_error_names_the_url_and_repeats_no_secret() {
        for text in [
            "wss://user:s3cr3t@a.example/ws",
            "wss://s3cr3t@a.example/ws",
            "wss://user:s3/cr3t@a.example/ws",
            "wss://user:a?s3cr3t@a.example/ws",
            "wss://user:a#s3cr3t@a.example/ws",
            "wss://user:s3://cr3t@a.example/ws",
            "user:s3cr3t@a.example",
            "s3cr3t://user@a.example",
            "wss:/user:s3cr3t@a.example",
            "wss//a.example/ws?token=s3cr3t",
            "wss://a.example:x/ws?token=s3cr3t",
            "wss://a.example/ws?token=s3cr3t value",
            "wss://a.example/ws#s3cr3t",
            "wss://a.example/ws?a@b=s3cr3t c",
        ] {
            let line = Url::parse(text).unwrap_err();
            assert!(!line.contains("cr3t") && !line.contains("s3"), "{text}: {line}");
        }
        let line = Url::parse("wss://a.example:x/ws?token=s3cr3t").unwrap_err();
        assert!(line.starts_with("the URL \"wss://a.example:x/ws?…\": allowed: a host name"), "{line}");
        let line = Url::parse("wss://u:s3cr3t@a.example/ws").unwrap_err();
        assert_eq!(line, "the URL \"wss://…\": credentials are given apart, not in the URL");
    }

    #[test]
    fn a_url_is_shown_without_its_query() {
        let url = Url::parse("HTTPS://A.example:443/ws?token=s3cr3t").unwrap();
        assert_eq!(format!("{url} {url:?}"), "wss://a.example/ws?… Url(wss://a.example/ws?…)");
        assert_eq!(Url::parse("ws://[::1]:81").unwrap().to_string(), "ws://[::1]:81/");
    }
}
