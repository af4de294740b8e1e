//! The trailers fwtool puts at the end of an image.
//!
//! A trailer is its data followed by 16 bytes, all big-endian: magic `FWx0`, crc32, type u8, three zeros, size u32. The
//! size counts data and these 16 bytes; the crc covers every byte of the file before the 16. Trailers stack: before one
//! may stand another.
//!
//! Source: <https://github.com/openwrt/fwtool>. Its own reader takes any size, with the results one expects.

use std::io::{Read, Seek, SeekFrom};
use std::{fmt, io};

use data::{Encode, Out};

use crate::crc32::Crc32;

/// Length of the fixed part that ends each trailer.
pub const HEADER: u32 = 16;
/// The largest trailer there is: fwtool writes at most 30 KiB of metadata.
pub const MAX_SIZE: u32 = 32 * 1024;
/// More trailers than any image has; a file of nothing but trailers ends the search here.
pub const MAX_TRAILERS: usize = 8;

const MAGIC: &[u8; 4] = b"FWx0";

/// What a trailer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A certificate chain and the signature of everything before the trailer.
    Signature,
    /// Eight bytes of header, then JSON.
    Metadata,
    /// Something that nobody has heard of.
    Other(u8),
}

impl Kind {
    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Kind::Signature,
            1 => Kind::Metadata,
            other => Kind::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Kind::Signature => 0,
            Kind::Metadata => 1,
            Kind::Other(byte) => byte,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Signature => f.write_str("signature"),
            Kind::Metadata => f.write_str("metadata"),
            Kind::Other(byte) => write!(f, "type {byte}"),
        }
    }
}

impl Encode for Kind {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.string(name, self.to_string().as_bytes());
    }
}

/// What is wrong with a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub enum Fault {
    /// Below 16, above 32 KiB or larger than the file: what it holds and what stands before it can't be found.
    Size,
    /// The bytes that no checksum and no signature covers are not zero.
    Padding,
    /// The file was changed or damaged after the trailer was written.
    Crc,
    /// There are too many trailers behind this one to look at it.
    TooMany,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Size => "it claims an impossible size",
            Fault::Padding => "its unused bytes are in use",
            Fault::Crc => "its checksum does not fit the image, which is damaged or was changed",
            Fault::TooMany => "too many others follow",
        })
    }
}

/// One trailer of an image.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Trailer {
    /// What it says it holds.
    pub kind: Kind,
    /// Where its data begins: bytes from the start of the file. Equal to `end` if the size is impossible.
    pub start: u64,
    /// Where it ends, its 16 bytes included.
    pub end: u64,
    /// The checksum it states.
    pub crc32: u32,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// Its last 16 bytes.
    #[field(skip)]
    pub(crate) header: [u8; HEADER as usize],
}

impl Trailer {
    fn parse(bytes: &[u8; HEADER as usize], end: u64) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (crc32, rest) = rest.split_first_chunk()?;
        let ([kind, padding @ ..], size) = rest.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(size.try_into().ok()?);
        if magic != MAGIC {
            return None;
        }
        let start = end.checked_sub(size.into());
        let start = start.filter(|_| (HEADER..=MAX_SIZE).contains(&size));
        let fault = match start {
            None => Some(Fault::Size),
            Some(_) if *padding != [0; 3] => Some(Fault::Padding),
            Some(_) => None,
        };
        Some(Trailer {
            kind: Kind::from_byte(*kind),
            start: start.unwrap_or(end),
            end,
            crc32: u32::from_be_bytes(*crc32),
            fault,
            header: *bytes,
        })
    }

    /// Where the bytes end that the checksum covers, and the trailer's data with them.
    pub(crate) fn data_end(&self) -> u64 {
        self.end - u64::from(HEADER)
    }

    /// Notes whether the checksum is that of the bytes before it.
    pub(crate) fn compare(&mut self, crc: Crc32) {
        if self.fault.is_none() && self.crc32 != crc.value() {
            self.fault = Some(Fault::Crc);
        }
    }

    /// Reads the trailer's data; nothing if its size is impossible.
    pub(crate) fn read_data(&self, file: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
        let length = self
            .data_end()
            .saturating_sub(self.start)
            .min(MAX_SIZE.into());
        let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
        file.seek(SeekFrom::Start(self.start))?;
        file.read_exact(&mut data)?;
        Ok(data)
    }
}

/// Finds the trailers of a file of `length` bytes, outermost first, at most [`MAX_TRAILERS`]. Behind one whose size or
/// place is at fault nothing is looked for. Checksums are not looked at.
///
/// # Errors
/// Those of the file.
pub fn find(file: &mut (impl Read + Seek), length: u64) -> io::Result<Vec<Trailer>> {
    let mut trailers: Vec<Trailer> = Vec::new();
    let mut end = length;
    while let Some(at) = end.checked_sub(HEADER.into()) {
        let mut bytes = [0; HEADER as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
        let Some(mut trailer) = Trailer::parse(&bytes, end) else {
            break;
        };
        if trailers.len() + 1 == MAX_TRAILERS {
            trailer.fault = Some(Fault::TooMany);
        }
        end = trailer.start;
        trailers.push(trailer);
        if ends_search(&trailers) {
            break;
        }
    }
    Ok(trailers)
}

/// Whether what stands before the innermost trailer can't be known.
pub(crate) fn ends_search(trailers: &[Trailer]) -> bool {
    let fault = trailers.last().and_then(|trailer| trailer.fault);
    matches!(fault, Some(Fault::Size | Fault::TooMany))
}

/// Appends a trailer with `data` to `image`, as fwtool does.
///
/// # Errors
/// [`Fault::Size`] if the data is too long; the image is left as it was.
pub fn append(image: &mut Vec<u8>, kind: Kind, data: &[u8]) -> Result<(), Fault> {
    let size = u32::try_from(data.len())
        .ok()
        .and_then(|length| length.checked_add(HEADER));
    let size = size.filter(|size| *size <= MAX_SIZE).ok_or(Fault::Size)?;
    image.extend_from_slice(data);
    let mut crc = Crc32::new();
    crc.update(image);
    image.extend_from_slice(MAGIC);
    image.extend_from_slice(&crc.value().to_be_bytes());
    image.extend_from_slice(&[kind.byte(), 0, 0, 0]);
    image.extend_from_slice(&size.to_be_bytes());
    Ok(())
}

/// Appends metadata with its header to `image`, as `fwtool -I` does.
///
/// # Errors
/// [`Fault::Size`] if the JSON is too long.
pub fn append_metadata(image: &mut Vec<u8>, json: &[u8]) -> Result<(), Fault> {
    append(
        image,
        Kind::Metadata,
        &[&crate::metadata::HEADER[..], json].concat(),
    )
}
