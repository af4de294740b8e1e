//! Objects: publishing, looking up, subscribing.

use std::rc::Rc;

use ubus::message::{attr, Kind};
use ubus::{Fields, Status};

use crate::events::Pattern;
use crate::state::{Incoming, State, Then};

/// An object: a published one, or one without a path that only receives.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) client: u32,
    path: Option<Vec<u8>>,
    class: Option<Rc<Class>>,
    /// The objects that are notified, the newest first.
    pub(crate) subscribers: Vec<u32>,
    pub(crate) patterns: Vec<Pattern>,
    sequence: u16,
}

/// What ubusd calls an object's type: its methods.
#[derive(Debug)]
struct Class {
    id: u32,
    signature: Vec<u8>,
}

impl Object {
    pub(crate) fn has_type(&self, id: u32) -> bool {
        self.class.as_ref().is_some_and(|class| class.id == id)
    }
}

impl State {
    pub(crate) fn add_object(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let attributes = incoming.attributes;
        let class = match (attributes.object_type, attributes.signature) {
            (Some(id), _) => self.class(id),
            (None, Some(signature)) => self.new_class(signature),
            (None, None) => None,
        };
        let path = attributes.path.map(<[u8]>::to_vec);
        let id = self.new_id();
        if let Some(path) = &path {
            if self.paths.contains_key(path) {
                return Err(Status::InvalidArgument);
            }
            self.paths.insert(path.clone(), id);
        }
        let object = Object {
            client: incoming.client,
            path: path.clone(),
            class: class.clone(),
            subscribers: Vec::new(),
            patterns: Vec::new(),
            sequence: 0,
        };
        self.objects.insert(id, object);
        if let Some(path) = path {
            self.object_event("ubus.object.add", id, &path);
        }
        let class = class.filter(|_| attributes.signature.is_some());
        self.answer(incoming, Kind::Data, |writer| {
            writer.u32_attr(attr::OBJECT, id);
            if let Some(class) = class {
                writer.u32_attr(attr::TYPE, class.id);
            }
        });
        Ok(Then::Done)
    }

    pub(crate) fn remove_object(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let id = incoming.attributes.object.ok_or(Status::InvalidArgument)?;
        let object = self.objects.get(&id).ok_or(Status::NotFound)?;
        if object.client != incoming.client {
            return Err(Status::PermissionDenied);
        }
        // The type goes with its last object; the broker's own hold on it here does not count.
        let class = object
            .class
            .as_ref()
            .filter(|class| Rc::strong_count(class) == 1);
        let class = class.map(|class| class.id);
        self.answer(incoming, Kind::Data, |writer| {
            writer.u32_attr(attr::OBJECT, id);
            if let Some(class) = class {
                writer.u32_attr(attr::TYPE, class);
            }
        });
        self.free_object(id);
        Ok(Then::Done)
    }

    /// Takes an object away, with its subscriptions in both directions.
    pub(crate) fn free_object(&mut self, id: u32) {
        let targets: Vec<u32> = self
            .objects
            .iter()
            .filter(|(_, target)| target.subscribers.contains(&id))
            .map(|(target, _)| *target)
            .collect();
        for target in targets {
            self.drop_subscriber(target, id);
        }
        let subscribers = self
            .objects
            .get(&id)
            .map(|object| object.subscribers.clone());
        for subscriber in subscribers.unwrap_or_default() {
            self.tell_gone(subscriber, id);
            self.drop_subscriber(id, subscriber);
        }
        let Some(object) = self.objects.remove(&id) else {
            return;
        };
        if let Some(path) = object.path {
            self.object_event("ubus.object.remove", id, &path);
            self.paths.remove(&path);
        }
    }

    pub(crate) fn lookup(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let matching: Vec<u32> = match incoming.attributes.path {
            None => self.paths.values().copied().collect(),
            Some([]) => return Err(Status::InvalidArgument),
            Some([prefix @ .., b'*']) => {
                let from = self.paths.range(prefix.to_vec()..);
                let matching = from.take_while(|(path, _)| path.starts_with(prefix));
                matching.map(|(_, id)| *id).collect()
            }
            Some(path) => self.paths.get(path).copied().into_iter().collect(),
        };
        if matching.is_empty() && incoming.attributes.path.is_some() {
            return Err(Status::NotFound);
        }
        for id in matching {
            self.describe(incoming, id);
        }
        Ok(Then::Done)
    }

    pub(crate) fn subscribe(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let (subscriber, target) = self.subscription(incoming)?;
        let object = self.objects.get_mut(&target).ok_or(Status::NotFound)?;
        if object.client == incoming.client {
            return Err(Status::InvalidArgument);
        }
        let first = object.subscribers.is_empty();
        object.subscribers.insert(0, subscriber);
        if first {
            self.tell_subscribed(target, true);
        }
        Ok(Then::Done)
    }

    pub(crate) fn unsubscribe(&mut self, incoming: &Incoming<'_>) -> Result<Then, Status> {
        let (subscriber, target) = self.subscription(incoming)?;
        match self.drop_subscriber(target, subscriber) {
            true => Ok(Then::Done),
            false => Err(Status::NotFound),
        }
    }

    /// Our own object and the target of a subscription.
    fn subscription(&self, incoming: &Incoming<'_>) -> Result<(u32, u32), Status> {
        let subscriber = incoming.attributes.object.ok_or(Status::InvalidArgument)?;
        let target = incoming.attributes.target.ok_or(Status::InvalidArgument)?;
        let object = self.objects.get(&subscriber).ok_or(Status::NotFound)?;
        if object.client != incoming.client {
            return Err(Status::InvalidArgument);
        }
        Ok((subscriber, target))
    }

    /// Takes one subscription away; false if there is none.
    fn drop_subscriber(&mut self, target: u32, subscriber: u32) -> bool {
        let Some(object) = self.objects.get_mut(&target) else {
            return false;
        };
        let Some(place) = object.subscribers.iter().position(|id| *id == subscriber) else {
            return false;
        };
        object.subscribers.remove(place);
        if object.subscribers.is_empty() {
            self.tell_subscribed(target, false);
        }
        true
    }

    /// Tells a publisher whether it has subscribers.
    fn tell_subscribed(&mut self, id: u32, active: bool) {
        let Some((client, sequence)) = self.next_sequence(id) else {
            return;
        };
        self.send(client, Kind::Notify, sequence, 0, |writer| {
            writer.u32_attr(attr::OBJECT, id);
            writer.attr(attr::ACTIVE, &[u8::from(active)]);
        });
    }

    /// Tells a subscriber that its target is gone.
    fn tell_gone(&mut self, subscriber: u32, target: u32) {
        let Some((client, sequence)) = self.next_sequence(subscriber) else {
            return;
        };
        self.send(client, Kind::Unsubscribe, sequence, 0, |writer| {
            writer.u32_attr(attr::OBJECT, subscriber);
            writer.u32_attr(attr::TARGET, target);
        });
    }

    fn next_sequence(&mut self, id: u32) -> Option<(u32, u16)> {
        let object = self.objects.get_mut(&id)?;
        object.sequence = object.sequence.wrapping_add(1);
        Some((object.client, object.sequence))
    }

    fn describe(&mut self, incoming: &Incoming<'_>, id: u32) {
        let Some(Object {
            path: Some(path),
            class: Some(class),
            ..
        }) = self.objects.get(&id)
        else {
            return;
        };
        let (path, class) = (path.clone(), Rc::clone(class));
        self.answer(incoming, Kind::Data, |writer| {
            writer.text_attr(attr::PATH, path);
            writer.u32_attr(attr::OBJECT, id);
            writer.u32_attr(attr::TYPE, class.id);
            writer.attr(attr::SIGNATURE, &class.signature);
        });
    }

    fn class(&self, id: u32) -> Option<Rc<Class>> {
        let classes = self
            .objects
            .values()
            .filter_map(|object| object.class.as_ref());
        classes.filter(|class| class.id == id).map(Rc::clone).next()
    }

    /// A type with this signature; none if a method has no name or is malformed.
    fn new_class(&self, signature: &[u8]) -> Option<Rc<Class>> {
        let sound =
            Fields::new(signature).all(|field| field.is_ok_and(|field| !field.name.is_empty()));
        sound.then(|| {
            Rc::new(Class {
                id: self.new_id(),
                signature: signature.to_vec(),
            })
        })
    }
}
