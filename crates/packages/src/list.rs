//! Lists of names, as bytes. The parts of this crate that the rpcd plugin is made of keep to bytes:
//! what the standard library brings along for text is larger than the plugin may be.

use crate::Style;

/// What ends a name in an entry: a tag, a constraint, or white space before one.
const ENDS_NAME: &[u8] = b"@<>=~( \t";

/// The entries of a list without white space before them, in its order. Those without a name are
/// passed over.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    ends: &'static [u8],
}

impl<'a> Entries<'a> {
    pub fn new(list: &'a [u8], style: Style) -> Entries<'a> {
        let ends: &[u8] = match style {
            // All that a line may begin and end with, too.
            Style::Apk => b" \t\n\r\x0b\x0c",
            Style::Opkg => b",|",
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
            if !name(entry).is_empty() {
                return Some(entry);
            }
        }
        None
    }
}

/// The name of an entry, without `!`, tag and constraint.
pub(crate) fn name(entry: &[u8]) -> &[u8] {
    until(entry.strip_prefix(b"!").unwrap_or(entry), ENDS_NAME)
}

/// Whether an entry says that the name must not be there.
pub(crate) fn is_conflict(entry: &[u8]) -> bool {
    entry.first() == Some(&b'!')
}

/// What stands before the first such byte. Nearly all of a database is passed over here, so a word at a time.
#[inline(never)] // It is small, but called all over the plugin.
pub fn before(text: &[u8], end: u8) -> &[u8] {
    const ONES: usize = usize::MAX / 255;
    let mut len = 0;
    while let Some(word) = text.get(len..).and_then(|rest| rest.first_chunk()) {
        // The byte becomes the only one from which a one has to be borrowed.
        let word = usize::from_ne_bytes(*word) ^ (ONES * end as usize);
        if word.wrapping_sub(ONES) & !word & (ONES << 7) != 0 {
            break;
        }
        len += size_of::<usize>();
    }
    while text.get(len).is_some_and(|&byte| byte != end) {
        len += 1;
    }
    text.get(..len).unwrap_or(text)
}

/// What stands before the first of some bytes.
#[inline(never)] // It is small, but called all over the plugin.
fn until<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let mut len = 0;
    for byte in text {
        if ends.iter().any(|end| end == byte) {
            break;
        }
        len += 1;
    }
    text.get(..len).unwrap_or(text)
}
