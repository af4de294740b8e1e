//! What can go wrong with an upgrade server, and what to tell the router's owner.

use crate::error::{self, Kind};
use crate::settings::FILE as SETTINGS;
use crate::text::{clean, lines};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// An upgrade server did not do what was asked of it.
#[derive(Debug)]
pub enum Error {
    /// The configured address is not one (address, reason).
    Address(String, &'static str),
    /// The configured proxy is not one.
    Proxy(String),
    /// The file with the certificate authorities is of no use (file, reason).
    Authorities(PathBuf, String),
    /// The name can't be resolved.
    UnknownHost(String),
    /// No connection (server, reason).
    Unreachable(String, String),
    /// Connected, but no answer in time.
    Silent(String),
    /// The answer came too slowly to wait for its end.
    Stalled,
    /// The connection ended in the middle of the answer.
    Cut,
    /// So often that nobody expects anything of it (times, the last reason).
    GivenUp(u32, Box<Error>),
    /// The connection is not secure (server, reason).
    Untrusted(String, String),
    /// The connection can't be judged: the router's clock is wrong (seconds since 1970).
    Clock(i64),
    /// Sent from https to http (address).
    Downgrade(String),
    /// Sent somewhere that makes no sense (address).
    Redirect(String),
    /// Sent from one address to the next without end.
    RedirectLoop,
    /// 400: what was asked for does not exist there (the server's words).
    Unsupported(String),
    /// 422: the request is refused (field and complaint).
    Malformed {
        /// The server's words.
        words: String,
        /// Whether they are about packages.
        packages: bool,
    },
    /// 422 of older servers: packages do not exist there (the server's words).
    Packages(String),
    /// 404: neither the request nor its images are there any more.
    Gone,
    /// 500 of a build (the server's words, the ImageBuilder's last output).
    Build {
        /// `Error: Impossible package selection: …`
        words: String,
        /// stdout and stderr.
        log: String,
    },
    /// 429, 503, 529: try again later (seconds, where the server says).
    Overloaded(Option<u64>),
    /// Any other status (the server's words, or empty).
    Status(u16, String),
    /// HTML where data should be.
    WebPage,
    /// Not HTTP, or not as HTTP has it.
    Protocol(String),
    /// Not JSON, or not the JSON that was expected.
    NotUnderstood(String),
    /// More than the limit (bytes).
    TooLong(u64),
    /// JSON in JSON in JSON …
    TooDeep,
    /// More values than that.
    TooMany(usize),
    /// A value that can't be (which, its text).
    Unfit(&'static str, String),
    /// The server knows no packages for the target.
    NoIndex(String),
    /// A file without a length.
    NoLength,
    /// It is still not built after so many minutes.
    NeverReady(u64),
}

impl Error {
    /// For programs.
    pub fn kind(&self) -> Kind {
        use Error::*;
        match self {
            Address(..) | Proxy(_) => Kind::Usage,
            UnknownHost(_) | Unreachable(..) | Silent(_) | Stalled | Cut => Kind::Offline,
            GivenUp(_, last) => last.kind(),
            Authorities(..) | Untrusted(..) | Downgrade(_) => Kind::Tls,
            Clock(_) => Kind::Clock,
            Unsupported(_)
            | NoIndex(_)
            | Malformed {
                packages: false, ..
            } => Kind::Unsupported,
            Packages(_) | Malformed { packages: true, .. } => Kind::Packages,
            Build { words, .. } => Failure::of(words).kind(),
            Overloaded(_) | NeverReady(_) => Kind::Overloaded,
            Redirect(_) | RedirectLoop | Gone | Status(..) | WebPage | Protocol(_)
            | NotUnderstood(_) | TooLong(_) | TooDeep | TooMany(_) | Unfit(..) | NoLength => {
                Kind::Server
            }
        }
    }

    /// How many seconds the server wants to be left alone.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Error::Overloaded(seconds) => *seconds,
            Error::GivenUp(_, last) => last.retry_after(),
            _ => None,
        }
    }

    /// How long to wait before such a server is asked again: `usual`, or as long as it wants. None:
    /// not at all, since it wants longer than `most`, or would say the same.
    pub fn pause(&self, usual: Duration, most: Duration) -> Option<Duration> {
        let wanted = Duration::from_secs(self.retry_after().unwrap_or(0));
        (self.is_passing() && wanted <= most).then_some(usual.max(wanted))
    }

    /// Whether the same question may well have an answer a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind(), Kind::Offline | Kind::Overloaded)
    }
}

/// How ASU's `api.py` begins when a feed is not on its allow list.
const FEED_REFUSED: &str = "Repository not allowed";

/// What an ImageBuilder stumbled over; the words are those of ASU's `build.py`, old and new.
#[derive(Clone, Copy)]
enum Failure {
    /// `version not as requested`, `Received incorrect version` (older: `inncorrect`).
    Moved,
    /// `Impossible package selection`
    Selection,
    /// `Selected packages exceed device storage`
    TooBig,
    /// Anything else.
    Other,
}

impl Failure {
    fn of(words: &str) -> Self {
        let has = |part| words.contains(part);
        if has("version not as requested") || has("Received inc") || has("Received inn") {
            Failure::Moved
        } else if has("Impossible package selection") {
            Failure::Selection
        } else if has("exceed device storage") {
            Failure::TooBig
        } else {
            Failure::Other
        }
    }

    fn kind(self) -> Kind {
        match self {
            Failure::Moved => Kind::Mismatch,
            Failure::Selection => Kind::Packages,
            Failure::TooBig | Failure::Other => Kind::Build,
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Failure::Moved => {
                "The upgrade server no longer has the versions it announced; its package feeds \
                 have moved on or it is behind. Try again in a few minutes."
            }
            Failure::Selection => {
                "The upgrade server can't put these packages into one image. Remove the packages \
                 it names, or have them ignored."
            }
            Failure::TooBig => {
                "The image would not fit into the device's flash. Remove some packages."
            }
            Failure::Other => {
                "The upgrade server could not build the image. Try again later, or report it to \
                 the server's operator."
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Error::*;
        match self {
            Address(url, why) => write!(f, "\"{}\" is not the address of an upgrade server: {why}. Correct it in {SETTINGS}.", clean(url)),
            Proxy(url) => write!(f, "\"{}\" is not the address of a proxy. Correct option proxy.", clean(url)),
            Authorities(path, why) => write!(f, "The certificate authorities in {} can't be used: {why}. Install the package ca-bundle, or set option ca_file.", path.display()),
            UnknownHost(server) => write!(f, "The name of the upgrade server {} can't be resolved. Is the router online, and does its DNS work?", clean(server)),
            Unreachable(server, why) => write!(f, "The upgrade server {} can't be reached: {}. Is the router online?", clean(server), clean(why)),
            Silent(server) => write!(f, "The upgrade server {} does not answer. Try again later.", clean(server)),
            Stalled => f.write_str("The upgrade server's answer came too slowly. Try again later."),
            Cut => f.write_str("The connection to the upgrade server ended in the middle of its answer. Try again."),
            GivenUp(times, last) => write!(f, "The download broke off {times} times and was given up. {last}"),
            Untrusted(server, why) => write!(f, "The connection to {} is not secure: {}. Check the address, and that the package ca-bundle is installed.", clean(server), clean(why)),
            Clock(now) => write!(f, "The router's clock says {}, so certificates can't be judged. Set the time and try again.", date(u64::try_from(*now).unwrap_or(0))),
            Downgrade(to) => write!(f, "The upgrade server sends us from https to {}. That is refused: the connection would no longer be secure.", clean(to)),
            Redirect(to) => write!(f, "The upgrade server sends us to \"{}\", which is no address. Check the server's address in {SETTINGS}.", clean(to)),
            RedirectLoop => write!(f, "The upgrade server sends us from one address to the next. Check the server's address in {SETTINGS}."),
            Unsupported(words) if words.starts_with(FEED_REFUSED) => write!(f, "The upgrade server does not build with feeds of your own: {} Go on without them (no --feeds, option custom_feeds '0'), or use a server whose operator allows them.", sentence(words)),
            Unsupported(words) => write!(f, "The upgrade server can't do this: {}", sentence(words)),
            Malformed { words, .. } => write!(f, "The upgrade server refuses the request: {}", sentence(words)),
            Packages(words) => write!(f, "The upgrade server does not have all packages: {} Remove them, or have them ignored.", sentence(words)),
            Gone => f.write_str("The upgrade server has forgotten what it built for us. Start again."),
            Build { words, .. } => write!(f, "{} The server's words: {}", Failure::of(words).sentence(), sentence(words)),
            Overloaded(None) => f.write_str("The upgrade server has too much to do. Try again later."),
            Overloaded(Some(seconds)) => write!(f, "The upgrade server has too much to do. Try again in {} minutes.", seconds.div_ceil(60).max(1)),
            Status(status, words) if words.is_empty() => write!(f, "The upgrade server answered with an error ({status}). Try again later."),
            Status(status, words) => write!(f, "The upgrade server answered with an error ({status}): {}", sentence(words)),
            WebPage => write!(f, "The upgrade server answered with a web page. Is there a login portal or a proxy in between, or is the server's address in {SETTINGS} wrong?"),
            Protocol(why) => write!(f, "What answers is no upgrade server: {} Check the server's address in {SETTINGS}.", sentence(why)),
            NotUnderstood(why) => write!(f, "The upgrade server's answer can't be understood: {} Check the server's address in {SETTINGS}.", sentence(why)),
            TooLong(limit) => write!(f, "The upgrade server's answer is longer than {} KiB and was not read. Check the server's address in {SETTINGS}.", limit / 1024),
            TooDeep => write!(f, "The upgrade server's answer is nested too deeply and was not read. Check the server's address in {SETTINGS}."),
            TooMany(limit) => write!(f, "The upgrade server's answer has more than {limit} parts and was not read. Check the server's address in {SETTINGS}."),
            Unfit(what, text) => write!(f, "The upgrade server's answer has a {what} that can't be: \"{}\". Report it to the server's operator.", clean(text)),
            NoIndex(target) => write!(f, "The upgrade server knows no packages for {}. Try another release, or later.", clean(target)),
            NoLength => f.write_str("The upgrade server does not say how large the image is, so it was not fetched. Report it to the server's operator."),
            NeverReady(minutes) => write!(f, "The upgrade server has not built the image in {minutes} minutes. Try again later: it goes on where it is."),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for error::Error {
    fn from(error: Error) -> Self {
        let mut made = error::Error::new(error.kind(), error.to_string());
        made.retry_after = error.retry_after();
        match error {
            Error::Build { log, .. } => made.with_detail(&lines(&log)),
            _ => made,
        }
    }
}

/// A server's words, with their full stop.
fn sentence(text: &str) -> String {
    let mut line = clean(text);
    if !line.ends_with(['.', '!', '?', '…']) {
        line.push('.');
    }
    line
}

/// `1970-01-01` of seconds since then (civil calendar, as in Howard Hinnant's `civil_from_days`).
fn date(seconds: u64) -> String {
    let days = (seconds / 86_400).min(3_000_000) + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let rest = day - (365 * year + year / 4 - year / 100);
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_sentence() {
        assert_eq!(sentence("Try again"), "Try again.");
        assert_eq!(sentence("Try\n again!"), "Try  again!");
    }

    #[test]
    fn a_server_puts_a_job_off_within_reason() {
        let (usual, most) = (Duration::from_secs(30), Duration::from_secs(90));
        for (wanted, pause) in [
            (None, Some(30)),
            (Some(10), Some(30)),
            (Some(90), Some(90)),
            (Some(91), None),
            (Some(u64::MAX), None),
        ] {
            let error = Error::GivenUp(3, Box::new(Error::Overloaded(wanted)));
            let found = error.pause(usual, most);
            assert_eq!(found, pause.map(Duration::from_secs), "{wanted:?}");
        }
        assert_eq!(Error::Cut.pause(usual, most), Some(usual));
        assert_eq!(Error::TooDeep.pause(usual, most), None);
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_767_225_600), "2026-01-01");
        assert!(!date(u64::MAX).is_empty());
    }

    #[test]
    fn failures_of_old_and_new_servers_are_told_apart() {
        let kind = |words| Failure::of(words).kind();
        assert_eq!(
            kind("Error: Received incorrect version r1 (requested r2)"),
            Kind::Mismatch
        );
        assert_eq!(
            kind("Error: Received inncorrect version r1 (requested r2)"),
            Kind::Mismatch
        );
        assert_eq!(
            kind("Error: Impossible package selection: a version not as requested: 1 vs. 2"),
            Kind::Mismatch
        );
        assert_eq!(
            kind("Error: Impossible package selection: missing (a)"),
            Kind::Packages
        );
        assert_eq!(
            kind("Error: Selected packages exceed device storage"),
            Kind::Build
        );
        assert_eq!(kind("failed"), Kind::Build);
    }
}
