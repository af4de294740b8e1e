//! A request for a build: its fields, its canonical form and hash.

pub mod changes;
pub mod feeds;
pub mod prepare;
pub mod support;
pub mod validate;

use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A request whose fields have the form they should have; whether they mean something is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRequest {
    /// Always `openwrt`.
    pub distro: String,
    /// `24.10.2`
    pub version: String,
    /// `r28739-d9340319c6`, or empty: any.
    pub version_code: String,
    /// `ath79/generic`
    pub target: String,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// Names of packages, in the client's order.
    pub packages: Vec<String>,
    /// Name → version that it has to have. Where not empty, its names count and `packages` doesn't.
    pub packages_versions: BTreeMap<String, String>,
    /// Whether default packages that are not in `packages` are left out.
    pub diff_packages: bool,
    /// A script for the first boot.
    pub defaults: Option<String>,
    /// Size of the root file system in MiB.
    pub rootfs_size_mb: Option<u64>,
    /// The only root file system to build.
    pub filesystem: Option<String>,
    /// More feeds: name → URL.
    pub repositories: BTreeMap<String, String>,
    /// `append` or `replace`
    pub repositories_mode: String,
    /// Keys of those feeds.
    pub repository_keys: Vec<String>,
    /// Who asks.
    pub client: Option<String>,
    /// Whether to build just these packages, though the server would change them.
    pub exact: bool,
}

impl BuildRequest {
    /// The SHA-256 of the canonical form, 64 hexadecimal digits: equal for requests that make the same image.
    ///
    /// The canonical form is a JSON array, so that no two different requests run together into one text; who asks is not
    /// in it, nor the order of packages.
    pub fn hash(&self) -> String {
        let packages: BTreeSet<&String> = match self.packages_versions.is_empty() {
            true => self.packages.iter().collect(),
            false => self.packages_versions.keys().collect(),
        };
        let form = json!([
            self.distro,
            self.version,
            self.version_code,
            self.target,
            self.profile,
            packages,
            self.packages_versions,
            self.diff_packages,
            self.defaults.as_deref().unwrap_or_default(),
            self.rootfs_size_mb,
            self.filesystem,
            self.repositories,
            self.repositories_mode,
            self.repository_keys,
            self.exact,
        ]);
        hex(&Sha256::digest(form.to_string()))
    }

    /// The request as an answer repeats it.
    pub fn to_json(&self) -> Value {
        let versions: Map<String, Value> = self
            .packages_versions
            .iter()
            .map(|(name, version)| (name.clone(), version.as_str().into()))
            .collect();
        json!({
            "distro": self.distro, "version": self.version, "version_code": self.version_code, "target": self.target,
            "profile": self.profile, "packages": self.packages, "packages_versions": versions,
            "diff_packages": self.diff_packages, "defaults": self.defaults, "rootfs_size_mb": self.rootfs_size_mb,
            "filesystem": self.filesystem, "repositories": self.repositories,
            "repositories_mode": self.repositories_mode, "repository_keys": self.repository_keys, "client": self.client,
        })
    }
}

/// The SHA-256 of the names of a manifest: what images are told apart by.
pub fn packages_hash<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    hex(&Sha256::digest(
        names.into_iter().collect::<Vec<_>>().join(" "),
    ))
}

/// Whether a text is a request's hash: 64 lower-case hexadecimal digits.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::BuildRequest;

    fn request() -> BuildRequest {
        BuildRequest {
            version: "24.10.2".to_owned(),
            target: "ath79/generic".to_owned(),
            packages: vec!["luci".to_owned(), "tmux".to_owned()],
            ..BuildRequest::default()
        }
    }

    #[test]
    fn order_and_client_do_not_count() {
        let mut other = request();
        other.packages = ["tmux", "luci", "tmux"].map(str::to_owned).to_vec();
        other.client = Some("someone/1.0".to_owned());
        assert_eq!(request().hash(), other.hash());
        assert_eq!(request().hash().len(), 64);
    }

    /// Fields that are joined without separators can be shifted into each other (CVE-2024-54143's sister).
    #[test]
    fn fields_do_not_run_together() {
        let mut shifted = request();
        shifted.version = "24.10.2ath79".to_owned();
        shifted.target = "/generic".to_owned();
        assert_ne!(request().hash(), shifted.hash());
        let mut joined = request();
        joined.packages = vec!["luci tmux".to_owned()];
        assert_ne!(request().hash(), joined.hash());
    }

    #[test]
    fn every_field_counts() {
        let changes: [fn(&mut BuildRequest); 15] = [
            |r| r.distro.push('x'),
            |r| r.version.push('x'),
            |r| r.version_code.push('x'),
            |r| r.target.push('x'),
            |r| r.profile.push('x'),
            |r| r.packages.push("x".to_owned()),
            |r| r.diff_packages = true,
            |r| r.defaults = Some("x".to_owned()),
            |r| r.rootfs_size_mb = Some(1),
            |r| r.filesystem = Some("ext4".to_owned()),
            |r| r.repository_keys.push("x".to_owned()),
            |r| r.repositories_mode.push('x'),
            |r| r.exact = true,
            |r| {
                drop(
                    r.repositories
                        .insert("x".to_owned(), "https://x".to_owned()),
                )
            },
            |r| {
                drop(
                    r.packages_versions
                        .insert("luci".to_owned(), "1".to_owned()),
                )
            },
        ];
        let mut seen = vec![request().hash()];
        for change in changes {
            let mut changed = request();
            change(&mut changed);
            assert!(!seen.contains(&changed.hash()), "{changed:?}");
            seen.push(changed.hash());
        }
    }
}
