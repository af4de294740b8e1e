//! The messages between ubusd and its clients, and how they are cut out of the stream.
//!
//! A message is eight bytes {version u8 = 0, type u8, sequence u16, peer u32} and one blob attribute, all big-endian.

use std::vec::Vec;

use crate::blob::{Attr, Attrs, Malformed};
use crate::write::{Full, Writer};

/// The longest blob of a message, which is ubusd's own limit (UBUS_MAX_MSGLEN).
pub const MAX_BLOB: usize = 1 << 20;

const HEADER: usize = 8;
const BLOB_HEADER: usize = 4;

/// The ids of the attributes in a message's blob.
pub mod attr {
    /// How a call ended, u32.
    pub const STATUS: u8 = 1;
    /// The path of an object, text.
    pub const PATH: u8 = 2;
    /// The id of an object, u32.
    pub const OBJECT: u8 = 3;
    /// A method, or the kind of a notification or event, text.
    pub const METHOD: u8 = 4;
    /// The id of an object's type, u32.
    pub const TYPE: u8 = 5;
    /// The methods, as blobmsg tables of argument types.
    pub const SIGNATURE: u8 = 6;
    /// Arguments or an answer, as blobmsg fields.
    pub const DATA: u8 = 7;
    /// The object that is subscribed to, u32.
    pub const TARGET: u8 = 8;
    /// Whether an object has subscribers, u8.
    pub const ACTIVE: u8 = 9;
    /// Set if no status is wanted, u8.
    pub const NO_REPLY: u8 = 10;
    /// The subscribers that a notification went to, attributes with id 0.
    pub const SUBSCRIBERS: u8 = 11;
    /// The caller's user name, text.
    pub const USER: u8 = 12;
    /// The caller's group name, text.
    pub const GROUP: u8 = 13;
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0: ubusd's first message; the peer is the client's own id.
    Hello,
    /// 1: how a request ended.
    Status,
    /// 2: a part of an answer.
    Data,
    /// 3: are you there?
    Ping,
    /// 4: which objects are there?
    Lookup,
    /// 5: a call; also a notification or an event on its way to its receiver.
    Invoke,
    /// 6: publishes an object.
    AddObject,
    /// 7: takes it back.
    RemoveObject,
    /// 8: asks for an object's notifications.
    Subscribe,
    /// 9: no longer; from ubusd: the object has gone.
    Unsubscribe,
    /// 10: to all subscribers; from ubusd: whether there are any.
    Notify,
    /// 11: a copy of somebody's message.
    Monitor,
    /// A type that does not exist.
    Other(u8),
}

const KINDS: [Kind; 12] = [
    Kind::Hello,
    Kind::Status,
    Kind::Data,
    Kind::Ping,
    Kind::Lookup,
    Kind::Invoke,
    Kind::AddObject,
    Kind::RemoveObject,
    Kind::Subscribe,
    Kind::Unsubscribe,
    Kind::Notify,
    Kind::Monitor,
];

impl Kind {
    /// The kind with this number.
    pub fn from_id(id: u8) -> Self {
        let known = KINDS.get(usize::from(id)).copied();
        known.unwrap_or(Kind::Other(id))
    }

    /// The number on the wire.
    pub fn id(self) -> u8 {
        match self {
            Kind::Other(id) => id,
            known => KINDS.iter().position(|kind| *kind == known).unwrap_or(0) as u8,
        }
    }
}

/// The eight bytes before the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is about.
    pub kind: Kind,
    /// Chosen by who asks; the answers carry it too.
    pub sequence: u16,
    /// The client or the object on the other side of ubusd; 0 where there is none.
    pub peer: u32,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [p0, p1, p2, p3] = self.peer.to_be_bytes();
        [0, self.kind.id(), s0, s1, p0, p1, p2, p3]
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands before the blob.
    pub header: Header,
    /// The data of the blob: attributes.
    pub body: Vec<u8>,
}

impl Message {
    /// Builds a message, whose attributes `fill` writes.
    ///
    /// # Errors
    /// [`Full`] if it gets longer than ubusd takes ([`MAX_BLOB`]).
    pub fn new(header: Header, fill: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Result<Self, Full> {
        let mut body = Vec::new();
        let mut writer = Writer::new(&mut body);
        fill(&mut writer);
        writer.finish()?;
        if body.len() > MAX_BLOB - BLOB_HEADER {
            return Err(Full);
        }
        Ok(Message { header, body })
    }

    /// Appends the bytes as they go over the socket.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header.to_bytes());
        out.extend_from_slice(&crate::blob::header(
            false,
            0,
            self.body.len() + BLOB_HEADER,
        ));
        out.extend_from_slice(&self.body);
    }

    /// The attributes by name.
    ///
    /// # Errors
    /// [`Malformed`] if the body does not consist of attributes.
    pub fn attributes(&self) -> Result<Attributes<'_>, Malformed> {
        Attributes::read(&self.body)
    }
}

/// The attributes of a message; `None` for those that are absent or, as in libubus, of the wrong form. The last of each id counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// How a call ended.
    pub status: Option<u32>,
    /// The path of an object.
    pub path: Option<&'a [u8]>,
    /// The id of an object.
    pub object: Option<u32>,
    /// A method, or the kind of a notification or event.
    pub method: Option<&'a [u8]>,
    /// The id of an object's type.
    pub object_type: Option<u32>,
    /// The methods: blobmsg fields.
    pub signature: Option<&'a [u8]>,
    /// Arguments or an answer: blobmsg fields.
    pub data: Option<&'a [u8]>,
    /// The object that is subscribed to.
    pub target: Option<u32>,
    /// Whether an object has subscribers.
    pub active: Option<bool>,
    /// Whether no status is wanted.
    pub no_reply: bool,
    /// The subscribers that a notification went to.
    pub subscribers: Option<&'a [u8]>,
    /// The caller's user name.
    pub user: Option<&'a [u8]>,
    /// The caller's group name.
    pub group: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut all = Attributes::default();
        for attr in Attrs::new(body) {
            all.take(attr?);
        }
        Ok(all)
    }

    fn take(&mut self, attr: Attr<'a>) {
        match attr.id {
            attr::STATUS => self.status = attr.as_u32(),
            attr::PATH => self.path = attr.as_text(),
            attr::OBJECT => self.object = attr.as_u32(),
            attr::METHOD => self.method = attr.as_text(),
            attr::TYPE => self.object_type = attr.as_u32(),
            attr::SIGNATURE => self.signature = Some(attr.data),
            attr::DATA => self.data = Some(attr.data),
            attr::TARGET => self.target = attr.as_u32(),
            attr::ACTIVE => self.active = flag(attr),
            attr::NO_REPLY => self.no_reply = flag(attr) == Some(true),
            attr::SUBSCRIBERS => self.subscribers = Some(attr.data),
            attr::USER => self.user = attr.as_text(),
            attr::GROUP => self.group = attr.as_text(),
            _ => {}
        }
    }
}

fn flag(attr: Attr<'_>) -> Option<bool> {
    match attr.data {
        [byte] => Some(*byte != 0),
        _ => None,
    }
}

/// Cuts messages out of a stream. It holds at most one message and what was pushed behind it, however long a header says it is.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How much of `bytes` has been cut out already.
    taken: usize,
}

impl Decoder {
    /// Appends what came over the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete message, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`Malformed`] for another version, or a length below that of a header or above [`MAX_BLOB`]. There is no way to find the next
    /// message then: the connection is of no use any more.
    pub fn message(&mut self) -> Result<Option<Message>, Malformed> {
        let Some((header, body)) = self.peek()? else {
            return Ok(None);
        };
        let body = body.to_vec();
        self.taken += HEADER + BLOB_HEADER + body.len();
        self.give_back();
        Ok(Some(Message { header, body }))
    }

    /// Whether [`Decoder::message`] has something to tell without more bytes.
    pub fn is_ready(&self) -> bool {
        !matches!(self.peek(), Ok(None))
    }

    fn peek(&self) -> Result<Option<(Header, &[u8])>, Malformed> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((&[version, kind, s0, s1, p0, p1, p2, p3], blob)) = rest.split_first_chunk()
        else {
            return Ok(None);
        };
        let Some(&[_, l0, l1, l2]) = blob.first_chunk::<BLOB_HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if version != 0 || !(BLOB_HEADER..=MAX_BLOB).contains(&length) {
            return Err(Malformed);
        }
        let header = Header {
            kind: Kind::from_id(kind),
            sequence: u16::from_be_bytes([s0, s1]),
            peer: u32::from_be_bytes([p0, p1, p2, p3]),
        };
        let body = blob.get(BLOB_HEADER..length);
        Ok(body.map(|body| (header, body)))
    }

    /// An idle connection keeps no large buffer.
    fn give_back(&mut self) {
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(4096);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_promises_much_costs_nothing() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 5, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0]);
        assert_eq!(decoder.message(), Ok(None));
        assert!(decoder.bytes.capacity() < 64);
    }

    #[test]
    fn a_large_message_leaves_no_large_buffer() {
        let header = Header {
            kind: Kind::Data,
            sequence: 1,
            peer: 2,
        };
        let large = Message::new(header, |writer| {
            writer.attr(attr::DATA, &std::vec![0; MAX_BLOB - 8]);
        })
        .unwrap();
        let mut bytes = Vec::new();
        large.encode(&mut bytes);
        let mut decoder = Decoder::default();
        for chunk in bytes.chunks(1000) {
            assert!(!decoder.is_ready());
            decoder.push(chunk);
        }
        assert_eq!(decoder.message(), Ok(Some(large)));
        assert!(decoder.bytes.capacity() <= 4096);

        let too_large = Message::new(header, |writer| {
            writer.attr(attr::DATA, &std::vec![0; MAX_BLOB - 7]);
        });
        assert_eq!(too_large, Err(Full));
    }

    #[test]
    fn kinds_know_their_numbers() {
        for id in 0..=255 {
            assert_eq!(Kind::from_id(id).id(), id);
        }
    }
}
