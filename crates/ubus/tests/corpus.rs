//! Replays the inputs that the fuzz targets start from, and those they once failed on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

#[path = "../../../tests/fuzz/ubus/checks.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/ubus/corpus");
    let files = fs::read_dir(corpus.join(target)).unwrap();
    let mut count = 0;
    for file in files {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        check(&bytes);
        // Cut short anywhere it has to do no harm either.
        (0..bytes.len()).for_each(|end| check(&bytes[..end]));
        count += 1;
    }
    assert!(count >= 20, "{count} files");
}

#[test]
fn blobmsg() {
    replay("blobmsg", checks::blobmsg);
}

#[test]
fn frame() {
    replay("frame", checks::frame);
}
