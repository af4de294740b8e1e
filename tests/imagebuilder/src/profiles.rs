//! `profiles.json`, as ImageBuilders and the upstream site have it.

use crate::catalog::Release;
use crate::devices::{Profile, Target};
use serde_json::{json, Map, Value};

/// Start of the names of a device's images: `openwrt-24.10.2-ath79-generic-tplink_archer-c7-v2`; `extra` is
/// `EXTRA_IMAGE_NAME`, or empty. SNAPSHOT's images don't name a version.
pub fn image_prefix(release: &Release, target: &Target, profile: &Profile, extra: &str) -> String {
    let version = release.version.to_lowercase();
    let version = if version == "snapshot" {
        ""
    } else {
        version.as_str()
    };
    let dashed = target.dashed();
    let parts = ["openwrt", version, extra, dashed.as_str(), profile.id];
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("-")
}

/// One entry of `images`; the sums are of the file, and of the file without its signature.
pub fn image(name: &str, kind: &str, filesystem: &str, [sha256, unsigned]: [&str; 2]) -> Value {
    let mut image =
        json!({"name": name, "sha256": sha256, "sha256_unsigned": unsigned, "type": kind});
    if !filesystem.is_empty() {
        image["filesystem"] = filesystem.into();
    }
    image
}

/// One entry of `profiles`.
pub fn entry(profile: &Profile, prefix: &str, images: Vec<Value>) -> Value {
    let mut title = json!({"vendor": profile.vendor, "model": profile.model});
    if !profile.variant.is_empty() {
        title["variant"] = profile.variant.into();
    }
    json!({
        "device_packages": profile.packages, "image_prefix": prefix, "images": images,
        "supported_devices": profile.supported_devices, "titles": [title],
    })
}

/// The whole file.
pub fn document(release: &Release, target: &Target, profiles: Map<String, Value>) -> Value {
    json!({
        "arch_packages": target.arch, "default_packages": release.default_packages(target),
        "linux_kernel": {"release": "1", "vermagic": release.vermagic(), "version": release.kernel},
        "metadata_version": 1, "profiles": profiles, "source_date_epoch": release.epoch, "target": target.name,
        "version_code": release.revision, "version_number": release.version,
    })
}
