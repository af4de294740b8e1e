//! The broker itself: its life, and clients that behave badly.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use bus_broker::Broker;
use ubus::message::{attr, Decoder, Header, Kind, Message};
use ubus::{Bus, Error, Incoming, ObjectSpec, Status};

const SOON: Duration = Duration::from_secs(10);

fn start() -> (tempfile::TempDir, Broker) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("ubus.sock")).unwrap();
    (folder, broker)
}

#[test]
fn it_starts_again_on_the_same_path() {
    let (_folder, broker) = start();
    let path = broker.path().to_owned();
    let mut bus = Bus::connect(&path).unwrap();
    broker.stop();
    assert!(!path.exists());
    assert!(matches!(bus.receive(SOON), Err(Error::Disconnected)));
    // A socket that a killed broker left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let broker = Broker::start(&path).unwrap();
    Bus::connect(broker.path()).unwrap().ping(SOON).unwrap();
    let nowhere = Broker::start(&path.join("below a file"));
    assert!(nowhere.is_err());
}

#[test]
fn it_throws_everybody_out() {
    let (_folder, broker) = start();
    let mut bus = Bus::connect(broker.path()).unwrap();
    bus.add_object(ObjectSpec::new("x")).unwrap();
    broker.disconnect_all().unwrap();
    assert!(matches!(bus.ping(SOON), Err(Error::Disconnected)));
    let mut next = Bus::connect(broker.path()).unwrap();
    assert!(next.lookup("*").unwrap().is_empty());
    next.add_object(ObjectSpec::new("x")).unwrap();
}

#[test]
fn a_client_that_sends_nonsense_harms_nobody_else() {
    let (_folder, broker) = start();
    let mut good = Bus::connect(broker.path()).unwrap();
    for nonsense in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 64],
        &[0, 4, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff],
    ] {
        let mut bad = UnixStream::connect(broker.path()).unwrap();
        bad.write_all(nonsense).unwrap();
        let mut greeting = Vec::new();
        let _ = bad.read_to_end(&mut greeting);
        good.ping(SOON).unwrap();
    }
}

#[test]
fn requests_without_what_they_need_are_refused() {
    let (_folder, broker) = start();
    let mut stream = UnixStream::connect(broker.path()).unwrap();
    let mut decoder = Decoder::default();
    let mut receive = |stream: &mut UnixStream| loop {
        if let Some(message) = decoder.message().unwrap() {
            return message;
        }
        let mut chunk = [0; 512];
        let count = stream.read(&mut chunk).unwrap();
        decoder.push(&chunk[..count]);
    };
    receive(&mut stream);
    let kinds = [
        (Kind::Hello, Status::InvalidCommand),
        (Kind::Monitor, Status::InvalidCommand),
        (Kind::Other(77), Status::InvalidCommand),
        (Kind::Invoke, Status::InvalidArgument),
        (Kind::RemoveObject, Status::InvalidArgument),
        (Kind::Subscribe, Status::InvalidArgument),
        (Kind::Unsubscribe, Status::InvalidArgument),
        (Kind::Notify, Status::InvalidArgument),
    ];
    for (sequence, (kind, status)) in kinds.into_iter().enumerate() {
        let header = Header {
            kind,
            sequence: sequence as u16,
            peer: 3,
        };
        let mut bytes = Vec::new();
        Message::new(header, |_| ()).unwrap().encode(&mut bytes);
        stream.write_all(&bytes).unwrap();
        let answer = receive(&mut stream);
        assert_eq!(
            answer.header,
            Header {
                kind: Kind::Status,
                ..header
            }
        );
        assert_eq!(
            answer.attributes().unwrap().status,
            Some(status.code()),
            "{kind:?}"
        );
    }
}

#[test]
fn nobody_answers_or_notifies_for_another() {
    let (_folder, broker) = start();
    let mut owner = Bus::connect(broker.path()).unwrap();
    let object = owner
        .add_object(ObjectSpec::new("x").method("m", &[]))
        .unwrap();
    let mut thief = UnixStream::connect(broker.path()).unwrap();
    let mut bytes = Vec::new();
    for kind in [Kind::Notify, Kind::RemoveObject] {
        let header = Header {
            kind,
            sequence: 7,
            peer: 0,
        };
        let message = Message::new(header, |writer| {
            writer.u32_attr(attr::OBJECT, object.id());
            writer.text_attr(attr::METHOD, "status");
        });
        message.unwrap().encode(&mut bytes);
    }
    // An answer in the name of an object that is not one's own goes nowhere, without a word.
    let header = Header {
        kind: Kind::Status,
        sequence: 1,
        peer: owner.id(),
    };
    let forged = Message::new(header, |writer| {
        writer.u32_attr(attr::STATUS, 0);
        writer.u32_attr(attr::OBJECT, object.id());
    });
    forged.unwrap().encode(&mut bytes);
    thief.write_all(&bytes).unwrap();
    let mut answers = [0; 12 + 2 * 20];
    thief.read_exact(&mut answers).unwrap();
    for answer in answers[12..].chunks(20) {
        assert_eq!(answer[16..], Status::PermissionDenied.code().to_be_bytes());
    }
    owner.ping(SOON).unwrap();
    assert!(owner.receive(Duration::ZERO).unwrap().is_none());
    assert_eq!(owner.lookup("x").unwrap().len(), 1);
}

#[test]
fn who_does_not_read_loses_messages_and_nothing_else_grows() {
    let (_folder, broker) = start();
    let mut deaf = Bus::connect(broker.path()).unwrap();
    deaf.listen("noise").unwrap();
    let mut loud = Bus::connect(broker.path()).unwrap();
    let noise = std::collections::BTreeMap::from([("text", "x".repeat(200_000))]);
    for _ in 0..50 {
        loud.send_event("noise", &noise).unwrap();
    }
    let mut heard = 0;
    while let Some(Incoming::Event(_)) = deaf.receive(Duration::from_millis(200)).unwrap() {
        heard += 1;
    }
    assert!((1..50).contains(&heard), "{heard}");
    deaf.ping(SOON).unwrap();
}

#[test]
fn the_program_wants_one_argument() {
    let usage = Command::new(env!("CARGO_BIN_EXE_bus-broker"))
        .output()
        .unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8(usage.stderr)
        .unwrap()
        .contains("usage: bus-broker SOCKET"));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_bus-broker"))
        .arg("/nonexistent/ubus.sock")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
}
