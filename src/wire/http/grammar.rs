//! The productions that headers share: tokens, comma-separated lists and lengths. Linear in their input.
//!
//! Not here: hosts and ports (`authority.rs`), any one header (`head.rs`, `upgrade.rs`).

/// Whether `byte` may stand in a token (RFC 9110, section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether `text` is a token (RFC 9110, section 5.6.2): not empty, and of token bytes only.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// The elements of a comma-separated list without the whitespace around them. Empty elements are skipped, as a
/// recipient must (RFC 9110, section 5.6.1.2). Quotes mean nothing here.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// The number that a `Content-Length` is: digits alone (RFC 9110, section 8.6). One too large for the machine is the
/// largest there is, so that it meets the limit and not the grammar.
pub(super) fn parse_length(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_separator_no_control_and_no_byte_above_ascii() {
        let count = (0..=u8::MAX).filter(|&byte| is_token_byte(byte)).count();
        assert_eq!(count, 26 + 26 + 10 + 15);
        for separator in b"\"(),/:;<=>?@[\\]{} \t\r\n\0\x7f\x80\xff" {
            assert!(!is_token(&[*separator]), "{separator}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn a_list_is_trimmed_and_its_empty_elements_are_skipped() {
        let table: [(&[u8], &[&[u8]]); 6] = [
            (b"a", &[b"a"]),
            (b" a ,\tb\t", &[b"a", b"b"]),
            (b",a,, ,b,", &[b"a", b"b"]),
            (b"", &[]),
            (b" , ", &[]),
            (b"a b", &[b"a b"]),
        ];
        for (list, expected) in table {
            assert_eq!(elements(list).collect::<Vec<_>>(), expected, "{list:?}");
        }
    }
}
