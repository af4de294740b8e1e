//! What the bus brings unasked.

use std::borrow::Cow;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use super::publish::Published;
use super::subscribe::{Listener, Subscription};
use crate::blobmsg::Fields;
use crate::data::{from_blobmsg, to_blobmsg, DataError};

/// Something that came in.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// Somebody calls a method of an object of ours. It has to be completed, now or later.
    Request(Request),
    /// An object that is subscribed to notifies.
    Notification(Notification),
    /// An event that is listened for.
    Event(Event),
    /// The object that was subscribed to has gone.
    Unsubscribed(Subscription),
    /// An object of ours got its first subscriber, or lost its last.
    Subscribers {
        /// The object.
        object: Published,
        /// Whether anybody is subscribed now.
        active: bool,
    },
}

impl Incoming {
    pub(super) fn size(&self) -> usize {
        match self {
            Incoming::Request(request) => request.arguments.0.len() + request.method.len(),
            Incoming::Notification(notification) => {
                notification.data.0.len() + notification.kind.len()
            }
            Incoming::Event(event) => event.data.0.len() + event.name.len(),
            Incoming::Unsubscribed(_) | Incoming::Subscribers { .. } => 0,
        }
    }
}

/// The fields of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

/// What can be sent as a message: plain structs, and fields that are encoded already.
pub trait ToMessage {
    /// The fields as blobmsg.
    ///
    /// # Errors
    /// [`DataError`] if they can't be written.
    fn to_message(&self) -> Result<Cow<'_, [u8]>, DataError>;
}

impl<T: Serialize + ?Sized> ToMessage for T {
    fn to_message(&self) -> Result<Cow<'_, [u8]>, DataError> {
        to_blobmsg(self).map(Cow::Owned)
    }
}

impl ToMessage for Payload {
    fn to_message(&self) -> Result<Cow<'_, [u8]>, DataError> {
        Ok(Cow::Borrowed(&self.0))
    }
}

impl From<Vec<u8>> for Payload {
    /// Takes blobmsg fields as they are.
    fn from(fields: Vec<u8>) -> Self {
        Payload(fields)
    }
}

impl Payload {
    pub(super) fn new(fields: &[u8]) -> Self {
        Payload(fields.to_vec())
    }

    /// Reads the fields into a struct.
    ///
    /// # Errors
    /// [`DataError`] if they are not what `T` expects.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, DataError> {
        from_blobmsg(&self.0)
    }

    /// The fields one by one.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.0)
    }

    /// The fields as blobmsg.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A call of a method, with its arguments checked. It may be kept and completed later; the caller waits until then.
#[derive(Debug)]
#[must_use = "its caller waits until it is completed"]
pub struct Request {
    pub(super) connection: usize,
    pub(super) object: u32,
    pub(super) caller: u32,
    pub(super) sequence: u16,
    pub(super) silent: bool,
    pub(super) method: String,
    pub(super) arguments: Payload,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

impl Request {
    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The arguments: declared ones only, without nulls and without `ubus_rpc_session`.
    pub fn arguments(&self) -> &Payload {
        &self.arguments
    }

    /// The object that is called.
    pub fn object(&self) -> Published {
        Published(self.object)
    }

    /// The name of the user that the calling process runs as, as ubusd tells it.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The name of the group that the calling process runs as.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// The caller's id on the bus.
    pub fn caller(&self) -> u32 {
        self.caller
    }
}

/// A notification.
#[derive(Debug)]
pub struct Notification {
    /// Where it comes from.
    pub subscription: Subscription,
    /// What the publisher calls it, such as `status`.
    pub kind: String,
    /// What it says.
    pub data: Payload,
}

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Who listens for it.
    pub listener: Listener,
    /// Its name, such as `ubus.object.add`.
    pub name: String,
    /// What it says.
    pub data: Payload,
}
