//! Calls, their answers, and notifications: what is passed on from one client to another.

use ubus::message::{attr, Kind};
use ubus::{Status, Writer};

use crate::events::EVENT_OBJECT;
use crate::state::{Incoming, State, Then};

impl State {
    pub(crate) fn ping(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        self.answer(incoming, Kind::Data, |writer| writer.encoded(incoming.body));
        Ok(Then::Done)
    }

    pub(crate) fn invoke(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let attributes = incoming.attributes;
        let method = attributes.method.ok_or(Status::InvalidArgument)?;
        let id = attributes.object.ok_or(Status::InvalidArgument)?;
        if id == EVENT_OBJECT {
            return self.event_call(incoming, method);
        }
        self.objects.get(&id).ok_or(Status::NotFound)?;
        self.forward(incoming, id, method, false);
        Ok(Then::Silent)
    }

    /// Passes a part of an answer, or its end, on to the caller.
    ///
    /// ubusd does not remember the calls in flight, nor does this: whoever owns the object may answer anybody.
    pub(crate) fn respond(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let header = incoming.header;
        let attributes = incoming.attributes;
        let complete = match header.kind {
            Kind::Status => attributes.status.is_some(),
            _ => attributes.data.is_some(),
        };
        let owned = attributes
            .object
            .and_then(|id| Some((id, self.objects.get(&id)?)));
        if let Some((id, object)) = owned {
            if complete && object.client == incoming.client {
                self.send(header.peer, header.kind, header.sequence, id, |writer| {
                    writer.encoded(incoming.body);
                });
            }
        }
        Ok(Then::Silent)
    }

    pub(crate) fn notify(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let attributes = incoming.attributes;
        let kind = attributes.method.ok_or(Status::InvalidArgument)?;
        let id = attributes.object.ok_or(Status::InvalidArgument)?;
        let object = self.objects.get(&id).ok_or(Status::NotFound)?;
        if object.client != incoming.client {
            return Err(Status::PermissionDenied);
        }
        let subscribers = object.subscribers.clone();
        if !attributes.no_reply {
            self.answer(incoming, Kind::Status, |writer| {
                writer.u32_attr(attr::OBJECT, id);
                let list = writer.open_attr(attr::SUBSCRIBERS);
                for subscriber in &subscribers {
                    writer.u32_attr(0, *subscriber);
                }
                writer.close(list);
                writer.u32_attr(attr::STATUS, Status::Ok.code());
            });
        }
        for subscriber in subscribers {
            self.forward(incoming, subscriber, kind, attributes.no_reply);
        }
        Ok(Then::Silent)
    }

    /// Passes a call or a notification on to an object, with the caller's user and group.
    fn forward(&mut self, incoming: &Incoming<'_>, object: u32, method: &[u8], no_reply: bool) {
        let Some(client) = self.objects.get(&object).map(|object| object.client) else {
            return;
        };
        let Some(caller) = self.clients.get(&incoming.client) else {
            return;
        };
        let (user, group) = (caller.user.clone(), caller.group.clone());
        let fill = |writer: &mut Writer<'_, Vec<u8>>| {
            if no_reply {
                writer.attr(attr::NO_REPLY, &[1]);
            }
            writer.u32_attr(attr::OBJECT, object);
            writer.text_attr(attr::METHOD, method);
            writer.text_attr(attr::USER, user);
            writer.text_attr(attr::GROUP, group);
            if let Some(data) = incoming.attributes.data {
                writer.attr(attr::DATA, data);
            }
        };
        let sequence = incoming.header.sequence;
        self.send(client, Kind::Invoke, sequence, incoming.client, fill);
    }
}
