//! What is installed, in the form in which it goes to the job.

use crate::error::{Error, Kind};
use crate::json::{Decode, Encode};
use crate::paths::Paths;
use data::{Out, Unexpected, Value};
use packages::Database;
use std::fs::File;
use std::io::ErrorKind;

/// Behind each field of a package. The databases are printable ASCII, and JSON takes it as it is.
const END: u8 = 0x7f;

/// Of each package.
const FIELDS: usize = 7;

/// Stands for a package that somebody asked for by name.
const WANTED: &str = "wanted";

/// Everything that is installed.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Installed {
    /// `apk` or `opkg`
    pub database: String,
    /// The packages in the database's order.
    packages: Rows,
}

/// Packages field by field: one text goes to the job at a fraction of what thousands cost.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    /// Each field with its [`END`] …
    text: String,
    /// … and where that stands.
    ends: Vec<usize>,
}

/// One installed package.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Package<'a> {
    /// Without ABI suffix.
    pub name: &'a str,
    /// As the database has it, with its ABI suffix; empty where there is none.
    pub abi_name: &'a str,
    /// Installed version.
    pub version: &'a str,
    /// `mips_24kc`
    pub arch: &'a str,
    /// Somebody asked for it by name.
    pub wanted: bool,
    /// Further names it answers to.
    pub provides: Words<'a>,
    /// Names without which it does not work.
    pub depends: Words<'a>,
}

/// Names in one text, with spaces between them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Words<'a>(pub &'a str);

impl<'a> Words<'a> {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + Clone {
        let mut rest = self.0;
        // Found by the word: the standard library's way takes five times the instructions.
        let names = std::iter::from_fn(move || {
            let name = rest.get(..packages::before(rest.as_bytes(), b' ').len());
            let name = name.filter(|_| !rest.is_empty())?;
            rest = rest.get(name.len() + 1..).unwrap_or_default();
            Some(name)
        });
        names.filter(|name| !name.is_empty())
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
    /// Nothing yet, of a router with `apk` or `opkg`.
    pub fn new(database: &str) -> Installed {
        Installed {
            database: database.to_owned(),
            packages: Rows::default(),
        }
    }

    /// The set with what the job has to know of it.
    pub fn from_database(set: &packages::Installed) -> Result<Installed, Error> {
        // Asked for its error: without apk's world nobody knows what is wanted.
        drop(set.wanted().map_err(unreadable)?);
        let mut installed = Installed::new(set.database().manager());
        let (mut provides, mut depends) = (String::new(), String::new());
        for package in set.packages().filter(|package| !package.is_virtual()) {
            words(package.provides(), &mut provides);
            words(package.depends(), &mut depends);
            let (name, abi_name) = (package.bare_name(), package.name());
            installed.push(&Package {
                name,
                abi_name: if abi_name == name { "" } else { abi_name },
                version: package.version(),
                arch: package.arch(),
                wanted: package.is_wanted(),
                provides: Words(&provides),
                depends: Words(&depends),
            });
        }
        Ok(installed)
    }

    /// Adds a package, all of whose fields are printable.
    pub fn push(&mut self, package: &Package<'_>) {
        for field in [
            package.name,
            package.abi_name,
            package.version,
            package.arch,
            if package.wanted { WANTED } else { "" },
            package.provides.0,
            package.depends.0,
        ] {
            self.packages.push(field);
        }
    }

    /// Every package, in the database's order.
    pub fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        let rows = self.packages.ends.chunks_exact(FIELDS);
        let begins =
            std::iter::once(0).chain(rows.clone().filter_map(|ends| Some(ends.last()? + 1)));
        begins.zip(rows).map(|(mut begin, ends)| {
            let mut ends = ends.iter();
            let mut field = || {
                let end = *ends.next()?;
                let field = self.packages.text.get(begin..end);
                begin = end + 1;
                field
            };
            let mut field = || field().unwrap_or_default();
            Package {
                name: field(),
                abi_name: field(),
                version: field(),
                arch: field(),
                wanted: field() == WANTED,
                provides: Words(field()),
                depends: Words(field()),
            }
        })
    }

    /// The names of the packages, in the database's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let Rows { text, ends } = &self.packages;
        let mut begin = 0;
        ends.chunks_exact(FIELDS).map(move |ends| {
            let (first, last) = (ends.first().copied(), ends.last().copied());
            let name = text.get(begin..first.unwrap_or(begin));
            begin = last.map_or(begin, |last| last + 1);
            name.unwrap_or_default()
        })
    }

    /// The architecture most packages have; firmware-only packages say `all` or `noarch`.
    pub fn architecture(&self) -> String {
        let specific = |package: &Package<'_>| !matches!(package.arch, "" | "all" | "noarch");
        let base = self.packages().find(|package| package.name == "base-files");
        let found = base
            .filter(specific)
            .or_else(|| self.packages().find(specific));
        found.map_or_else(String::new, |package| package.arch.to_owned())
    }
}

impl Package<'_> {
    /// Whether it is called so, with or without its ABI suffix.
    pub fn bears(&self, name: &str) -> bool {
        self.name == name || (!name.is_empty() && self.abi_name == name)
    }
}

impl Rows {
    fn push(&mut self, field: &str) {
        self.text.push_str(field);
        self.ends.push(self.text.len());
        self.text.push(char::from(END));
    }
}

impl Encode for Rows {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        self.text.encode(name, out);
    }
}

impl Decode for Rows {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        self.text.decode(value)?;
        self.ends.clear();
        let mut begin = 0;
        while let Some(rest) = self
            .text
            .as_bytes()
            .get(begin..)
            .filter(|rest| !rest.is_empty())
        {
            begin += packages::before(rest, END).len();
            self.ends.push(begin);
            begin += 1;
        }
        match begin == self.text.len() && self.ends.len() % FIELDS == 0 {
            true => Ok(()),
            false => Err(Unexpected::new(format_args!("a package has other fields"))),
        }
    }
}

/// Writes the names of a list; what must not be there is no name.
fn words(list: packages::Dependencies<'_>, text: &mut String) {
    text.clear();
    for name in list.names() {
        text.push_str(name);
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use data::Data;

    #[test]
    fn packages_go_to_the_job_and_are_the_same_there() {
        let full = Package {
            name: "libubus",
            abi_name: "libubus20230605",
            version: "2023.06.05~f787c97b-r1",
            wanted: true,
            provides: Words("libubus so:libubus.so.20230605"),
            depends: Words("libc libubox20240329"),
            arch: "mips_24kc",
        };
        let mut installed = Installed::new("apk");
        let packages = [full, Package::default(), full];
        packages.iter().for_each(|package| installed.push(package));
        let text = json::text(&installed).unwrap();
        let read: Installed = json::from_text(text.as_bytes()).unwrap();
        assert_eq!(read, installed);
        assert!(read.packages().eq(packages));
        assert!(read.names().eq(["libubus", "", "libubus"]));
        let names: Vec<&str> = full.depends.iter().collect();
        assert_eq!(names, ["libc", "libubox20240329"]);
        assert_eq!(Package::default().provides.iter().count(), 0);
    }

    #[test]
    fn a_package_with_other_fields_is_none() {
        let read = |rows: &str| {
            let rows = rows.replace('|', "\u{7f}");
            data::read::<Rows>(Data::of(&rows).unwrap().value()).map(|rows| rows.ends.len())
        };
        assert_eq!(read("a||1||wanted|||").unwrap(), FIELDS);
        assert_eq!(read("a||1||wanted|||b|||||||").unwrap(), 2 * FIELDS);
        assert_eq!(read("").unwrap(), 0);
        for other in ["a||1||wanted||", "a||1||wanted||||", "a||1||wanted||x", "a"] {
            assert!(read(other).is_err(), "{other}");
        }
    }
}
