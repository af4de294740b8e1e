//! A published object that outlives its connections.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::vec::Vec;

use serde::de::DeserializeOwned;

use super::bus::Bus;
use super::error::Error;
use super::incoming::{Incoming, Request, ToMessage};
use super::object::ObjectSpec;
use super::publish::Published;
use crate::status::Status;

/// The first try comes at once, then after this long, then after twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: the object has to be back within two seconds after ubusd is.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon to look again after what ubusd would not take: it hangs, so there is no use in hurrying.
const UNSENT_PAUSE: Duration = Duration::from_millis(50);

/// How many messages one round gives.
const MAX_BATCH: usize = 256;

/// One published object for a daemon's poll loop, which survives a restart of ubusd.
///
/// Each round of the loop: wait until [`Service::fd`] is readable or [`Service::deadline`] has come, then handle what
/// [`Service::dispatch`] gives. Connected and idle it has no deadline and so costs no wake-ups. Reconnecting blocks only if ubusd
/// accepts connections but hangs, and then for five seconds (ten if it hangs after its greeting).
///
/// ```no_run
/// use std::time::{Duration, Instant};
///
/// use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
/// use serde::{Deserialize, Serialize};
/// use ubus::{Argument, Incoming, ObjectSpec, Service, Status};
///
/// #[derive(Deserialize)]
/// struct Check {
///     version: Option<String>,
/// }
///
/// #[derive(Serialize)]
/// struct State {
///     phase: &'static str,
/// }
///
/// let spec = ObjectSpec::new("demo").method("check", &[("version", Argument::String)]);
/// let mut bus = Service::new("/var/run/ubus/ubus.sock".as_ref(), spec);
/// loop {
///     for incoming in bus.dispatch() {
///         let Incoming::Request(request) = incoming else { continue };
///         match request.arguments().read::<Check>() {
///             Ok(Check { version: Some(_) }) => bus.answer(request, &State { phase: "checking" })?,
///             _ => bus.complete(request, Status::InvalidArgument),
///         }
///         bus.notify("status", &State { phase: "checking" })?;
///     }
///     let left = bus.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
///     let timeout = match left {
///         Some(left) => PollTimeout::try_from(left + Duration::from_millis(1))?,
///         None => PollTimeout::NONE,
///     };
///     let fd = bus.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
///     poll(&mut Vec::from_iter(fd), timeout)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Service {
    socket: PathBuf,
    spec: ObjectSpec,
    state: State,
    error: Option<Error>,
}

#[derive(Debug)]
enum State {
    Connected {
        bus: Bus,
        object: Published,
        since: Instant,
    },
    Waiting {
        until: Instant,
        pause: Duration,
    },
}

impl Service {
    /// A service that will connect to the ubusd at `socket` and publish `spec`, the first time it is dispatched.
    pub fn new(socket: &Path, spec: ObjectSpec) -> Self {
        Service {
            socket: socket.into(),
            spec,
            state: State::waiting(Duration::ZERO),
            error: None,
        }
    }

    /// The socket to wait on; `None` while there is no connection.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.bus().map(AsFd::as_fd)
    }

    /// When to call [`Service::dispatch`] even if the socket is silent: at the next try to connect, or if something is left to do after
    /// a call. `None` while connected and idle.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Connected { bus, .. } if bus.has_incoming() => Some(Instant::now()),
            State::Connected { bus, .. } if bus.has_unsent() => {
                Instant::now().checked_add(UNSENT_PAUSE)
            }
            State::Connected { .. } => None,
        }
    }

    /// Whether the object is published now.
    pub fn is_connected(&self) -> bool {
        self.bus().is_some()
    }

    /// Why the object is not published; `None` while it is.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Connects if it is time to, takes in what has come, and gives it in order. It never fails: a lost connection is tried again, and
    /// [`Service::error`] says why it was lost.
    #[must_use = "who calls waits for an answer"]
    pub fn dispatch(&mut self) -> Vec<Incoming> {
        let mut all = Vec::new();
        self.connect_if_due();
        if let State::Connected { bus, since, .. } = &mut self.state {
            let lasted = since.elapsed();
            let lost = loop {
                match bus.receive(Duration::ZERO) {
                    Ok(Some(incoming)) => all.push(incoming),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
                // The rest keeps for the next round, so that a flood does not stop the daemon's other work.
                if all.len() >= MAX_BATCH {
                    break None;
                }
            };
            if let Some(error) = lost {
                // A bus that throws us out again and again must not keep us busy.
                let at_once = lasted >= LONGEST_PAUSE;
                self.lose(error, if at_once { Duration::ZERO } else { FIRST_PAUSE });
                self.connect_if_due();
            }
        }
        all
    }

    /// See [`Bus::reply`]. Without a connection, and for a request of a former one, it does nothing.
    ///
    /// # Errors
    /// [`Error::Data`] if the data can't be written.
    pub fn reply(
        &mut self,
        request: &Request,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        self.forgiving(|bus, _| bus.reply(request, data))
    }

    /// See [`Bus::complete`]. Without a connection, and for a request of a former one, it does nothing.
    pub fn complete(&mut self, request: Request, status: Status) {
        // What can fail here is the connection, and that is taken care of already.
        let _ = self.forgiving(|bus, _| bus.complete(request, status));
    }

    /// See [`Bus::answer`]. Without a connection, and for a request of a former one, it does nothing.
    ///
    /// # Errors
    /// [`Error::Data`] if the data can't be written; the caller has got [`Status::UnknownError`] then.
    pub fn answer(
        &mut self,
        request: Request,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        self.forgiving(|bus, _| bus.answer(request, data))
    }

    /// Notifies the subscribers; does nothing if there are none.
    ///
    /// # Errors
    /// [`Error::Data`] if the data can't be written.
    pub fn notify(&mut self, kind: &str, data: &(impl ToMessage + ?Sized)) -> Result<(), Error> {
        self.forgiving(|bus, object| bus.notify(object, kind, data))
    }

    /// See [`Bus::send_event`]. Does nothing without a connection.
    ///
    /// # Errors
    /// [`Error::Data`] if the data can't be written, [`Error::Status`] if ubusd refuses it.
    pub fn send_event(
        &mut self,
        name: &str,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        self.forgiving(|bus, _| bus.send_event(name, data))
    }

    /// Whether anybody is subscribed.
    pub fn is_subscribed(&self) -> bool {
        match &self.state {
            State::Connected { bus, object, .. } => bus.is_subscribed(*object),
            State::Waiting { .. } => false,
        }
    }

    /// Calls another object's method over the same connection, see [`Bus::call`].
    ///
    /// # Errors
    /// As [`Bus::call`], and [`Error::Disconnected`] without a connection.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        path: &str,
        method: &str,
        arguments: &(impl ToMessage + ?Sized),
        timeout: Duration,
    ) -> Result<R, Error> {
        let State::Connected { bus, .. } = &mut self.state else {
            return Err(Error::Disconnected);
        };
        bus.call(path, method, arguments, timeout)
    }

    fn bus(&self) -> Option<&Bus> {
        match &self.state {
            State::Connected { bus, .. } => Some(bus),
            State::Waiting { .. } => None,
        }
    }

    /// Does something with the connection if there is one; a connection that fails is not the caller's concern.
    fn forgiving(
        &mut self,
        act: impl FnOnce(&mut Bus, Published) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let State::Connected { bus, object, .. } = &mut self.state else {
            return Ok(());
        };
        match act(bus, *object) {
            // The next dispatch finds the connection closed, after it has given what came before.
            Err(error) if error.is_fatal() => {
                self.error = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    fn connect_if_due(&mut self) {
        let State::Waiting { until, pause } = self.state else {
            return;
        };
        if Instant::now() < until {
            return;
        }
        match connect(&self.socket, &self.spec) {
            Ok((bus, object)) => {
                self.state = State::Connected {
                    bus,
                    object,
                    since: Instant::now(),
                };
                self.error = None;
            }
            Err(error) => {
                let next = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                self.lose(error, next);
            }
        }
    }

    fn lose(&mut self, error: Error, pause: Duration) {
        // That the connection is closed says less than what closed it.
        if self.error.is_none() || !matches!(error, Error::Disconnected) {
            self.error = Some(error);
        }
        self.state = State::waiting(pause);
    }
}

impl State {
    fn waiting(pause: Duration) -> Self {
        State::Waiting {
            until: Instant::now() + pause,
            pause,
        }
    }
}

fn connect(socket: &Path, spec: &ObjectSpec) -> Result<(Bus, Published), Error> {
    let mut bus = Bus::connect(socket)?;
    let object = bus.add_object(spec.clone())?;
    Ok((bus, object))
}
