//! The ubus object `attendedsysupgrade`: its methods, their arguments, their answers (design
//! section 3; docs/ubus.md). It does not know the bus: the daemon and, without one, the command
//! line call it alike.

use super::engine::{Engine, Ticket, Wishes};
use super::query::{Answer, Question};
use super::router;
use crate::api::Goal;
use crate::error::{Error, Kind};
use crate::json::{self, Encode, Fields, Object, Value};
use crate::text::clean_answer;
use crate::upgrade::Choice;
use std::path::PathBuf;
use ubus::{Argument, ObjectSpec, Payload};

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
    Now(Payload),
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
#[derive(Clone, Copy)]
struct Arguments<'a>(Fields<'a>);

impl<'a> Arguments<'a> {
    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.0.find(name).ok()?
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    fn text(&self, name: &str) -> Option<String> {
        json::read(self.get(name)?).ok()
    }

    fn path(&self) -> Option<PathBuf> {
        self.text("path").map(PathBuf::from)
    }

    fn goal(&self) -> Option<Goal> {
        json::read(self.get("goal")?).ok()
    }

    fn choice(&self) -> Option<Choice> {
        json::read(Value::Table(self.0)).ok()
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            keep: self.flag("keep"),
            pre_install: self.text("pre_install"),
            force: self.flag("force").unwrap_or(false),
            unattended: false,
        }
    }
}

/// Handles one call, whose arguments come as on the bus.
pub fn call(engine: &mut Engine, method: &str, arguments: &[u8]) -> Handled {
    let arguments = Arguments(Fields::new(arguments));
    match method {
        "packagelist" => {
            let all = arguments.flag("all").unwrap_or(false);
            now(&router::packagelist(engine.paths(), all))
        }
        "info" => now(&router::info(engine.paths())),
        "versions" => later(engine.ask(Question::Versions)),
        "check" => check(engine, &arguments).unwrap_or(Handled::InvalidArgument),
        "start" => start(engine, &arguments).unwrap_or(Handled::InvalidArgument),
        "status" => now(&Ok(engine.status())),
        "cancel" => match engine.cancel() {
            Ok(cancelled) => say("cancelled", &cancelled),
            Err(error) => Handled::Now(refusal(&error, None)),
        },
        "verify" => match arguments.path() {
            Some(path) => later(engine.ask(Question::Verify(path))),
            None => Handled::InvalidArgument,
        },
        "sysupgrade" => sysupgrade(engine, &arguments),
        "clean" => now(&engine.clean().map(|()| Object(&[]))),
        "history" => now(&engine.history()),
        _ => Handled::NoMethod,
    }
}

/// The answer to one who waited.
pub fn answer(answer: &Result<Answer, Error>) -> Payload {
    match answer {
        // It was cleaned when it came from the job.
        Ok(Answer::Plan(plan)) => match json::to_bus(plan) {
            Ok(fields) => fields.into(),
            Err(error) => refusal(&error, None),
        },
        other => reply(other),
    }
}

/// The answer to one who did not have to wait.
pub fn reply<T: Encode>(answer: &Result<T, Error>) -> Payload {
    match answer {
        Ok(answer) => message(answer),
        Err(error) => refusal(error, None),
    }
}

/// What can't be said on the bus is an error, too, and that one is short.
fn message(answer: &dyn Encode) -> Payload {
    match clean(answer) {
        Ok(fields) => fields.into(),
        Err(error) => refusal(&error, None),
    }
}

fn clean(answer: &dyn Encode) -> Result<Vec<u8>, Error> {
    let too_large = |full| Error::new(Kind::Internal, format!("It can't be said: {full}."));
    clean_answer(json::to_bus(answer)?).map_err(too_large)
}

/// `{job, error}`: why something can't be done, and the job that is in the way.
fn refusal(error: &Error, job: Option<u32>) -> Payload {
    let error = Object(&[
        ("kind", &error.kind),
        ("message", &error.message),
        ("detail", &error.detail),
    ]);
    let mut fields: Vec<(&str, &dyn Encode)> = vec![("error", &error)];
    fields.extend(job.iter().map(|job| ("job", job as &dyn Encode)));
    // It is a sentence or two, and so has room in a message.
    clean(&Object(&fields)).unwrap_or_default().into()
}

fn now<T: Encode>(result: &Result<T, Error>) -> Handled {
    Handled::Now(reply(result))
}

fn say(name: &str, value: &dyn Encode) -> Handled {
    Handled::Now(message(&Object(&[(name, value)])))
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
        Ok(_) if !wait => say("running", &true),
        asked => later(asked),
    })
}

fn start(engine: &mut Engine, arguments: &Arguments<'_>) -> Option<Handled> {
    let working = engine.working();
    let started = engine.start(arguments.goal()?, arguments.choice()?, arguments.wishes());
    Some(match started {
        Ok(job) => say("job", &job),
        Err(error) => {
            let in_the_way = working.filter(|_| error.kind == Kind::Busy);
            Handled::Now(refusal(&error, in_the_way))
        }
    })
}

fn sysupgrade(engine: &mut Engine, arguments: &Arguments<'_>) -> Handled {
    match engine.sysupgrade(arguments.path().as_deref(), arguments.wishes()) {
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
        let said = json::to_bus(&all).unwrap();
        let said = Arguments(Fields::new(&said));
        for (name, argument) in CHOICE {
            let value = said.get(name).unwrap();
            let is = match argument {
                Argument::Array => matches!(value, Value::Array(_)),
                Argument::Bool => value.as_bool().is_some(),
                Argument::Int => matches!(value, Value::Int32(_)),
                _ => value.as_text().is_some(),
            };
            assert!(is, "{name}");
        }
        assert_eq!(said.0.count(), CHOICE.len());
        assert_eq!(said.choice(), Some(all));
    }

    #[test]
    fn a_size_below_zero_is_no_choice() {
        let said = json::to_bus(&Object(&[("rootfs_size", &-1)])).unwrap();
        assert_eq!(Arguments(Fields::new(&said)).choice(), None);
    }
}
