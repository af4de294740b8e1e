//! Where values are written: a bus message, or a JSON text in one line.

use crate::plain::stands_in_json;
use crate::Encode;
use serde::Serialize;
use ubus::{Fields, Full, Nested, Type, Value, Writer, MAX_DEPTH};

/// What is written so far. Nothing here returns an error: the first failure is kept, and
/// [`Out::finish`] tells.
#[derive(Debug)]
pub struct Out<'a> {
    form: Form<'a>,
    failed: bool,
    /// The fields of the next object go where it would stand.
    inline: bool,
}

#[derive(Debug)]
enum Form<'a> {
    Bus(Writer<'a, Vec<u8>>),
    Text {
        text: &'a mut Vec<u8>,
        /// Whether values have names where the next one goes.
        named: bool,
    },
}

/// A list or an object that is open.
#[derive(Debug)]
#[must_use = "it ends when it is closed"]
pub struct Open(Inside);

#[derive(Debug)]
enum Inside {
    Same,
    Bus(Nested),
    Text { end: u8, named: bool },
}

impl<'a> Out<'a> {
    /// Appends blobmsg to `bytes`.
    pub fn bus(bytes: &'a mut Vec<u8>) -> Self {
        Out {
            form: Form::Bus(Writer::new(bytes)),
            failed: false,
            inline: false,
        }
    }

    /// Appends JSON to `text`.
    pub fn text(text: &'a mut Vec<u8>) -> Self {
        Out {
            form: Form::Text { text, named: false },
            failed: false,
            inline: false,
        }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// [`Full`] where a length does not fit into a message, or a number into 64 bits with a sign.
    pub fn finish(self) -> Result<(), Full> {
        match self.form {
            _ if self.failed => Err(Full),
            Form::Bus(writer) => writer.finish(),
            Form::Text { .. } => Ok(()),
        }
    }

    /// A text; what is not UTF-8 in it gets replacement characters.
    pub fn string(&mut self, name: &str, value: &[u8]) {
        match &mut self.form {
            Form::Bus(writer) => writer.string(name, value),
            Form::Text { text, named } => {
                begin(text, *named, name.as_bytes());
                quote(text, value);
            }
        }
    }

    /// True or false.
    pub fn bool(&mut self, name: &str, value: bool) {
        match &mut self.form {
            Form::Bus(writer) => writer.bool(name, value),
            Form::Text { .. } => self.word(name, if value { b"true" } else { b"false" }),
        }
    }

    /// A number.
    pub fn int(&mut self, name: &str, value: i64) {
        match &mut self.form {
            Form::Bus(writer) => writer.int(name, value),
            Form::Text { .. } => self.scalar(name, &value),
        }
    }

    /// The same of what has no sign.
    pub fn uint(&mut self, name: &str, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.int(name, value),
            Err(_) => self.failed = true,
        }
    }

    /// A number that is not whole.
    pub fn double(&mut self, name: &str, value: f64) {
        match &mut self.form {
            Form::Bus(writer) => writer.double(name, value),
            Form::Text { .. } => self.scalar(name, &value),
        }
    }

    /// Nothing.
    pub fn null(&mut self, name: &str) {
        match &mut self.form {
            Form::Bus(writer) => writer.null(name),
            Form::Text { .. } => self.word(name, b"null"),
        }
    }

    /// A value as it was read.
    pub fn value(&mut self, name: &str, value: Value<'_>) {
        match &mut self.form {
            Form::Bus(writer) => match value {
                Value::Null => writer.null(name),
                Value::String(text) => writer.string(name, text),
                Value::Int8(number) => writer.int8(name, number),
                Value::Int16(number) => writer.int16(name, number),
                Value::Int32(number) => writer.int32(name, number),
                Value::Int64(number) => writer.int64(name, number),
                Value::Double(number) => writer.double(name, number),
                Value::Array(inside) | Value::Table(inside) => {
                    writer.nested(value.kind(), name, inside.as_bytes());
                }
            },
            Form::Text { text, named } => {
                begin(text, *named, name.as_bytes());
                self.failed |= append(text, value, MAX_DEPTH).is_none();
            }
        }
    }

    /// A value that is JSON already; false, and nothing done, where something else is written.
    pub(crate) fn json(&mut self, name: &str, value: &[u8]) -> bool {
        match &mut self.form {
            Form::Bus(_) => false,
            Form::Text { text, named } => {
                begin(text, *named, name.as_bytes());
                text.extend_from_slice(value);
                true
            }
        }
    }

    /// Begins a list, whose entries have no names.
    pub fn list(&mut self, name: &str) -> Open {
        self.open(name, Type::Array, *b"[]")
    }

    /// Begins an object.
    pub fn object(&mut self, name: &str) -> Open {
        match std::mem::take(&mut self.inline) {
            true => Open(Inside::Same),
            false => self.open(name, Type::Table, *b"{}"),
        }
    }

    /// Writes the fields of an object into the one that is open.
    pub fn inline(&mut self, object: &dyn Encode) {
        self.inline = true;
        object.encode("", self);
        // Somebody gave something else than an object.
        self.failed |= std::mem::take(&mut self.inline);
    }

    fn open(&mut self, name: &str, kind: Type, [first, end]: [u8; 2]) -> Open {
        Open(match &mut self.form {
            Form::Bus(writer) => Inside::Bus(writer.open(kind, name)),
            Form::Text { text, named } => {
                begin(text, *named, name.as_bytes());
                text.push(first);
                let outside = std::mem::replace(named, first == b'{');
                Inside::Text {
                    end,
                    named: outside,
                }
            }
        })
    }

    /// Ends what was begun last.
    pub fn close(&mut self, open: Open) {
        match (&mut self.form, open.0) {
            (Form::Bus(writer), Inside::Bus(nested)) => writer.close(nested),
            (
                Form::Text { text, named },
                Inside::Text {
                    end,
                    named: outside,
                },
            ) => {
                text.push(end);
                *named = outside;
            }
            (_, Inside::Same) => {}
            // It was begun elsewhere.
            _ => self.failed = true,
        }
    }

    fn word(&mut self, name: &str, word: &[u8]) {
        if let Form::Text { text, named } = &mut self.form {
            begin(text, *named, name.as_bytes());
            text.extend_from_slice(word);
        }
    }

    fn scalar(&mut self, name: &str, value: &dyn Scalar) {
        if let Form::Text { text, named } = &mut self.form {
            begin(text, *named, name.as_bytes());
            value.append(text);
        }
    }
}

/// What stands before a value: a comma, its name.
fn begin(text: &mut Vec<u8>, named: bool, name: &[u8]) {
    if !matches!(text.last(), None | Some(b'[' | b'{')) {
        text.push(b',');
    }
    if named {
        quote(text, name);
        text.push(b':');
    }
}

/// Writes a value as it was read, unless it is malformed or too deep.
fn append(text: &mut Vec<u8>, value: Value<'_>, depth: usize) -> Option<()> {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::String(value) => quote(text, value),
        Value::Double(number) => number.append(text),
        Value::Int8(number) => (number != 0).append(text),
        Value::Array(items) => append_all(text, items, false, *b"[]", depth)?,
        Value::Table(fields) => append_all(text, fields, true, *b"{}", depth)?,
        _ => value.as_i64()?.append(text),
    }
    Some(())
}

fn append_all(
    text: &mut Vec<u8>,
    fields: Fields<'_>,
    named: bool,
    [first, end]: [u8; 2],
    depth: usize,
) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    text.push(first);
    for field in fields {
        let field = field.ok()?;
        begin(text, named, field.name);
        append(text, field.value, depth)?;
    }
    text.push(end);
    Some(())
}

/// Most texts stand in JSON as they are.
#[inline(never)]
fn quote(text: &mut Vec<u8>, value: &[u8]) {
    if stands_in_json(value) {
        text.reserve(value.len() + 2);
        text.push(b'"');
        text.extend_from_slice(value);
        text.push(b'"');
    } else {
        String::from_utf8_lossy(value).as_ref().append(text);
    }
}

/// What serde_json writes.
trait Scalar {
    fn append(&self, text: &mut Vec<u8>);
}

impl<T: Serialize + ?Sized> Scalar for T {
    fn append(&self, text: &mut Vec<u8>) {
        // Nothing but the memory can run out when a scalar is appended to a vector.
        let _ = serde_json::to_writer(text, self);
    }
}
