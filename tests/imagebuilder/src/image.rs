//! Makes the bytes of an image.

use crate::devices::ImageKind;
use crate::folder::Folder;
use crate::payload::Payload;
use crate::{signing, trailer, Error};
use flate2::write::GzEncoder;
use flate2::Compression;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;

/// Bytes of filler in every image, so that a download takes more than one read.
pub const FILLER: usize = 160 << 10;

/// An image and what upstream says of it.
pub struct Image {
    /// All of it.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub sha256: String,
    /// The same before they were signed.
    pub sha256_unsigned: String,
}

/// Builds the image of one kind that holds `payload`, with `metadata` as trailer where its kind has one. As in OpenWrt's
/// makefiles, only what has metadata is signed, with the key in the folder.
pub fn build(
    kind: &ImageKind,
    payload: &Payload,
    metadata: &str,
    folder: &Folder,
) -> Result<Image, Error> {
    let mut bytes = payload.to_bytes();
    fill(&mut bytes, kind.suffix, folder.filler);
    if kind.gzip {
        bytes = gzip(&bytes)?;
    }
    if kind.metadata {
        trailer::append_metadata(&mut bytes, metadata);
    }
    let sha256_unsigned = crate::sha256_hex(&bytes);
    if kind.metadata {
        signing::sign(&folder.dir, &mut bytes)?;
    }
    Ok(Image {
        sha256: crate::sha256_hex(&bytes),
        sha256_unsigned,
        bytes,
    })
}

/// Appends bytes that look like noise and follow from what is there.
fn fill(bytes: &mut Vec<u8>, salt: &str, length: usize) {
    let mut block = Sha256::new()
        .chain_update(&bytes)
        .chain_update(salt)
        .finalize();
    for _ in 0..length / block.len() {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|error| Error::malformed("gzip stream", error))
}
