//! ImageBuilder archives: `openwrt-imagebuilder-24.10.2-ath79-generic.Linux-x86_64.tar.xz`.

use crate::Error;
use mini_imagebuilder::catalog::Release;
use mini_imagebuilder::devices::Target;
use mini_imagebuilder::folder;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes the archive of a release's ImageBuilder into `dir`, and returns its name.
pub fn write(
    dir: &Path,
    release: &Release,
    target: &Target,
    program: Option<&Path>,
) -> Result<String, Error> {
    let version = if release.version == "SNAPSHOT" {
        String::new()
    } else {
        format!("{}-", release.version)
    };
    let stem = format!(
        "openwrt-imagebuilder-{version}{}.Linux-x86_64",
        target.dashed()
    );
    let builder = tempfile::tempdir().map_err(Error::io(dir))?;
    let options = folder::Options {
        program: program.map(Path::to_path_buf),
        ..folder::Options::default()
    };
    folder::create(builder.path(), release, target, &options)?;
    let name = format!("{stem}.tar.xz");
    let path = dir.join(&name);
    compress(builder.path(), &stem, &path)?;
    Ok(name)
}

/// Packs `folder` under the name `stem` into `path`, with the xz program: lightly, it is for tests.
fn compress(folder: &Path, stem: &str, path: &Path) -> Result<(), Error> {
    let file = File::create(path).map_err(Error::io(path))?;
    let mut xz = Command::new("xz")
        .args(["-0", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .map_err(Error::io(Path::new("xz")))?;
    let packed = match xz.stdin.take() {
        Some(input) => pack(folder, stem, input),
        None => Err(io::Error::other("no pipe")),
    };
    let status = xz.wait().map_err(Error::io(Path::new("xz")))?;
    packed.map_err(Error::io(path))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Xz(status.to_string()))
    }
}

fn pack(folder: &Path, stem: &str, output: impl io::Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(output);
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(stem, folder)?;
    tar.into_inner()?.flush()
}
