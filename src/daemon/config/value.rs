//! The syntax of configured values: durations, sizes, counts, booleans, lists, and how each is printed back.
//!
//! Not here: which key takes which value (`table.rs`), where a value was written (`sources.rs`).

use std::fmt;
use std::time::Duration;

use toml::de::DeValue;

/// Multiples of one kind of unit, the largest first.
type Units = &'static [(&'static str, u64)];

/// Sizes, in bytes; a bare number is bytes.
const SIZES: Units = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("", 1)];
/// Durations, in milliseconds; a bare number is none.
const DURATIONS: Units = &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Counts have no unit.
const COUNTS: Units = &[("", 1)];

/// A value as a source wrote it, before a key has said what it should be.
///
/// A string of a TOML file is read like the same text in a flag or the environment. `Display` gives it for an
/// error: text is quoted and escaped, so it stays on its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text of a flag or the environment, or a string of a TOML file.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array of strings.
    List(Vec<String>),
    /// A TOML type that no key takes, by its name.
    Foreign(&'static str),
}

impl Value {
    /// A size in bytes: `64KiB`, `1MiB`, `1GiB`, `512B`, `512`. One beyond 64 bits counts as the largest.
    pub fn size(&self) -> Result<usize, String> {
        self.number(SIZES).map(saturate).ok_or_else(|| wrong("a size", SIZES))
    }

    /// A number without a unit. One beyond 64 bits counts as the largest.
    pub fn count(&self) -> Result<usize, String> {
        self.number(COUNTS).map(saturate).ok_or_else(|| "not a whole number".into())
    }

    /// A duration with its unit: `500ms`, `10s`, `5m`, `1h`. One beyond 64 bits of milliseconds counts as the longest.
    pub fn duration(&self) -> Result<Duration, String> {
        self.number(DURATIONS).map(Duration::from_millis).ok_or_else(|| wrong("a duration", DURATIONS))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, String> {
        match self {
            Value::Boolean(value) => Ok(*value),
            Value::Text(text) if text == "true" => Ok(true),
            Value::Text(text) if text == "false" => Ok(false),
            Value::Text(_) | Value::Integer(_) | Value::List(_) | Value::Foreign(_) => Err("not a boolean".into()),
        }
    }

    /// Text as it is.
    pub fn text(&self) -> Result<&str, String> {
        match self {
            Value::Text(text) => Ok(text),
            Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Foreign(_) => Err("not a string".into()),
        }
    }

    /// A list, each item understood by `item`: comma-separated text (spaces around an item do not count, empty
    /// text is the empty list) or an array.
    pub fn list<T>(&self, item: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
        match self {
            Value::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
            Value::Text(text) => text.split(',').map(|part| item(part.trim())).collect(),
            Value::List(items) => items.iter().map(|part| item(part)).collect(),
            Value::Integer(_) | Value::Boolean(_) | Value::Foreign(_) => Err("not a list".into()),
        }
    }

    fn number(&self, units: Units) -> Option<u64> {
        match self {
            Value::Text(text) => read_number(text, units),
            Value::Integer(number) => read_number(&number.to_string(), units),
            Value::Boolean(_) | Value::List(_) | Value::Foreign(_) => None,
        }
    }
}

impl From<&DeValue<'_>> for Value {
    fn from(value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Foreign("an integer beyond 64 bits"), Value::Integer),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_string))
                .collect::<Option<Vec<String>>>()
                .map_or(Value::Foreign("an array with other items than strings"), Value::List),
            DeValue::Float(_) => Value::Foreign("a float"),
            DeValue::Datetime(_) => Value::Foreign("a date"),
            DeValue::Table(_) => Value::Foreign("a table"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Integer(number) => write!(f, "{number}"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::List(items) => write!(f, "{items:?}"),
            Value::Foreign(name) => f.write_str(name),
        }
    }
}

/// The size as [`Value::size`] reads it, in the largest unit that holds it exactly, after `space`.
pub fn write_size(bytes: usize, space: &str) -> String {
    write_number(u64::try_from(bytes).unwrap_or(u64::MAX), SIZES, space)
}

/// The duration as [`Value::duration`] reads it, in the largest unit that holds it exactly, after `space`. Less
/// than a millisecond is cut off.
pub fn write_duration(duration: Duration, space: &str) -> String {
    write_number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATIONS, space)
}

/// Digits, perhaps spaces, a unit of `units`. Saturates.
fn read_number(text: &str, units: Units) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    // Only digits, so what does not parse is either nothing at all or too large.
    let number = if digits.is_empty() { return None } else { digits.parse().unwrap_or(u64::MAX) };
    Some(number.saturating_mul(*factor))
}

fn write_number(number: u64, units: Units, space: &str) -> String {
    let exact = units.iter().find(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    match exact.or(units.last()) {
        Some((unit, factor)) if !unit.is_empty() => format!("{}{space}{unit}", number / factor),
        Some(_) | None => number.to_string(),
    }
}

/// What it is not, and the units it could have.
fn wrong(kind: &str, units: Units) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).rev().collect();
    format!("not {kind}, a whole number of {}", names.join(", "))
}

fn saturate(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (written, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("512B", 512),
            ("64KiB", 65_536),
            ("1MiB", 1 << 20),
            ("1GiB", 1 << 30),
            (" 64 KiB ", 65_536),
            ("99999999999999999999", usize::MAX),
            ("18446744073709551615GiB", usize::MAX),
        ] {
            assert_eq!(text(written).size(), Ok(bytes), "{written}");
        }
        for wrong in ["", " ", "KiB", "-1", "+1", "1.5MiB", "64kib", "64KB", "12 apples", "1 2", "0x10", "1MiB1", "١"]
        {
            assert_eq!(text(wrong).size(), Err("not a size, a whole number of B, KiB, MiB, GiB".into()), "{wrong}");
        }
        assert_eq!(Value::Integer(512).size(), Ok(512));
        for wrong in
            [Value::Integer(-1), Value::Boolean(true), Value::List(vec!["1".into()]), Value::Foreign("a float")]
        {
            assert_eq!(wrong.size(), Err("not a size, a whole number of B, KiB, MiB, GiB".into()), "{wrong}");
        }
    }

    #[test]
    fn durations_need_their_unit() {
        for (written, millis) in [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(text(written).duration(), Ok(Duration::from_millis(millis)), "{written}");
        }
        for wrong in [text("10"), text("10S"), text("1d"), text("1.5s"), text("s"), text("1m30s"), Value::Integer(10)] {
            assert_eq!(wrong.duration(), Err("not a duration, a whole number of ms, s, m, h".into()), "{wrong}");
        }
    }

    #[test]
    fn counts_and_booleans_are_exact() {
        assert_eq!(text("64").count(), Ok(64));
        assert_eq!(Value::Integer(64).count(), Ok(64));
        for wrong in [text(""), text("64B"), text("-64"), text("6 4"), Value::Integer(-64)] {
            assert_eq!(wrong.count(), Err("not a whole number".into()), "{wrong}");
        }
        for (value, meant) in [(text("true"), true), (text("false"), false), (Value::Boolean(true), true)] {
            assert_eq!(value.boolean(), Ok(meant));
        }
        for wrong in [text(""), text("yes"), text("True"), text("1"), Value::Integer(1)] {
            assert_eq!(wrong.boolean(), Err("not a boolean".into()), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_comma_separated_text_or_an_array() {
        let item = |text: &str| if text.is_empty() { Err("empty".into()) } else { Ok(text.to_string()) };
        for (written, items) in
            [("", &[][..]), (" ", &[]), ("a", &["a"]), ("a,b", &["a", "b"]), (" a , b ", &["a", "b"])]
        {
            assert_eq!(text(written).list(item), Ok(items.iter().map(ToString::to_string).collect()), "{written:?}");
        }
        for wrong in [",", "a,", ",a", "a,,b"] {
            assert_eq!(text(wrong).list(item), Err("empty".into()), "{wrong:?}");
        }
        assert_eq!(Value::List(vec!["a".into()]).list(item), Ok(vec!["a".to_string()]));
        assert_eq!(Value::Integer(1).list(item), Err("not a list".into()));
    }

    #[test]
    fn what_is_printed_back_reads_as_the_same() {
        for (bytes, written) in
            [(0, "0"), (1, "1B"), (1000, "1000B"), (1 << 10, "1KiB"), (100 << 10, "100KiB"), (3 << 30, "3GiB")]
        {
            assert_eq!(write_size(bytes, ""), written);
            assert_eq!(text(written).size(), Ok(bytes));
        }
        for (millis, written) in
            [(0, "0ms"), (1, "1ms"), (1500, "1500ms"), (90_000, "90s"), (60_000, "1m"), (7_200_000, "2h")]
        {
            assert_eq!(write_duration(Duration::from_millis(millis), ""), written);
            assert_eq!(text(written).duration(), Ok(Duration::from_millis(millis)));
        }
        assert_eq!(write_size(64 << 10, " "), "64 KiB");
        assert_eq!(text("64 KiB").size(), Ok(64 << 10));
    }

    #[test]
    fn what_was_written_stays_on_its_line() {
        assert_eq!(text("a\n\"b\u{1b}").to_string(), r#""a\n\"b\u{1b}""#);
        assert_eq!(Value::List(vec!["a\n".into(), "b".into()]).to_string(), r#"["a\n", "b"]"#);
    }
}
