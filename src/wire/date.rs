//! A point in time as text: ISO 8601 for messages, IMF-fixdate for the `Date` header. Both are `Display`, of a
//! fixed length, and allocate nothing.
//!
//! Not here: what time it is. That is asked once a turn at the edge (`net/io.rs`) and passed down.

use std::fmt;

const MILLIS_PER_DAY: u64 = 24 * 3600 * 1000;
/// 9999-12-31T23:59:59.999Z, the last instant that both formats can write.
const LAST_MILLIS: u64 = 253_402_300_799_999;
/// Days from 0000-03-01, where the arithmetic starts, to 1970-01-01.
const DAYS_BEFORE_EPOCH: u64 = 719_468;
const DAYS_PER_ERA: u64 = 146_097;
const YEARS_PER_ERA: u64 = 400;

/// `unix_ms` (milliseconds since 1970-01-01 UTC) as `2026-11-23T06:30:58.123Z`, always 24 characters. Beyond the year
/// 9999 it is the last millisecond of that year.
pub fn iso8601(unix_ms: u64) -> Iso8601 {
    Iso8601(Civil::from_unix_ms(unix_ms))
}

/// `unix_ms` (milliseconds since 1970-01-01 UTC) as `Mon, 23 Nov 2026 06:30:58 GMT` (RFC 9110, section 5.6.7), always
/// 29 characters. Beyond the year 9999 it is the last second of that year.
pub fn http_date(unix_ms: u64) -> HttpDate {
    HttpDate(Civil::from_unix_ms(unix_ms))
}

/// What [`iso8601`] returns: displays the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iso8601(Civil);

/// What [`http_date`] returns: displays the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpDate(Civil);

impl fmt::Display for Iso8601 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, millis, .. } = self.0;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, day, hour, minute, second, .. } = self.0;
        let (weekday, month) = (self.0.weekday_name(), self.0.month_name());
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// An instant on the proleptic Gregorian calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    /// Days since the last Thursday: 1970-01-01 was one.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millis: u64,
}

impl Civil {
    /// The days of four centuries (an era) repeat; a year that starts in March has its leap day last. So both the year
    /// in its era and the month in its year follow by division.
    fn from_unix_ms(unix_ms: u64) -> Civil {
        let unix_ms = unix_ms.min(LAST_MILLIS);
        let (days, millis) = (unix_ms / MILLIS_PER_DAY, unix_ms % MILLIS_PER_DAY);
        let (era, day_of_era) = ((days + DAYS_BEFORE_EPOCH) / DAYS_PER_ERA, (days + DAYS_BEFORE_EPOCH) % DAYS_PER_ERA);
        let leap_days = day_of_era / 1460 + day_of_era / (DAYS_PER_ERA - 1) - day_of_era / 36_524;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Civil {
            year: era * YEARS_PER_ERA + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: days % 7,
            hour: millis / 3_600_000,
            minute: millis / 60_000 % 60,
            second: millis / 1000 % 60,
            millis: millis % 1000,
        }
    }

    fn weekday_name(&self) -> &'static str {
        match self.weekday {
            0 => "Thu",
            1 => "Fri",
            2 => "Sat",
            3 => "Sun",
            4 => "Mon",
            5 => "Tue",
            _ => "Wed",
        }
    }

    fn month_name(&self) -> &'static str {
        match self.month {
            1 => "Jan",
            2 => "Feb",
            3 => "Mar",
            4 => "Apr",
            5 => "May",
            6 => "Jun",
            7 => "Jul",
            8 => "Aug",
            9 => "Sep",
            10 => "Oct",
            11 => "Nov",
            _ => "Dec",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_read_as_in_a_calendar() {
        let table: [(u64, &str, &str); 14] = [
            (0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (999, "1970-01-01T00:00:00.999Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_000, "1970-01-01T00:00:01.000Z", "Thu, 01 Jan 1970 00:00:01 GMT"),
            (86_399_999, "1970-01-01T23:59:59.999Z", "Thu, 01 Jan 1970 23:59:59 GMT"),
            (86_400_000, "1970-01-02T00:00:00.000Z", "Fri, 02 Jan 1970 00:00:00 GMT"),
            (68_169_600_000, "1972-02-29T00:00:00.000Z", "Tue, 29 Feb 1972 00:00:00 GMT"),
            (784_111_777_000, "1994-11-06T08:49:37.000Z", "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z", "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z", "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_795_415_458_123, "2026-11-23T06:30:58.123Z", "Mon, 23 Nov 2026 06:30:58 GMT"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z", "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST_MILLIS, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (unix_ms, iso, http) in table {
            assert_eq!(iso8601(unix_ms).to_string(), iso, "{unix_ms}");
            assert_eq!(http_date(unix_ms).to_string(), http, "{unix_ms}");
        }
    }

    #[test]
    fn each_day_follows_the_one_before_up_to_the_year_9999() {
        let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut month, mut day, mut weekday) = (1970, 1, 1, 0);
        for days in 0..=LAST_MILLIS / MILLIS_PER_DAY {
            let civil = Civil::from_unix_ms(days * MILLIS_PER_DAY);
            assert_eq!((civil.year, civil.month, civil.day, civil.weekday), (year, month, day, weekday));
            let length = match month {
                2 => 28 + u64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, weekday) = (day + 1, (weekday + 1) % 7);
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }
}
