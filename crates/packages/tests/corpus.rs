//! Replays what the fuzz targets (tests/fuzz/packages) have found interesting.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/fuzz/packages/checks.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = "../../tests/fuzz/packages/corpus";
    let folder = format!("{}/{corpus}/{target}", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        check(&std::fs::read(file).unwrap());
    }
}

#[test]
fn apk_installed() {
    replay("apk_installed", checks::apk_installed);
}

#[test]
fn opkg_status() {
    replay("opkg_status", checks::opkg_status);
}

#[test]
fn world() {
    replay("world", checks::world);
}
