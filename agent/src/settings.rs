//! `/etc/config/attendedsysupgrade`: what the owner set (design section 8).
//!
//! The file is shared with the existing tools and never written. Where an option of the `agent`
//! section is unset, the option of the same name in an `owut` section counts.

use crate::error::{Error, Kind};
use crate::json::{Decode, Encode};
use crate::paths::Paths;
use crate::sorted::Map;
use crate::uci::{self, Section};
use std::io::ErrorKind;
use std::str::FromStr;

/// Where the options are, in the router's terms.
pub const FILE: &str = "/etc/config/attendedsysupgrade";

/// What the owner makes of images for which nobody vouches whom the router trusts (option
/// `signature`). A bad signature and a revoked key are refused whatever is set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum SignaturePolicy {
    /// Nothing.
    Off,
    /// They are flashed, but said to be such.
    #[default]
    Warn,
    /// They are refused.
    Require,
}

/// What the owner set, with defaults for what was left open.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Settings {
    /// URLs in the order in which they are tried.
    pub servers: Vec<String>,
    /// Server → servers that build the same once more.
    pub rebuilders: Map<Vec<String>>,
    /// So many of them have to come to the same image.
    pub rebuilders_required: u32,
    /// What an image without a good signature is worth.
    pub signature: SignaturePolicy,
    /// Whether the upgrade server is told what came of an upgrade.
    #[field(optional)]
    pub report: bool,
    /// A line after login.
    pub login_notice: bool,
    /// Unless the caller says otherwise.
    pub keep_settings: bool,
    /// Folder for a backup of the settings before each flash.
    pub backup: Option<String>,
    /// A program that may veto the flash.
    pub pre_install: Option<String>,
    /// A script for the first boot of the new system.
    pub init_script: Option<String>,
    /// MiB.
    pub rootfs_size: Option<u32>,
    /// `squashfs`, `ext4`
    pub fstype: Option<String>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<String>,
    /// URL of a proxy.
    pub proxy: Option<String>,
    /// Hosts that are asked without it.
    #[field(optional)]
    pub no_proxy: Vec<String>,
    /// Packages to add.
    pub add: Vec<String>,
    /// Packages to leave out.
    pub remove: Vec<String>,
    /// Packages that may be missing.
    pub ignore: Vec<String>,
    /// Renamed packages, by either name, that are to stay what they are.
    pub ignored_changes: Vec<String>,
    /// Default packages that are not to come by themselves.
    pub ignored_defaults: Vec<String>,
    /// A branch or a version to stay with.
    pub version_to: Option<String>,
    /// The release's packages, and nothing of what is installed besides.
    pub clean_slate: bool,
    /// Packages may come from the router's own feeds.
    pub custom_feeds: bool,
    /// Milliseconds between two questions about a build.
    pub poll_interval: Option<u32>,
    /// Where the command line puts a downloaded image.
    #[field(skip)]
    pub image: Option<String>,
    /// How much the command line says: above 0 more, below 0 less.
    #[field(skip)]
    pub verbosity: i32,
    /// Whether the command line writes down what it was told.
    #[field(skip)]
    pub keep_files: bool,
}

impl Settings {
    /// Reads the router's settings; a missing file means defaults (and no server).
    pub fn read(paths: &Paths) -> Result<Settings, Error> {
        let path = paths.real(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Settings::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Settings::parse(""),
            Err(error) => Err(Error::file(&path, "read", &error)),
        }
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Settings, Error> {
        let agent = Options::parse(text)?;
        let (servers, rebuilders) = servers(&agent.sections);
        Ok(Settings {
            servers,
            rebuilders,
            rebuilders_required: agent.number("rebuilders_required")?.unwrap_or(0),
            signature: agent.signature()?,
            report: agent.flag("report", false)?,
            login_notice: agent.flag("login_notice", false)?,
            keep_settings: agent.flag("keep_settings", true)?,
            backup: agent.text("backup"),
            pre_install: agent.text("pre_install"),
            init_script: agent.text("init_script"),
            rootfs_size: agent.number("rootfs_size")?,
            fstype: agent.text("fstype"),
            ca_file: agent.text("ca_file"),
            proxy: agent.text("proxy"),
            no_proxy: agent.list("no_proxy"),
            add: agent.list("add"),
            remove: agent.list("remove"),
            ignore: agent.list("ignore"),
            ignored_changes: agent.list("ignored_changes"),
            ignored_defaults: agent.list("ignored_defaults"),
            version_to: agent.text("version_to"),
            clean_slate: agent.flag("clean_slate", false)?,
            custom_feeds: agent.flag("custom_feeds", false)?,
            poll_interval: agent.number("poll_interval")?,
            image: agent.text("image"),
            verbosity: agent.number("verbosity")?.unwrap_or(0),
            keep_files: agent.flag("keep", false)?,
        })
    }

    /// The servers, or a sentence that says how to name one.
    pub fn require_servers(&self) -> Result<(), Error> {
        if self.servers.is_empty() {
            return Err(Error::new(
                Kind::Usage,
                format!("{FILE} names no upgrade server: add a section \"config server\" with an option url."),
            ));
        }
        Ok(())
    }
}

/// The servers in their order, and those that are to rebuild what each of them builds. A server is
/// no second opinion on itself, and one that is named twice is one.
fn servers(sections: &[Section]) -> (Vec<String>, Map<Vec<String>>) {
    let (mut servers, mut rebuilders) = (Vec::new(), Map::<Vec<String>>::new());
    for section in sections.iter().filter(|section| section.kind == "server") {
        let Some(url) = section.option("url").map(plain_url) else {
            continue;
        };
        let mut others = rebuilders.remove(&url).unwrap_or_default();
        for other in section.list("rebuilder") {
            let other = plain_url(&other);
            if other != url && !others.contains(&other) {
                others.push(other);
            }
        }
        rebuilders.insert(url.clone(), others);
        servers.push(url);
    }
    (servers, rebuilders)
}

fn plain_url(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// The options of the `agent` section, with the `owut` section behind it.
pub(crate) struct Options {
    sections: Vec<Section>,
}

impl Options {
    /// Reads the text of the file.
    pub(crate) fn parse(text: &str) -> Result<Options, Error> {
        let sections = uci::parse(text).map_err(|malformed| {
            Error::new(
                Kind::Usage,
                format!(
                    "{FILE} is not valid in line {}: correct it there, or with uci.",
                    malformed.line
                ),
            )
        })?;
        Ok(Options { sections })
    }

    fn of<'a>(&'a self, kind: &'static str) -> impl Iterator<Item = &'a Section> {
        let is = move |section: &&Section| section.kind == kind || section.name == kind;
        self.sections.iter().filter(is)
    }

    fn ours(&self) -> impl Iterator<Item = &Section> {
        self.of("agent").chain(self.of("owut"))
    }

    /// The option's value; an empty one is as good as none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let mut found = self.ours().filter_map(|section| section.option(name));
        found.next().map(str::to_owned)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let mut lists = self.ours().map(|section| section.list(name));
        lists.find(|list| !list.is_empty()).unwrap_or_default()
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid(name, &text, "a whole number")),
        }
    }

    fn signature(&self) -> Result<SignaturePolicy, Error> {
        match self.text("signature").as_deref() {
            None => Ok(SignaturePolicy::default()),
            Some("off") => Ok(SignaturePolicy::Off),
            Some("warn") => Ok(SignaturePolicy::Warn),
            Some("require") => Ok(SignaturePolicy::Require),
            Some(text) => Err(invalid("signature", text, "off, warn or require")),
        }
    }

    /// As uci's own tools read truth values.
    fn flag(&self, name: &str, default: bool) -> Result<bool, Error> {
        match self.text(name).as_deref() {
            None => Ok(default),
            Some("1" | "on" | "true" | "yes" | "enabled") => Ok(true),
            Some("0" | "off" | "false" | "no" | "disabled") => Ok(false),
            Some(text) => Err(invalid(name, text, "0 or 1")),
        }
    }
}

fn invalid(name: &str, text: &str, wanted: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("{FILE}: option {name} is \"{text}\", but has to be {wanted}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owut_section_counts_where_ours_says_nothing() {
        let settings = Settings::parse(
            "config server 'server'\n option url 'https://one.example/'\nconfig server\n option url 'https://two.example'\n
             config owut 'owut'\n option rootfs_size '256'\n list add 'a'\n option init_script '/x'\n
             config agent 'agent'\n option init_script '/y'\n option keep_settings 'off'\n",
        )
        .unwrap();
        assert_eq!(
            settings.servers,
            ["https://one.example", "https://two.example"]
        );
        assert_eq!(settings.rootfs_size, Some(256));
        assert_eq!(settings.add, ["a"]);
        assert_eq!(settings.init_script.as_deref(), Some("/y"));
        assert!(!settings.keep_settings);
    }

    /// As owut's own example has it (owut 2025, /etc/uci-defaults), uncommented, with its other
    /// options added and lists in each of the ways it takes them.
    #[test]
    fn a_config_of_owut_is_read_as_owut_reads_it() {
        let settings = Settings::parse(
            "config owut 'owut'\n\toption verbosity         0\n\toption keep              true\n\toption init_script      '/etc/first-boot.sh'\n\toption image            '/tmp/next.bin'\n\toption rootfs_size       256\n\toption pre_install      '/etc/before-flash.sh'\n\toption poll_interval     4000  # ms\n\tlist   ignored_defaults 'kmod-one'\n\tlist   ignored_defaults 'kmod-two'\n\toption ignored_changes  'auc,owut kmod-a'\n\toption version_to       '24.10-SNAPSHOT'\n\toption fstype           ext4\n\toption clean_slate      yes\n\toption add              'a, b\n c'\n\tlist   remove           'd'\n",
        )
        .unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert!(settings.keep_files && settings.clean_slate);
        assert_eq!(settings.verbosity, 0);
        assert_eq!(settings.init_script, text("/etc/first-boot.sh"));
        assert_eq!(settings.image, text("/tmp/next.bin"));
        assert_eq!(settings.pre_install, text("/etc/before-flash.sh"));
        assert_eq!(settings.rootfs_size, Some(256));
        assert_eq!(settings.poll_interval, Some(4_000));
        assert_eq!(settings.version_to, text("24.10-SNAPSHOT"));
        assert_eq!(settings.fstype, text("ext4"));
        assert_eq!(settings.ignored_defaults, ["kmod-one", "kmod-two"]);
        assert_eq!(settings.ignored_changes, ["auc", "owut", "kmod-a"]);
        assert_eq!(settings.add, ["a", "b", "c"]);
        assert_eq!(settings.remove, ["d"]);
    }

    #[test]
    fn a_rebuilder_counts_once_and_is_never_the_server_itself() {
        let settings = Settings::parse(
            "config server\n option url 'https://one.example/'\n list rebuilder 'https://two.example/'\n
             list rebuilder 'https://two.example'\n list rebuilder 'https://one.example'\n
             config server\n option url 'https://three.example'\n
             config agent 'agent'\n option signature 'require'\n option rebuilders_required '1'\n",
        )
        .unwrap();
        assert_eq!(
            *settings.rebuilders.get("https://one.example").unwrap(),
            ["https://two.example"]
        );
        assert!(settings
            .rebuilders
            .get("https://three.example")
            .unwrap()
            .is_empty());
        assert_eq!(settings.signature, SignaturePolicy::Require);
        assert_eq!(settings.rebuilders_required, 1);
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let settings = Settings::parse("").unwrap();
        assert!(settings.keep_settings && !settings.login_notice);
        assert_eq!(settings.signature, SignaturePolicy::Warn);
        assert_eq!(settings.rebuilders_required, 0);
        assert_eq!(settings.require_servers().unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let error =
            Settings::parse("config agent 'agent'\n option rootfs_size 'big'\n").unwrap_err();
        assert!(error.message.contains("rootfs_size is \"big\""), "{error}");
        let error =
            Settings::parse("config agent 'agent'\n option keep_settings 'maybe'\n").unwrap_err();
        assert!(error.message.contains("keep_settings"), "{error}");
        let error = Settings::parse("config agent 'agent'\n option signature 'on'\n").unwrap_err();
        assert!(error.message.contains("off, warn or require"), "{error}");
    }
}
