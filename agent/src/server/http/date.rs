//! Dates in headers (RFC 9110, 5.6.7).

const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may still be sent. The
/// day of the week says nothing new.
pub(super) fn seconds(text: &str) -> Option<i64> {
    if text.len() != 29 || !text.ends_with(" GMT") {
        return None;
    }
    let number = |from, to, range: std::ops::Range<i64>| {
        let number = text.get(from..to)?.parse().ok()?;
        range.contains(&number).then_some(number)
    };
    let month = MONTHS.find(text.get(8..11)?)?;
    if month % 3 != 0 {
        return None;
    }
    // Counted from March, so that the leap day is the last of its year.
    let month = (i64::try_from(month / 3).ok()? + 10) % 12;
    let year = number(12, 16, 1970..10_000)? - i64::from(month >= 10);
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_469
        + number(5, 7, 1..32)?;
    let minutes = (days * 24 + number(17, 19, 0..24)?) * 60 + number(20, 22, 0..60)?;
    // There are leap seconds.
    Some(minutes * 60 + number(23, 25, 0..61)?)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_are_those_of_the_calendar() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Mon, 28 Feb 2000 23:59:59 GMT", 951_782_399),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Thu, 31 Dec 2026 23:59:60 GMT", 1_798_761_600),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "90",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 anF 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sün, 06 Nov 1994 08:49:37 GMT",
            "üüü 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
