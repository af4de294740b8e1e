//! Chains that OpenWrt's tools don't make but others might.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::sign::*;
use common::{image, index, judge_with, words, NOW};
use ed25519_dalek::SigningKey;
use firmware::signature::{Finding, Verdict};
use firmware::trailer::{append, append_metadata, Kind};
use firmware::ucert::{Chain, Fault};
use firmware::usign::{Malformed, PublicKey, Signature};
use firmware::{Device, KeyRing};

const CA: u8 = 1;
const BUILD: u8 = 2;
const WORKER: u8 = 3;

fn finding(image: &[u8], keys: &KeyRing) -> Finding {
    judge_with(image, keys).signature
}

fn finding_of_chain(chain: &[u8]) -> Finding {
    finding(&with_chain(chain), &trusting(&[&Secret::new(CA)]))
}

/// A chain from the CA to the build key, and the build key's signature of the image.
fn good_chain() -> Vec<u8> {
    let (ca, build) = (Secret::new(CA), Secret::new(BUILD));
    [ca.vouch(&build), build.bare(&unsigned())].concat()
}

#[test]
fn chains_of_any_length_are_good() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let image = unsigned();
    assert_eq!(
        finding_of_chain(&ca.bare(&image)),
        Finding::Good(ca.number())
    );
    assert_eq!(
        finding_of_chain(&good_chain()),
        Finding::Good(build.number())
    );
    let chain = [ca.vouch(&build), build.vouch(&worker), worker.bare(&image)].concat();
    assert_eq!(finding_of_chain(&chain), Finding::Good(worker.number()));
}

#[test]
fn each_link_has_to_be_signed_by_the_one_before() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let image = unsigned();
    let forged = [
        // The worker vouches for itself, or the CA vouches past the build key.
        [ca.vouch(&build), worker.vouch(&worker), worker.bare(&image)].concat(),
        [ca.vouch(&build), ca.vouch(&worker), worker.bare(&image)].concat(),
        // Somebody else with the build key's number.
        [
            ca.vouch(&build),
            build.impostor().vouch(&worker),
            worker.bare(&image),
        ]
        .concat(),
    ];
    for chain in forged {
        assert_eq!(finding_of_chain(&chain), Finding::Link(worker.number()));
    }
    let chain = [ca.impostor().vouch(&build), build.bare(&image)].concat();
    assert_eq!(finding_of_chain(&chain), Finding::Link(build.number()));
}

#[test]
fn a_signature_has_to_name_the_key_that_made_it() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let (image, other) = (unsigned(), build.renumbered(9));
    let chain = [ca.vouch(&build), other.vouch(&worker), worker.bare(&image)].concat();
    assert_eq!(finding_of_chain(&chain), Finding::Link(worker.number()));
    let chain = [ca.vouch(&build), other.bare(&image)].concat();
    assert_eq!(finding_of_chain(&chain), Finding::Mismatch(other.number()));
}

#[test]
fn the_image_has_to_be_signed_by_the_last_of_the_chain() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let image = unsigned();
    for other in [&ca, &worker, &build.impostor()] {
        let chain = [ca.vouch(&build), other.bare(&image)].concat();
        assert_eq!(finding_of_chain(&chain), Finding::Mismatch(other.number()));
    }
    let chain = [ca.vouch(&build), build.bare(b"another image")].concat();
    assert_eq!(finding_of_chain(&chain), Finding::Mismatch(build.number()));
}

#[test]
fn an_unknown_key_is_told_from_a_forgery() {
    let [ca, build] = [CA, BUILD].map(Secret::new);
    let (image, none) = (unsigned(), KeyRing::new());
    assert_eq!(
        finding(&with_chain(&good_chain()), &none),
        Finding::UnknownKey(ca.number())
    );
    assert_eq!(
        finding(&with_chain(&ca.bare(&image)), &none),
        Finding::UnknownKey(ca.number())
    );
    let chain = [ca.vouch(&build), build.bare(b"another image")].concat();
    assert_eq!(
        finding(&with_chain(&chain), &none),
        Finding::Mismatch(build.number())
    );
}

#[test]
fn a_revoked_key_is_refused_wherever_it_stands() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let chain = [
        ca.vouch(&build),
        build.vouch(&worker),
        worker.bare(&unsigned()),
    ]
    .concat();
    for revoked in [&ca, &build, &worker] {
        for mut keys in [trusting(&[&ca]), KeyRing::new()] {
            keys.revoke(revoked.number());
            assert_eq!(
                finding(&with_chain(&chain), &keys),
                Finding::Revoked(revoked.number())
            );
        }
    }
    let mut keys = trusting(&[&ca]);
    keys.revoke(ca.number());
    assert_eq!(
        finding(&with_chain(&ca.bare(&unsigned())), &keys),
        Finding::Revoked(ca.number())
    );
}

#[test]
fn certificates_are_valid_from_their_first_second_to_before_their_last() {
    let device = Device::new(&index().board, None);
    let keys = trusting(&[&Secret::new(CA)]);
    let image = with_chain(&good_chain());
    let at = |now| {
        firmware::judge(&mut std::io::Cursor::new(&image), &device, &keys, now)
            .unwrap()
            .signature
    };
    let key = Secret::new(BUILD).number();
    assert_eq!(
        at(VALID_FROM - 1),
        Finding::NotYet {
            key,
            valid_from: VALID_FROM
        }
    );
    assert_eq!(at(VALID_FROM), Finding::Good(key));
    assert_eq!(at(EXPIRES_AT - 1), Finding::Good(key));
    assert_eq!(
        at(EXPIRES_AT),
        Finding::Expired {
            key,
            expires_at: EXPIRES_AT
        }
    );
    assert_eq!(at(VALID_FROM - 1).verdict(), Verdict::Expired);
    assert_eq!(at(EXPIRES_AT).verdict(), Verdict::Expired);
}

#[test]
fn one_expired_certificate_spoils_the_chain() {
    let [ca, build, worker] = [CA, BUILD, WORKER].map(Secret::new);
    let expired = ca.vouch_for(&build, 0, NOW);
    let chain = [
        expired.clone(),
        build.vouch(&worker),
        worker.bare(&unsigned()),
    ]
    .concat();
    assert_eq!(
        finding_of_chain(&chain),
        Finding::Expired {
            key: build.number(),
            expires_at: NOW
        }
    );
    let forged = [expired, build.bare(b"another image")].concat();
    assert_eq!(finding_of_chain(&forged).verdict(), Verdict::Bad);
}

#[test]
fn chains_of_another_form_are_bad() {
    let [ca, build] = [CA, BUILD].map(Secret::new);
    let image = unsigned();
    let (vouch, bare) = (ca.vouch(&build), build.bare(&image));
    let public = build.public();
    let certify = |payload: &[u8]| [ca.certify(payload), bare.clone()].concat();
    let twice = written(|writer| {
        writer.table("ucert", |table| {
            table.int32("certtype", 1);
            table.int64("validfrom", 0);
            table.int64("expiresat", 0);
            table.int64("expiresat", EXPIRES_AT as i64);
            table.string("pubkey", &public);
        });
    });
    let narrow = written(|writer| {
        writer.table("ucert", |table| {
            table.int32("certtype", 1);
            table.int32("validfrom", 0);
            table.int32("expiresat", i32::MAX);
            table.string("pubkey", &public);
        });
    });
    let (times, signature) = ((VALID_FROM as i64, EXPIRES_AT as i64), build.sign(&image));
    let cases = [
        (Vec::new(), Fault::Unfinished),
        (vouch.clone(), Fault::Unfinished),
        ([&bare[..], &bare].concat(), Fault::Trailing),
        ([&vouch[..], &bare, &vouch].concat(), Fault::Trailing),
        ([&vouch[..], &bare, &[0]].concat(), Fault::Trailing),
        ([&vouch[..], &[0; 4]].concat(), Fault::Blob),
        (vouch[..vouch.len() - 4].to_vec(), Fault::Blob),
        (signature.clone(), Fault::Blob),
        (blob(&[]), Fault::Blob),
        (blob(&[(1, &signature)]), Fault::Blob),
        (blob(&[(0, &signature), (0, &signature)]), Fault::Blob),
        (blob(&[(0, &signature), (1, b""), (1, b"")]), Fault::Blob),
        (
            blob(&[(0, b"no signature")]),
            Fault::Usign(Malformed::Lines),
        ),
        (certify(b""), Fault::Payload),
        (certify(&twice), Fault::Payload),
        (certify(&narrow), Fault::Payload),
        (certify(&payload(1, times.0, -1, &public)), Fault::Payload),
        (certify(&payload(2, times.0, times.1, &public)), Fault::Type),
        (
            certify(&payload(1, times.0, times.1, b"no key")),
            Fault::Usign(Malformed::Lines),
        ),
        ([vouch.repeat(9), bare.clone()].concat(), Fault::Links),
        (vec![0; 4097], Fault::Long),
    ];
    for (number, (chain, fault)) in cases.into_iter().enumerate() {
        assert_eq!(Chain::parse(&chain).err(), Some(fault), "case {number}");
        let found = finding_of_chain(&chain);
        assert_eq!(
            (found.verdict(), &found),
            (Verdict::Bad, &Finding::Chain(fault)),
            "case {number}"
        );
    }
}

#[test]
fn what_is_appended_after_signing_is_not_covered_by_the_signature() {
    let keys = trusting(&[&Secret::new(CA)]);
    for kind in [Kind::Metadata, Kind::Other(9)] {
        let mut image = with_chain(&good_chain());
        append(&mut image, kind, b"").unwrap();
        assert_eq!(finding(&image, &keys), Finding::NotLast);
    }
    let mut image = image("good-signed.bin");
    append_metadata(
        &mut image,
        br#"{"supported_devices": ["tplink,archer-c7-v2"]}"#,
    )
    .unwrap();
    assert_eq!(words(&common::judge(&image)), ("match", "bad"));
    // Without a trailer, the signature is no longer seen at all.
    let mut image = with_chain(&good_chain());
    image.push(b'\n');
    assert_eq!(words(&judge_with(&image, &keys)), ("absent", "absent"));
}

#[test]
fn the_outermost_trailer_of_a_kind_counts() {
    let keys = trusting(&[&Secret::new(CA)]);
    let mut outer_bad = with_chain(&good_chain());
    append(&mut outer_bad, Kind::Signature, b"").unwrap();
    assert_eq!(
        finding(&outer_bad, &keys),
        Finding::Chain(Fault::Unfinished)
    );

    let mut outer_good = with_chain(b"");
    let signature = Secret::new(CA).bare(&outer_good);
    append(&mut outer_good, Kind::Signature, &signature).unwrap();
    assert_eq!(
        finding(&outer_good, &keys),
        Finding::Good(Secret::new(CA).number())
    );

    for (inner, outer, verdict) in [
        ("\"other\"", "\"tplink,archer-c7-v2\"", "match"),
        ("\"tplink,archer-c7-v2\"", "", "other-device"),
    ] {
        let mut image = Vec::new();
        for board in [inner, outer] {
            let json = format!("{{\"supported_devices\": [{board}]}}");
            append_metadata(&mut image, json.as_bytes()).unwrap();
        }
        assert_eq!(words(&judge_with(&image, &keys)), (verdict, "absent"));
    }
}

#[test]
fn keys_that_fit_every_signature_are_no_keys() {
    // Points of small order: the neutral element, and one of order two (y = -1).
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for point in [neutral, minus_one] {
        assert_eq!(PublicKey::parse(&text("", 1, &point)), Err(Malformed::Key));
        let signature = [point, [0; 32]].concat();
        assert_eq!(
            Signature::parse(&text("", 1, &signature)),
            Err(Malformed::Signature)
        );
        let chain = Secret::new(CA).certify(&payload(1, 0, i64::MAX, &text("", BUILD, &point)));
        let chain = [chain, Secret::new(BUILD).bare(&unsigned())].concat();
        assert_eq!(
            finding_of_chain(&chain),
            Finding::Chain(Fault::Usign(Malformed::Key))
        );
    }
}

#[test]
fn a_signature_has_one_form_only() {
    // The scalar s and s + (order of the group) are the same to a lax verifier.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    use ed25519_dalek::Signer;
    let secret = SigningKey::from_bytes(&[CA; 32]);
    let key = Secret::new(CA).public_key();
    let mut bytes = secret.sign(b"message").to_bytes();
    let good = Signature::parse(&text("", CA, &bytes)).unwrap();
    assert!(key.verify(&good, b"message") && !key.verify(&good, b"massage"));
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let other_form = Signature::parse(&text("", CA, &bytes)).unwrap();
    assert!(!key.verify(&other_form, b"message"));
    assert!(key.verify_stream(&other_form).is_none());
}
