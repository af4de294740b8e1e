//! What becomes of images by who vouches for them: the policy, the clock, the keys, the files beside
//! an image, rebuilders, and releases that are older than what ran.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use asu::api::{CheckResult, DeviceInfo, ImageCheck, Running};
use asu::error::{Error, Kind};
use asu::paths::Paths;
use asu::settings::SignaturePolicy::{self, Off, Require, Warn};
use asu::sorted::Map;
use asu::upgrade::device::Device;
use asu::upgrade::promise::{Downloaded, Promise};
use asu::upgrade::verify::{verify, Candidate, Judged, Terms, Validation, Validator};
use mini_imagebuilder::signing::Key;
use mini_imagebuilder::{sha256_hex, trailer};
use std::fs;
use std::os::unix::fs::{symlink, FileExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BOARD: &str = "tplink,archer-c7-v2";
const IMAGE: &str = "/tmp/image.bin";
/// 2026-11-20T12:00:00Z, the clock of the recorded images.
const NOW: i64 = 1_795_176_000;
/// For keys and certificates that are made here.
const DAY: i64 = 24 * 60 * 60;

const EVERY_POLICY: [SignaturePolicy; 3] = [Off, Warn, Require];

/// A system that would take anything.
struct Careless;

impl Validator for Careless {
    fn validate(&mut self, _: &Path) -> Result<Validation, Error> {
        Ok(Validation {
            valid: true,
            allow_backup: true,
            ..Validation::default()
        })
    }
}

/// Where everything of the recorded images is.
fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/firmware/tests/images")
}

struct Router {
    paths: Paths,
    terms: Terms,
    _folder: TempDir,
}

impl Router {
    fn new(signature: SignaturePolicy) -> Router {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), None);
        for name in ["/tmp", "/etc/opkg/keys", "/etc/attended-sysupgrade/keys"] {
            fs::create_dir_all(paths.real(name)).unwrap();
        }
        Router {
            paths,
            terms: Terms {
                signature,
                rebuilders_required: 0,
                now: NOW,
            },
            _folder: folder,
        }
    }

    fn trust(&self, folder: &str, key: &Key) {
        let file = Path::new(folder).join(key.fingerprint());
        fs::write(self.paths.real(file), key.public_file()).unwrap();
    }

    fn revoke(&self, folder: &str, fingerprint: &str) {
        let link = self.paths.real(Path::new(folder).join(fingerprint));
        symlink(".revoked.", link).unwrap();
    }

    fn write(&self, image: &[u8]) {
        fs::write(self.paths.real(IMAGE), image).unwrap();
    }

    /// Judges what was written last.
    fn verify(&self, downloaded: Option<Downloaded>) -> Judged {
        let device = Device {
            info: DeviceInfo {
                board_name: BOARD.to_owned(),
                ..DeviceInfo::default()
            },
            running: Running {
                version: "24.10.0".to_owned(),
                revision: "r28427-6df0e3d02a".to_owned(),
                ..Running::default()
            },
            compat_version: "1.0".to_owned(),
        };
        let candidate = Candidate::open(&self.paths, Path::new(IMAGE)).unwrap();
        let (paths, terms) = (&self.paths, &self.terms);
        verify(paths, &device, candidate, downloaded, terms, &mut Careless).unwrap()
    }

    fn judge(&self, image: &[u8]) -> Judged {
        self.write(image);
        self.verify(None)
    }
}

fn check<'a>(judged: &'a Judged, name: &str) -> &'a ImageCheck {
    let mut checks = judged.checks.iter();
    checks.find(|check| check.name == name).unwrap()
}

fn refusal(judged: Judged) -> Error {
    judged.image.map(drop).unwrap_err()
}

/// An image for the board, of a release that is newer than what runs.
fn unsigned(version: &str, revision: &str) -> Vec<u8> {
    let metadata = trailer::metadata(&[BOARD], "1.0", version, revision, "ath79/generic", "x");
    let mut image = b"kernel and root file system".to_vec();
    trailer::append_metadata(&mut image, &metadata.to_string());
    image
}

/// The same, signed by a key for which `ca` vouches since yesterday until tomorrow.
fn signed(ca: &Key) -> Vec<u8> {
    let build = Key::from_seed(2);
    let mut image = unsigned("24.10.2", "r28739-d9340319c6");
    build.sign_image(&mut image, &ca.vouch(&build, NOW - DAY, NOW + DAY));
    image
}

#[test]
fn each_policy_and_each_verdict_of_the_recorded_images() {
    use CheckResult::{Fail, Pass, Skipped, Warning};
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(recorded().join("index.json")).unwrap()).unwrap();
    let cases = index["cases"].as_array().unwrap();
    assert!(cases.len() >= 15, "{}", cases.len());
    for (place, policy) in EVERY_POLICY.into_iter().enumerate() {
        let router = Router::new(policy);
        for key in fs::read_dir(recorded().join("trusted-keys")).unwrap() {
            let key = key.unwrap();
            let to = Path::new("/etc/opkg/keys").join(key.file_name());
            fs::copy(key.path(), router.paths.real(to)).unwrap();
        }
        for number in index["revoked"].as_array().unwrap() {
            router.revoke("/etc/opkg/keys", number.as_str().unwrap());
        }
        for case in cases {
            let name = case["file"].as_str().unwrap();
            let verdict = case["expect"]["signature"].as_str().unwrap();
            let expected = match verdict {
                "good" => [Pass; 3],
                "bad" | "revoked" => [Fail; 3],
                "absent" | "unknown-key" | "expired" => [Skipped, Warning, Fail],
                other => panic!("{other}"),
            };
            let judged = router.judge(&fs::read(recorded().join(name)).unwrap());
            let check = check(&judged, "signature");
            assert_eq!(check.result, expected[place], "{name}: {check:?}");
            if expected[place] == Fail && case["expect"]["metadata"] == "match" {
                assert_eq!(refusal(judged).kind, Kind::Signature, "{name}");
            }
        }
    }
}

#[test]
fn a_signature_that_is_waived_asks_for_no_force() {
    let router = Router::new(Warn);
    let judged = router.judge(&unsigned("24.10.2", "r28739-d9340319c6"));
    assert_eq!(check(&judged, "signature").result, CheckResult::Warning);
    assert_eq!(judged.image.unwrap().objection(), None);
}

/// Bits of all trailers, and every ninth of the rest.
#[test]
fn no_image_with_a_flipped_bit_is_accepted_where_signatures_are_required() {
    let ca = Key::from_seed(1);
    let router = Router::new(Require);
    router.trust("/etc/opkg/keys", &ca);
    let image = signed(&ca);
    let payload = b"kernel and root file system".len() * 8;
    assert!(router.judge(&image).image.is_ok());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(router.paths.real(IMAGE))
        .unwrap();
    let bits = (0..payload).step_by(9).chain(payload..image.len() * 8);
    let mut count = 0;
    for bit in bits {
        let (place, original) = (bit as u64 / 8, image[bit / 8]);
        file.write_all_at(&[original ^ 1 << (bit % 8)], place)
            .unwrap();
        let judged = router.verify(None);
        assert!(judged.image.is_err(), "bit {bit}: {:?}", judged.checks);
        file.write_all_at(&[original], place).unwrap();
        count += 1;
    }
    assert!(router.verify(None).image.is_ok());
    println!("{count} images with one bit flipped, none accepted");
}

#[test]
fn clock_1970() {
    let ca = Key::from_seed(1);
    for (policy, result) in [
        (Off, CheckResult::Skipped),
        (Warn, CheckResult::Warning),
        (Require, CheckResult::Fail),
    ] {
        let mut router = Router::new(policy);
        router.trust("/etc/opkg/keys", &ca);
        for now in [-1, 0, 1_000_000_000] {
            router.terms.now = now;
            let judged = router.judge(&signed(&ca));
            let check = check(&judged, "signature");
            assert_eq!(check.result, result, "{check:?}");
            assert!(check.detail.contains("clock"), "{check:?}");
            if policy == Require {
                assert_eq!(refusal(judged).kind, Kind::Clock);
            }
            // Of what is not signed no date matters.
            let judged = router.judge(&unsigned("24.10.2", "r28739-d9340319c6"));
            if policy == Require {
                assert_eq!(refusal(judged).kind, Kind::Signature);
            }
        }
    }
}

/// A certificate that was good in a year of which the clock knows nothing.
#[test]
fn an_expired_certificate_is_not_good_again_because_the_clock_was_reset() {
    let (ca, build) = (Key::from_seed(1), Key::from_seed(2));
    let mut router = Router::new(Require);
    router.trust("/etc/opkg/keys", &ca);
    let mut image = unsigned("24.10.2", "r28739-d9340319c6");
    build.sign_image(&mut image, &ca.vouch(&build, 0, 2 * DAY));
    assert_eq!(refusal(router.judge(&image)).kind, Kind::Signature);
    router.terms.now = DAY;
    assert_eq!(refusal(router.judge(&image)).kind, Kind::Clock);
}

#[test]
fn keys_are_found_in_both_folders_and_a_revocation_in_one_counts_for_both() {
    let ca = Key::from_seed(1);
    let folders = ["/etc/opkg/keys", "/etc/attended-sysupgrade/keys"];
    for (own, other) in [(0, 1), (1, 0)] {
        let router = Router::new(Require);
        assert_eq!(refusal(router.judge(&signed(&ca))).kind, Kind::Signature);
        router.trust(folders[own], &ca);
        assert!(router.judge(&signed(&ca)).image.is_ok());
        router.revoke(folders[other], &ca.fingerprint());
        let error = refusal(router.judge(&signed(&ca)));
        assert!(error.message.contains("revoked"), "{error}");
    }
}

/// The image as it came from a server with `beside` beside it.
fn downloaded(image: &[u8], beside: Map<String>) -> Downloaded {
    let mut promise = Promise {
        file: "image.bin".to_owned(),
        size: image.len() as u64,
        sha256: sha256_hex(image),
        ..Promise::default()
    };
    promise.version = "24.10.2".to_owned();
    promise.revision = "r28739-d9340319c6".to_owned();
    promise.request.target = "ath79/generic".to_owned();
    Downloaded {
        promise,
        request: ImageCheck {
            name: "request".to_owned(),
            result: CheckResult::Pass,
            detail: String::new(),
        },
        beside,
        rebuilt: Map::new(),
    }
}

/// What a server has beside its image: `server` vouches for `worker`, which signed.
fn beside(server: &Key, worker: &Key, image: &[u8]) -> Map<String> {
    let sums = format!("{} *image.bin\n", sha256_hex(image));
    let files = [
        ("worker.pub", worker.public_file()),
        (
            "worker.pub.sig",
            server.sign(worker.public_file().as_bytes()),
        ),
        ("sha256sums.sig", worker.sign(sums.as_bytes())),
        ("sha256sums", sums),
    ];
    files.map(|(name, text)| (name.to_owned(), text)).into()
}

#[test]
fn the_files_beside_an_image_vouch_for_it_where_it_does_not_itself() {
    let (server, worker, ca) = (Key::from_seed(3), Key::from_seed(4), Key::from_seed(1));
    let router = Router::new(Require);
    router.trust("/etc/attended-sysupgrade/keys", &server);
    let plain = unsigned("24.10.2", "r28739-d9340319c6");
    // Of a key that nobody knows nothing can be said; the files can.
    for image in [&plain, &signed(&ca)] {
        router.write(image);
        let files = beside(&server, &worker, image);
        assert!(router
            .verify(Some(downloaded(image, files.clone())))
            .image
            .is_ok());
        for (name, text) in &files {
            let (mut damaged, mut missing) = (files.clone(), files.clone());
            damaged.insert(name.clone(), text.replacen('A', "B", 1) + "x");
            missing.remove(name);
            for files in [damaged, missing] {
                for policy in EVERY_POLICY {
                    let mut terms = router.terms;
                    terms.signature = policy;
                    let router = Router {
                        terms,
                        paths: router.paths.clone(),
                        _folder: tempfile::tempdir().unwrap(),
                    };
                    let judged = router.verify(Some(downloaded(image, files.clone())));
                    assert_eq!(refusal(judged).kind, Kind::Signature, "{name}");
                }
            }
        }
    }
    // Another image's files.
    router.write(&plain);
    let files = beside(&server, &worker, b"another image");
    let error = refusal(router.verify(Some(downloaded(&plain, files))));
    assert!(
        error.message.contains("not the one that was signed"),
        "{error}"
    );
    // Nobody the router knows.
    let files = beside(&ca, &worker, &plain);
    let error = refusal(router.verify(Some(downloaded(&plain, files))));
    assert!(error.message.contains("does not know"), "{error}");
    // A worker that the router no longer trusts.
    router.revoke("/etc/attended-sysupgrade/keys", &worker.fingerprint());
    let files = beside(&server, &worker, &plain);
    let error = refusal(router.verify(Some(downloaded(&plain, files))));
    assert!(error.message.contains("revoked"), "{error}");
}

#[test]
fn a_bad_signature_in_the_image_is_not_healed_by_files_beside_it() {
    let (server, worker, ca) = (Key::from_seed(3), Key::from_seed(4), Key::from_seed(1));
    let router = Router::new(Off);
    router.trust("/etc/opkg/keys", &server);
    router.trust("/etc/opkg/keys", &ca);
    let mut image = unsigned("24.10.2", "r28739-d9340319c6");
    let build = Key::from_seed(2);
    let mut other = b"another image".to_vec();
    build.sign_image(&mut other, &ca.vouch(&build, NOW - DAY, NOW + DAY));
    let data = &other[b"another image".len()..other.len() - 16];
    trailer::append(&mut image, trailer::Kind::Signature, data);
    router.write(&image);
    let files = beside(&server, &worker, &image);
    let error = refusal(router.verify(Some(downloaded(&image, files))));
    assert_eq!(error.kind, Kind::Signature);
}

#[test]
fn an_expired_certificate_is_not_renewed_by_files_beside_the_image() {
    let (server, worker, ca) = (Key::from_seed(3), Key::from_seed(4), Key::from_seed(1));
    let mut router = Router::new(Require);
    router.trust("/etc/opkg/keys", &server);
    router.trust("/etc/opkg/keys", &ca);
    let image = signed(&ca);
    router.write(&image);
    let files = beside(&server, &worker, &image);
    assert!(router
        .verify(Some(downloaded(&image, files.clone())))
        .image
        .is_ok());
    router.terms.now += 2 * DAY;
    let error = refusal(router.verify(Some(downloaded(&image, files))));
    assert!(error.message.contains("expired"), "{error}");
}

#[test]
fn rebuilders_are_held_against_the_file_without_its_signature() {
    use CheckResult::{Fail, Pass, Skipped, Warning};
    let ca = Key::from_seed(1);
    let (image, ours) = (
        signed(&ca),
        sha256_hex(&unsigned("24.10.2", "r28739-d9340319c6")),
    );
    let (whole, other) = (sha256_hex(&image), "0".repeat(64));
    let (same, differs, away) = (ours.as_str(), other.as_str(), "it can't be reached");
    for (required, said, result) in [
        (0, vec![], Skipped),
        (0, vec![same], Pass),
        (0, vec![same, same], Pass),
        (0, vec![same, differs], Warning),
        (0, vec![differs], Warning),
        (0, vec![&whole], Warning),
        (0, vec![away], Skipped),
        (0, vec![away, same], Pass),
        (1, vec![], Fail),
        (1, vec![away], Fail),
        (1, vec![differs], Fail),
        (1, vec![&whole], Fail),
        (1, vec![same, differs, away], Pass),
        (2, vec![same, differs, away], Fail),
        (2, vec![same, same, differs], Pass),
        (2, vec![&same[1..], ""], Fail),
    ] {
        let mut router = Router::new(Warn);
        router.terms.rebuilders_required = required;
        router.trust("/etc/opkg/keys", &ca);
        router.write(&image);
        let mut from = downloaded(&image, Map::new());
        let named = said.iter().enumerate();
        from.rebuilt = named
            .map(|(place, words)| (format!("https://{place}.example"), (*words).to_owned()))
            .collect();
        let judged = router.verify(Some(from));
        let check = check(&judged, "rebuilders").clone();
        assert_eq!(check.result, result, "{required} {said:?}: {check:?}");
        match judged.image {
            Ok(image) => assert_eq!(image.objection(), None),
            Err(error) => assert_eq!((error.kind, result), (Kind::Signature, Fail)),
        }
    }
}

#[test]
fn an_older_image_needs_force() {
    let router = Router::new(Off);
    for (version, revision, older) in [
        ("24.10.2", "r28739-d9340319c6", false),
        ("24.10.0", "r28427-6df0e3d02a", false),
        ("23.05.5", "r24106-10cc5fcd00", true),
        ("24.10.0", "r28000-0123456789", true),
    ] {
        let image = router.judge(&unsigned(version, revision)).image.unwrap();
        let objection = image.objection().map(|check| check.detail.clone());
        assert_eq!(objection.is_some(), older, "{version}: {objection:?}");
        assert!(objection.is_none_or(|words| words.contains("older than 24.10.0")));
    }
    let newest = router.paths.real("/etc/attended-sysupgrade/newest.json");
    fs::write(
        newest,
        r#"{"version": "24.10.5", "revision": "r29000-0123456789"}"#,
    )
    .unwrap();
    let judged = router.judge(&unsigned("24.10.2", "r28739-d9340319c6"));
    assert!(check(&judged, "metadata").detail.contains("24.10.5"));
    assert!(judged.image.unwrap().objection().is_some());
}
