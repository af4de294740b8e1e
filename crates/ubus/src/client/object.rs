//! The description of a published object, and the check of every call against it.

use std::string::String;
use std::vec::Vec;

use crate::blob::{Attr, Malformed};
use crate::blobmsg::{Field, Fields, Type, Value};
use crate::data::MAX_DEPTH;
use crate::status::Status;
use crate::write::{Sink, Writer};

/// The argument that uhttpd adds to each call it passes on from a browser.
const SESSION: &str = "ubus_rpc_session";

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// An 8 bit integer, as libubox writes JSON's true and false.
    Bool,
    /// A 32 bit integer. Integers of 8, 16 and 64 bits that fit are taken too, since JSON clients differ in the widths they send.
    Int,
    /// A text.
    String,
    /// A list.
    Array,
    /// A table.
    Table,
}

impl Argument {
    fn kind(self) -> Type {
        match self {
            Argument::Bool => Type::Int8,
            Argument::Int => Type::Int32,
            Argument::String => Type::String,
            Argument::Array => Type::Array,
            Argument::Table => Type::Table,
        }
    }

    fn takes(self, value: &Value<'_>) -> bool {
        match self {
            Argument::Int => value
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            _ => value.kind() == self.kind(),
        }
    }
}

/// An object to publish: its path, and its methods with the types of their arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSpec {
    path: String,
    methods: Vec<(String, Vec<(String, Argument)>)>,
}

impl ObjectSpec {
    /// An object without methods.
    pub fn new(path: &str) -> Self {
        ObjectSpec {
            path: path.into(),
            methods: Vec::new(),
        }
    }

    /// Adds a method.
    #[must_use]
    pub fn method(mut self, name: &str, arguments: &[(&str, Argument)]) -> Self {
        let arguments = arguments
            .iter()
            .map(|(name, kind)| ((*name).into(), *kind))
            .collect();
        self.methods.push((name.into(), arguments));
        self
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Writes the methods as `ubus -v list` shows them: a table of type numbers for each.
    pub(super) fn write_signature<S: Sink>(&self, writer: &mut Writer<'_, S>) {
        for (method, arguments) in &self.methods {
            writer.table(method, |table| {
                for (name, argument) in arguments {
                    table.int32(name, argument.kind() as i32);
                }
            });
        }
    }

    /// Checks a call and gives the arguments that the method is to see.
    ///
    /// An argument that was not declared, has another type or comes twice is refused. Null counts as not given. The session is dropped,
    /// unless the method has declared it.
    pub(super) fn check(&self, method: &[u8], data: &[u8]) -> Result<Vec<u8>, Status> {
        let (_, declared) = self
            .methods
            .iter()
            .find(|(name, _)| name.as_bytes() == method)
            .ok_or(Status::MethodNotFound)?;
        let mut kept = Vec::new();
        let mut seen: Vec<&[u8]> = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let (field, encoded) = split(&mut rest).map_err(|Malformed| Status::InvalidArgument)?;
            let verdict = judge(declared, &field);
            if verdict == Verdict::Refuse || seen.contains(&field.name) {
                return Err(Status::InvalidArgument);
            }
            seen.push(field.name);
            if verdict == Verdict::Keep {
                kept.extend_from_slice(encoded);
            }
        }
        Ok(kept)
    }
}

/// What becomes of an argument.
#[derive(PartialEq, Eq)]
enum Verdict {
    Keep,
    Drop,
    Refuse,
}

fn judge(declared: &[(String, Argument)], field: &Field<'_>) -> Verdict {
    let argument = declared
        .iter()
        .find(|(name, _)| name.as_bytes() == field.name);
    match argument {
        Some(_) if field.value == Value::Null => Verdict::Drop,
        Some((_, argument))
            if argument.takes(&field.value) && is_sound(&field.value, MAX_DEPTH) =>
        {
            Verdict::Keep
        }
        None if field.name == SESSION.as_bytes() => match field.value {
            Value::String(_) | Value::Null => Verdict::Drop,
            _ => Verdict::Refuse,
        },
        _ => Verdict::Refuse,
    }
}

/// Splits the first field off, with its bytes.
fn split<'a>(rest: &mut &'a [u8]) -> Result<(Field<'a>, &'a [u8]), Malformed> {
    let (_, behind) = Attr::split(rest)?;
    let length = rest.len() - behind.len();
    let encoded = rest.get(..length).ok_or(Malformed)?;
    let field = Fields::new(encoded).next().ok_or(Malformed)??;
    *rest = behind;
    Ok((field, encoded))
}

/// Whether everything inside of a value is well-formed and not too deep.
fn is_sound(value: &Value<'_>, depth: usize) -> bool {
    match value {
        Value::Array(fields) | Value::Table(fields) => {
            let Some(depth) = depth.checked_sub(1) else {
                return false;
            };
            let mut fields = *fields;
            fields.all(|field| field.is_ok_and(|field| is_sound(&field.value, depth)))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Result<Vec<u8>, Status> {
        let spec = ObjectSpec::new("x")
            .method("m", &[("number", Argument::Int), ("list", Argument::Array)])
            .method("session", &[(SESSION, Argument::String)]);
        let mut data = Vec::new();
        let mut writer = Writer::new(&mut data);
        write(&mut writer);
        assert_eq!(writer.finish(), Ok(()));
        spec.check(b"m", &data)
    }

    #[test]
    fn what_is_kept_is_what_was_sent() {
        let kept = check(|writer| {
            writer.string(SESSION, "00");
            writer.array("list", |list| list.int("", 1));
            writer.null("number");
        });
        let expected = check(|writer| writer.array("list", |list| list.int("", 1)));
        assert!(expected.as_ref().is_ok_and(|bytes| !bytes.is_empty()));
        assert_eq!(kept, expected);
    }

    #[test]
    fn numbers_have_to_fit() {
        assert!(check(|writer| writer.int64("number", i32::MIN.into())).is_ok());
        for beyond in [i64::from(i32::MIN) - 1, i64::from(i32::MAX) + 1] {
            let refused = check(|writer| writer.int64("number", beyond));
            assert_eq!(refused, Err(Status::InvalidArgument));
        }
        assert!(check(|writer| writer.double("number", 1.0)).is_err());
    }

    #[test]
    fn nothing_else_is_dropped() {
        assert!(check(|writer| writer.null("unknown")).is_err());
        assert!(check(|writer| writer.int(SESSION, 1)).is_err());
        assert!(check(|writer| {
            writer.string(SESSION, "a");
            writer.string(SESSION, "b");
        })
        .is_err());
        assert!(check(|writer| writer.string("", "no name")).is_err());
    }
}
