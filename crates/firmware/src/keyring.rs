//! The keys a router trusts and those it no longer does.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::usign::{KeyNumber, Malformed, PublicKey, MAX_TEXT};

/// More files than any key directory has.
const MAX_FILES: usize = 256;

/// Public keys by their numbers, and the numbers that are revoked. Revocation counts for keys from every source.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: Vec<PublicKey>,
    revoked: Vec<KeyNumber>,
}

impl KeyRing {
    /// A ring without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the keys and revocations of a directory laid out as `/etc/opkg/keys`: a file named by the number of the key in
    /// it; a symlink of such a name that points to `.revoked.` (any name that ends in `.revoked`, with or without a last
    /// dot) revokes that key. A directory that does not exist holds none. Gives what could not be used.
    pub fn load(&mut self, directory: &Path) -> Vec<KeyProblem> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => return vec![KeyProblem::new(directory, Problem::Io(error))],
        };
        let mut problems = Vec::new();
        for (count, entry) in entries.enumerate() {
            if count == MAX_FILES {
                problems.push(KeyProblem::new(directory, Problem::TooMany));
                break;
            }
            let added = match entry {
                Ok(entry) => self
                    .load_entry(&entry.path())
                    .map_err(|problem| KeyProblem::new(&entry.path(), problem)),
                Err(error) => Err(KeyProblem::new(directory, Problem::Io(error))),
            };
            problems.extend(added.err());
        }
        problems
    }

    fn load_entry(&mut self, path: &Path) -> Result<(), Problem> {
        let name = path
            .file_name()
            .and_then(OsStr::to_str)
            .and_then(|name| name.parse().ok());
        let number = name.ok_or(Problem::Name)?;
        if points_to_revoked(path)? {
            self.revoke(number);
            return Ok(());
        }
        let key = PublicKey::parse(&read_small_file(path)?).map_err(Problem::Malformed)?;
        if key.number() != number {
            return Err(Problem::Name);
        }
        self.add(key)
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`Problem::Another`] if the ring has another key of the same number, which is kept.
    pub fn add(&mut self, key: PublicKey) -> Result<(), Problem> {
        match self
            .keys
            .iter()
            .find(|other| other.number() == key.number())
        {
            Some(other) if !other.same_key(&key) => return Err(Problem::Another),
            Some(_) => {}
            None => self.keys.push(key),
        }
        Ok(())
    }

    /// Revokes the key of this number, whether the ring has it or not.
    pub fn revoke(&mut self, number: KeyNumber) {
        if !self.is_revoked(number) {
            self.revoked.push(number);
        }
    }

    /// Whether the key of this number is revoked.
    pub fn is_revoked(&self, number: KeyNumber) -> bool {
        self.revoked.contains(&number)
    }

    /// The trusted key of this number; nothing if there is none or it is revoked.
    pub fn get(&self, number: KeyNumber) -> Option<&PublicKey> {
        let key = self.keys.iter().find(|key| key.number() == number);
        key.filter(|_| !self.is_revoked(number))
    }

    /// How many keys are trusted.
    pub fn len(&self) -> usize {
        self.keys
            .iter()
            .filter(|key| !self.is_revoked(key.number()))
            .count()
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The same keys and the same revocations, in whatever order they were found.
impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        let held = |key: &PublicKey| other.keys.iter().any(|theirs| theirs.same_key(key));
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(held)
            && self.revoked.len() == other.revoked.len()
            && self.revoked.iter().all(|number| other.is_revoked(*number))
    }
}

/// What is wrong with a key file.
#[derive(Debug)]
pub enum Problem {
    /// It could not be read.
    Io(io::Error),
    /// It is no plain file.
    NoFile,
    /// It is not named by the number of its key.
    Name,
    /// It is no key.
    Malformed(Malformed),
    /// Another key of this number is there already.
    Another,
    /// The directory has more files than are looked at.
    TooMany,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Io(error)
    }
}

/// A file in a key directory that is not used.
#[derive(Debug)]
pub struct KeyProblem {
    /// The file, or the directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

impl KeyProblem {
    fn new(path: &Path, problem: Problem) -> Self {
        KeyProblem {
            path: path.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, because a file's name may hold anything.
        let name = self.path.to_string_lossy();
        let path = name.escape_debug();
        match &self.problem {
            Problem::Io(error) => write!(f, "\"{path}\" can't be read: {error}."),
            Problem::NoFile => write!(f, "\"{path}\" is not a plain file."),
            Problem::Name => write!(
                f,
                "\"{path}\" is not named by the number of the key in it, so it is not used."
            ),
            Problem::Malformed(why) => write!(f, "\"{path}\" is not used as a key: {why}."),
            Problem::Another => write!(
                f,
                "\"{path}\" is not used: another key of the same number is."
            ),
            Problem::TooMany => write!(
                f,
                "\"{path}\" holds more than {MAX_FILES} files; the rest is not looked at."
            ),
        }
    }
}

impl std::error::Error for KeyProblem {}

/// ucert's revocation is a symlink to the very name `.revoked.`, which leads nowhere.
fn points_to_revoked(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.is_symlink() {
        return Ok(false);
    }
    let target = fs::read_link(path)?;
    let target = target.as_os_str().as_encoded_bytes();
    Ok(target.ends_with(b".revoked") || target.ends_with(b".revoked."))
}

/// Never opens what might not be a file: opening a pipe would wait for ever.
fn read_small_file(path: &Path) -> Result<Vec<u8>, Problem> {
    if !fs::metadata(path)?.is_file() {
        return Err(Problem::NoFile);
    }
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_TEXT as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}
