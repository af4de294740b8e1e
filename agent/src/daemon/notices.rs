//! What the owner should know, in one line.

use crate::api::{
    Check, DifferenceKind, KeptPlan, Notice, NoticeKind, Outcome, Release, Upgrade, Verdict,
};
use crate::error::Error;
use crate::system::now;
use crate::upgrade::confirm::Pending;

/// So many names fit into a line.
const MOST_NAMES: usize = 4;

fn notice(kind: NoticeKind, text: String) -> Notice {
    Notice {
        kind,
        text,
        since: now(),
    }
}

/// What the status says of a check that has ended.
pub fn check(result: Result<&KeptPlan, &Error>) -> Check {
    Check {
        running: false,
        at: now(),
        plan: result.ok().cloned(),
        error: result.err().cloned(),
    }
}

/// After a check: whether something newer is there. What a failed check leaves is the former notice.
pub fn after_check(result: Result<&KeptPlan, &Error>, former: Option<&Notice>) -> Option<Notice> {
    let former = former.cloned();
    let Ok(KeptPlan { outline, .. }) = result else {
        return former;
    };
    let target = &outline.target;
    match outline.verdict {
        Verdict::Upgrade => Some(notice(
            NoticeKind::UpgradeAvailable,
            format!(
                "OpenWrt {} is available: \"asu check\" shows what would change.",
                target.version
            ),
        )),
        Verdict::Blocked => Some(notice(
            NoticeKind::UpgradeAvailable,
            format!(
                "OpenWrt {} is available, but something is in the way: see \"asu check\".",
                target.version
            ),
        )),
        Verdict::Rebuild => Some(notice(
            NoticeKind::UpgradeAvailable,
            "Newer packages are available: \"asu check\" shows which.".to_owned(),
        )),
        Verdict::Current | Verdict::Downgrade => {
            former.filter(|notice| notice.kind != NoticeKind::UpgradeAvailable)
        }
    }
}

/// The first few of some names.
fn named<T: AsRef<str>>(names: impl Iterator<Item = T>, between: &str) -> String {
    let mut text = String::new();
    for (n, name) in names.enumerate() {
        if n == MOST_NAMES {
            return text + between + "…";
        }
        if n > 0 {
            text += between;
        }
        text += name.as_ref();
    }
    text
}

/// What the new release did not have, and how to get it back.
fn without(left_out: &[String]) -> String {
    match left_out.len() {
        0 => String::new(),
        // A command that is cut short would be worse than none.
        n if n > MOST_NAMES => format!(" It came without {n} packages: \"asu history\" names them, and the command to get them back."),
        _ => format!(
            " It came without {}. Once the server has them again: \"asu upgrade --add {}\".",
            left_out.join(", "),
            left_out.join(",")
        ),
    }
}

/// After the reboot.
pub fn after_upgrade(pending: &Pending, confirmed: Result<&Upgrade, &Error>) -> Notice {
    let to = &pending.to.version;
    let left = without(&pending.left_out);
    let differences = confirmed.map(|upgrade| upgrade.differences.as_slice());
    let names = differences
        .unwrap_or_default()
        .iter()
        .map(|difference| match difference.kind {
            DifferenceKind::Version => "version",
            DifferenceKind::Revision => "revision",
            DifferenceKind::Package => &difference.name,
        });
    match confirmed.map(|upgrade| (upgrade.result, upgrade.differences.len())) {
        Ok((Outcome::Confirmed, _)) => notice(
            NoticeKind::Upgraded,
            format!("Upgraded to OpenWrt {to}: everything is as promised.{left}"),
        ),
        Ok((Outcome::Differs, count)) => notice(
            NoticeKind::UpgradeFailed,
            format!(
                "OpenWrt {to} runs, but {count} things are not as promised ({}): see \"asu history\".{left}",
                named(names, ", ")
            ),
        ),
        Ok((Outcome::NotApplied, _)) => notice(
            NoticeKind::UpgradeFailed,
            format!("The upgrade to OpenWrt {to} did not take: the old system runs unchanged."),
        ),
        Err(error) => notice(
            NoticeKind::UpgradeFailed,
            format!(
                "Whether the upgrade to OpenWrt {to} is complete could not be found out: {error}"
            ),
        ),
    }
}

/// An image that the schedule does not flash by itself.
pub fn left_to_the_owner(to: &Release, why: &Error) -> Notice {
    let text = format!(
        "OpenWrt {} is ready, but not installed automatically: {} \"asu status\" shows it.",
        to.version, why.message
    );
    notice(NoticeKind::UpgradeAvailable, text)
}

/// The schedule has given up.
pub fn no_more_upgrades() -> Notice {
    let text = "Automatic upgrades have stopped, because two in a row did not take: see \"asu history\", then try \"asu upgrade\".";
    notice(NoticeKind::UpgradeFailed, text.to_owned())
}

/// After a flash that never came to be.
pub fn failed(error: &Error) -> Notice {
    notice(NoticeKind::UpgradeFailed, error.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told_after_the_reboot() {
        let to = Release {
            version: "24.10.2".to_owned(),
            revision: String::new(),
        };
        let mut pending = Pending {
            to: to.clone(),
            ..Pending::default()
        };
        let upgrade = Upgrade {
            from: Release::default(),
            to,
            at: 0,
            result: Outcome::Confirmed,
            differences: Vec::new(),
            kept_settings: true,
            left_out: Vec::new(),
            report: None,
        };
        let text = |pending: &Pending| after_upgrade(pending, Ok(&upgrade)).text;
        assert!(text(&pending).ends_with("everything is as promised."));
        pending.left_out = vec!["luci-app-shop".to_owned()];
        assert!(text(&pending).contains("without luci-app-shop"));
        assert!(text(&pending).ends_with("\"asu upgrade --add luci-app-shop\"."));
        let many = ["a", "b", "c", "d", "e"].map(str::to_owned);
        pending.left_out = many.to_vec();
        assert!(text(&pending).contains("without 5 packages"));
        // Something else may be wrong as well.
        let differs = Upgrade {
            result: Outcome::Differs,
            ..upgrade.clone()
        };
        pending.left_out.truncate(2);
        let text = after_upgrade(&pending, Ok(&differs)).text;
        assert!(text.ends_with("\"asu upgrade --add a,b\"."), "{text}");
    }
}
