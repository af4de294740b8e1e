//! Replays the inputs that the fuzz targets start from, and those they once failed on.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[path = "../../../tests/fuzz/firmware/checks.rs"]
mod checks;

use replay::replay;

#[test]
fn trailer() {
    replay("firmware", "trailer", 9, checks::trailer);
}

#[test]
fn metadata() {
    replay("firmware", "metadata", 11, checks::metadata);
}

#[test]
fn usign() {
    replay("firmware", "usign", 8, checks::usign);
}

#[test]
fn ucert() {
    replay("firmware", "ucert", 5, checks::ucert);
}
