//! The request for an image, and the wait for it.

use super::plan::BuildRequest;
use super::{Progress, Watcher};
use crate::api::{DeviceInfo, Phase, RequestBody};
use crate::error::{Error, Kind};
use crate::fault;
use crate::server::answers::{self, Finished, ImageFile};
use crate::server::{self, clean, is_plain_name, BuildState, Client};
use std::time::{Duration, Instant};

/// Before the second question; each further one comes so much later than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How often the server is asked.
#[derive(Clone, Debug)]
pub struct Pace {
    /// While our build is next or under way.
    pub near: Duration,
    /// At most, far back in the queue …
    pub far: Duration,
    /// … until the wait has become long.
    pub longest: Duration,
    /// Not longer than this altogether: a build takes minutes, but the public server was seen with 800
    /// builds in its queue, one a minute.
    pub patience: Duration,
    /// So many questions in a row may fail because the server can't be reached.
    pub failures: u32,
    /// A server that wants to be left alone for longer is given up.
    pub put_off: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            near: Duration::from_secs(5),
            far: Duration::from_secs(30),
            longest: Duration::from_secs(5 * 60),
            patience: Duration::from_secs(24 * 60 * 60),
            failures: 8,
            put_off: Duration::from_secs(10 * 60),
        }
    }
}

impl Pace {
    /// The usual one, or `interval` milliseconds where somebody wants another.
    pub fn new(interval: Option<u32>) -> Self {
        let usual = Pace::default();
        let Some(interval) = interval else {
            return usual;
        };
        let near = Duration::from_millis(interval.into());
        Pace {
            near,
            far: usual.far.max(near),
            ..usual
        }
    }

    /// The pause before the next question, after `asked` questions: short at first (most images are
    /// small, and a server that has the packages at hand builds them in seconds), longer with each
    /// build before ours and with the time that has passed.
    fn pause(&self, asked: u32, queue_position: Option<u32>, waited: Duration) -> Duration {
        let near = self
            .near
            .min(FIRST_PAUSE.saturating_mul(asked.saturating_add(1)));
        near.saturating_mul(queue_position.unwrap_or(0).saturating_add(1))
            .min(self.far)
            .max(waited / 20)
            .min(self.longest.max(near))
    }
}

/// A finished build and the image that is for this router.
#[derive(Clone, Debug)]
pub struct Built {
    /// Folder of the image below `/store/`.
    pub bin_dir: String,
    /// The image.
    pub image: ImageFile,
    /// All that the server said.
    pub finished: Finished,
}

/// Has the planned image built.
pub fn build(
    client: &Client,
    request: &BuildRequest,
    device: &DeviceInfo,
    pace: &Pace,
    watcher: &mut dyn Watcher,
) -> Result<Built, Error> {
    let body = request.body();
    let finished = wait_for(client, body, pace, watcher)?;
    Built::of(finished, body, device)
}

/// Sends the request and asks until there is an answer.
pub fn wait_for(
    client: &Client,
    body: &RequestBody,
    pace: &Pace,
    watcher: &mut dyn Watcher,
) -> Result<Finished, Error> {
    watcher.progress(Progress {
        phase: Some(Phase::Requesting),
        ..Progress::default()
    });
    let state = client.request_build(body)?;
    wait_on(client, body, state, pace, watcher)
}

/// The same once the request was sent.
pub fn wait_on(
    client: &Client,
    body: &RequestBody,
    mut state: BuildState,
    pace: &Pace,
    watcher: &mut dyn Watcher,
) -> Result<Finished, Error> {
    let mut hash = String::new();
    let (began, mut asked, mut failures, mut forgotten) = (Instant::now(), 0u32, 0, false);
    loop {
        let waiting = match state {
            BuildState::Done(mut finished) => {
                if finished.request_hash.is_empty() {
                    finished.request_hash = hash;
                } else if hash.is_empty() {
                    // Built before, and there at once: nothing was told of it yet.
                    watcher.progress(Progress {
                        request_hash: Some(finished.request_hash.clone()),
                        ..Progress::default()
                    });
                }
                return Ok(*finished);
            }
            BuildState::Waiting(waiting) => waiting,
        };
        if hash.is_empty() || !waiting.request_hash.is_empty() {
            hash.clone_from(&waiting.request_hash);
        }
        watcher.progress(shown(&waiting, &hash));
        fault::crash("build-waiting");
        let pause = pace.pause(asked, waiting.queue_position, began.elapsed());
        asked = asked.saturating_add(1);
        let mut wanted = Duration::ZERO;
        state = loop {
            if began.elapsed() > pace.patience {
                return Err(server::Error::NeverReady(pace.patience.as_secs() / 60).into());
            }
            // After a failure twice as long, and so on: a server that restarts is not helped by haste.
            std::thread::sleep(
                pause
                    .saturating_mul(1 << failures.min(10))
                    .min(pace.longest.max(pause))
                    .max(wanted),
            );
            match next_state(client, &hash, &waiting) {
                Ok(state) => break state,
                // The server was restarted: it gets the request once more.
                Err(server::Error::Gone) if !forgotten => {
                    forgotten = true;
                    break client.request_build(body)?;
                }
                Err(error) => match error.pause(Duration::ZERO, pace.put_off) {
                    Some(pause) if failures < pace.failures => {
                        failures += 1;
                        wanted = pause;
                    }
                    _ => return Err(error.into()),
                },
            }
        };
        failures = 0;
    }
}

/// Where the build is now. As long as others are before it only their number is asked for.
fn next_state(
    client: &Client,
    hash: &str,
    before: &answers::Progress,
) -> Result<BuildState, server::Error> {
    if before.queue_position.is_some_and(|position| position > 0) {
        if let Some(position @ 1..) = client.queue_position(hash)? {
            return Ok(BuildState::Waiting(answers::Progress {
                queue_position: Some(position),
                ..before.clone()
            }));
        }
    }
    client.build_state(hash)
}

/// What to tell of a waiting build; words that nobody has heard of are shown as they are.
fn shown(waiting: &answers::Progress, hash: &str) -> Progress {
    let queued = waiting.detail == "queued";
    let step = waiting.imagebuilder_status.as_ref().filter(|_| !queued);
    Progress {
        phase: Some(if queued {
            Phase::Queued
        } else {
            Phase::Building
        }),
        detail: Some(step.unwrap_or(&waiting.detail).clone()),
        queue_position: waiting.queue_position.filter(|_| queued),
        request_hash: Some(hash.to_owned()),
        ..Progress::default()
    }
}

impl Built {
    /// Finds the router's image in a finished build, and refuses names that are none.
    pub fn of(finished: Finished, body: &RequestBody, device: &DeviceInfo) -> Result<Built, Error> {
        let rootfs = body.filesystem.as_deref().unwrap_or(&device.rootfs_type);
        let image = choose_image(&finished.images, rootfs, &device.target, &device.boot)?.clone();
        check_plain("file name", &image.name, is_plain_name(&image.name))?;
        let is_hash =
            image.sha256.len() == 64 && image.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        check_plain("sha256", &image.sha256, is_hash)?;
        let plain_folder = finished.bin_dir.split('/').all(is_plain_name);
        check_plain("bin_dir", &finished.bin_dir, plain_folder)?;
        Ok(Built {
            bin_dir: finished.bin_dir.clone(),
            image,
            finished,
        })
    }
}

fn check_plain(what: &'static str, text: &str, plain: bool) -> Result<(), Error> {
    match plain {
        true => Ok(()),
        false => Err(server::Error::Unfit(what, text.to_owned()).into()),
    }
}

/// Types that are written to a device by other means than sysupgrade.
const NOT_FOR_SYSUPGRADE: [&str; 4] = ["factory", "kernel", "rootfs", "initramfs"];

/// The image for this router: of its rootfs type, and
///
/// - of a PC (x86): `combined-efi` or `combined`, as it started;
/// - where boards start by EFI only (armsr, loongarch): whichever of the two there is, since releases
///   call it now this, now that, and not all of them show /sys/firmware/efi (efahl/owut#21, #52);
/// - else `sysupgrade`, else the one type there is that is not for other means (`nand-sysupgrade`,
///   `sdcard`, `trx`, …).
pub fn choose_image<'a>(
    images: &'a [ImageFile],
    rootfs: &str,
    target: &str,
    boot: &str,
) -> Result<&'a ImageFile, Error> {
    let fits = |image: &&ImageFile| match image.filesystem.as_deref() {
        None => true,
        Some(filesystem) => rootfs.is_empty() || filesystem == rootfs,
    };
    let of_kind = |kind: &str| {
        images
            .iter()
            .filter(fits)
            .filter(|image| image.kind == kind)
            .collect::<Vec<_>>()
    };
    let (wanted, or) = match (target.split('/').next(), boot) {
        (Some("x86"), "efi") => ("combined-efi", ""),
        (Some("x86"), _) => ("combined", ""),
        (Some("armsr" | "loongarch64"), _) => ("combined-efi", "combined"),
        _ => ("sysupgrade", ""),
    };
    let mut candidates = of_kind(wanted);
    if candidates.is_empty() {
        candidates = of_kind(or);
    }
    if candidates.is_empty() && wanted == "sysupgrade" {
        let other = |image: &&ImageFile| {
            !NOT_FOR_SYSUPGRADE
                .iter()
                .any(|kind| image.kind.contains(kind))
        };
        candidates = images.iter().filter(fits).filter(other).collect();
    }
    match candidates.as_slice() {
        [image] => Ok(image),
        [] => Err(none_fits(images, rootfs, wanted)),
        several => Err(too_many(several)),
    }
}

fn none_fits(images: &[ImageFile], rootfs: &str, wanted: &str) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "The upgrade server built no {} image with {} for this router; it built {}.",
            clean(wanted),
            if rootfs.is_empty() {
                "any root file system"
            } else {
                rootfs
            },
            clean(&kinds(images.iter()))
        ),
    )
}

fn too_many(images: &[&ImageFile]) -> Error {
    Error::new(
        Kind::Unsupported,
        format!(
            "The upgrade server built several images that may be for this router ({}), and none \
             is chosen by guessing. Choose one and use asu install with it.",
            clean(&kinds(images.iter().copied()))
        ),
    )
}

fn kinds<'a>(images: impl Iterator<Item = &'a ImageFile>) -> String {
    let names: Vec<&str> = images.map(|image| image.name.as_str()).collect();
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    }
}
