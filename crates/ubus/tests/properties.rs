//! Whatever is written is read again, and whatever comes is read without a panic.
#![allow(clippy::unwrap_used)]

#[path = "common/any.rs"]
mod any;

use any::Any;
use proptest::prelude::*;
use ubus::message::{Decoder, Header, Kind, Message};
use ubus::{from_blobmsg, to_blobmsg, Fields, Value};

fn text() -> impl Strategy<Value = String> {
    // A NUL ends a text.
    "[^\0]{0,12}"
}

fn value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Null),
        any::<bool>().prop_map(Any::Bool),
        any::<i64>().prop_map(Any::Int),
        any::<i32>().prop_map(|number| Any::Int(number.into())),
        (-1e300..1e300).prop_map(Any::Float),
        text().prop_map(Any::Text),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Any::List),
            table(inner),
        ]
    })
}

fn table(inner: impl Strategy<Value = Any>) -> impl Strategy<Value = Any> {
    prop::collection::vec((text(), inner), 0..8).prop_map(Any::Table)
}

fn message() -> impl Strategy<Value = Message> {
    let body = prop::collection::vec((0..16_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..6);
    (any::<u8>(), any::<u16>(), any::<u32>(), body).prop_map(|(kind, sequence, peer, body)| {
        let header = Header {
            kind: Kind::from_id(kind),
            sequence,
            peer,
        };
        let fill = |writer: &mut ubus::Writer<'_, Vec<u8>>| {
            for (id, data) in &body {
                writer.attr(*id, data);
            }
        };
        Message::new(header, fill).unwrap()
    })
}

/// Reads everything there is to read.
fn walk(fields: Fields<'_>, depth: usize) -> usize {
    fields
        .map(|field| match field.map(|field| field.value) {
            Ok(Value::Array(inner) | Value::Table(inner)) if depth > 0 => {
                1 + walk(inner, depth - 1)
            }
            _ => 1,
        })
        .sum()
}

proptest! {
    #[test]
    fn values_go_there_and_back(value in table(value())) {
        let bytes = to_blobmsg(&value).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(from_blobmsg::<Any>(&bytes).unwrap(), value);
    }

    #[test]
    fn messages_are_cut_out_of_any_stream(
        messages in prop::collection::vec(message(), 0..6),
        chunk in 1..64_usize,
    ) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut bytes));
        let mut decoder = Decoder::default();
        let mut read = Vec::new();
        for part in bytes.chunks(chunk) {
            decoder.push(part);
            while let Some(message) = decoder.message().unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        read_all(&bytes);
    }

    #[test]
    fn damaged_values_do_no_harm(
        value in table(value()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = to_blobmsg(&value).unwrap();
        for (index, byte) in damage {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
        }
        read_all(&bytes);
    }
}

fn read_all(bytes: &[u8]) {
    // An attribute takes four bytes at least: nothing can be made of less than there is.
    assert!(walk(Fields::new(bytes), 64) <= bytes.len() / 4 + 1);
    let _ = from_blobmsg::<Any>(bytes);
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    while let Ok(Some(message)) = decoder.message() {
        let _ = message.attributes();
    }
}
