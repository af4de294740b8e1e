//! Times as text, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Year, month (1 to 12), day (1 to 31), hour, minute, second, and days since 1970.
struct Civil(u64, u64, u64, u64, u64, u64, u64);

impl Civil {
    fn of(seconds: u64) -> Self {
        let (days, second) = (seconds / 86400, seconds % 86400);
        // Counted from 1 March of the year 0, so that leap days come at the end of a year; 400 years have 146,097 days.
        let shifted = days + 719_468;
        let (era, day) = (shifted / 146_097, shifted % 146_097);
        let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = (march_month + 2) % 12 + 1;
        let year = year + era * 400 + u64::from(month <= 2);
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        Self(
            year,
            month,
            day,
            second / 3600,
            second / 60 % 60,
            second % 60,
            days,
        )
    }
}

/// `2026-11-20T12:12:25.697299`, without zone.
pub fn iso(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let Civil(year, month, day, hour, minute, second, _) = Civil::of(since.as_secs());
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}",
        since.subsec_micros()
    )
}

/// Days since 1970.
pub fn day(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        / 86400
}

/// `2026-11-20`, of days since 1970.
pub fn date(day: u64) -> String {
    let Civil(year, month, day, ..) = Civil::of(day * 86400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-20 12:15:15`
pub fn stamp(time: SystemTime) -> String {
    iso(time).replace('T', " ").chars().take(19).collect()
}

/// `Fri, 20 Nov 2026 12:12:22 GMT`.
pub fn http(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let Civil(year, month, day, hour, minute, second, days) = Civil::of(since.as_secs());
    let weekday = DAYS.get((days % 7) as usize).unwrap_or(&"");
    let month = MONTHS.get((month - 1) as usize).unwrap_or(&"");
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::{date, day, http, iso, stamp};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn known_times() {
        let cases = [
            (
                0,
                "1970-01-01T00:00:00.000001",
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                951_782_400,
                "2000-02-29T00:00:00.000001",
                "Tue, 29 Feb 2000 00:00:00 GMT",
            ),
            (
                1_750_711_236,
                "2025-06-23T20:40:36.000001",
                "Mon, 23 Jun 2025 20:40:36 GMT",
            ),
            (
                1_798_761_599,
                "2026-12-31T23:59:59.000001",
                "Thu, 31 Dec 2026 23:59:59 GMT",
            ),
        ];
        for (seconds, expected_iso, expected_http) in cases {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(1);
            assert_eq!(iso(time), expected_iso);
            assert_eq!(http(time), expected_http);
            assert_eq!(stamp(time), expected_iso[..19].replace('T', " "));
            assert_eq!(date(day(time)), expected_iso[..10]);
        }
    }
}
