//! Lines out of pieces of a file, wherever the pieces happen to end.

use alloc::vec::Vec;

use crate::Error;

/// The longest line that is kept whole. Real ones with a name, a version or a list of
/// dependencies stay below 4 KiB; longer ones are cut, and whoever needs such a line refuses it.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// One line without its newline.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The line, or its first [`MAX_LINE`] bytes.
    pub bytes: &'a [u8],
    /// Counted from 1.
    pub number: u32,
    /// False where the line was longer than `bytes`.
    pub whole: bool,
}

/// Cuts pieces into lines. A line that lies within one piece is not copied.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come yet.
    held: Vec<u8>,
    /// A line has begun, and it was longer than `held`.
    cut: bool,
    /// Lines given out so far.
    number: u32,
}

impl Lines {
    /// Gives every line that ends within `piece` to `each`.
    pub fn feed(
        &mut self,
        mut piece: &[u8],
        each: &mut dyn FnMut(Line<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while let Some(end) = newline(piece) {
            let (line, rest) = piece.split_at_checked(end).unwrap_or((piece, &[]));
            piece = rest.get(1..).unwrap_or(&[]);
            self.number = self.number.saturating_add(1);
            if self.held.is_empty() {
                let bytes = line.get(..MAX_LINE).unwrap_or(line);
                each(Line {
                    bytes,
                    number: self.number,
                    whole: bytes.len() == line.len(),
                })?;
            } else {
                self.hold(line)?;
                let whole = !self.cut;
                each(Line {
                    bytes: &self.held,
                    number: self.number,
                    whole,
                })?;
                self.held.clear();
                self.cut = false;
            }
        }
        self.hold(piece)
    }

    /// The last line, where the file does not end with a newline.
    pub fn finish(
        &mut self,
        each: &mut dyn FnMut(Line<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.number = self.number.saturating_add(1);
        let number = self.number;
        each(Line {
            bytes: &self.held,
            number,
            whole: !self.cut,
        })
    }

    /// How many lines were given out.
    pub fn number(&self) -> u32 {
        self.number
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), Error> {
        let room = MAX_LINE.saturating_sub(self.held.len());
        let kept = part.get(..room).unwrap_or(part);
        self.cut |= kept.len() < part.len();
        self.held
            .try_reserve(kept.len())
            .map_err(|_| Error::OutOfMemory)?;
        self.held.extend_from_slice(kept);
        Ok(())
    }
}

/// Where the first newline stands. A word at a time: most of apk's database is file names and
/// checksums nobody asks for, and passing over them is where the time goes.
fn newline(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut words = text.chunks_exact(WORD);
    for word in words.by_ref() {
        // A byte of `other` is zero where `word` has a newline. The subtraction borrows there, and
        // beyond, but the first one it marks is one.
        let other = load(word) ^ (ONES * b'\n' as usize);
        let marks = other.wrapping_sub(ONES) & !other & HIGHS;
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += WORD;
    }
    let found = words.remainder().iter().position(|&byte| byte == b'\n')?;
    Some(at + found)
}

/// Whether all of it is printable ASCII, or tabs.
pub(crate) fn is_printable(text: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let words = text.chunks_exact(WORD);
    // By words, anything below 0x20 or above 0x7e leaves a mark, in its own byte or the next one.
    let rest = words.remainder();
    words.into_iter().all(|word| {
        let bytes = load(word);
        let marks = bytes.wrapping_sub(ONES * 0x20) | bytes.wrapping_add(ONES) | bytes;
        marks & HIGHS == 0 || word.iter().all(printable)
    }) && rest.iter().all(printable)
}

const WORD: usize = size_of::<usize>();
const ONES: usize = usize::MAX / 0xff;
const HIGHS: usize = ONES << 7;

/// A word of bytes, the first one lowest.
fn load(word: &[u8]) -> usize {
    word.try_into().map_or(0, usize::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn lines(text: &[u8], piece: usize) -> Vec<(Vec<u8>, u32, bool)> {
        let mut found = vec![];
        let mut lines = Lines::default();
        let mut each = |line: Line<'_>| {
            found.push((line.bytes.to_vec(), line.number, line.whole));
            Ok(())
        };
        for piece in text.chunks(piece) {
            lines.feed(piece, &mut each).unwrap();
        }
        lines.finish(&mut each).unwrap();
        found
    }

    #[test]
    fn an_overlong_line_is_cut_the_same_wherever_the_pieces_end() {
        let mut text = vec![b'x'; MAX_LINE + 1];
        text.extend_from_slice(b"\nshort\n");
        for piece in [1, 7, MAX_LINE, MAX_LINE + 1, text.len()] {
            let found = lines(&text, piece);
            assert_eq!(found.len(), 2);
            assert_eq!(found[0], (vec![b'x'; MAX_LINE], 1, false));
            assert_eq!(found[1], (b"short".to_vec(), 2, true));
        }
        text.remove(0);
        assert!(lines(&text, 4096)[0].2, "exactly the longest one is whole");
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
            let found = lines(&text, piece);
            let bytes: Vec<&[u8]> = found.iter().map(|line| &line.0[..]).collect();
            prop_assert_eq!(bytes, plain);
            prop_assert!(found.iter().zip(1..).all(|(line, number)| line.1 == number && line.2));
        }

        #[test]
        fn a_newline_is_found_where_it_is(text in proptest::collection::vec(9u8..12, 0..64)) {
            prop_assert_eq!(newline(&text), text.iter().position(|&byte| byte == b'\n'));
        }

        #[test]
        fn printable_is_what_is_in_each_byte(
            text in proptest::collection::vec(prop_oneof![8 => 0x20u8..0x7f, 1 => any::<u8>()], 0..40),
        ) {
            let expected = text.iter().all(|&byte| (0x20..0x7f).contains(&byte) || byte == 9);
            prop_assert_eq!(is_printable(&text), expected);
        }
    }
}
