//! The trailers at the end of an image, as OpenWrt's `fwtool -I` (metadata) and `fwtool -S` (signature) append them.
//!
//! Layout, all numbers big-endian: the data, then 16 bytes {magic `FWx0`, crc32 u32, type u8, 3 bytes padding, size u32}.
//! `size` counts from the first byte of the data to the file's end; the checksum (CRC-32 without final inversion) covers
//! every byte of the file before the last 16. The data of metadata are 8 bytes {version u32 = 0, flags u32 = 0} and JSON.

use serde_json::{json, Value};

const MAGIC: &[u8; 4] = b"FWx0";

/// What a trailer holds, and its number.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A chain of certificates and a signature.
    Signature = 0,
    /// JSON.
    Metadata = 1,
}

/// Appends `metadata` as a trailer to `image`.
pub fn append_metadata(image: &mut Vec<u8>, metadata: &str) {
    append(
        image,
        Kind::Metadata,
        &[&[0; 8], metadata.as_bytes()].concat(),
    );
}

/// Appends a trailer to `image`.
pub fn append(image: &mut Vec<u8>, kind: Kind, data: &[u8]) {
    image.extend_from_slice(data);
    let mut crc = flate2::Crc::new();
    crc.update(image);
    image.extend_from_slice(MAGIC);
    image.extend_from_slice(&(!crc.sum()).to_be_bytes());
    image.extend_from_slice(&[kind as u8, 0, 0, 0]);
    let size = u32::try_from(data.len() + 16).unwrap_or(u32::MAX);
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
