//! Replays the inputs that the fuzz targets start from, and those they once failed on.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

#[path = "../../../tests/fuzz/firmware/checks.rs"]
mod checks;

fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/firmware/corpus");
    let inputs: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().collect();
    assert!(
        inputs.len() >= least,
        "{} inputs for {target}",
        inputs.len()
    );
    for input in inputs {
        check(&fs::read(input.unwrap().path()).unwrap());
    }
}

#[test]
fn trailer() {
    replay("trailer", 9, checks::trailer);
}

#[test]
fn metadata() {
    replay("metadata", 11, checks::metadata);
}

#[test]
fn usign() {
    replay("usign", 8, checks::usign);
}

#[test]
fn ucert() {
    replay("ucert", 5, checks::ucert);
}
