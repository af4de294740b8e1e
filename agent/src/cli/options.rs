//! What the program is asked for on its command line.

use crate::paths::Paths;
use crate::upgrade::Choice;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
Upgrades this OpenWrt router, with its packages, through an upgrade server.

Usage: asu [OPTION]... COMMAND [ARGUMENT]...

Commands:
  check             what an upgrade would change
  upgrade           have an image built, fetch it, make sure of it, install it
  download          the same without installing it
  install [FILE]    install the image in hand, or a file
  verify [FILE]     make sure of the image in hand, or of a file
  inspect FILE      show what an image says of itself
  list              the packages that you chose (with --all: every package)
  versions          the releases that the server offers
  blob              the request that would be sent to the server
  status            what is going on
  watch             follow the running job
  cancel            end the running job
  history           past upgrades
  clean             remove the image and what jobs left behind
  daemon            run in the background (procd does that)

Options for check, upgrade, download and blob:
  --version V       a release or a branch (24.10, 24.10.2, 24.10-SNAPSHOT, SNAPSHOT);
                    -V and --version-to are the same
  --add NAMES       packages to add, separated by commas or spaces
  --remove NAMES    packages to leave out
  --ignore NAMES    packages that may be missing in the release
  --drop-missing    any package may be missing
Options for upgrade and install:
  --yes             do not ask before installing
  -n, --no-keep     do not keep the settings
  --force           go on in spite of warnings, and to an older release
Options for all:
  --json            print the objects of the bus
  --standalone      do it without the daemon
  --root DIR        work on the router below DIR
  --socket PATH     where the bus is
  -v, --verbose     show the request, too
  -q, --quiet       show errors only
  -h, --help        this text         asu --version the version of this program

Exit codes: 0 done, or nothing to do; 1 failed; 2 wrong usage; 3 server or network;
4 the server could not build it; 5 the image was refused; 6 not enough memory or space;
of check: 20 an upgrade is available, 21 it is, but something is in the way.
";

/// A command with what belongs to it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Check,
    Upgrade,
    Download,
    Install(Option<PathBuf>),
    Verify(Option<PathBuf>),
    Inspect(PathBuf),
    List,
    Versions,
    Blob,
    Status,
    Watch,
    Cancel,
    History,
    Clean,
    Daemon,
    Job,
    Help,
    Version,
}

/// Everything that can be said on the command line.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Options {
    pub command: Command,
    pub paths: Paths,
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub standalone: bool,
    pub all: bool,
    pub yes: bool,
    pub keep: Option<bool>,
    pub choice: Choice,
}

const COMMANDS: [(&str, Command); 14] = [
    ("check", Command::Check),
    ("upgrade", Command::Upgrade),
    ("download", Command::Download),
    ("install", Command::Install(None)),
    ("verify", Command::Verify(None)),
    ("list", Command::List),
    ("versions", Command::Versions),
    ("blob", Command::Blob),
    ("status", Command::Status),
    ("watch", Command::Watch),
    ("cancel", Command::Cancel),
    ("history", Command::History),
    ("clean", Command::Clean),
    ("daemon", Command::Daemon),
];

/// Reads the command line, or says in a sentence what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Options, String> {
    read(lexopt::Parser::from_args(arguments))
        .map_err(|error| format!("{error}. See \"asu --help\"."))
}

fn read(mut parser: lexopt::Parser) -> Result<Options, lexopt::Error> {
    let mut root = PathBuf::from("/");
    let mut socket = None;
    let mut words: Vec<OsString> = Vec::new();
    let mut options = Options {
        command: Command::Help,
        paths: Paths::new("/", None),
        json: false,
        quiet: false,
        verbose: false,
        standalone: false,
        all: false,
        yes: false,
        keep: None,
        choice: Choice::default(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("root") => root = parser.value()?.into(),
            Long("socket") => socket = Some(parser.value()?.into()),
            Long("json") => options.json = true,
            Long("standalone") => options.standalone = true,
            Long("all") => options.all = true,
            Long("yes") | Short('y') => options.yes = true,
            Long("no-keep") | Short('n') => options.keep = Some(false),
            Long("force") => options.choice.force = true,
            Long("version") if words.is_empty() => {
                return Ok(Options {
                    command: Command::Version,
                    ..options
                })
            }
            Long("version-to" | "version") | Short('V') => {
                options.choice.version = Some(parser.value()?.string()?)
            }
            Long("add") | Short('a') => {
                options.choice.add.extend(names(&parser.value()?.string()?))
            }
            Long("ignore") => options
                .choice
                .ignore
                .extend(names(&parser.value()?.string()?)),
            Long("drop-missing") => options.choice.drop_missing = true,
            Long("remove") | Short('r') => options
                .choice
                .remove
                .extend(names(&parser.value()?.string()?)),
            Long("verbose") | Short('v') => options.verbose = true,
            Long("quiet") | Short('q') => options.quiet = true,
            Long("help") | Short('h') => {
                return Ok(Options {
                    command: Command::Help,
                    ..options
                })
            }
            Value(word) => words.push(word),
            other => return Err(other.unexpected()),
        }
    }
    // The job has another working directory.
    let root = std::path::absolute(root).map_err(|error| format!("--root: {error}"))?;
    options.paths = Paths::new(root, socket);
    options.command = command(words)?;
    Ok(options)
}

fn names(text: &str) -> Vec<String> {
    let parted = |c: char| c == ',' || c.is_whitespace();
    text.split(parted)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn command(words: Vec<OsString>) -> Result<Command, lexopt::Error> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else {
        return Err("No command was given".into());
    };
    let file = words.next().map(PathBuf::from);
    if let Some(more) = words.next() {
        return Err(lexopt::Error::UnexpectedArgument(more));
    }
    let name = name.string()?;
    match (name.as_str(), file) {
        ("install", file) => Ok(Command::Install(file)),
        ("verify", file) => Ok(Command::Verify(file)),
        ("inspect", Some(file)) => Ok(Command::Inspect(file)),
        ("inspect", None) => Err("\"asu inspect\" needs the name of a file".into()),
        ("job", None) => Ok(Command::Job),
        ("help", None) => Ok(Command::Help),
        (name, file) => {
            let known = COMMANDS.into_iter().find(|(known, _)| *known == name);
            match (known, file) {
                (Some((_, command)), None) => Ok(command),
                (Some(_), Some(file)) => Err(lexopt::Error::UnexpectedArgument(file.into())),
                (None, _) => Err(format!("There is no command {name:?}").into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_may_stand_anywhere() {
        assert_eq!(read("--version").unwrap().command, Command::Version);
        let newer = read("check --version 25.12").unwrap();
        assert_eq!(newer.choice.version.as_deref(), Some("25.12"));
        let options = read("--root /box upgrade --add a,b -n --yes --socket /s").unwrap();
        assert_eq!(options.command, Command::Upgrade);
        assert_eq!(options.choice.add, ["a", "b"]);
        assert_eq!(options.keep, Some(false));
        assert!(options.yes);
        assert_eq!(options.paths.real("/tmp"), PathBuf::from("/box/tmp"));
        assert_eq!(options.paths.socket(), PathBuf::from("/s"));
        assert_eq!(
            read("install x.bin").unwrap().command,
            Command::Install(Some("x.bin".into()))
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, words) in [
            ("", "No command"),
            ("upgrad", "no command \"upgrad\""),
            ("check --forse", "--forse"),
            ("check x", "\"x\""),
            ("install a b", "\"b\""),
            ("inspect", "needs the name"),
            ("check --add", "--add"),
        ] {
            let sentence = read(line).unwrap_err();
            assert!(sentence.contains(words), "{line}: {sentence}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        for (name, _) in COMMANDS {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
