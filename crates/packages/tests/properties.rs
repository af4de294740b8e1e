//! What holds for every database, written well or not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{apk, in_pieces, opkg};
use packages::{Database, Installed, Reader};
use proptest::collection::vec;
use proptest::prelude::*;

/// A package as it was before it was written down.
#[derive(Clone, Debug)]
struct Known {
    bare: String,
    abi: String,
    version: String,
    provides: Vec<String>,
    noise: Vec<u8>,
    wanted: bool,
    installed: bool,
}

fn known() -> impl Strategy<Value = Known> {
    let noise = vec((0u8..=255).prop_map(|byte| byte.max(11)), 0..600);
    let fields = (
        "[a-z][a-z-]{0,6}[a-z]",
        "[0-9]{0,3}",
        "[0-9]\\.[0-9]{1,2}(-r[0-9])?",
        noise,
    );
    let more = (vec("virt-[a-z]{1,3}", 0..3), any::<bool>(), any::<bool>());
    (fields, more).prop_map(
        |((bare, abi, version, noise), (provides, wanted, installed))| Known {
            bare,
            abi,
            version,
            provides,
            noise,
            wanted,
            installed,
        },
    )
}

fn as_apk(packages: &[Known]) -> (Vec<u8>, String) {
    let (mut db, mut world) = (Vec::new(), String::new());
    for (at, known) in packages.iter().enumerate() {
        let Known {
            bare,
            abi,
            version,
            provides,
            noise,
            ..
        } = known;
        db.extend_from_slice(format!("P:{bare}{abi}\nV:{version}\nT:").as_bytes());
        db.extend_from_slice(noise);
        db.extend_from_slice(format!("\np:{}\n", provides.join(" ")).as_bytes());
        if !abi.is_empty() {
            db.extend_from_slice(format!("g:a=b openwrt:abiversion={abi}\n").as_bytes());
        }
        db.push(b'\n');
        if known.wanted {
            let suffix = if at % 2 == 0 { abi } else { "" };
            let constraint = ["", "@edge", "=1", "~2", "<3", ">=0"][at % 6];
            world += &format!("{bare}{suffix}{constraint}\n");
        }
    }
    (db, world)
}

fn as_opkg(packages: &[Known]) -> Vec<u8> {
    let mut db = Vec::new();
    for Known {
        bare,
        abi,
        version,
        provides,
        noise,
        wanted,
        installed,
    } in packages
    {
        let provides = provides.join(", ");
        db.extend_from_slice(format!("Package: {bare}{abi}\nVersion: {version}\n").as_bytes());
        db.extend_from_slice(format!("Provides: {provides}\nDescription: ").as_bytes());
        db.extend_from_slice(noise);
        if !abi.is_empty() {
            db.extend_from_slice(format!("\nABIVersion: {abi}").as_bytes());
        }
        let state = if *installed {
            "installed"
        } else {
            "half-installed"
        };
        let mark = if *wanted { "" } else { "Auto-Installed: yes\n" };
        db.extend_from_slice(format!("\nStatus: install user {state}\n{mark}\n").as_bytes());
    }
    db
}

/// The list a plain reading of the packages gives: of one name, the last.
fn expected<'a>(packages: impl Iterator<Item = &'a Known>) -> Vec<(String, String)> {
    let mut list: BTreeMap<String, String> = BTreeMap::new();
    for Known { bare, version, .. } in packages {
        list.insert(bare.clone(), version.clone());
    }
    list.into_iter().collect()
}

fn listed(installed: &Installed, all: bool) -> Vec<(String, String)> {
    let list = installed.packagelist(all).unwrap();
    list.into_iter()
        .map(|(name, version)| (name.into(), version.into()))
        .collect()
}

/// What a world of these names asks for: whoever bears one.
fn asked_for<'a>(packages: &'a [Known], world: &str) -> impl Iterator<Item = &'a Known> {
    let stop = |c: char| "@=~<>".contains(c);
    let names: Vec<String> = world
        .lines()
        .filter_map(|line| line.split(stop).next())
        .map(str::to_owned)
        .collect();
    packages.iter().filter(move |known| {
        let full = format!("{}{}", known.bare, known.abi);
        names.contains(&known.bare) || names.contains(&full)
    })
}

proptest! {
    #[test]
    fn every_apk_package_is_listed(packages in vec(known(), 1..20)) {
        let (db, world) = as_apk(&packages);
        let installed = apk(db, &world).unwrap();
        prop_assert_eq!(listed(&installed, true), expected(packages.iter()));
        prop_assert_eq!(listed(&installed, false), expected(asked_for(&packages, &world)));
    }

    #[test]
    fn every_installed_opkg_package_is_listed(packages in vec(known(), 1..20)) {
        let there = || packages.iter().filter(|known| known.installed);
        prop_assume!(there().count() > 0);
        let installed = opkg(as_opkg(&packages)).unwrap();
        prop_assert_eq!(listed(&installed, true), expected(there()));
        let wanted = there().filter(|known| known.wanted);
        prop_assert_eq!(listed(&installed, false), expected(wanted));
    }

    #[test]
    fn where_pieces_end_makes_no_difference(
        packages in vec(known(), 1..6), size in 1usize..50, cut in 0usize..4000,
    ) {
        for (database, mut text) in
            [(Database::Apk, as_apk(&packages).0), (Database::Opkg, as_opkg(&packages))]
        {
            text.truncate(cut);
            let whole = in_pieces(database, &text, text.len().max(1));
            let pieces = in_pieces(database, &text, size);
            prop_assert_eq!(whole.as_ref().err(), pieces.as_ref().err());
            if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
                prop_assert_eq!(listed(&whole, true), listed(&pieces, true));
            }
        }
    }

    /// A cut file is refused, or it lists every record before the cut.
    #[test]
    fn a_cut_file_loses_nothing_silently(packages in vec(known(), 1..6), cut in 0usize..4000) {
        let (text, _) = as_apk(&packages);
        let text = &text[..cut.min(text.len())];
        let begun = text.split(|&b| b == b'\n').filter(|line| line.starts_with(b"P:")).count();
        match in_pieces(Database::Apk, text, 4096) {
            Ok(installed) => prop_assert_eq!(installed.packages().len(), begun),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_bytes_panic(
        text in vec(prop_oneof![Just(b'\n'), Just(b':'), Just(b'P'), Just(b'V'), any::<u8>()], 0..300),
    ) {
        for database in [Database::Apk, Database::Opkg, Database::World] {
            let mut reader = Reader::new(database);
            if reader.feed(&text).and_then(|()| reader.end()).is_err() {
                continue;
            }
            reader.begin(Database::World);
            let fed = reader.feed(&text);
            // The last line, if it has no end, is read here.
            if let Ok(installed) = fed.and_then(|()| reader.finish()) {
                listed(&installed, true);
            }
        }
    }
}
