//! What a raw JSON value may hold, judged on its text in one pass and without recursion: a value goes to other
//! peers as it came, so whatever their parsers are known to stumble over is stopped here.
//!
//! Not here: JSON grammar, which a `RawValue` has passed (serde_json); keys that appear twice within a value,
//! which are the receiver's to judge.

use serde_json::value::RawValue;

use super::FormatError;
use crate::limits::JSON_DEPTH;

/// A number up to this length that has no exponent is within the range of a double (below 1e308).
const SAFE_NUMBER_BYTES: usize = 308;

/// Whether `value`, which came as `field`, may be carried on: nested at most [`JSON_DEPTH`] deep, no escaped
/// surrogate without its other half (RFC 8259, section 8.2), no number that is infinite as a double (section 6).
pub(super) fn check(field: &'static str, value: &RawValue) -> Result<(), FormatError> {
    let mut rest = value.get().as_bytes();
    let mut depth = 0_usize;
    while let [first, tail @ ..] = rest {
        rest = match first {
            b'[' | b'{' if depth == JSON_DEPTH => return Err(FormatError::TooDeep { field }),
            b'[' | b'{' => {
                depth += 1;
                tail
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                tail
            }
            b'"' => after_string(tail).ok_or_else(|| bad(field, "half of a surrogate pair"))?,
            b'-' | b'0'..=b'9' => {
                after_number(rest).ok_or_else(|| bad(field, "a number beyond the range of a double"))?
            }
            _ => tail,
        };
    }
    Ok(())
}

/// What a value is, for a log line.
pub(super) fn kind(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn bad(field: &str, what: &str) -> FormatError {
    FormatError::BadJson { detail: format!("{what} in `{field}`") }
}

/// What follows the string whose opening quote has been taken; `None` at half of a surrogate pair.
fn after_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'u', tail @ ..] => after_escape(tail)?,
            [b'\\', _, tail @ ..] | [_, tail @ ..] => tail,
            [] => return None,
        };
    }
}

/// What follows the character whose `\u` has been taken.
fn after_escape(rest: &[u8]) -> Option<&[u8]> {
    let (unit, rest) = hex(rest)?;
    match unit {
        0xd800..=0xdbff => match hex(rest.strip_prefix(br"\u")?)? {
            (0xdc00..=0xdfff, rest) => Some(rest),
            _ => None,
        },
        0xdc00..=0xdfff => None,
        _ => Some(rest),
    }
}

fn hex(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = rest.split_first_chunk::<4>()?;
    let unit = u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((unit, rest))
}

/// What follows the number that `rest` begins with; `None` if it is infinite as a double.
fn after_number(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let (number, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
    let safe = number.len() <= SAFE_NUMBER_BYTES && !number.iter().any(|b| matches!(b, b'e' | b'E'));
    (safe || str::from_utf8(number).ok()?.parse::<f64>().ok()?.is_finite()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<&'static str> {
        let value: &RawValue = serde_json::from_str(text).unwrap();
        check("payload", value).err().map(|error| error.code())
    }

    #[test]
    fn nesting_is_counted_exactly() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[0,{"[{":"#, r#"},"]}"]"#)] {
            let levels = if open.starts_with("[0") { 2 } else { 1 };
            for (depth, wanted) in
                [(0, None), (1, None), (JSON_DEPTH / levels, None), (JSON_DEPTH / levels + 1, Some("too_deep"))]
            {
                let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                assert_eq!(code(&text), wanted, "{text}");
            }
        }
        let empty = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(code(&empty(JSON_DEPTH)), None);
        assert_eq!(code(&empty(JSON_DEPTH + 1)), Some("too_deep"));
        assert_eq!(code(&empty(100_000)), Some("too_deep"));
    }

    #[test]
    fn width_is_not_depth() {
        assert_eq!(code(&format!("[{}[]]", "[[]],{},".repeat(1000).replace("{}", r#"{"a":[]}"#))), None);
    }

    #[test]
    fn brackets_and_quotes_within_strings_do_not_count() {
        let brackets = "[{".repeat(JSON_DEPTH);
        for text in [
            format!(r#""{brackets}""#),
            format!(r#""\"{brackets}""#),
            format!(r#"["\\","{brackets}"]"#),
            format!(r#"["\\\"{brackets}"]"#),
            format!(r#"{{"{brackets}":0}}"#),
            format!(r#""\u0022{brackets}""#),
        ] {
            assert_eq!(code(&text), None, "{text}");
        }
        let deep = "[".repeat(JSON_DEPTH);
        let close = "]".repeat(JSON_DEPTH);
        assert_eq!(code(&format!(r#"["\\",{deep}{close}]"#)), Some("too_deep"));
        assert_eq!(code(&format!(r#"["\\\"",{deep}{close}]"#)), Some("too_deep"));
    }

    #[test]
    fn surrogates_come_in_pairs() {
        for text in
            [r#""\ud83e\udd80""#, r#""\uD83E\uDD80x""#, r#""\ud7ff\ue000""#, r#""\\ud800""#, r#"{"\ud83e\udd80":0}"#]
        {
            assert_eq!(code(text), None, "{text}");
        }
        for text in [
            r#""\ud800""#,
            r#""\udbffx""#,
            r#""\udc00""#,
            r#""\udfff\ud800""#,
            r#""\ud800\ud800""#,
            r#""\ud800\ue000""#,
            r#""\ud800\n""#,
            r#""\\\ud800""#,
            r#"[{"\ud800":0}]"#,
        ] {
            assert_eq!(code(text), Some("bad_json"), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "serde_json agrees on {text}");
        }
    }

    #[test]
    fn numbers_stay_within_a_double() {
        let nines = "9".repeat(308);
        let round = format!("1{}", "0".repeat(308));
        for text in [
            "0",
            "-0",
            "123456789012345678901234567890",
            "1e308",
            "-1.5E+300",
            "1e-999",
            "[1,-2.5,3e2]",
            &nines,
            &round,
        ] {
            assert_eq!(code(text), None, "{text}");
        }
        for text in ["1e999", "-1e309", "[0,1E+400]", r#"{"a":1e999}"#, &format!("9{nines}")] {
            assert_eq!(code(text), Some("bad_json"), "{text}");
        }
        assert_eq!(code(r#""1e999""#), None);
    }

    #[test]
    fn every_kind_of_value_has_a_name() {
        for (value, name) in [
            ("{}", "an object"),
            ("[]", "an array"),
            (r#""""#, "a string"),
            ("true", "a boolean"),
            ("false", "a boolean"),
            ("null", "null"),
            ("-1", "a number"),
        ] {
            assert_eq!(kind(value), name);
        }
    }
}
