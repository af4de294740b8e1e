//! The order of versions, as apk has it.
//!
//! A version is `number{.number}{letter}{_suffix{number}}{~hash}{-r number}`. Parts are compared
//! from the left, each with the other's part of the same kind:
//!
//! - numbers by value, except that, from the second on, two numbers of which either begins with a
//!   zero compare as text (`1.09` < `1.9`, `1.010` < `1.1`);
//! - suffixes in the order `alpha beta pre rc` (all before the plain version) `cvs svn git hg p`
//!   (all after it);
//! - hashes as text.
//!
//! Where the kinds differ, a suffix of the first group makes its version the older one; else the
//! version that goes on with the part further to the left in the scheme above is the newer one,
//! and the one that has ended the older (`1.0` < `1.0-r1` < `1.0~ab` < `1.0_p1` < `1.0a` < `1.0.1`).
//!
//! A version that breaks the scheme is compared as far as it keeps to it; the broken rest makes
//! it older than any other way to go on but a suffix of the first group, and than none (`1.0_rc1` <
//! `1.0!` < `1.0`). Two that break off at the same place compare there by their bytes, where apk
//! calls them equal; and numbers may have any length, where apk's wrap around at 2^64. In all
//! else this is apk-tools' own order (`apk_version_compare`, 90b974f), and a total one.

use core::cmp::Ordering;

/// Compares two versions as `apk version -t` does.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Parts::new(a), Parts::new(b));
    loop {
        let (part, other) = (a.next(), b.next());
        let order = match (part, other) {
            (Part::End, Part::End) => return Ordering::Equal,
            (Part::Broken, Part::Broken) => return a.rest.cmp(b.rest),
            (Part::Number(x), Part::Number(y)) if x.starts_with(b"0") || y.starts_with(b"0") => {
                x.cmp(y)
            }
            (Part::First(x), Part::First(y))
            | (Part::Number(x), Part::Number(y))
            | (Part::SuffixNumber(x), Part::SuffixNumber(y))
            | (Part::Revision(x), Part::Revision(y)) => by_value(x, y),
            (Part::Letter(x), Part::Letter(y)) => x.cmp(&y),
            (Part::Suffix(x), Part::Suffix(y)) => x.cmp(&y),
            (Part::Hash(x), Part::Hash(y)) => x.cmp(y),
            (Part::Suffix(x), _) if x < FIRST_AFTER => return Ordering::Less,
            (_, Part::Suffix(y)) if y < FIRST_AFTER => return Ordering::Greater,
            _ => return other.rank().cmp(&part.rank()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Whether a version keeps to apk's scheme from its beginning to its end.
pub fn is_valid(version: &str) -> bool {
    let mut parts = Parts::new(version);
    loop {
        match parts.next() {
            Part::End => return true,
            Part::Broken => return false,
            _ => {}
        }
    }
}

/// The suffixes in their order.
const SUFFIXES: [&[u8]; 9] = [
    b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p",
];
/// Where in [`SUFFIXES`] those begin that stand for something after the plain version.
const FIRST_AFTER: usize = 4;

/// A part of a version, in the order in which they may follow each other.
#[derive(Clone, Copy)]
enum Part<'a> {
    First(&'a [u8]),
    Number(&'a [u8]),
    Letter(u8),
    Suffix(usize),
    SuffixNumber(&'a [u8]),
    Hash(&'a [u8]),
    Revision(&'a [u8]),
    End,
    Broken,
}

impl Part<'_> {
    fn rank(self) -> u8 {
        match self {
            Part::First(_) => 0,
            Part::Number(_) => 1,
            Part::Letter(_) => 2,
            Part::Suffix(_) => 3,
            Part::SuffixNumber(_) => 4,
            Part::Hash(_) => 5,
            Part::Revision(_) => 6,
            Part::End => 7,
            Part::Broken => 8,
        }
    }
}

struct Parts<'a> {
    rest: &'a [u8],
    /// The rank of the part before; `None` at the beginning.
    before: Option<u8>,
}

impl<'a> Parts<'a> {
    fn new(version: &'a str) -> Parts<'a> {
        Parts {
            rest: version.as_bytes(),
            before: None,
        }
    }

    fn next(&mut self) -> Part<'a> {
        let part = self.part();
        self.before = Some(part.rank());
        part
    }

    fn part(&mut self) -> Part<'a> {
        let Some(before) = self.before else {
            return self.digits().map_or(Part::Broken, Part::First);
        };
        let Some((&first, rest)) = self.rest.split_first() else {
            return Part::End;
        };
        let part = match first {
            b'a'..=b'z' if before <= 1 => {
                self.rest = rest;
                Some(Part::Letter(first))
            }
            b'.' if before <= 1 => {
                self.rest = rest;
                self.digits().map(Part::Number)
            }
            b'0'..=b'9' if before <= 1 => self.digits().map(Part::Number),
            b'0'..=b'9' if before == 3 => self.digits().map(Part::SuffixNumber),
            b'_' if before <= 4 => {
                self.rest = rest;
                let name = self.take(u8::is_ascii_lowercase);
                SUFFIXES
                    .iter()
                    .position(|&suffix| suffix == name)
                    .map(Part::Suffix)
            }
            b'~' if before <= 4 => {
                self.rest = rest;
                let hash = self.take(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                (!hash.is_empty()).then_some(Part::Hash(hash))
            }
            b'-' if before <= 5 => rest.strip_prefix(b"r").and_then(|rest| {
                self.rest = rest;
                self.digits().map(Part::Revision)
            }),
            _ => None,
        };
        part.unwrap_or(Part::Broken)
    }

    fn digits(&mut self) -> Option<&'a [u8]> {
        Some(self.take(u8::is_ascii_digit)).filter(|digits| !digits.is_empty())
    }

    fn take(&mut self, belongs: impl Fn(&u8) -> bool) -> &'a [u8] {
        let end = self
            .rest
            .iter()
            .position(|byte| !belongs(byte))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

/// Compares digits as numbers of any length.
fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    digits.get(zeros..).unwrap_or(&[])
}
