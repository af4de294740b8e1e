//! Who does the work: the daemon on the bus, or without one this process itself.

use crate::api::Status;
use crate::daemon::engine::Engine;
use crate::daemon::object::{self, Handled};
use crate::daemon::wait;
use crate::error::{Error, Kind};
use crate::paths::Paths;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::time::Duration;
use ubus::Bus;

/// A build may stand in a queue; the daemon tells how it goes. Only questions wait that long.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// See the module.
pub enum Agent {
    /// The daemon.
    Daemon(Bus),
    /// This process.
    Own(Box<Own>),
}

/// The engine in this process, and the signals that end it in good order.
pub struct Own {
    engine: Engine,
    signals: SignalFd,
}

/// No arguments.
#[derive(Serialize)]
pub struct Nothing {}

impl Agent {
    /// The daemon where there is one, unless `standalone`.
    pub fn find(paths: &Paths, standalone: bool) -> Result<Agent, Error> {
        if !standalone {
            if let Ok(mut bus) = Bus::connect(&paths.socket()) {
                if bus
                    .lookup(object::PATH)
                    .is_ok_and(|found| !found.is_empty())
                {
                    return Ok(Agent::Daemon(bus));
                }
            }
        }
        Own::new(paths).map(|own| Agent::Own(Box::new(own)))
    }

    /// Calls a method of the object.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        arguments: &impl Serialize,
    ) -> Result<T, Error> {
        match self {
            Agent::Daemon(bus) => {
                let sent = ubus::to_blobmsg(arguments).map_err(|error| internal(&error))?;
                let answer = bus
                    .call_raw(object::PATH, method, &sent, PATIENCE)
                    .map_err(bus_error)?;
                let failed: Failed =
                    ubus::from_blobmsg(&answer).map_err(|error| internal(&error))?;
                match failed.error {
                    Some(error) => Err(error),
                    None => ubus::from_blobmsg(&answer).map_err(|error| internal(&error)),
                }
            }
            Agent::Own(own) => {
                let arguments =
                    serde_json::to_value(arguments).map_err(|error| internal(&error))?;
                let answer = own.call(method, &arguments)?;
                match Failed::deserialize(&answer)
                    .map_err(|error| internal(&error))?
                    .error
                {
                    Some(error) => Err(error),
                    None => T::deserialize(&answer).map_err(|error| internal(&error)),
                }
            }
        }
    }

    /// Calls `see` with the status, now and at each change, as long as it says true.
    pub fn watch(
        &mut self,
        paths: &Paths,
        see: &mut dyn FnMut(&Status) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        match self {
            Agent::Daemon(_) => super::watch::daemon(paths, see),
            Agent::Own(own) => loop {
                if own.engine.take_changed() && !see(own.engine.status())? {
                    return Ok(());
                }
                own.round()?;
            },
        }
    }
}

/// The part of an answer that says why there is no other.
#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    error: Option<Error>,
}

impl Own {
    fn new(paths: &Paths) -> Result<Own, Error> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        let failed = |errno: nix::errno::Errno| {
            Error::new(
                Kind::Internal,
                format!("Signals can't be waited for: {errno}."),
            )
        };
        signals.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&signals, flags).map_err(failed)?;
        Ok(Own {
            engine: Engine::new(paths)?,
            signals,
        })
    }

    fn call(
        &mut self,
        method: &str,
        arguments: &serde_json::Value,
    ) -> Result<serde_json::Value, Error> {
        let reply = match object::call(&mut self.engine, method, arguments) {
            Handled::Now(reply) => reply,
            Handled::Later(ticket) => loop {
                let mut answers = self.engine.answers().into_iter();
                if let Some((_, answer)) = answers.find(|(answered, _)| *answered == ticket) {
                    break answer.map_or_else(object::Reply::error, object::Reply::Found);
                }
                self.round()?;
            },
            Handled::NotFound => return Err(nothing_in_hand()),
            Handled::InvalidArgument | Handled::NoMethod => {
                return Err(Error::new(
                    Kind::Internal,
                    format!("\"{method}\" was called wrongly."),
                ));
            }
        };
        serde_json::to_value(reply).map_err(|error| internal(&error))
    }

    /// Sleeps until something happens, and does what there is to do.
    fn round(&mut self) -> Result<(), Error> {
        let mut fds = self.engine.fds();
        fds.push(self.signals.as_fd());
        let deadline = self.engine.deadline();
        wait(fds, deadline)?;
        let caught = self.signals.read_signal();
        if caught.is_ok_and(|signal| signal.is_some()) {
            let cancelled = self.engine.cancel()?;
            let sentence = match cancelled {
                true => "Interrupted; nothing was flashed, and nothing is left behind.",
                false => "Interrupted.",
            };
            return Err(Error::new(Kind::Cancelled, sentence));
        }
        self.engine.advance()
    }
}

fn internal(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::Internal,
        format!("An answer can't be understood: {error}."),
    )
}

fn nothing_in_hand() -> Error {
    Error::new(
        Kind::Usage,
        "There is no image in hand: \"asu download\" fetches one, or name a file.",
    )
}

/// What the bus says, as the owner of a router has to read it.
pub fn bus_error(error: ubus::Error) -> Error {
    match &error {
        ubus::Error::Status(ubus::Status::NotFound) => nothing_in_hand(),
        ubus::Error::Status(ubus::Status::PermissionDenied) => {
            Error::new(Kind::Usage, "You may not do that: only root may upgrade this router.")
        }
        _ => Error::new(
            Kind::Internal,
            format!("The daemon does not answer: {error}. See \"logread -e asu\"; \"/etc/init.d/asu restart\" starts it again."),
        ),
    }
}
