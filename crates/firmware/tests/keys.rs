//! Directories of keys as they may stand on a router.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::images;
use common::sign::Secret;
use firmware::usign::{Malformed, PublicKey, Signature};
use firmware::{KeyProblem, KeyRing, Problem};

fn load(directories: &[&Path]) -> (KeyRing, Vec<KeyProblem>) {
    let mut keys = KeyRing::new();
    let problems = directories
        .iter()
        .flat_map(|directory| keys.load(directory))
        .collect();
    (keys, problems)
}

fn write(directory: &Path, secret: &Secret) {
    fs::write(directory.join(secret.number().to_string()), secret.public()).unwrap();
}

#[test]
fn keys_of_several_directories_are_trusted() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a, b] = [1, 2].map(Secret::new);
    write(one.path(), &a);
    write(two.path(), &b);
    // The same key twice is no problem.
    write(two.path(), &a);
    let missing = one.path().join("missing");
    let (keys, problems) = load(&[one.path(), &missing, two.path()]);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys.get(b.number()), Some(&b.public_key()));
}

#[test]
fn a_link_to_revoked_revokes_the_key_everywhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // What ucert makes, and the other ways to write it; also where the name leads somewhere.
    let targets = [
        ".revoked.",
        ".revoked",
        "/etc/some.revoked",
        "exists.revoked",
    ];
    fs::write(two.path().join("exists.revoked"), "").unwrap();
    for (id, target) in (1..).zip(targets) {
        let secret = Secret::new(id);
        write(one.path(), &secret);
        symlink(target, two.path().join(secret.number().to_string())).unwrap();
    }
    for directories in [[one.path(), two.path()], [two.path(), one.path()]] {
        let (keys, problems) = load(&directories);
        assert!(keys.is_empty());
        assert!((1..=4).all(|id| keys.is_revoked(Secret::new(id).number())));
        assert!(
            matches!(
                problems.as_slice(),
                [KeyProblem {
                    problem: Problem::Name,
                    ..
                }]
            ),
            "{problems:?}"
        );
    }
}

#[test]
fn what_is_no_key_is_reported_and_the_rest_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let [good, other] = [1, 2].map(Secret::new);
    write(directory.path(), &good);
    fs::write(path("README"), "keys").unwrap();
    fs::write(path("0000000000000001"), other.public()).unwrap();
    fs::write(path("0000000000000002"), "no key").unwrap();
    fs::write(path("0000000000000003"), vec![b'x'; 1 << 20]).unwrap();
    fs::create_dir(path("0000000000000004")).unwrap();
    symlink("nowhere", path("0000000000000005")).unwrap();
    symlink("0000000000000006", path("0000000000000006")).unwrap();
    symlink("/dev/zero", path("0000000000000007")).unwrap();
    let (keys, mut problems) = load(&[directory.path()]);
    assert_eq!(keys.len(), 1);
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    let problems: Vec<_> = problems
        .into_iter()
        .map(|problem| problem.problem)
        .collect();
    assert!(
        matches!(
            problems.as_slice(),
            [
                Problem::Name,
                Problem::Malformed(Malformed::Lines),
                Problem::Malformed(Malformed::Long),
                Problem::NoFile,
                Problem::Io(_),
                Problem::Io(_),
                Problem::NoFile,
                Problem::Name,
            ]
        ),
        "{problems:?}"
    );
}

#[test]
fn two_keys_of_one_number_are_reported_and_the_first_kept() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = Secret::new(1);
    write(one.path(), &secret);
    write(two.path(), &secret.impostor());
    let (keys, problems) = load(&[one.path(), two.path()]);
    assert_eq!(keys.get(secret.number()), Some(&secret.public_key()));
    assert!(matches!(
        problems.as_slice(),
        [KeyProblem {
            problem: Problem::Another,
            ..
        }]
    ));
    assert!(problems[0]
        .to_string()
        .contains("another key of the same number"));
}

#[test]
fn a_directory_with_too_many_files_is_not_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..300 {
        fs::write(directory.path().join(format!("file-{number}")), "").unwrap();
    }
    let (keys, problems) = load(&[directory.path()]);
    assert!(keys.is_empty());
    assert_eq!(problems.len(), 257);
    assert!(matches!(problems.last().unwrap().problem, Problem::TooMany));
    let (_, problems) = load(&[&directory.path().join("file-1")]);
    assert!(matches!(
        problems.as_slice(),
        [KeyProblem {
            problem: Problem::Io(_),
            ..
        }]
    ));
}

#[test]
fn usigns_own_files_are_read() {
    let read = |name: &str| fs::read(images().join("detached").join(name)).unwrap();
    let key = PublicKey::parse(&read("server.pub")).unwrap();
    assert_eq!(
        (key.number().to_string().as_str(), key.comment()),
        ("44ff5c3b334f1b4d", "sample upgrade server")
    );
    let signature = Signature::parse(&read("worker.pub.sig")).unwrap();
    assert_eq!(signature.number(), key.number());
    assert!(key.verify(&signature, &read("worker.pub")));
    assert!(!key.verify(&signature, &read("server.pub")));
}

#[test]
fn texts_that_are_no_keys_are_told_apart() {
    let good = String::from_utf8(Secret::new(1).public()).unwrap();
    let (comment, base64) = good.split_once('\n').unwrap();
    let parse = |text: &str| PublicKey::parse(text.as_bytes()).map(|key| key.number());
    let number = Secret::new(1).number();
    assert_eq!(
        parse(&format!("{comment}\n{}", base64.trim_end())),
        Ok(number)
    );
    assert_eq!(parse(&format!("\n{base64}")), Ok(number));
    let cases = [
        (String::new(), Malformed::Lines),
        (base64.trim_end().to_owned(), Malformed::Lines),
        (format!("{comment}\n"), Malformed::Base64),
        (format!("{good}{base64}"), Malformed::Base64),
        (format!("{comment}\n{comment}\n{base64}"), Malformed::Base64),
        (format!("{comment}\n{}", &base64[4..]), Malformed::Base64),
        (format!("{comment}\nAAAA{base64}"), Malformed::Base64),
        (
            format!("{comment}\n{}", base64.replacen("RW", "RX", 1)),
            Malformed::Algorithm,
        ),
        (format!("{}\n{base64}", "x".repeat(1024)), Malformed::Long),
    ];
    for (text, why) in cases {
        assert_eq!(parse(&text), Err(why), "{text}");
    }
    assert_eq!(Signature::parse(good.as_bytes()), Err(Malformed::Base64));
}

#[test]
fn comments_can_not_steer_a_terminal() {
    let good = Secret::new(1).public();
    let text = [
        b"untrusted comment: \x1b[31mred\x07\xff\xc2\x9b\n",
        &good[good.iter().position(|b| *b == b'\n').unwrap() + 1..],
    ]
    .concat();
    assert_eq!(
        PublicKey::parse(&text).unwrap().comment(),
        "[31mred\u{fffd}"
    );
}
