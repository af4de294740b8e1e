//! Reading blobmsg, the bus's own form of JSON: attributes with a name, whose id is the type of the value.

use crate::blob::{padded, text, Attr, Attrs, Malformed};

/// The types of blobmsg values, with their ids on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// What libubox makes of JSON's null.
    Null = 0,
    /// Values without names.
    Array = 1,
    /// Values with names.
    Table = 2,
    /// A text with a NUL at its end.
    String = 3,
    /// 64 bit, signed.
    Int64 = 4,
    /// 32 bit, signed; the ordinary integer.
    Int32 = 5,
    /// 16 bit, signed.
    Int16 = 6,
    /// 8 bit; also the boolean.
    Int8 = 7,
    /// IEEE 754, 64 bit.
    Double = 8,
}

impl Type {
    /// The type with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Type::Null,
            1 => Type::Array,
            2 => Type::Table,
            3 => Type::String,
            4 => Type::Int64,
            5 => Type::Int32,
            6 => Type::Int16,
            7 => Type::Int8,
            8 => Type::Double,
            _ => return None,
        })
    }
}

/// A value, borrowed from the message. Texts are bytes: the bus promises no encoding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// The elements, whose names mean nothing.
    Array(Fields<'a>),
    /// The fields.
    Table(Fields<'a>),
    /// The text without its NUL.
    String(&'a [u8]),
    /// A 64 bit integer.
    Int64(i64),
    /// A 32 bit integer.
    Int32(i32),
    /// A 16 bit integer.
    Int16(i16),
    /// An 8 bit integer or a boolean.
    Int8(i8),
    /// A floating point number.
    Double(f64),
}

impl<'a> Value<'a> {
    fn read(kind: Type, data: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match kind {
            Type::Null => Value::Null,
            Type::Array => Value::Array(Fields::new(data)),
            Type::Table => Value::Table(Fields::new(data)),
            Type::String => Value::String(text(data).ok_or(Malformed)?),
            Type::Int64 => Value::Int64(i64::from_be_bytes(fixed(data)?)),
            Type::Int32 => Value::Int32(i32::from_be_bytes(fixed(data)?)),
            Type::Int16 => Value::Int16(i16::from_be_bytes(fixed(data)?)),
            Type::Int8 => Value::Int8(i8::from_be_bytes(fixed(data)?)),
            Type::Double => Value::Double(f64::from_be_bytes(fixed(data)?)),
        })
    }

    /// The value's type.
    pub fn kind(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Array(_) => Type::Array,
            Value::Table(_) => Type::Table,
            Value::String(_) => Type::String,
            Value::Int64(_) => Type::Int64,
            Value::Int32(_) => Type::Int32,
            Value::Int16(_) => Type::Int16,
            Value::Int8(_) => Type::Int8,
            Value::Double(_) => Type::Double,
        }
    }

    /// The text, of a string.
    pub fn as_text(&self) -> Option<&'a [u8]> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of an integer of any width.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::Int64(number) => Some(number),
            Value::Int32(number) => Some(number.into()),
            Value::Int16(number) => Some(number.into()),
            Value::Int8(number) => Some(number.into()),
            _ => None,
        }
    }

    /// The boolean, of an 8 bit integer: everything but 0 is true.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Int8(number) => Some(*number != 0),
            _ => None,
        }
    }
}

/// A value with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// The name, empty for an array's elements.
    pub name: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Field<'a> {
    fn read(attr: Attr<'a>) -> Result<Self, Malformed> {
        let raw = RawField::read(attr)?;
        let kind = Type::from_id(raw.id).ok_or(Malformed)?;
        let value = Value::read(kind, raw.data)?;
        Ok(Field {
            name: raw.name,
            value,
        })
    }
}

/// A field whose value was not looked at: enough for the smallest users, who know which types they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// The id of the value's [`Type`], or a number that is none.
    pub id: u8,
    /// The name, empty for an array's elements.
    pub name: &'a [u8],
    /// The value's bytes.
    pub data: &'a [u8],
}

impl<'a> RawField<'a> {
    /// Takes the name off an attribute.
    ///
    /// # Errors
    /// [`Malformed`] if it has none.
    pub fn read(attr: Attr<'a>) -> Result<Self, Malformed> {
        let (length, rest) = attr.data.split_first_chunk().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        // Name and terminator: like any text it ends at its first NUL.
        let name = rest.get(..=length).and_then(text).ok_or(Malformed)?;
        let data = attr.data.get(padded(length + 3)..).ok_or(Malformed)?;
        if !attr.extended {
            return Err(Malformed);
        }
        Ok(RawField {
            id: attr.id,
            name,
            data,
        })
    }

    /// The value up to its NUL, if it ends with one as a string does.
    pub fn as_text(&self) -> Option<&'a [u8]> {
        text(self.data)
    }
}

/// The fields in a run of bytes, in order; also the elements of an array. After [`Malformed`] it ends.
///
/// Each step looks at one field only: what is wrong inside of a nested table shows when that table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    attrs: Attrs<'a>,
}

impl<'a> Fields<'a> {
    /// Reads `bytes`, which hold blobmsg attributes and nothing else: the data of a blob, not the blob with its header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Fields {
            attrs: Attrs::new(bytes),
        }
    }

    /// What was not read yet, as blobmsg.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.attrs.as_bytes()
    }

    /// The first field of this name.
    ///
    /// # Errors
    /// [`Malformed`] if something before it is.
    pub fn find(self, name: impl AsRef<[u8]>) -> Result<Option<Value<'a>>, Malformed> {
        let name = name.as_ref();
        for field in self {
            let field = field?;
            if field.name == name {
                return Ok(Some(field.value));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.attrs.next()?.and_then(Field::read);
        if field.is_err() {
            self.attrs = Attrs::new(&[]);
        }
        Some(field)
    }
}

fn fixed<const N: usize>(data: &[u8]) -> Result<[u8; N], Malformed> {
    data.try_into().map_err(|_| Malformed)
}
