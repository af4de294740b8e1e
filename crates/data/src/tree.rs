//! A tree of values, for those who don't know beforehand what they read. On a router nobody does.

use crate::{Decode, Encode, Out, Unexpected, Value};
use serde_json::Value as Tree;
use ubus::MAX_DEPTH;

impl Decode for Tree {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        *self = grow(value, MAX_DEPTH)?;
        Ok(())
    }
}

fn grow(value: Value<'_>, depth: usize) -> Result<Tree, Unexpected> {
    let too_deep = || Unexpected::new(format_args!("more than {MAX_DEPTH} levels"));
    let below = || depth.checked_sub(1).ok_or_else(too_deep);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(match value {
        Value::Null => Tree::Null,
        Value::Int8(number) => (number != 0).into(),
        Value::Int16(number) => number.into(),
        Value::Int32(number) => number.into(),
        Value::Int64(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::String(bytes) => text(bytes).into(),
        Value::Array(items) => {
            let depth = below()?;
            let grown = items.map(|item| grow(item?.value, depth));
            grown.collect::<Result<_, _>>()?
        }
        Value::Table(fields) => {
            let depth = below()?;
            let grown = fields.map(|field| {
                let field = field?;
                Ok((text(field.name), grow(field.value, depth)?))
            });
            Tree::Object(grown.collect::<Result<_, Unexpected>>()?)
        }
    })
}

impl Encode for Tree {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        match self {
            Tree::Null => out.null(name),
            Tree::Bool(value) => value.encode(name, out),
            Tree::String(text) => text.encode(name, out),
            Tree::Array(items) => items.encode(name, out),
            Tree::Object(fields) => {
                let object = out.object(name);
                for (name, value) in fields {
                    value.encode(name, out);
                }
                out.close(object);
            }
            Tree::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => number.encode(name, out),
                (None, Some(number)) => out.double(name, number),
                (None, None) => out.null(name),
            },
        }
    }
}
