//! Every command and every option, once: the parser, the help and the suggestions read them here,
//! and tests hold the man page and the shell completion against them.

/// What a command is about, for the help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// Upgrades.
    Upgrade,
    /// Images.
    Image,
    /// What there is and what there was.
    Look,
    /// The background.
    Daemon,
}

/// A command.
#[derive(Debug, Eq, PartialEq)]
pub struct Command {
    /// As it is typed.
    pub name: &'static str,
    /// What may follow it: `[FILE]`, or nothing.
    pub arguments: &'static str,
    /// How many words that are: at least, at most.
    pub words: (usize, usize),
    /// Under which heading it stands.
    pub field: Field,
    /// In a line.
    pub help: &'static str,
}

const fn command(
    name: &'static str,
    arguments: &'static str,
    words: (usize, usize),
    field: Field,
    help: &'static str,
) -> Command {
    Command {
        name,
        arguments,
        words,
        field,
        help,
    }
}

/// All of them. (`job`, the daemon's child, is nobody's business.)
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    command("check", "", (0, 0), Field::Upgrade, "what an upgrade would change, and what is in its way"),
    command("upgrade", "", (0, 0), Field::Upgrade, "have an image built, fetch it, make sure of it, install it"),
    command("download", "", (0, 0), Field::Upgrade, "the same without installing it"),
    command("status", "", (0, 0), Field::Upgrade, "what is going on"),
    command("watch", "", (0, 0), Field::Upgrade, "follow the running job"),
    command("cancel", "", (0, 0), Field::Upgrade, "end the running job"),
    command("install", "[FILE]", (0, 1), Field::Image, "install the image in hand, or a file"),
    command("verify", "[FILE]", (0, 1), Field::Image, "make sure of the image in hand, or of a file"),
    command("inspect", "FILE", (1, 1), Field::Image, "show what an image says of itself"),
    command("clean", "", (0, 0), Field::Image, "remove the image and what jobs left behind"),
    command("list", "", (0, 0), Field::Look, "the packages that you chose"),
    command("versions", "", (0, 0), Field::Look, "the releases that the server offers"),
    command("diff", "[FROM] TO", (1, 2), Field::Look, "what differs between two releases for this router"),
    command("blob", "", (0, 0), Field::Look, "the request that would be sent to the server"),
    command("dump", "", (0, 0), Field::Look, "everything that is known, as JSON"),
    command("history", "", (0, 0), Field::Look, "past upgrades"),
    command("help", "[COMMAND]", (0, 1), Field::Daemon, "this text, or that of a command"),
    command("daemon", "", (0, 0), Field::Daemon, "run in the background (procd does that)"),
];

/// What an option is about: its heading in the help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Which release.
    Release,
    /// Which packages.
    Packages,
    /// What the image is like.
    Image,
    /// Installing and waiting.
    Install,
    /// What is printed.
    Print,
    /// On which router.
    Router,
}

/// The headings in their order.
pub const GROUPS: &[(Group, &str)] = &[
    (Group::Release, "Which release"),
    (Group::Packages, "Which packages"),
    (Group::Image, "The image"),
    (Group::Install, "Doing it"),
    (Group::Print, "What is printed"),
    (Group::Router, "Where"),
];

/// An option.
#[derive(Debug)]
pub struct Opt {
    /// `a` for `-a`; a space where there is none.
    pub short: char,
    /// Without its dashes.
    pub long: &'static str,
    /// Another name that people know it by, or nothing.
    pub also: &'static str,
    /// What its value is called, or nothing where it takes none.
    pub value: &'static str,
    /// Its heading.
    pub group: Group,
    /// With which commands it goes.
    pub with: With,
    /// In a line.
    pub help: &'static str,
}

/// Commands that take an option.
pub type With = &'static [&'static str];

/// Those that plan.
const PLAN: With = &[
    "check", "upgrade", "download", "list", "diff", "blob", "dump",
];
/// Those for which a release is chosen by an option.
const RELEASE: With = &["check", "upgrade", "download", "list", "blob", "dump"];
/// Those that build nothing.
const LOOK: With = &["check", "list", "diff", "blob", "dump"];
/// Those whose answer depends on what the image is like.
const IMAGE: With = &["check", "upgrade", "download", "blob", "dump"];
const BUILD: With = &["upgrade", "download"];
const FLASH: With = &["upgrade", "install"];
const ALL: With = &[];

impl Opt {
    /// Whether it goes with a command.
    pub fn goes_with(&self, command: &str) -> bool {
        self.with.is_empty() || self.with.contains(&command)
    }

    /// As a person types it: `--add`.
    pub fn typed(&self) -> String {
        ["--", self.long].concat()
    }
}

const fn option(
    names: (char, &'static str, &'static str),
    value: &'static str,
    group: Group,
    with: With,
    help: &'static str,
) -> Opt {
    let (short, long, also) = names;
    Opt {
        short,
        long,
        also,
        value,
        group,
        with,
        help,
    }
}

/// All of them, in the order of the help.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    option(('V', "version-to", "version"), "RELEASE", Group::Release, RELEASE, "a release or a branch: 24.10.2, 24.10, SNAPSHOT"),
    option(('R', "rev-code", "revision"), "REVISION", Group::Release, RELEASE, "this build (r28739-d9340319c6), or \"none\": any"),
    option((' ', "device", ""), "TARGET:BOARD", Group::Release, LOOK, "plan for another device: x86/64:generic:ext4:efi"),
    option(('a', "add", ""), "NAMES", Group::Packages, PLAN, "packages to add, parted by commas or spaces"),
    option(('r', "remove", ""), "NAMES", Group::Packages, PLAN, "packages to leave out"),
    option((' ', "ignore", ""), "NAMES", Group::Packages, PLAN, "packages that may be missing in the release"),
    option((' ', "drop-missing", ""), "", Group::Packages, PLAN, "any package may be missing"),
    option((' ', "clean-slate", ""), "", Group::Packages, PLAN, "only the release's own packages and those of --add"),
    option((' ', "ignored-defaults", ""), "NAMES", Group::Packages, PLAN, "new default packages that are not to come"),
    option((' ', "ignored-changes", ""), "NAMES", Group::Packages, PLAN, "renamed packages that stay what they are"),
    option((' ', "feeds", ""), "", Group::Packages, PLAN, "packages may come from the router's own feeds"),
    option((' ', "all", ""), "", Group::Print, &["list"], "every package, not only those that you chose"),
    option(('F', "fstype", ""), "TYPE", Group::Image, IMAGE, "root file system, such as squashfs or ext4"),
    option(('S', "rootfs-size", ""), "MIB", Group::Image, IMAGE, "size of the root file system; see docs/asu.8 first"),
    option(('I', "init-script", ""), "FILE", Group::Image, IMAGE, "a script for the first boot; - is standard input"),
    option(('i', "image", ""), "FILE", Group::Image, &["download", "verify", "install"], "the image's file; a download is put there, too"),
    option(('y', "yes", ""), "", Group::Install, FLASH, "do not ask before installing"),
    option(('n', "no-settings", ""), "", Group::Install, FLASH, "do not keep the settings"),
    option((' ', "force", ""), "", Group::Install, &["check", "upgrade", "download", "install"], "despite warnings, without changes, or going back"),
    option(('p', "pre-install", ""), "FILE", Group::Install, FLASH, "a program to run before installing; it may refuse"),
    option(('T', "poll-interval", ""), "MS", Group::Install, BUILD, "ask the server every so many milliseconds"),
    option((' ', "standalone", ""), "", Group::Install, ALL, "do it without the daemon"),
    option(('f', "format", ""), "FORMAT", Group::Print, &["list"], "fs-user, fs-all (firmware selector) or config"),
    option(('k', "keep", ""), "", Group::Print, &["check", "upgrade", "download"], "keep plan and request in /tmp/asu-plan.json"),
    option((' ', "json", ""), "", Group::Print, ALL, "print the objects of the bus"),
    option(('v', "verbose", ""), "", Group::Print, ALL, "print more; with check the request"),
    option(('q', "quiet", ""), "", Group::Print, ALL, "print errors only"),
    option(('h', "help", ""), "", Group::Print, ALL, "print the help of the command"),
    option((' ', "root", ""), "DIR", Group::Router, ALL, "work on the router below DIR"),
    option((' ', "socket", ""), "PATH", Group::Router, ALL, "where the bus is"),
];
