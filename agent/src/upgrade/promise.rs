//! What was asked of the server, and what it says it built. The image, and after the reboot the
//! router, is held against it.

use super::build::Built;
use super::device::Installed;
use super::plan::{BuildRequest, Planned};
use crate::api::{CheckResult, ImageCheck, RequestBody};
use crate::json::{Decode, Encode};
use crate::sorted::{Map, Names};

/// At most so many packages are named in a sentence.
const NAMED: usize = 5;

/// What a download ends with, besides the image: all that the image is held against.
#[derive(Clone, Debug, Default, Decode, Encode)]
pub struct Downloaded {
    /// The request and its answer.
    pub promise: Promise,
    /// The check `request`.
    pub request: ImageCheck,
    /// The signatures that the server has beside the image: name of the file → its text. See
    /// [`super::beside`].
    #[field(optional)]
    pub beside: Map<String>,
    /// What other servers made of the same request: server → the sum of its image, or why there is
    /// none. See [`super::rebuild`].
    #[field(optional)]
    pub rebuilt: Map<String>,
}

/// The request and the server's answer to it.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Promise {
    /// What was asked.
    pub request: RequestBody,
    /// Who was asked.
    pub server: String,
    /// As the server says.
    pub version: String,
    /// As the server says.
    pub revision: String,
    /// As the server says, or empty.
    pub target: String,
    /// As the server says.
    pub profile: String,
    /// Package → version, everything in the image.
    pub manifest: Map<String>,
    /// The release's and the device's default packages.
    pub defaults: Vec<String>,
    /// Names that the release or the server gave to requested packages: old → new.
    pub renamed: Map<String>,
    /// Packages that were asked to be left out.
    pub removed: Vec<String>,
    /// Packages that the release does not have, and that the owner goes without.
    #[field(optional)]
    pub left_out: Vec<String>,
    /// Name of the image at the server.
    pub file: String,
    /// Announced bytes.
    pub size: u64,
    /// Announced, hexadecimal.
    pub sha256: String,
    /// Of the file without its signature, where the server says so.
    pub sha256_unsigned: Option<String>,
}

impl Promise {
    /// Puts the request and the finished build together; the size is announced with the download.
    pub fn new(planned: &Planned, request: &BuildRequest, built: &Built) -> Promise {
        let finished = &built.finished;
        Promise {
            request: request.body().clone(),
            server: planned.plan.server.clone(),
            version: finished.version_number.clone(),
            revision: finished.version_code.clone(),
            target: finished.target.clone(),
            profile: finished.id.clone(),
            manifest: finished.manifest.clone(),
            defaults: planned.defaults.clone(),
            renamed: planned.renamed.clone(),
            removed: planned.removed.clone(),
            left_out: planned.left_out.clone(),
            file: built.image.name.clone(),
            size: 0,
            sha256: built.image.sha256.clone(),
            sha256_unsigned: built.image.sha256_unsigned.clone(),
        }
    }

    /// The check `request`: the answer is for what was asked.
    pub fn check(&self, installed: &Installed, server_changes: &Map<&str, &str>) -> ImageCheck {
        let found = self
            .release_fault()
            .or_else(|| self.package_fault(installed, server_changes));
        let (result, detail) = match found {
            Some(fault) => (CheckResult::Fail, fault),
            None => (
                CheckResult::Pass,
                format!(
                    "The image was built for the request: {} packages.",
                    self.manifest.len()
                ),
            ),
        };
        ImageCheck {
            name: "request".to_owned(),
            result,
            detail,
        }
    }

    fn release_fault(&self) -> Option<String> {
        let asked = &self.request;
        let pairs = [
            ("version", &asked.version, &self.version),
            ("revision", &asked.version_code, &self.revision),
            ("target", &asked.target, &self.target),
            ("profile", &asked.profile, &self.profile),
        ];
        let differs = |(_, asked, got): &(_, &String, &String)| {
            // Only what both sides name can be compared; older servers leave the target out.
            !asked.is_empty() && !got.is_empty() && asked != got
        };
        let (what, asked, got) = pairs.into_iter().find(differs)?;
        Some(format!(
            "The server built another {what} than asked for: {got} instead of {asked}."
        ))
    }

    fn package_fault(
        &self,
        installed: &Installed,
        server_changes: &Map<&str, &str>,
    ) -> Option<String> {
        let asked = &self.request;
        let other = asked.packages_versions.iter().filter(|(name, version)| {
            self.manifest
                .get(name)
                .is_some_and(|built| built != version)
        });
        let other: Vec<&str> = other.map(|(name, _)| name.as_str()).collect();
        if !other.is_empty() {
            return Some(format!(
                "The image has other versions than asked for: {}.",
                listed(&other)
            ));
        }
        let names = asked.packages_versions.keys().chain(&asked.packages);
        let in_image = |name: &str| self.manifest.contains_key(name);
        let there = installed
            .packages()
            .filter(|package| in_image(package.name));
        let provided: Names<'_> = there.flat_map(|package| package.provides.iter()).collect();
        // By its name, by the name the server gives it, or by something installed now that provides
        // it and is in the image too.
        let has = |name: &str| {
            let new = server_changes.get(name);
            in_image(name) || new.is_some_and(|new| in_image(new)) || provided.has(name)
        };
        let missing = names.filter(|name| !has(name));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Some(format!(
                "The image lacks packages that were asked for: {}.",
                listed(&missing)
            ));
        }
        let kept = self
            .removed
            .iter()
            .filter(|name| self.manifest.contains_key(name));
        let kept: Vec<&str> = kept.map(String::as_str).collect();
        if !kept.is_empty() {
            return Some(format!(
                "The image has packages that were to be left out: {}.",
                listed(&kept)
            ));
        }
        None
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::installed::{Package, Words};

    fn promise() -> Promise {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|n| (n.to_string(), "1".to_string()))
                .collect()
        };
        Promise {
            request: RequestBody {
                version: "24.10.2".into(),
                version_code: "r2-b".into(),
                target: "ath79/generic".into(),
                profile: "a_b".into(),
                packages_versions: names(&["luci", "auc", "nftables"]),
                ..RequestBody::default()
            },
            version: "24.10.2".into(),
            revision: "r2-b".into(),
            target: "ath79/generic".into(),
            profile: "a_b".into(),
            manifest: names(&["luci", "owut", "nftables-json", "libc"]),
            ..Promise::default()
        }
    }

    fn judge(promise: &Promise) -> ImageCheck {
        let mut installed = Installed::default();
        installed.push(&Package {
            name: "nftables-json",
            provides: Words("nftables"),
            ..Package::default()
        });
        let changes = Map::from([("auc", "owut")]);
        promise.check(&installed, &changes)
    }

    #[test]
    fn what_was_asked_is_accepted_by_name_change_or_provider() {
        let check = judge(&promise());
        assert_eq!(check.result, CheckResult::Pass, "{}", check.detail);
    }

    #[test]
    fn every_other_answer_is_refused_with_its_reason() {
        type Spoil = fn(&mut Promise);
        let cases: [(Spoil, &str); 7] = [
            (|p| p.version = "24.10.1".into(), "another version"),
            (|p| p.revision = "r1-a".into(), "another revision"),
            (|p| p.target = "x86/64".into(), "another target"),
            (|p| p.profile = "c_d".into(), "another profile"),
            (
                |p| drop(p.manifest.insert("luci".into(), "2".into())),
                "other versions than asked for: luci",
            ),
            (
                |p| drop(p.manifest.remove("owut")),
                "lacks packages that were asked for: auc",
            ),
            (|p| p.removed.push("libc".into()), "to be left out: libc"),
        ];
        for (spoil, words) in cases {
            let mut promise = promise();
            spoil(&mut promise);
            let check = judge(&promise);
            assert_eq!(check.result, CheckResult::Fail);
            assert!(check.detail.contains(words), "{}", check.detail);
        }
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(
            listed(&["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e and 2 more"
        );
    }
}
