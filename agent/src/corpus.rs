//! Replays the inputs that the fuzz targets (tests/fuzz/agent) start from, and those they once failed on.

use crate::checks;
use std::fs;
use std::path::Path;

fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/agent/corpus");
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
fn server_json() {
    replay("server_json", 21, checks::server_json);
}

#[test]
fn index() {
    replay("index", 9, checks::index);
}

#[test]
fn uci() {
    replay("uci", 5, checks::uci);
}
