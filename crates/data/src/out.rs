//! Where values are written: a bus message, or a JSON text in one line.

use crate::Encode;
use serde::Serialize;
use ubus::{Full, Nested, Type, Writer};

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
                begin(text, *named, name);
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
                begin(text, *named, name);
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
            begin(text, *named, name);
            text.extend_from_slice(word);
        }
    }

    fn scalar(&mut self, name: &str, value: &dyn Scalar) {
        if let Form::Text { text, named } = &mut self.form {
            begin(text, *named, name);
            value.append(text);
        }
    }
}

/// What stands before a value: a comma, its name.
fn begin(text: &mut Vec<u8>, named: bool, name: &str) {
    if !matches!(text.last(), None | Some(b'[' | b'{')) {
        text.push(b',');
    }
    if named {
        quote(text, name.as_bytes());
        text.push(b':');
    }
}

/// Most texts stand in JSON as they are.
#[inline(never)]
fn quote(text: &mut Vec<u8>, value: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\');
    if value.iter().all(plain) {
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
