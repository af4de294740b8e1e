//! The devices of a version, and how to find one by its name.

use super::Site;
use crate::config::Branch;
use crate::Error;
use serde_json::Value;
use std::sync::Arc;

/// A device under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `TP-Link Archer C7 v2`; its profile where the download site has no name for it.
    pub title: String,
    /// `ath79/generic`
    pub target: String,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// What searches look at: letters and digits of title, profile and target.
    letters: String,
}

/// Reads `.overview.json`; empty where the version has none. Kept while that file counts as fresh.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn all(site: &Site, branch: &Branch, version: &str) -> Result<Arc<Vec<Device>>, Error> {
    let place = format!("{}/.overview.json", branch.path_of(version));
    if let Some(known) = site.devices.get(&place) {
        return Ok(known);
    }
    let json = site.get(&place).await?.json().unwrap_or_default();
    let devices = Arc::new(parse(&json));
    site.devices.keep(&place, &devices);
    Ok(devices)
}

fn parse(json: &Value) -> Vec<Device> {
    let mut devices: Vec<Device> = Vec::new();
    for entry in json["profiles"].as_array().into_iter().flatten() {
        let (Some(profile), Some(target)) = (entry["id"].as_str(), entry["target"].as_str()) else {
            continue;
        };
        for title in titles(entry, profile) {
            let letters = letters(&format!("{title} {profile} {target}"));
            devices.push(Device {
                title,
                target: target.to_owned(),
                profile: profile.to_owned(),
                letters,
            });
        }
    }
    devices.sort_by_cached_key(|device| device.title.to_lowercase());
    devices
}

/// The names of a device; its profile where it has none.
pub fn titles(entry: &Value, profile: &str) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for title in entry["titles"].as_array().into_iter().flatten() {
        let parts = ["vendor", "model", "variant", "title"];
        let words: Vec<&str> = parts
            .iter()
            .filter_map(|part| title[part].as_str())
            .collect();
        let name = words.join(" ").trim().to_owned();
        if !name.is_empty() && !titles.contains(&name) {
            titles.push(name);
        }
    }
    if titles.is_empty() {
        titles.push(profile.to_owned());
    }
    titles
}

/// Letters and digits only: people write `WR841N`, `wr-841n` and `WR 841N`.
fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The devices that have every word of `words` in their title, profile or target; those called just so first.
pub fn search<'a>(devices: &'a [Device], words: &str) -> Vec<&'a Device> {
    let whole = letters(words);
    let words: Vec<String> = words.split_whitespace().map(letters).collect();
    let mut found: Vec<&Device> = devices
        .iter()
        .filter(|device| words.iter().all(|word| device.letters.contains(word)))
        .collect();
    // The sort is stable: within a rank they stay in the order of their titles.
    found.sort_by_cached_key(|device| {
        let (title, profile) = (letters(&device.title), letters(&device.profile));
        match (&title, &profile) {
            _ if title == whole || profile == whole => 0,
            _ if title.starts_with(&whole) => 1,
            _ => 2,
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::{parse, search};
    use serde_json::json;

    #[test]
    fn devices_are_found_as_people_write_them() {
        let json = json!({"profiles": [
            {"id": "tplink_tl-wr841-v8", "target": "ath79/tiny", "titles": [{"vendor": "TP-Link", "model": "TL-WR841N/ND", "variant": "v8"}]},
            {"id": "tplink_archer-c7-v2", "target": "ath79/generic", "titles": [
                {"vendor": "TP-Link", "model": "Archer C7", "variant": "v2"}, {"title": "Archer C7 (US)"}]},
            {"id": "tplink_archer-c7-v20", "target": "ath79/generic", "titles": []},
            {"id": 7, "target": "x"}, {"target": "x"}, null,
        ]});
        let devices = parse(&json);
        let titles = |words: &str| -> Vec<&str> {
            search(&devices, words)
                .into_iter()
                .map(|device| device.title.as_str())
                .collect()
        };
        assert_eq!(titles("").len(), 4);
        assert_eq!(titles("wr 841n"), ["TP-Link TL-WR841N/ND v8"]);
        assert_eq!(titles("TINY"), ["TP-Link TL-WR841N/ND v8"]);
        assert_eq!(titles("archerc7 us"), ["Archer C7 (US)"]);
        assert_eq!(titles("ath79/generic").len(), 3);
        assert_eq!(
            titles("tplink_archer-c7-v2"),
            [
                "Archer C7 (US)",
                "TP-Link Archer C7 v2",
                "tplink_archer-c7-v20"
            ]
        );
        assert!(titles("nosuch").is_empty());
        assert!(parse(&json!([])).is_empty());
    }
}
