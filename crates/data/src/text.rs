//! JSON texts into the bus's form, as libubox's blobmsg_json has it; the grammar is serde_json's.

use crate::Out;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Writes the value of a text, as a field without a name.
pub fn parse(text: &[u8], out: &mut Out<'_>) -> Result<(), serde_json::Error> {
    // The whole of it is looked at in a fraction of what each text by itself takes.
    let text = std::str::from_utf8(text).map_err(serde::de::Error::custom)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    Field { name: "", out }.deserialize(&mut reader)?;
    reader.end()
}

/// Where the next value goes.
struct Field<'a, 'o, 'w> {
    name: &'a str,
    out: &'o mut Out<'w>,
}

impl<'de> DeserializeSeed<'de> for Field<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<(), D::Error> {
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.null(self.name);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.out.bool(self.name, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.out.int(self.name, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.out.int(self.name, value),
            // Nothing of ours is so large; whoever ignores the field is not bothered.
            Err(_) => self.out.double(self.name, value as f64),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.out.double(self.name, value);
        Ok(())
    }

    /// As it stands in the text, where a NUL can't stand.
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.out.string(self.name, value.as_bytes());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.out.string(self.name, whole(value).as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let list = self.out.list(self.name);
        let out = self.out;
        while items.next_element_seed(Field { name: "", out })?.is_some() {}
        out.close(list);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let object = self.out.object(self.name);
        let out = self.out;
        while let Some(Key(name)) = fields.next_key_seed(Key(Cow::Borrowed("")))? {
            fields.next_value_seed(Field { name: &name, out })?;
        }
        out.close(object);
        Ok(())
    }
}

/// A text with a NUL in it would end there for everybody who reads it: it gets a replacement character.
fn whole(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The name of a field; most are taken as they stand in the text.
struct Key<'de>(Cow<'de, str>);

impl<'de> DeserializeSeed<'de> for Key<'de> {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Self, D::Error> {
        text.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self, E> {
        Ok(Key(Cow::Owned(whole(name))))
    }
}
