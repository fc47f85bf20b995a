//! The form of Basic credentials (RFC 7617): `Basic <base64 of name:password>` in, the bytes of `name:password` out.
//!
//! Not here: whose they are (`users.rs`), what is answered to a wrong form (`methods.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What follows `scheme` and at least one space, without spaces around it; `None` where another scheme stands there. The
/// scheme is case-insensitive (RFC 9110, section 11.4).
pub(super) fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (first, rest) = value.split_at_checked(scheme.len())?;
    if !first.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    rest.strip_prefix(b" ").map(<[u8]>::trim_ascii)
}

/// The decoded `name:password`, or `None` where the form is wrong; no colon is a wrong form.
pub(super) fn basic_credentials(value: &[u8]) -> Option<Vec<u8>> {
    let credentials = STANDARD.decode(after_scheme(value, "basic")?).ok()?;
    credentials.contains(&b':').then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_case_insensitive_and_may_be_followed_by_spaces() {
        for value in ["Basic YTpi", "basic YTpi", "BASIC YTpi ", "bAsIc   YTpi"] {
            assert_eq!(basic_credentials(value.as_bytes()).as_deref(), Some(&b"a:b"[..]), "{value:?}");
        }
    }

    #[test]
    fn a_wrong_form_is_none() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "BasicYTpi",
            "Bearer YTpi",
            "Basic YTpix",
            "Basic YWI=",
            "Basic ====",
            "Basic \u{fc}",
        ] {
            assert_eq!(basic_credentials(value.as_bytes()), None, "{value:?}");
        }
    }
}
