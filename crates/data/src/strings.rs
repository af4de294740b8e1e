//! JSON strings without escapes that lie in a buffer as a whole, as nearly all do.

/// The name of a field and its string that another field follows, neither longer than `limit`, and what
/// begins there.
#[inline(never)] // Who calls it is made for size.
pub fn field(text: &[u8], limit: usize) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = string(text)?;
    let (value, rest) = string(behind(rest, b':')?)?;
    let is_short = name.len().max(value.len()) <= limit;
    Some((name, value, behind(rest, b',')?)).filter(|_| is_short)
}

/// What stands behind a mark, without the space in between.
fn behind(text: &[u8], mark: u8) -> Option<&[u8]> {
    let mut rest = after(text, mark)?;
    while let [b' ' | b'\n' | b'\r' | b'\t', more @ ..] = rest {
        rest = more;
    }
    Some(rest)
}

fn after(text: &[u8], mark: u8) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    (*first == mark).then_some(rest)
}

/// A string without escapes, and what follows it.
pub fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = after(text, b'"')?;
    let (string, rest) = text.split_at_checked(length_of(text))?;
    Some((string, after(rest, b'"')?))
}

/// How many bytes come before a quotation mark or a backslash; all where there is none. Goes word
/// by word: with strings as short as these, memchr takes twice as long.
pub fn length_of(text: &[u8]) -> usize {
    const ONES: usize = usize::MAX / 255;
    // The highest bit of each byte that is zero, and maybe of bytes behind one that is.
    let zeros = |word: usize| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let mut rest = text;
    while let Some((word, more)) = rest.split_first_chunk() {
        let word = usize::from_le_bytes(*word);
        let ends = zeros(word ^ (ONES * b'"' as usize)) | zeros(word ^ (ONES * b'\\' as usize));
        if ends != 0 {
            return text.len() - rest.len() + ends.trailing_zeros() as usize / 8;
        }
        rest = more;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    text.len() - rest.len() + end.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_they_end() {
        for length in 0..40 {
            for end in [b'"', b'\\', b'\t'] {
                for filler in [b'a', b'!', b'#', b'[', b']', 0, 0xff, 0xa2] {
                    let mut text = vec![filler; 40];
                    text[length] = end;
                    let expected = if end == b'\t' { 40 } else { length };
                    assert_eq!(length_of(&text), expected, "{end} {filler}");
                    assert_eq!(length_of(&text[..length]), length);
                }
            }
        }
    }
}
