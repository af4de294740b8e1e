//! The sandbox router with its page, for the browser tests: a real daemon on a real bus, an upgrade server, an ImageBuilder.
//!
//! `router [DELAY [UBUSD]]`: DELAY is how many milliseconds each step of a build takes at least, UBUSD a real ubusd to use instead of
//! the broker. Prints the page's address, then obeys its standard input: `server stop`, `server start`, `daemon stop`, `daemon start`, `sessions end`. Answers each with a line.
#![forbid(unsafe_code)]

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use page_host::{Backend, PageHost};
use sandbox::{Error, Knobs, Options, Router, World};

fn main() -> ExitCode {
    // Copied onto the router this same program is what runs there.
    let own = std::env::current_exe().unwrap_or_default();
    match own.file_name().and_then(|name| name.to_str()) {
        Some("asu") => return asu::cli::main(),
        Some("sysupgrade") => return sandbox::sysupgrade::main(&own),
        _ => {}
    }
    let mut arguments = std::env::args().skip(1);
    let delay = arguments.next().and_then(|text| text.parse().ok());
    let delay = Duration::from_millis(delay.unwrap_or(500));
    match run(&own, delay, arguments.next().map(PathBuf::from)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("router: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(own: &Path, delay: Duration, ubusd: Option<PathBuf>) -> Result<(), Error> {
    let mut world = World::start(&Knobs {
        delay,
        ..Knobs::default()
    })?;
    let router = Router::start(&Options {
        ubusd,
        ..Options::new(own, &[world.url()])
    })?;
    router.wait_for("attendedsysupgrade", Duration::from_secs(30))?;
    let backend = Backend::Bus(router.files().socket());
    let page = PageHost::start(page_host::Options::new(backend, router.files().root()))?;
    say(&page.url())?;
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "server stop" => world.stop(),
            "server start" => world.restart()?,
            "daemon stop" => daemon(&router, true),
            "daemon start" => daemon(&router, false),
            "sessions end" => page.end_sessions(),
            other => return Err(format!("no such command: {other}").into()),
        }
        say("ok")?;
    }
    Ok(())
}

fn say(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn daemon(router: &Router, stopped: bool) {
    if let Some(procd) = router.procd() {
        procd.state().no_daemon = stopped;
    }
}
