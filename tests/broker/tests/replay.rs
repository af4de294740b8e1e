//! The recorded programs against the broker: given what they said, it says what ubusd said, but for the ids it chooses itself.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../crates/ubus/tests/common/recording.rs"]
mod recording;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bus_broker::Broker;
use recording::Frame;
use ubus::message::{attr, Decoder, Kind, Message};
use ubus::Attrs;

/// One of the recorded programs' connections, played by us.
struct Program {
    stream: UnixStream,
    decoder: Decoder,
}

impl Program {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        // Only a broker that says too little gets to feel this.
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Program {
            stream,
            decoder: Decoder::default(),
        }
    }

    fn receive(&mut self) -> Message {
        loop {
            if let Some(message) = self.decoder.message().unwrap() {
                return message;
            }
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the broker hung up");
            self.decoder.push(&chunk[..count]);
        }
    }
}

/// The broker's ids for the recorded ones.
#[derive(Default)]
struct Ids(BTreeMap<u32, u32>);

impl Ids {
    fn learn(&mut self, recorded: Option<u32>, ours: Option<u32>) {
        if let (Some(recorded), Some(ours)) = (recorded, ours) {
            let known = *self.0.entry(recorded).or_insert(ours);
            assert_eq!(known, ours, "another id for {recorded:x}");
        }
    }

    fn translate(&self, id: u32) -> u32 {
        self.0.get(&id).copied().unwrap_or(id)
    }

    /// Replaces the ids wherever they stand: everything in a message is aligned to four bytes.
    fn translate_all(&self, bytes: &[u8]) -> Vec<u8> {
        let words = bytes.chunks(4).map(|word| match word.try_into() {
            Ok(word) => self
                .translate(u32::from_be_bytes(word))
                .to_be_bytes()
                .to_vec(),
            Err(_) => word.to_vec(),
        });
        words.collect::<Vec<_>>().concat()
    }

    /// Compares an answer with the recorded one, and learns the ids in it.
    fn compare(&mut self, recorded: &Message, ours: &Message) {
        assert_eq!(ours.header.kind, recorded.header.kind);
        let event = recorded.header.kind == Kind::Invoke && recorded.header.peer == 0;
        // Events are counted through; how many there were before was not recorded.
        assert!(event || ours.header.sequence == recorded.header.sequence);
        let (theirs, mine) = (recorded.attributes().unwrap(), ours.attributes().unwrap());
        match recorded.header.kind {
            Kind::Hello => self.learn(Some(recorded.header.peer), Some(ours.header.peer)),
            Kind::Data if theirs.data.is_none() => {
                self.learn(theirs.object, mine.object);
                self.learn(theirs.object_type, mine.object_type);
            }
            // The id of a new object is in the event before its publisher learns it.
            Kind::Invoke if theirs.method == Some(b"ubus.object.add") => {
                let id = |data| {
                    ubus::Fields::new(data)
                        .find("id")
                        .unwrap()
                        .unwrap()
                        .as_i64()
                };
                let id = |data| id(data).map(|id| id as u32);
                self.learn(theirs.data.and_then(id), mine.data.and_then(id));
            }
            _ => {}
        }
        assert_eq!(ours.header.peer, self.translate(recorded.header.peer));
        assert_eq!(
            plain(&ours.body),
            plain(&self.translate_all(&recorded.body))
        );
        assert_eq!(
            theirs.user.is_some(),
            mine.user.is_some_and(|user| !user.is_empty())
        );
        assert_eq!(
            theirs.group.is_some(),
            mine.group.is_some_and(|group| !group.is_empty())
        );
    }
}

/// The attributes but for the content of the user's and the group's names, which depend on who runs the test.
fn plain(body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let attrs = Attrs::new(body).map(|attr| attr.unwrap());
    let plain = attrs.map(|attr| match attr.id {
        attr::USER | attr::GROUP => (attr.id, Vec::new()),
        id => (id, attr.data.to_vec()),
    });
    plain.collect()
}

fn message(frame: &Frame) -> Message {
    let mut decoder = Decoder::default();
    decoder.push(&frame.bytes);
    decoder.message().unwrap().unwrap()
}

fn play(name: &str, keep: impl Fn(&Frame) -> bool) {
    println!("{name}");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("ubus.sock")).unwrap();
    let mut programs = BTreeMap::new();
    let mut ids = Ids::default();
    let mut compared = 0;
    for frame in recording::named(name)
        .frames
        .iter()
        .filter(|frame| keep(frame))
    {
        let program = programs
            .entry(frame.connection)
            .or_insert_with(|| Program::connect(broker.path()));
        if frame.is_eof() {
            programs.remove(&frame.connection);
        } else if frame.from_client {
            program
                .stream
                .write_all(&ids.translate_all(&frame.bytes))
                .unwrap();
        } else {
            ids.compare(&message(frame), &program.receive());
            compared += 1;
        }
    }
    assert!(compared >= 2, "{name}");
}

#[test]
fn the_broker_answers_as_ubusd_did() {
    for name in [
        "list-missing",
        "event-listen",
        "serve-list",
        "serve-echo",
        "serve-types",
        "serve-fail",
        "serve-deferred",
        "serve-notify",
        "serve-duplicate-path",
        "serve-object-gone",
    ] {
        play(name, |_| true);
    }
}

#[test]
fn an_object_that_is_waited_for() {
    // Fifteen objects of programs that were not recorded stand in the answer to the lookup.
    play("wait-for", |frame| {
        let listed = frame.connection == 1 && !frame.from_client && frame.kind == 2;
        !(listed && frame.sequence == 3)
    });
}

/// The other programs of these recordings were not recorded: an object of the same shape takes their part.
#[test]
fn calls_of_objects_that_were_there_before() {
    for name in [
        "call-board",
        "call-uci-get",
        "call-bad-method",
        "call-bad-args",
        "list-verbose-one",
        "packagelist",
    ] {
        serve_and_play(name);
    }
}

fn serve_and_play(name: &str) {
    println!("{name}");
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("ubus.sock")).unwrap();
    let frames = recording::named(name).frames;
    let answers: Vec<Message> = frames
        .iter()
        .filter(|frame| !frame.from_client && !frame.is_eof())
        .map(message)
        .collect();
    let mut ids = Ids::default();
    let mut server = Program::connect(broker.path());
    server.receive();

    // The object as the lookup describes it.
    let described = answers
        .iter()
        .find(|answer| answer.header.kind == Kind::Data)
        .unwrap();
    let described = described.attributes().unwrap();
    let mut bytes = Vec::new();
    let header = ubus::message::Header {
        kind: Kind::AddObject,
        sequence: 1,
        peer: 0,
    };
    let add = Message::new(header, |writer| {
        writer.text_attr(attr::PATH, described.path.unwrap());
        writer.attr(attr::SIGNATURE, described.signature.unwrap());
    });
    add.unwrap().encode(&mut bytes);
    server.stream.write_all(&bytes).unwrap();
    let added = server.receive();
    ids.learn(described.object, added.attributes().unwrap().object);
    server.receive();

    let mut client = Program::connect(broker.path());
    let mut caller = None;
    for frame in frames.iter().filter(|frame| !frame.is_eof()) {
        if frame.from_client {
            client
                .stream
                .write_all(&ids.translate_all(&frame.bytes))
                .unwrap();
            if frame.kind == u64::from(Kind::Invoke.id()) {
                caller = Some(server.receive().header);
            }
            continue;
        }
        if let Some(caller) = caller {
            // The object says what the recorded one said.
            let mut answer = message(frame);
            answer.header.peer = caller.peer;
            answer.body = ids.translate_all(&answer.body);
            let mut bytes = Vec::new();
            answer.encode(&mut bytes);
            server.stream.write_all(&bytes).unwrap();
        }
        ids.compare(&message(frame), &client.receive());
    }
}
