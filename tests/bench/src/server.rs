//! The upgrade server: answers a second, memory, start, and what a build takes beyond its ImageBuilder. Beside it, in the
//! same run and in front of the same download site, the release 0.7.20 of the public one, if `tests/real-server/run` has
//! installed it.

mod ours;

use crate::load::{Address, CLIENTS};
use crate::memory;
use crate::programs::{self, workspace};
use crate::table::{kib, Table};
use nix::unistd::Pid;
use ours::{Ours, Site};
use sandbox::Error;
use serde_json::{json, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Until everything of a start has settled.
const SETTLE: Duration = Duration::from_secs(2);
/// How often is asked whether a build is done, or a server there.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a build may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// What both servers can build.
const RELEASE: &str = "24.10.2";
const TARGET: &str = "ath79/generic";
const PROFILE: &str = "tplink_archer-c7-v2";
/// A build each; the middle one of their times counts.
const PACKAGES: [&str; 5] = [
    "htop",
    "luci",
    "luci-base",
    "luci-app-firewall",
    "luci-app-sqm",
];

/// What a server showed.
struct Figures {
    /// Answers a second and their length: asked about a build, asked for one, the overview.
    rates: [(f64, usize); 3],
    /// Memory in KiB: before the load, and the most seen under it.
    memory: [u64; 2],
    /// From a request to its image.
    build: Duration,
}

/// Measures and prints.
pub fn print() -> Result<(), Error> {
    let theirs = std::env::var("ASU_URL").ok();
    if theirs.is_none() && venv()?.join("installed").is_file() {
        return beside_the_other();
    }
    let site = Site::start(RELEASE, TARGET)?;
    let program = programs::server()?;
    let data = TempDir::new()?;
    let start = |_| Ours::start(&program, &site, data.path());
    let mut starts = Vec::new();
    for at in PACKAGES.iter().enumerate() {
        starts.push(start(at)?.took);
    }
    let ours = start((0, &""))?;
    let mine = measure(&ours.address, &[ours.pid()?])?;
    // Two servers on one machine would measure each other.
    drop(ours);
    let make = make(data.path())?;
    let theirs = match theirs {
        Some(url) => Some(measure(&Address::of(&url)?, &pids()?)?),
        None => None,
    };
    show(&mine, theirs.as_ref(), make, middle(starts));
    Ok(())
}

fn show(mine: &Figures, theirs: Option<&Figures>, make: Duration, start: Duration) {
    let processors = thread::available_parallelism().map_or(0, usize::from);
    println!("## The upgrade server");
    println!("asu-server: release build, one process; {CLIENTS} clients on the same machine, {processors} processors.");
    match theirs {
        Some(_) => {
            println!("0.7.20: the public server's release with gunicorn, a worker and Redis.\n")
        }
        None => println!(
            "The public server's release is not installed; tests/real-server/run does so.\n"
        ),
    }
    let mut table = Table::new(&["", "asu-server", "0.7.20", "ratio", "budget"]);
    let mut row =
        |what: &str, of: &dyn Fn(&Figures) -> f64, say: &dyn Fn(f64) -> String, budget: &str| {
            let (value, other) = (of(mine), theirs.map(of));
            let ratio = other.map(|other| format!("{:.2}", value / other));
            table.row(&[
                what,
                &say(value),
                &other.map_or_else(|| "-".to_owned(), say),
                &ratio.unwrap_or_else(|| "-".to_owned()),
                budget,
            ]);
        };
    let plain = |value: f64| crate::table::number(value as u64);
    let size = |value: f64| kib(value as u64);
    let seconds = |value: f64| format!("{value:.3} s");
    let whats = [
        (
            "answers a second about a cached build",
            "≥ 14,500, ratio ≥ 50",
        ),
        (
            "answers a second to a request for it",
            "≥ 14,500, ratio ≥ 50",
        ),
        ("overviews a second", "≥ 8,800, ratio ≥ 50"),
    ];
    for (at, (what, budget)) in whats.into_iter().enumerate() {
        row(
            what,
            &|figures| figures.rates.get(at).map_or(0.0, |rate| rate.0),
            &plain,
            budget,
        );
    }
    for (at, what) in ["memory, idle", "memory under this load"]
        .into_iter()
        .enumerate()
    {
        let of = |figures: &Figures| figures.memory.get(at).map_or(0.0, |kib| *kib as f64);
        row(what, &of, &size, "≤ 19.7 MB, ratio ≤ 0.10");
    }
    let beyond = |figures: &Figures| figures.build.saturating_sub(make).as_secs_f64();
    row(
        "a build beyond its ImageBuilder's time",
        &beyond,
        &seconds,
        "< 1 s",
    );
    table.row(&[
        "from its start to the first answer",
        &seconds(start.as_secs_f64()),
        "-",
        "-",
        "",
    ]);
    table.print();
    let lengths = mine.rates.map(|(_, length)| length.to_string()).join(", ");
    println!(
        "\nThe answers have {lengths} bytes. Memory: Pss of all its processes. The ImageBuilder alone: {}.",
        seconds(make.as_secs_f64())
    );
}

fn measure(address: &Address, pids: &[Pid]) -> Result<Figures, Error> {
    thread::sleep(SETTLE);
    let idle = memory::of_trees(pids)?;
    // The first build fetches the ImageBuilder, which others don't.
    let (hash, _) = build(address, &["tmux"])?;
    let mut builds = Vec::new();
    for package in PACKAGES {
        builds.push(build(address, &["tmux", package])?.1);
    }
    let mut most = idle;
    let mut rate = |request: &[u8]| {
        address.rate(request, || {
            most = most.max(memory::of_trees(pids)?);
            Ok(())
        })
    };
    let about = rate(&address.get(&format!("/api/v1/build/{hash}")))?;
    let asked = rate(&address.post("/api/v1/build", &order(&["tmux"])))?;
    let mut overview = "/json/v1/overview.json".to_owned();
    let answer = address.ask(&address.get(&overview))?;
    if let (301 | 302, Some(elsewhere)) = (answer.status, answer.location) {
        overview = elsewhere;
    }
    let overview = rate(&address.get(&overview))?;
    Ok(Figures {
        rates: [about, asked, overview],
        memory: [idle, most],
        build: middle(builds),
    })
}

fn order(packages: &[&str]) -> String {
    json!({"distro": "openwrt", "version": RELEASE, "target": TARGET, "profile": PROFILE, "packages": packages,
        "client": "bench/1"})
    .to_string()
}

/// Asks for a build and waits for it: its hash, and how long that took.
fn build(address: &Address, packages: &[&str]) -> Result<(String, Duration), Error> {
    let begin = Instant::now();
    let answer = address.ask(&address.post("/api/v1/build", &order(packages)))?;
    let json: Value = serde_json::from_slice(&answer.body)?;
    let hash = json["request_hash"].as_str();
    let hash = hash
        .ok_or_else(|| format!("the server refused a build: {json}"))?
        .to_owned();
    let request = address.get(&format!("/api/v1/build/{hash}"));
    loop {
        let answer = address.ask(&request)?;
        match answer.status {
            200 => return Ok((hash, begin.elapsed())),
            202 if begin.elapsed() < PATIENCE => thread::sleep(PAUSE),
            status => {
                let body = String::from_utf8_lossy(&answer.body);
                return Err(format!("a build came to nothing, status {status}: {body}").into());
            }
        }
    }
}

/// How long the ImageBuilder that the server fetched takes by itself for what a build asks of it.
fn make(data: &Path) -> Result<Duration, Error> {
    let folder = find(&data.join("imagebuilders"), "Makefile", 6)?;
    let images = TempDir::new()?;
    let mut times = Vec::new();
    for package in PACKAGES {
        let begin = Instant::now();
        let (profile, packages) = (
            format!("PROFILE={PROFILE}"),
            format!("PACKAGES=tmux {package}"),
        );
        let place = format!("BIN_DIR={}", images.path().display());
        for words in [
            &["info"][..],
            &["manifest", &profile, &packages, "STRIP_ABI=1"],
            &[
                "image",
                &profile,
                &packages,
                "EXTRA_IMAGE_NAME=bench",
                &place,
            ],
        ] {
            let status = Command::new("make")
                .current_dir(&folder)
                .args(words)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(
                    format!("make {words:?} in {} ended with {status}", folder.display()).into(),
                );
            }
        }
        times.push(begin.elapsed());
    }
    Ok(middle(times))
}

/// The folder with a file of that name, so many folders below `folder` at most.
fn find(folder: &Path, name: &str, depth: usize) -> Result<PathBuf, Error> {
    if folder.join(name).is_file() {
        return Ok(folder.to_owned());
    }
    if depth > 0 {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                if let Ok(found) = find(&path, name, depth - 1) {
                    return Ok(found);
                }
            }
        }
    }
    Err(format!("there is no {name} below {}", folder.display()).into())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The processes of the other server.
fn pids() -> Result<Vec<Pid>, Error> {
    let text = std::env::var("ASU_PIDS").map_err(|_| "ASU_PIDS is not set")?;
    let words = text.split_whitespace();
    let pids = words.map(|word| Ok(Pid::from_raw(word.parse()?)));
    pids.collect()
}

/// Where `tests/real-server/run` installs it.
fn venv() -> Result<PathBuf, Error> {
    match std::env::var_os("ASU_VENV") {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(programs::target()?.join("real-server/venv")),
    }
}

/// Runs this section again while the other server serves.
fn beside_the_other() -> Result<(), Error> {
    let status = Command::new(workspace().join("tests/real-server/run"))
        .env("CARGO_TARGET_DIR", programs::target()?)
        .arg(std::env::current_exe()?)
        .arg("server")
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("tests/real-server/run ended with {status}").into()),
    }
}
