//! docs/security.md names a test for each promise and each attack: they have to be there.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// The names `file::test` of a text.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| *name != "file::name")
        .filter_map(|name| name.split_once("::"))
        .collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let tests = named(&page);
    assert!(tests.len() > 50, "{}", tests.len());
    for (file, name) in tests {
        let source = fs::read_to_string(root.join(file)).unwrap_or_default();
        let there = match file.ends_with(".js") {
            true => source.contains(&format!("test('{name}'")),
            // With nothing but attributes of its own before it.
            false => source
                .split_once(&format!("fn {name}()"))
                .and_then(|(before, _)| before.rsplit_once("#[test]"))
                .is_some_and(|(_, between)| !between.contains("fn ")),
        };
        assert!(there, "{file} has no test {name}");
    }
}

#[test]
fn every_attack_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let tests = named(&page);
    // A new attack comes with its row.
    for file in [
        "agent/tests/attacks.rs",
        "crates/firmware/tests/attacks.rs",
        "tests/sandbox/tests/attacks.rs",
    ] {
        let source = fs::read_to_string(root.join(file)).unwrap();
        for part in source.split("#[test]\nfn ").skip(1) {
            let name = part.split('(').next().unwrap();
            assert!(tests.contains(&(file, name)), "{file}::{name}");
        }
    }
}
