//! The files that the daemon serves to browsers. They lie in `web/`, and are part of the program.
//!
//! Not here: the other paths, and which methods they know (`app/routes.rs`).

use crate::wire::http::{RequestHead, Response};

/// A file, and what a browser must know of it.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path, compared byte by byte.
    path: &'static str,
    content_type: &'static str,
    body: &'static str,
    /// The entity tag without its quotes: another one with every other content.
    tag: u64,
}

impl Asset {
    const fn new(path: &'static str, content_type: &'static str, body: &'static str) -> Asset {
        Asset { path, content_type, body, tag: fnv1a(body.as_bytes()) }
    }

    /// The answer to GET and HEAD. A browser may keep the file, but asks each time whether it is still the one
    /// (RFC 9111, section 5.2.2.4): 304 where it is.
    pub(super) fn answer(&self, head: &RequestHead) -> Response {
        let tag = format!("\"{:016x}\"", self.tag);
        let response = match is_known(head, &tag) {
            true => Response::new(304, self.content_type, ""),
            false => Response::new(200, self.content_type, self.body),
        };
        response.with_header("Cache-Control", "no-cache").with_header("ETag", tag)
    }
}

/// Every file there is.
static ASSETS: [Asset; 1] =
    [Asset::new("/client.js", "text/javascript; charset=utf-8", include_str!("web/barewire-client.js"))];

/// The file at this path.
pub(super) fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
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
const fn fnv1a(mut bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET_BASIS;
    while let Some((&first, rest)) = bytes.split_first() {
        hash = (hash ^ first as u64).wrapping_mul(PRIME);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

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
