//! What the owner set about the schedule. A value that can't be understood is said in the log, and
//! the router does less on its own than it might, never more.

use super::agenda::{Action, Rules};
use super::window::Window;
use super::zone::Zone;
use crate::paths::Paths;
use crate::settings::{Options, FILE};

/// In the router's terms; OpenWrt writes it from the system's settings.
const ZONE: &str = "/etc/TZ";
const HOUR: i64 = 3600;
/// A year.
const MOST_HOURS: i64 = 8766;

impl Rules {
    /// Nothing happens on its own.
    pub const NEVER: Rules = Rules {
        interval: 0,
        action: Action::Check,
        window: None,
        zone: Zone::UTC,
    };

    /// What the router's files say, and complaints about them.
    pub fn read(paths: &Paths) -> (Rules, Vec<String>) {
        let text = std::fs::read_to_string(paths.real(FILE)).unwrap_or_default();
        let zone = std::fs::read_to_string(paths.real(ZONE)).unwrap_or_default();
        Rules::parse(&text, &zone)
    }

    /// The same from the text of the settings and of the zone.
    pub fn parse(text: &str, zone: &str) -> (Rules, Vec<String>) {
        let options = match Options::parse(text) {
            Ok(options) => options,
            Err(error) => return (Rules::NEVER, vec![error.message]),
        };
        let mut complaints = Vec::new();
        let mut complain = |name: &str, value: &str, instead: &str| {
            let value = crate::server::clean(value);
            complaints.push(format!(
                "{FILE}: option {name} can't be \"{value}\"; {instead}."
            ));
        };
        let hours = options.text("check_interval").unwrap_or_default();
        let interval = match hours.trim().parse() {
            Ok(hours @ 0..=MOST_HOURS) => hours * HOUR,
            _ if hours.is_empty() => 0,
            _ => {
                let instead = "it has to be hours, at most 8766; nothing is asked automatically";
                complain("check_interval", &hours, instead);
                0
            }
        };
        let action = options.text("action").unwrap_or_default();
        let mut action = match action.as_str() {
            "" | "check" => Action::Check,
            "download" => Action::Download,
            "upgrade" => Action::Upgrade,
            other => {
                let instead = "it has to be check, download or upgrade; check counts";
                complain("action", other, instead);
                Action::Check
            }
        };
        let window = options.text("window").unwrap_or_default();
        let known = Window::parse(&window);
        if !window.is_empty() && known.is_none() {
            let instead = "it has to be like 03:00-05:00; nothing is upgraded automatically";
            complain("window", &window, instead);
            action = action.min(Action::Download);
        }
        let zone = match zone.trim() {
            "" => Some(Zone::UTC),
            zone => Zone::parse(zone),
        };
        if known.is_some() && zone.is_none() && action == Action::Upgrade {
            complaints.push(format!(
                "{ZONE} can't be understood, so nobody knows when the window is open; nothing is upgraded automatically."
            ));
            action = Action::Download;
        }
        let rules = Rules {
            interval,
            action,
            window: known,
            zone: zone.unwrap_or(Zone::UTC),
        };
        (rules, complaints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str) -> (Rules, Vec<String>) {
        let lines = options
            .split(';')
            .map(|option| format!(" option {option}\n"));
        let text = format!("config agent 'agent'\n{}", lines.collect::<String>());
        Rules::parse(&text, "CET-1\n")
    }

    #[test]
    fn what_is_not_set_does_nothing() {
        assert_eq!(Rules::parse("", ""), (Rules::NEVER, Vec::new()));
        let (rules, complaints) = parse("check_interval '';action '';window ''");
        assert_eq!(
            (rules.interval, rules.action, complaints.len()),
            (0, Action::Check, 0)
        );
    }

    #[test]
    fn what_is_set_counts() {
        let (rules, complaints) =
            parse("check_interval '24';action 'upgrade';window '03:00-05:00'");
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!((rules.interval, rules.action), (86_400, Action::Upgrade));
        assert_eq!(rules.window, Window::parse("03:00-05:00"));
        assert_eq!(Some(rules.zone), Zone::parse("CET-1"));
    }

    #[test]
    fn nonsense_is_told_and_never_upgrades() {
        for (options, word) in [
            ("check_interval '-1';action 'upgrade'", "check_interval"),
            ("check_interval '1d';action 'upgrade'", "check_interval"),
            (
                "check_interval '99999999999999999999';action 'upgrade'",
                "check_interval",
            ),
            ("check_interval '1';action 'Upgrade'", "action"),
            ("check_interval '1';action 'yes\u{7}'", "\"yes\""),
            ("check_interval '1';action 'upgrade';window '3'", "window"),
            (
                "check_interval '1';action 'upgrade';window '03:00-03:00'",
                "window",
            ),
        ] {
            let (rules, complaints) = parse(options);
            assert!(
                rules.interval == 0 || rules.action < Action::Upgrade,
                "{options}"
            );
            assert_eq!(complaints.len(), 1, "{options}");
            assert!(complaints[0].contains(word), "{complaints:?}");
        }
        let (rules, complaints) = Rules::parse("config agent\n option x '\n", "");
        assert_eq!((rules, complaints.len()), (Rules::NEVER, 1));
    }

    #[test]
    fn a_window_needs_a_zone() {
        let text = "config agent\n option check_interval '1'\n option action 'upgrade'\n";
        let (rules, complaints) = Rules::parse(text, "Europe/Berlin");
        assert_eq!((rules.action, complaints.len()), (Action::Upgrade, 0));
        let text = format!("{text} option window '1:00-2:00'\n");
        let (rules, complaints) = Rules::parse(&text, "Europe/Berlin");
        assert_eq!((rules.action, complaints.len()), (Action::Download, 1));
    }
}
