//! A published object that outlives its connections, over each bus there is.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/buses.rs"]
mod buses;
#[path = "common/programs.rs"]
mod programs;

use std::time::Instant;

use buses::over_each_bus;
use programs::{call, connect, give_time, incoming, request, spec, SOON};
use serde_json::{json, Value};
use ubus::{Error, Incoming, ObjectSpec, Request, Service, Status};

/// Runs a service until `done`, as a daemon's loop does: it waits only on the socket and the deadline.
fn run(service: &mut Service, mut done: impl FnMut(&mut Service, Vec<Incoming>) -> bool) {
    let end = Instant::now() + SOON;
    loop {
        let all = service.dispatch();
        if done(service, all) {
            return;
        }
        assert!(Instant::now() < end, "{:?}", service.error());
        let deadline = service.deadline().unwrap_or(end).min(end);
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = nix::poll::PollTimeout::try_from(left.as_millis() + 1).unwrap();
        match service.fd() {
            Some(fd) => {
                let mut fds = [nix::poll::PollFd::new(fd, nix::poll::PollFlags::POLLIN)];
                nix::poll::poll(&mut fds, timeout).unwrap();
            }
            None => std::thread::sleep(left),
        }
    }
}

fn first_request(all: Vec<Incoming>) -> Option<Request> {
    all.into_iter().find_map(|incoming| match incoming {
        Incoming::Request(request) => Some(request),
        _ => None,
    })
}

#[test]
fn a_service_survives_a_restart_of_the_bus() {
    over_each_bus(|bus| {
        let mut service = Service::new(&bus.socket, spec());
        assert!(service.fd().is_none() && service.deadline().is_some());
        run(&mut service, |service, _| service.is_connected());
        assert!(
            service.deadline().is_none(),
            "connected and idle: no wake-ups"
        );

        let interrupted = call(&bus.socket, "later", json!({}));
        let mut kept = None;
        run(&mut service, |_, all| {
            kept = first_request(all);
            kept.is_some()
        });

        bus.stop();
        assert!(interrupted.join().unwrap().is_err());
        run(&mut service, |service, _| {
            !service.is_connected() && service.error().is_some()
        });
        // Without a connection nothing fails and nothing blocks.
        service.notify("status", &json!({})).unwrap();
        service.reply(kept.as_ref().unwrap(), &json!({})).unwrap();
        assert!(matches!(
            service.call::<()>("test.object", "later", &(), SOON),
            Err(Error::Disconnected)
        ));

        bus.restart();
        let started = Instant::now();
        run(&mut service, |service, _| service.is_connected());
        println!("back after {:?}", started.elapsed());
        assert!(service.error().is_none() && service.deadline().is_none());
        // The old request goes nowhere; a new one is answered.
        service
            .answer(kept.unwrap(), &json!({"old": true}))
            .unwrap();
        let caller = call(&bus.socket, "later", json!({}));
        run(&mut service, |service, all| {
            first_request(all)
                .is_some_and(|request| service.answer(request, &json!({"new": true})).is_ok())
        });
        assert_eq!(caller.join().unwrap().unwrap(), json!({"new": true}));
    });
}

#[test]
fn a_service_waits_for_a_path_that_is_taken() {
    over_each_bus(|bus| {
        let mut holder = connect(bus);
        let held = holder.add_object(spec()).unwrap();
        let mut service = Service::new(&bus.socket, spec());
        assert!(service.dispatch().is_empty());
        assert!(!service.is_connected());
        let error = service.error().unwrap();
        assert!(
            matches!(error, Error::Status(Status::InvalidArgument)),
            "{error:?}"
        );
        holder.remove_object(held).unwrap();
        run(&mut service, |service, _| service.is_connected());
    });
}

#[test]
fn a_service_notifies_and_calls() {
    over_each_bus(|bus| {
        let mut service = Service::new(&bus.socket, spec());
        run(&mut service, |service, _| service.is_connected());
        assert!(!service.is_subscribed());
        service
            .notify("status", &json!({"nobody": "listens"}))
            .unwrap();

        let mut other = connect(bus);
        other
            .add_object(ObjectSpec::new("other").method("ask", &[]))
            .unwrap();
        other.subscribe("test.object").unwrap();
        run(&mut service, |service, _| service.is_subscribed());
        service.notify("status", &json!({"percent": 2})).unwrap();
        let Incoming::Notification(notification) = incoming(&mut other) else {
            panic!("no notification");
        };
        assert_eq!(
            notification.data.read::<Value>().unwrap(),
            json!({"percent": 2})
        );

        let caller = call(&bus.socket, "later", json!({}));
        let helper = std::thread::spawn(move || {
            let asked = request(&mut other);
            give_time(&mut other);
            other.answer(asked, &json!({"yes": true})).unwrap();
            other
        });
        let answer: Value = service.call("other", "ask", &(), SOON).unwrap();
        assert_eq!(answer, json!({"yes": true}));
        helper.join().unwrap();
        // What came during the call is not lost, and the loop is told of it.
        run(&mut service, |service, all| {
            first_request(all).is_some_and(|request| service.answer(request, &()).is_ok())
        });
        assert_eq!(caller.join().unwrap().unwrap(), json!({}));
    });
}
