//! The router's own package feeds, for servers that build with them.
//!
//! Besides the distribution's feeds (`distfeeds`) a router may have others: for apk
//! `/etc/apk/repositories.d/*.list`, one URL a line; for opkg `/etc/opkg/*.conf` with
//! `src/gz NAME URL`. Their keys stand among those the package manager trusts.

use super::offer::{Offer, Version};
use crate::error::{Error, Kind};
use crate::json::{Decode, Encode};
use crate::paths::Paths;
use crate::server::clean;
use crate::sorted::Map;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The distribution's own list, which every ImageBuilder has by itself.
const DISTRIBUTION: &str = "distfeeds";

/// A key is some 200 bytes, a list some lines.
const FILE_LIMIT: u64 = 16 * 1024;

/// More is a mistake, and would make the request large.
const MOST: usize = 64;

/// Feeds with the keys that may sign them.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
#[field(optional)]
pub struct Feeds {
    /// `apk` or `opkg`: neither reads the other's feeds.
    pub manager: String,
    /// Name → URL.
    pub repositories: Map<String>,
    /// apk: PEM; opkg: the base64 line of a usign key.
    pub keys: Vec<String>,
}

impl Feeds {
    /// Reads the router's lists and keys; `manager` as the package database has it.
    pub fn read(paths: &Paths, manager: &str) -> Result<Feeds, Error> {
        let (lists, extension, keys) = match manager {
            "apk" => ("/etc/apk/repositories.d", "list", "/etc/apk/keys"),
            _ => ("/etc/opkg", "conf", "/etc/opkg/keys"),
        };
        let mut feeds = Feeds {
            manager: manager.to_owned(),
            ..Feeds::default()
        };
        for (path, text) in files(&paths.real(lists))? {
            let is_list = path.extension().is_some_and(|found| found == extension);
            if is_list && path.file_stem().is_none_or(|stem| stem != DISTRIBUTION) {
                text.lines().for_each(|line| feeds.add(line));
            }
        }
        if !feeds.repositories.is_empty() {
            let keys = files(&paths.real(keys))?.into_iter();
            feeds.keys = keys.filter_map(|(_, text)| key(&text)).collect();
        }
        if feeds.repositories.len().max(feeds.keys.len()) > MOST {
            let sentence = format!("More than {MOST} feeds or keys of them: remove those in {lists} and {keys} that are not needed.");
            return Err(Error::new(Kind::Usage, sentence));
        }
        Ok(feeds)
    }

    /// `src/gz NAME URL` of opkg, `[@TAG] URL` of apk; anything else is no feed.
    fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, url) = match words.as_slice() {
            ["src" | "src/gz", name, url] => ((*name).to_owned(), *url),
            [url] | [_, url] if self.manager == "apk" && !line.trim_start().starts_with('#') => {
                (format!("custom-{}", self.repositories.len() + 1), *url)
            }
            _ => return,
        };
        if ["http://", "https://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            self.repositories.insert(name, url.to_owned());
        }
    }

    /// What of them can go into a request for this release at this server, and why not the rest.
    pub fn for_offer(&self, offer: &Offer) -> (Feeds, Vec<String>) {
        let mut feeds = self.clone();
        let mut notes = Vec::new();
        let reads_apk = Version::parse(&offer.version).is_none_or(|version| version.has_apk());
        if reads_apk != (feeds.manager == "apk") && !feeds.repositories.is_empty() {
            notes.push(format!(
                "Your own feeds are for {}, which {} does not have: nothing is asked for from them.",
                self.manager, offer.version
            ));
            feeds.repositories = Map::new();
        }
        feeds.repositories.retain(|name, url| {
            let mut allowed = offer.limits.feeds.iter();
            let takes = allowed.any(|allowed| is_below(url, allowed));
            if !takes {
                notes.push(format!(
                    "The upgrade server does not build with your feed {} ({}): its operator has to allow it, or use another server.",
                    clean(name),
                    clean(url)
                ));
            }
            takes
        });
        if feeds.repositories.is_empty() {
            feeds.keys.clear();
        }
        (feeds, notes)
    }
}

/// The texts in a folder, sorted by name. A link is no file here: opkg's revoked keys are links.
fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let unreadable = |error: std::io::Error| Error::file(folder, "read", &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let about = fs::symlink_metadata(&path).map_err(unreadable)?;
        if about.is_file() && about.len() <= FILE_LIMIT {
            let bytes = fs::read(&path).map_err(|error| Error::file(&path, "read", &error))?;
            files.extend(String::from_utf8(bytes).ok().map(|text| (path, text)));
        }
    }
    files.sort();
    Ok(files)
}

/// A key as the server wants it: PEM whole, of usign's two lines the second.
fn key(text: &str) -> Option<String> {
    if text.starts_with("-----BEGIN") {
        return Some(text.to_owned());
    }
    let mut lines = text.lines();
    let comment = lines.next()?.starts_with("untrusted comment:");
    lines.next().filter(|_| comment).map(str::to_owned)
}

/// Whether a URL lies in the folder of another one, as the server compares them: scheme, host
/// without port, path.
fn is_below(url: &str, folder: &str) -> bool {
    match (parts(url), parts(folder)) {
        (Some((scheme, host, path)), Some((s, h, folder))) => {
            let rest = path.strip_prefix(folder.trim_end_matches('/'));
            scheme == s && host == h && rest.is_some_and(|rest| rest.starts_with('/'))
        }
        _ => false,
    }
}

fn parts(url: &str) -> Option<(&str, String, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next()?.split(':').next()?;
    Some((scheme, host.to_ascii_lowercase(), path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::tests::router;
    use crate::upgrade::offer::Limits;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMF\n-----END PUBLIC KEY-----\n";

    #[test]
    fn apk_has_one_url_a_line() {
        let (_root, paths) = router(&[
            ("/etc/apk/repositories.d/distfeeds.list", "https://downloads.example/packages.adb\n"),
            ("/etc/apk/repositories.d/customfeeds.list", "# mine\nhttps://one.example/packages.adb\n\n@two http://two.example/x.adb\nftp://three.example/x\n"),
            ("/etc/apk/keys/mine.pem", PEM),
            ("/etc/apk/keys/README", "nothing"),
        ]);
        let feeds = Feeds::read(&paths, "apk").unwrap();
        let urls: Vec<&str> = feeds.repositories.values().map(String::as_str).collect();
        assert_eq!(
            urls,
            [
                "https://one.example/packages.adb",
                "http://two.example/x.adb"
            ]
        );
        assert_eq!(feeds.keys, [PEM]);
    }

    #[test]
    fn opkg_has_names_and_revoked_keys() {
        let (_root, paths) = router(&[
            (
                "/etc/opkg/distfeeds.conf",
                "src/gz core https://downloads.example/core\n",
            ),
            (
                "/etc/opkg/customfeeds.conf",
                "# src/gz no https://no.example\nsrc/gz mine https://one.example/mine\n",
            ),
            (
                "/etc/opkg/keys/b5043e70f9a75cde",
                "untrusted comment: public key\nRWS1BD5w\n",
            ),
        ]);
        let revoked = paths.real("/etc/opkg/keys/72a57f2191b211e0");
        std::os::unix::fs::symlink("/etc/opkg/keys/b5043e70f9a75cde", revoked).unwrap();
        let feeds = Feeds::read(&paths, "opkg").unwrap();
        let named = Map::from([("mine".to_owned(), "https://one.example/mine".to_owned())]);
        assert_eq!(feeds.repositories, named);
        assert_eq!(feeds.keys, ["RWS1BD5w"]);
    }

    #[test]
    fn no_feeds_no_keys() {
        let (_root, paths) = router(&[("/etc/apk/keys/mine.pem", PEM)]);
        let feeds = Feeds::read(&paths, "apk").unwrap();
        assert!(feeds.repositories.is_empty() && feeds.keys.is_empty());
        let (_root, paths) = router(&[]);
        assert!(Feeds::read(&paths, "opkg").unwrap().repositories.is_empty());
    }

    #[test]
    fn a_url_is_below_a_folder_of_the_same_host_only() {
        for (url, folder, below) in [
            ("https://a.example/feed/x", "https://a.example/feed", true),
            (
                "https://A.example:8443/feed/x",
                "https://a.example/feed/",
                true,
            ),
            (
                "https://a.example/feeder/x",
                "https://a.example/feed",
                false,
            ),
            (
                "https://a.example.evil.example/feed/x",
                "https://a.example/feed",
                false,
            ),
            (
                "https://a.example@evil.example/feed/x",
                "https://a.example/feed",
                false,
            ),
            ("http://a.example/feed/x", "https://a.example/feed", false),
            ("https://a.example/x", "https://a.example/", true),
            ("https://a.example", "https://a.example/", false),
            ("nonsense", "https://a.example/", false),
        ] {
            assert_eq!(is_below(url, folder), below, "{url} {folder}");
        }
    }

    #[test]
    fn what_does_not_go_is_said() {
        let feeds = Feeds {
            manager: "apk".into(),
            repositories: Map::from([
                (
                    "custom-1".into(),
                    "https://one.example/a/packages.adb".into(),
                ),
                (
                    "custom-2".into(),
                    "https://two.example/a/packages.adb".into(),
                ),
            ]),
            keys: vec![PEM.into()],
        };
        let mut offer = Offer {
            version: "25.12.0".into(),
            limits: Limits {
                feeds: vec!["https://one.example/".into()],
                ..Limits::default()
            },
            ..Offer::default()
        };
        let (kept, notes) = feeds.for_offer(&offer);
        assert_eq!(kept.repositories.len(), 1);
        assert_eq!(kept.keys.len(), 1);
        assert!(
            notes[0].contains("custom-2 (https://two.example"),
            "{notes:?}"
        );
        offer.limits.feeds = vec!["https://".into(), "https://two.example".into()];
        offer.limits.feeds.push("https://one.example".into());
        assert_eq!(feeds.for_offer(&offer), (feeds.clone(), Vec::new()));
        offer.limits.feeds.clear();
        let (kept, notes) = feeds.for_offer(&offer);
        assert_eq!((kept.keys.len(), notes.len()), (0, 2));
        offer.version = "24.10.2".into();
        let (kept, notes) = feeds.for_offer(&offer);
        assert!(kept.repositories.is_empty() && kept.keys.is_empty());
        assert!(notes[0].contains("are for apk"), "{notes:?}");
    }
}
