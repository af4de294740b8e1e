//! Short ways into the crate for its tests.
#![allow(dead_code, reason = "each test file takes what it needs")]

use packages::{Database, Error, Installed, Reader};

/// Reads apk's database and its world.
pub fn apk(installed: impl AsRef<[u8]>, world: impl AsRef<[u8]>) -> Result<Installed, Error> {
    let mut reader = Reader::new(Database::Apk);
    reader.feed(installed.as_ref())?;
    reader.end()?;
    reader.begin(Database::World);
    reader.feed(world.as_ref())?;
    reader.finish()
}

/// Reads opkg's database.
pub fn opkg(status: impl AsRef<[u8]>) -> Result<Installed, Error> {
    in_pieces(Database::Opkg, status.as_ref(), 4096)
}

/// Reads a database in pieces of this size.
pub fn in_pieces(database: Database, text: &[u8], size: usize) -> Result<Installed, Error> {
    let mut reader = Reader::new(database);
    for piece in text.chunks(size) {
        reader.feed(piece)?;
    }
    reader.finish()
}

/// `name=version` of a packagelist, parted by spaces.
pub fn list(installed: &Installed, all: bool) -> String {
    let list = installed.packagelist(all).unwrap();
    let pairs: Vec<String> = list
        .iter()
        .map(|(name, version)| format!("{name}={version}"))
        .collect();
    pairs.join(" ")
}

/// A file of `tests/data`.
pub fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
