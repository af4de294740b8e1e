//! Package indexes: `index.json`, `Packages`, `Packages.gz`, `Packages.manifest`.

use crate::site::write;
use crate::Error;
use flate2::write::GzEncoder;
use flate2::Compression;
use mini_imagebuilder::catalog::{Package, Release};
use mini_imagebuilder::index;
use serde_json::{json, Map, Value};
use std::io::Write as _;
use std::path::Path;

/// The releases whose `index.json` is of the first form, which has names with ABI suffix.
const FIRST_FORM: [&str; 2] = ["24.10.0", "24.10.1"];

/// Writes the indexes of one feed into `dir`.
///
/// `all` are the packages of all feeds; opkg's indexes name dependencies with the ABI suffix found there.
pub fn write_feed(
    dir: &Path,
    release: &Release,
    arch: &str,
    feed: &[Package],
    all: &[Package],
) -> Result<(), Error> {
    write(
        &dir.join("index.json"),
        index_json(release, arch, feed).to_string().as_bytes(),
    )?;
    if release.apk {
        return Ok(());
    }
    let text = index::to_text(feed, all);
    write(&dir.join("Packages"), text.as_bytes())?;
    write(&dir.join("Packages.gz"), &gzip(text.as_bytes())?)?;
    write(&dir.join("Packages.manifest"), text.as_bytes())
}

fn index_json(release: &Release, arch: &str, feed: &[Package]) -> Value {
    let second = !FIRST_FORM.contains(&release.version);
    let name = |package: &Package| {
        if second {
            package.name.clone()
        } else {
            package.full_name()
        }
    };
    let packages: Map<String, Value> = feed
        .iter()
        .map(|p| (name(p), Value::from(p.version.as_str())))
        .collect();
    if second {
        json!({"version": 2, "architecture": arch, "packages": packages})
    } else {
        json!({"architecture": arch, "packages": packages})
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(Error::io(Path::new("Packages.gz")))
}

/// How names in OpenWrt's feed `packages` begin; most begin with none of them.
const FAMILIES: [&str; 8] = ["lib", "perl-", "python3-", "", "", "", "", ""];

/// A name as long as those of the public server's index are on average, which differs from the
/// others early, as those do.
fn invented_name(number: usize) -> String {
    let family = FAMILIES[number % FAMILIES.len()];
    let mut bits = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut name = family.to_owned();
    while name.len() < 17 {
        name.push(char::from(b'a' + (bits >> 59) as u8 % 26));
        bits = bits.rotate_left(5);
    }
    format!("{name}{number:08}")
}

/// Invented packages that make an index as long as the public server's: 10,000 of them are about 545 KB of JSON.
pub fn invented(count: usize, arch: &str) -> Vec<Package> {
    let package = |number: usize| Package {
        name: invented_name(number),
        abi: String::new(),
        version: format!(
            "2026.{:02}.15~{:08x}-r{:02}",
            number % 12 + 1,
            number * 2_654_435_761 % 0xffff_ffff,
            number % 90 + 10
        ),
        feed: "packages".to_owned(),
        arch: arch.to_owned(),
        size: 1000,
        provides: Vec::new(),
        conflicts: Vec::new(),
        depends: vec!["libc".to_owned()],
    };
    (0..count).map(package).collect()
}
