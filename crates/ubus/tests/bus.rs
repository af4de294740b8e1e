//! Clients and published objects over a bus: the broker, and OpenWrt's own ubusd where there is one.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/buses.rs"]
mod buses;
#[path = "common/programs.rs"]
mod programs;

use std::os::fd::AsFd;
use std::time::Duration;

use buses::over_each_bus;
use programs::{call, connect, give_time, incoming, request, spec, SOON};
use serde_json::{json, Value};
use ubus::{Bus, Error, Incoming, ObjectSpec, Status};

/// For calls that are not answered; long enough for the lookup before.
const TOO_SHORT: Duration = Duration::from_secs(1);

#[test]
fn a_call_and_its_answer() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let arguments =
            json!({"text": "ä", "number": -1, "flag": true, "list": [1, null], "table": {"a": 1}});
        let caller = call(&bus.socket, "echo", arguments.clone());
        let request = request(&mut server);
        assert_eq!(request.method(), "echo");
        let user = request.user().unwrap().to_owned();
        assert!(!user.is_empty() && request.group().is_some());
        let read: Value = request.arguments().read().unwrap();
        server.answer(request, &read).unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), arguments);
    });
}

#[test]
fn parts_of_an_answer_are_put_together() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let caller = call(&bus.socket, "later", json!({}));
        let request = request(&mut server);
        server.reply(&request, &json!({"a": 1})).unwrap();
        server.reply(&request, &json!({"b": 2})).unwrap();
        server.complete(request, Status::Ok).unwrap();
        assert_eq!(caller.join().unwrap().unwrap(), json!({"a": 1, "b": 2}));
    });
}

#[test]
fn deferred_answers_come_in_any_order() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let callers: Vec<_> = (0..3)
            .map(|n| call(&bus.socket, "echo", json!({"number": n})))
            .collect();
        let mut kept: Vec<_> = callers.iter().map(|_| request(&mut server)).collect();
        while let Some(request) = kept.pop() {
            let arguments: Value = request.arguments().read().unwrap();
            server.answer(request, &arguments).unwrap();
        }
        for (n, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.join().unwrap().unwrap(), json!({"number": n}));
        }
    });
}

#[test]
fn wrong_arguments_never_reach_the_method() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let socket = bus.socket.clone();
        let wrong = std::thread::spawn(move || {
            let mut bus = Bus::connect(&socket).unwrap();
            let mut call = |method: &str, arguments: Value| {
                let answer = bus.call::<()>("test.object", method, &arguments, SOON);
                answer.map_err(|error| error.status())
            };
            for arguments in [
                json!({"txet": "a typing error"}),
                json!({"text": 1}),
                json!({"number": "1"}),
                json!({"number": 1_i64 << 40}),
                json!({"flag": 1}),
                json!({"list": {}}),
                json!({"table": []}),
                json!({"ubus_rpc_session": 1}),
            ] {
                assert_eq!(
                    call("echo", arguments.clone()),
                    Err(Status::InvalidArgument),
                    "{arguments}"
                );
            }
            assert_eq!(
                call("later", json!({"text": ""})),
                Err(Status::InvalidArgument)
            );
            assert_eq!(call("nosuch", json!({})), Err(Status::MethodNotFound));
            call(
                "echo",
                json!({"text": "x", "flag": null, "ubus_rpc_session": "00"}),
            )
        });
        // The first that comes through is the last that was sent.
        let request = request(&mut server);
        let arguments: Value = request.arguments().read().unwrap();
        assert_eq!(arguments, json!({"text": "x"}));
        server.complete(request, Status::Ok).unwrap();
        assert_eq!(wrong.join().unwrap(), Ok(()));
    });
}

#[test]
fn integers_of_all_widths_are_taken() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        for width in [8, 16, 32, 64] {
            let socket = bus.socket.clone();
            let caller = std::thread::spawn(move || {
                let mut arguments = Vec::new();
                let mut writer = ubus::Writer::new(&mut arguments);
                match width {
                    8 => writer.int8("number", -2),
                    16 => writer.int16("number", -2),
                    32 => writer.int32("number", -2),
                    _ => writer.int64("number", -2),
                }
                writer.finish().unwrap();
                Bus::connect(&socket)
                    .unwrap()
                    .call_raw("test.object", "echo", &arguments, SOON)
                    .unwrap()
            });
            #[derive(serde::Deserialize)]
            struct Arguments {
                number: i32,
            }
            let request = request(&mut server);
            assert_eq!(request.arguments().read::<Arguments>().unwrap().number, -2);
            server.complete(request, Status::Ok).unwrap();
            assert!(caller.join().unwrap().is_empty());
        }
    });
}

#[test]
fn what_comes_in_while_a_call_waits_is_kept() {
    over_each_bus(|bus| {
        let mut other = connect(bus);
        other
            .add_object(ObjectSpec::new("other").method("ask", &[]))
            .unwrap();
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        server.listen("news").unwrap();

        let socket = bus.socket.clone();
        let helper = std::thread::spawn(move || {
            let asked = request(&mut other);
            // Before the answer, an event and a call for the one who waits.
            other.send_event("news", &json!({"n": 1})).unwrap();
            let caller = call(&socket, "later", json!({}));
            give_time(&mut other);
            other.complete(asked, Status::Ok).unwrap();
            caller.join().unwrap().unwrap()
        });
        server.call::<()>("other", "ask", &(), SOON).unwrap();
        let Incoming::Event(event) = incoming(&mut server) else {
            panic!("the event came first");
        };
        assert_eq!(event.name, "news");
        let request = request(&mut server);
        server.answer(request, &json!({"done": true})).unwrap();
        assert_eq!(helper.join().unwrap(), json!({"done": true}));
    });
}

#[test]
fn objects_are_listed_with_their_arguments_and_go() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        let mut client = connect(bus);
        client.listen("ubus.object.*").unwrap();
        let object = server.add_object(spec()).unwrap();
        let listed = client.lookup("test.*").unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].path.as_str(), listed[0].id),
            ("test.object", object.id())
        );
        let kinds: Vec<_> = listed[0].methods[0]
            .arguments
            .iter()
            .map(|(_, kind)| kind.unwrap() as u8)
            .collect();
        assert_eq!(kinds, [3, 5, 7, 1, 2]);

        let taken = client.add_object(spec()).unwrap_err();
        assert!(
            matches!(taken, Error::Status(Status::InvalidArgument)),
            "{taken:?}"
        );
        server.remove_object(object).unwrap();
        assert!(client.lookup("test.object").unwrap().is_empty());
        for expected in ["ubus.object.add", "ubus.object.remove"] {
            let Incoming::Event(event) = incoming(&mut client) else {
                panic!("no event");
            };
            assert_eq!(event.name, expected);
            #[derive(serde::Deserialize)]
            struct Named {
                path: String,
            }
            assert_eq!(event.data.read::<Named>().unwrap().path, "test.object");
        }
    });
}

#[test]
fn subscribers_are_notified_and_told_of_the_end() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        let object = server.add_object(spec()).unwrap();
        let mut client = connect(bus);
        assert!(matches!(
            client.subscribe("nosuch"),
            Err(Error::Status(Status::NotFound))
        ));
        let first = client.subscribe("test.object").unwrap();
        assert!(matches!(
            incoming(&mut server),
            Incoming::Subscribers { active: true, .. }
        ));
        server
            .notify(object, "status", &json!({"percent": 1}))
            .unwrap();
        let Incoming::Notification(notification) = incoming(&mut client) else {
            panic!("no notification");
        };
        assert_eq!(
            (notification.subscription, notification.kind.as_str()),
            (first, "status")
        );
        assert_eq!(
            notification.data.read::<Value>().unwrap(),
            json!({"percent": 1})
        );

        client.unsubscribe(first).unwrap();
        assert!(matches!(
            incoming(&mut server),
            Incoming::Subscribers { active: false, .. }
        ));
        let second = client.subscribe("test.object").unwrap();
        assert!(matches!(
            incoming(&mut server),
            Incoming::Subscribers { active: true, .. }
        ));
        drop(server);
        let Incoming::Unsubscribed(gone) = incoming(&mut client) else {
            panic!("not told");
        };
        assert_eq!(gone, second);
    });
}

#[test]
fn events_reach_who_listens_but_not_their_sender() {
    over_each_bus(|bus| {
        let mut exact = connect(bus);
        exact.listen("weather").unwrap();
        let mut open = connect(bus);
        open.listen("wea*").unwrap();
        open.send_event("weather", &json!({"from": "open"}))
            .unwrap();
        exact
            .send_event("weather.tomorrow", &json!({"from": "exact"}))
            .unwrap();
        let refused = exact.send_event("ubus.object.add", &json!({}));
        assert!(matches!(
            refused,
            Err(Error::Status(Status::PermissionDenied))
        ));
        let refused = exact.listen("");
        assert!(matches!(
            refused,
            Err(Error::Status(Status::PermissionDenied))
        ));
        for (bus, name) in [(&mut exact, "weather"), (&mut open, "weather.tomorrow")] {
            let Incoming::Event(event) = incoming(bus) else {
                panic!("no event");
            };
            assert_eq!(event.name, name);
            bus.ping(SOON).unwrap();
            assert!(bus.receive(Duration::ZERO).unwrap().is_none());
        }
    });
}

#[test]
fn a_callee_that_dies_leaves_its_caller_to_the_timeout() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let mut caller = connect(bus);
        let socket = bus.socket.clone();
        let died = std::thread::spawn(move || {
            let request = request(&mut server);
            drop(server);
            // The bus has noticed when a newcomer is told that the object is gone.
            let mut watcher = Bus::connect(&socket).unwrap();
            while !watcher.lookup("test.object").unwrap().is_empty() {}
            request
        });
        let answer = caller.call::<()>("test.object", "later", &(), TOO_SHORT);
        assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
        let _unanswered = died.join().unwrap();
        caller.ping(SOON).unwrap();
    });
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let mut caller = connect(bus);
        let late = caller.call::<Value>("test.object", "later", &(), TOO_SHORT);
        assert!(matches!(late, Err(Error::Timeout)));
        let missed = request(&mut server);
        server.answer(missed, &json!({"late": true})).unwrap();
        let helper = std::thread::spawn(move || {
            let asked = request(&mut server);
            server.answer(asked, &json!({"late": false})).unwrap();
            server
        });
        let answer: Value = caller.call("test.object", "later", &(), SOON).unwrap();
        assert_eq!(answer, json!({"late": false}));
        helper.join().unwrap();
    });
}

#[test]
fn an_answer_that_is_too_large_ends_with_a_status() {
    over_each_bus(|bus| {
        let mut server = connect(bus);
        server.add_object(spec()).unwrap();
        let caller = call(&bus.socket, "later", json!({}));
        let asked = request(&mut server);
        let error = server
            .answer(asked, &json!({"text": "x".repeat(1 << 20)}))
            .unwrap_err();
        assert!(matches!(error, Error::Data(ubus::DataError::TooLarge)));
        assert_eq!(
            caller.join().unwrap().unwrap_err().status(),
            Status::UnknownError
        );

        // Just below the limit it goes through.
        let caller = call(&bus.socket, "later", json!({}));
        let asked = request(&mut server);
        let text = "x".repeat((1 << 20) - 64);
        server.answer(asked, &json!({"text": text})).unwrap();
        while server.has_unsent() {
            let nothing = server.receive(Duration::from_millis(1));
            assert!(nothing.unwrap().is_none());
        }
        let answer = caller.join().unwrap().unwrap();
        assert_eq!(answer["text"].as_str().unwrap().len(), text.len());
    });
}

#[test]
fn the_connection_sits_in_a_poll_loop() {
    over_each_bus(|bus| {
        let mut client = connect(bus);
        assert!(client.id() >= 1024);
        assert!(client.receive(Duration::ZERO).unwrap().is_none());
        let fds = &mut [nix::poll::PollFd::new(
            client.as_fd(),
            nix::poll::PollFlags::POLLIN,
        )];
        assert_eq!(nix::poll::poll(fds, 0_u8).unwrap(), 0);
        bus.stop();
        let lost = client.receive(SOON);
        assert!(matches!(lost, Err(Error::Disconnected)), "{lost:?}");
        assert!(matches!(client.ping(SOON), Err(Error::Disconnected)));
        let gone = Bus::connect(&bus.socket);
        assert!(matches!(gone, Err(Error::Connect(_))), "{gone:?}");
    });
}
