//! JSON texts mean the same to serde_json before and after they were in the bus's form.

#![allow(clippy::unwrap_used)]

use data::{Data, Decode};
use proptest::prelude::*;
use serde_json::{json, Value as Tree};

/// Anything, but for numbers that have no place on the bus and names that stand twice.
fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<i32>().prop_map(Tree::from),
        // serde_json reads others only nearly as they are written.
        any::<i16>().prop_map(|eighths| Tree::from(f64::from(eighths) / 8.0)),
        "[^\\x00]{0,20}".prop_map(Tree::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Tree::from),
            proptest::collection::btree_map("[^\\x00]{0,9}", inner, 0..8)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn texts_mean_the_same_there_and_back(tree in tree()) {
        let data = Data::parse(tree.to_string().as_bytes()).unwrap();
        let back: Tree = serde_json::from_str(&data::text(&tree).unwrap()).unwrap();
        prop_assert_eq!(&back, &tree);
        let mut read = Tree::Null;
        read.decode(data.value()).unwrap();
        prop_assert_eq!(&read, &tree);
        let mut again = Tree::Null;
        again.decode(Data::of(&tree).unwrap().value()).unwrap();
        prop_assert_eq!(&again, &tree);
    }

    #[test]
    fn what_serde_json_refuses_is_refused(text in ".{0,40}") {
        let theirs = serde_json::from_str::<Tree>(&text);
        let ours = Data::parse(text.as_bytes());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
    }

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let value = data::Value::Table(data::Fields::new(&bytes));
        let mut read = Tree::Null;
        if read.decode(value).is_ok() {
            prop_assert!(read.is_object());
        }
        let _ = data::read::<std::collections::BTreeMap<String, Vec<String>>>(value);
    }
}

#[test]
fn what_has_no_place_on_the_bus() {
    let text = |text: &str| {
        let data = Data::parse(text.as_bytes()).unwrap();
        data::text(&data::read::<Tree>(data.value()).unwrap()).unwrap()
    };
    assert_eq!(
        text(r#"{"a\u0000b": "c\u0000d"}"#),
        "{\"a\u{fffd}b\":\"c\u{fffd}d\"}"
    );
    assert_eq!(text("18446744073709551615"), "1.8446744073709552e+19");
    assert_eq!(text("[9223372036854775807]"), "[9223372036854775807]");
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let text = |depth| {
        let data = Data::parse(nested(depth).as_bytes());
        data.map(|data| data::read::<Tree>(data.value()).is_ok())
    };
    assert!(matches!(text(64), Ok(true)));
    assert!(matches!(text(65), Ok(false)));
    assert!(text(200).is_err(), "serde_json has an end, too");
}

#[test]
fn a_value_is_too_large_for_the_bus_beyond_16_mib() {
    let long = "x".repeat(16 << 20);
    assert!(Data::of(&long).is_err());
    assert!(Data::parse(json!(long).to_string().as_bytes()).is_err());
}
