//! Attacks by the form of an image, each by its name in docs/security.md.
#![allow(clippy::unwrap_used)]

mod common;

use common::sign::{trusting, unsigned, with_chain, Secret};
use common::{judge_with, words, NOW};
use firmware::signature::Finding;
use firmware::trailer::{append, Kind};
use firmware::KeyRing;

/// A good image of a key that is trusted, and the keys.
fn good() -> (Vec<u8>, KeyRing) {
    let (ca, build) = (Secret::new(1), Secret::new(2));
    let image = unsigned();
    let chain = [ca.vouch(&build), build.bare(&image)].concat();
    let (image, keys) = (with_chain(&chain), trusting(&[&ca]));
    assert_eq!(
        words(&judge_with(&image, &keys)),
        ("match", "good"),
        "{NOW}"
    );
    (image, keys)
}

/// The same with another length in its last trailer.
fn with_size(size: u32) -> (Vec<u8>, KeyRing) {
    let (mut image, keys) = good();
    let place = image.len() - 4;
    image.splice(place.., size.to_be_bytes());
    (image, keys)
}

#[test]
fn trailer_size_below_16() {
    for size in 0..16 {
        let (image, keys) = with_size(size);
        assert_eq!(
            words(&judge_with(&image, &keys)),
            ("corrupt", "bad"),
            "{size}"
        );
    }
}

#[test]
fn trailer_size_above_file() {
    let (image, _) = good();
    let length = u32::try_from(image.len()).unwrap();
    for size in [
        length,
        length + 1,
        32 * 1024,
        32 * 1024 + 1,
        i32::MAX as u32,
        u32::MAX,
    ] {
        let (image, keys) = with_size(size);
        let report = judge_with(&image, &keys);
        assert_ne!(
            report.signature.verdict(),
            firmware::signature::Verdict::Good,
            "{size}"
        );
        assert_ne!(words(&report), ("match", "absent"), "{size}");
    }
}

#[test]
fn nested_trailers() {
    // A good, whole image inside of a trailer, for whom looks for the first that fits.
    let (image, keys) = good();
    for kind in [Kind::Signature, Kind::Metadata, Kind::Other(7)] {
        let mut outer = b"another system".to_vec();
        append(&mut outer, kind, &image).unwrap();
        let found = words(&judge_with(&outer, &keys));
        assert!(found.0 != "match" && found.1 != "good", "{kind}: {found:?}");
    }
    // A signature behind the signature: the outermost counts.
    let mut twice = image.clone();
    append(&mut twice, Kind::Signature, b"").unwrap();
    assert_eq!(words(&judge_with(&twice, &keys)).1, "bad");
    // As many as there is room for.
    let mut many = image;
    for _ in 0..2000 {
        append(&mut many, Kind::Other(9), b"").unwrap();
    }
    let report = judge_with(&many, &keys);
    assert!(
        !matches!(report.signature, Finding::Good(_)),
        "{}",
        report.signature
    );
}

#[test]
fn crc_ok_but_json_bad() {
    let keys = trusting(&[]);
    let texts: [&[u8]; 6] = [
        b"",
        b"{",
        b"{\"supported_devices\": [\"tplink,archer-c7-v2\"",
        b"{\"supported_devices\": \"tplink,archer-c7-v2\"}",
        b"\xff\xfe",
        b"{\"supported_devices\": [\"tplink,archer-c7-v2\"]} and more",
    ];
    for text in texts {
        let mut image = b"kernel".to_vec();
        append(&mut image, Kind::Metadata, &[&[0; 8], text].concat()).unwrap();
        let found = words(&judge_with(&image, &keys));
        assert_eq!(
            found,
            ("corrupt", "absent"),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}
