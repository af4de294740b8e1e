//! Packages that were renamed, replaced or dropped between releases.

use crate::request::BuildRequest;
use crate::Config;
use serde_json::{json, Value};

/// A change that was made to a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// A package that is called otherwise now, or replaced by another.
    Replaced {
        /// What was asked for.
        from: String,
        /// What comes instead.
        to: String,
        /// Since when, in words.
        reason: String,
    },
    /// A package that the device needs.
    Added {
        /// Its name.
        package: String,
        /// Why, in words.
        reason: String,
    },
    /// A package that is no more.
    Removed {
        /// Its name.
        package: String,
        /// Why, in words.
        reason: String,
    },
}

impl Applied {
    /// As `POST /api/v1/build/prepare` answers it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Replaced { from, to, reason } => json!({"type": "migration", "action": "replace",
                "from_package": from, "to_package": to, "reason": reason, "automatic": true}),
            Self::Added { package, reason } => {
                json!({"type": "addition", "action": "add", "package": package,
                "reason": reason, "automatic": true})
            }
            Self::Removed { package, reason } => {
                json!({"type": "removal", "action": "remove", "package": package,
                "reason": reason, "automatic": true})
            }
        }
    }
}

/// A change: `source` became `target` at a revision, or went (without `target`).
struct Change {
    source: &'static str,
    target: Option<&'static str>,
    revision: u32,
    mandatory: bool,
}

const fn renamed(source: &'static str, target: &'static str, revision: u32) -> Change {
    Change {
        source,
        target: Some(target),
        revision,
        mandatory: false,
    }
}

const fn gone(source: &'static str, revision: u32) -> Change {
    Change {
        source,
        target: None,
        revision,
        mandatory: true,
    }
}

/// The changes the public server tells its clients of, with OpenWrt's revisions.
const CHANGES: [Change; 9] = [
    renamed("firewall", "firewall4", 18611),
    gone("kmod-nft-nat6", 20282),
    renamed("libustream-wolfssl", "libustream-mbedtls", 21994),
    renamed("px5g-wolfssl", "px5g-mbedtls", 21994),
    renamed("wpad-basic-wolfssl", "wpad-basic-mbedtls", 21994),
    gone("luci-app-diag-core", 25984),
    renamed("auc", "owut", 26792),
    renamed("luci-app-opkg", "luci-app-package-manager", 27897),
    renamed("opkg", "apk-mbedtls", 28056),
];

/// The changes up to a branch's first revision, as the overview lists them; all of them for the main branch.
pub fn until(revision: Option<u32>) -> Vec<Value> {
    let counts = |change: &&Change| revision.is_none_or(|revision| change.revision <= revision);
    let describe = |change: &Change| {
        let mut value = json!({"source": change.source, "revision": change.revision});
        if let Some(target) = change.target {
            value["target"] = target.into();
        }
        if change.mandatory {
            value["mandatory"] = true.into();
        }
        value
    };
    CHANGES.iter().filter(counts).map(describe).collect()
}

/// Packages that the devices of a target lost from their defaults in a branch, and get back here.
struct Restored {
    branch: &'static str,
    target: &'static str,
    packages: &'static [&'static str],
}

const fn restored(
    branch: &'static str,
    target: &'static str,
    packages: &'static [&'static str],
) -> Restored {
    Restored {
        branch,
        target,
        packages,
    }
}

/// What concerns whole targets. The public server knows some single devices besides, which have to ask for their packages
/// by name here.
#[rustfmt::skip]
const RESTORED: [Restored; 7] = [
    restored("23.05", "mediatek/mt7622", &["kmod-mt7622-firmware"]),
    restored("24.10", "mediatek/filogic", &["fitblk"]),
    restored("24.10", "mediatek/mt7622", &["fitblk"]),
    restored("24.10", "mediatek/mt7623", &["fitblk"]),
    restored("25.12", "lantiq/xrx200", &["kmod-dsa-gswip"]),
    restored("25.12", "lantiq/xrx200_legacy", &["kmod-dsa-gswip"]),
    restored("25.12", "ath79/mikrotik", &["kmod-ag71xx-legacy"]),
];

/// Packages that are no longer there, and with them what comes in their place.
const REPLACED: [(&str, &str, Option<&str>); 3] = [
    ("24.10", "auc", Some("owut")),
    ("SNAPSHOT", "kmod-nf-conntrack6", None),
    ("SNAPSHOT", "kmod-lib-crc32c", None),
];

/// Changes a request by all that happened to packages between the release that runs and the one that is asked for.
/// Without a known release to come from nothing happens: what the packages are called there is not known.
pub fn migrate(request: &mut BuildRequest, from: Option<&str>, config: &Config) -> Vec<Applied> {
    let revision = |version: &str| {
        let branch = config.branch_of(version)?;
        Some(branch.branch_off_rev.unwrap_or(u32::MAX))
    };
    let (Some(old), Some(new)) = (from.and_then(revision), revision(&request.version)) else {
        return Vec::new();
    };
    let mut applied = Vec::new();
    for change in CHANGES
        .iter()
        .filter(|change| change.revision > old && change.revision <= new)
    {
        let since = format!("since revision {}", change.revision);
        replace(request, change.source, change.target, &since, &mut applied);
    }
    applied
}

/// What the server changes on its own in a request, since old clients don't know: some packages replaced, some added for
/// devices that lost them from their defaults, translations renamed. Done twice, the second time changes nothing.
pub fn resolve(request: &mut BuildRequest) -> Vec<Applied> {
    let mut applied = Vec::new();
    for (branch, source, replacement) in REPLACED {
        if request.version.starts_with(branch) {
            let since = format!("since {branch}");
            replace(request, source, replacement, &since, &mut applied);
        }
    }
    for entry in &RESTORED {
        if !request.version.starts_with(entry.branch) || entry.target != request.target {
            continue;
        }
        for name in entry.packages {
            if add(&mut request.packages, name) {
                let reason = format!(
                    "{} needs it, and it is no default since {}",
                    entry.target, entry.branch
                );
                applied.push(Applied::Added {
                    package: (*name).to_owned(),
                    reason,
                });
            }
        }
    }
    // Since 24.10; SNAPSHOT sorts after every number.
    if request.version.as_str() >= "24.10" {
        let renamed = |name: &str| {
            Some(format!(
                "luci-i18n-package-manager-{}",
                name.strip_prefix("luci-i18n-opkg-")?
            ))
        };
        for package in &mut request.packages {
            if let Some(name) = renamed(package) {
                let from = std::mem::replace(package, name.clone());
                applied.push(Applied::Replaced {
                    from,
                    to: name,
                    reason: "Package renamed since 24.10".to_owned(),
                });
            }
        }
    }
    let english = |package: &String| package.starts_with("luci-i18n-") && package.ends_with("-en");
    for package in request.packages.iter().filter(|package| english(package)) {
        let reason = "English needs no translation".to_owned();
        applied.push(Applied::Removed {
            package: package.clone(),
            reason,
        });
    }
    request.packages.retain(|package| !english(package));
    applied
}

fn replace(
    request: &mut BuildRequest,
    source: &str,
    target: Option<&str>,
    since: &str,
    applied: &mut Vec<Applied>,
) {
    if !remove(&mut request.packages, source) {
        return;
    }
    applied.push(match target {
        Some(target) => {
            add(&mut request.packages, target);
            Applied::Replaced {
                from: source.to_owned(),
                to: target.to_owned(),
                reason: format!("Package replaced {since}"),
            }
        }
        None => Applied::Removed {
            package: source.to_owned(),
            reason: format!("Package dropped {since}"),
        },
    });
}

fn add(packages: &mut Vec<String>, name: &str) -> bool {
    let new = !packages.iter().any(|package| package == name);
    if new {
        packages.push(name.to_owned());
    }
    new
}

fn remove(packages: &mut Vec<String>, name: &str) -> bool {
    let before = packages.len();
    packages.retain(|package| package != name);
    packages.len() < before
}

#[cfg(test)]
mod tests {
    use super::{migrate, resolve};
    use crate::request::BuildRequest;
    use crate::Config;

    /// What changed between the releases, and nothing of what changed before or after.
    #[test]
    fn old_names_between_releases() {
        let config = Config::new("http://127.0.0.1:1", "/nonexistent", "/nonexistent");
        let cases = [
            (
                Some("21.02.7"),
                "22.03.5",
                "firewall opkg",
                "opkg firewall4",
                1,
            ),
            (
                Some("23.05.5"),
                "24.10.2",
                "auc firewall luci-app-diag-core",
                "firewall owut",
                2,
            ),
            (
                Some("24.10.2"),
                "SNAPSHOT",
                "opkg auc",
                "auc apk-mbedtls",
                1,
            ),
            (Some("SNAPSHOT"), "24.10.2", "auc opkg", "auc opkg", 0),
            (Some("24.10.2"), "24.10.2", "auc", "auc", 0),
            (Some("1.2.3"), "24.10.2", "auc", "auc", 0),
            (None, "24.10.2", "auc", "auc", 0),
        ];
        for (from, version, before, after, count) in cases {
            let mut request = BuildRequest {
                version: version.to_owned(),
                packages: before.split_whitespace().map(str::to_owned).collect(),
                ..BuildRequest::default()
            };
            let applied = migrate(&mut request, from, &config);
            assert_eq!(
                (request.packages.join(" "), applied.len()),
                (after.to_owned(), count),
                "{from:?} {version}"
            );
        }
    }

    #[test]
    fn requests_of_old_clients_are_mended() {
        let cases = [
            (
                "24.10.2",
                "ath79/generic",
                "x",
                "auc luci-i18n-opkg-de luci-i18n-base-en",
                "luci-i18n-package-manager-de owut",
            ),
            ("24.10.2", "ath79/generic", "x", "auc owut", "owut"),
            ("24.10.2", "mediatek/filogic", "x", "luci", "luci fitblk"),
            ("23.05.5", "ath79/generic", "x", "auc", "auc"),
            (
                "23.05.5",
                "ath79/generic",
                "x",
                "luci-i18n-opkg-de",
                "luci-i18n-opkg-de",
            ),
            ("25.12.0", "lantiq/xrx200", "x", "", "kmod-dsa-gswip"),
            (
                "SNAPSHOT",
                "x86/64",
                "generic",
                "kmod-lib-crc32c luci kmod-nf-conntrack6",
                "luci",
            ),
            (
                "25.12.0",
                "x86/64",
                "generic",
                "kmod-lib-crc32c",
                "kmod-lib-crc32c",
            ),
        ];
        for (version, target, profile, before, after) in cases {
            let mut request = BuildRequest {
                version: version.to_owned(),
                target: target.to_owned(),
                profile: profile.to_owned(),
                packages: before.split_whitespace().map(str::to_owned).collect(),
                ..BuildRequest::default()
            };
            resolve(&mut request);
            assert!(resolve(&mut request).is_empty(), "done twice");
            assert_eq!(
                request.packages.join(" "),
                after,
                "{version} {target} {profile}"
            );
        }
    }
}
