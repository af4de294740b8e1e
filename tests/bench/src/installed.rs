//! The packages of the router that is measured.

use sandbox::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// apk's database, below the root.
const DATABASE: &str = "lib/apk/db/installed";
const WORLD: &str = "etc/apk/world";

/// How many packages are installed.
pub fn count(root: &Path) -> Result<u64, Error> {
    Ok(names(&fs::read_to_string(root.join(DATABASE))?).len() as u64)
}

/// Installs names of an index, in an older version, until there are so many packages. Every other
/// one was asked for by name; each needs the one before it. As apk writes them, in the order of names.
pub fn grow(root: &Path, index: &[String], packages: usize) -> Result<(), Error> {
    let database = fs::read_to_string(root.join(DATABASE))?;
    let world = fs::read_to_string(root.join(WORLD))?;
    let there = names(&database);
    let missing = packages.saturating_sub(there.len());
    let new: Vec<&String> = index
        .iter()
        .filter(|name| !there.contains(name.as_str()))
        .take(missing)
        .collect();
    if new.len() < missing {
        return Err(format!("the index has too few names for {packages} packages").into());
    }
    let mut records: BTreeMap<&str, String> = database
        .split_inclusive("\n\n")
        .map(|record| (name(record), record.to_owned()))
        .collect();
    let mut wanted: BTreeSet<&str> = world.lines().collect();
    let mut before = "libc";
    for (at, name) in new.into_iter().enumerate() {
        let record = format!("P:{name}\nV:0.1-r1\nA:mips_24kc\nD:{before}\n\n");
        records.insert(name, record);
        if at % 2 == 0 {
            wanted.insert(name);
        }
        before = name;
    }
    let wanted: Vec<&str> = wanted.into_iter().collect();
    fs::write(
        root.join(DATABASE),
        records.into_values().collect::<String>(),
    )?;
    fs::write(root.join(WORLD), wanted.join("\n") + "\n")?;
    Ok(())
}

/// Of a record.
fn name(record: &str) -> &str {
    let mut names = record.lines().filter_map(|line| line.strip_prefix("P:"));
    names.next().unwrap_or_default()
}

fn names(database: &str) -> BTreeSet<String> {
    let names = database.lines().filter_map(|line| line.strip_prefix("P:"));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_grows_to_the_number_asked_for() {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [(DATABASE, "P:libc\nV:1\n\nP:b\nV:1\n\n"), (WORLD, "b\n")] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let index: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        grow(root.path(), &index, 4).unwrap();
        assert_eq!(count(root.path()).unwrap(), 4);
        let database = fs::read_to_string(root.path().join(DATABASE)).unwrap();
        assert!(database.starts_with("P:a\nV:0.1-r1\nA:mips_24kc\nD:libc\n\nP:b\n"));
        assert!(
            database.ends_with("P:c\nV:0.1-r1\nA:mips_24kc\nD:a\n\nP:libc\nV:1\n\n"),
            "{database}"
        );
        assert_eq!(
            fs::read_to_string(root.path().join(WORLD)).unwrap(),
            "a\nb\n"
        );
        assert!(grow(root.path(), &index, 9).is_err());
    }
}
