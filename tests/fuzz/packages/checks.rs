//! What must hold for any bytes; the fuzz targets and the replay of their corpus share it.
#![allow(dead_code, reason = "each target takes one of them")]

use packages::{Database, Error, Installed, Providers, Reader};

/// Any bytes as apk's database: no package may be lost silently.
pub fn apk_installed(data: &[u8]) {
    let Ok(reader) = database(Database::Apk, data) else {
        return;
    };
    let begun = lines(data).filter(|line| named(line, b"P:")).count();
    let installed = reader.into_installed();
    assert_eq!(
        installed.packages().len(),
        begun,
        "as many packages as lines that name one"
    );
    assert_eq!(installed.packagelist(false), Err(Error::NoWorld));
    // The file as its own world names some packages and much else.
    if let Ok(installed) = with_world(data, data, data.len()) {
        list(&installed);
    }
}

/// Any bytes as opkg's status file.
pub fn opkg_status(data: &[u8]) {
    let Ok(reader) = database(Database::Opkg, data) else {
        return;
    };
    let installed = reader.into_installed();
    let begun = lines(data).filter(|line| named(line, b"Package:")).count();
    assert!(installed.packages().len() <= begun);
    list(&installed);
}

/// Any bytes as apk's world.
pub fn world(data: &[u8]) {
    let some = b"P:some\nV:1\n\n";
    let whole = with_world(some, data, data.len().max(1));
    let pieces = with_world(some, data, 5);
    let Ok(installed) = whole else {
        assert_eq!(whole.err(), pieces.err());
        return;
    };
    assert!(installed.world().eq(pieces.unwrap().world()));
    for name in installed.world() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
        // Who bears a name that is asked for is wanted.
        if name.len() < 200 && !name.starts_with('.') {
            let db = format!("P:{name}\nV:1\n\n");
            let installed = with_world(db.as_bytes(), data, data.len()).unwrap();
            assert_eq!(installed.packagelist(false).unwrap(), [(name, "1")]);
            break;
        }
    }
}

/// Reads a database whole and in pieces, which must make no difference.
fn database(database: Database, data: &[u8]) -> Result<Reader, Error> {
    let read = |size: usize| {
        let mut reader = Reader::new(database);
        feed(&mut reader, data, size)?;
        Ok(reader)
    };
    let whole = read(data.len().max(1));
    let pieces = read(7);
    match (&whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            let pieces = pieces.into_installed();
            assert!(names(whole.installed()).eq(names(&pieces)));
        }
        (whole, pieces) => assert_eq!(whole.as_ref().err(), pieces.err().as_ref()),
    }
    whole
}

fn feed(reader: &mut Reader, data: &[u8], size: usize) -> Result<(), Error> {
    for piece in data.chunks(size) {
        reader.feed(piece)?;
    }
    reader.end()
}

/// An apk database, and then the world in pieces of this size.
fn with_world(installed: &[u8], world: &[u8], size: usize) -> Result<Installed, Error> {
    let mut reader = Reader::new(Database::Apk);
    feed(&mut reader, installed, installed.len())?;
    reader.begin(Database::World);
    feed(&mut reader, world, size)?;
    Ok(reader.into_installed())
}

fn names(installed: &Installed) -> impl Iterator<Item = (&str, &str)> {
    installed
        .packages()
        .map(|package| (package.name(), package.version()))
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

/// Whether a line gives this field a value. A vertical tab is white space to apk and opkg, as it is to C.
fn named(line: &[u8], field: &[u8]) -> bool {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    line.strip_prefix(field)
        .is_some_and(|value| !value.iter().all(space))
}
