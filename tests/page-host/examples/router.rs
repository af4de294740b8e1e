//! The sandbox router with its page, for the browser tests: a real daemon on a real bus, an upgrade server, an ImageBuilder.
//!
//! `router [DELAY]`: DELAY is how many milliseconds each step of a build takes at least. Prints the page's address, then obeys its
//! standard input: `server stop`, `server start`, `daemon stop`, `daemon start`, `sessions end`. Answers each with a line.
#![forbid(unsafe_code)]

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use page_host::{Backend, PageHost};
use sandbox::{Error, Options, Router, World};

fn main() -> ExitCode {
    // Copied onto the router this same program is what runs there.
    let own = std::env::current_exe().unwrap_or_default();
    match own.file_name().and_then(|name| name.to_str()) {
        Some("asu") => return asu::cli::main(),
        Some("sysupgrade") => return sandbox::sysupgrade::main(&own),
        _ => {}
    }
    let delay = std::env::args().nth(1).and_then(|text| text.parse().ok());
    match run(&own, Duration::from_millis(delay.unwrap_or(500))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("router: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(own: &Path, delay: Duration) -> Result<(), Error> {
    let mut knobs = defaults(World::start);
    knobs.delay = delay;
    let mut world = World::start(&knobs)?;
    let router = Router::start(&Options::new(own, &[world.url()]))?;
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

/// What a function takes, as it is by default; the sandbox does not say the name of its knobs.
fn defaults<K: Default>(_: fn(&K) -> Result<World, Error>) -> K {
    K::default()
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
