//! From our types into bus messages and JSON texts.

use crate::{Name, Out, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What can be written.
pub trait Encode {
    /// Writes it as the field `name`; as an entry of a list it has none.
    fn encode(&self, name: &str, out: &mut Out<'_>);

    /// Whether there is nothing in it: such a field may be left out.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// Writes an object.
#[inline(never)]
pub fn record(name: &str, names: &[Name], values: &[&dyn Encode], out: &mut Out<'_>) {
    let object = out.object(name);
    for (name, value) in names.iter().zip(values) {
        if !(name.sparse && value.is_nothing()) {
            value.encode(name.name, out);
        }
    }
    out.close(object);
}

/// Writes an object whose names are not known beforehand.
#[inline(never)]
pub fn entries<'a>(
    name: &str,
    entries: &mut dyn Iterator<Item = (&'a str, &'a dyn Encode)>,
    out: &mut Out<'_>,
) {
    let object = out.object(name);
    for (name, value) in entries {
        value.encode(name, out);
    }
    out.close(object);
}

/// An object of which no type is made, because it is written in one place only.
pub struct Object<'a>(pub &'a [(&'a str, &'a dyn Encode)]);

impl Encode for Object<'_> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        entries(name, &mut self.0.iter().copied(), out);
    }
}

/// An object with the fields of several, no two of which may have a field of the same name.
pub struct Joined<'a>(pub &'a [&'a dyn Encode]);

impl Encode for Joined<'_> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let object = out.object(name);
        self.0.iter().for_each(|part| out.inline(*part));
        out.close(object);
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        (**self).encode(name, out);
    }

    fn is_nothing(&self) -> bool {
        (**self).is_nothing()
    }
}

impl Encode for Value<'_> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.value(name, *self);
    }
}

impl Encode for bool {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.bool(name, *self);
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {$(
        impl Encode for $number {
            fn encode(&self, name: &str, out: &mut Out<'_>) {
                out.int(name, (*self).into());
            }
        }
    )*};
}

numbers!(u8 i32 u32 i64);

impl Encode for u64 {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.uint(name, *self);
    }
}

impl Encode for str {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.string(name, self.as_bytes());
    }
}

impl Encode for String {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        self.as_str().encode(name, out);
    }
}

impl Encode for Path {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.string(name, self.as_os_str().as_encoded_bytes());
    }
}

impl Encode for PathBuf {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        self.as_path().encode(name, out);
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        match self {
            Some(value) => value.encode(name, out),
            None => out.null(name),
        }
    }

    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        (**self).encode(name, out);
    }
}

impl<T: Encode> Encode for Rc<T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        (**self).encode(name, out);
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let list = out.list(name);
        for item in self {
            item.encode("", out);
        }
        out.close(list);
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        self.as_slice().encode(name, out);
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Encode> Encode for BTreeMap<String, T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let mut pairs = self
            .iter()
            .map(|(name, value)| (name.as_str(), value as &dyn Encode));
        entries(name, &mut pairs, out);
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}
