//! What has to hold of any input: the fuzz targets call these, and the ordinary tests on the corpus.

use std::io::Cursor;

use firmware::metadata::{self, Metadata};
use firmware::trailer::{self, Kind};
use firmware::ucert::Chain;
use firmware::usign::{PublicKey, Signature, MAX_TEXT};
use firmware::{detached, signature, Device, KeyRing, Report};

const BOARD: &str = "tplink,archer-c7-v2";
const CA: &[u8] =
    include_bytes!("../../../crates/firmware/tests/images/trusted-keys/c5feddf23d0dfe46");
const SIGNED: &[u8] = include_bytes!("../../../crates/firmware/tests/images/good-signed.bin");
const SERVER: &[u8] = include_bytes!("../../../crates/firmware/tests/images/detached/server.pub");
const SUMS: &[u8] = include_bytes!("../../../crates/firmware/tests/images/detached/sha256sums");
/// Within the validity of the certificate in `SIGNED`.
const NOW: u64 = 1_795_176_000;

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    for key in [CA, SERVER] {
        keys.add(PublicKey::parse(key).unwrap()).unwrap();
    }
    keys
}

fn judge(image: &[u8]) -> Report {
    let device = Device::new(BOARD, None);
    let report = firmware::judge(&mut Cursor::new(image), &device, &keys(), NOW).unwrap();
    assert_eq!(report.size, image.len() as u64);
    assert!(report.trailers.len() <= trailer::MAX_TRAILERS);
    assert!(!report.metadata.to_string().is_empty() && !report.signature.to_string().is_empty());
    // Trailers lie within the file and don't overlap.
    let mut end = report.size;
    for trailer in &report.trailers {
        assert!(trailer.end == end && trailer.start <= trailer.end);
        end = trailer.start;
    }
    if report.signature.verdict() == signature::Verdict::Good {
        assert_eq!(image, SIGNED, "only one image here is signed");
    }
    data::text(&report).unwrap();
    report
}

/// A file of any content; then the same with the checksums put right, so that what lies behind them is reached.
pub fn trailer(data: &[u8]) {
    judge(data);
    let mut image = data.to_vec();
    put_checksums_right(&mut image);
    for trailer in judge(&image).trailers {
        assert_ne!(trailer.fault, Some(trailer::Fault::Crc));
    }
    for kind in [Kind::Signature, Kind::Metadata, Kind::Other(7)] {
        let mut image = data.to_vec();
        trailer::append(&mut image, kind, &[]).unwrap();
        let report = judge(&image);
        assert_eq!(report.trailers[0].kind, kind);
        assert_eq!(report.trailers[0].fault, None);
    }
}

/// From the innermost trailer to the outermost, because each checksum covers those before it.
fn put_checksums_right(image: &mut [u8]) {
    let length = image.len() as u64;
    let trailers = trailer::find(&mut Cursor::new(&*image), length).unwrap();
    for trailer in trailers.iter().rev() {
        let header = trailer.end as usize - trailer::HEADER as usize;
        let mut right = image[..header].to_vec();
        trailer::append(&mut right, Kind::Metadata, &[]).unwrap();
        image[header + 4..header + 8].copy_from_slice(&right[header + 4..header + 8]);
    }
}

/// Metadata of any content: what is read is written and read again as the same.
pub fn metadata(data: &[u8]) {
    let mut image = Vec::new();
    let fits = trailer::append_metadata(&mut image, data).is_ok();
    let read = Metadata::parse(&[&metadata::HEADER[..], data].concat());
    if fits {
        let report = judge(&image);
        assert_eq!(report.content.as_ref(), read.as_ref().ok());
        assert_eq!(read.is_err(), report.content.is_none());
    }
    if let Ok(read) = read {
        let json = data::text(&read).unwrap();
        let again = Metadata::parse(&[&metadata::HEADER[..], json.as_bytes()].concat());
        assert_eq!(again.as_ref(), Ok(&read));
        let device = Device::new(BOARD, None);
        assert!(!read.judge(&device).to_string().is_empty());
    }
}

/// Keys and signatures of any content, alone and in a detached chain that is right but for them.
pub fn usign(data: &[u8]) {
    let (key, signature) = (PublicKey::parse(data), Signature::parse(data));
    assert!(data.len() <= MAX_TEXT || (key.is_err() && signature.is_err()));
    assert!(key.is_err() || signature.is_err());
    if let Ok(key) = &key {
        assert_eq!(key.number().to_string().parse(), Ok(key.number()));
        assert!(!key.comment().contains(char::is_control));
    }
    if let (Ok(signature), Ok(ca)) = (&signature, PublicKey::parse(CA)) {
        assert!(!ca.verify(signature, b"never signed"));
    }
    let files = detached::Files {
        worker: data,
        worker_signature: data,
        sums: SUMS,
        sums_signature: data,
    };
    let sum = judge(b"").sha256;
    let finding = detached::judge(&files, "firmware.bin", sum, &keys());
    assert_ne!(finding.verdict(), signature::Verdict::Good);
    // Sums of any content, each line of which is looked for by its own name.
    let files = detached::Files {
        sums: data,
        ..files
    };
    detached::judge(&files, "", sum, &keys());
}

/// A chain of any content, in an image whose checksum is right.
pub fn ucert(data: &[u8]) {
    let chain = Chain::parse(data);
    assert!(chain.is_err() || data.len() <= firmware::ucert::MAX_SIZE);
    let mut image = b"payload".to_vec();
    if trailer::append(&mut image, Kind::Signature, data).is_ok() {
        let report = judge(&image);
        assert_ne!(report.signature.verdict(), signature::Verdict::Good);
        assert_ne!(report.signature.verdict(), signature::Verdict::Absent);
        assert!(chain.is_ok() || report.signature.verdict() == signature::Verdict::Bad);
    }
}
