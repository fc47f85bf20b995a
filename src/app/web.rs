//! The files that the daemon serves to browsers. They lie in `web/`, and are part of the program.
//!
//! Not here: the other paths, and which methods they know (`app/routes.rs`).

use tungstenite::Bytes;

use crate::wire::http::{RequestHead, Response};

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file there is: its path, compared byte by byte, its type, and what is in it.
const FILES: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("web/console.html")),
    ("/client.js", SCRIPT, include_str!("web/barewire-client.js")),
    ("/console.css", "text/css; charset=utf-8", include_str!("web/console.css")),
    ("/console.js", SCRIPT, include_str!("web/console.js")),
    ("/console-messages.js", SCRIPT, include_str!("web/console-messages.js")),
    ("/console-plot.js", SCRIPT, include_str!("web/console-plot.js")),
    ("/console.svg", "image/svg+xml", include_str!("web/console.svg")),
];

/// What stands in the page for the path of the endpoint.
const PLACE_OF_PATH: &str = "{path}";

/// What a browser is told with every file.
const HEADERS: [(&str, &str); 5] = [
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    // No page of another origin finds out by its pictures whether a daemon runs here.
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
];

/// The page takes scripts, styles and images from here alone, connects to here alone, is framed by nobody, sends its forms
/// nowhere (they hold a password, should the script not run), and makes no markup of text: not even its own scripts can.
///
/// `'self'` covers `wss:` at the same host and port (Content Security Policy Level 3): in Chromium and Firefox for years,
/// in Safari from 15.4 on. Naming the host would mean to repeat the request's `Host` in a header that is to protect.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// The files as they are served.
#[derive(Debug, Clone)]
pub(super) struct Site {
    assets: Vec<Asset>,
}

/// A file, and what a browser must know of it.
#[derive(Debug, Clone)]
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    body: Bytes,
    /// The entity tag: another one with every other content.
    tag: String,
}

impl Site {
    /// All files. `endpoint` is the path of the WebSocket endpoint, which the page must know; empty: every path upgrades.
    pub(super) fn new(endpoint: &str) -> Site {
        let asset = |(path, content_type, text): (&'static str, &'static str, &'static str)| {
            let body = match path {
                "/" => Bytes::from(text.replace(PLACE_OF_PATH, &escape(endpoint))),
                _ => Bytes::from_static(text.as_bytes()),
            };
            let tag = format!("\"{:016x}\"", fnv1a(&body));
            Asset { path, content_type, body, tag }
        };
        Site { assets: FILES.into_iter().map(asset).collect() }
    }

    /// The file at this path.
    pub(super) fn asset(&self, path: &str) -> Option<&Asset> {
        self.assets.iter().find(|asset| asset.path == path)
    }
}

impl Asset {
    /// The answer to GET and HEAD. A browser may keep the file, but asks each time whether it is still the one
    /// (RFC 9111, section 5.2.2.4): 304 where it is.
    pub(super) fn answer(&self, head: &RequestHead) -> Response {
        let response = match is_known(head, &self.tag) {
            true => Response::new(304, self.content_type, ""),
            false => Response::new(200, self.content_type, self.body.clone()),
        };
        let with_headers = |response: Response, (name, value)| response.with_header(name, value);
        HEADERS.into_iter().fold(response, with_headers).with_header("ETag", self.tag.clone())
    }
}

/// Whether a file is at this path.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(own, ..)| *own == path)
}

/// The text as it stands in an attribute of HTML, between quotes of either kind.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether the peer has what this tag stands for (RFC 9110, section 13.1.2: compared weakly).
fn is_known(head: &RequestHead, tag: &str) -> bool {
    let mut known = head.values("if-none-match").flat_map(|line| line.split(|&byte| byte == b','));
    known.any(|one| {
        let one = one.trim_ascii();
        one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag.as_bytes()
    })
}

/// A hash that tells versions of a file apart (FNV-1a). It need not withstand anybody: the files are ours.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::{FILES, HEADERS, PLACE_OF_PATH, POLICY, Site, fnv1a, is_file};

    fn page(endpoint: &str) -> String {
        let body = Site::new(endpoint).asset("/").map(|asset| asset.body.to_vec()).unwrap_or_default();
        String::from_utf8(body).unwrap_or_default()
    }

    #[test]
    fn the_page_knows_the_path_of_the_endpoint_whatever_is_in_it() {
        for (path, written) in [
            ("/ws", "/ws"),
            ("", ""),
            ("/a'b&c", "/a&#39;b&amp;c"),
            ("\"><script>", "&quot;&gt;&lt;script&gt;"),
            ("{path}", "{path}"),
        ] {
            assert!(page(path).contains(&format!("<body data-path=\"{written}\"")), "{path}");
        }
        assert_eq!(FILES[0].2.matches(PLACE_OF_PATH).count(), 1);
    }

    #[test]
    fn another_endpoint_is_another_tag_and_the_same_one_is_the_same() {
        let tag = |endpoint: &str| Site::new(endpoint).asset("/").map(|asset| asset.tag.clone());
        assert_ne!(tag("/ws"), tag("/other"));
        assert_eq!(tag("/ws"), tag("/ws"));
    }

    #[test]
    fn every_file_that_another_one_names_is_there_and_nothing_comes_from_elsewhere() {
        for (path, _, text) in FILES {
            let quoted = text.split(['"', '\'']).skip(1).step_by(2).filter(|_| path != "/client.js");
            for name in quoted.filter(|name| [".js", ".css", ".svg"].iter().any(|end| name.ends_with(end))) {
                assert!(is_file(&format!("/{}", name.trim_start_matches("./"))), "{path} names {name}");
            }
        }
        for (path, _, text) in FILES.into_iter().filter(|(_, kind, _)| kind.starts_with("text/html")) {
            for banned in ["http:", "https:", "style=", "<style", "onclick", "</script>\n<script>"] {
                assert!(!text.contains(banned), "{path} has {banned}");
            }
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
        }
    }

    #[test]
    fn nothing_of_a_peer_can_become_markup() {
        for (path, _, text) in FILES {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(way), "{path} uses {way}");
            }
        }
        assert!(POLICY.contains("require-trusted-types-for 'script'") && HEADERS[0].1 == POLICY);
        assert!(
            !POLICY.contains("-inline") && !POLICY.contains("-eval") && !POLICY.contains('*') && !POLICY.contains("  ")
        );
    }

    #[test]
    fn the_hash_is_that_of_its_authors() {
        // From the test vectors of draft-eastlake-fnv.
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.as_bytes()), hash, "{text:?}");
        }
    }
}
