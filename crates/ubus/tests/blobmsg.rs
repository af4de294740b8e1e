//! Reading and writing blobmsg without serde, as the rpcd plugin does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use ubus::{Attr, Field, Fields, Full, Malformed, Sink, Type, Value, Writer};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A sink with an end.
struct Small(Vec<u8>, usize);

impl Sink for Small {
    fn put(&mut self, bytes: &[u8]) -> bool {
        let fits = self.0.len() + bytes.len() <= self.1;
        if fits {
            self.0.extend_from_slice(bytes);
        }
        fits
    }

    fn written(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

fn answer<S: Sink>(writer: &mut Writer<'_, S>) {
    writer.table("packages", |packages| {
        packages.string("luci", "26.1");
        packages.string("", "no name");
    });
    writer.bool("all", false);
    writer.array("list", |list| {
        list.int("", 5);
        list.int("", 1 << 40);
        list.null("");
    });
}

#[test]
fn a_notification_is_written_as_recorded() {
    // The data of serve-notify: {percent: 42} in attribute 7.
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    let data = writer.open_attr(7);
    writer.int("percent", 42);
    writer.close(data);
    writer.finish().unwrap();
    assert_eq!(
        out,
        bytes("07000018 85000014 0007 70657263656e7400 0000 0000002a")
    );
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    answer(&mut writer);
    writer.finish().unwrap();
    assert_eq!(out.len() % 4, 0);

    let fields = Fields::new(&out);
    let Some(Value::Table(packages)) = fields.find("packages").unwrap() else {
        panic!("no table");
    };
    let luci = Field {
        name: b"luci",
        value: Value::String(b"26.1"),
    };
    assert_eq!(packages.clone().next(), Some(Ok(luci)));
    assert_eq!(packages.count(), 2);
    assert_eq!(fields.find("all").unwrap(), Some(Value::Int8(0)));
    let Some(Value::Array(list)) = fields.find("list").unwrap() else {
        panic!("no array");
    };
    let values: Vec<_> = list.map(|field| field.unwrap().value).collect();
    assert_eq!(
        values,
        [Value::Int32(5), Value::Int64(1 << 40), Value::Null]
    );
    assert_eq!(fields.find("nothing").unwrap(), None);
}

#[test]
fn every_prefix_of_a_message_is_malformed_or_shorter() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    answer(&mut writer);
    writer.finish().unwrap();
    for end in 0..out.len() {
        let fields: Result<Vec<_>, _> = Fields::new(&out[..end]).collect();
        assert!(fields.is_err() || fields.unwrap().len() < 3, "{end}");
    }
}

#[test]
fn a_full_sink_is_told_at_the_end() {
    let mut whole = Small(Vec::new(), usize::MAX);
    let mut writer = Writer::new(&mut whole);
    answer(&mut writer);
    assert_eq!(writer.finish(), Ok(()));
    for room in 0..whole.0.len() {
        let mut small = Small(Vec::new(), room);
        let mut writer = Writer::new(&mut small);
        answer(&mut writer);
        assert_eq!(writer.finish(), Err(Full), "{room}");
    }
}

#[test]
fn names_and_values_have_their_limits() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.string("n".repeat(65_536), "");
    assert_eq!(writer.finish(), Err(Full));

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.string("", vec![b'x'; ubus::MAX_ATTR]);
    assert_eq!(writer.finish(), Err(Full));

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.attr(1, &vec![0; ubus::MAX_ATTR - 3]);
    assert_eq!(writer.finish(), Err(Full));
}

#[test]
fn texts_end_at_their_first_nul() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.string("name", "a\0b");
    writer.finish().unwrap();
    assert_eq!(
        Fields::new(&out).find("name"),
        Ok(Some(Value::String(b"a")))
    );

    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.bool("na\0me", true);
    writer.finish().unwrap();
    assert_eq!(Fields::new(&out).find("na"), Ok(Some(Value::Int8(1))));
}

#[test]
fn lengths_that_lie_are_malformed() {
    for (what, hex) in [
        ("three bytes", "850000"),
        ("a length below the header", "85000003 00000000"),
        ("a length of nothing", "00000000"),
        ("a length beyond the data", "85000014 0001 7800 00000001"),
        ("16 MiB", "85ffffff 0001 7800 00000001"),
        ("padding that is missing", "8700000d 0001 61 00 00000000 01"),
        ("no name length", "85000004"),
        ("a name beyond the data", "8500000c 00ff 7800 00000001"),
        ("a name without its NUL", "8500000c 0001 7879 00000001"),
        (
            "a name whose padding is missing",
            "80000009 0002 6161 00 000000",
        ),
        ("an integer of two bytes", "8500000a 0001 7800 0001 0000"),
        (
            "an integer of eight bytes",
            "85000010 0001 7800 0000000000000001",
        ),
        ("a string without its NUL", "8300000c 0001 7800 61626364"),
        ("a string of nothing", "83000008 0001 7800"),
        ("an unknown type", "8900000c 0001 7800 00000001"),
        (
            "an attribute that is not blobmsg",
            "0500000c 0001 7800 00000001",
        ),
    ] {
        let data = bytes(hex);
        let mut fields = Fields::new(&data);
        assert_eq!(fields.next(), Some(Err(Malformed)), "{what}");
        assert_eq!(fields.next(), None, "{what}");
    }
}

#[test]
fn an_attribute_is_split_off() {
    let data = bytes("01000008 00000004 03000005 ff000000");
    let (status, rest) = Attr::split(&data).unwrap();
    assert_eq!(
        (status.id, status.as_u32(), status.extended),
        (1, Some(4), false)
    );
    let (byte, rest) = Attr::split(rest).unwrap();
    assert_eq!((byte.id, byte.data, byte.as_u32()), (3, &[0xff][..], None));
    assert!(rest.is_empty());
}

#[test]
fn types_know_their_ids() {
    for id in 0..=255 {
        match Type::from_id(id) {
            Some(kind) => assert_eq!(kind as u8, id),
            None => assert!(id > 8),
        }
    }
}
