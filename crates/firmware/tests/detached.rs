//! The chain beside an image.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::image;
use common::sign::Secret;
use firmware::detached::{judge, Files, Finding, MAX_SUMS};
use firmware::signature::Verdict;
use firmware::usign::{Malformed, PublicKey};
use firmware::{KeyRing, Sha256};

/// The files of `tests/images/detached`, to be changed.
#[derive(Clone)]
struct Offer {
    worker: Vec<u8>,
    worker_signature: Vec<u8>,
    sums: Vec<u8>,
    sums_signature: Vec<u8>,
}

impl Offer {
    fn recorded() -> Self {
        let read = |name| image(&format!("detached/{name}"));
        Offer {
            worker: read("worker.pub"),
            worker_signature: read("worker.pub.sig"),
            sums: read("sha256sums"),
            sums_signature: read("sha256sums.sig"),
        }
    }

    /// The same chain with keys of our own, over `sums`.
    fn made(sums: &[u8]) -> (Self, KeyRing) {
        let [server, worker] = [1, 2].map(Secret::new);
        let offer = Offer {
            worker: worker.public(),
            worker_signature: server.sign(&worker.public()),
            sums: sums.to_vec(),
            sums_signature: worker.sign(sums),
        };
        (offer, common::sign::trusting(&[&server]))
    }

    fn judge(&self, name: &str, sum: Sha256, keys: &KeyRing) -> Finding {
        let Offer {
            worker,
            worker_signature,
            sums,
            sums_signature,
        } = self;
        judge(
            &Files {
                worker,
                worker_signature,
                sums,
                sums_signature,
            },
            name,
            sum,
            keys,
        )
    }
}

fn router() -> KeyRing {
    let mut keys = KeyRing::new();
    keys.add(PublicKey::parse(&image("detached/server.pub")).unwrap())
        .unwrap();
    keys
}

fn sum() -> Sha256 {
    common::judge(&image("detached/firmware.bin")).sha256
}

#[test]
fn the_recorded_chain_is_good() {
    let finding = Offer::recorded().judge("firmware.bin", sum(), &router());
    let (server, worker) = (
        "44ff5c3b334f1b4d".parse().unwrap(),
        "d916870a25f6ad02".parse().unwrap(),
    );
    assert_eq!(finding, Finding::Good { server, worker });
    assert_eq!(finding.verdict(), Verdict::Good);
}

#[test]
fn another_image_or_name_is_refused() {
    let offer = Offer::recorded();
    let other = common::judge(&image("bare.bin")).sha256;
    assert_eq!(
        offer.judge("firmware.bin", other, &router()),
        Finding::Differs
    );
    for name in [
        "",
        "firmware",
        "*firmware.bin",
        " firmware.bin",
        "Firmware.bin",
        "firmware.bin\n",
    ] {
        assert_eq!(
            offer.judge(name, sum(), &router()),
            Finding::NotListed,
            "{name:?}"
        );
    }
}

#[test]
fn no_flipped_bit_of_any_file_is_good() {
    // Bits of the comments in a signature file mean nothing and are left out.
    let comment = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (recorded, sum, keys) = (Offer::recorded(), sum(), router());
    type Part = fn(&mut Offer) -> &mut Vec<u8>;
    let parts: [(Part, usize); 4] = [
        (|offer| &mut offer.worker, 0),
        (
            |offer| &mut offer.worker_signature,
            comment(&recorded.worker_signature),
        ),
        (|offer| &mut offer.sums, 0),
        (
            |offer| &mut offer.sums_signature,
            comment(&recorded.sums_signature),
        ),
    ];
    for (part, from) in parts {
        let end = part(&mut recorded.clone()).trim_ascii_end().len();
        for bit in (from * 8..end * 8).step_by(3) {
            let mut offer = recorded.clone();
            part(&mut offer)[bit / 8] ^= 1 << (bit % 8);
            let finding = offer.judge("firmware.bin", sum, &keys);
            assert_ne!(finding.verdict(), Verdict::Good, "bit {bit}: {finding}");
        }
    }
}

#[test]
fn a_chain_of_strangers_is_unknown_and_a_revoked_one_revoked() {
    let offer = Offer::recorded();
    let judge = |keys: &KeyRing| offer.judge("firmware.bin", sum(), keys);
    let server = "44ff5c3b334f1b4d".parse().unwrap();
    assert_eq!(judge(&KeyRing::new()), Finding::UnknownKey(server));
    for number in ["44ff5c3b334f1b4d", "d916870a25f6ad02"] {
        let mut keys = router();
        keys.revoke(number.parse().unwrap());
        assert_eq!(judge(&keys), Finding::Revoked(number.parse().unwrap()));
    }
}

#[test]
fn each_file_has_to_be_signed_by_the_right_key() {
    let line = format!("{} *firmware.bin\n", sum());
    let (good, keys) = Offer::made(line.as_bytes());
    let judge = |offer: &Offer| offer.judge("firmware.bin", sum(), &keys);
    assert_eq!(judge(&good).verdict(), Verdict::Good);
    let [server, worker] = [1, 2].map(Secret::new);
    for key in [&server, &worker.impostor()] {
        let offer = Offer {
            sums_signature: key.sign(&good.sums),
            ..good.clone()
        };
        assert_eq!(judge(&offer), Finding::Forged("sha256sums"));
    }
    let offer = Offer {
        worker_signature: server.impostor().sign(&good.worker),
        ..good.clone()
    };
    assert_eq!(judge(&offer), Finding::Forged("worker.pub"));
    let offer = Offer {
        worker_signature: worker.sign(&good.worker),
        ..good.clone()
    };
    assert_eq!(judge(&offer), Finding::UnknownKey(worker.number()));
    let offer = Offer {
        worker: b"<html>".to_vec(),
        ..good.clone()
    };
    assert_eq!(
        judge(&offer),
        Finding::Malformed("worker.pub", Malformed::Lines)
    );
    let offer = Offer {
        sums_signature: Vec::new(),
        ..good
    };
    assert_eq!(
        judge(&offer),
        Finding::Malformed("sha256sums.sig", Malformed::Lines)
    );
}

#[test]
fn sums_have_to_name_the_image_clearly() {
    let (sum, other) = (sum().to_string(), "0".repeat(64));
    let found = |sums: &[u8]| {
        let (offer, keys) = Offer::made(sums);
        offer.judge("firmware.bin", sum.parse().unwrap(), &keys)
    };
    let clear = [
        format!("{sum}  firmware.bin"),
        format!("# sums\n{other} *other.bin\n{sum} *firmware.bin\n{sum} *firmware.bin\n"),
    ];
    for sums in clear {
        assert_eq!(found(sums.as_bytes()).verdict(), Verdict::Good, "{sums}");
    }
    let unclear = [
        String::new(),
        format!("{sum} *firmware.bin\n{other} *firmware.bin\n"),
        "x *firmware.bin\n".to_owned(),
    ];
    for sums in unclear {
        assert_eq!(found(sums.as_bytes()), Finding::NotListed, "{sums}");
    }
    assert_eq!(found(b"\xff"), Finding::Sums);
    assert_eq!(found(&vec![b'\n'; MAX_SUMS + 1]), Finding::Sums);
}
