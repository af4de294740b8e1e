//! Whatever bit is flipped, no image is taken for a good one; nor is one that is cut short.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::sign::{trusting, unsigned, with_chain, Secret};
use common::{image, index, judge_with, words};
use firmware::signature::Finding;
use firmware::trailer::{append, Kind};
use firmware::KeyRing;

const GOOD: (&str, &str) = ("match", "good");

fn assert_none_is_good(image: &[u8], keys: &KeyRing, bits: impl Iterator<Item = usize>) -> usize {
    assert_eq!(words(&judge_with(image, keys)), GOOD);
    let mut flipped = image.to_vec();
    let mut count = 0;
    for bit in bits {
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(
            words(&judge_with(&flipped, keys)),
            GOOD,
            "bit {bit} of {}",
            image.len() * 8
        );
        flipped[bit / 8] ^= 1 << (bit % 8);
        count += 1;
    }
    count
}

#[test]
fn no_image_with_a_flipped_bit_is_good() {
    let (ca, build) = (Secret::new(1), Secret::new(2));
    let chain = [ca.vouch(&build), build.bare(&unsigned())].concat();
    let image = with_chain(&chain);
    let count = assert_none_is_good(&image, &trusting(&[&ca]), 0..image.len() * 8);
    println!("{count} images with one bit flipped, none good");
}

#[test]
fn the_same_for_an_image_that_openwrts_tools_signed() {
    let image = image("good-signed.bin");
    let trailers = image.len() - 800;
    let keys = index().keys();
    let count = assert_none_is_good(
        &image,
        &keys,
        (0..trailers * 8)
            .step_by(1009)
            .chain((trailers * 8..image.len() * 8).step_by(5)),
    );
    println!("{count} images with one bit flipped, none good");
}

#[test]
fn no_image_that_is_cut_short_is_good() {
    let (image, keys) = (image("good-signed.bin"), index().keys());
    let lengths = (0..image.len() - 800)
        .step_by(509)
        .chain(image.len() - 800..image.len());
    for length in lengths {
        assert_ne!(
            words(&judge_with(&image[..length], &keys)),
            GOOD,
            "{length} bytes"
        );
        assert_ne!(
            words(&judge_with(&image[image.len() - length..], &keys)),
            GOOD,
            "the last {length} bytes"
        );
    }
}

#[test]
fn the_signature_alone_finds_every_flipped_bit_of_what_it_covers() {
    let (ca, build) = (Secret::new(1), Secret::new(2));
    let chain = [ca.vouch(&build), build.bare(&unsigned())].concat();
    let keys = trusting(&[&ca]);
    let mut signed = unsigned();
    for bit in 0..signed.len() * 8 {
        signed[bit / 8] ^= 1 << (bit % 8);
        // The checksum of the outermost trailer is right.
        let mut image = signed.clone();
        append(&mut image, Kind::Signature, &chain).unwrap();
        let report = judge_with(&image, &keys);
        assert_eq!(report.trailers[0].fault, None);
        assert_eq!(
            report.signature,
            Finding::Mismatch(build.number()),
            "bit {bit}"
        );
        signed[bit / 8] ^= 1 << (bit % 8);
    }
}
