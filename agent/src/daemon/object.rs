//! The ubus object `attendedsysupgrade`: its methods, their arguments, their answers (design
//! section 3; docs/ubus.md). It does not know the bus: the daemon and, without one, the command
//! line call it alike.

use super::engine::{Answer, Engine, Ticket, Wishes};
use super::query::Question;
use super::router;
use crate::api::{Goal, History, Info, PackageList, Status};
use crate::error::{Error, Kind};
use crate::upgrade::Choice;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use ubus::{Argument, ObjectSpec};

/// Where the object is on the bus.
pub const PATH: &str = "attendedsysupgrade";

/// The object as it is published.
pub fn spec() -> ObjectSpec {
    use Argument::{Array, Bool, String};
    const KEEP: (&str, Argument) = ("keep", Bool);
    const FORCE: (&str, Argument) = ("force", Bool);
    // What `upgrade::Choice` holds.
    const CHOICE: [(&str, Argument); 6] = [
        ("version", String),
        ("add", Array),
        ("remove", Array),
        ("ignore", Array),
        ("drop_missing", Bool),
        FORCE,
    ];
    ObjectSpec::new(PATH)
        .method("packagelist", &[("all", Bool)])
        .method("info", &[])
        .method("versions", &[])
        .method("check", &[&CHOICE[..], &[("wait", Bool)]].concat())
        .method("start", &[&[("goal", String), KEEP][..], &CHOICE].concat())
        .method("status", &[])
        .method("cancel", &[])
        .method("verify", &[("path", String)])
        .method("sysupgrade", &[KEEP, ("path", String), FORCE])
        .method("clean", &[])
        .method("history", &[])
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct PackageListArguments {
    all: bool,
}

/// Arguments of `check`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CheckArguments {
    /// What to check for.
    #[serde(flatten)]
    pub choice: Choice,
    /// Answer when it is done.
    #[serde(default = "yes")]
    pub wait: bool,
}

fn yes() -> bool {
    true
}

/// Arguments of `start`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StartArguments {
    /// How far to go.
    pub goal: Goal,
    /// What to ask for; its `force` also goes on in spite of warnings.
    #[serde(flatten)]
    pub choice: Choice,
    /// Keep the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
}

/// Arguments of `verify`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct VerifyArguments {
    /// In the router's terms.
    pub path: PathBuf,
}

/// Arguments of `sysupgrade`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct SysupgradeArguments {
    /// Keep the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<bool>,
    /// In the router's terms; none: the image in hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Go on in spite of warnings.
    pub force: bool,
}

/// An answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Reply {
    PackageList(PackageList),
    Info(Box<Info>),
    Status(Box<Status>),
    History(History),
    Started { job: u32 },
    Cancelled { cancelled: bool },
    Running { running: bool },
    Nothing {},
    Found(Answer),
    Error(ErrorReply),
}

/// What is answered where something can't be done.
#[derive(Debug, Serialize)]
pub struct ErrorReply {
    /// The job that is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<u32>,
    /// Why.
    error: Error,
}

impl Reply {
    /// That something can't be done.
    pub fn error(error: Error) -> Reply {
        Reply::Error(ErrorReply { job: None, error })
    }
}

/// What comes of a call.
#[derive(Debug)]
pub enum Handled {
    /// The answer.
    Now(Reply),
    /// The answer will come from [`Engine::answers`].
    Later(Ticket),
    /// The arguments are no arguments of this method.
    InvalidArgument,
    /// There is no such method.
    NoMethod,
    /// There is nothing to do it with.
    NotFound,
}

/// The arguments of a call, in the form of its transport.
pub trait Arguments {
    /// Reads them; `None` where they are not what the method takes.
    fn read<T: DeserializeOwned>(&self) -> Option<T>;
}

impl Arguments for ubus::Payload {
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        ubus::Payload::read(self).ok()
    }
}

impl Arguments for serde_json::Value {
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self).ok()
    }
}

/// Handles one call.
pub fn call(engine: &mut Engine, method: &str, arguments: &impl Arguments) -> Handled {
    match method {
        "packagelist" => with(arguments, |PackageListArguments { all }| {
            now(router::packagelist(engine.paths(), all), Reply::PackageList)
        }),
        "info" => now(router::info(engine.paths()), |info| {
            Reply::Info(Box::new(info))
        }),
        "versions" => later(engine.ask(Question::Versions)),
        "check" => with(arguments, |arguments| check(engine, arguments)),
        "start" => with(arguments, |arguments| start(engine, arguments)),
        "status" => Handled::Now(Reply::Status(Box::new(engine.status().clone()))),
        "cancel" => now(engine.cancel(), |cancelled| Reply::Cancelled { cancelled }),
        "verify" => with(arguments, |VerifyArguments { path }| {
            later(engine.ask(Question::Verify(path)))
        }),
        "sysupgrade" => with(arguments, |arguments| sysupgrade(engine, arguments)),
        "clean" => now(engine.clean(), |()| Reply::Nothing {}),
        "history" => now(engine.history(), Reply::History),
        _ => Handled::NoMethod,
    }
}

fn with<T: DeserializeOwned>(
    arguments: &impl Arguments,
    handle: impl FnOnce(T) -> Handled,
) -> Handled {
    match arguments.read() {
        Some(arguments) => handle(arguments),
        None => Handled::InvalidArgument,
    }
}

fn now<T>(result: Result<T, Error>, reply: impl FnOnce(T) -> Reply) -> Handled {
    Handled::Now(result.map_or_else(Reply::error, reply))
}

fn later(ticket: Result<Ticket, Error>) -> Handled {
    match ticket {
        Ok(ticket) => Handled::Later(ticket),
        Err(error) => Handled::Now(Reply::error(error)),
    }
}

fn check(engine: &mut Engine, arguments: CheckArguments) -> Handled {
    match engine.ask(Question::Check(arguments.choice)) {
        Ok(_) if !arguments.wait => Handled::Now(Reply::Running { running: true }),
        asked => later(asked),
    }
}

fn start(engine: &mut Engine, arguments: StartArguments) -> Handled {
    let StartArguments { goal, choice, keep } = arguments;
    let working = engine.working();
    let wishes = Wishes {
        keep,
        force: choice.force,
    };
    match engine.start(goal, choice, wishes) {
        Ok(job) => Handled::Now(Reply::Started { job }),
        Err(error) if error.kind == Kind::Busy => Handled::Now(Reply::Error(ErrorReply {
            job: working,
            error,
        })),
        Err(error) => Handled::Now(Reply::error(error)),
    }
}

fn sysupgrade(engine: &mut Engine, arguments: SysupgradeArguments) -> Handled {
    let SysupgradeArguments { keep, path, force } = arguments;
    match engine.sysupgrade(path.as_deref(), Wishes { keep, force }) {
        Ok(Some(ticket)) => Handled::Later(ticket),
        Ok(None) => Handled::NotFound,
        Err(error) => Handled::Now(Reply::error(error)),
    }
}
