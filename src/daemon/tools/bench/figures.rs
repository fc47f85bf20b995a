//! How figures are written for people: with a unit that fits, and no more digits than mean something.
//!
//! Not here: what they are of (`report.rs`, `progress.rs`), and how JSON has them.

use std::time::Duration;

/// `1 234 567`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Of something a second, without the unit: `81 200`, or `3.25` where it is few.
pub fn rate(per_second: f64) -> String {
    if per_second < 100.0 { three_digits(per_second) } else { grouped(&format!("{per_second:.0}")) }
}

/// A duration: `850 ns`, `12.3 us`, `1.20 ms`, `3.00 s`.
pub fn span(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    // What would be written with four digits has the next unit.
    match nanos {
        ..999.5 => format!("{nanos:.0} ns"),
        ..999.5e3 => format!("{} us", three_digits(nanos / 1e3)),
        ..999.5e6 => format!("{} ms", three_digits(nanos / 1e6)),
        _ => format!("{} s", three_digits(nanos / 1e9)),
    }
}

/// Microseconds: `0.32 us`, `12.3 us`; for what is compared, always in this unit.
pub fn micros(us: f64) -> String {
    format!("{} us", three_digits(us))
}

/// Memory: `340 B`, `4.20 KiB`, `31.5 MiB`; it may be negative.
pub fn memory(bytes: f64) -> String {
    let sign = if bytes < 0.0 { "-" } else { "" };
    let size = bytes.abs();
    match size {
        ..1023.5 => format!("{sign}{size:.0} B"),
        ..1_048_064.0 => format!("{sign}{} KiB", three_digits(size / 1024.0)),
        ..1_073_217_536.0 => format!("{sign}{} MiB", three_digits(size / 1_048_576.0)),
        _ => format!("{sign}{} GiB", three_digits(size / 1_073_741_824.0)),
    }
}

/// Three that count: `0.32`, `3.25`, `32.5`, `325`, `3 250`.
fn three_digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_groups_of_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (12_345, "12 345"), (1_234_567, "1 234 567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn rates_that_are_few_have_a_fraction() {
        for (per_second, text) in [(0.0, "0.00"), (3.25, "3.25"), (99.94, "99.9"), (99.96, "100"), (81_200.4, "81 200")]
        {
            assert_eq!(rate(per_second), text);
        }
    }

    #[test]
    fn a_duration_has_the_unit_that_leaves_three_digits() {
        for (nanos, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.00 us"),
            (9_994, "9.99 us"),
            (9_996, "10.0 us"),
            (999_499, "999 us"),
            (999_500, "1.00 ms"),
            (1_204_000, "1.20 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1.00 s"),
            (3_600_000_000_000, "3 600 s"),
        ] {
            assert_eq!(span(Duration::from_nanos(nanos)), text, "{nanos}");
        }
    }

    #[test]
    fn memory_is_in_powers_of_1024_and_may_shrink() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (340.4, "340 B"),
            (1024.0, "1.00 KiB"),
            (4300.0, "4.20 KiB"),
            (33_030_144.0, "31.5 MiB"),
            (1_073_741_824.0, "1.00 GiB"),
            (-2048.0, "-2.00 KiB"),
        ] {
            assert_eq!(memory(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn microseconds_stay_microseconds() {
        for (us, text) in [(0.321, "0.32 us"), (12.34, "12.3 us"), (1200.0, "1 200 us")] {
            assert_eq!(micros(us), text);
        }
    }
}
