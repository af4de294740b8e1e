//! The upgrade server as a program: its command line.

use crate::{file, start, Config};
use lexopt::{Arg, Parser, ValueExt as _};
use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: asu-server [api|prepare|worker] [--config FILE] [--data DIR] [--listen ADDRESS:PORT] [--check]
       asu-server rebuild URL [--config FILE] [--data DIR]
       asu-server --demo [--listen ADDRESS:PORT]

Serves the API of the attended sysupgrade server and builds images, all in one process. Without a configuration it keeps
its data below $STATE_DIRECTORY, $XDG_STATE_HOME/asu-server or ~/.local/state/asu-server, and listens on 127.0.0.1:8000.

  api             answer requests only; builds are for workers that share its queue and store
  prepare         only say for those that answer what a build would be made of
  worker          build only, for those that answer
                  Neither listens but on a free port of loopback, if --listen doesn't say
  rebuild URL     build an image of another server again (the address of its page or its JSON) and compare; ends with 0 if
                  all is the same, 1 if something differs, 3 if it can't be built again here
  --config FILE   a TOML file; docs/server.md describes it
  --data DIR      where to keep images, jobs and ImageBuilders
  --listen A:P    where to listen
  --check         read the configuration, say what is wrong with it, and end
  --demo          a server to look at: with a small download site and ImageBuilder of its own, on loopback
";

#[derive(Debug, Default)]
struct Options {
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    check: bool,
    demo: bool,
    role: Option<Role>,
    /// What `rebuild` is about.
    url: Option<String>,
}

/// What a process does of what a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Api,
    Prepare,
    Worker,
    Rebuild,
}

/// How `rebuild` ends where there is nothing to compare.
const NOTHING_TO_COMPARE: u8 = 3;

/// What `asu-server` does with the words of its command line.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == "launch") {
        return crate::launch(words.get(1..).unwrap_or_default()).unwrap_or_else(|why| {
            eprintln!("{why}");
            ExitCode::FAILURE
        });
    }
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.role == Some(Role::Rebuild) {
        return rebuild(&options);
    }
    let result = if options.demo {
        demo(&options)
    } else {
        run(&options)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The options of the command line; `None` if only help is wanted.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("config") => options.config = Some(parser.value()?.into()),
            Arg::Long("data") => options.data = Some(parser.value()?.into()),
            Arg::Long("listen") => options.listen = Some(parser.value()?.parse()?),
            Arg::Long("check") => options.check = true,
            Arg::Long("demo") => options.demo = true,
            Arg::Value(word) if options.role.is_none() => {
                options.role = Some(match word.to_str() {
                    Some("api") => Role::Api,
                    Some("prepare") => Role::Prepare,
                    Some("worker") => Role::Worker,
                    Some("rebuild") => Role::Rebuild,
                    _ => return Err(Arg::Value(word).unexpected()),
                });
            }
            Arg::Value(word) if options.role == Some(Role::Rebuild) && options.url.is_none() => {
                options.url = Some(word.string()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    if options.role == Some(Role::Rebuild) && options.url.is_none() {
        return Err("rebuild wants the address of a build".into());
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let config = configure(options)?;
    if options.check {
        println!("The configuration is good.");
        return Ok(());
    }
    let server = start(config)?;
    println!("{}", server.url());
    server.wait();
    Ok(())
}

fn rebuild(options: &Options) -> ExitCode {
    let url = options.url.as_deref().unwrap_or_default();
    let verdict = configure(options)
        .map_err(|error| error.to_string())
        .and_then(|config| crate::rebuild::rebuild(url, &config));
    match verdict {
        Ok(verdict) => {
            print!("{verdict}");
            ExitCode::from(u8::from(!verdict.differences.is_empty()))
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(NOTHING_TO_COMPARE)
        }
    }
}

fn configure(options: &Options) -> Result<Config, Box<dyn Error>> {
    let data = options.data.clone().or_else(state_folder);
    let mut config = match &options.config {
        Some(path) => {
            let said = |error: &dyn Error| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
            // The file may say itself where the data goes.
            let data = data.unwrap_or_else(|| PathBuf::from("/var/lib/asu-server"));
            file::parse(&text, &data).map_err(|error| said(&error))?
        }
        None => file::standard(&data.ok_or("Where shall the data go? Say --data DIR.")?),
    };
    config.launcher = std::env::current_exe().ok();
    match options.role {
        Some(Role::Api | Role::Prepare | Role::Worker) if config.queue.is_none() => {
            return Err(
                "Processes of one kind need a queue that they share: queue = \"redis://...\""
                    .into(),
            )
        }
        Some(Role::Api) => config.workers = 0,
        Some(Role::Prepare) => {
            config.prepare = true;
            config.workers = 0;
            config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        }
        Some(Role::Worker) => {
            config.workers = config.workers.max(1);
            config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        }
        Some(Role::Rebuild) | None => {}
    }
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    Ok(config)
}

/// Where a service or a user keeps what programs remember.
fn state_folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    variable("STATE_DIRECTORY")
        .or_else(|| Some(variable("XDG_STATE_HOME")?.join("asu-server")))
        .or_else(|| Some(variable("HOME")?.join(".local/state/asu-server")))
}

#[cfg(feature = "demo")]
fn demo(options: &Options) -> Result<(), Box<dyn Error>> {
    let listen = options
        .listen
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000)));
    let demo = crate::Demo::start(listen)?;
    println!("{}", demo.server.url());
    println!("Its download site: {}", demo.site.url());
    println!("Open it in a browser, or try the requests in docs/server.md. Ctrl-C ends it, and removes what it made.");
    Ok(demo.wait()?)
}

#[cfg(not(feature = "demo"))]
fn demo(_: &Options) -> Result<(), Box<dyn Error>> {
    Err("This asu-server was built without its demonstration.".into())
}
