//! Who is connected, what is published, and the way of each message.

use std::collections::hash_map::RandomState;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::net::UnixStream;

use ubus::message::{attr, Attributes, Header, Kind, Message};
use ubus::{Status, Writer};

use crate::client::Client;
use crate::objects::Object;

/// Ids below this are ubusd's own objects.
pub(crate) const FIRST_ID: u32 = 1024;

/// The whole bus.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) clients: BTreeMap<u32, Client>,
    pub(crate) objects: BTreeMap<u32, Object>,
    /// The ids of the objects that have a path; in the order of `ubus list`.
    pub(crate) paths: BTreeMap<Vec<u8>, u32>,
    pub(crate) event_sequence: u16,
}

/// A message that a client has sent, taken apart.
pub(crate) struct Incoming<'a> {
    pub(crate) client: u32,
    pub(crate) header: Header,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) body: &'a [u8],
}

/// What follows a request that was not refused.
pub(crate) enum Then {
    /// The status 0.
    Done,
    /// Nothing: the answer, if any, comes from elsewhere.
    Silent,
}

impl State {
    pub(crate) fn clients(&self) -> impl Iterator<Item = (u32, &Client)> {
        self.clients.iter().map(|(id, client)| (*id, client))
    }

    /// Takes a connection over and greets it.
    pub(crate) fn connect(&mut self, stream: UnixStream) {
        let Some(client) = Client::new(stream) else {
            return;
        };
        let id = self.new_id();
        self.clients.insert(id, client);
        self.send(id, Kind::Hello, 0, id, |_| ());
    }

    /// Throws everybody out.
    pub(crate) fn disconnect_all(&mut self) {
        *self = State::default();
    }

    /// Handles what a client has sent.
    pub(crate) fn serve(&mut self, id: u32) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.flush();
        client.fill();
        while let Some(message) = self.clients.get_mut(&id).and_then(Client::message) {
            self.handle(id, &message);
        }
        if self.clients.get(&id).is_some_and(Client::is_broken) {
            self.disconnect(id);
        }
    }

    fn disconnect(&mut self, id: u32) {
        let owned: Vec<u32> = self
            .objects
            .iter()
            .filter(|(_, object)| object.client == id)
            .map(|(id, _)| *id)
            .collect();
        self.clients.remove(&id);
        for object in owned {
            self.free_object(object);
        }
    }

    fn handle(&mut self, client: u32, message: &Message) {
        let incoming = Incoming {
            client,
            header: message.header,
            attributes: message.attributes().unwrap_or_default(),
            body: &message.body,
        };
        let outcome = match message.header.kind {
            Kind::Ping => self.ping(&incoming),
            Kind::Lookup => self.lookup(&incoming),
            Kind::AddObject => self.add_object(&incoming),
            Kind::RemoveObject => self.remove_object(&incoming),
            Kind::Invoke => self.invoke(&incoming),
            Kind::Status | Kind::Data => self.respond(&incoming),
            Kind::Notify => self.notify(&incoming),
            Kind::Subscribe => self.subscribe(&incoming),
            Kind::Unsubscribe => self.unsubscribe(&incoming),
            Kind::Hello | Kind::Monitor | Kind::Other(_) => Err(Status::InvalidCommand),
        };
        let status = match outcome {
            Ok(Then::Silent) => return,
            Ok(Then::Done) => Status::Ok,
            Err(status) => status,
        };
        self.answer(&incoming, Kind::Status, |writer| {
            writer.u32_attr(attr::STATUS, status.code());
        });
    }

    /// Sends to who has sent `incoming`.
    pub(crate) fn answer(
        &mut self,
        incoming: &Incoming<'_>,
        kind: Kind,
        fill: impl FnOnce(&mut Writer<'_, Vec<u8>>),
    ) {
        let header = incoming.header;
        self.send(incoming.client, kind, header.sequence, header.peer, fill);
    }

    /// Sends to a client, if it is still there. What would be longer than a message may be is not sent.
    pub(crate) fn send(
        &mut self,
        client: u32,
        kind: Kind,
        sequence: u16,
        peer: u32,
        fill: impl FnOnce(&mut Writer<'_, Vec<u8>>),
    ) {
        let header = Header {
            kind,
            sequence,
            peer,
        };
        let Some(client) = self.clients.get_mut(&client) else {
            return;
        };
        if let Ok(message) = Message::new(header, fill) {
            client.send(&message);
        }
    }

    /// A random number that nothing else has. Like ubusd's they don't repeat after a restart, so that no client can mistake one.
    pub(crate) fn new_id(&self) -> u32 {
        loop {
            let id = RandomState::new().build_hasher().finish() as u32;
            let taken = self.clients.contains_key(&id)
                || self
                    .objects
                    .iter()
                    .any(|(object, entry)| *object == id || entry.has_type(id));
            if id >= FIRST_ID && !taken {
                return id;
            }
        }
    }
}
