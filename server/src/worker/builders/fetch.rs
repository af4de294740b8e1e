//! Fetches an archive and unpacks it. A download that broke off goes on where it ended.

use crate::worker::place;
use crate::worker::room::run;
use crate::Config;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// How often a download is begun again, each time from where the former got.
const ATTEMPTS: u32 = 5;
/// How long the site may take to answer, and how long for one piece of the file.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fetches the archive at `url`, whose SHA-256 has to be `sha256`, and unpacks it as `folder`.
///
/// # Errors
/// A sentence for who asked for the build.
pub async fn fetch(url: &str, sha256: &str, folder: &Path, config: &Config) -> Result<(), String> {
    let root = folder.parent().ok_or("no folder for ImageBuilders")?;
    fs::create_dir_all(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let partial = root.join(format!(".{sha256}.archive"));
    let most = config.imagebuilders_mb << 20;
    let go_on = || {
        let (address, file) = (url.to_owned(), partial.clone());
        let downloaded = tokio::task::spawn_blocking(move || download(&address, &file, most));
        async {
            downloaded
                .await
                .unwrap_or_else(|error| Err(error.to_string()))
        }
    };
    let begun = fs::metadata(&partial).is_ok_and(|file| file.len() > 0);
    let mut found = go_on().await?;
    if found != sha256 && begun {
        // What was there before may be of another file, or spoiled.
        fs::remove_file(&partial).map_err(|error| format!("{}: {error}", partial.display()))?;
        found = go_on().await?;
    }
    if found != sha256 {
        // Whatever it is, going on with it makes it no better.
        let _ = fs::remove_file(&partial);
        return Err(format!(
            "{url} is not what the download site's sha256sums says"
        ));
    }
    let unpacked = unpack(&partial, folder, config).await;
    let _ = fs::remove_file(&partial);
    unpacked
}

/// Downloads into `file` and returns the SHA-256 of what is there then.
fn download(url: &str, file: &Path, most: u64) -> Result<String, String> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let said = |error: io::Error| format!("{}: {error}", file.display());
    let mut open = File::options();
    let mut output = open
        .create(true)
        .read(true)
        .append(true)
        .open(file)
        .map_err(said)?;
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        match go_on(&agent, url, &mut output, most) {
            Ok(()) => return place::digest(&mut output).map_err(said),
            Err(error) => why = error,
        }
    }
    Err(format!("{url} could not be downloaded: {why}"))
}

/// Downloads what `output` has not.
fn go_on(agent: &ureq::Agent, url: &str, output: &mut File, most: u64) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    let had = output.metadata().map_err(said)?.len();
    let mut request = agent.get(url);
    if had > 0 {
        request = request.header("Range", format!("bytes={had}-"));
    }
    let response = request.call().map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        // The site sends all of it again.
        200 => output.set_len(0).map_err(said)?,
        206 => {}
        // There is no more.
        416 => return Ok(()),
        status => return Err(format!("the site answers {status}")),
    }
    let mut body = response.into_body().into_reader().take(most);
    let copied = io::copy(&mut body, output).map_err(said)?;
    if copied == most {
        return Err(format!("it has more than {} MiB", most >> 20));
    }
    output.flush().map_err(said)
}

/// Unpacks beside `folder`, and gives it its name when all is there.
async fn unpack(archive: &Path, folder: &Path, config: &Config) -> Result<(), String> {
    let draft = archive.with_extension("unpacked");
    let clear = || {
        // Usually there is none.
        let _ = place::remove(&draft);
    };
    clear();
    let result = unpack_into(archive, &draft, config).await;
    let result = result.and_then(|()| {
        fs::rename(&draft, folder).map_err(|error| format!("{}: {error}", folder.display()))
    });
    clear();
    result
}

async fn unpack_into(archive: &Path, draft: &PathBuf, config: &Config) -> Result<(), String> {
    fs::create_dir(draft).map_err(|error| format!("{}: {error}", draft.display()))?;
    let fixed = [
        "tar",
        "--extract",
        "--strip-components=1",
        "--no-same-owner",
        "--file",
    ];
    let mut words: Vec<OsString> = fixed.map(OsString::from).to_vec();
    words.push(archive.into());
    let deadline = Instant::now() + config.job_timeout;
    let most = config.imagebuilders_mb << 20;
    let output = run::run(draft, &words, deadline, std::slice::from_ref(draft), most)
        .await
        .map_err(|error| format!("The ImageBuilder could not be unpacked: {error}"))?;
    if !output.success || !draft.join("Makefile").is_file() {
        let said = output
            .stderr
            .lines()
            .next()
            .unwrap_or("it has no Makefile")
            .to_owned();
        return Err(format!("The ImageBuilder's archive is broken: {said}"));
    }
    Ok(())
}
