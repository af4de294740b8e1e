//! What the command line reads and writes for its user.

use crate::api::{Image, Plan};
use crate::error::{Error, Kind};
use crate::json;
use crate::paths::Paths;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// More no server takes (ASU: 20 KiB), and the bus would carry it in vain.
const SCRIPT_LIMIT: u64 = 64 * 1024;

/// Where `--keep` leaves the plan, in the router's terms.
pub const PLAN_FILE: &str = "/tmp/asu-plan.json";

/// Reads the script for the first boot; `-` is standard input.
pub fn init_script(file: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| {
        let sentence = format!("--init-script: {} can't be read: {error}.", file.display());
        Error::new(Kind::Usage, sentence)
    };
    let mut text = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin()
            .lock()
            .take(SCRIPT_LIMIT + 1)
            .read_to_end(&mut text),
        false => fs::File::open(file)
            .map_err(unreadable)?
            .take(SCRIPT_LIMIT + 1)
            .read_to_end(&mut text),
    };
    read.map_err(unreadable)?;
    if text.len() as u64 > SCRIPT_LIMIT {
        let sentence = format!(
            "{} is longer than 64 KiB; no server takes such a script.",
            file.display()
        );
        return Err(Error::new(Kind::Usage, sentence));
    }
    String::from_utf8(text).map_err(|_| {
        let sentence = format!("{} is no text.", file.display());
        Error::new(Kind::Usage, sentence)
    })
}

/// Writes the plan down, with the request that comes of it.
pub fn keep_plan(paths: &Paths, plan: &Plan) -> Result<(), Error> {
    let text = json::line(plan)?;
    replace(&paths.real(PLAN_FILE), &mut |new| fs::write(new, &text))
}

/// Gives the image in hand another name. In the same file system that takes no memory; the image
/// is judged again before it is flashed, under whichever name.
pub fn place_image(paths: &Paths, image: &Image, file: &Path) -> Result<(), Error> {
    let there = paths.real(&image.path);
    replace(file, &mut |new| {
        fs::hard_link(&there, new).or_else(|_| fs::copy(&there, new).map(drop))
    })
}

/// Makes a file anew beside its place, and moves it there whole.
fn replace(file: &Path, make: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> Result<(), Error> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // Left by one that was killed; what else may be wrong shows below.
    let _ = fs::remove_file(&new);
    make(&new)
        .and_then(|()| fs::rename(&new, file))
        .map_err(|error| {
            let _ = fs::remove_file(&new);
            Error::file(file, "written", &error)
        })
}
