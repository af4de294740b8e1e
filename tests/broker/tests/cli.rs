//! OpenWrt's own `ubus` against the broker and our published objects, where it is on the PATH.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, sync::mpsc};

use bus_broker::Broker;
use serde_json::{json, Value};
use ubus::{Argument, Bus, Incoming, ObjectSpec, Status};

const SOON: Duration = Duration::from_secs(10);

/// Runs a test with the real program, or says that there is none.
fn with_ubus(test: impl FnOnce(&Cli)) {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("ubus"))
        .find(|path| path.is_file());
    let Some(program) = found else {
        println!("no ubus on the PATH: not run");
        return;
    };
    println!("with {}", program.display());
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder.path().join("ubus.sock")).unwrap();
    test(&Cli { program, broker });
}

struct Cli {
    program: PathBuf,
    broker: Broker,
}

impl Cli {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-s").arg(self.broker.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a program that goes on until it is killed; the lines it prints come over the channel.
    fn follow(&self, arguments: &[&str]) -> (Child, mpsc::Receiver<String>) {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (lines, received) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        (child, received)
    }
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// An object that answers `calls` calls and then goes.
fn serve(socket: &Path, calls: usize) -> JoinHandle<()> {
    let mut bus = Bus::connect(socket).unwrap();
    let spec = ObjectSpec::new("demo")
        .method(
            "echo",
            &[
                ("text", Argument::String),
                ("flag", Argument::Bool),
                ("n", Argument::Int),
            ],
        )
        .method("fail", &[]);
    bus.add_object(spec).unwrap();
    thread::spawn(move || {
        for _ in 0..calls {
            let Some(Incoming::Request(request)) = bus.receive(SOON).unwrap() else {
                panic!("no call");
            };
            if request.method() == "fail" {
                bus.complete(request, Status::NotSupported).unwrap();
                continue;
            }
            let arguments: Value = request.arguments().read().unwrap();
            bus.answer(request, &arguments).unwrap();
        }
        bus.ping(SOON).unwrap();
    })
}

#[test]
fn list_and_call() {
    with_ubus(|cli| {
        let server = serve(cli.broker.path(), 2);
        assert_eq!(cli.text(&["list"]), "demo\n");
        assert_eq!(cli.text(&["list", "de*"]), "demo\n");
        let verbose = cli.text(&["-v", "list", "demo"]);
        assert!(verbose.starts_with("'demo' @"), "{verbose}");
        assert!(verbose.contains("\t\"echo\":{\"text\":\"String\",\"flag\":\"Boolean\",\"n\":\"Integer\"}\n\t\"fail\":{}\n"));
        assert_eq!(cli.run(&["list", "nosuch"]).status.code(), Some(4));

        let arguments = json!({"text": "ä\n\"", "flag": true, "n": -7});
        let answer = cli.text(&["call", "demo", "echo", &arguments.to_string()]);
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), arguments);
        for (method, arguments, words) in [
            ("echo", r#"{"txet": ""}"#, "(Invalid argument)"),
            ("echo", r#"{"flag": 1}"#, "(Invalid argument)"),
            ("nosuch", "{}", "(Method not found)"),
            ("fail", "{}", "(Operation not supported)"),
        ] {
            let output = cli.run(&["call", "demo", method, arguments]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && said.contains(words), "{said}");
        }
        server.join().unwrap();
    });
}

#[test]
fn listen_and_send() {
    with_ubus(|cli| {
        let (listener, lines) = cli.follow(&["listen", "weather.*"]);
        // Until it listens, what is sent goes unheard.
        let line = loop {
            cli.text(&[
                "send",
                "weather.today",
                r#"{"sun": true, "clouds": null, "wind": [1, 2.5]}"#,
            ]);
            if let Ok(line) = lines.recv_timeout(Duration::from_millis(50)) {
                break line;
            }
        };
        let expected = r#"{ "weather.today": {"sun":true,"clouds":null,"wind":[1,2.500000]} }"#;
        assert_eq!(line, expected);
        end(listener);

        let mut bus = Bus::connect(cli.broker.path()).unwrap();
        bus.listen("*").unwrap();
        cli.text(&["send", "weather.tomorrow", r#"{"big": 5000000000}"#]);
        let Some(Incoming::Event(event)) = bus.receive(SOON).unwrap() else {
            panic!("no event");
        };
        assert_eq!(event.name, "weather.tomorrow");
        assert_eq!(
            event.data.read::<Value>().unwrap(),
            json!({"big": 5_000_000_000_i64})
        );
    });
}

#[test]
fn subscribe() {
    with_ubus(|cli| {
        let mut bus = Bus::connect(cli.broker.path()).unwrap();
        let object = bus.add_object(ObjectSpec::new("demo")).unwrap();
        let (subscriber, lines) = cli.follow(&["subscribe", "demo"]);
        while !bus.is_subscribed(object) {
            bus.receive(SOON).unwrap().unwrap();
        }
        bus.notify(object, "status", &json!({"percent": 42}))
            .unwrap();
        let line = lines.recv_timeout(SOON).unwrap();
        assert_eq!(line, r#"{ "status": {"percent":42} }"#);
        end(subscriber);
        while bus.is_subscribed(object) {
            bus.receive(SOON).unwrap().unwrap();
        }
    });
}

#[test]
fn wait_for() {
    with_ubus(|cli| {
        let mut waiter = cli
            .command(&["-t", "10", "wait_for", "demo"])
            .spawn()
            .unwrap();
        let mut bus = Bus::connect(cli.broker.path()).unwrap();
        bus.add_object(ObjectSpec::new("demo")).unwrap();
        assert!(waiter.wait().unwrap().success());
        let missed = cli.run(&["-t", "1", "wait_for", "nosuch"]);
        assert_eq!(missed.status.code(), Some(Status::Timeout.code() as i32));
    });
}
