//! Types there and back, and what is said of values that are not what they expect.

#![allow(clippy::unwrap_used)]

use data::{Data, Decode, Encode, Joined, Object};
use serde_json::{json, Value as Tree};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default, PartialEq, Decode, Encode)]
enum Outcome {
    #[default]
    Confirmed,
    NotApplied,
}

#[derive(Debug, Default, PartialEq, Decode, Encode)]
struct Inner {
    name: String,
    #[field(name = "type")]
    kind: Outcome,
}

#[derive(Debug, Default, PartialEq, Decode, Encode)]
struct All {
    flag: bool,
    small: u8,
    signed: i64,
    large: u64,
    text: String,
    maybe: Option<i64>,
    list: Vec<Inner>,
    map: BTreeMap<String, String>,
    boxed: Box<Inner>,
    #[field(optional)]
    more: Vec<u32>,
    #[field(sparse)]
    rare: Option<String>,
    #[field(sparse)]
    few: Vec<String>,
    #[field(skip)]
    own: i32,
}

#[derive(Debug, Default, PartialEq, Decode)]
#[field(optional)]
struct Lenient {
    name: String,
    number: u32,
}

fn read<T: Decode + Default>(value: Tree) -> Result<T, String> {
    let data = Data::parse(value.to_string().as_bytes()).unwrap();
    data::read(data.value()).map_err(|error| error.to_string())
}

fn tree(anything: &dyn Encode) -> Tree {
    let text = data::text(anything).unwrap();
    let tree: Tree = serde_json::from_str(&text).unwrap();
    // The bus says the same.
    let said: Tree = data::read(Data::of(anything).unwrap().value()).unwrap();
    assert_eq!(said, tree);
    tree
}

fn full() -> All {
    let inner = |name: &str| Inner {
        name: name.to_owned(),
        kind: Outcome::NotApplied,
    };
    All {
        flag: true,
        small: 255,
        signed: -5,
        large: 1 << 40,
        text: "größer \"\\\n".to_owned(),
        maybe: Some(-1),
        list: vec![inner("a"), inner("")],
        map: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        boxed: Box::new(inner("b")),
        more: vec![1, u32::MAX],
        rare: Some("x".to_owned()),
        few: vec!["y".to_owned()],
        own: 0,
    }
}

#[test]
fn types_go_there_and_back() {
    for all in [full(), All::default()] {
        assert_eq!(read::<All>(tree(&all)).unwrap(), all);
    }
    let own = All {
        own: 7,
        ..All::default()
    };
    assert_eq!(read::<All>(tree(&own)).unwrap(), All::default());
}

#[test]
fn what_is_empty_is_written_unless_it_is_sparse() {
    let inner = json!({"name": "", "type": "confirmed"});
    assert_eq!(
        tree(&All::default()),
        json!({
            "flag": false, "small": 0, "signed": 0, "large": 0, "text": "", "maybe": null,
            "list": [], "map": {}, "boxed": inner, "more": []
        })
    );
}

#[test]
fn fields_come_in_any_order_and_with_others() {
    let inner = read::<Inner>(json!({"z": [{}], "type": "not-applied", "a": null, "name": "n"}));
    let expected = Inner {
        name: "n".to_owned(),
        kind: Outcome::NotApplied,
    };
    assert_eq!(inner.unwrap(), expected);
    let last = Data::parse(br#"{"name": "1", "type": "confirmed", "name": "2"}"#).unwrap();
    assert_eq!(data::read::<Inner>(last.value()).unwrap().name, "2");
}

#[test]
fn what_may_be_missing_stays_at_its_default() {
    assert_eq!(read::<Lenient>(json!({})).unwrap(), Lenient::default());
    let nulls = json!({"name": null, "number": null});
    assert_eq!(read::<Lenient>(nulls).unwrap(), Lenient::default());
    let mut all = tree(&full());
    for name in ["maybe", "more", "rare", "few"] {
        all[name] = Tree::Null;
    }
    let expected = All {
        maybe: None,
        more: vec![],
        rare: None,
        few: vec![],
        ..full()
    };
    assert_eq!(read::<All>(all).unwrap(), expected);
}

#[test]
fn it_is_said_what_is_wrong() {
    for (name, value, why) in [
        ("flag", json!(1), "a number instead of true or false"),
        (
            "small",
            json!(256),
            "256 instead of a number of another size",
        ),
        ("large", json!(-1), "-1 instead of a number of another size"),
        ("small", json!(true), "true or false instead of a number"),
        ("signed", json!(1.5), "a number instead of a number"),
        ("text", json!(1), "a number instead of a text"),
        ("maybe", json!("1"), "a text instead of a number"),
        ("list", json!({}), "an object instead of a list"),
        ("list", json!([[]]), "a list instead of an object"),
        ("list", json!([null]), "nothing instead of an object"),
        ("map", json!([]), "a list instead of an object"),
        ("map", json!({"a": 1}), "a number instead of a text"),
        ("text", Tree::Null, "missing field \"text\""),
        ("boxed", json!({"name": ""}), "missing field \"type\""),
        (
            "boxed",
            json!({"type": "away"}),
            "\"away\" has no meaning here",
        ),
        ("boxed", json!({"type": 1}), "a number instead of a word"),
    ] {
        let mut all = tree(&full());
        all[name] = value;
        assert_eq!(read::<All>(all), Err(why.to_owned()), "{name}");
    }
    let error = read::<All>(json!([])).unwrap_err();
    assert_eq!(error, "a list instead of an object");
}

#[test]
fn objects_without_a_type() {
    let (name, number) = ("n", 3_u32);
    let one = Object(&[("name", &name)]);
    assert_eq!(tree(&one), json!({"name": "n"}));
    let number = Object(&[("number", &number)]);
    let parts: [&dyn Encode; 3] = [&one, &number, &Object(&[])];
    let both = Joined(&parts);
    assert_eq!(tree(&both), json!({"name": "n", "number": 3}));
    assert_eq!(
        read::<Lenient>(tree(&both)).unwrap(),
        Lenient {
            name: "n".to_owned(),
            number: 3
        }
    );
}

#[test]
fn only_objects_can_be_joined() {
    for wrong in [&1_u8 as &dyn Encode, &vec![String::new()], &None::<u8>] {
        assert!(data::text(&Joined(&[wrong])).is_err());
        assert!(Data::of(&Joined(&[wrong])).is_err());
    }
}

#[test]
fn a_message_is_the_objects_fields() {
    let message = Data::of(&Object(&[("a", &1_u8)])).unwrap().into_message();
    let found = data::Fields::new(&message).find("a").unwrap();
    assert_eq!(found, Some(data::Value::Int32(1)));
}

#[test]
fn a_number_beyond_63_bits_is_refused_where_it_would_be_written() {
    assert!(Data::of(&(i64::MAX as u64)).is_ok());
    assert!(Data::of(&u64::MAX).is_err());
    assert!(data::text(&u64::MAX).is_err());
}
