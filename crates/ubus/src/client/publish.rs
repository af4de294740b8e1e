//! Our own objects: publishing, answering, notifying.

use std::time::Instant;

use super::bus::{Bus, PATIENCE};
use super::error::Error;
use super::incoming::{Request, ToMessage};
use super::object::ObjectSpec;
use crate::message::{attr, Header, Kind};
use crate::status::Status;

/// A published object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published(pub(super) u32);

impl Published {
    /// The object's id on the bus.
    pub fn id(self) -> u32 {
        self.0
    }
}

/// What an object of ours is for.
#[derive(Debug)]
pub(super) enum Role {
    Published { spec: ObjectSpec, subscribed: bool },
    Subscriber,
    Listener,
}

impl Bus {
    /// Publishes an object.
    ///
    /// # Errors
    /// [`Error::Status`] with [`Status::InvalidArgument`] if the path is taken.
    pub fn add_object(&mut self, spec: ObjectSpec) -> Result<Published, Error> {
        let role = Role::Published {
            spec: spec.clone(),
            subscribed: false,
        };
        self.add(role, Some(&spec)).map(Published)
    }

    /// Takes an object back.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn remove_object(&mut self, object: Published) -> Result<(), Error> {
        self.remove(object.0)
    }

    /// Sends a part of an answer; [`Bus::complete`] ends it.
    ///
    /// # Errors
    /// [`Error::Data`] if it can't be written or is too large, which leaves the request open.
    pub fn reply(
        &mut self,
        request: &Request,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        let data = data.to_message()?;
        self.reply_raw(request, &data)
    }

    /// [`Bus::reply`] with blobmsg fields as they are.
    ///
    /// # Errors
    /// As [`Bus::reply`].
    pub fn reply_raw(&mut self, request: &Request, data: &[u8]) -> Result<(), Error> {
        if self.goes_nowhere(request) {
            return Ok(());
        }
        self.send(answer(request, Kind::Data), |writer| {
            writer.u32_attr(attr::OBJECT, request.object);
            writer.attr(attr::DATA, data);
        })
    }

    /// Ends a call.
    ///
    /// # Errors
    /// Those of the connection. It is none if the request came over a former connection: its caller has long been told.
    pub fn complete(&mut self, request: Request, status: Status) -> Result<(), Error> {
        if self.goes_nowhere(&request) {
            return Ok(());
        }
        self.send(answer(&request, Kind::Status), |writer| {
            writer.u32_attr(attr::STATUS, status.code());
            writer.u32_attr(attr::OBJECT, request.object);
        })
    }

    /// Answers a call and ends it, with [`Status::UnknownError`] if the answer can't be written.
    ///
    /// # Errors
    /// As [`Bus::reply`], but the request is completed in any case.
    pub fn answer(
        &mut self,
        request: Request,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        let replied = self.reply(&request, data);
        let status = match &replied {
            Ok(()) => Status::Ok,
            Err(_) => Status::UnknownError,
        };
        let completed = self.complete(request, status);
        replied.and(completed)
    }

    /// Notifies the subscribers of an object; does nothing if there are none. Their acknowledgements are not asked for.
    ///
    /// # Errors
    /// [`Error::Data`] if the data can't be written, and those of the connection.
    pub fn notify(
        &mut self,
        object: Published,
        kind: &str,
        data: &(impl ToMessage + ?Sized),
    ) -> Result<(), Error> {
        if !self.is_subscribed(object) {
            return Ok(());
        }
        let data = data.to_message()?;
        let header = Header {
            kind: Kind::Notify,
            sequence: self.next_sequence(),
            peer: object.0,
        };
        self.send(header, |writer| {
            writer.u32_attr(attr::OBJECT, object.0);
            writer.text_attr(attr::METHOD, kind);
            writer.attr(attr::DATA, &data);
            writer.attr(attr::NO_REPLY, &[1]);
        })
    }

    /// Whether anybody is subscribed to an object of ours, as far as ubusd has told.
    pub fn is_subscribed(&self, object: Published) -> bool {
        matches!(
            self.role(object.0),
            Some(Role::Published {
                subscribed: true,
                ..
            })
        )
    }

    /// Adds an object: a published one, or one without a name that only receives.
    pub(super) fn add(&mut self, role: Role, spec: Option<&ObjectSpec>) -> Result<u32, Error> {
        let deadline = Instant::now().checked_add(PATIENCE);
        let answers = self.exchange(Kind::AddObject, 0, deadline, |writer| {
            if let Some(spec) = spec {
                writer.text_attr(attr::PATH, spec.path());
                let signature = writer.open_attr(attr::SIGNATURE);
                spec.write_signature(writer);
                writer.close(signature);
            }
        })?;
        let answer = answers.first().ok_or(Error::Status(Status::NoData))?;
        let id = answer.attributes()?.object.ok_or(Error::Malformed)?;
        self.forget(id);
        self.roles.push((id, role));
        Ok(id)
    }

    /// What our object of this id is for.
    pub(super) fn role(&self, id: u32) -> Option<&Role> {
        let found = self.roles.iter().find(|(known, _)| *known == id);
        found.map(|(_, role)| role)
    }

    fn forget(&mut self, id: u32) {
        self.roles.retain(|(known, _)| *known != id);
    }

    pub(super) fn remove(&mut self, id: u32) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(PATIENCE);
        self.forget(id);
        self.exchange(Kind::RemoveObject, 0, deadline, |writer| {
            writer.u32_attr(attr::OBJECT, id);
        })?;
        Ok(())
    }

    /// Whether nobody waits for an answer: the request came over a former connection, or its caller wants none.
    fn goes_nowhere(&self, request: &Request) -> bool {
        request.connection != self.number || request.silent
    }
}

fn answer(request: &Request, kind: Kind) -> Header {
    Header {
        kind,
        sequence: request.sequence,
        peer: request.caller,
    }
}
