//! However the bytes come, the verdict is the same; and a file that changes meanwhile has none.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{Cursor, Error as IoError, ErrorKind, Read, Result, Seek, SeekFrom};

use common::{image, index, judge, words, NOW};
use firmware::trailer::{self, append, Kind};
use firmware::{Error, Report};
use proptest::prelude::*;

/// A file that does not behave: reads come in pieces of `most` bytes, now and then interrupted, and when reading begins
/// anew from the start `change` is done to it.
struct Unruly {
    bytes: Cursor<Vec<u8>>,
    most: usize,
    reads: usize,
    change: fn(&mut Vec<u8>),
}

impl Unruly {
    fn new(bytes: Vec<u8>, most: usize, change: fn(&mut Vec<u8>)) -> Self {
        Unruly {
            bytes: Cursor::new(bytes),
            most,
            reads: 0,
            change,
        }
    }

    fn judge(&mut self) -> std::result::Result<Report, Error> {
        let index = index();
        firmware::judge(self, &index.device(), &index.keys(), NOW)
    }
}

impl Read for Unruly {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.reads += 1;
        if self.reads % 7 == 0 {
            return Err(ErrorKind::Interrupted.into());
        }
        let most = buffer.len().min(self.most);
        self.bytes.read(&mut buffer[..most])
    }
}

impl Seek for Unruly {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        if to == SeekFrom::Start(0) {
            (self.change)(self.bytes.get_mut());
        }
        self.bytes.seek(to)
    }
}

#[test]
fn the_size_of_the_pieces_does_not_matter() {
    let image = image("good-signed.bin");
    let expected = judge(&image);
    for most in [1, 5, 4095, 1 << 20] {
        let report = Unruly::new(image.clone(), most, |_| {}).judge().unwrap();
        assert_eq!(words(&report), words(&expected));
        assert_eq!(report.sha256, expected.sha256);
        assert_eq!(report.sha256_unsigned, expected.sha256_unsigned);
    }
}

#[test]
fn a_file_that_changes_after_its_end_was_read_is_refused() {
    let changes: [fn(&mut Vec<u8>); 8] = [
        |bytes| bytes.truncate(10_000),
        |bytes| bytes.push(0),
        |bytes| bytes.clear(),
        // In the metadata, in the chain.
        |bytes| bytes[24_600] ^= 1,
        |bytes| bytes[25_000] ^= 1,
        // In what ends the trailers, inner and outer: the last byte of all is that of a size.
        |bytes| bytes[24_843] ^= 1,
        |bytes| bytes[25_375] ^= 1,
        |bytes| bytes[25_366] ^= 1,
    ];
    for change in changes {
        let error = Unruly::new(image("good-signed.bin"), 1000, change)
            .judge()
            .unwrap_err();
        assert!(matches!(error, Error::Changed), "{error}");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            ("changed", "The image changed while it was being checked.")
        );
    }
    // Of what was not read before, the sums tell.
    let report = Unruly::new(image("good-signed.bin"), 1000, |bytes| bytes[100] ^= 1)
        .judge()
        .unwrap();
    assert_eq!(words(&report), ("corrupt", "bad"));
}

#[test]
fn a_file_that_can_not_be_read_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> Result<usize> {
            Err(IoError::other("bad flash"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: SeekFrom) -> Result<u64> {
            Ok(100)
        }
    }
    let index = index();
    let error = firmware::judge(&mut Broken, &index.device(), &index.keys(), NOW).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        ("io", "The image could not be read: bad flash.")
    );
}

#[test]
fn an_empty_file_is_an_image_that_says_nothing() {
    let report = judge(b"");
    assert_eq!(words(&report), ("absent", "absent"));
    assert_eq!(
        report.sha256.to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Signature),
        Just(Kind::Metadata),
        (2..=u8::MAX).prop_map(Kind::Other)
    ]
}

proptest! {
    #[test]
    fn trailers_that_were_appended_are_found(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        trailers in prop::collection::vec((kind(), prop::collection::vec(any::<u8>(), 0..200)), 0..trailer::MAX_TRAILERS),
    ) {
        let mut image = payload;
        let mut ends = vec![image.len() as u64];
        for (kind, data) in &trailers {
            append(&mut image, *kind, data).unwrap();
            ends.push(image.len() as u64);
        }
        let report = judge(&image);
        let found: Vec<_> = report.trailers.iter().rev().map(|t| (t.kind, t.start, t.end, t.fault)).collect();
        let expected: Vec<_> = trailers.iter().zip(ends.windows(2)).map(|((kind, _), end)| (*kind, end[0], end[1], None)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in kind(), size in any::<u32>()) {
        let mut image = bytes;
        append(&mut image, kind, b"").unwrap();
        let end = image.len() - 4;
        let size = if size % 2 == 0 { size } else { size % 400 };
        image[end..].copy_from_slice(&size.to_be_bytes());
        let report = judge(&image);
        prop_assert!(words(&report) != ("match", "good"));
    }
}
