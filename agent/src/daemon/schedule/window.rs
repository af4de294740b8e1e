//! The hours in which the router may restart by itself: `03:00-05:00` on its own clock.

use super::zone::Zone;

const MINUTE: i64 = 60;
const DAY_MINUTES: i64 = 24 * 60;

/// From a minute of the day to another, which may be on the next day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    from: i64,
    to: i64,
}

/// Where a moment is, seen from a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// It has been open for so many seconds, as the local clock has it.
    Open(i64),
    /// It opens in so many seconds.
    Closed(i64),
}

impl Window {
    /// Reads `HH:MM-HH:MM`; None: it is no such thing, or never open.
    pub fn parse(text: &str) -> Option<Window> {
        let (from, to) = text.trim().split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        (from != to).then_some(Window { from, to })
    }

    /// How long it is open, in seconds.
    pub fn length(self) -> i64 {
        (self.to - self.from).rem_euclid(DAY_MINUTES) * MINUTE
    }

    /// Whether it is open at `utc` on a clock of that zone. An hour that a change of the clock leaves
    /// out does not open, one that it repeats is open twice.
    pub fn place(self, zone: &Zone, utc: i64) -> Place {
        let since = self.since(zone, utc);
        if since < self.length() {
            return Place::Open(since);
        }
        let opens = utc + DAY_MINUTES * MINUTE - since;
        // The clock may be changed until then: seen from there the window opens so much sooner or later.
        let changed = zone.offset(opens) - zone.offset(utc);
        Place::Closed((opens - changed - utc).max(MINUTE))
    }

    /// Seconds since it opened last, if no clock was changed since.
    fn since(self, zone: &Zone, utc: i64) -> i64 {
        (utc + zone.offset(utc) - self.from * MINUTE).rem_euclid(DAY_MINUTES * MINUTE)
    }
}

/// `03:00` → 180
fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str, most: i64| -> Option<i64> {
        let digits =
            (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= most)
    };
    Some(number(hour, 23)? * 60 + number(minute, 59)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    /// 2026-06-01 00:00 UTC
    const JUNE: i64 = 1_780_272_000;

    fn place(window: &str, zone: &str, utc: i64) -> Place {
        let zone = Zone::parse(zone).unwrap();
        Window::parse(window).unwrap().place(&zone, utc)
    }

    #[test]
    fn inside_and_outside() {
        let place = |utc| place("03:00-05:00", "CET-1CEST,M3.5.0,M10.5.0/3", utc);
        // Two hours ahead of UTC in June.
        assert_eq!(place(JUNE), Place::Closed(HOUR));
        assert_eq!(place(JUNE + HOUR), Place::Open(0));
        assert_eq!(place(JUNE + 3 * HOUR - 1), Place::Open(2 * HOUR - 1));
        assert_eq!(place(JUNE + 3 * HOUR), Place::Closed(22 * HOUR));
    }

    #[test]
    fn across_midnight() {
        let place = |utc| place("23:30-00:30", "UTC", utc);
        assert_eq!(place(JUNE), Place::Open(HOUR / 2));
        assert_eq!(place(JUNE + HOUR / 2), Place::Closed(23 * HOUR));
        assert_eq!(place(JUNE - HOUR / 2), Place::Open(0));
        assert_eq!(Window::parse("23:30-00:30").unwrap().length(), HOUR);
    }

    #[test]
    fn when_the_clock_is_changed() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        // 2026-03-29 01:00 UTC, when 02:00 becomes 03:00: the window opens an hour sooner …
        let spring = 1_774_746_000;
        assert_eq!(
            place("03:00-05:00", berlin, spring - 2 * HOUR),
            Place::Closed(2 * HOUR)
        );
        assert_eq!(place("03:00-05:00", berlin, spring), Place::Open(0));
        // … and one that is left out does not open that night.
        let left_out = |utc| place("02:00-03:00", berlin, utc);
        assert!((spring - 4 * HOUR..spring + 4 * HOUR)
            .step_by(60)
            .all(|utc| matches!(left_out(utc), Place::Closed(1..))));
        // 2026-10-25 01:00 UTC, when 03:00 becomes 02:00: later, and what is repeated opens twice.
        let autumn = 1_792_890_000;
        assert_eq!(
            place("03:00-05:00", berlin, autumn - HOUR),
            Place::Closed(2 * HOUR)
        );
        assert_eq!(place("02:00-03:00", berlin, autumn - HOUR), Place::Open(0));
        assert_eq!(place("02:00-03:00", berlin, autumn), Place::Open(0));
        assert_eq!(
            place("02:00-03:00", berlin, autumn + HOUR),
            Place::Closed(23 * HOUR)
        );
    }

    #[test]
    fn what_is_no_window() {
        for bad in [
            "",
            "3-5",
            "03:00",
            "03:00-24:00",
            "03:60-05:00",
            "03:00-03:00",
            "-1:00-05:00",
            "+3:00-05:00",
            "03:00-05:00-07:00",
            "003:00-05:00",
            "a:b-c:d",
            "03:00–05:00",
        ] {
            assert_eq!(Window::parse(bad), None, "{bad}");
        }
        assert!(Window::parse(" 3:00 - 5:00 ").is_some());
    }
}
