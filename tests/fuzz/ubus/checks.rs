//! What has to hold of any input. The fuzz targets run it on what they think up, `crates/ubus/tests/corpus.rs` on the corpus.

use serde_json::Value;
use ubus::message::{Decoder, MAX_BLOB};
use ubus::{from_blobmsg, to_blobmsg, Attrs, Fields};

/// Any bytes as blobmsg: nothing panics, and what can be read can be written and read again.
pub fn blobmsg(data: &[u8]) {
    for field in Fields::new(data).map_while(Result::ok) {
        assert!(field.name.len() <= data.len());
        let _ = field.value.as_i64();
    }
    let _ = Fields::new(data).find("data");
    let Ok(value) = from_blobmsg::<Value>(data) else {
        return;
    };
    let written = to_blobmsg(&value).expect("what was read is a table that is not too deep");
    let again: Value = from_blobmsg(&written).expect("what was written is well-formed");
    assert_eq!(again, value);
}

/// Any bytes as a stream of messages, in pieces of as many bytes as the first byte says: nothing panics, and each message that is cut
/// out is written as it was.
pub fn frame(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let mut decoder = Decoder::default();
    let mut read = 0;
    for piece in stream.chunks(usize::from(step).max(1)) {
        decoder.push(piece);
        loop {
            let message = match decoder.message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(_) => return,
            };
            let mut written = Vec::new();
            message.encode(&mut written);
            assert!(written.len() <= MAX_BLOB + 8);
            // The outer attribute's id and flag mean nothing and are not kept.
            let original = &stream[read..read + written.len()];
            assert_eq!(written[..8], original[..8]);
            assert_eq!(written[9..], original[9..]);
            read += written.len();
            let sound = Attrs::new(&message.body).all(|attr| attr.is_ok());
            assert_eq!(message.attributes().is_ok(), sound);
            let attributes = message.attributes().unwrap_or_default();
            for data in [attributes.data, attributes.signature]
                .into_iter()
                .flatten()
            {
                let _ = Fields::new(data).count();
            }
        }
    }
}
