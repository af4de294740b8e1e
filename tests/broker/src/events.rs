//! Events: patterns of names that clients listen for, and the object by which they are registered and sent.

use ubus::message::{attr, Kind};
use ubus::{Fields, Status, Type, Value, Writer};

use crate::state::{Incoming, State, Then, FIRST_ID};

/// ubusd's own object for events.
pub(crate) const EVENT_OBJECT: u32 = 1;

/// What an object listens for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pattern {
    text: Vec<u8>,
    /// Whether every name that begins with the text matches.
    open: bool,
}

impl Pattern {
    fn new(pattern: &[u8]) -> Self {
        let (text, open) = match pattern {
            [text @ .., b'*'] => (text, true),
            text => (text, false),
        };
        Pattern {
            text: text.to_vec(),
            open,
        }
    }

    fn matches(&self, name: &[u8]) -> bool {
        name == self.text || self.open && name.starts_with(&self.text)
    }
}

impl State {
    /// A call of ubusd's own object.
    pub(crate) fn event_call(
        &mut self,
        incoming: &Incoming<'_>,
        method: &[u8],
    ) -> Result<Then, Status> {
        let data = incoming.attributes.data.ok_or(Status::InvalidArgument)?;
        match method {
            b"register" => self.register(incoming.client, Fields::new(data)),
            b"send" => self.forward_event(incoming.client, Fields::new(data)),
            _ => Err(Status::InvalidCommand),
        }
    }

    fn register(&mut self, client: u32, data: Fields<'_>) -> Result<Then, Status> {
        let Some(Value::Int32(id)) = field(data, "object", Type::Int32) else {
            return Err(Status::InvalidArgument);
        };
        let Some(Value::String(pattern)) = field(data, "pattern", Type::String) else {
            return Err(Status::InvalidArgument);
        };
        let id = id as u32;
        if id < FIRST_ID {
            return Err(Status::PermissionDenied);
        }
        let object = self.objects.get_mut(&id).ok_or(Status::NotFound)?;
        if object.client != client || pattern.is_empty() {
            return Err(Status::PermissionDenied);
        }
        object.patterns.push(Pattern::new(pattern));
        Ok(Then::Done)
    }

    fn forward_event(&mut self, client: u32, data: Fields<'_>) -> Result<Then, Status> {
        let Some(Value::String(name)) = field(data, "id", Type::String) else {
            return Err(Status::InvalidArgument);
        };
        let Some(Value::Table(content)) = field(data, "data", Type::Table) else {
            return Err(Status::InvalidArgument);
        };
        if name.starts_with(b"ubus.") {
            return Err(Status::PermissionDenied);
        }
        self.event(Some(client), name, content.as_bytes());
        Ok(Then::Done)
    }

    /// The event that ubusd itself sends when an object comes or goes.
    pub(crate) fn object_event(&mut self, name: &str, id: u32, path: &[u8]) {
        let mut content = Vec::new();
        let mut writer = Writer::new(&mut content);
        writer.int32("id", id as i32);
        writer.string("path", path);
        if writer.finish().is_ok() {
            self.event(None, name.as_bytes(), &content);
        }
    }

    /// Gives an event to all who listen, once to each object, but not to its sender.
    fn event(&mut self, sender: Option<u32>, name: &[u8], content: &[u8]) {
        let mut listeners: Vec<(&Pattern, u32, u32)> = Vec::new();
        for (id, object) in &self.objects {
            let matching = object
                .patterns
                .iter()
                .filter(|pattern| pattern.matches(name));
            if let Some(pattern) = matching.min().filter(|_| sender != Some(object.client)) {
                listeners.push((pattern, *id, object.client));
            }
        }
        listeners.sort();
        let listeners: Vec<(u32, u32)> = listeners
            .into_iter()
            .map(|(_, id, client)| (id, client))
            .collect();
        for (id, client) in listeners {
            self.event_sequence = self.event_sequence.wrapping_add(1);
            self.send(client, Kind::Invoke, self.event_sequence, 0, |writer| {
                writer.u32_attr(attr::OBJECT, id);
                writer.text_attr(attr::METHOD, name);
                writer.attr(attr::DATA, content);
            });
        }
    }
}

/// The first field of this name and type, as libubox finds it.
fn field<'a>(data: Fields<'a>, name: &str, kind: Type) -> Option<Value<'a>> {
    let mut sound = data.map_while(Result::ok);
    let found = sound.find(|field| field.name == name.as_bytes() && field.value.kind() == kind);
    found.map(|field| field.value)
}
