//! The ImageBuilders: those that are there, and those that are fetched from the download site when a build needs them.
//!
//! A fetched one is below `imagebuilders/VERSION/TARGET/SUBTARGET`, in a folder called by the SHA-256 of its archive, so that
//! a new one beside it disturbs no build. What the archive's sum has to be says `sha256sums`, which a known key has signed.

mod fetch;

use super::imagebuilder;
use super::place;
use crate::request::is_hash;
use crate::site::Site;
use crate::worker::room::size;
use crate::{Config, Error};
use firmware::usign::{PublicKey, Signature};
use firmware::KeyRing;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The file that says by its time when an ImageBuilder was used last.
const USED: &str = ".used";
/// Longest `sha256sums` that is read, in bytes.
const SUMS: usize = 4 << 20;

/// All ImageBuilders of a server.
#[derive(Debug, Clone)]
pub struct Builders {
    config: Arc<Config>,
    site: Site,
    keys: Arc<KeyRing>,
    /// One download at a time for each folder.
    turns: Arc<Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>>,
}

/// An ImageBuilder's folder. It stays while somebody has this.
#[derive(Debug)]
pub struct Builder {
    /// Where it is.
    pub folder: PathBuf,
    /// A shared lock on its mark: whoever removes old ones wants it alone.
    _used: Option<nix::fcntl::Flock<File>>,
}

/// The archive that the download site has: its name and sum.
#[derive(Debug, PartialEq, Eq)]
struct Archive {
    name: String,
    sha256: String,
}

impl Builders {
    /// The ImageBuilders of a configuration.
    ///
    /// # Errors
    /// [`Error::Io`] where a key in the configured folder is none.
    pub fn new(config: Arc<Config>, site: Site) -> Result<Self, Error> {
        let mut keys = KeyRing::new();
        if let Some(folder) = &config.keys {
            let problems = keys.load(folder);
            if let Some(problem) = problems.first() {
                let words = std::io::Error::other(problem.to_string());
                return Err(Error::Io(folder.clone(), words));
            }
        }
        Ok(Self {
            config,
            site,
            keys: Arc::new(keys),
            turns: Arc::default(),
        })
    }

    /// The ImageBuilder for a version and target, fetched if need be.
    ///
    /// # Errors
    /// A sentence for who asked for the build.
    pub async fn get(&self, version: &str, target: &str) -> Result<Builder, String> {
        self.find(version, target, None).await
    }

    /// The same, but only the one whose archive has this SHA-256: another one may make another image of the same request.
    ///
    /// # Errors
    /// A sentence for who asked for the build.
    pub async fn exactly(
        &self,
        version: &str,
        target: &str,
        sha256: &str,
    ) -> Result<Builder, String> {
        self.find(version, target, Some(sha256)).await
    }

    async fn find(
        &self,
        version: &str,
        target: &str,
        wanted: Option<&str>,
    ) -> Result<Builder, String> {
        let Some(root) = imagebuilder::folder(&self.config, version, target) else {
            return Err(missing(version, target));
        };
        if root.join("Makefile").is_file() {
            let _used = None;
            return Ok(Builder {
                folder: root,
                _used,
            });
        }
        if let Some(builder) = wanted.and_then(|sha256| used(&root.join(sha256))) {
            return Ok(builder);
        }
        if self.keys.is_empty() {
            return Err(missing(version, target));
        }
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.entry(root.clone()).or_default().clone()
        };
        let _turn = turn.lock().await;
        let branch = self
            .config
            .branch_of(version)
            .ok_or_else(|| missing(version, target))?;
        let path = format!("{}/targets/{target}", branch.path_of(version));
        let archive = match self.archive(&path).await {
            Ok(archive) => match wanted {
                Some(sha256) if sha256 != archive.sha256 => {
                    return Err(replaced(version, target, sha256, &archive))
                }
                _ => archive,
            },
            Err(why) if wanted.is_some() => return Err(why),
            // Better the one from yesterday than none.
            Err(why) => return newest(&root).and_then(|folder| used(&folder)).ok_or(why),
        };
        let folder = root.join(&archive.sha256);
        if !folder.join("Makefile").is_file() {
            self.make_room().await;
            let url = format!("{}/{path}/{}", self.site.url(), archive.name);
            fetch::fetch(&url, &archive.sha256, &folder, &self.config).await?;
        }
        used(&folder).ok_or_else(|| missing(version, target))
    }

    /// Finds the archive in `sha256sums`, and makes sure that a known key has signed that.
    async fn archive(&self, path: &str) -> Result<Archive, String> {
        let file = |name: &str| {
            let path = format!("{path}/{name}");
            async move {
                let fetched = self
                    .site
                    .get(&path)
                    .await
                    .map_err(|error| error.to_string())?;
                match fetched.status {
                    200 => Ok(fetched.body),
                    status => Err(format!("The download site answers {status} for {path}")),
                }
            }
        };
        let (sums, signature) = (file("sha256sums").await?, file("sha256sums.sig").await?);
        let forged = |why: &str| format!("The download site's sha256sums can't be trusted: {why}");
        let signature = Signature::parse(&signature).map_err(|why| forged(&why.to_string()))?;
        let number = signature.number();
        let key: &PublicKey = match self.keys.get(number) {
            Some(key) if !self.keys.is_revoked(number) => key,
            _ => {
                return Err(forged(&format!(
                    "it is signed by key {number}, which is not among this server's keys"
                )))
            }
        };
        if sums.len() > SUMS || !key.verify(&signature, &sums) {
            return Err(forged("its signature is wrong"));
        }
        let text = String::from_utf8_lossy(&sums);
        find(&text)
            .ok_or_else(|| "The download site has no ImageBuilder for this target".to_owned())
    }

    /// Removes what was not used for long, and the longest unused until all are within their limit of disk.
    async fn make_room(&self) {
        let config = self.config.clone();
        let done = tokio::task::spawn_blocking(move || evict(&config)).await;
        if let Err(error) = done {
            eprintln!("Old ImageBuilders could not be removed: {error}");
        }
    }
}

fn missing(version: &str, target: &str) -> String {
    format!("There is no ImageBuilder for {version} {target} on this server")
}

fn replaced(version: &str, target: &str, wanted: &str, archive: &Archive) -> String {
    format!(
        "The ImageBuilder for {version} {target} with the SHA-256 {wanted} is not here, and the download site has another \
         one meanwhile: {}",
        archive.sha256
    )
}

/// The line of the ImageBuilder's archive.
fn find(sums: &str) -> Option<Archive> {
    sums.lines().find_map(|line| {
        let (sha256, name) = line.split_once(" *")?;
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let ending = name.ends_with(".tar.xz") || name.ends_with(".tar.zst");
        let is_it = name.starts_with("openwrt-imagebuilder-") || name.contains("-imagebuilder-");
        (is_it && ending && plain && !name.starts_with('.') && is_hash(sha256)).then(|| Archive {
            name: name.to_owned(),
            sha256: sha256.to_owned(),
        })
    })
}

/// The last one that was unpacked below `root`.
fn newest(root: &Path) -> Option<PathBuf> {
    let folders = fetched(root).into_iter().map(|folder| {
        let time = fs::metadata(folder.join("Makefile")).and_then(|metadata| metadata.modified());
        (time.ok(), folder)
    });
    folders
        .filter(|(time, _)| time.is_some())
        .max()
        .map(|(_, folder)| folder)
}

/// The fetched ImageBuilders below a target's folder.
fn fetched(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_hash));
    named.map(|entry| entry.path()).collect()
}

/// Notes that an ImageBuilder is used now; `None` if it isn't there, or was removed just before.
fn used(folder: &Path) -> Option<Builder> {
    if !folder.is_dir() {
        return None;
    }
    let file = File::create(folder.join(USED)).ok()?;
    let lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockSharedNonblock).ok()?;
    let there = folder.join("Makefile").is_file();
    there.then(|| Builder {
        folder: folder.to_path_buf(),
        _used: Some(lock),
    })
}

fn evict(config: &Config) {
    let levels = |folders: Vec<PathBuf>| -> Vec<PathBuf> {
        let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        folders
            .into_iter()
            .flat_map(below)
            .map(|entry| entry.path())
            .collect()
    };
    // Version, target, subtarget.
    let roots = levels(levels(levels(vec![config.imagebuilders.clone()])));
    let mut all: Vec<(SystemTime, u64, PathBuf)> = roots
        .iter()
        .flat_map(|root| fetched(root))
        .map(|folder| {
            let time = fs::metadata(folder.join(USED)).and_then(|metadata| metadata.modified());
            (
                time.unwrap_or(SystemTime::UNIX_EPOCH),
                size(&folder),
                folder,
            )
        })
        .collect();
    all.sort();
    let mut sum: u64 = all.iter().map(|(_, size, _)| size).sum();
    for (time, size, folder) in all {
        let age = SystemTime::now().duration_since(time).unwrap_or_default();
        let surplus = age > config.imagebuilders_keep || sum > config.imagebuilders_mb << 20;
        if surplus && remove(&folder) {
            sum -= size;
        }
    }
}

/// Removes an ImageBuilder unless somebody works with it.
fn remove(folder: &Path) -> bool {
    let Ok(file) = File::create(folder.join(USED)) else {
        return false;
    };
    match nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock) {
        Ok(_lock) => place::remove(folder).is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{evict, find, used};
    use crate::Config;
    use std::fs;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_archive_among_the_sums() {
        let hash = "a".repeat(64);
        let name = "openwrt-imagebuilder-24.10.2-x86-64.Linux-x86_64.tar.zst";
        let good = format!("{hash} *{name}");
        let found = find(&format!("{hash} *profiles.json\n{good}\n")).expect("archive");
        assert_eq!((found.name.as_str(), found.sha256.as_str()), (name, &*hash));
        let bad = [
            good.replace("openwrt-", "../openwrt-"),
            good.replace(".tar.zst", ".zip"),
            good.replace("aa ", "ag "),
            good.replace(" *", "  "),
            good.replace("x86-64.", "x86 64."),
        ];
        for line in bad {
            assert_eq!(find(&line), None, "{line}");
        }
    }

    /// The longest unused goes first, and none that is worked with.
    #[test]
    fn old_ones_make_room() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut config = Config::new("http://127.0.0.1:1", dir.path().join("store"), dir.path());
        let folder = |digit: &str| dir.path().join("1.0/x86/64").join(digit.repeat(64));
        let there = || ["a", "b", "c"].map(|digit| folder(digit).exists());
        for (digit, age) in [("a", 300), ("b", 200), ("c", 100)] {
            fs::create_dir_all(folder(digit)).expect("folder");
            fs::write(folder(digit).join("Makefile"), vec![0; 600 << 10]).expect("file");
            let file = fs::File::create(folder(digit).join(".used")).expect("file");
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .expect("time");
        }
        fs::create_dir_all(dir.path().join("1.0/x86/64/own")).expect("folder");
        evict(&config);
        assert_eq!(there(), [true, true, true]);
        config.imagebuilders_keep = Duration::from_secs(250);
        evict(&config);
        assert_eq!(there(), [false, true, true]);
        let working = used(&folder("b")).expect("there");
        config.imagebuilders_mb = 0;
        evict(&config);
        assert_eq!(there(), [false, true, false]);
        drop(working);
        evict(&config);
        assert_eq!(there(), [false, false, false]);
        assert!(
            dir.path().join("1.0/x86/64/own").exists(),
            "not one of ours"
        );
        assert!(used(&folder("a")).is_none());
    }
}
