//! Blob attributes, the type-length-value units everything on the bus is made of.
//!
//! An attribute is one big-endian word {extended: 1 bit, id: 7 bits, length including the word: 24 bits}, its data, and zeros
//! up to a multiple of four.

use core::fmt;

/// The longest attribute, header included: its length field has 24 bits.
pub const MAX_ATTR: usize = 0x00ff_ffff;

pub(crate) const HEADER: usize = 4;
const EXTENDED: u32 = 0x8000_0000;

/// Bytes that are no well-formed attribute: a length beyond the data, a missing terminator, an unknown type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is not well-formed")
    }
}

impl core::error::Error for Malformed {}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Set on blobmsg attributes: a name precedes the value.
    pub extended: bool,
    /// 0 to 127; what it means depends on where the attribute stands.
    pub id: u8,
    /// What follows the header, without the padding.
    pub data: &'a [u8],
}

impl<'a> Attr<'a> {
    /// Splits the first attribute off `bytes` and gives it with what follows its padding.
    ///
    /// # Errors
    /// [`Malformed`] if the attribute or its padding does not fit into `bytes`.
    pub fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let word = word(bytes).ok_or(Malformed)?;
        let length = (word & MAX_ATTR as u32) as usize;
        let data = bytes.get(HEADER..length).ok_or(Malformed)?;
        let rest = bytes.get(padded(length)..).ok_or(Malformed)?;
        let attr = Attr {
            extended: word & EXTENDED != 0,
            id: (word >> 24 & 0x7f) as u8,
            data,
        };
        Ok((attr, rest))
    }

    /// The attributes that the data of this one consists of.
    pub fn children(&self) -> Attrs<'a> {
        Attrs::new(self.data)
    }

    /// The data as a 32 bit number, if it is exactly that long.
    pub fn as_u32(&self) -> Option<u32> {
        self.data.try_into().ok().map(u32::from_be_bytes)
    }

    /// The data as a text, up to its NUL; `None` if the last byte is not NUL.
    pub fn as_text(&self) -> Option<&'a [u8]> {
        text(self.data)
    }
}

/// The attributes in a run of bytes, in order. After [`Malformed`] it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// Reads `bytes`, which hold attributes and nothing else.
    pub fn new(bytes: &'a [u8]) -> Self {
        Attrs { rest: bytes }
    }

    /// What was not read yet.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match Attr::split(self.rest) {
            Ok((attr, rest)) => {
                self.rest = rest;
                Some(Ok(attr))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// The header of an attribute; `length` includes the header and is at most [`MAX_ATTR`].
pub(crate) fn header(extended: bool, id: u8, length: usize) -> [u8; HEADER] {
    let flag = if extended { EXTENDED } else { 0 };
    (flag | u32::from(id & 0x7f) << 24 | length as u32 & MAX_ATTR as u32).to_be_bytes()
}

/// `length` rounded up to a multiple of four; lengths here are below 2^24, so nothing overflows.
pub(crate) fn padded(length: usize) -> usize {
    length.wrapping_add(3) & !3
}

/// What is missing from `length` to a multiple of four.
pub(crate) fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

/// A C string with its terminator: what stands before the first NUL, which is what C programs see of it.
pub(crate) fn text(data: &[u8]) -> Option<&[u8]> {
    match data.split_last() {
        Some((0, _)) => before_nul(data),
        _ => None,
    }
}

/// What stands before the first NUL, of which there is one. The plugin has no room for a faster way.
#[cfg(not(feature = "serde"))]
fn before_nul(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == 0).next()
}

/// The same, found a word at a time; most texts have it at their end.
#[cfg(feature = "serde")]
fn before_nul(text: &[u8]) -> Option<&[u8]> {
    const ONES: usize = usize::MAX / 255;
    let has_nul = |word: &[u8; size_of::<usize>()]| {
        let word = usize::from_ne_bytes(*word);
        word.wrapping_sub(ONES) & !word & (ONES << 7) != 0
    };
    let (_, text) = text.split_last()?;
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk() {
        if has_nul(word) {
            break;
        }
        rest = after;
    }
    // The last word has a part of the one before it.
    if rest.len() < size_of::<usize>() && text.last_chunk().is_some_and(|word| !has_nul(word)) {
        return Some(text);
    }
    let last = rest.iter().position(|byte| *byte == 0);
    text.get(..text.len() - rest.len() + last.unwrap_or(rest.len()))
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}
