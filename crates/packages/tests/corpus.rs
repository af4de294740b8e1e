//! Replays what the fuzz targets (tests/fuzz/packages) have found interesting.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[path = "../../../tests/fuzz/packages/checks.rs"]
mod checks;

use replay::replay;

#[test]
fn apk_installed() {
    replay("packages", "apk_installed", 14, checks::apk_installed);
}

#[test]
fn opkg_status() {
    replay("packages", "opkg_status", 11, checks::opkg_status);
}

#[test]
fn world() {
    replay("packages", "world", 12, checks::world);
}
