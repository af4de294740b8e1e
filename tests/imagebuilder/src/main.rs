//! The program of the miniature ImageBuilder: makes a folder (`create`), and is what its make targets run.
#![forbid(unsafe_code)]

use mini_imagebuilder::commands::{self, Output, Variables};
use mini_imagebuilder::folder::{self, Folder};
use mini_imagebuilder::{catalog, devices, Error};
use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: mini-imagebuilder create DIR --version VERSION --target TARGET [--upstream URL] [--delay MILLISECONDS]
       mini-imagebuilder info|manifest|image|val.KERNEL_BUILD_DIR   (in such a folder, called by make)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["create", dir, ref options @ ..] => create(Path::new(dir), options),
        [name] => run(name),
        _ => Err(Error::unknown("command", &arguments.join(" "))),
    };
    let output = outcome.unwrap_or_else(|error| {
        let usage = if arguments.len() == 1 { "" } else { USAGE };
        Output {
            stderr: format!("{error}\n{usage}"),
            failed: true,
            ..Output::default()
        }
    });
    // A reader that went away is make's business, not ours.
    let _ = io::stdout().write_all(output.stdout.as_bytes());
    let _ = io::stderr().write_all(output.stderr.as_bytes());
    if output.failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn create(dir: &Path, options: &[&str]) -> Result<Output, Error> {
    let (mut version, mut target, mut settings) = ("", "", folder::Options::default());
    for pair in options.chunks(2) {
        match *pair {
            ["--version", value] => version = value,
            ["--target", value] => target = value,
            ["--upstream", value] => settings.upstream_url = value.to_owned(),
            ["--delay", value] => {
                let milliseconds = value
                    .parse()
                    .map_err(|_| Error::unknown("number of milliseconds", value))?;
                settings.delay = std::time::Duration::from_millis(milliseconds);
            }
            _ => return Err(Error::unknown("option", &pair.join(" "))),
        }
    }
    let release = catalog::release(version).ok_or_else(|| Error::unknown("release", version))?;
    let target = devices::target(target).ok_or_else(|| Error::unknown("target", target))?;
    folder::create(dir, release, target, &settings)?;
    Ok(Output::default())
}

fn run(name: &str) -> Result<Output, Error> {
    let here = env::current_dir().map_err(Error::io(Path::new(".")))?;
    commands::run(name, &Folder::open(&here)?, &variables()?)
}

fn variables() -> Result<Variables, Error> {
    let text = |name: &str| env::var(name).unwrap_or_default();
    let path = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let partsize = text("ROOTFS_PARTSIZE");
    let bad_size = |_| Error::unknown("partition size", &partsize);
    Ok(Variables {
        profile: text("PROFILE"),
        packages: text("PACKAGES")
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        strip_abi: text("STRIP_ABI") == "1",
        extra_image_name: text("EXTRA_IMAGE_NAME"),
        bin_dir: path("BIN_DIR"),
        files: path("FILES"),
        rootfs_partsize: if partsize.is_empty() {
            0
        } else {
            partsize.parse().map_err(bad_size)?
        },
        rootfs_filesystem: text("ROOTFS_FILESYSTEM"),
    })
}
