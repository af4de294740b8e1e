//! Every image of `tests/images/index.json` gets exactly the verdict that stands there.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs::File;

use common::{image, images, index, judge, words, NOW};
use sha2::{Digest, Sha256};

fn sum(bytes: &[u8]) -> String {
    firmware::Sha256(Sha256::digest(bytes).into()).to_string()
}

#[test]
fn every_image_gets_its_verdict() {
    let index = index();
    let (device, keys) = (index.device(), index.keys());
    let mut wrong = Vec::new();
    for case in &index.cases {
        let mut file = File::open(images().join(&case.file)).unwrap();
        let report = firmware::judge(&mut file, &device, &keys, NOW).unwrap();
        println!("{}: {} {}", case.file, report.metadata, report.signature);
        assert_eq!(report.size, case.size, "{}", case.file);
        assert_eq!(report.sha256.to_string(), case.sha256, "{}", case.file);
        let expected = (
            case.expect.metadata.as_str(),
            case.expect.signature.as_str(),
        );
        if words(&report) != expected {
            wrong.push(format!(
                "{}: {:?}, not {expected:?} ({})",
                case.file,
                words(&report),
                case.why
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(index.cases.len(), 15);
}

fn json(report: &firmware::Report) -> serde_json::Value {
    data::read(data::Data::of(report).unwrap().value()).unwrap()
}

#[test]
fn serialized_reports_use_the_words_of_the_index() {
    for case in index().cases {
        let json = json(&judge(&image(&case.file)));
        assert_eq!(json["metadata"], case.expect.metadata, "{}", case.file);
        assert_eq!(json["signature"], case.expect.signature, "{}", case.file);
        assert_eq!(json["sha256"], case.sha256, "{}", case.file);
    }
}

#[test]
fn the_report_tells_what_is_in_the_image_and_who_signed_it() {
    let json = json(&judge(&image("good-signed.bin")));
    assert_eq!(
        json["content"]["supported_devices"][0],
        "tplink,archer-c7-v2"
    );
    assert_eq!(json["content"]["version"]["revision"], "r28739-d9340319c6");
    assert_eq!(json["content"]["version"]["target"], "ath79/generic");
    assert_eq!(json["content"]["version"]["board"], "tplink_archer-c7-v2");
    assert_eq!(json["signer"], "bc3c052f2d68179f");
    assert_eq!(json["chain"][0]["key"], "bc3c052f2d68179f");
    assert_eq!(json["chain"][0]["signed_by"], "c5feddf23d0dfe46");
    assert_eq!(json["chain"][0]["comment"], "sample build key");
    assert_eq!(json["trailers"][0]["kind"], "signature");
    assert_eq!(json["trailers"][1]["kind"], "metadata");
}

#[test]
fn sentences_name_what_matters() {
    let expected = [
        (
            "expired.bin",
            "The certificate of key bc3c052f2d68179f has expired on 2024-12-",
        ),
        (
            "revoked-key.bin",
            "Key 9d63df6dccdf7682, on which the signature rests, has been revoked.",
        ),
        (
            "unknown-ca.bin",
            "The signature rests on key ba2c87bb15130cc2, which this router does not know.",
        ),
    ];
    for (file, sentence) in expected {
        let report = judge(&image(file));
        assert!(
            report.signature.to_string().starts_with(sentence),
            "{}",
            report.signature
        );
    }
    let report = judge(&image("compat-2.0.bin"));
    assert!(
        report
            .metadata
            .to_string()
            .contains("compat_version 1.0 here, 2.0 there"),
        "{}",
        report.metadata
    );
}

#[test]
fn the_unsigned_sum_is_that_of_the_image_without_its_signature() {
    // good-signed.bin is good-unsigned.bin with the signature's trailer.
    let (signed, unsigned) = (image("good-signed.bin"), image("good-unsigned.bin"));
    assert!(signed.starts_with(&unsigned));
    assert_eq!(judge(&signed).sha256_unsigned.to_string(), sum(&unsigned));
    for file in [
        "good-unsigned.bin",
        "bare.bin",
        "trailer-size-8.bin",
        "trailer-size-huge.bin",
    ] {
        let report = judge(&image(file));
        assert_eq!(report.sha256_unsigned, report.sha256, "{file}");
    }
}
