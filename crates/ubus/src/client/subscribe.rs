//! Other programs' notifications and events.

use std::time::Instant;
use std::vec::Vec;

use super::bus::{Bus, EVENT_OBJECT, PATIENCE};
use super::error::Error;
use super::publish::Role;
use crate::message::{attr, Kind};
use crate::write::Writer;

/// A subscription to an object's notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription(pub(super) u32);

/// A pattern of event names that is listened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener(pub(super) u32);

impl Bus {
    /// Asks for the notifications of the object at `path`. They come as [`Incoming::Notification`](super::Incoming::Notification);
    /// when the object goes, [`Incoming::Unsubscribed`](super::Incoming::Unsubscribed) comes instead.
    ///
    /// # Errors
    /// [`Error::Status`] with [`Status::NotFound`](crate::Status::NotFound) without such an object.
    pub fn subscribe(&mut self, path: &str) -> Result<Subscription, Error> {
        let subscriber = self.add(Role::Subscriber, None)?;
        if let Err(error) = self.subscribe_with(subscriber, path) {
            self.remove(subscriber)?;
            return Err(error);
        }
        Ok(Subscription(subscriber))
    }

    fn subscribe_with(&mut self, subscriber: u32, path: &str) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(PATIENCE);
        let target = self.object_id(path, deadline)?;
        self.exchange(Kind::Subscribe, 0, deadline, |writer| {
            writer.u32_attr(attr::OBJECT, subscriber);
            writer.u32_attr(attr::TARGET, target);
        })?;
        Ok(())
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn unsubscribe(&mut self, subscription: Subscription) -> Result<(), Error> {
        self.remove(subscription.0)
    }

    /// Listens for events whose name is `pattern`, or begins with it if it ends with `*`. One's own events don't come back.
    ///
    /// # Errors
    /// [`Error::Status`] if ubusd refuses the pattern.
    pub fn listen(&mut self, pattern: &str) -> Result<Listener, Error> {
        let object = self.add(Role::Listener, None)?;
        let mut arguments = Vec::new();
        let mut writer = Writer::new(&mut arguments);
        writer.int32("object", object as i32);
        writer.string("pattern", pattern);
        writer.finish()?;
        let deadline = Instant::now().checked_add(PATIENCE);
        if let Err(error) = self.invoke(EVENT_OBJECT, "register", &arguments, deadline) {
            self.remove(object)?;
            return Err(error);
        }
        Ok(Listener(object))
    }

    /// Ends listening.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn unlisten(&mut self, listener: Listener) -> Result<(), Error> {
        self.remove(listener.0)
    }
}
