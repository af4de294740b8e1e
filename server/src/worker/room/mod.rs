//! A room for one build: an ImageBuilder's folder that the build can change as it likes, while nobody else's changes.
//!
//! Sandboxed, the room is an overlay over the ImageBuilder in namespaces of its own: no other files than the system's
//! programs, no network but a proxy that leads to the download site, no other user's processes. Where the system can't do
//! that, it is a plain copy.

pub mod launch;
mod proxy;
pub mod run;

use crate::config::{Isolation, Limits};
use crate::request::{feeds, BuildRequest};
use crate::worker::place::{self, Place};
use crate::{Config, Error};
use launch::Confines;
use proxy::Proxy;
pub use run::{size, Output, Stopped};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::time::Instant;

/// Where a sandboxed build finds its ImageBuilder, and puts its images.
const BUILDER: &str = "/builder";
const IMAGES: &str = "/images";
/// Where it finds the files to lay over the root file system.
const FILES: &str = "/files";
/// Where it finds the launcher, and the socket of the proxy.
const LAUNCHER: &str = "/asu-server";
const SOCKET: &str = "/proxy";
/// Where a sandboxed build looks for programs.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What of the system a build needs: programs, libraries, certificates. What isn't there is left out.
const SYSTEM: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
];

/// How rooms are made on this system.
#[derive(Debug, Clone)]
pub struct Rooms {
    work: PathBuf,
    sandboxed: bool,
    launcher: Option<PathBuf>,
    limits: Limits,
    hosts: Arc<Vec<String>>,
}

impl Rooms {
    /// Finds out what the system can do, and says so on stderr where that is less than everything.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no place to work, or a sandbox is asked for and can't be had.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let work = &config.work;
        fs::create_dir_all(work).map_err(Error::io(work))?;
        let mut hosts = config.build_hosts.clone();
        hosts.extend(proxy::authority(&config.upstream_url));
        let mut rooms = Self {
            work: work.canonicalize().map_err(Error::io(work))?,
            sandboxed: false,
            launcher: config.launcher.clone(),
            limits: config.limits.clone(),
            hosts: Arc::new(hosts),
        };
        if config.isolation != Isolation::Copy {
            match rooms.probe() {
                Ok(()) => {
                    rooms.sandboxed = true;
                    if nix::unistd::getuid().is_root() {
                        // The kernel never counts the processes of root.
                        eprintln!("Run as another user than root: root's builds may start any number of processes.");
                    }
                }
                Err(why) if config.isolation == Isolation::Sandbox => {
                    return Err(Error::Io(work.clone(), io::Error::other(why)))
                }
                Err(why) => eprintln!(
                    "Builds are not sandboxed, each works in a copy of its ImageBuilder only: {why}"
                ),
            }
        }
        Ok(rooms)
    }

    /// Tries a sandbox that does nothing.
    fn probe(&self) -> Result<(), String> {
        let launcher = self.launcher.as_ref().ok_or("there is no launcher")?;
        let wrong = |error: io::Error| error.to_string();
        let folder = self.work.join(format!("probe-{}", std::process::id()));
        let _cleared = Cleared::new(&folder).map_err(wrong)?;
        let ground = folder.join("ground");
        fs::create_dir(&ground).map_err(wrong)?;
        let words = overlay(launcher, &folder, &ground).map_err(wrong)?;
        let mut command = Command::new(launcher);
        command.args(words.iter().skip(1));
        command.args(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]);
        let output = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .map_err(wrong)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("bubblewrap over an overlay fails: {}", said.trim()))
    }

    /// Removes what a worker that died left of its room for images in the folder `name` of the store.
    pub fn clear_former(&self, name: &str) {
        // Usually there is none.
        let _ = place::remove(&self.work.join(format!(".{name}.bin")));
    }

    /// A room over the ImageBuilder in `builder`, for a build that puts its images into `place`.
    ///
    /// # Errors
    /// Where it can't be made: the disk is full, for instance.
    pub async fn open(
        &self,
        builder: &Path,
        place: &Place,
        request: &BuildRequest,
    ) -> io::Result<Room> {
        let name = place.bin.file_name().unwrap_or_default();
        let folder = self.work.join(name);
        let cleared = Cleared::new(&folder)?;
        let confines = Confines::of(&self.limits);
        if let (true, Some(launcher)) = (self.sandboxed, &self.launcher) {
            let mut hosts = self.hosts.to_vec();
            hosts.extend(
                request
                    .repositories
                    .values()
                    .filter_map(|url| proxy::authority(url)),
            );
            let proxy = Proxy::start(&folder, "proxy", Arc::new(hosts))?;
            let mut words = overlay(launcher, &folder, builder)?;
            tell(builder, &folder.join("upper"), request)?;
            words.extend(bubblewrap(launcher, &folder, place));
            words.extend(confines.words(Path::new(LAUNCHER), Some(Path::new(SOCKET))));
            return Ok(Room {
                words,
                folder: folder.clone(),
                grows: vec![folder.join("upper"), place.bin.clone()],
                images: IMAGES.into(),
                files: FILES.into(),
                hidden: None,
                most: self.limits.disk_mb << 20,
                _proxy: Some(proxy),
                _cleared: cleared,
            });
        }
        let copy = folder.join("builder");
        copy_folder(builder, &copy).await?;
        tell(builder, &copy, request)?;
        let words = match &self.launcher {
            Some(launcher) => confines.words(launcher, None),
            None => Vec::new(),
        };
        Ok(Room {
            words,
            folder: copy,
            grows: vec![folder, place.bin.clone()],
            images: place.bin.clone(),
            files: place.files.clone(),
            hidden: Some(format!("{}/", place.store.display())),
            most: self.limits.disk_mb << 20,
            _proxy: None,
            _cleared: cleared,
        })
    }
}

/// A room; what a build left in it goes with it.
#[derive(Debug)]
pub struct Room {
    /// What comes before `make`.
    words: Vec<OsString>,
    folder: PathBuf,
    /// Folders whose size is limited.
    grows: Vec<PathBuf>,
    /// Bytes.
    most: u64,
    /// Where `make` finds the folder for images.
    pub images: PathBuf,
    /// Where it finds the files for the root file system.
    pub files: PathBuf,
    /// What is left out of the paths above when they are shown: where the server keeps its things concerns nobody.
    pub hidden: Option<String>,
    _proxy: Option<Proxy>,
    _cleared: Cleared,
}

impl Room {
    /// Runs `make` with `arguments`, without a shell, until `deadline`.
    ///
    /// # Errors
    /// [`Stopped`] where it didn't come to its end; nothing of it runs any more then.
    pub async fn make(&self, arguments: &[String], deadline: Instant) -> Result<Output, Stopped> {
        let make = [OsString::from("make")];
        let words = self.words.iter().chain(&make).cloned();
        let words: Vec<OsString> = words.chain(arguments.iter().map(OsString::from)).collect();
        run::run(&self.folder, &words, deadline, &self.grows, self.most).await
    }
}

/// Writes into `changes`, which is over the ImageBuilder in `builder`, what it is told of the request's repositories.
fn tell(builder: &Path, changes: &Path, request: &BuildRequest) -> io::Result<()> {
    let apk = builder.join("repositories").is_file();
    let name = if apk {
        "repositories"
    } else {
        "repositories.conf"
    };
    let own = match request.repositories.is_empty() {
        true => String::new(),
        false => fs::read_to_string(builder.join(name))?,
    };
    for (path, content) in feeds::files(request, apk, &own) {
        let file = changes.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, content)?;
    }
    Ok(())
}

/// A folder that is made empty, and removed in the end.
#[derive(Debug)]
struct Cleared(PathBuf);

impl Cleared {
    fn new(folder: &Path) -> io::Result<Self> {
        // Usually there is none.
        let _ = place::remove(folder);
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_path_buf()))
    }
}

impl Drop for Cleared {
    fn drop(&mut self) {
        // Another worker, who took this one for dead, may have removed it.
        if let Err(error) = place::remove_if_there(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

/// The words that mount `ground` with changes kept in `folder`, and then run what follows there.
fn overlay(launcher: &Path, folder: &Path, ground: &Path) -> io::Result<Vec<OsString>> {
    for name in ["upper", "scratch", "merged"] {
        fs::create_dir(folder.join(name))?;
    }
    // By a name without anything in it that the mount options could misread.
    std::os::unix::fs::symlink(ground.canonicalize()?, folder.join("ground")).or_else(|error| {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        }
    })?;
    Ok(vec![launcher.into(), "launch".into(), "overlay".into()])
}

/// The words that shut a build in.
fn bubblewrap(launcher: &Path, folder: &Path, place: &Place) -> Vec<OsString> {
    let mut words: Vec<OsString> = [
        "bwrap",
        "--unshare-all",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--dir",
        "/etc",
        "--setenv",
        "PATH",
        PROGRAMS,
    ]
    .map(OsString::from)
    .to_vec();
    let mut bind = |how: &str, from: &Path, to: &str| {
        words.extend([OsString::from(how), from.into(), to.into()]);
    };
    for path in SYSTEM {
        bind("--ro-bind-try", Path::new(path), path);
    }
    bind("--ro-bind", launcher, LAUNCHER);
    bind("--bind", &folder.join("proxy"), SOCKET);
    bind("--bind", &folder.join("merged"), BUILDER);
    bind("--bind", &place.bin, IMAGES);
    bind("--ro-bind-try", &place.files, FILES);
    words.extend(["--chdir", BUILDER].map(OsString::from));
    words
}

/// Copies a folder; where the file system can, the copy shares its blocks with the original.
async fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let output = tokio::process::Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .args([from, to])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(said.trim().to_owned()))
    }
}
