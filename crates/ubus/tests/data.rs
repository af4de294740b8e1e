//! Plain structs into blobmsg and out of it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value as Json};
use ubus::{from_blobmsg, to_blobmsg, DataError, Fields, Type, Value, Writer, MAX_DEPTH};

fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = to_blobmsg(&value).unwrap();
    assert_eq!(from_blobmsg::<T>(&bytes).unwrap(), value);
}

fn written(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    write(&mut writer);
    writer.finish().unwrap();
    bytes
}

fn kinds(bytes: &[u8]) -> Vec<Type> {
    Fields::new(bytes)
        .map(|field| field.unwrap().value.kind())
        .collect()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    Checking,
    NotApplied,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(u32),
    Line(i8, i64),
    Box { width: f32, name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Error {
    kind: Phase,
    message: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Id(String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    id: Id,
    phase: Phase,
    percent: Option<u8>,
    bytes: Option<u64>,
    started: i64,
    ratio: f64,
    keep: bool,
    checks: Vec<Error>,
    pair: (u16, char),
    #[serde(flatten)]
    more: More,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    unit: (),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct More {
    server: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Json>,
}

fn job() -> Job {
    Job {
        id: Id("j1".into()),
        phase: Phase::NotApplied,
        percent: None,
        bytes: Some(u64::from(u32::MAX) + 1),
        started: 1_700_000_000,
        ratio: 0.25,
        keep: true,
        checks: vec![Error {
            kind: Phase::Checking,
            message: "päng".into(),
        }],
        pair: (65_535, 'ß'),
        more: More {
            server: "https://example.org".into(),
            rest: BTreeMap::from([("extra".into(), json!([1, "x", null, {"deep": true}]))]),
        },
        absent: None,
        unit: (),
    }
}

#[test]
fn structs_go_there_and_back() {
    there_and_back(job());
    let json: Json = from_blobmsg(&to_blobmsg(&job()).unwrap()).unwrap();
    assert_eq!(json["phase"], "not-applied");
    assert_eq!(json["percent"], Json::Null);
    assert_eq!(json["bytes"], 4_294_967_296_u64);
    assert_eq!(json["server"], "https://example.org");
    assert_eq!(json["extra"][3]["deep"], true);
    assert!(json.get("absent").is_none() && json.get("more").is_none());
}

#[test]
fn enums_are_texts_or_tables_of_one() {
    for shape in [
        Shape::Empty,
        Shape::Circle(7),
        Shape::Line(-1, 1 << 50),
        Shape::Box {
            width: 1.5,
            name: "b".into(),
        },
    ] {
        there_and_back(BTreeMap::from(
            [("shape", shape)].map(|(name, shape)| (name.to_owned(), shape)),
        ));
    }
    // A variant with content is a table by itself.
    there_and_back(Shape::Circle(7));
    there_and_back(Shape::Box {
        width: 1.5,
        name: "b".into(),
    });
    let json: Json = from_blobmsg(&to_blobmsg(&Shape::Line(-1, 2)).unwrap()).unwrap();
    assert_eq!(json, json!({"Line": [-1, 2]}));
}

#[test]
fn integers_are_as_wide_as_libubox_makes_them() {
    let bytes = to_blobmsg(&json!({
        "a": 0, "b": i32::MAX, "c": i32::MIN, "d": i64::from(i32::MAX) + 1, "e": i64::MIN, "f": true, "g": null
    }));
    use Type::{Int32, Int64, Int8, Null};
    assert_eq!(
        kinds(&bytes.unwrap()),
        [Int32, Int32, Int32, Int64, Int64, Int8, Null]
    );
}

#[test]
fn numbers_are_read_from_every_width_and_checked() {
    #[derive(Deserialize)]
    struct Number<T> {
        n: T,
    }
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        from_blobmsg::<Number<T>>(bytes).ok().map(|number| number.n)
    }
    let int8 = written(|writer| writer.int8("n", -1));
    assert_eq!(
        (read::<i8>(&int8), read::<i64>(&int8), read::<bool>(&int8)),
        (Some(-1), Some(-1), Some(true))
    );
    assert_eq!((read::<u8>(&int8), read::<f64>(&int8)), (None, Some(-1.0)));
    let int16 = written(|writer| writer.int16("n", 300));
    assert_eq!(
        (
            read::<u16>(&int16),
            read::<u8>(&int16),
            read::<bool>(&int16)
        ),
        (Some(300), None, None)
    );
    let int64 = written(|writer| writer.int64("n", i64::MAX));
    assert_eq!(
        (read::<u64>(&int64), read::<i32>(&int64)),
        (Some(i64::MAX as u64), None)
    );
    let double = written(|writer| writer.double("n", 0.5));
    assert_eq!(
        (
            read::<f32>(&double),
            read::<i32>(&double),
            read::<String>(&double)
        ),
        (Some(0.5), None, None)
    );
    let null = written(|writer| writer.null("n"));
    assert_eq!(
        (
            read::<Option<u8>>(&null),
            read::<u8>(&null),
            read::<()>(&null)
        ),
        (Some(None), None, Some(()))
    );
}

#[test]
fn what_takes_anything_gets_a_boolean_from_eight_bits() {
    let bytes = written(|writer| writer.int8("n", 1));
    assert_eq!(from_blobmsg::<Json>(&bytes).unwrap(), json!({"n": true}));
}

#[test]
fn maps_may_have_numbers_for_keys() {
    there_and_back(BTreeMap::from([(1_u8, 'a'), (2, 'b')]));
    there_and_back(BTreeMap::from([(-5_i64, ()), (1 << 40, ())]));
    let keys = BTreeMap::from([(vec![1], 1)]);
    assert_eq!(to_blobmsg(&keys), Err(DataError::KeyNotAText));
}

#[test]
fn texts_may_be_borrowed_and_need_not_be_utf8() {
    #[derive(Deserialize)]
    struct Text<T> {
        t: T,
    }
    let bytes = written(|writer| writer.string("t", "plain"));
    assert_eq!(from_blobmsg::<Text<&str>>(&bytes).unwrap().t, "plain");
    assert_eq!(from_blobmsg::<Text<&[u8]>>(&bytes).unwrap().t, b"plain");
    let bytes = written(|writer| writer.string("t", b"caf\xe9"));
    assert_eq!(
        from_blobmsg::<Text<String>>(&bytes).unwrap().t,
        "caf\u{fffd}"
    );
    assert!(from_blobmsg::<Text<&str>>(&bytes).is_err());
    assert_eq!(from_blobmsg::<Text<&[u8]>>(&bytes).unwrap().t, b"caf\xe9");
}

#[test]
fn a_message_is_a_table() {
    assert_eq!(to_blobmsg(&()), Ok(Vec::new()));
    assert_eq!(from_blobmsg::<()>(&[]), Ok(()));
    assert_eq!(from_blobmsg::<()>(&to_blobmsg(&job()).unwrap()), Ok(()));
    for error in [
        to_blobmsg(&1),
        to_blobmsg("x"),
        to_blobmsg(&[1]),
        to_blobmsg(&None::<u8>),
    ] {
        assert_eq!(error, Err(DataError::NotATable));
    }
}

#[test]
fn what_does_not_fit_is_told() {
    assert_eq!(
        to_blobmsg(&json!({"n": u64::MAX})),
        Err(DataError::OutOfRange)
    );
    let name = "n".repeat(70_000);
    assert_eq!(to_blobmsg(&json!({name: 1})), Err(DataError::TooLarge));
    let unknown =
        from_blobmsg::<BTreeMap<String, Phase>>(&to_blobmsg(&json!({"p": "flying"})).unwrap());
    let words = unknown.unwrap_err().to_string();
    assert!(
        words.contains("flying") && words.contains("not-applied"),
        "{words}"
    );
    let three = to_blobmsg(&json!({"t": [1, 2, 3]})).unwrap();
    assert!(from_blobmsg::<BTreeMap<String, (u8, u8)>>(&three).is_err());
    assert!(from_blobmsg::<BTreeMap<String, (u8, u8, u8, u8)>>(&three).is_err());
    let twice = written(|writer| {
        writer.string("kind", "checking");
        writer.string("message", "a");
        writer.string("message", "b");
    });
    assert!(from_blobmsg::<Error>(&twice).is_err());
}

#[test]
fn nesting_ends_somewhere() {
    let mut value = json!({});
    for _ in 1..MAX_DEPTH {
        value = json!({"x": value});
    }
    there_and_back(value.clone());
    assert_eq!(to_blobmsg(&json!({"x": value})), Err(DataError::TooDeep));

    // 24 bits of length hold some two million levels: reading must not recurse into them.
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    let mut open: Vec<_> = (0..100_000).map(|_| writer.open(Type::Array, "")).collect();
    while let Some(nested) = open.pop() {
        writer.close(nested);
    }
    writer.finish().unwrap();
    assert_eq!(from_blobmsg::<Json>(&bytes), Err(DataError::TooDeep));
    assert_eq!(
        from_blobmsg::<serde::de::IgnoredAny>(&bytes).map(drop),
        Ok(())
    );
}

#[test]
fn malformed_bytes_are_told() {
    let mut bytes = to_blobmsg(&job()).unwrap();
    bytes.truncate(bytes.len() - 4);
    assert_eq!(from_blobmsg::<Job>(&bytes), Err(DataError::Malformed));
    let inside = written(|writer| {
        let table = writer.open(Type::Table, "t");
        writer.attr(9, b"no blobmsg");
        writer.close(table);
    });
    assert!(
        matches!(Fields::new(&inside).next(), Some(Ok(field)) if field.value.kind() == Type::Table)
    );
    assert_eq!(from_blobmsg::<Json>(&inside), Err(DataError::Malformed));
    assert!(matches!(
        Fields::new(&inside).find("t"),
        Ok(Some(Value::Table(_)))
    ));
}
