//! What must hold for any bytes; the fuzz targets and the replay of their corpus share it.
#![allow(dead_code, reason = "each target takes one of them")]

use packages::{Database, Error, Installed, Providers, Reader, World, WorldReader};

/// Any bytes as apk's database: no package may be lost silently.
pub fn apk_installed(data: &[u8]) {
    let Ok(mut installed) = database(Database::Apk, data) else {
        return;
    };
    let begun = lines(data).filter(|line| named(line, b"P:")).count();
    assert_eq!(
        installed.packages().len(),
        begun,
        "as many packages as lines that name one"
    );
    assert_eq!(installed.packagelist(false), Err(Error::NoWorld));
    // The file as its own world names some packages and much else.
    if let Ok(world) = read_world(data, data.len()) {
        installed.set_world(&world).unwrap();
        list(&installed);
    }
}

/// Any bytes as opkg's status file.
pub fn opkg_status(data: &[u8]) {
    let Ok(installed) = database(Database::Opkg, data) else {
        return;
    };
    let begun = lines(data).filter(|line| named(line, b"Package:")).count();
    assert!(installed.packages().len() <= begun);
    list(&installed);
}

/// Any bytes as apk's world.
pub fn world(data: &[u8]) {
    let whole = read_world(data, data.len().max(1));
    let pieces = read_world(data, 5);
    let Ok(world) = whole else {
        assert_eq!(whole.err(), pieces.err());
        return;
    };
    assert!(world.names().eq(pieces.unwrap().names()));
    for name in world.names() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        // Who bears a name that is asked for is wanted.
        if name.len() < 200 && !name.starts_with('.') {
            let db = format!("P:{name}\nV:1\n");
            let mut installed = database(Database::Apk, db.as_bytes()).unwrap();
            installed.set_world(&world).unwrap();
            assert_eq!(installed.packagelist(false).unwrap(), [(name, "1")]);
            break;
        }
    }
}

/// Reads a database whole and in pieces, which must make no difference.
fn database(database: Database, data: &[u8]) -> Result<Installed, Error> {
    let read = |size: usize| {
        let mut reader = Reader::new(database);
        for piece in data.chunks(size) {
            reader.feed(piece)?;
        }
        reader.finish()
    };
    let whole = read(data.len().max(1));
    let pieces = read(7);
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert!(names(whole).eq(names(pieces))),
        (whole, pieces) => assert_eq!(whole.as_ref().err(), pieces.as_ref().err()),
    }
    whole
}

fn names(installed: &Installed) -> impl Iterator<Item = (&str, &str)> {
    installed
        .packages()
        .map(|package| (package.name(), package.version()))
}

fn read_world(data: &[u8], size: usize) -> Result<World, Error> {
    let mut reader = WorldReader::default();
    for piece in data.chunks(size) {
        reader.feed(piece)?;
    }
    reader.finish()
}

/// Both lists are sorted, without doubles, made of printable names, and one is part of the other.
fn list(installed: &Installed) {
    let all = installed.packagelist(true).unwrap();
    let wanted = installed.packagelist(false).unwrap();
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(wanted
        .iter()
        .all(|pair| all.iter().any(|other| other.0 == pair.0)));
    for (name, version) in &all {
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(!name.is_empty() && printable(name));
        assert!(!version.is_empty() && printable(version));
    }
    let providers = Providers::new(installed).unwrap();
    for package in installed.packages() {
        assert!(package.answers_to(package.bare_name()) && providers.has(package.name()));
        assert!(all.iter().any(|pair| pair.0 == package.bare_name()) || package.is_virtual());
    }
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == b'\n')
}

/// Whether a line gives this field a value.
fn named(line: &[u8], field: &[u8]) -> bool {
    line.strip_prefix(field)
        .is_some_and(|value| !value.trim_ascii().is_empty())
}
