//! A connection to ubusd and what it can be asked.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::string::String;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::vec::Vec;

use serde::de::DeserializeOwned;

use super::error::Error;
use super::incoming::{Incoming, ToMessage};
use super::publish::Role;
use super::receive::Awaited;
use super::socket::Socket;
use crate::blobmsg::{Fields, Type, Value};
use crate::data::{from_blobmsg, DataError};
use crate::message::{attr, Attributes, Header, Kind, Message};
use crate::status::Status;
use crate::write::Writer;

/// ubusd answers at once; this long it may hang, on a router that is short of everything, before it counts as gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The object by which ubusd itself takes events.
pub(super) const EVENT_OBJECT: u32 = 1;

/// Told apart by number, so that a late answer to a former connection's request goes nowhere. 32 bit systems have no 64 bit atomics.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// A connection to ubusd.
///
/// Nothing happens behind its back: messages are read in [`Bus::receive`], and in the calls that wait for an answer, which keep
/// everything else that comes in the meantime for `receive`.
///
/// ubusd does not read any more from a connection that it sees closed: who answers or notifies and then ends should [`Bus::ping`] before.
#[derive(Debug)]
pub struct Bus {
    pub(super) socket: Socket,
    pub(super) number: usize,
    pub(super) id: u32,
    pub(super) sequence: u16,
    pub(super) awaited: Option<Awaited>,
    pub(super) queue: VecDeque<Incoming>,
    /// About how many bytes the queue holds.
    pub(super) queued: usize,
    /// Our own objects by id: a handful, for which a map would be the larger code.
    pub(super) roles: Vec<(u32, Role)>,
    pub(super) closed: bool,
}

/// An object that somebody has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path, such as `system`.
    pub path: String,
    /// Its id, which lasts as long as the object.
    pub id: u32,
    /// The id of its type.
    pub type_id: u32,
    /// Its methods, in the publisher's order.
    pub methods: Vec<Method>,
}

/// A method of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// Names and types of its arguments; `None` for a type this crate does not know.
    pub arguments: Vec<(String, Option<Type>)>,
}

impl Bus {
    /// Connects to the ubusd that listens on `path`, on a router `/var/run/ubus/ubus.sock`.
    ///
    /// # Errors
    /// [`Error::Connect`] if it can't be reached, [`Error::Timeout`] if it does not greet within five seconds.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let mut bus = Bus {
            socket: Socket::connect(path)?,
            number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            id: 0,
            sequence: 0,
            awaited: None,
            queue: VecDeque::new(),
            queued: 0,
            roles: Vec::new(),
            closed: false,
        };
        let deadline = Instant::now().checked_add(PATIENCE);
        let hello = bus.first_message(deadline)?;
        if hello.header.kind != Kind::Hello {
            return Err(Error::Malformed);
        }
        bus.id = hello.header.peer;
        Ok(bus)
    }

    /// Our own id on the bus.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The objects whose path is `pattern`, or begins with it if it ends with `*`; none if there are none.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn lookup(&mut self, pattern: &str) -> Result<Vec<Object>, Error> {
        let deadline = Instant::now().checked_add(PATIENCE);
        self.lookup_until(pattern, deadline)
    }

    /// Calls a method and reads its answer: all data replies together, as one table. `()` reads any answer.
    ///
    /// # Errors
    /// [`Error::Status`] with what the method ended with ([`Status::NotFound`] without such an object), [`Error::Timeout`] after
    /// `timeout` (also when the object's process died: ubusd does not tell), [`Error::Data`] if the answer is not what `R` expects.
    pub fn call<R: DeserializeOwned>(
        &mut self,
        path: &str,
        method: &str,
        arguments: &(impl ToMessage + ?Sized),
        timeout: Duration,
    ) -> Result<R, Error> {
        let arguments = arguments.to_message()?;
        let answer = self.call_raw(path, method, &arguments, timeout)?;
        Ok(from_blobmsg(&answer)?)
    }

    /// [`Bus::call`] with blobmsg fields as they are.
    ///
    /// # Errors
    /// As [`Bus::call`].
    pub fn call_raw(
        &mut self,
        path: &str,
        method: &str,
        arguments: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let object = self.object_id(path, deadline)?;
        self.invoke(object, method, arguments, deadline)
    }

    /// Sends an event to all who listen for its name. Names that begin with `ubus.` are ubusd's own.
    ///
    /// # Errors
    /// [`Error::Status`] if ubusd refuses it.
    pub fn send_event(
        &mut self,
        name: &str,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        let data = data.to_message()?;
        let mut event = Vec::new();
        let mut writer = Writer::new(&mut event);
        writer.string("id", name);
        writer.table("data", |table| table.encoded(&data));
        writer.finish()?;
        let deadline = Instant::now().checked_add(PATIENCE);
        self.invoke(EVENT_OBJECT, "send", &event, deadline)?;
        Ok(())
    }

    /// Asks ubusd whether it is there.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `timeout`.
    pub fn ping(&mut self, timeout: Duration) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(timeout);
        self.exchange(Kind::Ping, 0, deadline, |_| ())?;
        Ok(())
    }

    pub(super) fn invoke(
        &mut self,
        object: u32,
        method: &str,
        arguments: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Error> {
        let answers = self.exchange(Kind::Invoke, object, deadline, |writer| {
            writer.u32_attr(attr::OBJECT, object);
            writer.text_attr(attr::METHOD, method);
            writer.attr(attr::DATA, arguments);
        })?;
        let mut merged = Vec::new();
        for answer in &answers {
            // The answering program made these bytes, ubusd only passed them on: they say nothing of the connection.
            let attributes = answer.attributes().map_err(DataError::from)?;
            merged.extend_from_slice(attributes.data.unwrap_or_default());
        }
        Ok(merged)
    }

    pub(super) fn object_id(
        &mut self,
        path: &str,
        deadline: Option<Instant>,
    ) -> Result<u32, Error> {
        let objects = self.lookup_until(path, deadline)?;
        let found = objects.iter().find(|object| object.path == path);
        found
            .map(|object| object.id)
            .ok_or(Error::Status(Status::NotFound))
    }

    fn lookup_until(
        &mut self,
        pattern: &str,
        deadline: Option<Instant>,
    ) -> Result<Vec<Object>, Error> {
        let answers = self.exchange(Kind::Lookup, 0, deadline, |writer| {
            if pattern != "*" {
                writer.text_attr(attr::PATH, pattern);
            }
        });
        match answers {
            Ok(answers) => answers.iter().map(Object::read).collect(),
            Err(Error::Status(Status::NotFound)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Sends a message that nobody waits for an answer to.
    pub(super) fn send(
        &mut self,
        header: Header,
        fill: impl FnOnce(&mut Writer<'_, Vec<u8>>),
    ) -> Result<(), Error> {
        let message = Message::new(header, fill)?;
        self.guard(|bus| bus.socket.send(&message))
    }

    pub(super) fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}

impl AsFd for Bus {
    /// For a poll loop: readable means that [`Bus::receive`] has something to do. Ask [`Bus::has_incoming`] before sleeping.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Object {
    fn read(answer: &Message) -> Result<Self, Error> {
        let Attributes {
            path: Some(path),
            object: Some(id),
            object_type: Some(type_id),
            signature,
            ..
        } = answer.attributes()?
        else {
            return Err(Error::Malformed);
        };
        let methods = Fields::new(signature.unwrap_or_default()).map(|field| {
            let field = field?;
            let Value::Table(arguments) = field.value else {
                return Err(Error::Malformed);
            };
            Ok(Method {
                name: text(field.name),
                arguments: arguments.map(argument).collect::<Result<_, _>>()?,
            })
        });
        Ok(Object {
            path: text(path),
            id,
            type_id,
            methods: methods.collect::<Result<_, _>>()?,
        })
    }
}

fn argument(
    field: Result<crate::Field<'_>, crate::Malformed>,
) -> Result<(String, Option<Type>), Error> {
    let field = field?;
    let id = field.value.as_i64().and_then(|id| u8::try_from(id).ok());
    Ok((text(field.name), id.and_then(Type::from_id)))
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
