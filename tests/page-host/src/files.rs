//! The ubus object `file`, of which the views use two methods.

use std::fs;

use serde_json::{json, Value};

use crate::backend::NoAnswer;
use crate::jsonrpc::PERMISSION_DENIED;
use crate::server::Host;

const INVALID_ARGUMENT: NoAnswer = NoAnswer::Status(2);
const NOT_FOUND: NoAnswer = NoAnswer::Status(4);

/// Answers `list` and `remove`.
pub fn call(
    host: &Host,
    session: &str,
    method: &str,
    arguments: &Value,
) -> Result<Value, NoAnswer> {
    let path = arguments
        .get("path")
        .and_then(Value::as_str)
        .ok_or(INVALID_ARGUMENT)?;
    let right = if method == "list" { "list" } else { "write" };
    if !host.may(session, "file", path, right) {
        return Err(NoAnswer::Status(PERMISSION_DENIED));
    }
    let place = host.below(path);
    match method {
        "list" => {
            let names = fs::read_dir(place).map_err(|_| NOT_FOUND)?.flatten();
            let entries = names.map(|entry| json!({"name": entry.file_name().to_string_lossy()}));
            Ok(json!({ "entries": entries.collect::<Value>() }))
        }
        "remove" => {
            fs::remove_file(place).map_err(|_| NOT_FOUND)?;
            Ok(Value::Null)
        }
        _ => Err(NoAnswer::Status(3)),
    }
}
