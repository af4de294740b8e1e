//! `/ubus`: JSON-RPC as uhttpd's ubus plugin answers it (tests/recorded/exchanges.json).

use serde_json::{json, Value};

use crate::backend::NoAnswer;
use crate::server::Host;
use crate::{files, uci_object};

const PARSE: (i32, &str) = (-32700, "Parse error");
const METHOD: (i32, &str) = (-32601, "Method not found");
const PARAMS: (i32, &str) = (-32602, "Invalid parameters");
const OBJECT: (i32, &str) = (-32000, "Object not found");
const ACCESS: (i32, &str) = (-32002, "Access denied");
const TIMEOUT: (i32, &str) = (-32003, "ubus request timed out");

/// The session of who has not logged in.
const NOBODY: &str = "00000000000000000000000000000000";

/// ubus' status for "you may not".
pub const PERMISSION_DENIED: u32 = 6;

type Failure = (i32, &'static str);

/// Answers a request or a batch.
pub fn answer(host: &Host, body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(Value::Array(requests)) => requests
            .iter()
            .map(|request| single(host, request))
            .collect(),
        Ok(request) => single(host, &request),
        Err(_) => failed(&Value::Null, PARSE),
    }
}

fn single(host: &Host, request: &Value) -> Value {
    let id = request.get("id").unwrap_or(&Value::Null);
    let params = request.get("params").unwrap_or(&Value::Null);
    let outcome = match request.get("method").and_then(Value::as_str) {
        Some("call") => call(host, params),
        Some("list") => Ok(list(host, params)),
        Some(_) => Err(METHOD),
        None => Err(PARSE),
    };
    match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(failure) => failed(id, failure),
    }
}

fn failed(id: &Value, (code, message): Failure) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A call in uhttpd's order: the form, the object, the right, and only then the method itself.
fn call(host: &Host, params: &Value) -> Result<Value, Failure> {
    let text = |index: usize| params.get(index).and_then(Value::as_str).ok_or(PARSE);
    let (session, object, method) = (text(0)?, text(1)?, text(2)?);
    let arguments = params.get(3).filter(|a| a.is_object()).ok_or(PARSE)?;

    let ours = matches!(object, "session" | "uci" | "file");
    if !ours && !host.backend.has(object) {
        return Err(OBJECT);
    }
    let known = session == NOBODY || host.sessions.user(session).is_some();
    let open = known && open_to_all(object, method);
    if !host.may(session, "ubus", object, method) && !open {
        return Err(ACCESS);
    }
    if arguments.get("ubus_rpc_session").is_some() {
        return Err(PARAMS);
    }

    let answered = match object {
        "session" => session_call(host, session, method, arguments),
        "uci" => uci_object::call(host, session, method, arguments),
        "file" => files::call(host, session, method, arguments),
        _ => on_the_bus(host, session, object, method, arguments),
    };
    match answered {
        Ok(Value::Null) => Ok(json!([0])),
        Ok(data) => Ok(json!([0, data])),
        Err(NoAnswer::Status(status)) => Ok(json!([status])),
        Err(NoAnswer::NoObject) => Err(OBJECT),
        Err(NoAnswer::Timeout) => Err(TIMEOUT),
    }
}

/// rpcd's group `unauthenticated`: for everybody with a session, and for who has not logged in.
fn open_to_all(object: &str, method: &str) -> bool {
    object == "session" && matches!(method, "login" | "access")
}

fn on_the_bus(
    host: &Host,
    session: &str,
    object: &str,
    method: &str,
    arguments: &Value,
) -> Result<Value, NoAnswer> {
    let mut arguments = arguments.clone();
    arguments["ubus_rpc_session"] = Value::from(session);
    host.backend.call(object, method, &arguments)
}

fn session_call(
    host: &Host,
    session: &str,
    method: &str,
    arguments: &Value,
) -> Result<Value, NoAnswer> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or("");
    match method {
        "login" => {
            let login = host.sessions.login(text("username"), text("password"));
            let session = login
                .ok()
                .flatten()
                .ok_or(NoAnswer::Status(PERMISSION_DENIED))?;
            Ok(
                json!({"ubus_rpc_session": session, "timeout": 300, "expires": 300,
                "data": {"username": text("username")}}),
            )
        }
        "access" if text("scope") == "access-group" => {
            let rights = host.rights(session);
            let groups = host.access.groups(&rights);
            let wanted = |(name, right): &(&str, crate::Right)| {
                *name == text("object") && right.name() == text("function")
            };
            Ok(json!({"access": groups.iter().any(wanted)}))
        }
        "access" => {
            let access = host.may(session, text("scope"), text("object"), text("function"));
            Ok(json!({ "access": access }))
        }
        _ => Err(NoAnswer::Status(PERMISSION_DENIED)),
    }
}

/// Names alone bring nothing; an object's name brings its methods.
fn list(host: &Host, params: &Value) -> Value {
    let names = params
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let known = names.filter_map(|name| Some((name.to_owned(), host.backend.signature(name)?)));
    Value::Object(known.collect())
}
