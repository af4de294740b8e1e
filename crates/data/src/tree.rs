//! A tree of values, for those who don't know beforehand what they read. On a router nobody does.

use crate::{text, Decode, Encode, Out, Unexpected, Value};
use serde_json::Value as Tree;

impl Decode for Tree {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        let mut text = Vec::new();
        text::format(value, &mut text)?;
        let read = serde_json::from_slice(&text);
        *self = read.map_err(|error| Unexpected::new(format_args!("{error}")))?;
        Ok(())
    }
}

impl Encode for Tree {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        match self {
            Tree::Null => out.null(name),
            Tree::Bool(value) => value.encode(name, out),
            Tree::String(text) => text.encode(name, out),
            Tree::Array(items) => items.encode(name, out),
            Tree::Object(fields) => out.table(name, |out| {
                fields
                    .iter()
                    .for_each(|(name, value)| value.encode(name, out));
            }),
            Tree::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => number.encode(name, out),
                (None, Some(number)) => out.double(name, number),
                (None, None) => out.null(name),
            },
        }
    }
}
