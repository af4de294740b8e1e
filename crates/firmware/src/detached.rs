//! The detached chain: files a server may offer beside an image. A key that the router holds signed `worker.pub`, and that
//! key signed `sha256sums`, which names the image. All of them as usign and sha256sum write them.

use std::fmt;

use crate::signature::Verdict;
use crate::usign::{KeyNumber, Malformed, PublicKey, Signature};
use crate::{KeyRing, Sha256};

/// The longest `sha256sums` that is read.
pub const MAX_SUMS: usize = 64 * 1024;

/// The files of a chain, as they came. [`crate::usign::MAX_TEXT`] and [`MAX_SUMS`] bound what is worth fetching.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// `worker.pub`
    pub worker: &'a [u8],
    /// `worker.pub.sig`
    pub worker_signature: &'a [u8],
    /// `sha256sums`
    pub sums: &'a [u8],
    /// `sha256sums.sig`
    pub sums_signature: &'a [u8],
}

/// What was found out about a chain. Display gives the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The router trusts `server`, which vouches for `worker`, which vouches for the image.
    Good {
        /// The key on the router.
        server: KeyNumber,
        /// The key that signed the sums.
        worker: KeyNumber,
    },
    /// The router does not hold the key that signed `worker.pub`.
    UnknownKey(KeyNumber),
    /// A key of the chain is revoked.
    Revoked(KeyNumber),
    /// A file is no key or no signature.
    Malformed(&'static str, Malformed),
    /// A file was not signed by the key that should have.
    Forged(&'static str),
    /// `sha256sums` is too long, or no text.
    Sums,
    /// The sums don't name the image, or with different sums.
    NotListed,
    /// The image is another one than was signed.
    Differs,
}

impl Finding {
    /// The verdict that follows, in the words for signatures.
    pub fn verdict(&self) -> Verdict {
        match self {
            Finding::Good { .. } => Verdict::Good,
            Finding::UnknownKey(_) => Verdict::UnknownKey,
            Finding::Revoked(_) => Verdict::Revoked,
            Finding::Malformed(..)
            | Finding::Forged(_)
            | Finding::Sums
            | Finding::NotListed
            | Finding::Differs => Verdict::Bad,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Good { server, worker } => {
                write!(f, "Signed by key {worker}, for which key {server} vouches, which this router trusts.")
            }
            Finding::UnknownKey(key) => write!(
                f,
                "The signature rests on key {key}, which this router does not know."
            ),
            Finding::Revoked(key) => write!(
                f,
                "Key {key}, on which the signature rests, has been revoked."
            ),
            Finding::Malformed(file, why) => write!(f, "The server's {file} is not valid: {why}."),
            Finding::Forged(file) => {
                write!(f, "The server's {file} is forged: its signature is wrong.")
            }
            Finding::Sums => f.write_str("The server's sha256sums is too long or not a text."),
            Finding::NotListed => {
                f.write_str("The server's sha256sums does not name this image, or not clearly.")
            }
            Finding::Differs => f.write_str("The image is not the one that was signed."),
        }
    }
}

/// Judges the image called `name` (a plain file name, as in `sha256sums`) with the sum `sha256` by the chain beside it.
pub fn judge(files: &Files<'_>, name: &str, sha256: Sha256, keys: &KeyRing) -> Finding {
    match follow(files, name, sha256, keys) {
        Ok(good) => good,
        Err(finding) => finding,
    }
}

/// As for chains inside images, a forgery is bad whoever signed, and revocation comes before the unknown key.
fn follow(
    files: &Files<'_>,
    name: &str,
    sha256: Sha256,
    keys: &KeyRing,
) -> Result<Finding, Finding> {
    let worker =
        PublicKey::parse(files.worker).map_err(|why| Finding::Malformed("worker.pub", why))?;
    let vouching = signature("worker.pub.sig", files.worker_signature)?;
    let signing = signature("sha256sums.sig", files.sums_signature)?;
    if files.sums.len() > MAX_SUMS {
        return Err(Finding::Sums);
    }
    if signing.number() != worker.number() || !worker.verify(&signing, files.sums) {
        return Err(Finding::Forged("sha256sums"));
    }
    let server = keys.get(vouching.number());
    if server.is_some_and(|server| !server.verify(&vouching, files.worker)) {
        return Err(Finding::Forged("worker.pub"));
    }
    if listed(files.sums, name)? != sha256 {
        return Err(Finding::Differs);
    }
    let numbers = [vouching.number(), worker.number()];
    if let Some(revoked) = numbers.into_iter().find(|number| keys.is_revoked(*number)) {
        return Err(Finding::Revoked(revoked));
    }
    let server = server.ok_or(Finding::UnknownKey(vouching.number()))?;
    Ok(Finding::Good {
        server: server.number(),
        worker: worker.number(),
    })
}

fn signature(file: &'static str, text: &[u8]) -> Result<Signature, Finding> {
    Signature::parse(text).map_err(|why| Finding::Malformed(file, why))
}

/// The sum of the file called `name`. Lines are `<sum> *<name>`, or two spaces where the file was read as a text.
fn listed(sums: &[u8], name: &str) -> Result<Sha256, Finding> {
    let sums = std::str::from_utf8(sums).map_err(|_| Finding::Sums)?;
    let lines = sums.lines().filter_map(|line| line.split_once(' '));
    let mut found = None;
    for (sum, _) in lines.filter(|(_, file)| file.strip_prefix(['*', ' ']) == Some(name)) {
        let sum: Sha256 = sum.parse().map_err(|_| Finding::NotListed)?;
        if found.replace(sum).is_some_and(|other| other != sum) {
            return Err(Finding::NotListed);
        }
    }
    found.ok_or(Finding::NotListed)
}
