//! `page-host --scripted` or `page-host --socket PATH --root DIR`: serves the views of this repository, for a person or a test.
//!
//! Prints one line with the address of the page, then runs until its standard input ends.
#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use page_host::{Backend, Options, PageHost, Scripted};

const USAGE: &str = "usage: page-host (--scripted | --socket PATH) --root DIR [--port N]";

fn main() -> ExitCode {
    let served = options().and_then(|options| {
        let host = PageHost::start(options).map_err(|error| format!("page-host: {error}"))?;
        println!("{}", host.url());
        wait().map_err(|error| format!("page-host: {error}"))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Until whoever started us goes away.
fn wait() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(|_| ())
}

fn options() -> Result<Options, String> {
    let mut backend = None;
    let mut root = None;
    let mut port = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE.to_owned());
        match argument.as_str() {
            "--scripted" => backend = Some(Backend::Scripted(Arc::new(Scripted::default()))),
            "--socket" => backend = Some(Backend::Bus(PathBuf::from(value()?))),
            "--root" => root = Some(PathBuf::from(value()?)),
            "--port" => port = value()?.parse().map_err(|_| USAGE.to_owned())?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let mut options = Options::new(backend.ok_or(USAGE)?, root.ok_or(USAGE)?);
    options.listen.set_port(port);
    Ok(options)
}
