//! The metadata trailer at the end of an image, as OpenWrt's `fwtool -I` appends it.
//!
//! Layout, all numbers big-endian: 8 bytes {version u32 = 0, flags u32 = 0}, the JSON text, then 16 bytes {magic `FWx0`,
//! crc32 u32, type u8 = 1, 3 bytes padding, size u32}. `size` counts from the first of the 8 bytes to the file's end; the
//! checksum (CRC-32 without final inversion) covers every byte of the file before the last 16.

use serde_json::{json, Value};

const MAGIC: &[u8; 4] = b"FWx0";
const TYPE_METADATA: u8 = 1;

/// Appends `metadata` as a trailer to `image`.
pub fn append(image: &mut Vec<u8>, metadata: &str) {
    image.extend_from_slice(&[0; 8]);
    image.extend_from_slice(metadata.as_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(image);
    image.extend_from_slice(MAGIC);
    image.extend_from_slice(&(!crc.sum()).to_be_bytes());
    image.extend_from_slice(&[TYPE_METADATA, 0, 0, 0]);
    let size = u32::try_from(metadata.len() + 24).unwrap_or(u32::MAX);
    image.extend_from_slice(&size.to_be_bytes());
}

/// The metadata OpenWrt's image makefiles write for a device.
///
/// With a `compat_version` other than 1.0 the boards stand in `new_supported_devices`, and `supported_devices` holds a
/// sentence for old sysupgrade programs.
pub fn metadata(
    boards: &[&str],
    compat_version: &str,
    version: &str,
    revision: &str,
    target: &str,
    profile: &str,
) -> Value {
    let version = json!({
        "dist": "OpenWrt", "version": version, "revision": revision, "target": target, "board": profile,
    });
    if compat_version == "1.0" {
        return json!({
            "metadata_version": "1.1", "compat_version": compat_version, "supported_devices": boards, "version": version,
        });
    }
    let first = boards.first().copied().unwrap_or(profile);
    json!({
        "metadata_version": "1.1", "compat_version": compat_version, "version": version, "new_supported_devices": boards,
        "supported_devices": [format!("{first} - Image version mismatch: image {compat_version}, device 1.0")],
    })
}
