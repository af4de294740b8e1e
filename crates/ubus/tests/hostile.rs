//! A bus that is out to harm its clients.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ubus::message::{attr, Decoder, Header, Kind, Message, MAX_BLOB};
use ubus::{Argument, Bus, DataError, Error, Incoming, ObjectSpec, Status, Type, Writer};

const SOON: Duration = Duration::from_secs(10);

/// A bus that does as it is told.
struct Fake {
    socket: PathBuf,
    thread: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn fake(act: impl FnOnce(Peer) + Send + 'static) -> Fake {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("ubus.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        act(Peer {
            stream,
            decoder: Decoder::default(),
        });
    });
    Fake {
        socket,
        thread,
        _folder: folder,
    }
}

/// The client, seen from the bus.
struct Peer {
    stream: UnixStream,
    decoder: Decoder,
}

impl Peer {
    /// Sends bytes; false when the client has hung up.
    fn raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn send(&mut self, header: Header, fill: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> bool {
        let mut bytes = Vec::new();
        Message::new(header, fill).unwrap().encode(&mut bytes);
        self.raw(&bytes)
    }

    fn hello(&mut self) {
        self.send(
            Header {
                kind: Kind::Hello,
                sequence: 0,
                peer: 4711,
            },
            |_| (),
        );
    }

    fn receive(&mut self) -> Message {
        loop {
            if let Some(message) = self.decoder.message().unwrap() {
                return message;
            }
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the client has hung up");
            self.decoder.push(&chunk[..count]);
        }
    }

    fn status(&mut self, to: &Message) {
        let header = Header {
            kind: Kind::Status,
            ..to.header
        };
        self.send(header, |writer| writer.u32_attr(attr::STATUS, 0));
    }

    /// Answers the lookup of a call and gives the call.
    fn called(&mut self) -> Message {
        let lookup = self.receive();
        let header = Header {
            kind: Kind::Data,
            ..lookup.header
        };
        self.send(header, |writer| {
            writer.text_attr(attr::PATH, "x");
            writer.u32_attr(attr::OBJECT, 5000);
            writer.u32_attr(attr::TYPE, 5001);
            writer.attr(attr::SIGNATURE, &[]);
        });
        self.status(&lookup);
        self.receive()
    }

    /// Takes the publishing of an object, as number 5000.
    fn publish(&mut self) {
        let add = self.receive();
        self.send(
            Header {
                kind: Kind::Data,
                ..add.header
            },
            |writer| writer.u32_attr(attr::OBJECT, 5000),
        );
        self.status(&add);
    }

    fn invoke(&mut self, sequence: u16, data: &[u8]) -> bool {
        self.send(
            Header {
                kind: Kind::Invoke,
                sequence,
                peer: 6000,
            },
            |writer| {
                writer.u32_attr(attr::OBJECT, 5000);
                writer.text_attr(attr::METHOD, "m");
                writer.attr(attr::DATA, data);
            },
        )
    }
}

fn spec() -> ObjectSpec {
    ObjectSpec::new("x").method("m", &[("list", Argument::Array)])
}

fn call(bus: &mut Bus, timeout: Duration) -> Result<Vec<u8>, Error> {
    bus.call_raw("x", "m", &[], timeout)
}

#[test]
fn a_greeting_that_is_none() {
    for (what, greeting) in [
        ("a status", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4][..]),
        ("another version", &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]),
        ("a length of nothing", &[0; 12]),
        ("16 MiB", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]),
    ] {
        let bus = fake(move |mut peer| assert!(peer.raw(greeting)));
        let error = Bus::connect(&bus.socket).unwrap_err();
        assert!(matches!(error, Error::Malformed), "{what}: {error:?}");
        bus.thread.join().unwrap();
    }
    for greeting in [&[][..], &[0, 0, 0, 0, 0]] {
        let bus = fake(move |mut peer| assert!(peer.raw(greeting)));
        let error = Bus::connect(&bus.socket).unwrap_err();
        assert!(matches!(error, Error::Disconnected), "{error:?}");
        bus.thread.join().unwrap();
    }
}

#[test]
fn lengths_that_lie_end_the_connection() {
    for length in [0_u32, 3, MAX_BLOB as u32 + 1, 0x00ff_ffff] {
        let fake = fake(move |mut peer| {
            peer.hello();
            peer.called();
            peer.raw(&[0, 2, 0, 2, 0, 0, 0, 0]);
            peer.raw(&length.to_be_bytes());
        });
        let mut bus = Bus::connect(&fake.socket).unwrap();
        assert!(
            matches!(call(&mut bus, SOON), Err(Error::Malformed)),
            "{length}"
        );
        assert!(matches!(bus.receive(SOON), Err(Error::Disconnected)));
        assert!(bus.has_incoming(), "a loop must look again");
        fake.thread.join().unwrap();
    }
}

#[test]
fn a_message_that_stops_half_way() {
    let fake = fake(|mut peer| {
        peer.hello();
        peer.called();
        peer.raw(&[0, 2, 0, 2, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 1, 2, 3]);
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    assert!(matches!(call(&mut bus, SOON), Err(Error::Disconnected)));
    fake.thread.join().unwrap();
}

#[test]
fn a_malformed_answer_is_its_authors_fault() {
    let fake = fake(|mut peer| {
        peer.hello();
        for body in [&[7, 0, 0, 3][..], &[7, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let call = peer.called();
            let header = Header {
                kind: Kind::Data,
                ..call.header
            };
            peer.send(header, |writer| writer.encoded(body));
            peer.status(&call);
        }
        let call = peer.called();
        let header = Header {
            kind: Kind::Status,
            ..call.header
        };
        peer.send(header, |writer| writer.encoded(&[1, 0, 0, 99]));
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    let malformed = |result: Result<(), Error>| {
        assert!(
            matches!(result, Err(Error::Data(DataError::Malformed))),
            "{result:?}"
        );
    };
    malformed(bus.call("x", "m", &(), SOON));
    let read: Result<serde_json::Value, Error> = bus.call("x", "m", &(), SOON);
    malformed(read.map(drop));
    let status = call(&mut bus, SOON).unwrap_err();
    assert_eq!(status.status(), Status::InvalidArgument);
    fake.thread.join().unwrap();
}

#[test]
fn an_endless_answer_is_not_kept() {
    let fake = fake(|mut peer| {
        peer.hello();
        let call = peer.called();
        let header = Header {
            kind: Kind::Data,
            ..call.header
        };
        for _ in 0..20 {
            peer.send(header, |writer| {
                writer.attr(attr::DATA, &vec![0; MAX_BLOB - 100])
            });
        }
        peer.status(&call);
        let next = peer.called();
        peer.status(&next);
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    let large = call(&mut bus, SOON);
    assert!(
        matches!(large, Err(Error::Data(DataError::TooLarge))),
        "{large:?}"
    );
    assert!(
        call(&mut bus, SOON).unwrap().is_empty(),
        "the connection is still good"
    );
    fake.thread.join().unwrap();
}

#[test]
fn endless_calls_during_a_call_end_the_connection() {
    let fake = fake(|mut peer| {
        peer.hello();
        peer.publish();
        peer.called();
        let mut sequence = 0;
        while peer.invoke(sequence, &[]) {
            sequence = sequence.wrapping_add(1);
        }
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    bus.add_object(spec()).unwrap();
    let flooded = call(&mut bus, SOON);
    assert!(matches!(flooded, Err(Error::Overrun)), "{flooded:?}");
    // What came before is still there, and then the end.
    let mut kept = 0;
    let end = loop {
        match bus.receive(Duration::ZERO) {
            Ok(Some(Incoming::Request(_))) => kept += 1,
            other => break other,
        }
    };
    assert!(matches!(end, Err(Error::Disconnected)), "{end:?}");
    assert!((1000..100_000).contains(&kept), "{kept}");
    drop(bus);
    fake.thread.join().unwrap();
}

#[test]
fn endless_chatter_does_not_stretch_a_timeout() {
    let fake = fake(|mut peer| {
        peer.hello();
        peer.called();
        while peer.send(
            Header {
                kind: Kind::Other(200),
                sequence: 1,
                peer: 1,
            },
            |_| (),
        ) {}
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    let answer = call(&mut bus, Duration::from_secs(1));
    assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
    assert!(bus.receive(Duration::from_millis(50)).unwrap().is_none());
    drop(bus);
    fake.thread.join().unwrap();
}

#[test]
fn a_bus_that_does_not_read_is_given_up() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let fake = fake(move |mut peer| {
        peer.hello();
        peer.publish();
        peer.send(
            Header {
                kind: Kind::Notify,
                sequence: 1,
                peer: 0,
            },
            |writer| {
                writer.u32_attr(attr::OBJECT, 5000);
                writer.attr(attr::ACTIVE, &[1]);
            },
        );
        // It keeps the connection, and no more, until the test is over.
        assert!(stopped.recv().is_err());
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    let object = bus.add_object(spec()).unwrap();
    assert!(matches!(
        bus.receive(SOON),
        Ok(Some(Incoming::Subscribers { active: true, .. }))
    ));
    let text = std::collections::BTreeMap::from([("text", "x".repeat(100_000))]);
    let given_up = (0..100).find_map(|_| bus.notify(object, "status", &text).err());
    assert!(matches!(given_up, Some(Error::Overrun)), "{given_up:?}");
    drop(stop);
    fake.thread.join().unwrap();
}

#[test]
fn arguments_are_sound_before_the_method_sees_them() {
    let mut deep = Vec::new();
    let mut writer = Writer::new(&mut deep);
    let mut open = vec![writer.open(Type::Array, "list")];
    open.extend((0..50_000).map(|_| writer.open(Type::Array, "")));
    while let Some(nested) = open.pop() {
        writer.close(nested);
    }
    writer.finish().unwrap();
    let mut broken = Vec::new();
    let mut writer = Writer::new(&mut broken);
    writer.array("list", |list| list.attr(9, b"no blobmsg"));
    writer.finish().unwrap();
    let mut twice = Vec::new();
    let mut writer = Writer::new(&mut twice);
    writer.array("list", |_| ());
    writer.array("list", |_| ());
    writer.finish().unwrap();

    let fake = fake(move |mut peer| {
        peer.hello();
        peer.publish();
        for (index, data) in [&deep[..], &broken, &twice, &[1, 2, 3]]
            .into_iter()
            .enumerate()
        {
            peer.invoke(index as u16, data);
            let refused = peer.receive();
            assert_eq!(refused.header.sequence, index as u16);
            let status = refused.attributes().unwrap().status;
            assert_eq!(status, Some(Status::InvalidArgument.code()), "{index}");
        }
        // Messages about things that do not exist.
        for kind in [
            Kind::Notify,
            Kind::Unsubscribe,
            Kind::Data,
            Kind::Status,
            Kind::Hello,
        ] {
            peer.send(
                Header {
                    kind,
                    sequence: 9,
                    peer: 9,
                },
                |writer| writer.u32_attr(attr::OBJECT, 1),
            );
            peer.send(
                Header {
                    kind,
                    sequence: 9,
                    peer: 9,
                },
                |_| (),
            );
        }
        peer.send(
            Header {
                kind: Kind::Invoke,
                sequence: 9,
                peer: 9,
            },
            |_| (),
        );
        let refused = peer.receive();
        assert_eq!(
            refused.attributes().unwrap().status,
            Some(Status::NotFound.code())
        );
    });
    let mut bus = Bus::connect(&fake.socket).unwrap();
    bus.add_object(spec()).unwrap();
    let end = bus.receive(SOON);
    assert!(matches!(end, Err(Error::Disconnected)), "{end:?}");
    fake.thread.join().unwrap();
}

#[test]
fn a_bus_that_hangs_is_given_up() {
    // It takes connections, but says nothing.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ubus.sock");
    let _silent = UnixListener::bind(&path).unwrap();
    let silent = Bus::connect(&path).unwrap_err();
    assert!(matches!(silent, Error::Timeout), "{silent:?}");
}

#[test]
fn a_bus_that_takes_no_more_connections_is_not_waited_for() {
    use nix::sys::socket::{
        bind, listen, socket, AddressFamily, Backlog, SockFlag, SockType, UnixAddr,
    };
    use std::os::fd::AsRawFd;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ubus.sock");
    let full = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )
    .unwrap();
    bind(full.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&full, Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let refused = Bus::connect(&path).unwrap_err();
    assert!(
        matches!(&refused, Error::Connect(error) if error.kind() == std::io::ErrorKind::WouldBlock),
        "{refused:?}"
    );
}
