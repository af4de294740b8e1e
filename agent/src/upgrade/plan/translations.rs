//! LuCI's translations, which the branch's list of changes does not name one by one.

use crate::server::answers::PackageChange;
use crate::upgrade::device::Installed;
use crate::upgrade::offer::Offer;

const APPLICATION: &str = "luci-app-";
const TRANSLATION: &str = "luci-i18n-";

/// `pt-br`, `zh-hans`
const LONGEST_LANGUAGE: usize = 7;

/// Adds to the list of changes that the installed translations of a renamed application have its
/// new name: `luci-i18n-opkg-de` is `luci-i18n-package-manager-de`, as `luci-app-opkg` is
/// `luci-app-package-manager`. The public server changes that one in requests by itself.
pub fn name_translations(offer: &mut Offer, installed: &Installed) {
    let names = installed.names();
    let names: Vec<&str> = names.filter(|name| name.starts_with(TRANSLATION)).collect();
    let listed = offer.package_changes.iter();
    let more = listed.flat_map(|change| translations(change, &names));
    let more: Vec<PackageChange> = more.collect();
    offer.package_changes.extend(more);
}

fn translations(change: &PackageChange, names: &[&str]) -> Vec<PackageChange> {
    let old = change.source.strip_prefix(APPLICATION);
    let new = change.target.as_ref();
    let new = new.and_then(|target| target.strip_prefix(APPLICATION));
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let renamed = names.iter().filter_map(|name| {
        let language = name.strip_prefix(TRANSLATION)?.strip_prefix(old)?;
        let language = language.strip_prefix('-')?;
        (language.len() <= LONGEST_LANGUAGE).then(|| PackageChange {
            source: (*name).to_owned(),
            target: Some(format!("{TRANSLATION}{new}-{language}")),
            revision: change.revision,
            mandatory: false,
        })
    });
    renamed.collect()
}

/// English is LuCI's own language: its translations are empty, and releases have none any more.
pub(super) fn is_english(name: &str) -> bool {
    name.starts_with(TRANSLATION) && name.ends_with("-en")
}
