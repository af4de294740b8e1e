//! What can be wrong with a package database.

use core::fmt;

/// The files that say what is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// apk's records of what is installed.
    Apk,
    /// What apk was asked to keep installed.
    World,
    /// opkg's records, which hold both.
    Opkg,
}

impl Database {
    /// Where the file lies on a router.
    pub const fn path(self) -> &'static str {
        match self {
            Database::Apk => "/lib/apk/db/installed",
            Database::World => "/etc/apk/world",
            Database::Opkg => "/usr/lib/opkg/status",
        }
    }

    /// The package manager's name: `apk` or `opkg`.
    pub const fn manager(self) -> &'static str {
        match self {
            Database::Apk | Database::World => "apk",
            Database::Opkg => "opkg",
        }
    }
}

/// Why the list of packages could not be made. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Neither apk nor opkg has a database here.
    NoDatabase,
    /// apk's database is there, its world is not: nobody knows what was asked for.
    NoWorld,
    /// The file could not be read; the number is the system's `errno`, 0 where it gave none.
    Unreadable(Database, i32),
    /// The database holds no package at all, which no running router does.
    Empty(Database),
    /// The record that ends at this line lacks its name, version or state: half a database.
    Incomplete(Database, u32),
    /// The last record has no blank line behind it, which both package managers write: what came
    /// behind it may be missing.
    CutOff(Database),
    /// A second name or version stands in one record: two records have run into each other.
    Doubled(Database, u32),
    /// A line that is needed is longer than any real one.
    TooLong(Database, u32),
    /// A field that is needed holds bytes that belong in no name, version or list.
    BadText(Database, u32),
    /// More packages than memory is kept for.
    TooLarge(Database),
    /// The system has no memory left.
    OutOfMemory,
}

/// What can be wrong, before it is said where: one byte, so that passing it on costs the plugin
/// next to nothing. Each is the [`Error`] of the same name.
#[allow(missing_docs, reason = "see Error")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NoDatabase,
    NoWorld,
    Unreadable,
    Empty,
    Incomplete,
    CutOff,
    Doubled,
    TooLong,
    BadText,
    TooLarge,
    OutOfMemory,
}

impl Fault {
    /// The same with its place, a line or, where the file is unreadable, the system's `errno`.
    pub(crate) fn at(self, database: Database, number: u32) -> Error {
        match self {
            Fault::NoDatabase => Error::NoDatabase,
            Fault::NoWorld => Error::NoWorld,
            Fault::Unreadable => Error::Unreadable(database, number as i32),
            Fault::Empty => Error::Empty(database),
            Fault::Incomplete => Error::Incomplete(database, number),
            Fault::CutOff => Error::CutOff(database),
            Fault::Doubled => Error::Doubled(database, number),
            Fault::TooLong => Error::TooLong(database, number),
            Fault::BadText => Error::BadText(database, number),
            Fault::TooLarge => Error::TooLarge(database),
            Fault::OutOfMemory => Error::OutOfMemory,
        }
    }
}

impl Error {
    /// The same in one word, for programs.
    pub const fn kind(self) -> &'static str {
        match self {
            Error::NoDatabase => "no-database",
            Error::NoWorld => "no-world",
            Error::Unreadable(..) => "unreadable",
            Error::Empty(_) => "empty",
            Error::Incomplete(..) => "incomplete",
            Error::CutOff(_) => "cut-off",
            Error::Doubled(..) => "doubled",
            Error::TooLong(..) => "too-long",
            Error::BadText(..) => "bad-text",
            Error::TooLarge(_) => "too-large",
            Error::OutOfMemory => "out-of-memory",
        }
    }

    /// What is wrong, without the file and line that [`fmt::Display`] adds.
    pub const fn sentence(self) -> &'static str {
        match self {
            Error::NoDatabase => "This system has no package database, neither apk's nor opkg's.",
            Error::NoWorld => "The list of packages that were asked for is missing.",
            Error::Unreadable(..) => "The package database can't be read.",
            Error::Empty(_) => "The package database is empty.",
            Error::Incomplete(..) => {
                "The package database is damaged: a record lacks its name, version or state."
            }
            Error::CutOff(_) => {
                "The package database ends in the middle of a package; repair it, or restore it from a backup."
            }
            Error::Doubled(..) => {
                "The package database is damaged: a record has two names or versions."
            }
            Error::TooLong(..) => "The package database is damaged: a line is far too long.",
            Error::BadText(..) => {
                "The package database is damaged: a field holds characters that belong in none."
            }
            Error::TooLarge(_) => "The package database is larger than any real one.",
            Error::OutOfMemory => "There is not enough memory to read the package database.",
        }
    }

    /// The file it is about, where it is about one.
    pub const fn database(self) -> Option<Database> {
        match self {
            Error::NoDatabase | Error::OutOfMemory => None,
            Error::NoWorld => Some(Database::World),
            Error::Unreadable(db, _)
            | Error::Empty(db)
            | Error::Incomplete(db, _)
            | Error::CutOff(db)
            | Error::Doubled(db, _)
            | Error::TooLong(db, _)
            | Error::BadText(db, _)
            | Error::TooLarge(db) => Some(db),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence().trim_end_matches('.'))?;
        if let Some(db) = self.database() {
            write!(f, " ({}", db.path())?;
            match self {
                Error::Unreadable(_, errno) => write!(f, ", errno {errno}")?,
                Error::Incomplete(_, line)
                | Error::Doubled(_, line)
                | Error::TooLong(_, line)
                | Error::BadText(_, line) => write!(f, ", line {line}")?,
                _ => {}
            }
            f.write_str(")")?;
        }
        f.write_str(".")
    }
}

impl core::error::Error for Error {}
