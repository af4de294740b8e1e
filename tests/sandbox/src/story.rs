//! The whole story: a router finds a newer release, has it built with its packages, makes sure of
//! it, flashes it, restarts, and confirms that the promise was kept.

use crate::world::Knobs;
use crate::{Error, Options, Router, World};
use asu::api::{History, Outcome};
use page_host::{Backend, PageHost};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::signal::unix::{signal, SignalKind};

const USAGE: &str = "\
Usage: sandbox [--stay] [--imagebuilder VERSION TARGET FOLDER]

Without options: a router upgrades itself, and everything is gone afterwards.
  --stay            leave the router up, and say what can be tried
  --imagebuilder    build VERSION for TARGET with a real ImageBuilder's folder
";

/// So that the steps of a build can be seen.
const DELAY: Duration = Duration::from_millis(700);

/// How long the router may take to come up again.
const REBOOT: Duration = Duration::from_secs(30);

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut knobs = Knobs {
        delay: DELAY,
        ..Knobs::default()
    };
    let result = match words[..] {
        [] => World::start(&knobs).and_then(upgrade),
        ["--stay"] => World::start(&knobs).and_then(stay),
        ["--imagebuilder", version, target, folder] => {
            knobs.imagebuilder = Some((version.to_owned(), target.to_owned(), folder.into()));
            World::start(&knobs).and_then(stay)
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn router(world: &World) -> Result<Router, Error> {
    Router::start(&Options::new(std::env::current_exe()?, &[world.url()]))
}

/// Runs `asu` on the router, with its output on ours.
fn asu(root: &Path, arguments: &[&str]) -> Result<i32, Error> {
    say(&format!("\n$ asu {}", arguments.join(" ")))?;
    let status = command(root, arguments).status()?;
    status
        .code()
        .ok_or_else(|| format!("asu was ended: {status}").into())
}

fn command(root: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(root.join("usr/sbin/asu"));
    command.arg("--root").arg(root).args(arguments);
    command
}

fn captured(root: &Path, arguments: &[&str]) -> Result<Output, Error> {
    Ok(command(root, arguments).stderr(Stdio::inherit()).output()?)
}

fn upgrade(world: World) -> Result<(), Error> {
    let router = router(&world)?;
    let root = router.files().root();
    say(&format!(
        "A router in {}, its upgrade server at {}.",
        root.display(),
        world.url()
    ))?;
    expect("check", asu(root, &["check"])?, 20)?;
    expect("upgrade", asu(root, &["upgrade", "--yes"])?, 0)?;
    say("\nThe router restarts ...")?;
    let start = Instant::now();
    let outcome = loop {
        let history = captured(root, &["--json", "history"])?;
        let found = asu::json::from_text::<History>(&history.stdout);
        if let Some(upgrade) = found
            .ok()
            .and_then(|history| history.upgrades.into_iter().next())
        {
            break upgrade.result;
        }
        if start.elapsed() > REBOOT {
            return Err("the router did not come up again".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    expect("status", asu(root, &["status"])?, 0)?;
    expect("check", asu(root, &["check"])?, 0)?;
    match outcome {
        Outcome::Confirmed => say("\nconfirmed"),
        other => Err(format!("the upgrade ended as {other:?}").into()),
    }
}

fn expect(command: &str, code: i32, expected: i32) -> Result<(), Error> {
    if code == expected {
        return Ok(());
    }
    Err(format!("asu {command} ended with {code} instead of {expected}").into())
}

fn stay(world: World) -> Result<(), Error> {
    let router = router(&world)?;
    let root = router.files().root();
    let pages = PageHost::start(page_host::Options::new(
        Backend::Bus(router.files().socket()),
        root,
    ))?;
    let asu = root.join("usr/sbin/asu");
    say(&format!(
        "A router is up.

Its pages, for user root with password root:

  {}

Its command line:

  asu=\"{} --root {}\"
  $asu check
  $asu upgrade
  $asu watch
  $asu history

Its upgrade server: {}
Its bus:            {}

Enter, the end of the input or Ctrl-C ends it.",
        pages.url(),
        asu.display(),
        root.display(),
        world.url(),
        router.files().socket().display(),
    ))?;
    wait_for_end()
}

/// Returns at a line, at the end of the input, or when a signal asks to end: what was started is
/// ended and removed by its owner's `Drop`, which a signal would skip.
fn wait_for_end() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let line = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
            line = line => line?.map(|_| ()),
        }
    });
    // The thread that waits for a line can't be stopped; it ends with the program.
    runtime.shutdown_background();
    Ok(ended?)
}
