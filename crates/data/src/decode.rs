//! From the bus's form into our types, in place and with as little code for each type as can be.
//!
//! serde makes a function of its own for each type and field. Here a type only says where its fields
//! are; the code that walks through a table, looks up names and complains exists once.

use crate::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use ubus::{Fields, Type};

/// Why a value is not what was expected.
#[derive(Debug)]
pub struct Unexpected(Box<str>);

impl Unexpected {
    /// In words.
    #[inline(never)]
    pub fn new(words: fmt::Arguments<'_>) -> Self {
        Unexpected(words.to_string().into())
    }

    /// Something else was expected.
    #[inline(never)]
    pub fn instead(found: Value<'_>, expected: &str) -> Self {
        let found = match found.kind() {
            Type::Null => "nothing",
            Type::Array => "a list",
            Type::Table => "an object",
            Type::String => "a text",
            Type::Int8 => "true or false",
            Type::Int16 | Type::Int32 | Type::Int64 | Type::Double => "a number",
        };
        Unexpected::new(format_args!("{found} instead of {expected}"))
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ubus::Malformed> for Unexpected {
    fn from(error: ubus::Malformed) -> Self {
        Unexpected::new(format_args!("{error}"))
    }
}

/// What can be read. It is there before, as its type's default.
pub trait Decode {
    /// Takes over what `value` says; in case of an error only a part of it.
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected>;

    /// Whether a field of this type may be missing, whatever it belongs to.
    fn may_be_missing(&self) -> bool {
        false
    }
}

/// A field as its type has it.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// In JSON and on the bus.
    pub name: &'static str,
    /// It may be missing …
    pub optional: bool,
    /// … and is not written where it is empty.
    pub sparse: bool,
}

/// Reads the fields of an object, which may have others besides. Null is the same as a missing field.
#[inline(never)]
pub fn record(
    value: Value<'_>,
    names: &[Name],
    places: &mut [&mut dyn Decode],
) -> Result<(), Unexpected> {
    let Value::Table(fields) = value else {
        return Err(Unexpected::instead(value, "an object"));
    };
    let mut seen = 0u64;
    // Fields mostly come in our own order: the search goes on where it was successful.
    let mut next = 0;
    for field in fields {
        let field = field?;
        let is_it = |at: &usize| {
            names[..]
                .get(*at)
                .is_some_and(|n| n.name.as_bytes() == field.name)
        };
        let Some(at) = (next..names.len()).chain(0..next).find(is_it) else {
            continue;
        };
        next = at + 1;
        if let (Some(place), false) = (places.get_mut(at), matches!(field.value, Value::Null)) {
            place.decode(field.value)?;
            seen |= 1 << at;
        }
    }
    for (at, (name, place)) in names.iter().zip(places).enumerate() {
        if seen & (1 << at) == 0 && !name.optional && !place.may_be_missing() {
            return Err(Unexpected::new(format_args!(
                "missing field \"{}\"",
                name.name
            )));
        }
    }
    Ok(())
}

/// The one of `all` whose word it is.
pub fn word<'a, T>(value: Value<'_>, words: &[&str], all: &'a [T]) -> Result<&'a T, Unexpected> {
    let known = words
        .iter()
        .position(|known| value.as_text() == Some(known.as_bytes()));
    let known = known.and_then(|at| all.get(at));
    known.ok_or_else(|| no_word(value))
}

#[inline(never)]
fn no_word(value: Value<'_>) -> Unexpected {
    match value.as_text() {
        Some(word) => {
            let word = String::from_utf8_lossy(word);
            Unexpected::new(format_args!("\"{word}\" has no meaning here"))
        }
        None => Unexpected::instead(value, "a word"),
    }
}

/// The text.
fn text(value: Value<'_>) -> Result<&[u8], Unexpected> {
    value
        .as_text()
        .ok_or_else(|| Unexpected::instead(value, "a text"))
}

/// The entries of a list.
#[inline(never)]
pub fn list(value: Value<'_>) -> Result<Fields<'_>, Unexpected> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Unexpected::instead(value, "a list")),
    }
}

/// Name and value of an object that has one field.
pub fn only_field(value: Value<'_>) -> Result<(&[u8], Value<'_>), Unexpected> {
    let mut fields = entries(value)?;
    match (fields.next().transpose()?, fields.next()) {
        (Some(field), None) => Ok((field.name, field.value)),
        _ => Err(Unexpected::instead(value, "an object with one field")),
    }
}

/// The entries of an object whose keys are not known beforehand.
///
/// # Errors
/// [`Unexpected`] where it is no object.
#[inline(never)]
pub fn entries(value: Value<'_>) -> Result<Fields<'_>, Unexpected> {
    match value {
        Value::Table(fields) => Ok(fields),
        _ => Err(Unexpected::instead(value, "an object")),
    }
}

#[inline(never)]
fn number(value: Value<'_>) -> Result<i64, Unexpected> {
    match value {
        // That is true or false.
        Value::Int8(_) => None,
        _ => value.as_i64(),
    }
    .ok_or_else(|| Unexpected::instead(value, "a number"))
}

impl Decode for bool {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        *self = value
            .as_bool()
            .ok_or_else(|| Unexpected::instead(value, "true or false"))?;
        Ok(())
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Decode for $number {
            fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
                let number = number(value)?;
                *self = $number::try_from(number).map_err(|_| {
                    Unexpected::new(format_args!("{number} instead of a number of another size"))
                })?;
                Ok(())
            }
        }
    )*};
}

numbers!(u8 i32 u32 i64 u64 usize);

impl Decode for String {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        *self = owned(text(value)?);
        Ok(())
    }
}

/// What is not UTF-8 gets replacement characters; looking for them takes longer than looking whether.
#[inline(never)]
pub fn owned(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    }
}

impl<T: Decode + Default> Decode for Option<T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        if matches!(value, Value::Null) {
            *self = None;
            return Ok(());
        }
        self.insert(T::default()).decode(value)
    }

    fn may_be_missing(&self) -> bool {
        true
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        (**self).decode(value)
    }
}

impl<T: Decode + Default> Decode for Rc<T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        *self = Rc::new(crate::read(value)?);
        Ok(())
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        self.clear();
        for item in list(value)? {
            let mut read = T::default();
            read.decode(item?.value)?;
            self.push(read);
        }
        Ok(())
    }
}

impl<T: Decode + Default> Decode for BTreeMap<String, T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        self.clear();
        for entry in entries(value)? {
            let entry = entry?;
            let mut read = T::default();
            read.decode(entry.value)?;
            self.insert(owned(entry.name), read);
        }
        Ok(())
    }
}
