//! What is installed, in the form in which it goes to the job.

use crate::error::{Error, Kind};
use crate::paths::Paths;
use packages::Database;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::ErrorKind;

/// Everything that is installed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Installed {
    /// `apk` or `opkg`
    pub database: String,
    /// In the database's order.
    pub packages: Vec<Package>,
}

/// One installed package.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Package {
    /// Without ABI suffix.
    pub name: String,
    /// As the database has it, with its ABI suffix; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub abi_name: String,
    /// Installed version.
    pub version: String,
    /// Somebody asked for it by name.
    pub wanted: bool,
    /// Further names it answers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<String>,
    /// Names without which it does not work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends: Vec<String>,
    /// `mips_24kc`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arch: String,
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
