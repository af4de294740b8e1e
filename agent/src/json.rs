//! The one way between our types and JSON or the bus (crate `data`), with the agent's errors.
//!
//! Package indexes, which are large and of which little is kept, go another way: `server::index`.

use crate::error::{Error, Kind};
pub use data::{
    list, only_field, Data, Decode, Encode, Fields, Joined, Kept, Object, Out, Unexpected, Value,
};

fn not_understood(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::Internal,
        format!("Something can't be understood: {error}."),
    )
}

impl From<Unexpected> for Error {
    fn from(error: Unexpected) -> Error {
        not_understood(&error)
    }
}

/// What a value says.
pub fn read<T: Decode + Default>(value: Value<'_>) -> Result<T, Error> {
    Ok(data::read(value)?)
}

/// What a bus message says.
pub fn from_bus<T: Decode + Default>(message: &[u8]) -> Result<T, Error> {
    read(Value::Table(Fields::new(message)))
}

/// What a JSON text says.
pub fn from_text<T: Decode + Default>(text: &[u8]) -> Result<T, Error> {
    let data = Data::parse(text).map_err(|error| not_understood(&error))?;
    read(data.value())
}

/// An object as a bus message: its fields.
pub fn to_bus(object: &dyn Encode) -> Result<Vec<u8>, Error> {
    let data = Data::of(object).map_err(|error| not_understood(&error))?;
    Ok(data.into_message())
}

/// Anything as a JSON text in one line, without its end.
pub fn text(anything: &dyn Encode) -> Result<String, Error> {
    data::text(anything).map_err(|error| not_understood(&error))
}

/// The same with its end.
pub fn line(anything: &dyn Encode) -> Result<String, Error> {
    let mut line = text(anything)?;
    line.push('\n');
    Ok(line)
}
