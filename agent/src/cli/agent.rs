//! Who does the work: the daemon on the bus, or without one this process itself.

use crate::api::Status;
use crate::daemon::engine::Engine;
use crate::daemon::object::{self, Handled};
use crate::daemon::wait;
use crate::error::{Error, Kind};
use crate::json::{self, Decode, Encode, Object};
use crate::paths::Paths;
use crate::system::signals::Signals;
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::time::Duration;
use ubus::{Bus, Payload};

/// How long an answer may take before the question is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Questions that change nothing.
const REPEATABLE: [&str; 3] = ["check", "versions", "verify"];

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
    signals: Signals,
}

/// No arguments.
pub fn nothing() -> Object<'static> {
    Object(&[])
}

impl Agent {
    /// The daemon where there is one, unless `standalone`.
    pub fn find(paths: &Paths, standalone: bool) -> Result<Agent, Error> {
        let bus = if standalone {
            None
        } else {
            Some(Bus::connect(&paths.socket()))
        };
        let unreachable = matches!(bus, Some(Err(_)));
        if let Some(Ok(mut bus)) = bus {
            if bus
                .lookup(object::PATH)
                .is_ok_and(|found| !found.is_empty())
            {
                return Ok(Agent::Daemon(bus));
            }
        }
        match Own::new(paths) {
            Err(error) if error.kind == Kind::Busy && unreachable => Err(Error::new(
                Kind::Busy,
                "The daemon is at work, but the bus does not answer: see \"logread -e ubus\", and restart the router if ubusd does not come back.",
            )),
            own => own.map(|own| Agent::Own(Box::new(own))),
        }
    }

    /// Calls a method of the object.
    pub fn call<T: Decode + Default>(
        &mut self,
        method: &str,
        arguments: &dyn Encode,
    ) -> Result<T, Error> {
        json::from_bus(self.answer(method, arguments)?.as_bytes())
    }

    fn answer(&mut self, method: &str, arguments: &dyn Encode) -> Result<Payload, Error> {
        let arguments = json::to_bus(arguments)?;
        let answer = match self {
            Agent::Daemon(bus) => ask_daemon(bus, method, &arguments)?.into(),
            Agent::Own(own) => own.call(method, &arguments)?,
        };
        match answer.fields().find("error") {
            Ok(Some(error)) => Err(json::read(error)?),
            // What is wrong with the message shows when it is read.
            Ok(None) | Err(_) => Ok(answer),
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

/// Calls a method of the daemon. ubusd does not tell when the daemon dies, so that a question which
/// takes time is asked again every now and then: the daemon gives one answer to all who ask alike.
fn ask_daemon(bus: &mut Bus, method: &str, arguments: &[u8]) -> Result<Vec<u8>, Error> {
    let may_repeat = REPEATABLE.contains(&method);
    loop {
        match bus.call_raw(object::PATH, method, arguments, PATIENCE) {
            Ok(answer) => return Ok(answer),
            Err(ubus::Error::Timeout) if may_repeat => {}
            Err(error) => return Err(bus_error(method, &error)),
        }
    }
}

impl Own {
    fn new(paths: &Paths) -> Result<Own, Error> {
        let signals = Signals::take_over(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
        Ok(Own {
            engine: Engine::new(paths)?,
            signals,
        })
    }

    fn call(&mut self, method: &str, arguments: &[u8]) -> Result<Payload, Error> {
        match object::call(&mut self.engine, method, arguments) {
            Handled::Now(reply) => Ok(reply),
            Handled::Later(ticket) => loop {
                let mut answers = self.engine.answers().into_iter();
                if let Some((_, answer)) = answers.find(|(answered, _)| *answered == ticket) {
                    return Ok(object::answer(&answer));
                }
                self.round()?;
            },
            Handled::NotFound => Err(nothing_in_hand()),
            Handled::InvalidArgument | Handled::NoMethod => Err(Error::new(
                Kind::Internal,
                format!("\"{method}\" was called wrongly."),
            )),
        }
    }

    /// Sleeps until something happens, and does what there is to do.
    fn round(&mut self) -> Result<(), Error> {
        let mut fds = self.engine.fds();
        fds.push(self.signals.as_fd());
        let deadline = self.engine.deadline();
        wait(fds, deadline)?;
        if self.signals.come() {
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

/// There is nothing to install or to look at.
pub fn nothing_in_hand() -> Error {
    Error::new(
        Kind::Usage,
        "There is no image in hand: \"asu download\" fetches one, or name a file.",
    )
}

/// What the bus says, as the owner of a router has to read it.
fn bus_error(method: &str, error: &ubus::Error) -> Error {
    match error {
        ubus::Error::Status(ubus::Status::NotFound) if method == "sysupgrade" => nothing_in_hand(),
        ubus::Error::Status(ubus::Status::PermissionDenied) => {
            Error::new(Kind::Usage, "You may not do that: only root may upgrade this router.")
        }
        _ => Error::new(
            Kind::Internal,
            format!("The daemon does not answer: {error}. See \"logread -e asu\"; \"/etc/init.d/asu restart\" starts it again."),
        ),
    }
}
