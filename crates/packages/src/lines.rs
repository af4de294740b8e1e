//! Lines out of pieces of a file, wherever the pieces happen to end.

use alloc::vec::Vec;

use crate::error::Fault;

/// The longest line that may be needed. Real ones with a name, a version or a list of dependencies
/// stay below 4 KiB; of longer ones the beginning is given, and whoever needs such a line refuses it.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// Cuts pieces into lines. A line that lies within one piece is not copied.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come yet, [`MAX_LINE`] bytes and one at most.
    held: Vec<u8>,
    /// Lines given out so far.
    pub number: u32,
}

/// What takes a line without its newline. Where it has more than [`MAX_LINE`] bytes, some may be missing
/// at its end.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>;

impl Lines {
    /// Gives every line that ends within `piece` to `take`.
    pub fn feed(&mut self, mut piece: &[u8], take: Take<'_>) -> Result<(), Fault> {
        while let Some(end) = newline(piece) {
            let (mut line, rest) = piece.split_at_checked(end).unwrap_or((piece, &[]));
            piece = rest.get(1..).unwrap_or(&[]);
            if !self.held.is_empty() {
                self.hold(line)?;
                line = &self.held;
            }
            self.number = self.number.saturating_add(1);
            take(line)?;
            self.held.clear();
        }
        self.hold(piece)
    }

    /// The last line, where the file does not end with a newline.
    pub fn finish(&mut self, take: Take<'_>) -> Result<(), Fault> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.number = self.number.saturating_add(1);
        take(&self.held)
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), Fault> {
        let room = (MAX_LINE + 1).saturating_sub(self.held.len());
        append(&mut self.held, part.get(..room).unwrap_or(part))
    }
}

/// Adds to a text, if there is memory for it.
pub(crate) fn append(text: &mut Vec<u8>, more: &[u8]) -> Result<(), Fault> {
    text.try_reserve(more.len())
        .map_err(|_| Fault::OutOfMemory)?;
    text.extend_from_slice(more);
    Ok(())
}

/// Where the first newline stands.
fn newline(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += printable(text.get(at..)?);
        if *text.get(at)? == b'\n' {
            return Some(at);
        }
        at += 1;
    }
}

/// How many bytes at the beginning are printable ASCII. A word at a time: most of apk's database is
/// file names and checksums nobody asks for, and passing over them is where the time goes.
pub(crate) fn printable(text: &[u8]) -> usize {
    let mut at = 0;
    let words = text.chunks_exact(WORD);
    let rest = words.remainder();
    for word in words {
        let bytes = word.try_into().map_or(0, usize::from_le_bytes);
        // Each byte that is below 0x20 or above 0x7e leaves a mark in its place. There may be marks
        // behind it that mean nothing, but none before.
        let marks = bytes.wrapping_sub(ONES * 0x20) | bytes.wrapping_add(ONES) | bytes;
        if marks & HIGHS != 0 {
            return at + (marks & HIGHS).trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    for byte in rest {
        if !matches!(byte, b' '..=b'~') {
            break;
        }
        at += 1;
    }
    at
}

const WORD: usize = size_of::<usize>();
/// A word of ones, and one of each byte's highest bit.
const ONES: usize = usize::MAX / 255;
const HIGHS: usize = ONES << 7;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn lines(text: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut found = vec![];
        let mut lines = Lines::default();
        let mut take = |line: &[u8]| {
            found.push(line.get(..MAX_LINE + 1).unwrap_or(line).to_vec());
            Ok(())
        };
        for piece in text.chunks(piece) {
            lines.feed(piece, &mut take).unwrap();
        }
        lines.finish(&mut take).unwrap();
        assert_eq!(lines.number as usize, found.len());
        found
    }

    #[test]
    fn an_overlong_line_is_known_for_one_wherever_the_pieces_end() {
        let mut text = vec![b'x'; MAX_LINE + 9];
        text.extend_from_slice(b"\nshort\n");
        for piece in [1, 7, MAX_LINE, MAX_LINE + 1, text.len()] {
            let expected = [vec![b'x'; MAX_LINE + 1], b"short".to_vec()];
            assert_eq!(lines(&text, piece), expected);
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            piece in 1usize..40,
        ) {
            let mut plain: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
            if plain.last().is_some_and(|last| last.is_empty()) {
                plain.pop();
            }
            prop_assert_eq!(lines(&text, piece), plain);
        }

        #[test]
        fn a_newline_is_found_where_it_is(text in proptest::collection::vec(9u8..12, 0..64)) {
            prop_assert_eq!(newline(&text), text.iter().position(|&byte| byte == b'\n'));
        }

        #[test]
        fn printable_is_what_is_in_each_byte(
            text in proptest::collection::vec(prop_oneof![8 => 0x20u8..0x7f, 1 => any::<u8>()], 0..40),
        ) {
            let good = |&byte: &u8| (0x20..0x7f).contains(&byte);
            let expected = text.iter().position(|byte| !good(byte));
            prop_assert_eq!(printable(&text), expected.unwrap_or(text.len()));
        }
    }
}
