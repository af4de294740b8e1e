//! Packages that were renamed, replaced or dropped between releases.

use crate::request::BuildRequest;
use serde_json::{json, Value};

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

/// What the server changes on its own in a request, since old clients don't know: some packages replaced, some added for
/// devices that lost them from their defaults, translations renamed.
pub fn apply(request: &mut BuildRequest) {
    let BuildRequest {
        version,
        target,
        packages,
        ..
    } = request;
    for (branch, source, replacement) in REPLACED {
        if version.starts_with(branch) && remove(packages, source) {
            replacement.into_iter().for_each(|name| add(packages, name));
        }
    }
    for entry in &RESTORED {
        if version.starts_with(entry.branch) && entry.target == target {
            entry.packages.iter().for_each(|name| add(packages, name));
        }
    }
    // Since 24.10; SNAPSHOT sorts after every number.
    if version.as_str() >= "24.10" {
        for package in packages.iter_mut() {
            if let Some(language) = package.strip_prefix("luci-i18n-opkg-") {
                *package = format!("luci-i18n-package-manager-{language}");
            }
        }
    }
    packages.retain(|package| !(package.starts_with("luci-i18n-") && package.ends_with("-en")));
}

fn add(packages: &mut Vec<String>, name: &str) {
    if !packages.iter().any(|package| package == name) {
        packages.push(name.to_owned());
    }
}

fn remove(packages: &mut Vec<String>, name: &str) -> bool {
    let before = packages.len();
    packages.retain(|package| package != name);
    packages.len() < before
}

#[cfg(test)]
mod tests {
    use super::apply;
    use crate::request::BuildRequest;

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
            apply(&mut request);
            assert_eq!(
                request.packages.join(" "),
                after,
                "{version} {target} {profile}"
            );
        }
    }
}
