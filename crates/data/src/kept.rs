//! Values that are passed on as they came.

use crate::{read, Data, Decode, Encode, Out, Unexpected, Value};
use std::marker::PhantomData;
use std::rc::Rc;

/// A `T` that somebody else will look at: kept in the bus's form, in which it costs a fraction of what it
/// costs to take it apart and put it together again. That it is a `T` shows when it is read.
#[derive(Debug)]
pub struct Kept<T> {
    data: Option<Rc<Data>>,
    /// The same as JSON, where it came so.
    text: Option<Rc<[u8]>>,
    of: PhantomData<T>,
}

impl<T: Decode + Default> Kept<T> {
    /// What it says.
    ///
    /// # Errors
    /// [`Unexpected`] where it is no `T`.
    pub fn read(&self) -> Result<T, Unexpected> {
        read(self.value())
    }
}

impl<T> Kept<T> {
    /// Keeps the text as well that it was read from: then it does not have to be written anew.
    pub fn keep_text(&mut self, text: &[u8]) {
        self.text = Some(text.into());
    }

    fn value(&self) -> Value<'_> {
        let data = self.data.as_ref();
        data.map_or(Value::Null, |data| data.value())
    }
}

impl<T> Decode for Kept<T> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        let data = Data::of(&value).map_err(|full| Unexpected::new(format_args!("{full}")))?;
        (self.data, self.text) = (Some(Rc::new(data)), None);
        Ok(())
    }
}

impl<T> Encode for Kept<T> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        match &self.text {
            Some(text) if out.json(name, text) => {}
            _ => self.value().encode(name, out),
        }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept {
            data: None,
            text: None,
            of: PhantomData,
        }
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept {
            data: self.data.clone(),
            text: self.text.clone(),
            of: PhantomData,
        }
    }
}

impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use std::collections::BTreeMap;

    const JSON: &str = r#"{"a":[1,true,null,2.5,""],"b":{"c":"d\u001b\"","e":4294967296}}"#;

    fn kept(json: &str) -> Kept<BTreeMap<String, serde_json::Value>> {
        let data = Data::parse(json.as_bytes()).unwrap();
        read(data.value()).unwrap()
    }

    #[test]
    fn it_is_passed_on_as_it_came() {
        let kept = kept(JSON);
        assert_eq!(text(&kept).unwrap(), JSON);
        let again = Data::of(&kept).unwrap();
        assert_eq!(again, Data::parse(JSON.as_bytes()).unwrap());
        assert_eq!(kept.read().unwrap().len(), 2);
        assert_eq!(kept, kept.clone());
        assert_eq!(text(&Kept::<u8>::default()).unwrap(), "null");
    }

    #[test]
    fn a_text_that_was_kept_is_written_and_the_rest_is_not_read_from_it() {
        let mut kept = kept(JSON);
        kept.keep_text(b"{ }");
        let both = crate::Object(&[("x", &1), ("kept", &kept)]);
        assert_eq!(text(&both).unwrap(), r#"{"x":1,"kept":{ }}"#);
        assert_eq!(kept.read().unwrap().len(), 2);
        assert_eq!(
            Data::of(&kept).unwrap(),
            Data::parse(JSON.as_bytes()).unwrap()
        );
    }

    #[test]
    fn what_is_not_expected_shows_when_it_is_read() {
        let data = Data::parse(b"[1]").unwrap();
        let kept: Kept<String> = read(data.value()).unwrap();
        assert!(kept.read().is_err());
    }

    #[test]
    fn what_is_malformed_or_too_deep_is_not_written_as_text() {
        let nested = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        for (depth, is_written) in [(63, true), (64, true), (65, false), (100, false)] {
            let data = Data::parse(&nested(depth)).unwrap();
            assert_eq!(text(&data.value()).is_ok(), is_written, "{depth}");
        }
        let malformed = Value::Array(ubus::Fields::new(&[0x83, 0, 0, 9, 0, 0, 0, 0, b'a']));
        assert!(text(&malformed).is_err());
    }
}
