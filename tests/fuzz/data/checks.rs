//! What has to hold of any input: the fuzz target calls it, and the ordinary tests on the corpus.

use data::{Data, Decode, Encode};
use serde_json::Value as Tree;
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Decode, Encode)]
struct Shape {
    text: String,
    flag: bool,
    #[field(optional)]
    numbers: Vec<i64>,
    small: Option<u8>,
    #[field(sparse)]
    names: BTreeMap<String, String>,
    #[field(sparse)]
    inner: Vec<Shape>,
}

/// Any bytes as a JSON text: it is one to serde_json as well and says the same, and what becomes a type is
/// the same type again from either form. And any bytes as a bus message.
pub fn text(bytes: &[u8]) {
    let message = data::Value::Table(data::Fields::new(bytes));
    let _ = data::read::<Shape>(message);
    let theirs = serde_json::from_slice::<Tree>(bytes);
    let ours = Data::parse(bytes);
    assert_eq!(ours.is_ok(), theirs.is_ok());
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return;
    };
    if let Ok(tree) = data::read::<Tree>(ours.value()) {
        assert_eq!(tree, on_the_bus(theirs));
        let written = data::text(&tree).unwrap();
        let again = serde_json::from_str::<Tree>(&written).unwrap();
        // serde_json reads numbers that are not whole only nearly as it writes them.
        assert!(again == tree || written.contains(['.', 'e']));
    }
    if let Ok(shape) = data::read::<Shape>(ours.value()) {
        let written = data::text(&shape).unwrap();
        let back = Data::parse(written.as_bytes()).unwrap();
        assert_eq!(data::read::<Shape>(back.value()).unwrap(), shape);
        let message = Data::of(&shape).unwrap();
        assert_eq!(data::read::<Shape>(message.value()).unwrap(), shape);
    }
}

/// The same without what has no place there: NULs, and numbers beyond 63 bits as they are.
fn on_the_bus(tree: Tree) -> Tree {
    let whole = |text: String| text.replace('\0', "\u{fffd}");
    match tree {
        Tree::String(text) => whole(text).into(),
        Tree::Array(items) => items.into_iter().map(on_the_bus).collect(),
        Tree::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (whole(name), on_the_bus(value)))
            .collect(),
        Tree::Number(number) if number.as_i64().is_none() => number.as_f64().into(),
        tree => tree,
    }
}
