//! The one way between our types and JSON or the bus: through [`Value`].
//!
//! Every type that is read by one more kind of deserializer costs its code once more; with five of
//! them that was a third of the program on a router. So text and bus messages become a `Value`, in
//! functions that exist once, and only a `Value` becomes anything else. (Package indexes, which are
//! large and of which little is kept, go another way: `server::index`.)

mod read;

use crate::error::{Error, Kind};
use serde::{de::DeserializeOwned, Serialize};
pub use serde_json::Value;

fn not_understood(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::Internal,
        format!("Something can't be understood: {error}."),
    )
}

/// What a value says.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    understand(value).map_err(|error| not_understood(&error))
}

/// The same, for those who have words of their own for what they were given.
pub(crate) fn understand<T: DeserializeOwned>(value: Value) -> Result<T, read::Unexpected> {
    T::deserialize(read::Reader(value))
}

/// Anything as a value, by way of its text: serde_json's own way would be one more kind of serializer.
pub fn value<T: Serialize + ?Sized>(anything: &T) -> Result<Value, Error> {
    parse(text(anything)?.as_bytes())
}

/// The value of a text, which may be nested 128 deep.
#[inline(never)]
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).map_err(|error| not_understood(&error))
}

/// Anything as a text in one line, without its end.
pub fn text<T: Serialize + ?Sized>(anything: &T) -> Result<String, Error> {
    serde_json::to_string(anything).map_err(|error| not_understood(&error))
}

/// The same with its end.
pub fn line<T: Serialize + ?Sized>(anything: &T) -> Result<String, Error> {
    let mut line = text(anything)?;
    line.push('\n');
    Ok(line)
}

/// The value of a bus message.
#[inline(never)]
pub fn from_bus(message: &[u8]) -> Result<Value, Error> {
    ubus::from_blobmsg(message).map_err(|error| not_understood(&error))
}

/// A value as a bus message.
#[inline(never)]
pub fn to_bus(value: &Value) -> Result<Vec<u8>, Error> {
    ubus::to_blobmsg(value).map_err(|error| not_understood(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Goal, Status};
    use serde_json::json;

    #[test]
    fn the_bus_gives_back_what_it_got() {
        let sent = json!({"all": true, "n": -5, "big": 1u64 << 40, "none": null, "list": ["a", {"b": false}]});
        assert_eq!(from_bus(&to_bus(&sent).unwrap()).unwrap(), sent);
        assert_eq!(parse(text(&sent).unwrap().as_bytes()).unwrap(), sent);
    }

    #[test]
    fn a_field_may_be_missing_where_it_has_a_default() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        struct Some {
            name: String,
            #[serde(default)]
            more: Vec<u8>,
            maybe: Option<i64>,
            #[serde(default)]
            #[serde(rename = "type")]
            kind: Vec<Goal>,
        }
        let some = |value| read::<Some>(value).map_err(|error| error.message);
        let expected = Some {
            name: "a".to_owned(),
            ..Some::default()
        };
        assert_eq!(some(json!({"x": [1], "name": "a"})).unwrap(), expected);
        assert_eq!(
            some(json!({"maybe": -1, "name": "a", "more": [1], "type": ["upgrade"]})).unwrap(),
            Some {
                name: "a".to_owned(),
                more: vec![1],
                maybe: Option::Some(-1),
                kind: vec![Goal::Upgrade],
            }
        );
        for (value, why) in [
            (json!({"more": []}), "missing field \"name\""),
            (json!([]), "a list instead of struct Some"),
            (json!({"name": 1}), "a number instead of a string"),
            (
                json!({"name": "a", "more": [256]}),
                "a wrong value instead of u8",
            ),
            (
                json!({"name": "a", "more": [1, null, 2]}),
                "nothing where something belongs",
            ),
            (json!({"name": "a", "maybe": "1"}), "a text instead of i64"),
            (
                json!({"name": "a", "type": ["away"]}),
                "\"away\" has no meaning here",
            ),
        ] {
            let error = some(value).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn our_types_go_there_and_back() {
        let status = Status::default();
        let there = from_bus(&to_bus(&value(&status).unwrap()).unwrap()).unwrap();
        assert_eq!(read::<Status>(there).unwrap(), status);
    }
}
