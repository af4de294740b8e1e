//! The ubus object `attendedsysupgrade`: its methods, their arguments, their answers (design
//! section 3; docs/ubus.md). It does not know the bus: the daemon and, without one, the command
//! line call it alike.

use super::engine::{Engine, Ticket, Wishes};
use super::query::Question;
use super::router;
use crate::api::Goal;
use crate::error::{Error, Kind};
use crate::json::{self, Value};
use crate::text::clean_answer;
use crate::upgrade::Choice;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use ubus::{Argument, ObjectSpec};

/// Where the object is on the bus.
pub const PATH: &str = "attendedsysupgrade";

const KEEP: (&str, Argument) = ("keep", Argument::Bool);
const FORCE: (&str, Argument) = ("force", Argument::Bool);
const PRE_INSTALL: (&str, Argument) = ("pre_install", Argument::String);

/// What [`Choice`] holds.
const CHOICE: [(&str, Argument); 16] = [
    ("version", Argument::String),
    ("revision", Argument::String),
    ("add", Argument::Array),
    ("remove", Argument::Array),
    ("ignore", Argument::Array),
    ("ignored_defaults", Argument::Array),
    ("ignored_changes", Argument::Array),
    ("drop_missing", Argument::Bool),
    ("clean_slate", Argument::Bool),
    ("feeds", Argument::Bool),
    ("init_script", Argument::String),
    ("fstype", Argument::String),
    ("rootfs_size", Argument::Int),
    ("poll_interval", Argument::Int),
    ("device", Argument::String),
    FORCE,
];

/// The object as it is published.
pub fn spec() -> ObjectSpec {
    use Argument::{Bool, String};
    ObjectSpec::new(PATH)
        .method("packagelist", &[("all", Bool)])
        .method("info", &[])
        .method("versions", &[])
        .method("check", &[&CHOICE[..], &[("wait", Bool)]].concat())
        .method(
            "start",
            &[&[("goal", String), KEEP, PRE_INSTALL][..], &CHOICE].concat(),
        )
        .method("status", &[])
        .method("cancel", &[])
        .method("verify", &[("path", String)])
        .method("sysupgrade", &[KEEP, ("path", String), PRE_INSTALL, FORCE])
        .method("clean", &[])
        .method("history", &[])
}

/// What comes of a call.
#[derive(Debug)]
pub enum Handled {
    /// The answer.
    Now(Value),
    /// The answer will come from [`Engine::answers`].
    Later(Ticket),
    /// The arguments are no arguments of this method.
    InvalidArgument,
    /// There is no such method.
    NoMethod,
    /// There is nothing to do it with.
    NotFound,
}

/// What the arguments say; the bus has made sure of their names and types before.
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn path(&self) -> Option<&Path> {
        self.text("path").map(Path::new)
    }

    fn goal(&self) -> Option<Goal> {
        json::read(self.0.get("goal")?.clone()).ok()
    }

    fn choice(&self) -> Option<Choice> {
        json::read(self.0.clone()).ok()
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            keep: self.flag("keep"),
            pre_install: self.text("pre_install").map(str::to_owned),
            force: self.flag("force").unwrap_or(false),
            unattended: false,
        }
    }
}

/// Handles one call.
pub fn call(engine: &mut Engine, method: &str, arguments: &Value) -> Handled {
    let arguments = Arguments(arguments);
    match method {
        "packagelist" => {
            let all = arguments.flag("all").unwrap_or(false);
            now(router::packagelist(engine.paths(), all))
        }
        "info" => now(router::info(engine.paths())),
        "versions" => later(engine.ask(Question::Versions)),
        "check" => check(engine, &arguments).unwrap_or(Handled::InvalidArgument),
        "start" => start(engine, &arguments).unwrap_or(Handled::InvalidArgument),
        "status" => now(Ok(engine.status())),
        "cancel" => now(engine
            .cancel()
            .map(|cancelled| json!({ "cancelled": cancelled }))),
        "verify" => match arguments.path() {
            Some(path) => later(engine.ask(Question::Verify(path.to_owned()))),
            None => Handled::InvalidArgument,
        },
        "sysupgrade" => sysupgrade(engine, &arguments),
        "clean" => now(engine.clean().map(|()| json!({}))),
        "history" => now(engine.history()),
        _ => Handled::NoMethod,
    }
}

/// The answer to one who waited.
pub fn reply(answer: Result<impl Serialize, Error>) -> Value {
    let value = answer.and_then(|answer| json::value(&answer));
    let mut value = value.unwrap_or_else(|error| refusal(&error, None));
    clean_answer(&mut value);
    value
}

/// `{job, error}`: why something can't be done, and the job that is in the way.
fn refusal(error: &Error, job: Option<u32>) -> Value {
    let mut refusal = json!({"error": {
        "kind": json::value(&error.kind).unwrap_or_default(),
        "message": error.message,
        "detail": error.detail,
    }});
    if let Some(job) = job {
        refusal["job"] = job.into();
    }
    refusal
}

fn now(result: Result<impl Serialize, Error>) -> Handled {
    Handled::Now(reply(result))
}

fn later(ticket: Result<Ticket, Error>) -> Handled {
    match ticket {
        Ok(ticket) => Handled::Later(ticket),
        Err(error) => Handled::Now(refusal(&error, None)),
    }
}

fn check(engine: &mut Engine, arguments: &Arguments<'_>) -> Option<Handled> {
    let wait = arguments.flag("wait").unwrap_or(true);
    Some(match engine.ask(Question::Check(arguments.choice()?)) {
        Ok(_) if !wait => Handled::Now(json!({ "running": true })),
        asked => later(asked),
    })
}

fn start(engine: &mut Engine, arguments: &Arguments<'_>) -> Option<Handled> {
    let working = engine.working();
    let started = engine.start(arguments.goal()?, arguments.choice()?, arguments.wishes());
    Some(match started {
        Ok(job) => Handled::Now(json!({ "job": job })),
        Err(error) => {
            let in_the_way = working.filter(|_| error.kind == Kind::Busy);
            Handled::Now(refusal(&error, in_the_way))
        }
    })
}

fn sysupgrade(engine: &mut Engine, arguments: &Arguments<'_>) -> Handled {
    match engine.sysupgrade(arguments.path(), arguments.wishes()) {
        Ok(Some(ticket)) => Handled::Later(ticket),
        Ok(None) => Handled::NotFound,
        Err(error) => Handled::Now(refusal(&error, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_published_with_its_type() {
        let text = || Some("text".to_owned());
        let names = || vec!["a".to_owned()];
        let all = Choice {
            version: text(),
            revision: text(),
            add: names(),
            remove: names(),
            ignore: names(),
            ignored_defaults: names(),
            ignored_changes: names(),
            drop_missing: true,
            clean_slate: true,
            feeds: true,
            init_script: text(),
            fstype: text(),
            rootfs_size: Some(1),
            poll_interval: Some(1),
            device: text(),
            force: true,
        };
        let said = json::value(&all).unwrap();
        let published = |(name, argument): (&str, Argument)| {
            let is = match argument {
                Argument::Array => Value::is_array,
                Argument::Bool => Value::is_boolean,
                Argument::Int => Value::is_u64,
                _ => Value::is_string,
            };
            assert!(is(&said[name]), "{name}");
        };
        CHOICE.into_iter().for_each(published);
        assert_eq!(said.as_object().unwrap().len(), CHOICE.len());
        assert_eq!(Arguments(&said).choice(), Some(all));
    }

    #[test]
    fn a_size_below_zero_is_no_choice() {
        assert_eq!(Arguments(&json!({"rootfs_size": -1})).choice(), None);
    }
}
