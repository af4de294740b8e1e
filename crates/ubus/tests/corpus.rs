//! Replays the inputs that the fuzz targets (tests/fuzz/ubus) start from, and those they once failed on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[path = "../../../tests/fuzz/ubus/checks.rs"]
mod checks;

use replay::replay;

/// Cut short anywhere an input has to do no harm either.
fn whole_and_cut(check: fn(&[u8])) -> impl Fn(&[u8]) {
    move |bytes| (0..=bytes.len()).for_each(|end| check(&bytes[..end]))
}

#[test]
fn blobmsg() {
    replay("ubus", "blobmsg", 20, whole_and_cut(checks::blobmsg));
}

#[test]
fn frame() {
    replay("ubus", "frame", 20, whole_and_cut(checks::frame));
}
