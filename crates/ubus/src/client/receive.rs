//! What comes in: answers to the request that is waited for, and everything else into the queue.

use std::time::{Duration, Instant};
use std::vec::Vec;

use super::bus::{text, Bus};
use super::error::Error;
use super::incoming::{Event, Incoming, Notification, Payload, Request};
use super::publish::Role;
use super::subscribe::{Listener, Subscription};
use crate::message::{attr, Attributes, Header, Kind, Message};
use crate::status::Status;
use crate::write::{Full, Writer};

/// What may wait in the queue while a call waits for its answer.
const MAX_QUEUED: usize = 4 << 20;

/// What one call may answer, all data replies together.
const MAX_ANSWER: usize = 8 << 20;

/// What a queued message costs besides its data.
const OVERHEAD: usize = 256;

/// The request that is waited for.
#[derive(Debug)]
pub(super) struct Awaited {
    sequence: u16,
    peer: u32,
    answers: Vec<Message>,
    size: usize,
    status: Option<Status>,
}

impl Bus {
    /// The next call, event, notification or change, waiting for it up to `timeout`.
    ///
    /// With a `timeout` of zero it takes in what has come, never blocks, and reads at most 16 KiB: in a poll loop, call it until it
    /// gives `None`.
    ///
    /// # Errors
    /// Those of the connection, after which it is of no use any more.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Incoming>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(incoming) = self.take_queued() {
                return Ok(Some(incoming));
            }
            let busy = self.guard(Bus::pump)?;
            let over = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if busy && !over {
                continue;
            }
            if busy || !self.guard(|bus| bus.socket.wait(deadline))? {
                return Ok(self.take_queued());
            }
        }
    }

    /// Whether [`Bus::receive`] has something to give although the socket may be silent: what came in during a call, or the news that
    /// the connection was lost. A poll loop should not go to sleep then.
    pub fn has_incoming(&self) -> bool {
        self.closed || !self.queue.is_empty() || self.socket.has_message()
    }

    /// Whether something could not be sent yet. The next [`Bus::receive`] sends it, as does anything else that is sent.
    pub fn has_unsent(&self) -> bool {
        self.socket.has_unsent()
    }

    /// Sends a request and waits for the status that ends it; gives the data replies before it.
    pub(super) fn exchange(
        &mut self,
        kind: Kind,
        peer: u32,
        deadline: Option<Instant>,
        fill: impl FnOnce(&mut Writer<'_, Vec<u8>>),
    ) -> Result<Vec<Message>, Error> {
        let sequence = self.next_sequence();
        let header = Header {
            kind,
            sequence,
            peer,
        };
        self.send(header, fill)?;
        self.awaited = Some(Awaited {
            sequence,
            peer,
            answers: Vec::new(),
            size: 0,
            status: None,
        });
        let waited = self.guard(|bus| bus.wait_for_status(deadline));
        let awaited = self.awaited.take();
        waited?;
        match awaited {
            Some(Awaited { size, .. }) if size > MAX_ANSWER => Err(Full.into()),
            Some(Awaited {
                status: Some(Status::Ok),
                answers,
                ..
            }) => Ok(answers),
            Some(Awaited {
                status: Some(status),
                ..
            }) => Err(Error::Status(status)),
            _ => Err(Error::Timeout),
        }
    }

    fn wait_for_status(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        while self.awaits() {
            // The time is looked at each round: a peer that never stops talking must not hold us.
            if !self.pump()? && !self.socket.wait(deadline)?
                || deadline.is_some_and(|deadline| deadline < Instant::now())
            {
                break;
            }
        }
        Ok(())
    }

    /// The first message of a connection.
    pub(super) fn first_message(&mut self, deadline: Option<Instant>) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.socket.message()? {
                return Ok(message);
            }
            if !self.socket.fill()? && !self.socket.wait(deadline)? {
                return Err(Error::Timeout);
            }
        }
    }

    /// Runs what uses the connection; after a fatal error there is none.
    pub(super) fn guard<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.closed {
            return Err(Error::Disconnected);
        }
        let result = act(self);
        if let Err(error) = &result {
            self.closed = error.is_fatal();
        }
        result
    }

    fn take_queued(&mut self) -> Option<Incoming> {
        let incoming = self.queue.pop_front()?;
        self.queued = self.queued.saturating_sub(incoming.size() + OVERHEAD);
        Some(incoming)
    }

    fn awaits(&self) -> bool {
        let awaited = self.awaited.as_ref();
        awaited.is_some_and(|awaited| awaited.status.is_none())
    }

    /// Takes in what was read, or else reads; false if there is nothing. It stops at the status that is waited for: what comes behind
    /// may be for an object whose id is in the answer.
    fn pump(&mut self) -> Result<bool, Error> {
        if !self.socket.has_message() && !self.socket.fill()? {
            return Ok(false);
        }
        let awaits = self.awaits();
        while let Some(message) = self.socket.message()? {
            self.process(message)?;
            if awaits && !self.awaits() {
                break;
            }
        }
        Ok(true)
    }

    fn process(&mut self, message: Message) -> Result<(), Error> {
        match message.header.kind {
            Kind::Status | Kind::Data => {
                self.process_answer(message);
                Ok(())
            }
            Kind::Invoke => self.process_invoke(&message),
            Kind::Notify => self.process_subscribers(&message),
            Kind::Unsubscribe => self.process_unsubscribe(&message),
            // libubus ignores the rest too: newer versions of ubusd may say more.
            _ => Ok(()),
        }
    }

    /// Answers to what nobody waits for any more are dropped.
    fn process_answer(&mut self, message: Message) {
        let header = message.header;
        let Some(awaited) = self.awaited.as_mut() else {
            return;
        };
        if (awaited.sequence, awaited.peer) != (header.sequence, header.peer) {
            return;
        }
        if header.kind == Kind::Status {
            let status = tolerant(&message).status.map(Status::from_code);
            awaited.status = Some(status.unwrap_or(Status::InvalidArgument));
            return;
        }
        awaited.size = awaited.size.saturating_add(message.body.len() + OVERHEAD);
        if awaited.size <= MAX_ANSWER {
            awaited.answers.push(message);
        } else {
            awaited.answers.clear();
        }
    }

    fn process_invoke(&mut self, message: &Message) -> Result<(), Error> {
        let attributes = tolerant(message);
        let object = attributes.object.unwrap_or(0);
        match self.role(object) {
            None => self.end(message, &attributes, Status::NotFound),
            Some(Role::Published { .. }) => match self.check(message, &attributes) {
                Ok(request) => self.enqueue(Incoming::Request(request)),
                Err(status) => self.end(message, &attributes, status),
            },
            Some(Role::Subscriber) => {
                self.end(message, &attributes, Status::Ok)?;
                self.enqueue(Incoming::Notification(Notification {
                    subscription: Subscription(object),
                    kind: text(attributes.method.unwrap_or_default()),
                    data: Payload::new(attributes.data.unwrap_or_default()),
                }))
            }
            Some(Role::Listener) => {
                self.end(message, &attributes, Status::Ok)?;
                self.enqueue(Incoming::Event(Event {
                    listener: Listener(object),
                    name: text(attributes.method.unwrap_or_default()),
                    data: Payload::new(attributes.data.unwrap_or_default()),
                }))
            }
        }
    }

    /// The one place where a call is judged: the method sees only what it has declared.
    fn check(&self, message: &Message, attributes: &Attributes<'_>) -> Result<Request, Status> {
        let object = attributes.object.ok_or(Status::NotFound)?;
        let Some(Role::Published { spec, .. }) = self.role(object) else {
            return Err(Status::NotFound);
        };
        let method = attributes.method.ok_or(Status::InvalidArgument)?;
        let data = attributes.data.ok_or(Status::InvalidArgument)?;
        let arguments = spec.check(method, data)?;
        Ok(Request {
            connection: self.number,
            object,
            caller: message.header.peer,
            sequence: message.header.sequence,
            silent: attributes.no_reply,
            method: text(method),
            arguments: Payload::new(&arguments),
            user: attributes.user.map(text),
            group: attributes.group.map(text),
        })
    }

    fn process_subscribers(&mut self, message: &Message) -> Result<(), Error> {
        let attributes = tolerant(message);
        let (Some(object), Some(now)) = (attributes.object, attributes.active) else {
            return Ok(());
        };
        let role = self.roles.iter_mut().find(|(id, _)| *id == object);
        let Some((_, Role::Published { subscribed, .. })) = role else {
            return Ok(());
        };
        *subscribed = now;
        self.enqueue(Incoming::Subscribers {
            object: super::Published(object),
            active: now,
        })
    }

    fn process_unsubscribe(&mut self, message: &Message) -> Result<(), Error> {
        let object = tolerant(message).object.unwrap_or(0);
        match self.role(object) {
            Some(Role::Subscriber) => self.enqueue(Incoming::Unsubscribed(Subscription(object))),
            _ => Ok(()),
        }
    }

    /// Ends a call with a status, unless the caller wants none.
    fn end(
        &mut self,
        message: &Message,
        attributes: &Attributes<'_>,
        status: Status,
    ) -> Result<(), Error> {
        if attributes.no_reply {
            return Ok(());
        }
        let header = Header {
            kind: Kind::Status,
            ..message.header
        };
        let object = attributes.object.unwrap_or(0);
        self.send(header, |writer| {
            writer.u32_attr(attr::STATUS, status.code());
            writer.u32_attr(attr::OBJECT, object);
        })
    }

    fn enqueue(&mut self, incoming: Incoming) -> Result<(), Error> {
        self.queued += incoming.size() + OVERHEAD;
        if self.queued > MAX_QUEUED {
            return Err(Error::Overrun);
        }
        self.queue.push_back(incoming);
        Ok(())
    }
}

/// The attributes of a message; none if they are malformed, which is its author's fault and not ubusd's.
fn tolerant(message: &Message) -> Attributes<'_> {
    message.attributes().unwrap_or_default()
}
