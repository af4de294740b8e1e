//! From a [`Value`] to our types, with as little code for each type as serde allows.
//!
//! serde_json offers a type its fields by name and in any order, and every type brings the code for
//! that along: a comparison for each name, a place for what comes before its turn, a complaint about
//! a second one. Here the fields are looked up first, by code that exists once, and then offered as a
//! list in the type's own order.

use serde::de::{self, DeserializeSeed, Expected, IntoDeserializer, Visitor};
use serde_json::{map, Value};
use std::{fmt, vec};

/// Why a value is not what was expected.
#[derive(Debug)]
pub(crate) enum Unexpected {
    /// There is no field, the how many-th.
    Missing(usize),
    /// In words; without any where there is nothing: a field that has a default may be missing, and
    /// words that nobody reads would cost an allocation or two.
    Else(Box<str>),
}

impl Unexpected {
    /// Says the name of a missing field, for serde knows only where it stands.
    #[inline(never)]
    fn name(&mut self, names: &[&str]) {
        if let Unexpected::Missing(at) = self {
            let name = names.get(*at).unwrap_or(&"");
            *self = de::Error::custom(format_args!("missing field \"{name}\""));
        }
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unexpected::Missing(_) => "a field is missing",
            Unexpected::Else(words) if words.is_empty() => "nothing where something belongs",
            Unexpected::Else(words) => words,
        })
    }
}

impl std::error::Error for Unexpected {}

impl de::Error for Unexpected {
    #[inline(never)]
    fn custom<T: fmt::Display>(words: T) -> Self {
        Unexpected::Else(words.to_string().into())
    }

    // Without the value that was found: for numbers alone that would need 14 KB of code on mips.
    #[inline(never)]
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("something else instead of {expected}"))
    }

    #[inline(never)]
    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("a wrong value instead of {expected}"))
    }

    /// Of the lists here, only one of fields can be too short.
    fn invalid_length(at: usize, _: &dyn Expected) -> Self {
        Unexpected::Missing(at)
    }
}

/// A value that becomes something else.
pub(super) struct Reader(pub Value);

impl Reader {
    #[inline(never)]
    fn unexpected(&self, expected: &dyn Expected) -> Unexpected {
        let found = match &self.0 {
            Value::Null => return Unexpected::Else(Box::default()),
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        de::Error::custom(format_args!("{found} instead of {expected}"))
    }

    #[inline(never)]
    fn boolean(self, expected: &dyn Expected) -> Result<bool, Unexpected> {
        self.0.as_bool().ok_or_else(|| self.unexpected(expected))
    }

    #[inline(never)]
    fn signed(self, expected: &dyn Expected) -> Result<i64, Unexpected> {
        self.0.as_i64().ok_or_else(|| self.unexpected(expected))
    }

    #[inline(never)]
    fn unsigned(self, expected: &dyn Expected) -> Result<u64, Unexpected> {
        self.0.as_u64().ok_or_else(|| self.unexpected(expected))
    }

    #[inline(never)]
    fn text(self, expected: &dyn Expected) -> Result<String, Unexpected> {
        match self.0 {
            Value::String(text) => Ok(text),
            _ => Err(self.unexpected(expected)),
        }
    }

    #[inline(never)]
    fn list(self, expected: &dyn Expected) -> Result<Items, Unexpected> {
        match self.0 {
            Value::Array(list) => Ok(Items {
                values: list.into_iter(),
                are_fields: false,
            }),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// The fields of that name in that order; null where there is none.
    #[inline(never)]
    fn fields(mut self, names: &[&str], expected: &dyn Expected) -> Result<Items, Unexpected> {
        let Value::Object(object) = &mut self.0 else {
            return Err(self.unexpected(expected));
        };
        let take = |name: &&str| object.get_mut(*name).map(Value::take).unwrap_or_default();
        let values: Vec<Value> = names.iter().map(take).collect();
        Ok(Items {
            values: values.into_iter(),
            are_fields: true,
        })
    }

    #[inline(never)]
    fn entries(self, expected: &dyn Expected) -> Result<Entries, Unexpected> {
        match self.0 {
            Value::Object(object) => Ok(Entries {
                entries: object.into_iter(),
                value: Value::Null,
            }),
            _ => Err(self.unexpected(expected)),
        }
    }

    /// One of these words, alone or as the only key of an object.
    #[inline(never)]
    fn variant(self, words: &[&str]) -> Result<Variant, Unexpected> {
        let (word, value) = match self.0 {
            Value::String(word) => (word, Value::Null),
            Value::Object(object) if object.len() == 1 => {
                object.into_iter().next().unwrap_or_default()
            }
            _ => return Err(self.unexpected(&"a word")),
        };
        match words.iter().position(|known| *known == word) {
            Some(at) => Ok(Variant { at, value }),
            None => Err(de::Error::custom(format_args!(
                "\"{word}\" has no meaning here"
            ))),
        }
    }
}

macro_rules! forward {
    ($($from:ident => $what:ident $to:ident,)*) => {$(
        fn $from<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
            let value = self.$what(&visitor)?;
            visitor.$to(value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader {
    type Error = Unexpected;

    forward! {
        deserialize_bool => boolean visit_bool,
        deserialize_i8 => signed visit_i64,
        deserialize_i16 => signed visit_i64,
        deserialize_i32 => signed visit_i64,
        deserialize_i64 => signed visit_i64,
        deserialize_u8 => unsigned visit_u64,
        deserialize_u16 => unsigned visit_u64,
        deserialize_u32 => unsigned visit_u64,
        deserialize_u64 => unsigned visit_u64,
        deserialize_char => text visit_string,
        deserialize_str => text visit_string,
        deserialize_string => text visit_string,
        deserialize_bytes => text visit_string,
        deserialize_byte_buf => text visit_string,
        deserialize_seq => list visit_seq,
        deserialize_map => entries visit_map,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(ref number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (_, Some(number)) => visitor.visit_i64(number),
                _ => self.deserialize_f64(visitor),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        match self.0.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        if self.0.is_null() {
            visitor.visit_unit()
        } else {
            Err(self.unexpected(&visitor))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        let fields = self.fields(names, &visitor)?;
        let mut read = visitor.visit_seq(fields);
        if let Err(error) = &mut read {
            error.name(names);
        }
        read
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        visitor.visit_enum(self.variant(words)?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        self.deserialize_string(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unexpected> {
        visitor.visit_unit()
    }
}

/// The entries of a list or the fields of a type.
struct Items {
    values: vec::IntoIter<Value>,
    are_fields: bool,
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Unexpected;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unexpected> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let may_have_default = self.are_fields && value.is_null();
        match seed.deserialize(Reader(value)) {
            Err(_) if may_have_default => Ok(None),
            read => read.map(Some),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

/// The entries of an object whose keys are not known beforehand.
struct Entries {
    entries: map::IntoIter,
    value: Value,
}

impl<'de> de::MapAccess<'de> for Entries {
    type Error = Unexpected;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unexpected> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(Reader(Value::String(key))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Unexpected> {
        seed.deserialize(Reader(self.value.take()))
    }
}

/// One of several words, and what comes with it.
struct Variant {
    at: usize,
    value: Value,
}

impl<'de> de::EnumAccess<'de> for Variant {
    type Error = Unexpected;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Unexpected> {
        let at: de::value::U64Deserializer<Unexpected> = (self.at as u64).into_deserializer();
        Ok((seed.deserialize(at)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant {
    type Error = Unexpected;

    fn unit_variant(self) -> Result<(), Unexpected> {
        de::Deserialize::deserialize(Reader(self.value))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unexpected> {
        seed.deserialize(Reader(self.value))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        de::Deserializer::deserialize_tuple(Reader(self.value), length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unexpected> {
        de::Deserializer::deserialize_struct(Reader(self.value), "", names, visitor)
    }
}
