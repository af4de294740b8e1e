//! Plain types into JSON and bus messages and out of them, with little code for each type.
//!
//! What is read has one form here, blobmsg, the bus's own: JSON texts are brought into it first. What is
//! written goes into either. So each type has one reader and one writer, whatever it comes from and goes to,
//! and no tree of values is built for a plan of a thousand packages.
//!
//! A type gets [`Decode`] and [`Encode`] by derive. Unlike serde's they make no code for each type but a
//! list of its fields, which two functions walk through that exist once.
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod kept;
mod out;
mod plain;
pub mod strings;
mod text;
mod tree;

pub use data_derive::{Decode, Encode};
pub use decode::{
    entries as decode_entries, list, only_field, owned, record as decode_record, word, Decode,
    Name, Unexpected,
};
pub use encode::{entries as encode_entries, record as encode_record, Encode, Joined, Object};
pub use kept::Kept;
pub use out::{Open, Out};
pub use plain::is_printable;
pub use ubus::{Fields, Full, Type, Value};

/// A value by itself: one field without a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Data(Vec<u8>);

impl Data {
    /// What stands before the value: its length and the length of the empty name.
    const HEAD: usize = 8;

    /// Of anything.
    ///
    /// # Errors
    /// [`Full`] where a length does not fit into its field, or a number into 64 bits with a sign.
    #[inline(never)]
    pub fn of(anything: &dyn Encode) -> Result<Data, Full> {
        let mut bytes = Vec::new();
        let mut out = Out::bus(&mut bytes);
        anything.encode("", &mut out);
        out.finish()?;
        Ok(Data(bytes))
    }

    /// Of a JSON text.
    ///
    /// # Errors
    /// Where and why it is none, in serde_json's words.
    #[inline(never)]
    pub fn parse(text: &[u8]) -> Result<Data, serde_json::Error> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut out = Out::bus(&mut bytes);
        text::parse(text, &mut out)?;
        out.finish().map_err(serde::de::Error::custom)?;
        Ok(Data(bytes))
    }

    /// The value.
    pub fn value(&self) -> Value<'_> {
        let field = Fields::new(&self.0).next();
        field
            .and_then(Result::ok)
            .map_or(Value::Null, |field| field.value)
    }

    /// An object as a bus message: its fields.
    pub fn into_message(self) -> Vec<u8> {
        let Data(mut bytes) = self;
        bytes.drain(..Data::HEAD.min(bytes.len()));
        bytes
    }
}

/// Anything as a JSON text in one line, without its end.
///
/// # Errors
/// [`Full`] where a number does not fit into 64 bits with a sign.
#[inline(never)]
pub fn text(anything: &dyn Encode) -> Result<String, Full> {
    let mut text = Vec::new();
    let mut out = Out::text(&mut text);
    anything.encode("", &mut out);
    out.finish()?;
    String::from_utf8(text).map_err(|_| Full)
}

/// What a value says.
///
/// # Errors
/// [`Unexpected`] where that is not what the type expects.
pub fn read<T: Decode + Default>(value: Value<'_>) -> Result<T, Unexpected> {
    let mut read = T::default();
    read.decode(value)?;
    Ok(read)
}
