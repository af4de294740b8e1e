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

/// What the server changes on its own in a request, since old clients don't know: some packages replaced, some added for
/// devices that lost them from their defaults, translations renamed.
pub fn apply(request: &mut BuildRequest) {
    let (version, target, profile) = (
        request.version.clone(),
        request.target.clone(),
        request.profile.clone(),
    );
    let packages = &mut request.packages;
    if version.starts_with("24.10") {
        if remove(packages, "auc") {
            add(packages, "owut");
        }
        if profile == "tplink_archer-c6-v2" {
            add(packages, "ipq-wifi-tplink_archer-c6-v2");
        }
        if ["mediatek/filogic", "mediatek/mt7622", "mediatek/mt7623"].contains(&target.as_str()) {
            add(packages, "fitblk");
        }
    }
    if version.starts_with("23.05") && target == "mediatek/mt7622" {
        add(packages, "kmod-mt7622-firmware");
    }
    if version.starts_with("25.12") && target.starts_with("lantiq/xrx200") {
        add(packages, "kmod-dsa-gswip");
    }
    if version == "SNAPSHOT" {
        remove(packages, "kmod-nf-conntrack6");
        remove(packages, "kmod-lib-crc32c");
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
