//! A second opinion: other servers get the same request, and have to come to the same image
//! (design section 6.5). A build that can be reproduced differs in nothing but its signature, so
//! what is compared is the sum of the image without that.
//!
//! The job asks, all at the same time and while the image itself is being built; how the answers
//! compare with the file is judged by who has the file.

use super::build::{self, Built, Pace};
use super::plan::BuildRequest;
use crate::api::{CheckResult, DeviceInfo, ImageCheck, RequestBody};
use crate::error::Error;
use crate::server::{self, BuildState, Client, Options};
use crate::sorted::Map;
use crate::text::clean;
use firmware::Sha256;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for the others once our image is there, where so many of them have to agree:
/// they began to build when our server did.
pub const REQUIRED: Duration = Duration::from_secs(10 * 60);

/// The same where what they say is only shown.
pub const SHOWN: Duration = Duration::from_secs(60);

/// More are not asked: each takes a connection, a stack and an answer of up to 2 MiB of what the job
/// may have of the memory.
const MOST: usize = 4;

/// Of the thread that asks: TLS and JSON need less than 100 KiB.
const STACK: usize = 512 * 1024;

/// How long a reason may be that is passed on.
const REASON_LIMIT: usize = 200;

/// Servers that are at it.
pub struct Rebuilders {
    asked: Vec<String>,
    told: Arc<Told>,
}

/// What they have said so far: server → the sum of its image, or why there is none.
#[derive(Default)]
struct Told {
    said: Mutex<Map<String>>,
    news: Condvar,
}

impl Told {
    /// A thread that died has changed nothing in the middle.
    fn said(&self) -> MutexGuard<'_, Map<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, server: String, words: String) {
        self.said().insert(server, words);
        self.news.notify_all();
    }
}

/// Asks all of `servers` for the image. Each has a thread, which ends with the process at the
/// latest: nobody waits for a server that hangs.
pub fn ask(
    servers: &[String],
    options: &Options,
    request: &BuildRequest,
    device: &DeviceInfo,
    pace: &Pace,
) -> Rebuilders {
    let told = Arc::new(Told::default());
    for (place, server) in servers.iter().enumerate() {
        let url = server.clone();
        if place >= MOST {
            told.add(url, format!("it was not asked, because {MOST} others were"));
            continue;
        }
        let (theirs, options, pace) = (told.clone(), options.clone(), pace.clone());
        let (body, device) = (request.body().clone(), device.clone());
        let thread = std::thread::Builder::new().stack_size(STACK);
        let spawned = thread.spawn(move || {
            let answer = rebuild(&url, &options, &body, &device, &pace);
            theirs.add(url, answer.unwrap_or_else(reason));
        });
        if let Err(error) = spawned {
            told.add(server.clone(), error.to_string());
        }
    }
    Rebuilders {
        asked: servers.to_vec(),
        told,
    }
}

/// The sum of a server's image without the signature, as it says.
fn rebuild(
    url: &str,
    options: &Options,
    body: &RequestBody,
    device: &DeviceInfo,
    pace: &Pace,
) -> Result<String, String> {
    let tell = |error: Error| error.message;
    let client = Client::new(url, options).map_err(|error| error.to_string())?;
    let state = patiently(&client, body).map_err(|error| error.to_string())?;
    let finished = build::wait_on(&client, body, state, pace, &mut ()).map_err(tell)?;
    let image = Built::of(finished, body, device).map_err(tell)?.image;
    let sum = image
        .sha256_unsigned
        .ok_or("it does not say what its image is without the signature")?;
    match sum.parse::<Sha256>() {
        Ok(sum) => Ok(sum.to_string()),
        Err(_) => Err("what it calls a SHA-256 is none".to_owned()),
    }
}

/// Asks until it takes the request, where it has too much to do or does not answer in time: there is
/// no other in its place, and our own server is at work meanwhile.
fn patiently(client: &Client, body: &RequestBody) -> Result<BuildState, server::Error> {
    use server::Error::{Cut, Overloaded, Silent, Stalled};
    let pace = Pace::default();
    let mut failures = 0;
    loop {
        let error = match client.request_build(body) {
            Err(error @ (Overloaded(_) | Silent(_) | Stalled | Cut)) => error,
            result => return result,
        };
        let pause = pace.near.saturating_mul(1 << failures.min(10));
        match error.pause(pause, pace.put_off) {
            Some(pause) if failures < pace.failures => std::thread::sleep(pause),
            _ => return Err(error),
        }
        failures += 1;
    }
}

fn reason(words: String) -> String {
    clean(&words).chars().take(REASON_LIMIT).collect()
}

impl Rebuilders {
    /// Whether there is an answer to wait for.
    pub fn are_at_it(&self) -> bool {
        self.told.said().len() < self.asked.len()
    }

    /// Waits until all have answered, but no longer than `patience`, and no longer than it takes
    /// until `enough` say `expected`, where that is not 0.
    pub fn wait(self, expected: &str, enough: u32, patience: Duration) -> Map<String> {
        let deadline = Instant::now() + patience;
        let mut said = self.told.said();
        loop {
            let is_equal = |(_, sum): &&(String, String)| sum.eq_ignore_ascii_case(expected);
            let equal = said.iter().filter(is_equal);
            let has_enough = enough > 0 && equal.count() >= enough as usize;
            let left = deadline.saturating_duration_since(Instant::now());
            if said.len() >= self.asked.len() || has_enough || left.is_zero() {
                break;
            }
            let waited = self.told.news.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut said = said.clone();
        for server in self.asked {
            if !said.contains_key(&server) {
                said.insert(server, "it has not answered yet".to_owned());
            }
        }
        said
    }
}

/// The check `rebuilders`: `asked` servers were to rebuild the image, `said` is what came of it,
/// `ours` the sum of the file, of which `required` others have to speak.
pub fn judge(said: &Map<String>, ours: Sha256, required: u32) -> ImageCheck {
    let ours = ours.to_string();
    let (equal, others): (Vec<_>, Vec<_>) = said.iter().partition(|(_, sum)| **sum == ours);
    let differ = others.iter().any(|(_, sum)| sum.parse::<Sha256>().is_ok());
    let mut sentence = match (said.len(), equal.len()) {
        (0, _) => "No other server rebuilt the image.".to_owned(),
        (asked, equal) => format!("{equal} of {asked} rebuilders came to the same image."),
    };
    for (server, words) in others {
        let words = match words.parse::<Sha256>() {
            Ok(_) => "it came to another image",
            Err(_) => words,
        };
        let end = if words.ends_with(['.', '?', '!']) {
            ""
        } else {
            "."
        };
        sentence.push_str(&format!(" {}: {words}{end}", clean(server)));
    }
    let equal = u32::try_from(equal.len()).unwrap_or(u32::MAX);
    let result = if equal < required {
        sentence.push_str(&format!(" Option rebuilders_required asks for {required}."));
        CheckResult::Fail
    } else if required > 0 {
        CheckResult::Pass
    } else if differ {
        CheckResult::Warning
    } else if equal > 0 {
        CheckResult::Pass
    } else {
        CheckResult::Skipped
    };
    ImageCheck {
        name: "rebuilders".to_owned(),
        result,
        detail: sentence,
    }
}
