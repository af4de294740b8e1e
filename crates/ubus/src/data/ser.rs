//! Writing: a serde serializer on top of the blobmsg writer.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde::Serialize;

use super::{DataError, MAX_DEPTH};
use crate::blobmsg::{Fields, Type, Value};
use crate::write::{Nested, Writer};

/// Writes a struct or a map as the fields of a message: the data of a blob, without the blob's header. `()` is an empty message.
///
/// A text is written as it is; C programs see it up to the first NUL character in it.
///
/// # Errors
/// [`DataError`] if it is not a table, too large, too deep, or holds an unsigned integer beyond `i64`.
pub fn to_blobmsg<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    value.serialize(Slot {
        writer: &mut writer,
        name: None,
        depth: MAX_DEPTH,
    })?;
    writer.finish()?;
    Ok(bytes)
}

type Out<'w, 'v> = &'w mut Writer<'v, Vec<u8>>;

/// The place for one value. Without a name it is the message itself, which takes a table only.
struct Slot<'w, 'v, 'n> {
    writer: Out<'w, 'v>,
    name: Option<&'n str>,
    /// How many levels may still be opened.
    depth: usize,
}

impl<'w, 'v, 'n> Slot<'w, 'v, 'n> {
    fn put(self, write: impl FnOnce(Out<'w, 'v>, &'n str)) -> Result<(), DataError> {
        let name = self.name.ok_or(DataError::NotATable)?;
        write(self.writer, name);
        Ok(())
    }

    fn array(self) -> Result<List<'w, 'v>, DataError> {
        self.name.ok_or(DataError::NotATable)?;
        self.open(Type::Array)
    }

    fn open(self, kind: Type) -> Result<List<'w, 'v>, DataError> {
        let depth = self.depth.checked_sub(1).ok_or(DataError::TooDeep)?;
        let opened = self.name.map(|name| self.writer.open(kind, name));
        Ok(List {
            writer: self.writer,
            inner: opened,
            outer: None,
            key: String::new(),
            depth,
        })
    }

    /// A variant with content is a table with the variant's name as its only key.
    fn variant(self, variant: &str, kind: Type) -> Result<List<'w, 'v>, DataError> {
        let outer = self.open(Type::Table)?;
        let depth = outer.depth.checked_sub(1).ok_or(DataError::TooDeep)?;
        let inner = Some(outer.writer.open(kind, variant));
        Ok(List {
            inner,
            outer: outer.inner,
            depth,
            ..outer
        })
    }
}

macro_rules! integers {
    ($($method:ident $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<(), DataError> {
            self.serialize_i64(value.into())
        }
    )*};
}

impl<'w, 'v, 'n> Serializer for Slot<'w, 'v, 'n> {
    type Ok = ();
    type Error = DataError;
    type SerializeSeq = List<'w, 'v>;
    type SerializeTuple = List<'w, 'v>;
    type SerializeTupleStruct = List<'w, 'v>;
    type SerializeTupleVariant = List<'w, 'v>;
    type SerializeMap = List<'w, 'v>;
    type SerializeStruct = List<'w, 'v>;
    type SerializeStructVariant = List<'w, 'v>;

    fn serialize_bool(self, value: bool) -> Result<(), DataError> {
        self.put(|writer, name| writer.bool(name, value))
    }

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32
    );

    fn serialize_i64(self, value: i64) -> Result<(), DataError> {
        self.put(|writer, name| writer.int(name, value))
    }

    fn serialize_u64(self, value: u64) -> Result<(), DataError> {
        self.serialize_i64(value.try_into().map_err(|_| DataError::OutOfRange)?)
    }

    fn serialize_f32(self, value: f32) -> Result<(), DataError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), DataError> {
        self.put(|writer, name| writer.double(name, value))
    }

    fn serialize_char(self, value: char) -> Result<(), DataError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), DataError> {
        self.put(|writer, name| writer.string(name, value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), DataError> {
        self.put(|writer, name| writer.string(name, value))
    }

    fn serialize_none(self) -> Result<(), DataError> {
        self.put(|writer, name| writer.null(name))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), DataError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), DataError> {
        if let Some(name) = self.name {
            self.writer.null(name);
        }
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), DataError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), DataError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), DataError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), DataError> {
        let mut table = self.open(Type::Table)?;
        table.field(variant, value)?;
        table.finish()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<List<'w, 'v>, DataError> {
        self.array()
    }

    fn serialize_tuple(self, _length: usize) -> Result<List<'w, 'v>, DataError> {
        self.array()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<List<'w, 'v>, DataError> {
        self.array()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<List<'w, 'v>, DataError> {
        self.variant(variant, Type::Array)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<List<'w, 'v>, DataError> {
        self.open(Type::Table)
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<List<'w, 'v>, DataError> {
        self.open(Type::Table)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<List<'w, 'v>, DataError> {
        self.variant(variant, Type::Table)
    }
}

/// A table or an array that is being written; for a variant also the table around it.
struct List<'w, 'v> {
    writer: Out<'w, 'v>,
    inner: Option<Nested>,
    outer: Option<Nested>,
    /// The key that waits for its value.
    key: String,
    depth: usize,
}

impl List<'_, '_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), DataError> {
        value.serialize(Slot {
            writer: self.writer,
            name: Some(name),
            depth: self.depth,
        })
    }

    fn finish(self) -> Result<(), DataError> {
        for nested in [self.inner, self.outer].into_iter().flatten() {
            self.writer.close(nested);
        }
        Ok(())
    }
}

impl SerializeMap for List<'_, '_> {
    type Ok = ();
    type Error = DataError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), DataError> {
        self.key = key_name(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
        let key = core::mem::take(&mut self.key);
        self.field(&key, value)
    }

    fn end(self) -> Result<(), DataError> {
        self.finish()
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait for List<'_, '_> {
            type Ok = ();
            type Error = DataError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DataError> {
                self.field("", value)
            }

            fn end(self) -> Result<(), DataError> {
                self.finish()
            }
        }
    )*};
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl $trait for List<'_, '_> {
            type Ok = ();
            type Error = DataError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), DataError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), DataError> {
                self.finish()
            }
        }
    )*};
}

elements!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);
fields!(SerializeStruct, SerializeStructVariant);

/// A map's key as a name: texts and integers, by way of what they look like as a value.
fn key_name<T: Serialize + ?Sized>(key: &T) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    key.serialize(Slot {
        writer: &mut writer,
        name: Some(""),
        depth: 1,
    })?;
    writer.finish()?;
    match Fields::new(&bytes)
        .next()
        .transpose()?
        .map(|field| field.value)
    {
        Some(Value::String(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
        Some(Value::Int32(number)) => Ok(number.to_string()),
        Some(Value::Int64(number)) => Ok(number.to_string()),
        _ => Err(DataError::KeyNotAText),
    }
}
