//! Replays the inputs that the fuzz target (tests/fuzz/data) starts from, and those it once failed on.

#![allow(clippy::unwrap_used)]

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[path = "../../../tests/fuzz/data/checks.rs"]
mod checks;

#[test]
fn text() {
    // Cut short anywhere an input has to do no harm either.
    let whole_and_cut =
        |bytes: &[u8]| (0..=bytes.len()).for_each(|end| checks::text(&bytes[..end]));
    replay::replay("data", "text", 15, whole_and_cut);
}
