//! What the program is asked for on its command line.

use super::nearest::or_nearest;
use super::table::{self, Group, Opt, COMMANDS, OPTIONS};
use crate::paths::Paths;
use crate::text::clean;
use crate::uci;
use crate::upgrade::Choice;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;

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
    Diff(Option<String>, String),
    Blob,
    Dump,
    Status,
    Watch,
    Cancel,
    History,
    Clean,
    Daemon,
    Job,
    Help(Option<&'static table::Command>),
    Version,
}

/// The forms of `list`, as owut calls them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// The owner's changes to the default packages, in a line.
    FirmwareSelector,
    /// All packages that are asked for, in a line.
    FirmwareSelectorAll,
    /// Lines for OpenWrt's .config.
    Config,
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
    /// Keep the settings; none: what the option keep_settings says.
    pub keep: Option<bool>,
    pub keep_files: bool,
    pub format: Option<Format>,
    pub image: Option<PathBuf>,
    pub pre_install: Option<PathBuf>,
    pub init_script: Option<PathBuf>,
    pub choice: Choice,
    /// What was said of release, packages and image, as it was typed.
    pub given: Vec<String>,
}

impl Options {
    fn new(command: Command) -> Self {
        Options {
            command,
            paths: Paths::new("/", None),
            json: false,
            quiet: false,
            verbose: false,
            standalone: false,
            all: false,
            yes: false,
            keep: None,
            keep_files: false,
            format: None,
            image: None,
            pre_install: None,
            init_script: None,
            choice: Choice::default(),
            given: Vec::new(),
        }
    }
}

/// Reads the command line, or says in a sentence what is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Options, String> {
    Parsed::read(lexopt::Parser::from_args(arguments))
        .and_then(Parsed::options)
        .map_err(|error| explain(&error))
}

/// lexopt's own words, where they are not formatted for debugging.
fn explain(error: &lexopt::Error) -> String {
    use lexopt::Error::{NonUnicodeValue, UnexpectedArgument, UnexpectedValue};
    let (what, word) = match error {
        UnexpectedArgument(word) => ("There is no place for", word),
        UnexpectedValue { option, value } => {
            (&*format!("{option} takes no value, not even"), value)
        }
        NonUnicodeValue(word) => ("This is no text:", word),
        _ => return error.to_string(),
    };
    format!("{what} \"{}\".", clean(&word.to_string_lossy()))
}

/// An option that was given, with its value.
type Given = (&'static Opt, Option<OsString>);

/// The command line taken apart, before anybody knows whether it makes sense.
struct Parsed {
    words: Vec<OsString>,
    given: Vec<Given>,
}

impl Parsed {
    fn read(mut parser: lexopt::Parser) -> Result<Parsed, lexopt::Error> {
        let mut parsed = Parsed {
            words: Vec::new(),
            given: Vec::new(),
        };
        while let Some(argument) = parser.next()? {
            let option = match argument {
                Value(word) => {
                    parsed.words.push(word);
                    continue;
                }
                // Before the command it is a question of its own.
                Long("version") if parsed.words.is_empty() => {
                    parsed.words = vec!["--version".into()];
                    return Ok(parsed);
                }
                Long(name) => find(name).ok_or_else(|| unknown(name))?,
                Short(letter) => OPTIONS
                    .iter()
                    .find(|option| option.short == letter && letter != ' ')
                    .ok_or_else(|| format!("There is no option -{letter}. See \"asu --help\"."))?,
            };
            let value = match option.value {
                "" => None,
                _ => Some(parser.value().map_err(|_| no_value(option))?),
            };
            parsed.given.push((option, value));
        }
        Ok(parsed)
    }

    fn options(self) -> Result<Options, lexopt::Error> {
        let mut words = self.words.into_iter();
        let name = words.next().unwrap_or_default().string()?;
        let help = self.given.iter().any(|(option, _)| option.long == "help");
        let command = match (name.as_str(), help) {
            ("--version", _) => return Ok(Options::new(Command::Version)),
            ("", true) => return Ok(Options::new(Command::Help(None))),
            ("", false) => return Err("No command was given. See \"asu --help\".".into()),
            (name, true) => Command::Help(Some(known(name)?)),
            ("job", false) => Command::Job,
            (name, false) => command(name, words.collect())?,
        };
        let mut options = Options::new(command);
        let (mut root, mut socket) = (PathBuf::from("/"), None);
        let given = self.given.into_iter().filter(|_| !help);
        for (option, value) in given {
            if !option.goes_with(&name) {
                let sentence = format!(
                    "{} does not go with \"asu {name}\", but with {}.",
                    option.typed(),
                    option.with.join(", ")
                );
                return Err(sentence.into());
            }
            match (option.long, value) {
                ("root", Some(value)) => root = value.into(),
                ("socket", Some(value)) => socket = Some(value.into()),
                (_, value) => options.set(option, value)?,
            }
        }
        // The job has another working directory.
        let root = std::path::absolute(root).map_err(|error| format!("--root: {error}"))?;
        options.paths = Paths::new(root, socket);
        if options.all && options.is_planned() {
            return Err(
                "--all lists what is installed, the other options what is asked for: choose one."
                    .into(),
            );
        }
        Ok(options)
    }
}

impl Options {
    /// Whether `list` is about what is asked for, not about what is installed.
    pub fn is_planned(&self) -> bool {
        self.format.is_some() || !self.given.is_empty()
    }

    fn set(&mut self, option: &Opt, value: Option<OsString>) -> Result<(), lexopt::Error> {
        if matches!(
            option.group,
            Group::Release | Group::Packages | Group::Image
        ) {
            let value = value.as_ref().map(|value| quoted(&value.to_string_lossy()));
            let typed = [Some(option.typed()), value];
            self.given.extend(typed.into_iter().flatten());
        }
        match value {
            None => self.set_flag(option),
            Some(value) => self.set_value(option, value)?,
        }
        Ok(())
    }

    fn set_flag(&mut self, option: &Opt) {
        match option.long {
            "drop-missing" => self.choice.drop_missing = true,
            "clean-slate" => self.choice.clean_slate = true,
            "feeds" => self.choice.feeds = true,
            "force" => self.choice.force = true,
            "all" => self.all = true,
            "yes" => self.yes = true,
            "no-settings" => self.keep = Some(false),
            "standalone" => self.standalone = true,
            "keep" => self.keep_files = true,
            "json" => self.json = true,
            "verbose" => self.verbose = true,
            "quiet" => self.quiet = true,
            _ => {}
        }
    }

    fn set_value(&mut self, option: &Opt, value: OsString) -> Result<(), lexopt::Error> {
        // A file's name may be any; everything else is text.
        match option.long {
            "image" => self.image = Some(value.into()),
            "pre-install" => self.pre_install = Some(value.into()),
            "init-script" => self.init_script = Some(value.into()),
            _ => return self.set_text(option, value.string()?),
        }
        Ok(())
    }

    fn set_text(&mut self, option: &Opt, text: String) -> Result<(), lexopt::Error> {
        let choice = &mut self.choice;
        match option.long {
            "version-to" => choice.version = Some(text),
            "rev-code" => choice.revision = Some(text),
            "device" => choice.device = Some(text),
            "fstype" => choice.fstype = Some(text),
            "add" => choice.add.extend(uci::words(&text)),
            "remove" => choice.remove.extend(uci::words(&text)),
            "ignore" => choice.ignore.extend(uci::words(&text)),
            "ignored-defaults" => choice.ignored_defaults.extend(uci::words(&text)),
            "ignored-changes" => choice.ignored_changes.extend(uci::words(&text)),
            "rootfs-size" => choice.rootfs_size = Some(number(option, &text, "MiB")?),
            "poll-interval" => choice.poll_interval = Some(number(option, &text, "milliseconds")?),
            "format" => self.format = Some(format_of(&text)?),
            _ => {}
        }
        Ok(())
    }
}

fn number(option: &Opt, text: &str, unit: &str) -> Result<u32, lexopt::Error> {
    let typed = option.typed();
    text.parse().map_err(|_| {
        format!(
            "{typed} is \"{}\", but has to be a whole number of {unit}.",
            clean(text)
        )
        .into()
    })
}

fn format_of(text: &str) -> Result<Format, lexopt::Error> {
    match text {
        "fs-user" => Ok(Format::FirmwareSelector),
        "fs-all" => Ok(Format::FirmwareSelectorAll),
        "config" => Ok(Format::Config),
        _ => Err(format!(
            "--format is \"{}\", but has to be fs-user, fs-all or config.",
            clean(text)
        )
        .into()),
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:/@%+=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS
        .iter()
        .find(|option| option.long == name || (!name.is_empty() && option.also == name))
}

fn unknown(name: &str) -> String {
    let all = OPTIONS.iter().flat_map(|option| [option.long, option.also]);
    let sentence = or_nearest(name, all, |near| format!("did you mean --{near}?"));
    format!("There is no option --{name}; {sentence}")
}

fn no_value(option: &Opt) -> String {
    format!(
        "{} needs a value: {}, {}.",
        option.typed(),
        option.value,
        option.help
    )
}

fn known(name: &str) -> Result<&'static table::Command, lexopt::Error> {
    let found = COMMANDS.iter().find(|command| command.name == name);
    found.ok_or_else(|| {
        let all = COMMANDS.iter().map(|command| command.name);
        let sentence = or_nearest(name, all, |near| format!("did you mean \"asu {near}\"?"));
        format!("There is no command \"{}\"; {sentence}", clean(name)).into()
    })
}

fn command(name: &str, words: Vec<OsString>) -> Result<Command, lexopt::Error> {
    let known = known(name)?;
    let (least, most) = known.words;
    if words.len() < least {
        return Err(format!("\"asu {name}\" needs {}.", known.arguments).into());
    }
    if let Some(more) = words.get(most) {
        let more = more.to_string_lossy();
        return Err(format!(
            "\"{}\" is one word too many for \"asu {name}\".",
            clean(&more)
        )
        .into());
    }
    let mut words = words.into_iter();
    let (first, second) = (words.next(), words.next());
    let text = |word: Option<OsString>| word.map(|word| word.string()).transpose();
    Ok(match (name, first) {
        ("check", _) => Command::Check,
        ("upgrade", _) => Command::Upgrade,
        ("download", _) => Command::Download,
        ("install", file) => Command::Install(file.map(PathBuf::from)),
        ("verify", file) => Command::Verify(file.map(PathBuf::from)),
        ("inspect", Some(file)) => Command::Inspect(file.into()),
        ("list", _) => Command::List,
        ("versions", _) => Command::Versions,
        ("diff", Some(first)) => match text(second)? {
            Some(second) => Command::Diff(Some(first.string()?), second),
            None => Command::Diff(None, first.string()?),
        },
        ("blob", _) => Command::Blob,
        ("dump", _) => Command::Dump,
        ("status", _) => Command::Status,
        ("watch", _) => Command::Watch,
        ("cancel", _) => Command::Cancel,
        ("history", _) => Command::History,
        ("clean", _) => Command::Clean,
        ("daemon", _) => Command::Daemon,
        (_, None) => Command::Help(None),
        (_, Some(about)) => Command::Help(Some(self::known(&about.string()?)?)),
    })
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

    /// The command lines of owut's documentation.
    #[test]
    fn users_of_owut_find_their_options() {
        let options = read("upgrade -V SNAPSHOT -R r1-a -a a,b -r c --clean-slate --ignored-defaults d --ignored-changes e -I s.sh -F ext4 -S 256 -p hook -T 1000 --force -v -v").unwrap();
        let choice = options.choice;
        assert_eq!(choice.version.as_deref(), Some("SNAPSHOT"));
        assert_eq!(choice.revision.as_deref(), Some("r1-a"));
        assert_eq!((choice.add.len(), choice.remove.len()), (2, 1));
        assert!(choice.clean_slate && choice.force && options.verbose);
        assert_eq!(choice.ignored_defaults, ["d"]);
        assert_eq!(choice.ignored_changes, ["e"]);
        assert_eq!(choice.fstype.as_deref(), Some("ext4"));
        assert_eq!(
            (choice.rootfs_size, choice.poll_interval),
            (Some(256), Some(1000))
        );
        assert_eq!(options.init_script, Some("s.sh".into()));
        assert_eq!(options.pre_install, Some("hook".into()));
        let options = read("download -k -i /tmp/x.bin").unwrap();
        assert!(options.keep_files && options.keep.is_none());
        assert_eq!(options.image, Some("/tmp/x.bin".into()));
        assert_eq!(read("list -f config").unwrap().format, Some(Format::Config));
        let options = read("blob --device x86/64:generic").unwrap();
        assert_eq!(options.choice.device.as_deref(), Some("x86/64:generic"));
    }

    #[test]
    fn what_was_said_of_the_plan_can_be_said_again() {
        let mut options = read("check --add a,b --yes").unwrap_err();
        assert!(
            options.contains("--yes does not go with \"asu check\""),
            "{options}"
        );
        options = read("check -V 25.12 --json --clean-slate -I it's")
            .unwrap()
            .given
            .join(" ");
        assert_eq!(
            options,
            "--version-to 25.12 --clean-slate --init-script 'it'\\''s'"
        );
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, words) in [
            ("", "No command"),
            (
                "upgrad",
                "no command \"upgrad\"; did you mean \"asu upgrade\"?",
            ),
            (
                "frobnicate",
                "no command \"frobnicate\"; see \"asu --help\"",
            ),
            ("check --forse", "no option --forse; did you mean --force?"),
            ("check --versionto x", "did you mean --version-to?"),
            ("check -x", "no option -x"),
            ("check x", "\"x\" is one word too many for \"asu check\""),
            ("install a b", "\"b\" is one word too many"),
            ("inspect", "needs FILE"),
            ("diff", "needs [FROM] TO"),
            ("check --add", "--add needs a value: NAMES"),
            ("check --rootfs-size big", "a whole number of MiB"),
            ("check --rootfs-size -1", "a whole number of MiB"),
            ("upgrade -T 1s", "a whole number of milliseconds"),
            ("list --format xml", "fs-user, fs-all or config"),
            ("list --all --add a", "choose one"),
            (
                "status --add a",
                "does not go with \"asu status\", but with check",
            ),
            ("upgrade --device a/b:c", "does not go with \"asu upgrade\""),
            ("help nothing", "no command \"nothing\""),
            ("check --json=1", "--json"),
        ] {
            let sentence = read(line).unwrap_err();
            assert!(sentence.contains(words), "{line}: {sentence}");
        }
    }

    #[test]
    fn every_command_and_every_option_of_the_table_is_read() {
        for command in COMMANDS {
            let line = format!("{} {}", command.name, vec!["w"; command.words.0].join(" "));
            assert!(read(&line).is_ok(), "{line}");
        }
        for option in OPTIONS {
            let command = option.with.first().copied().unwrap_or("status");
            let value = match option.long {
                "rootfs-size" | "poll-interval" => "500",
                "format" => "config",
                _ if option.value.is_empty() => "",
                _ => "text",
            };
            let plain = format!("{:?}", read(command).unwrap());
            let long = format!(
                "{:?}",
                read(&format!("{command} --{} {value}", option.long)).unwrap()
            );
            assert_ne!(plain, long, "--{} is read by nobody", option.long);
            for name in [format!("-{}", option.short), format!("--{}", option.also)] {
                if !name.ends_with(['-', ' ']) {
                    let same = read(&format!("{command} {name} {value}")).unwrap();
                    assert_eq!(format!("{same:?}"), long, "{name}");
                }
            }
        }
    }
}
