//! The programs of a test: who publishes, who calls.
#![allow(dead_code)]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ubus::{Argument, Bus, Error, Incoming, ObjectSpec, Request};

use crate::buses::TestBus;

pub const SOON: Duration = Duration::from_secs(10);

pub fn spec() -> ObjectSpec {
    let arguments = [
        ("text", Argument::String),
        ("number", Argument::Int),
        ("flag", Argument::Bool),
        ("list", Argument::Array),
        ("table", Argument::Table),
    ];
    ObjectSpec::new("test.object")
        .method("echo", &arguments)
        .method("later", &[])
}

pub fn connect(bus: &TestBus) -> Bus {
    Bus::connect(&bus.socket).unwrap()
}

pub fn incoming(bus: &mut Bus) -> Incoming {
    bus.receive(SOON).unwrap().unwrap()
}

pub fn request(bus: &mut Bus) -> Request {
    match incoming(bus) {
        Incoming::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Calls from a thread of its own, as another program would.
pub fn call(
    socket: &Path,
    method: &str,
    arguments: Value,
) -> std::thread::JoinHandle<Result<Value, Error>> {
    let (socket, method) = (socket.to_owned(), method.to_owned());
    std::thread::spawn(move || {
        Bus::connect(&socket)?.call("test.object", &method, &arguments, SOON)
    })
}

/// Gives another thread time to get its call through, so that it is likely to come in the middle; nothing depends on it.
pub fn give_time(bus: &mut Bus) {
    for _ in 0..50 {
        bus.ping(SOON).unwrap();
    }
}
