//! Stage 7: handing the verified image to /sbin/sysupgrade (design section 7).
//!
//! Up to the call of sysupgrade nothing on the flash changes but one small record, pending.json.

use super::confirm::{self, Pending};
use super::device::Device;
use super::newest::USE_FORCE;
use super::promise::Promise;
use super::verify::VerifiedImage;
use crate::api::{Release, Report, ReportState};
use crate::error::{Error, Kind};
use crate::fault;
use crate::paths::{Paths, STATE_FOLDER};
use crate::settings::Settings;
use crate::sorted::Map;
use crate::store;
use crate::system::programs::{self, Ended, Left};
use crate::system::room;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

/// In the router's terms.
pub const SYSUPGRADE: &str = "/sbin/sysupgrade";

/// What sysupgrade says when procd takes over.
const BEGUN: &str = "Commencing upgrade";

/// sysupgrade ends with the exit code of its last call, `ubus call system sysupgrade`: procd is
/// gone by then, so the connection breaks (10), which without a terminal arrives as -10.
const TAKEN_OVER: [i32; 2] = [10, 246];

/// What the owner decided.
#[derive(Clone, Debug)]
pub struct Flash {
    /// Keep the settings.
    pub keep: bool,
    /// Go on in spite of warnings.
    pub force: bool,
    /// Nobody has seen the warnings: there may be none at all.
    pub unattended: bool,
}

/// The system is going down; it comes up with the new image, or not.
#[derive(Clone, Copy, Debug)]
pub struct Started;

/// What is known of the router before the flash.
pub struct Before<'a> {
    /// Where it is.
    pub paths: &'a Paths,
    /// What it is.
    pub device: &'a Device,
    /// What is on it: name → version.
    pub packages: &'a Map<String>,
    /// What its owner set.
    pub settings: &'a Settings,
}

/// Flashes. Returns when sysupgrade has handed over to procd, or with what went wrong before that.
/// `tell` is called with what is being done.
pub fn flash(
    before: &Before<'_>,
    image: &VerifiedImage,
    flash: &Flash,
    tell: &mut dyn FnMut(&str),
) -> Result<Started, Error> {
    allowed(image, flash)?;
    room::require(before.paths, 0)?;
    let log = before.paths.real(STATE_FOLDER).join("flash.new");
    pre_install(before, &log, tell)?;
    back_up(before, &log, tell)?;
    let pending = pending(before, image, flash)?;
    image.unchanged()?;
    let promised = confirm::promise(before.paths, &pending);
    let result = promised.and_then(|()| {
        tell(SYSUPGRADE);
        sysupgrade(before.paths, image.real_path(), flash.keep)
    });
    fault::crash("sysupgrade-ended");
    if result.is_err() {
        withdraw(before.paths)?;
    }
    result
}

/// Where sysupgrade's words are while it runs.
fn log_file(paths: &Paths) -> PathBuf {
    paths.real(STATE_FOLDER).join("sysupgrade.log")
}

/// What there is of a sysupgrade that a former daemon called; none: it was never called.
pub fn left_behind(paths: &Paths) -> Result<Option<Left>, Error> {
    programs::left_behind(&log_file(paths))
}

/// Whether procd takes over after these words.
pub fn has_begun(output: &str) -> bool {
    output.contains(BEGUN)
}

/// Takes the promise back: nothing was flashed.
pub fn withdraw(paths: &Paths) -> Result<(), Error> {
    store::remove(&log_file(paths))?;
    confirm::withdraw(paths)
}

/// Whether the owner's wishes and the image go together.
pub fn allowed(image: &VerifiedImage, flash: &Flash) -> Result<(), Error> {
    if let (Some(warning), true) = (image.warning(), flash.unattended) {
        return Err(Error::new(Kind::Image, warning.detail.clone()));
    }
    if let (Some(warning), false) = (image.objection(), flash.force) {
        let sentence = format!("{} {USE_FORCE}", warning.detail);
        return Err(Error::new(Kind::Image, sentence));
    }
    if flash.keep && !image.image().keep_allowed {
        let sentence = "This image can't take over the settings. Make a backup, then install it without keeping them.";
        return Err(Error::new(Kind::Image, sentence));
    }
    Ok(())
}

fn pending(before: &Before<'_>, image: &VerifiedImage, flash: &Flash) -> Result<Pending, Error> {
    let shown = image.image();
    let promise = image.promise();
    Ok(Pending {
        from: before.device.release(),
        to: Release {
            version: shown.version.clone(),
            revision: shown.revision.clone(),
        },
        at: confirm::begins_at(before.paths, crate::system::now())?,
        boot_id: crate::system::boot_id(before.paths),
        kept_settings: flash.keep,
        forced: flash.force,
        manifest: promise
            .map(|promise| promise.manifest.clone())
            .unwrap_or_default(),
        defaults: promise
            .map(|promise| promise.defaults.clone())
            .unwrap_or_default(),
        left_out: promise
            .map(|promise| promise.left_out.clone())
            .unwrap_or_default(),
        report: promise.and_then(|promise| report(before, promise)),
        packages_before: before.packages.clone(),
    })
}

/// What the server is to be told afterwards, where the owner allows it.
fn report(before: &Before<'_>, promise: &Promise) -> Option<Report> {
    let server = promise.server.clone();
    let unwanted = confirm::takes_no_reports(before.paths, &server);
    let wanted = before.settings.report && !unwanted.unwrap_or(true);
    wanted.then(|| Report {
        server,
        target: promise.request.target.clone(),
        profile: promise.request.profile.clone(),
        state: ReportState::Waiting,
    })
}

fn pre_install(before: &Before<'_>, log: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let Some(hook) = &before.settings.pre_install else {
        return Ok(());
    };
    tell(hook);
    let ended = programs::run(&before.paths.real(hook), [""; 0], log)?;
    if ended.status.success() {
        return Ok(());
    }
    let sentence = format!(
        "{hook} ({}) stopped the upgrade; nothing was flashed.",
        ended.status
    );
    Err(Error::new(Kind::Sysupgrade, sentence).with_detail(&ended.output))
}

fn back_up(before: &Before<'_>, log: &Path, tell: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let Some(folder) = &before.settings.backup else {
        return Ok(());
    };
    tell("backup");
    let version = &before.device.running.version;
    let file = before
        .paths
        .real(folder)
        .join(format!("backup-{version}-{}.tar.gz", crate::system::now()));
    let arguments = [OsString::from("-b"), file.clone().into_os_string()];
    let ended = programs::run(&before.paths.real(SYSUPGRADE), arguments, log)?;
    if ended.status.success() && file.exists() {
        return Ok(());
    }
    store::remove(&file)?;
    let sentence = format!("The settings could not be saved to {folder}; nothing was flashed.");
    Err(Error::new(Kind::Sysupgrade, sentence).with_detail(&ended.output))
}

/// Never with `-F`: what sysupgrade refuses is not flashed.
fn sysupgrade(paths: &Paths, image: &Path, keep: bool) -> Result<Started, Error> {
    fault::crash("sysupgrade-call");
    let mut arguments = Vec::new();
    if !keep {
        arguments.push(OsString::from("-n"));
    }
    arguments.push(image.as_os_str().to_owned());
    let program = paths.real(SYSUPGRADE);
    judge(&programs::run_watched(
        &program,
        arguments,
        &log_file(paths),
    )?)
}

fn judge(ended: &Ended) -> Result<Started, Error> {
    let began = has_begun(&ended.output);
    match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) if TAKEN_OVER.contains(&code) => Ok(Started),
        (None, Some(_)) if began => Ok(Started),
        _ => {
            let sentence = format!(
                "sysupgrade did not start the upgrade ({}); nothing was flashed.",
                ended.status
            );
            Err(Error::new(Kind::Sysupgrade, sentence).with_detail(&ended.output))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::ExitStatus;

    #[test]
    fn only_a_system_that_goes_down_has_started() {
        // Wait statuses: exit code in the high byte, signal in the low one.
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let killed = |signal: i32| ExitStatus::from_raw(signal);
        for (status, output, started) in [
            (exit(246), "", true),
            (exit(10), "", true),
            (exit(0), BEGUN, false),
            (exit(1), "Image check failed.", false),
            (
                killed(15),
                "Commencing upgrade. Closing all shell sessions.",
                true,
            ),
            (killed(9), "Cannot save config", false),
        ] {
            let result = judge(&Ended {
                status,
                output: output.to_owned(),
            });
            assert_eq!(result.is_ok(), started, "{status:?} {output}");
            if let Err(error) = result {
                assert_eq!(
                    (error.kind, error.detail.as_str()),
                    (Kind::Sysupgrade, output)
                );
            }
        }
    }
}
