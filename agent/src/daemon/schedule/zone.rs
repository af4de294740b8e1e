//! The router's local time: the POSIX rule of /etc/TZ, `CET-1CEST,M3.5.0,M10.5.0/3`.
//!
//! musl reads the same file, but only through localtime, which needs unsafe code and a C structure
//! that differs between its releases. The rule is a line of text; reading it is all there is to do.

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// How far local time is from UTC, and when that changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Zone {
    /// Seconds east of Greenwich.
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Summer {
    /// Seconds east of Greenwich.
    offset: i64,
    /// In standard time.
    begins: Change,
    /// In summer time.
    ends: Change,
}

/// A moment of each year.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Change {
    day: Day,
    /// Seconds after midnight, before it if negative.
    time: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Day {
    /// `Mm.w.d`: the w-th (5: last) weekday d (0: Sunday) of the month.
    Weekday { month: i64, week: i64, day: i64 },
    /// `Jn`: 1 to 365, without February 29th.
    Julian(i64),
    /// `n`: 0 to 365, with it.
    Ordinal(i64),
}

impl Zone {
    /// Where nobody says anything else.
    pub const UTC: Zone = Zone {
        standard: 0,
        summer: None,
    };

    /// Reads a POSIX rule. None: it is none (names of the zone database are none, either).
    pub fn parse(text: &str) -> Option<Zone> {
        let mut rest = Rest(text.trim());
        // What OpenWrt writes where nobody chose a zone; it is the only one without a number.
        if rest.0 == "UTC" {
            return Some(Zone::UTC);
        }
        rest.name()?;
        let standard = -rest.time(24)?;
        if rest.0.is_empty() {
            return Some(Zone {
                standard,
                summer: None,
            });
        }
        rest.name()?;
        let offset = match rest.0.as_bytes().first() {
            None | Some(b',') => standard + HOUR,
            Some(_) => -rest.time(24)?,
        };
        // POSIX leaves open what a missing rule means; everybody takes that of the United States.
        if rest.0.is_empty() {
            rest.0 = ",M3.2.0,M11.1.0";
        }
        let (begins, ends) = (rest.change()?, rest.change()?);
        rest.0.is_empty().then_some(Zone {
            standard,
            summer: Some(Summer {
                offset,
                begins,
                ends,
            }),
        })
    }

    /// Seconds to add to `utc` (seconds since 1970) for the local time.
    pub fn offset(&self, utc: i64) -> i64 {
        let Some(summer) = &self.summer else {
            return self.standard;
        };
        // A clock that runs mad says any number; these are four digits of a year.
        let utc = utc.clamp(0, 250_000_000_000);
        let year = year_of((utc + self.standard).div_euclid(DAY));
        let begins = summer.begins.in_year(year) - self.standard;
        let ends = summer.ends.in_year(year) - summer.offset;
        let is_summer = match begins < ends {
            true => begins <= utc && utc < ends,
            // In the south summer goes over the end of the year.
            false => utc < ends || begins <= utc,
        };
        match is_summer {
            true => summer.offset,
            false => self.standard,
        }
    }
}

impl Change {
    /// Seconds since 1970 on the clock that counts before the change.
    fn in_year(&self, year: i64) -> i64 {
        let first = days_before(year);
        let leap = i64::from(is_leap(year));
        let day = match self.day {
            Day::Ordinal(day) => first + day,
            Day::Julian(day) => first + day - 1 + if day >= 60 { leap } else { 0 },
            Day::Weekday { month, week, day } => {
                let (before, length) = month_of(month, leap);
                let first = first + before;
                // 1970-01-01 was a Thursday.
                let ahead = (day - (first + 4)).rem_euclid(7);
                let nth = ahead + 7 * (week - 1);
                first + if nth < length { nth } else { nth - 7 }
            }
        };
        day * DAY + self.time
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to the first day of the year.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    365 * (year - 1970) + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 477
}

/// The year in which a day since 1970-01-01 lies.
fn year_of(day: i64) -> i64 {
    // Too early by a day for most years that have passed: a year or two in a lifetime.
    let mut year = 1970 + day.div_euclid(366);
    while days_before(year + 1) <= day {
        year += 1;
    }
    year
}

/// Days of the year before the month (1 to 12), and its length.
fn month_of(month: i64, leap: i64) -> (i64, i64) {
    let mut before = 0;
    for other in 1.. {
        let length = match other {
            2 => 28 + leap,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if other >= month {
            return (before, length);
        }
        before += length;
    }
    (before, 31)
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn take(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// `CET` or `<+03>`; at least three characters.
    fn name(&mut self) -> Option<()> {
        let len = match self.0.strip_prefix('<') {
            Some(quoted) => quoted.find('>')? + 2,
            None => self
                .0
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(self.0.len()),
        };
        self.0 = self.0.get(len..)?;
        (len >= 3).then_some(())
    }

    fn number(&mut self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let len = self.0.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.0.split_at(len.unwrap_or(self.0.len()));
        self.0 = rest;
        digits
            .parse()
            .ok()
            .filter(|number| digits.len() <= 3 && range.contains(number))
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    fn time(&mut self, most_hours: i64) -> Option<i64> {
        let negative = self.take('-');
        if !negative {
            self.take('+');
        }
        let mut seconds = self.number(0..=most_hours)? * HOUR;
        for unit in [60, 1] {
            if !self.take(':') {
                break;
            }
            seconds += self.number(0..=59)? * unit;
        }
        Some(if negative { -seconds } else { seconds })
    }

    /// `,M3.5.0/2`; the time is up to a week away (Greenland, Gaza).
    fn change(&mut self) -> Option<Change> {
        if !self.take(',') {
            return None;
        }
        let day = if self.take('M') {
            let month = self.number(1..=12)?;
            let week = self.take('.').then(|| self.number(1..=5))??;
            let day = self.take('.').then(|| self.number(0..=6))??;
            Day::Weekday { month, week, day }
        } else if self.take('J') {
            Day::Julian(self.number(1..=365)?)
        } else {
            Day::Ordinal(self.number(0..=365)?)
        };
        let time = match self.take('/') {
            true => self.time(167)?,
            false => 2 * HOUR,
        };
        Some(Change { day, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with moments (UTC) and offsets in minutes, from `TZ=ZONE date` of coreutils 9.1 with the
    /// system's zone database, in the seconds before and at each change.
    const ZONES: &[(&str, &[(i64, i64)])] = &[
        ("UTC", &[(0, 0), (4_000_000_000, 0)]),
        ("GMT0", &[(1_800_000_000, 0)]),
        // Europe/Berlin, 2026-03-29 and 2026-10-25 at 01:00 UTC
        (
            "CET-1CEST,M3.5.0,M10.5.0/3",
            &[
                (1_774_745_999, 60),
                (1_774_746_000, 120),
                (1_792_889_999, 120),
                (1_792_890_000, 60),
            ],
        ),
        // America/New_York, 2026-03-08 07:00 and 2026-11-01 06:00 UTC
        (
            "EST5EDT,M3.2.0,M11.1.0",
            &[
                (1_772_953_199, -300),
                (1_772_953_200, -240),
                (1_793_512_799, -240),
                (1_793_512_800, -300),
            ],
        ),
        // Australia/Lord_Howe, 2026-04-04 15:00 and 2026-10-03 15:30 UTC
        (
            "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
            &[
                (1_767_225_600, 660),
                (1_775_314_799, 660),
                (1_775_314_800, 630),
                (1_791_041_399, 630),
                (1_791_041_400, 660),
            ],
        ),
        // America/Nuuk, 2026-03-29 01:00 and 2026-10-25 01:00 UTC
        (
            "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
            &[
                (1_774_745_999, -120),
                (1_774_746_000, -60),
                (1_792_889_999, -60),
                (1_792_890_000, -120),
            ],
        ),
        ("<+0545>-5:45", &[(1_800_000_000, 345)]),
        ("<-03>3", &[(1_800_000_000, -180)]),
    ];

    #[test]
    fn offsets_are_those_of_the_zone_database() {
        for (rule, moments) in ZONES {
            let zone = Zone::parse(rule).unwrap_or_else(|| panic!("{rule}"));
            for (utc, minutes) in *moments {
                assert_eq!(zone.offset(*utc), minutes * 60, "{rule} at {utc}");
            }
        }
    }

    #[test]
    fn days_without_weekdays() {
        // 2024 is a leap year: J60 is March 1st in each year, 59 is February 29th.
        let at = |text: &str, year| {
            let mut rest = Rest(text);
            rest.change().unwrap().in_year(year)
        };
        assert_eq!(at(",J60/0", 2024), 1_709_251_200);
        assert_eq!(at(",J60/0", 2025), 1_740_787_200);
        assert_eq!(at(",59/0", 2024), 1_709_164_800);
        assert_eq!(at(",M2.5.4/0", 2024), 1_709_164_800);
    }

    #[test]
    fn years_are_those_of_the_calendar() {
        for year in 1970..2500 {
            assert_eq!(year_of(days_before(year)), year);
            assert_eq!(year_of(days_before(year) - 1), year - 1);
        }
        assert_eq!(days_before(1970), 0);
        assert_eq!(days_before(2000), 10_957);
    }

    #[test]
    fn what_is_no_rule() {
        for bad in [
            "",
            "CET",
            "Europe/Berlin",
            "C1",
            "<+03",
            "CET-25",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,J0,J1",
            "CET-1CEST,M3.5.0,M10.5.0/168",
            "CET-1CEST,M3.5.0,M10.5.0x",
            "CET-1:60",
            "ÄÖÜ-1",
            "CET-99999999999999999999",
        ] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
        assert!(Zone::parse("EST5EDT\n").is_some());
    }
}
