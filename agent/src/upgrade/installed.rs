//! What is installed, in the form in which it goes to the job.

use crate::error::{Error, Kind};
use crate::paths::Paths;
use packages::Database;
use serde::{Deserialize, Serialize, Serializer};
use std::fs::File;
use std::io::ErrorKind;

/// How many texts a package is written as.
const FIELDS: usize = 7;

/// Stands for a package that somebody asked for by name.
const WANTED: &str = "wanted";

/// Everything that is installed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Installed {
    /// `apk` or `opkg`
    pub database: String,
    /// In the database's order.
    pub packages: Vec<Package>,
}

/// One installed package.
///
/// Written as a list of seven texts, names that it has several of (none has a space) in one: with
/// objects a check of 1,000 packages costs the job a sixth more instructions.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(try_from = "Vec<String>")]
pub struct Package {
    /// Without ABI suffix.
    pub name: String,
    /// As the database has it, with its ABI suffix; empty where there is none.
    pub abi_name: String,
    /// Installed version.
    pub version: String,
    /// Somebody asked for it by name.
    pub wanted: bool,
    /// Further names it answers to.
    pub provides: Vec<String>,
    /// Names without which it does not work.
    pub depends: Vec<String>,
    /// `mips_24kc`
    pub arch: String,
}

impl TryFrom<Vec<String>> for Package {
    type Error = &'static str;

    fn try_from(row: Vec<String>) -> Result<Self, Self::Error> {
        let [name, abi_name, version, arch, wanted, provides, depends] =
            <[String; FIELDS]>::try_from(row).map_err(|_| "a package has other fields")?;
        let names = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
        Ok(Package {
            provides: names(&provides),
            depends: names(&depends),
            name,
            abi_name,
            version,
            wanted: wanted == WANTED,
            arch,
        })
    }
}

impl Serialize for Package {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row: [&str; FIELDS] = [
            &self.name,
            &self.abi_name,
            &self.version,
            &self.arch,
            if self.wanted { WANTED } else { "" },
            &self.provides.join(" "),
            &self.depends.join(" "),
        ];
        serializer.collect_seq(row)
    }
}

/// Opens and reads the router's package databases.
pub fn read(paths: &Paths) -> Result<packages::Installed, Error> {
    let mut files = Files { paths, open: None };
    packages::read_from(&mut files).map_err(unreadable)
}

/// The router's files, of which one is open.
struct Files<'a> {
    paths: &'a Paths,
    open: Option<File>,
}

impl packages::Source for Files<'_> {
    fn open(&mut self, file: Database) -> Result<bool, i32> {
        self.open = match File::open(self.paths.real(file.path())) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.raw_os_error().unwrap_or(0)),
        };
        Ok(self.open.is_some())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32> {
        match &mut self.open {
            Some(file) => packages::read_some(file, buffer),
            None => Ok(0),
        }
    }
}

/// A database that can't be read is a fault of the router's storage.
pub fn unreadable(error: packages::Error) -> Error {
    Error::new(Kind::Storage, error.to_string())
}

impl Installed {
    /// The set with what the job has to know of it.
    pub fn from_database(set: &packages::Installed) -> Result<Installed, Error> {
        // Asked for its error: without apk's world nobody knows what is wanted.
        drop(set.wanted().map_err(unreadable)?);
        let packages = set.packages().filter(|package| !package.is_virtual());
        Ok(Installed {
            database: set.database().manager().to_owned(),
            packages: packages.map(Package::from_database).collect(),
        })
    }

    /// Whether a package of this name is installed.
    pub fn has(&self, name: &str) -> bool {
        self.packages.iter().any(|package| package.name == name)
    }

    /// The architecture most packages have; firmware-only packages say `all` or `noarch`.
    pub fn architecture(&self) -> String {
        let base = self
            .packages
            .iter()
            .find(|package| package.name == "base-files");
        let specific = |package: &&Package| !matches!(package.arch.as_str(), "" | "all" | "noarch");
        let found = base
            .filter(specific)
            .or_else(|| self.packages.iter().find(specific));
        found
            .map(|package| package.arch.clone())
            .unwrap_or_default()
    }
}

impl Package {
    /// Whether it is called so, with or without its ABI suffix.
    pub fn bears(&self, name: &str) -> bool {
        self.name == name || (!name.is_empty() && self.abi_name == name)
    }

    fn from_database(package: packages::Package<'_>) -> Package {
        let names = |list: packages::Dependencies<'_>| {
            let names = list
                .filter(|entry| !entry.conflict)
                .map(|entry| entry.name.to_owned());
            names.collect()
        };
        let (name, abi_name) = (package.bare_name(), package.name());
        Package {
            name: name.to_owned(),
            abi_name: match abi_name == name {
                true => String::new(),
                false => abi_name.to_owned(),
            },
            version: package.version().to_owned(),
            wanted: package.is_wanted(),
            provides: names(package.provides()),
            depends: names(package.depends()),
            arch: package.arch().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_package_goes_to_the_job_and_is_the_same_there() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let full = Package {
            name: "libubus".to_owned(),
            abi_name: "libubus20230605".to_owned(),
            version: "2023.06.05~f787c97b-r1".to_owned(),
            wanted: true,
            provides: names(&["libubus", "so:libubus.so.20230605"]),
            depends: names(&["libc", "libubox20240329"]),
            arch: "mips_24kc".to_owned(),
        };
        for package in [full, Package::default()] {
            let read: Package = json::read(json::value(&package).unwrap()).unwrap();
            assert_eq!(read, package);
        }
        let short = json::parse(br#"["a", "", "1"]"#).unwrap();
        assert!(json::read::<Package>(short).is_err());
    }
}
