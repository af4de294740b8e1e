//! What has to hold of any input: the fuzz targets call these, and the ordinary tests on the corpus
//! (`agent/src/corpus.rs`). Compiled as a part of the agent, for the readers are private there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::use_debug,
    reason = "a test fails by panicking, and shows what it failed on"
)]

mod index;
mod server_json;
mod uci;

pub use index::index;
pub use server_json::server_json;
pub use uci::uci;

use super::error::Error;
use crate::error;
use firmware::steers;
use std::io::{self, Read};

/// An error becomes words that only say something, and not endlessly.
fn told(error: Error) {
    let told = error::Error::from(error);
    assert!(!told.message.is_empty() && !told.message.contains(steers));
    assert!(told.message.len() < 8 * 1024 && told.detail.len() <= 8 * 1024);
    let moves = |c| steers(c) && !matches!(c, '\n' | '\t');
    assert!(!told.detail.contains(moves));
}

/// Hands out so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.1.min(buffer.len());
        (&mut self.0).take(size as u64).read(buffer)
    }
}
