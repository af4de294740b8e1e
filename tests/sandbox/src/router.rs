//! The router itself: its files, its bus, its procd.

use crate::bus::Bus;
use crate::database::{self, file};
use crate::procd::{Daemon, Procd, State};
use crate::Error;
use mini_imagebuilder::commands::{self, Variables};
use mini_imagebuilder::folder::{self, Folder};
use mini_imagebuilder::{catalog, devices, payload};
use serde_json::{json, Value};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const APK_INSTALLED: &str = include_str!("../router/apk/lib/apk/db/installed");
const APK_WORLD: &str = include_str!("../router/apk/etc/apk/world");
const OPKG_STATUS: &str = include_str!("../router/opkg/usr/lib/opkg/status");
const BOARD: &str = include_str!("../router/board.json");

/// What a router with 128 MB has left.
const MEMINFO: &str =
    "MemTotal:         124000 kB\nMemFree:           60000 kB\nMemAvailable:      65536 kB\n";

/// Which router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Device {
    /// TP-Link Archer C7 v2 (ath79) with apk's databases.
    ArcherC7,
    /// The same with opkg's.
    ArcherC7Opkg,
    /// A PC.
    X86 {
        /// Booted by EFI.
        efi: bool,
    },
}

/// How a router is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which one.
    pub device: Device,
    /// URLs of its upgrade servers.
    pub servers: Vec<String>,
    /// Text behind them in /etc/config/attendedsysupgrade.
    pub settings: String,
    /// The program that is `asu` and `sysupgrade` there: the sandbox's own.
    pub program: PathBuf,
    /// Another `asu` for the daemon (a cross-built one with its emulator before it).
    pub asu: Option<Vec<OsString>>,
    /// A real ubusd.
    pub ubusd: Option<PathBuf>,
    /// Without a daemon.
    pub no_daemon: bool,
}

impl Options {
    /// An Archer C7 whose programs are all `program`.
    pub fn new(program: impl Into<PathBuf>, servers: &[String]) -> Options {
        Options {
            device: Device::ArcherC7,
            servers: servers.to_vec(),
            settings: String::new(),
            program: program.into(),
            asu: None,
            ubusd: None,
            no_daemon: false,
        }
    }
}

/// The files below the router's root.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    config: String,
}

/// Makes boot ids differ.
static BOOTS: AtomicU32 = AtomicU32::new(0);

impl Files {
    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the router's terms, for this process.
    pub fn real(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// ubusd's socket.
    pub fn socket(&self) -> PathBuf {
        self.root.join("var/run/ubus/ubus.sock")
    }

    /// What the daemon writes to its outputs.
    pub fn log(&self) -> PathBuf {
        self.root.join("daemon.log")
    }

    /// The answer of `system board`.
    pub fn board(&self) -> Result<Value, Error> {
        Ok(serde_json::from_slice(&fs::read(
            self.root.join("rom/board.json"),
        )?)?)
    }

    fn set_board(&self, board: &Value) -> Result<(), Error> {
        file(&self.root, "rom/board.json", &board.to_string())?;
        let text = |name: &str| {
            board["release"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let release = format!(
            "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{}'\nDISTRIB_REVISION='{}'\nDISTRIB_TARGET='{}'\n",
            text("version"),
            text("revision"),
            text("target")
        );
        Ok(file(&self.root, "etc/openwrt_release", &release)?)
    }

    /// What happens at each boot: /tmp is empty, the kernel has a new name for it.
    pub fn boot(&self) -> Result<(), Error> {
        let tmp = self.root.join("tmp");
        if tmp.exists() {
            fs::remove_dir_all(&tmp)?;
        }
        fs::create_dir_all(&tmp)?;
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777))?;
        let board = self.board()?;
        let text = |name: &str| format!("{}\n", board[name].as_str().unwrap_or_default());
        file(&self.root, "tmp/sysinfo/board_name", &text("board_name"))?;
        file(&self.root, "tmp/sysinfo/model", &text("model"))?;
        file(&self.root, "proc/sys/kernel/osrelease", &text("kernel"))?;
        file(&self.root, "proc/meminfo", MEMINFO)?;
        let count = BOOTS.fetch_add(1, Ordering::Relaxed);
        let id = format!(
            "00000000-0000-4000-8000-{:08x}{count:04x}\n",
            std::process::id()
        );
        Ok(file(&self.root, "proc/sys/kernel/random/boot_id", &id)?)
    }

    /// Writes an image "to the flash": its packages become the router's.
    pub fn flash(&self, image: &Path, keep: bool) -> Result<(), Error> {
        self.install(&payload::read(image)?)?;
        if !keep {
            fs::remove_dir_all(self.root.join("etc/config"))?;
            let record = self.root.join("etc/attended-sysupgrade");
            if record.exists() {
                fs::remove_dir_all(record)?;
            }
            file(&self.root, "etc/config/attendedsysupgrade", &self.config)?;
        }
        Ok(())
    }

    fn install(&self, payload: &payload::Payload) -> Result<(), Error> {
        database::write(&self.root, payload)?;
        let mut board = self.board()?;
        board["kernel"] = json!(payload.kernel);
        board["rootfs_type"] = json!(payload.filesystem);
        board["release"]["version"] = json!(payload.version);
        board["release"]["revision"] = json!(payload.revision);
        board["release"]["target"] = json!(payload.target);
        self.set_board(&board)
    }
}

/// A router that runs.
#[derive(Debug)]
pub struct Router {
    procd: Option<Procd>,
    bus: Option<Bus>,
    ubusd: Option<PathBuf>,
    files: Files,
    _folder: TempDir,
}

impl Router {
    /// Makes and boots a router.
    pub fn start(options: &Options) -> Result<Router, Error> {
        let folder = tempfile::Builder::new().prefix("router-").tempdir()?;
        let files = Files {
            root: folder.path().to_owned(),
            config: config(options),
        };
        for name in ["var/run/ubus", "etc/config", "sbin", "usr/sbin"] {
            fs::create_dir_all(files.root.join(name))?;
        }
        file(&files.root, "etc/config/attendedsysupgrade", &files.config)?;
        for name in ["sbin/sysupgrade", "usr/sbin/asu"] {
            fs::copy(&options.program, files.root.join(name))?;
        }
        populate(&files, options.device)?;
        job_user(&files)?;
        files.boot()?;
        let bus = Bus::start(&files.socket(), options.ubusd.as_deref())?;
        let own = vec![files.root.join("usr/sbin/asu").into_os_string()];
        let mut command = options.asu.clone().unwrap_or(own);
        command.extend(["--root".into(), files.root.clone().into(), "daemon".into()]);
        let state = State {
            no_daemon: options.no_daemon,
            ..State::default()
        };
        let procd = Procd::start(files.clone(), Daemon { command }, state)?;
        let router = Router {
            procd: Some(procd),
            bus: Some(bus),
            ubusd: options.ubusd.clone(),
            files,
            _folder: folder,
        };
        let path = if options.no_daemon {
            "system"
        } else {
            "attendedsysupgrade"
        };
        router.wait_for(path, Duration::from_secs(20))?;
        Ok(router)
    }

    /// Its files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Its procd; `None` never while the router lives.
    pub fn procd(&self) -> Option<&Procd> {
        self.procd.as_ref()
    }

    /// Waits for an object to be on the bus.
    pub fn wait_for(&self, path: &str, patience: Duration) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let found =
                ubus::Bus::connect(&self.files.socket()).and_then(|mut bus| bus.lookup(path));
            if found.is_ok_and(|found| !found.is_empty()) {
                return Ok(());
            }
            if start.elapsed() > patience {
                let log = fs::read_to_string(self.files.log()).unwrap_or_default();
                return Err(format!("{path} is not on the bus after {patience:?}; {log}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the bus and starts it again.
    pub fn restart_bus(&mut self) -> Result<(), Error> {
        self.bus = None;
        self.bus = Some(Bus::start(&self.files.socket(), self.ubusd.as_deref())?);
        Ok(())
    }

    /// Ends the bus.
    pub fn stop_bus(&mut self) {
        self.bus = None;
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // procd first: it would complain about a bus that is gone.
        self.procd = None;
        self.bus = None;
    }
}

/// The user that the package makes for the agent's job, as it is on a router: nobody else has it.
fn job_user(files: &Files) -> Result<(), Error> {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let count = USERS.fetch_add(1, Ordering::Relaxed);
    let id = 1_000_000 + std::process::id() % 1_000_000 * 1_000 + count % 1_000;
    let users =
        format!("root:x:0:0:root:/root:/bin/ash\nasu:x:{id}:{id}:asu:/var/run/asu:/bin/false\n");
    file(&files.root, "etc/passwd", &users)?;
    // It has to reach its folder.
    Ok(fs::set_permissions(
        &files.root,
        fs::Permissions::from_mode(0o755),
    )?)
}

fn config(options: &Options) -> String {
    let servers = options
        .servers
        .iter()
        .map(|url| format!("config server\n\toption url '{url}'\n\n"));
    servers.collect::<String>() + &options.settings
}

fn populate(files: &Files, device: Device) -> Result<(), Error> {
    let mut board: Value = serde_json::from_str(BOARD)?;
    match device {
        Device::ArcherC7 => {
            file(&files.root, "lib/apk/db/installed", APK_INSTALLED)?;
            file(&files.root, "etc/apk/world", APK_WORLD)?;
            files.set_board(&board)
        }
        Device::ArcherC7Opkg => {
            file(&files.root, "usr/lib/opkg/status", OPKG_STATUS)?;
            files.set_board(&board)
        }
        Device::X86 { efi } => {
            board["board_name"] = json!("qemu-standard-pc-q35-ich9-2009");
            board["model"] = json!("QEMU Standard PC (Q35 + ICH9, 2009)");
            if efi {
                fs::create_dir_all(files.root.join("sys/firmware/efi"))?;
            }
            files.set_board(&board)?;
            files.install(&first_system("x86/64", "generic")?)
        }
    }
}

/// 24.10.0 with its default packages and LuCI, as the miniature ImageBuilder makes it.
fn first_system(target: &str, profile: &str) -> Result<payload::Payload, Error> {
    let release = catalog::release("24.10.0").ok_or("no release 24.10.0")?;
    let target = devices::target(target).ok_or("no such target")?;
    let folder = tempfile::tempdir()?;
    folder::create(folder.path(), release, target, &folder::Options::default())?;
    let images = folder.path().join("bin");
    let variables = Variables {
        profile: profile.to_owned(),
        packages: vec!["luci".to_owned()],
        bin_dir: Some(images.clone()),
        ..Variables::default()
    };
    let output = commands::run("image", &Folder::open(folder.path())?, &variables)?;
    let squashfs = |path: &PathBuf| path.to_string_lossy().contains("squashfs-combined.img");
    let mut built = fs::read_dir(images)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let image = built
        .find(squashfs)
        .ok_or_else(|| format!("no image: {}", output.stderr))?;
    Ok(payload::read(&image)?)
}
