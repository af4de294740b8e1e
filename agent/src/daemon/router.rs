//! The router as the daemon finds it at the moment of a call: board, packages, settings.

use crate::api::{AgentInfo, Info, PackageList, Release};
use crate::error::Error;
use crate::json::{self, Object};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sorted::Map;
use crate::system;
use crate::upgrade::device::{self, Board, Device};
use crate::upgrade::feeds::Feeds;
use crate::upgrade::verify::{Validation, Validator};
use crate::upgrade::{confirm, flash, installed, newest, Choice, Inputs};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ubus::Bus;

/// procd answers at once, or it is not there.
const BOARD_PATIENCE: Duration = Duration::from_secs(5);

/// Reading and unpacking a large image on slow memory takes its time: sunxi boards need more than
/// 16 seconds (openwrt#24243).
const VALIDATION_PATIENCE: Duration = Duration::from_secs(180);

/// Everything an upgrade starts from.
pub fn inputs(paths: &Paths, mut choice: Choice) -> Result<Inputs, Error> {
    let settings = Settings::read(paths)?;
    settings.require_servers()?;
    choice.complete(&settings);
    if choice.init_script.is_none() {
        choice.init_script = init_script(paths, &settings)?;
    }
    choice.validate()?;
    let database = installed::read(paths)?;
    let installed = installed::Installed::from_database(&database)?;
    let device = device::device(paths, board(paths), &installed)?;
    let running = device.release();
    let kept_defaults = confirm::kept_defaults(paths, &running)?;
    let feeds = match choice.feeds {
        true => Feeds::read(paths, &installed.database)?,
        false => Feeds::default(),
    };
    Ok(Inputs {
        newest: newest::newest(paths, &running),
        other_device: choice.other_device()?,
        device,
        installed,
        settings,
        choice,
        feeds,
        kept_defaults,
    })
}

/// What runs, by the files alone: no bus, no package database.
pub fn running(paths: &Paths) -> Release {
    let release = Board::from_files(paths).release;
    Release {
        version: release.version,
        revision: release.revision,
    }
}

/// The router, and its packages: name → version.
pub fn device_and_packages(paths: &Paths) -> Result<(Device, Map<String>), Error> {
    let database = installed::read(paths)?;
    let installed = installed::Installed::from_database(&database)?;
    let device = device::device(paths, board(paths), &installed)?;
    Ok((device, package_list(&database, true)?.packages))
}

/// The answer of `packagelist`.
pub fn packagelist(paths: &Paths, all: bool) -> Result<PackageList, Error> {
    package_list(&installed::read(paths)?, all)
}

fn package_list(database: &packages::Installed, all: bool) -> Result<PackageList, Error> {
    let pairs = database.packagelist(all).map_err(installed::unreadable)?;
    let owned = |(name, version): (&str, &str)| (name.to_owned(), version.to_owned());
    Ok(PackageList {
        packages: pairs.into_iter().map(owned).collect(),
    })
}

/// The answer of `info`.
pub fn info(paths: &Paths) -> Result<Info, Error> {
    let settings = Settings::read(paths)?;
    let database = installed::read(paths)?;
    let installed = installed::Installed::from_database(&database)?;
    let device = device::device(paths, board(paths), &installed)?;
    Ok(Info {
        agent: AgentInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: 1,
        },
        device: device.info,
        running: device.running,
        database: installed.database,
        servers: settings.servers,
        memory: system::memory(paths)?,
    })
}

fn init_script(paths: &Paths, settings: &Settings) -> Result<Option<String>, Error> {
    let Some(script) = &settings.init_script else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(paths.real(script));
    text.map(Some)
        .map_err(|error| Error::file(Path::new(script), "read (option init_script)", &error))
}

/// From procd, or from the files procd has it from.
fn board(paths: &Paths) -> Board {
    let asked = Bus::connect(&paths.socket())
        .and_then(|mut bus| bus.call_raw("system", "board", &[], BOARD_PATIENCE));
    asked
        .ok()
        .and_then(|answer| json::from_bus(&answer).ok())
        .unwrap_or_else(|| Board::from_files(paths))
}

/// Asks procd, or where there is no bus `sysupgrade --test`, which asks the same programs.
pub struct SystemValidator {
    paths: Paths,
    log: PathBuf,
}

impl SystemValidator {
    /// For the router below `paths`.
    pub fn new(paths: &Paths) -> Self {
        let log = paths
            .real(crate::paths::STATE_FOLDER)
            .join("validation.new");
        SystemValidator {
            paths: paths.clone(),
            log,
        }
    }

    fn test(&self, path: &Path) -> Result<Validation, Error> {
        let program = self.paths.real(flash::SYSUPGRADE);
        let arguments = [Path::new("--test"), &self.paths.real(path)];
        let ended = system::programs::run(&program, arguments, &self.log)?;
        crate::store::remove(&self.log)?;
        Ok(Validation {
            valid: ended.status.success(),
            forceable: false,
            allow_backup: true,
            detail: ended.output,
        })
    }
}

impl Validator for SystemValidator {
    fn validate(&mut self, path: &Path) -> Result<Validation, Error> {
        let arguments = json::to_bus(&Object(&[("path", &path)]))?;
        let answer = Bus::connect(&self.paths.socket()).and_then(|mut bus| {
            bus.call_raw(
                "system",
                "validate_firmware_image",
                &arguments,
                VALIDATION_PATIENCE,
            )
        });
        match answer.ok().and_then(|answer| json::from_bus(&answer).ok()) {
            Some(validation) => Ok(validation),
            None => self.test(path),
        }
    }
}
