//! Reading: a serde deserializer over borrowed blobmsg.

use alloc::string::String;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{forward_to_deserialize_any, Deserialize};

use super::{DataError, MAX_DEPTH};
use crate::blobmsg::{Fields, Value};

/// Reads `T` from the fields of a message: the data of a blob, not the blob with its header.
///
/// An 8 bit integer is read as a boolean or as a number, whichever `T` asks for (a boolean if it takes anything). Texts that are not
/// UTF-8 get replacement characters, unless `T` asks for bytes. Null is `None`. An enum is read from a text, or from a table with the
/// variant's name as its only key. `()` takes any table.
///
/// # Errors
/// [`DataError`] if the bytes are no blobmsg, too deep, or not what `T` expects.
pub fn from_blobmsg<'de, T: Deserialize<'de>>(data: &'de [u8]) -> Result<T, DataError> {
    T::deserialize(Reader {
        value: Value::Table(Fields::new(data)),
        depth: MAX_DEPTH,
    })
}

#[derive(Clone, Copy)]
struct Reader<'de> {
    value: Value<'de>,
    /// How many levels may still be opened.
    depth: usize,
}

impl<'de> Reader<'de> {
    fn list(self, fields: Fields<'de>) -> Result<List<'de>, DataError> {
        let depth = self.depth.checked_sub(1).ok_or(DataError::TooDeep)?;
        Ok(List {
            fields,
            depth,
            value: None,
        })
    }
}

/// Numbers of every width are read alike: the visitor sees to the range.
macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
            self.deserialize_i64(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = DataError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Array(elements) => {
                visit_all(self.list(elements)?, |list| visitor.visit_seq(list))
            }
            Value::Table(fields) => visit_all(self.list(fields)?, |list| visitor.visit_map(list)),
            Value::String(text) => visit_text(text, visitor),
            Value::Int8(number) => visitor.visit_bool(number != 0),
            Value::Int16(number) => visitor.visit_i16(number),
            Value::Int32(number) => visitor.visit_i32(number),
            Value::Int64(number) => visitor.visit_i64(number),
            Value::Double(number) => visitor.visit_f64(number),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        match self.value {
            Value::Int8(number) => visitor.visit_i8(number),
            _ => self.deserialize_any(visitor),
        }
    }

    integers!(
        deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    );

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        match self.value {
            Value::String(text) => visitor.visit_borrowed_bytes(text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        match self.value {
            Value::Table(_) => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DataError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DataError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DataError> {
        match self.value {
            Value::Table(fields) => visit_all(self.list(fields)?, |list| visitor.visit_enum(list)),
            Value::String(text) => {
                let name = String::from_utf8_lossy(text);
                visitor.visit_enum(name.into_deserializer())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i128 u128 char str string seq tuple tuple_struct map struct identifier
    }
}

/// The fields of a table or the elements of an array, while they are read.
struct List<'de> {
    fields: Fields<'de>,
    depth: usize,
    /// The value whose name was read last.
    value: Option<Value<'de>>,
}

impl<'de> List<'de> {
    fn reader(&self, value: Value<'de>) -> Reader<'de> {
        Reader {
            value,
            depth: self.depth,
        }
    }

    fn value(&mut self) -> Result<Reader<'de>, DataError> {
        let value = self.value.take().ok_or(DataError::Malformed)?;
        Ok(self.reader(value))
    }
}

impl<'de> SeqAccess<'de> for &mut List<'de> {
    type Error = DataError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DataError> {
        let Some(element) = self.fields.next().transpose()? else {
            return Ok(None);
        };
        seed.deserialize(self.reader(element.value)).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut List<'de> {
    type Error = DataError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DataError> {
        let Some(field) = self.fields.next().transpose()? else {
            return Ok(None);
        };
        self.value = Some(field.value);
        seed.deserialize(Key(field.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DataError> {
        seed.deserialize(self.value()?)
    }
}

impl<'de> EnumAccess<'de> for &mut List<'de> {
    type Error = DataError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DataError> {
        let field = self.fields.next().ok_or(DataError::Malformed)??;
        self.value = Some(field.value);
        Ok((seed.deserialize(Key(field.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut List<'de> {
    type Error = DataError;

    fn unit_variant(self) -> Result<(), DataError> {
        Deserialize::deserialize(self.value()?)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DataError> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, DataError> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DataError> {
        self.value()?.deserialize_any(visitor)
    }
}

/// A field's name as a value of its own. Maps may be keyed by numbers and booleans, as in JSON.
struct Key<'de>(&'de [u8]);

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = DataError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        visit_text(self.0, visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        let text = core::str::from_utf8(self.0).ok();
        match text.and_then(|text| text.parse().ok()) {
            Some(number) => visitor.visit_i64(number),
            None => self.deserialize_any(visitor),
        }
    }

    integers!(
        deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    );

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DataError> {
        let name = String::from_utf8_lossy(self.0);
        visitor.visit_enum(name.into_deserializer())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DataError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DataError> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// Lets a visitor read a list and refuses what it left over, as serde_json does: a tuple of two does not take three.
fn visit_all<'de, T>(
    mut list: List<'de>,
    visit: impl FnOnce(&mut List<'de>) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let value = visit(&mut list)?;
    match list.fields.next().transpose()? {
        None => Ok(value),
        Some(_) => Err(serde::de::Error::custom("there are more elements than fit")),
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: &'de [u8], visitor: V) -> Result<V::Value, DataError> {
    match core::str::from_utf8(text) {
        Ok(text) => visitor.visit_borrowed_str(text),
        Err(_) => visitor.visit_string(String::from_utf8_lossy(text).into_owned()),
    }
}
