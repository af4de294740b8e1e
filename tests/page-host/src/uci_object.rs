//! The ubus object `uci`: what LuCI's uci.js calls, over the files below the host's root. Changes are staged for a session and
//! written by `apply`; there is no rollback, `confirm` only says yes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{json, Map, Value};

use crate::backend::NoAnswer;
use crate::jsonrpc::PERMISSION_DENIED;
use crate::server::Host;
use crate::uci::{self, Section, Setting};

const INVALID_ARGUMENT: NoAnswer = NoAnswer::Status(2);
const NOT_FOUND: NoAnswer = NoAnswer::Status(4);
const SYSTEM_ERROR: NoAnswer = NoAnswer::Status(13);

/// Configurations with changes that are not applied yet: session → configuration → sections.
#[derive(Debug, Default)]
pub struct Staged(Mutex<BTreeMap<String, BTreeMap<String, Vec<Section>>>>);

impl Staged {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Vec<Section>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a method.
pub fn call(
    host: &Host,
    session: &str,
    method: &str,
    arguments: &Value,
) -> Result<Value, NoAnswer> {
    match method {
        "apply" => return apply(host, session),
        "confirm" => return Ok(Value::Null),
        _ => {}
    }

    let name = text(arguments, "config").ok_or(INVALID_ARGUMENT)?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(INVALID_ARGUMENT);
    }
    let right = if method == "get" { "read" } else { "write" };
    if !host.may(session, "uci", name, right) {
        return Err(NoAnswer::Status(PERMISSION_DENIED));
    }

    let mut sections = load(host, session, name)?;
    let answer = match method {
        "get" => return Ok(json!({ "values": listing(&sections) })),
        "set" => set(&mut sections, arguments)?,
        "add" => add(&mut sections, arguments)?,
        "delete" => delete(&mut sections, arguments)?,
        _ => return Err(NoAnswer::Status(3)),
    };
    host.staged
        .lock()
        .entry(session.to_owned())
        .or_default()
        .insert(name.to_owned(), sections);
    Ok(answer)
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

fn file(host: &Host, name: &str) -> PathBuf {
    host.below("/etc/config").join(name)
}

fn load(host: &Host, session: &str, name: &str) -> Result<Vec<Section>, NoAnswer> {
    if let Some(staged) = host.staged.lock().get(session).and_then(|it| it.get(name)) {
        return Ok(staged.clone());
    }
    let text = fs::read_to_string(file(host, name)).map_err(|_| NOT_FOUND)?;
    Ok(uci::parse(&text))
}

fn listing(sections: &[Section]) -> Map<String, Value> {
    let entry = |(index, section): (usize, &Section)| {
        let mut values = Map::new();
        values.insert(".anonymous".into(), section.anonymous.into());
        values.insert(".type".into(), section.kind.clone().into());
        values.insert(".name".into(), section.name.clone().into());
        values.insert(".index".into(), index.into());
        for (name, setting) in &section.settings {
            let value = match setting {
                Setting::Option(value) => Value::from(value.clone()),
                Setting::List(list) => Value::from(list.clone()),
            };
            values.insert(name.clone(), value);
        }
        (section.name.clone(), Value::Object(values))
    };
    sections.iter().enumerate().map(entry).collect()
}

/// A text, a list of texts, or what JSON has for a number.
fn setting(value: &Value) -> Setting {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(values) => Setting::List(values.iter().map(plain).collect()),
        other => Setting::Option(plain(other)),
    }
}

fn fill(section: &mut Section, arguments: &Value) {
    let values = arguments.get("values").and_then(Value::as_object);
    for (name, value) in values.into_iter().flatten() {
        section.set(name, Some(setting(value)));
    }
}

fn set(sections: &mut [Section], arguments: &Value) -> Result<Value, NoAnswer> {
    let name = text(arguments, "section").ok_or(INVALID_ARGUMENT)?;
    let section = sections.iter_mut().find(|section| section.name == name);
    fill(section.ok_or(NOT_FOUND)?, arguments);
    Ok(Value::Null)
}

fn add(sections: &mut Vec<Section>, arguments: &Value) -> Result<Value, NoAnswer> {
    let name = text(arguments, "name");
    let mut section = Section {
        kind: text(arguments, "type").ok_or(INVALID_ARGUMENT)?.to_owned(),
        name: name.map_or_else(|| uci::anonymous_name(sections.len()), str::to_owned),
        anonymous: name.is_none(),
        settings: Vec::new(),
    };
    fill(&mut section, arguments);
    let answer = json!({ "section": section.name });
    sections.push(section);
    Ok(answer)
}

fn delete(sections: &mut Vec<Section>, arguments: &Value) -> Result<Value, NoAnswer> {
    let name = text(arguments, "section").ok_or(INVALID_ARGUMENT)?;
    let options = arguments.get("options").and_then(Value::as_array);
    match options {
        None => sections.retain(|section| section.name != name),
        Some(options) => {
            let section = sections.iter_mut().find(|section| section.name == name);
            let section = section.ok_or(NOT_FOUND)?;
            for option in options.iter().filter_map(Value::as_str) {
                section.set(option, None);
            }
        }
    }
    Ok(Value::Null)
}

fn apply(host: &Host, session: &str) -> Result<Value, NoAnswer> {
    let staged = host.staged.lock().remove(session).unwrap_or_default();
    for (name, sections) in staged {
        if !host.may(session, "uci", &name, "write") {
            return Err(NoAnswer::Status(PERMISSION_DENIED));
        }
        fs::write(file(host, &name), uci::format(&sections)).map_err(|_| SYSTEM_ERROR)?;
    }
    Ok(Value::Null)
}
