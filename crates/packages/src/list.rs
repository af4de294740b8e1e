//! Lists of names, as bytes.

use crate::bytes::{is, until, COMMA, ENDS_NAME, SPACE};
use crate::Style;

/// The entries of a list without white space before them, in its order. Those without a name are
/// passed over.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    ends: u8,
}

impl<'a> Entries<'a> {
    pub fn new(list: &'a [u8], style: Style) -> Entries<'a> {
        let ends = match style {
            Style::Apk => SPACE,
            Style::Opkg => COMMA,
        };
        Entries { rest: list, ends }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let mut entry = until(self.rest, self.ends);
            self.rest = self.rest.get(entry.len() + 1..).unwrap_or(&[]);
            while let [b' ' | b'\t', after @ ..] = entry {
                entry = after;
            }
            let begin = without_mark(entry).first();
            if begin.is_some_and(|&byte| !is(byte, ENDS_NAME)) {
                return Some(entry);
            }
        }
        None
    }
}

/// The name of an entry, without `!`, tag and constraint.
pub(crate) fn name(entry: &[u8]) -> &[u8] {
    until(without_mark(entry), ENDS_NAME)
}

fn without_mark(entry: &[u8]) -> &[u8] {
    entry.strip_prefix(b"!").unwrap_or(entry)
}

/// Whether an entry says that the name must not be there.
pub(crate) fn is_conflict(entry: &[u8]) -> bool {
    entry.first() == Some(&b'!')
}
