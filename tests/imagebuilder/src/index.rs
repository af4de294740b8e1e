//! Package indexes in opkg's form (`Packages`): written for the upstream site and for the ImageBuilder's folder, and read
//! back from there, so that a test can edit an ImageBuilder's feeds with a text editor.

use crate::catalog::Package;
use crate::Error;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Writes packages as a `Packages` file. `all` are the packages of all feeds, where dependencies are looked up: opkg's
/// indexes name them with ABI suffix.
pub fn to_text(packages: &[Package], all: &[Package]) -> String {
    let names = all
        .iter()
        .map(|package| (package.name.as_str(), package.full_name()))
        .collect();
    let mut text = String::new();
    for package in packages {
        record(&mut text, package, &names);
    }
    text
}

fn record(text: &mut String, package: &Package, names: &HashMap<&str, String>) {
    let full_name = |name: &String| names.get(name.as_str()).unwrap_or(name).clone();
    let depends: Vec<String> = package.depends.iter().map(full_name).collect();
    let mut provides = package.provides.clone();
    if !package.abi.is_empty() {
        provides.insert(0, package.name.clone());
    }
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing into a String can't fail.
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    let full = package.full_name();
    field("Package", &full);
    field("Version", &package.version);
    field("Depends", &depends.join(", "));
    field("Conflicts", &package.conflicts.join(", "));
    field("Provides", &provides.join(", "));
    field("ABIVersion", &package.abi);
    field("License", "GPL-2.0");
    field("Section", &package.feed);
    field("Architecture", &package.arch);
    field("Installed-Size", &package.size.to_string());
    field(
        "Filename",
        &format!("{full}_{}_{}.ipk", package.version, package.arch),
    );
    field("Size", &package.size.to_string());
    field(
        "SHA256sum",
        &crate::sha256_hex(format!("{full} {}", package.version).as_bytes()),
    );
    field("SourceName", &package.name);
    field("Description", &format!("{} package", package.name));
    text.push('\n');
}

/// Reads a `Packages` file as [`to_text`] writes it.
///
/// # Errors
/// [`Error::Malformed`] for a record without name, version or a number as size.
pub fn from_text(text: &str) -> Result<Vec<Package>, Error> {
    let records = text
        .split("\n\n")
        .map(str::trim)
        .filter(|record| !record.is_empty());
    let mut packages = records.map(parse).collect::<Result<Vec<_>, _>>()?;
    let names: HashMap<String, String> = packages
        .iter()
        .map(|p| (p.full_name(), p.name.clone()))
        .collect();
    for depend in packages
        .iter_mut()
        .flat_map(|package| package.depends.iter_mut())
    {
        if let Some(name) = names.get(depend) {
            depend.clone_from(name);
        }
    }
    Ok(packages)
}

fn parse(record: &str) -> Result<Package, Error> {
    let field = |name: &str| {
        let lines = record.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
            .unwrap_or_default()
    };
    let list = |name: &str| -> Vec<String> {
        field(name)
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let abi = field("ABIVersion").to_owned();
    let full = field("Package");
    let name = full.strip_suffix(abi.as_str()).unwrap_or(full).to_owned();
    if name.is_empty() || field("Version").is_empty() {
        return Err(Error::malformed("package record", record));
    }
    Ok(Package {
        provides: list("Provides")
            .into_iter()
            .filter(|other| *other != name)
            .collect(),
        name,
        abi,
        version: field("Version").to_owned(),
        feed: field("Section").to_owned(),
        arch: field("Architecture").to_owned(),
        size: field("Size")
            .parse()
            .map_err(|_| Error::malformed("package size", record))?,
        conflicts: list("Conflicts"),
        depends: list("Depends"),
    })
}
