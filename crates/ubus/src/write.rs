//! Writing blob and blobmsg attributes.

use core::fmt;

use crate::blob::{header, padded, padding, HEADER, MAX_ATTR};
use crate::blobmsg::Type;

/// Where a [`Writer`] puts its bytes: something that grows.
pub trait Sink {
    /// Appends `bytes`, or gives false and leaves the sink as it was if there is no room.
    #[must_use]
    fn put(&mut self, bytes: &[u8]) -> bool;

    /// Everything put so far; lengths are filled in here once they are known.
    fn written(&mut self) -> &mut [u8];
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> bool {
        let room = self.capacity() - self.len();
        if room < bytes.len() && self.try_reserve(bytes.len()).is_err() {
            return false;
        }
        self.extend_from_slice(bytes);
        true
    }

    fn written(&mut self) -> &mut [u8] {
        self
    }
}

/// The sink had no room, or a length did not fit into its field (24 bits for a value, 16 for a name).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is too large")
    }
}

impl core::error::Error for Full {}

/// An attribute that is open: [`Writer::close`] fills in its length.
#[derive(Debug)]
#[must_use = "its length is written when it is closed"]
pub struct Nested {
    start: usize,
}

/// Writes attributes one after another.
///
/// Nothing here returns an error: the first failure is kept, nothing more is written, and [`Writer::finish`] tells. That keeps the
/// callers, and their code, small.
#[derive(Debug)]
pub struct Writer<'a, S: Sink> {
    sink: &'a mut S,
    failed: bool,
}

impl<'a, S: Sink> Writer<'a, S> {
    /// Appends to what `sink` already holds.
    pub fn new(sink: &'a mut S) -> Self {
        Writer {
            sink,
            failed: false,
        }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// [`Full`] if anything could not be written; the sink then holds an unusable part.
    pub fn finish(self) -> Result<(), Full> {
        if self.failed {
            Err(Full)
        } else {
            Ok(())
        }
    }

    /// A blobmsg string. C programs see it up to the first NUL byte in it.
    pub fn string(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.value(Type::String, name.as_ref(), value.as_ref(), 1);
    }

    /// A blobmsg boolean (type 7).
    pub fn bool(&mut self, name: impl AsRef<[u8]>, value: bool) {
        self.value(Type::Int8, name.as_ref(), &[u8::from(value)], 0);
    }

    /// An integer as libubox makes it from JSON: 32 bit where the value fits, else 64.
    pub fn int(&mut self, name: impl AsRef<[u8]>, value: i64) {
        match i32::try_from(value) {
            Ok(small) => self.int32(name, small),
            Err(_) => self.int64(name, value),
        }
    }

    /// An 8 bit integer, the same on the wire as a boolean.
    pub fn int8(&mut self, name: impl AsRef<[u8]>, value: i8) {
        self.value(Type::Int8, name.as_ref(), &value.to_be_bytes(), 0);
    }

    /// A 16 bit integer.
    pub fn int16(&mut self, name: impl AsRef<[u8]>, value: i16) {
        self.value(Type::Int16, name.as_ref(), &value.to_be_bytes(), 0);
    }

    /// A 32 bit integer.
    pub fn int32(&mut self, name: impl AsRef<[u8]>, value: i32) {
        self.value(Type::Int32, name.as_ref(), &value.to_be_bytes(), 0);
    }

    /// A 64 bit integer.
    pub fn int64(&mut self, name: impl AsRef<[u8]>, value: i64) {
        self.value(Type::Int64, name.as_ref(), &value.to_be_bytes(), 0);
    }

    /// A floating point number.
    pub fn double(&mut self, name: impl AsRef<[u8]>, value: f64) {
        self.value(Type::Double, name.as_ref(), &value.to_be_bytes(), 0);
    }

    /// Null.
    pub fn null(&mut self, name: impl AsRef<[u8]>) {
        self.value(Type::Null, name.as_ref(), &[], 0);
    }

    /// A table, whose fields `fill` writes.
    pub fn table(&mut self, name: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) {
        let table = self.open(Type::Table, name);
        fill(self);
        self.close(table);
    }

    /// An array, whose elements `fill` writes with empty names.
    pub fn array(&mut self, name: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) {
        let array = self.open(Type::Array, name);
        fill(self);
        self.close(array);
    }

    /// A table or an array that is encoded already: what is in it, as [`Fields::as_bytes`](crate::Fields::as_bytes) gives it.
    pub fn nested(&mut self, kind: Type, name: impl AsRef<[u8]>, encoded: &[u8]) {
        self.value(kind, name.as_ref(), encoded, 0);
    }

    /// Opens a blobmsg table or array; what is written until [`Writer::close`] belongs to it.
    pub fn open(&mut self, kind: Type, name: impl AsRef<[u8]>) -> Nested {
        let nested = Nested { start: self.len() };
        self.value(kind, name.as_ref(), &[], 0);
        nested
    }

    /// Opens a plain attribute; what is written until [`Writer::close`] is its data.
    pub fn open_attr(&mut self, id: u8) -> Nested {
        let nested = Nested { start: self.len() };
        self.put(&header(false, id, HEADER));
        nested
    }

    /// Closes what was opened last.
    #[inline(never)] // It is small, but called all over the plugin.
    pub fn close(&mut self, nested: Nested) {
        let length = self.len().wrapping_sub(nested.start);
        let fits = length <= MAX_ATTR;
        let place = self.sink.written().get_mut(nested.start..);
        match place.and_then(|bytes| bytes.first_chunk_mut::<HEADER>()) {
            Some(word) if fits => {
                let [_, length @ ..] = (length as u32).to_be_bytes();
                let [_, place @ ..] = word;
                *place = length;
            }
            _ => self.failed = true,
        }
    }

    /// A plain attribute with this data.
    pub fn attr(&mut self, id: u8, data: &[u8]) {
        let length = data.len().saturating_add(HEADER);
        if length > MAX_ATTR {
            self.failed = true;
        }
        self.put(&header(false, id, length));
        self.put(data);
        self.pad(length);
    }

    /// A plain attribute that holds a text and its NUL.
    pub fn text_attr(&mut self, id: u8, text: impl AsRef<[u8]>) {
        let attr = self.open_attr(id);
        self.put(text.as_ref());
        self.put(&[0]);
        self.close_unpadded(attr);
    }

    /// A plain attribute that holds a 32 bit number.
    pub fn u32_attr(&mut self, id: u8, value: u32) {
        self.attr(id, &value.to_be_bytes());
    }

    /// Attributes that are already encoded and padded.
    pub fn encoded(&mut self, attrs: &[u8]) {
        self.put(attrs);
        self.pad(attrs.len());
    }

    /// One blobmsg attribute, whose value has `ends` NULs behind it.
    fn value(&mut self, kind: Type, name: &[u8], value: &[u8], ends: usize) {
        // The name has its length before it and a NUL behind it.
        let named = padded(name.len() + 3);
        let length = named
            .saturating_add(value.len())
            .saturating_add(HEADER + ends);
        if name.len() > u16::MAX.into() || length > MAX_ATTR {
            self.failed = true;
        }
        self.head(header(true, kind as u8, length), name);
        self.put(value);
        self.zeros(ends + padding(length));
    }

    /// An attribute's header, and its name with the length before it and the NULs behind it.
    fn head(&mut self, [a, b, c, d]: [u8; HEADER], name: &[u8]) {
        let [e, f] = (name.len() as u16).to_be_bytes();
        let length = HEADER + padded(name.len() + 3);
        // Put together beforehand: most of what is written are short names. The plugin has no room for it.
        #[cfg(feature = "serde")]
        {
            let mut head = [0; 32];
            let [h0, h1, h2, h3, h4, h5, place @ ..] = &mut head;
            (*h0, *h1, *h2, *h3, *h4, *h5) = (a, b, c, d, e, f);
            if let (Some(place), true) = (place.get_mut(..name.len()), length <= 32) {
                place.copy_from_slice(name);
                return self.put(head.get(..length).unwrap_or_default());
            }
        }
        self.put(&[a, b, c, d, e, f]);
        self.put(name);
        self.zeros(length.wrapping_sub(name.len() + HEADER + 2));
    }

    /// Closes an attribute whose data may end anywhere: the padding does not count in its length.
    fn close_unpadded(&mut self, attr: Nested) {
        let length = self.len().wrapping_sub(attr.start);
        self.close(attr);
        self.pad(length);
    }

    fn pad(&mut self, length: usize) {
        self.zeros(padding(length));
    }

    /// At most four.
    fn zeros(&mut self, count: usize) {
        self.put([0u8; 4].get(..count).unwrap_or(&[]));
    }

    fn put(&mut self, bytes: &[u8]) {
        self.failed = self.failed || !self.sink.put(bytes);
    }

    fn len(&mut self) -> usize {
        self.sink.written().len()
    }
}
