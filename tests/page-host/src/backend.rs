//! Where calls of ubus objects go: to a bus, or to answers that a test has written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{json, Map, Value};
use ubus::{Bus, Status, Type};

/// As long as uhttpd waits for an answer (its script_timeout).
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why a call has no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// There is no such object.
    NoObject,
    /// The call ended with this status of ubus.
    Status(u32),
    /// Nothing came in time.
    Timeout,
}

/// Where the objects are.
#[derive(Clone, Debug)]
pub enum Backend {
    /// On the bus behind this socket.
    Bus(PathBuf),
    /// In a script.
    Scripted(Arc<Scripted>),
}

impl Backend {
    /// Calls a method. `Null` where it answered without data. Blocks until there is an answer.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub fn call(&self, object: &str, method: &str, arguments: &Value) -> Result<Value, NoAnswer> {
        match self {
            Backend::Bus(socket) => {
                let mut bus = Bus::connect(socket).map_err(|_| NoAnswer::NoObject)?;
                let known = bus.lookup(object).map_err(|error| no_answer(&error))?;
                if known.is_empty() {
                    return Err(NoAnswer::NoObject);
                }
                bus.call(object, method, arguments, TIMEOUT)
                    .map_err(|error| no_answer(&error))
            }
            Backend::Scripted(script) => script.call(object, method, arguments),
        }
    }

    /// Whether the object is there.
    pub fn has(&self, object: &str) -> bool {
        match self {
            Backend::Bus(socket) => Bus::connect(socket)
                .and_then(|mut bus| bus.lookup(object))
                .is_ok_and(|objects| !objects.is_empty()),
            Backend::Scripted(script) => script.lock().answers.get(object).is_some(),
        }
    }

    /// The object's methods with the types of their arguments, in uhttpd's words.
    pub fn signature(&self, object: &str) -> Option<Value> {
        let Backend::Bus(socket) = self else {
            return None;
        };
        let objects = Bus::connect(socket).ok()?.lookup(object).ok()?;
        let methods = objects.first()?.methods.iter().map(|method| {
            let arguments = method
                .arguments
                .iter()
                .map(|(name, kind)| (name.clone(), Value::from(type_name(*kind))));
            (
                method.name.clone(),
                Value::Object(arguments.collect::<Map<_, _>>()),
            )
        });
        Some(Value::Object(methods.collect()))
    }
}

fn no_answer(error: &ubus::Error) -> NoAnswer {
    match error.status() {
        Status::Timeout => NoAnswer::Timeout,
        Status::ConnectionFailed => NoAnswer::NoObject,
        status => NoAnswer::Status(status.code()),
    }
}

fn type_name(kind: Option<Type>) -> &'static str {
    match kind {
        Some(Type::Array) => "array",
        Some(Type::Table) => "object",
        Some(Type::String) => "string",
        Some(Type::Int64 | Type::Int32 | Type::Int16) => "number",
        Some(Type::Int8) => "boolean",
        _ => "unknown",
    }
}

/// Answers that a test has written, for states that are hard to reach otherwise.
///
/// `{"object": {"method": {"data": …, "status": 0, "delay": 0}}}`: status is that of ubus, delay in milliseconds. With
/// `"when": {"argument": NAME, "data": …}` the answer is another one where that argument is true.
#[derive(Debug, Default)]
pub struct Scripted(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    answers: Value,
    calls: Vec<Value>,
}

impl Scripted {
    /// Replaces all answers, and forgets which calls there were.
    pub fn set(&self, answers: Value) {
        let mut script = self.lock();
        script.answers = answers;
        script.calls.clear();
    }

    /// The calls since then: `[{object, method, arguments}]`.
    pub fn calls(&self) -> Value {
        Value::from(self.lock().calls.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(answer: &Value, arguments: &Value) -> Value {
        let when = answer.get("when").filter(|when| {
            let name = when.get("argument").and_then(Value::as_str).unwrap_or("");
            arguments.get(name) == Some(&Value::Bool(true))
        });
        when.unwrap_or(answer)
            .get("data")
            .cloned()
            .unwrap_or(Value::Null)
    }

    fn call(&self, object: &str, method: &str, arguments: &Value) -> Result<Value, NoAnswer> {
        let answer = {
            let mut script = self.lock();
            script
                .calls
                .push(json!({"object": object, "method": method, "arguments": arguments}));
            let methods = script.answers.get(object).ok_or(NoAnswer::NoObject)?;
            methods
                .get(method)
                .ok_or(NoAnswer::Status(Status::MethodNotFound.code()))?
                .clone()
        };
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(number("delay")));
        match u32::try_from(number("status")) {
            Ok(0) => Ok(Scripted::data(&answer, arguments)),
            Ok(status) => Err(NoAnswer::Status(status)),
            Err(_) => Err(NoAnswer::Status(Status::UnknownError.code())),
        }
    }
}
