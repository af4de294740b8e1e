//! Judging an image: a look at its end, then one pass from its beginning.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use data::{Encode, Object, Out};
use sha2::{Digest, Sha256 as Hasher};

use crate::crc32::Crc32;
use crate::keyring::KeyRing;
use crate::metadata::{self, Metadata};
use crate::signature::{self, Judged, Pending};
use crate::trailer::{self, Kind, Trailer};
use crate::ucert::Certificate;
use crate::usign::KeyNumber;
use crate::{Device, Error, Sha256};

/// How much is read at a time.
const PIECE: usize = 16 * 1024;

/// What an image is.
#[derive(Clone, Debug)]
pub struct Report {
    /// Bytes.
    pub size: u64,
    /// The sum of the whole file.
    pub sha256: Sha256,
    /// The sum without the signature's trailer, which is what builds of the same input have in common. Equal to `sha256`
    /// if there is no such trailer at the end, or its size is impossible.
    pub sha256_unsigned: Sha256,
    /// The trailers, outermost first.
    pub trailers: Vec<Trailer>,
    /// Whether the image suits the device.
    pub metadata: metadata::Finding,
    /// What the metadata says, where it could be read and its checksum is right.
    pub content: Option<Metadata>,
    /// Who vouches for the image.
    pub signature: signature::Finding,
    /// The key that says to have signed the image.
    pub signer: Option<KeyNumber>,
    /// The certificates of the signature, the one that a trusted key signed first. They are genuine unless the signature's
    /// verdict is `bad` or, for the first one, `unknown-key`.
    pub chain: Vec<Certificate>,
}

impl Encode for Report {
    /// An object; `metadata` and `signature` are the verdicts' words, and what `..._detail` says is for people.
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        Object(&[
            ("size", &self.size),
            ("sha256", &self.sha256),
            ("sha256_unsigned", &self.sha256_unsigned),
            ("metadata", &self.metadata.verdict()),
            ("metadata_detail", &self.metadata.to_string()),
            ("signature", &self.signature.verdict()),
            ("signature_detail", &self.signature.to_string()),
            ("signer", &self.signer),
            ("chain", &self.chain),
            ("content", &self.content),
            ("trailers", &self.trailers),
        ])
        .encode(name, out);
    }
}

/// Judges the image in `file` for `device`, by the trusted `keys`, at the time `now` (seconds since 1970; that the clock
/// is plausible is the caller's care).
///
/// Reads the end of the file and then the whole of it, once.
///
/// # Errors
/// [`Error::Io`] if the file can't be read, [`Error::Changed`] if it is not the same from one read to the next.
pub fn judge(
    file: &mut (impl Read + Seek),
    device: &Device,
    keys: &KeyRing,
    now: u64,
) -> Result<Report, Error> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut trailers = trailer::find(file, size)?;
    let label = match trailers
        .iter()
        .find(|trailer| trailer.kind == Kind::Metadata)
    {
        Some(trailer) if trailer.fault.is_none() => Some(Held::read(file, trailer)?),
        _ => None,
    };
    let (chain, begun) = begin(file, &trailers, keys, now)?;
    let headers: Vec<Held> = trailers.iter().map(Held::header).collect();
    let held: Vec<&Held> = headers.iter().chain(&label).chain(&chain).collect();
    let mut pass = Pass::new(&trailers, begun);
    pass.run(file, size, &mut trailers, &held)?;

    let signature = match trailers.first() {
        Some(Trailer {
            kind: Kind::Signature,
            fault: Some(fault),
            ..
        }) => signature::Finding::Trailer(*fault).into(),
        _ => pass.signature,
    };
    let (metadata, content) = judge_metadata(&trailers, label.as_ref(), device);
    let sha256 = Sha256(pass.sha256.finalize().into());
    Ok(Report {
        size,
        sha256,
        sha256_unsigned: pass.unsigned.unwrap_or(sha256),
        trailers,
        metadata,
        content,
        signature: signature.finding,
        signer: signature.signer,
        chain: signature.chain,
    })
}

/// Judges what can be judged of the signature before the image has been read.
fn begin(
    file: &mut (impl Read + Seek),
    trailers: &[Trailer],
    keys: &KeyRing,
    now: u64,
) -> io::Result<(Option<Held>, Result<Pending, signature::Finding>)> {
    let finding = match trailers {
        [trailer, ..] if trailer.kind == Kind::Signature => match trailer.fault {
            Some(fault) => signature::Finding::Trailer(fault),
            None => {
                let chain = Held::read(file, trailer)?;
                let pending = Pending::begin(&chain.bytes, keys, now);
                return Ok((Some(chain), pending));
            }
        },
        // What stands behind a signature is not covered by it.
        [_, inner @ ..] if inner.iter().any(|trailer| trailer.kind == Kind::Signature) => {
            signature::Finding::NotLast
        }
        _ => signature::Finding::Absent,
    };
    Ok((None, Err(finding)))
}

/// Judges the outermost metadata, once its checksum has been compared.
fn judge_metadata(
    trailers: &[Trailer],
    label: Option<&Held>,
    device: &Device,
) -> (metadata::Finding, Option<Metadata>) {
    let trailer = trailers
        .iter()
        .find(|trailer| trailer.kind == Kind::Metadata);
    // Behind a trailer of impossible size there may or may not be metadata: that is no image without metadata.
    let hiding = trailers.last().filter(|_| trailer::ends_search(trailers));
    if let Some(fault) = trailer.or(hiding).and_then(|trailer| trailer.fault) {
        return (metadata::Finding::Trailer(fault), None);
    }
    match label.map(|label| Metadata::parse(&label.bytes)) {
        None => (metadata::Finding::Absent, None),
        Some(Err(finding)) => (finding, None),
        Some(Ok(metadata)) => (metadata.judge(device), Some(metadata)),
    }
}

/// A part that was read before the pass, and that the pass has to find unchanged.
struct Held {
    start: u64,
    bytes: Vec<u8>,
}

impl Held {
    fn read(file: &mut (impl Read + Seek), trailer: &Trailer) -> io::Result<Self> {
        Ok(Held {
            start: trailer.start,
            bytes: trailer.read_data(file)?,
        })
    }

    fn header(trailer: &Trailer) -> Self {
        Held {
            start: trailer.data_end(),
            bytes: trailer.header.to_vec(),
        }
    }

    /// Whether `piece`, which begins `at` bytes into the file, is the same where the two overlap.
    fn agrees(&self, at: u64, piece: &[u8]) -> bool {
        let skip =
            |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let held = self.bytes.get(skip(self.start, at)..).unwrap_or_default();
        let piece = piece.get(skip(at, self.start)..).unwrap_or_default();
        held.iter().zip(piece).all(|(held, read)| held == read)
    }
}

/// What is reckoned while the image streams past.
struct Pass {
    crc: Crc32,
    sha256: Hasher,
    /// Where the trailer of the signature begins, if the file ends in one.
    cut: Option<u64>,
    unsigned: Option<Sha256>,
    pending: Option<Pending>,
    signature: Judged,
}

impl Pass {
    fn new(trailers: &[Trailer], begun: Result<Pending, signature::Finding>) -> Self {
        let outermost = trailers
            .first()
            .filter(|trailer| trailer.kind == Kind::Signature);
        let (pending, finding) = match begun {
            Ok(pending) => (Some(pending), signature::Finding::Absent),
            Err(finding) => (None, finding),
        };
        Pass {
            crc: Crc32::new(),
            sha256: Hasher::new(),
            cut: outermost
                .filter(|trailer| trailer.start < trailer.end)
                .map(|trailer| trailer.start),
            unsigned: None,
            pending,
            signature: finding.into(),
        }
    }

    /// Reads the file from its beginning to its end at `size`, stopping wherever something is complete.
    fn run(
        &mut self,
        file: &mut (impl Read + Seek),
        size: u64,
        trailers: &mut [Trailer],
        held: &[&Held],
    ) -> Result<(), Error> {
        let mut stops: Vec<u64> = trailers
            .iter()
            .map(Trailer::data_end)
            .chain(self.cut)
            .chain([size])
            .collect();
        stops.sort_unstable();
        file.seek(SeekFrom::Start(0))?;
        let mut buffer = [0; PIECE];
        let mut at = 0;
        for stop in stops {
            while at < stop {
                let wanted = usize::try_from(stop - at).unwrap_or(PIECE);
                let piece = read_piece(file, &mut buffer, wanted)?;
                if piece.is_empty() || !held.iter().all(|held| held.agrees(at, piece)) {
                    return Err(Error::Changed);
                }
                self.update(piece);
                at += piece.len() as u64;
            }
            for trailer in trailers
                .iter_mut()
                .filter(|trailer| trailer.data_end() == stop)
            {
                trailer.compare(self.crc);
            }
            if self.cut == Some(stop) {
                self.finish_signed();
            }
        }
        match read_piece(file, &mut buffer, 1)? {
            [] => Ok(()),
            _ => Err(Error::Changed),
        }
    }

    fn update(&mut self, piece: &[u8]) {
        self.crc.update(piece);
        self.sha256.update(piece);
        if let Some(pending) = &mut self.pending {
            pending.update(piece);
        }
    }

    /// Everything that the signature covers has been seen.
    fn finish_signed(&mut self) {
        self.unsigned = Some(Sha256(self.sha256.clone().finalize().into()));
        if let Some(pending) = self.pending.take() {
            self.signature = pending.finish();
        }
    }
}

/// Reads up to `wanted` bytes, and none only at the end of the file.
fn read_piece<'a>(
    file: &mut impl Read,
    buffer: &'a mut [u8; PIECE],
    wanted: usize,
) -> io::Result<&'a [u8]> {
    let (space, _) = buffer.split_at_mut(wanted.min(PIECE));
    loop {
        match file.read(space) {
            Ok(length) => return Ok(space.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
