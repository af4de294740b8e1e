//! `asu inspect FILE`: what an image says of itself, without flashing anything and without a bus.

use super::output::Output;
use crate::error::{Error, Kind};
use crate::paths::Paths;
use crate::upgrade::{device, trust};
use firmware::Device;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

/// Shows what is in the image, and who signed it.
pub fn run(paths: &Paths, file: &Path, output: &mut Output) -> Result<ExitCode, Error> {
    let board_file = paths.real("/tmp/sysinfo/board_name");
    let board = std::fs::read_to_string(&board_file)
        .map_err(|error| Error::file(&board_file, "read", &error))?;
    let device = Device::new(&board, Some(&device::compat_version(paths)?));
    let (keys, problems) = trust::keys(paths);
    for problem in problems {
        output.complain(&problem.to_string());
    }
    let mut image = File::open(file).map_err(|error| Error::file(file, "opened", &error))?;
    let now = u64::try_from(crate::system::now()).unwrap_or(0);
    let report = firmware::judge(&mut image, &device, &keys, now)
        .map_err(|error| Error::new(Kind::Image, error.to_string()))?;
    if let Some(fault) = trust::clock_fault(&report, crate::system::now()) {
        output.complain(&fault);
    }
    if output.is_json() {
        output.object(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&format!("Size       {} bytes", report.size))?;
    output.line(&format!("SHA-256    {}", report.sha256))?;
    if let Some(content) = &report.content {
        let built = content.version.clone().unwrap_or_default();
        let words = [
            built.dist,
            built.version,
            built.revision,
            built.target,
            built.board,
        ];
        output.line(&format!(
            "Built as   {}",
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        ))?;
        output.line(&format!(
            "For        {}",
            content.boards().unwrap_or_default().join(", ")
        ))?;
    }
    output.line(&format!(
        "Metadata   {}: {}",
        report.metadata.verdict(),
        report.metadata
    ))?;
    output.line(&format!(
        "Signature  {}: {}",
        report.signature.verdict(),
        report.signature
    ))?;
    Ok(ExitCode::SUCCESS)
}
