//! `Origin`: whose page opened the connection (RFC 6454; RFC 6455, section 10.2). Browsers send it and pages cannot
//! forge it, so this is what keeps a foreign page from using a visitor's credentials. It says nothing about other
//! clients, which is why an absent one is let in.
//!
//! Not here: who the peer is (`auth/`).

use std::fmt;

use super::authority::Authority;
use super::head::RequestHead;
use super::response::Refusal;

/// Which origins may open a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// The one the server itself is reached at: host and port are those of `Host`. The default.
    #[default]
    Same,
    /// Exactly these.
    List(Vec<Origin>),
    /// All, and pages without one (`null`).
    Any,
}

/// A scheme, a host and a port, in lower case and with the port filled in for `http` and `https`: equal values are the
/// same origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origins {
    /// Reads `same`, `any`, or a comma-separated list of origins such as `https://example.com:8443`. An error is a
    /// sentence that names the item.
    pub fn parse(text: &str) -> Result<Origins, String> {
        match text.trim() {
            "same" => return Ok(Origins::Same),
            "any" => return Ok(Origins::Any),
            _ => {}
        }
        let parse = |item: &str| {
            Origin::parse(item.trim())
                .ok_or_else(|| format!("{:?} is not an origin, scheme://host[:port] without a path", item.trim()))
        };
        text.split(',').map(parse).collect::<Result<_, _>>().map(Origins::List)
    }

    /// Judges the request's `Origin` and returns it as sent, `None` where there is none. `secure` is whether the
    /// transport is TLS.
    ///
    /// An absent one is always allowed. 403 otherwise:
    /// - always: more than one line, or a value with whitespace or anything beside visible ASCII;
    /// - [`Origins::List`]: what is not in the list: scheme, host and port must all agree, in any case; so `null` and
    ///   what is malformed never is;
    /// - [`Origins::Same`]: another host or port than in `Host`, or another scheme than `https`. Without TLS `http`
    ///   passes as well, and `https` still does, because a proxy may have taken the TLS off. A port that either side
    ///   leaves out is the default one of the origin's scheme.
    pub fn check<'a>(&self, head: &'a RequestHead, secure: bool) -> Result<Option<&'a str>, Refusal> {
        let mut values = head.values("origin");
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let text = std::str::from_utf8(value).unwrap_or_default();
        let visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let allowed = match self {
            Origins::Same => Origin::parse(text).is_some_and(|origin| origin.is_served_by(head.host(), secure)),
            Origins::List(list) => Origin::parse(text).is_some_and(|origin| list.contains(&origin)),
            Origins::Any => true,
        };
        if allowed && visible && values.next().is_none() { Ok(Some(text)) } else { Err(Refusal::new(403, "Forbidden")) }
    }
}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port` and nothing more: no path, not even `/`.
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        if !starts_well || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            return None;
        }
        let Authority { host, port } = Authority::parse(authority)?;
        let port = port.or_else(|| default_port(&scheme));
        Some(Origin { scheme, host: host.to_ascii_lowercase(), port })
    }

    fn is_served_by(&self, host: Option<&str>, secure: bool) -> bool {
        let scheme_fits = self.scheme == "https" || (self.scheme == "http" && !secure);
        let here = host.and_then(Authority::parse);
        scheme_fits
            && here.is_some_and(|here| {
                here.host.eq_ignore_ascii_case(&self.host) && here.port.or(default_port(&self.scheme)) == self.port
            })
    }
}

/// As [`Origin::parse`] reads it, without a default port.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if self.port != default_port(&self.scheme) => write!(f, ":{port}"),
            Some(_) | None => Ok(()),
        }
    }
}

/// As [`Origins::parse`] reads it.
impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origins::Same => f.write_str("same"),
            Origins::Any => f.write_str("any"),
            Origins::List(list) => {
                let mut separator = "";
                for origin in list {
                    write!(f, "{separator}{origin}")?;
                    separator = ",";
                }
                Ok(())
            }
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    /// `Host`, `Origin`, status over TLS, status over plain.
    const SAME: &[(&str, &str, u16, u16)] = &[
        ("good.example", "https://good.example", 101, 101),
        ("good.example", "http://good.example", 403, 101),
        ("good.example", "https://good.example:443", 101, 101),
        ("good.example", "http://good.example:80", 403, 101),
        ("good.example", "https://good.example:80", 403, 403),
        ("good.example", "http://good.example:443", 403, 403),
        ("good.example:443", "https://good.example", 101, 101),
        ("good.example:443", "http://good.example", 403, 403),
        ("good.example:80", "http://good.example", 403, 101),
        ("good.example:80", "https://good.example", 403, 403),
        ("good.example:8443", "https://good.example:8443", 101, 101),
        ("good.example:8443", "http://good.example:8443", 403, 101),
        ("good.example:8443", "https://good.example", 403, 403),
        ("good.example:8443", "https://good.example:8444", 403, 403),
        ("good.example", "https://good.example:444", 403, 403),
        ("good.example", "HTTPS://GOOD.example", 101, 101),
        ("GOOD.example", "https://good.EXAMPLE", 101, 101),
        ("good.example", "https://good.evil.com", 403, 403),
        ("good.example", "https://good.example.evil.com", 403, 403),
        ("good.example", "https://evil.good.example", 403, 403),
        ("good.example", "https://notgood.example", 403, 403),
        ("good.example", "https://good.example.", 403, 403),
        ("good.example", "https://good", 403, 403),
        ("good.example", "null", 403, 403),
        ("good.example", "NULL", 403, 403),
        ("good.example", "", 403, 403),
        ("good.example", "good.example", 403, 403),
        ("good.example", "//good.example", 403, 403),
        ("good.example", "://good.example", 403, 403),
        ("good.example", "https:good.example", 403, 403),
        ("good.example", "https:/good.example", 403, 403),
        ("good.example", "https:///good.example", 403, 403),
        ("good.example", "https://good.example/", 403, 403),
        ("good.example", "https://good.example/ws", 403, 403),
        ("good.example", "https://good.example?", 403, 403),
        ("good.example", "https://good.example#", 403, 403),
        ("good.example", "https://user@good.example", 403, 403),
        ("good.example", "https://evil.com@good.example", 403, 403),
        ("good.example", "https://good.example:443@evil.com", 403, 403),
        ("good.example", "https://good.example https://evil.com", 403, 403),
        ("good.example", "https://good.example,https://evil.com", 403, 403),
        ("good.example", "https://good.example:x", 403, 403),
        ("good.example", "https://good.example:65536", 403, 403),
        ("good.example", "https://good.example:443:443", 403, 403),
        ("good.example", "https://good.example:+443", 403, 403),
        ("good.example", "https://", 403, 403),
        ("good.example", "https://:443", 403, 403),
        ("good.example", "https://good.ex\u{e4}mple", 403, 403),
        ("good.example", "https://good\\.example", 403, 403),
        ("good.example", "https://good%2eexample", 403, 403),
        ("good.example", "https://*", 403, 403),
        ("good.example", "wss://good.example", 403, 403),
        ("good.example", "ws://good.example", 403, 403),
        ("good.example", "ftp://good.example", 403, 403),
        ("good.example", "file://", 403, 403),
        ("good.example", "chrome-extension://good.example", 403, 403),
        ("good.example", "javascript:alert(1)", 403, 403),
        ("127.0.0.1:8443", "https://127.0.0.1:8443", 101, 101),
        ("127.0.0.1:8443", "https://127.0.0.1:80", 403, 403),
        ("127.0.0.1:8443", "https://127.0.0.2:8443", 403, 403),
        ("127.0.0.1:8443", "https://localhost:8443", 403, 403),
        ("[::1]:8443", "https://[::1]:8443", 101, 101),
        ("[::1]", "https://[::1]", 101, 101),
        ("[2001:DB8::1]", "https://[2001:db8::1]", 101, 101),
        ("[::1]:8443", "https://[::2]:8443", 403, 403),
        ("[::1]", "https://::1", 403, 403),
        ("a", "http://a:b", 403, 403),
    ];

    /// The status for a request with this `Host` and these `Origin` lines; 101 where it may go on.
    fn status(origins: &Origins, host: &str, lines: &[&str], secure: bool) -> u16 {
        let mut head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n");
        for line in lines {
            head.push_str(&format!("Origin: {line}\r\n"));
        }
        head.push_str("\r\n");
        let head = RequestHead::parse(head.as_bytes(), &Limits::default()).unwrap();
        match origins.check(&head, secure) {
            Ok(origin) => {
                assert_eq!(origin, lines.first().copied());
                101
            }
            Err(refusal) => refusal.status(),
        }
    }

    #[test]
    fn the_same_origin_is_that_of_the_host_header() {
        for &(host, origin, over_tls, over_plain) in SAME {
            assert_eq!(status(&Origins::Same, host, &[origin], true), over_tls, "{host} {origin} over TLS");
            assert_eq!(status(&Origins::Same, host, &[origin], false), over_plain, "{host} {origin} over plain");
        }
    }

    #[test]
    fn a_list_allows_exactly_its_origins_on_any_transport() {
        let list = Origins::parse("https://app.example, http://dev.example:3000,chrome-extension://abc").unwrap();
        let table = [
            ("https://app.example", 101),
            ("https://app.example:443", 101),
            ("HTTPS://App.Example", 101),
            ("http://app.example", 403),
            ("http://app.example:443", 403),
            ("https://app.example:444", 403),
            ("http://dev.example:3000", 101),
            ("https://dev.example:3000", 403),
            ("http://dev.example", 403),
            ("chrome-extension://abc", 101),
            ("chrome-extension://abcd", 403),
            ("https://host.example", 403),
            ("https://app.example.evil.com", 403),
            ("null", 403),
            ("", 403),
        ];
        for (origin, expected) in table {
            for secure in [true, false] {
                assert_eq!(status(&list, "host.example", &[origin], secure), expected, "{origin}");
            }
        }
    }

    #[test]
    fn any_allows_every_single_visible_value() {
        let table = [
            ("https://evil.com", 101),
            ("null", 101),
            ("file://", 101),
            ("", 403),
            ("https://a https://b", 403),
            ("\u{e4}", 403),
        ];
        for (origin, expected) in table {
            assert_eq!(status(&Origins::Any, "a", &[origin], true), expected, "{origin}");
        }
    }

    #[test]
    fn an_absent_origin_is_allowed_and_a_second_one_never() {
        for origins in [Origins::Same, Origins::parse("https://a").unwrap(), Origins::Any] {
            assert_eq!(status(&origins, "a", &[], true), 101);
            assert_eq!(status(&origins, "a", &["https://a"], true), 101);
            assert_eq!(status(&origins, "a", &["https://a", "https://a"], true), 403);
            assert_eq!(status(&origins, "a", &["https://a", ""], true), 403);
        }
    }

    #[test]
    fn configured_origins_read_back_as_they_were_written() {
        let table = [
            ("same", "same"),
            (" any ", "any"),
            ("https://a", "https://a"),
            ("https://A:443 , http://b:80", "https://a,http://b"),
            ("https://a:8443,http://[::1]:3000", "https://a:8443,http://[::1]:3000"),
        ];
        for (text, expected) in table {
            let origins = Origins::parse(text).unwrap();
            assert_eq!(origins.to_string(), expected);
            assert_eq!(Origins::parse(expected), Ok(origins));
        }
        assert_eq!(Origins::default(), Origins::Same);
    }

    #[test]
    fn a_configured_value_that_is_no_origin_is_named() {
        let table = [
            ("", "\"\""),
            ("https://a,", "\"\""),
            ("Same", "\"Same\""),
            ("https://a, any", "\"any\""),
            ("https://a/,https://b", "\"https://a/\""),
            ("a.example", "\"a.example\""),
            ("https://*.example", "\"https://*.example\""),
            ("null", "\"null\""),
            ("1http://a", "\"1http://a\""),
        ];
        for (text, named) in table {
            let error = Origins::parse(text).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
