//! `bus-broker SOCKET` serves a bus on a socket until it is killed.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use bus_broker::Broker;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(socket), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: bus-broker SOCKET");
        return ExitCode::from(2);
    };
    let socket = PathBuf::from(socket);
    match Broker::start(&socket) {
        Ok(broker) => {
            broker.join();
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bus-broker: {}: {error}", socket.display());
            ExitCode::FAILURE
        }
    }
}
