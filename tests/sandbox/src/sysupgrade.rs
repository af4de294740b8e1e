//! A stand-in for /sbin/sysupgrade, with its options and its way of ending: it validates, saves,
//! and hands over to procd by `ubus call system sysupgrade`, whose connection then breaks.

use crate::procd::SysupgradeArguments;
use firmware::metadata::Verdict;
use firmware::{Device, KeyRing};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use ubus::Bus;

/// ubus's status for a broken connection, as a shell without a terminal sees it: -10.
const CONNECTION_BROKE: u8 = 246;

/// Runs as the program at `own`, which lies in `ROOT/sbin`.
pub fn main(own: &Path) -> ExitCode {
    let root = own
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"))
        .to_owned();
    let (mut keep, mut test, mut backup, mut image) = (true, false, None, None);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("-n") => keep = false,
            Some("-T" | "--test") => test = true,
            Some("-b") => backup = arguments.next().map(PathBuf::from),
            Some("-F") => return fail("Image validation was switched off (-F)."),
            _ => image = Some(PathBuf::from(argument)),
        }
    }
    match (backup, image) {
        (Some(file), _) => save(&root, &file),
        (None, Some(image)) if test => validate(&root, &image),
        (None, Some(image)) => upgrade(&root, &image, keep),
        (None, None) => fail("Usage: sysupgrade [-n] [-T] IMAGE"),
    }
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::FAILURE
}

/// What an image is to the router below `root`. As on OpenWrt, x86 does not ask for metadata.
pub fn verdict(root: &Path, image: &Path) -> Result<Verdict, crate::Error> {
    let board = std::fs::read_to_string(root.join("tmp/sysinfo/board_name"))?;
    let report = firmware::judge(
        &mut File::open(image)?,
        &Device::new(&board, None),
        &KeyRing::new(),
        0,
    )?;
    let release = std::fs::read_to_string(root.join("etc/openwrt_release"))?;
    Ok(match report.metadata.verdict() {
        Verdict::Absent if release.contains("DISTRIB_TARGET='x86/") => Verdict::Match,
        verdict => verdict,
    })
}

/// Of an image, hexadecimal.
pub fn sha256(image: &Path) -> Result<String, crate::Error> {
    let device = Device::new("", None);
    let report = firmware::judge(&mut File::open(image)?, &device, &KeyRing::new(), 0)?;
    Ok(report.sha256.to_string())
}

fn validate(root: &Path, image: &Path) -> ExitCode {
    match verdict(root, image) {
        Ok(Verdict::Match) => ExitCode::SUCCESS,
        Ok(other) => fail(&format!("Image metadata: {other}\nImage check failed.")),
        Err(error) => fail(&format!("Image check failed: {error}")),
    }
}

fn save(root: &Path, file: &Path) -> ExitCode {
    let archive = || -> Result<(), crate::Error> {
        let text = std::fs::read(root.join("etc/config/attendedsysupgrade"))?;
        Ok(std::fs::write(file, text)?)
    };
    match archive() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!(
            "Failed to create the configuration backup: {error}"
        )),
    }
}

fn upgrade(root: &Path, image: &Path, keep: bool) -> ExitCode {
    println!("Saving config files...");
    println!("Commencing upgrade. Closing all shell sessions.");
    let socket = root.join("var/run/ubus/ubus.sock");
    let path = image
        .strip_prefix(root)
        .map(|rest| Path::new("/").join(rest));
    let arguments = SysupgradeArguments {
        path: path.unwrap_or_else(|_| image.to_owned()),
        keep,
    };
    let called: Result<(), ubus::Error> = Bus::connect(&socket)
        .and_then(|mut bus| bus.call("system", "sysupgrade", &arguments, Duration::from_secs(30)));
    match called {
        Err(ubus::Error::Status(ubus::Status::ConnectionFailed)) => {
            ExitCode::from(CONNECTION_BROKE)
        }
        Err(error) => fail(&format!("Command failed: {error}")),
        Ok(()) => ExitCode::SUCCESS,
    }
}
