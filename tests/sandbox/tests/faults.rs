//! Faults at named points (`agent/src/fault.rs`): processes die, disks are full, writes stop halfway,
//! connections are cut. After each one nothing is left that was not verified, nothing else was
//! flashed, and the next run succeeds. Each test prints its points and what came of them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Outcome, Phase, Status};
use asu::error::Kind;
use common::proxy::{Proxy, Reply, Request, Response};
use common::*;
use sandbox::{Router, World};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;
use tempfile::TempDir;

/// How many routers at a time; they mostly wait.
const WORKERS: usize = 6;

/// Where the daemon or its job can die.
const CRASHES: [&str; 25] = [
    "job-started",
    "job-order",
    "plan-made",
    "build-waiting",
    "build-done",
    "download-create",
    "download-write",
    "download-rename",
    "download-renamed",
    "take-over",
    "taken-over",
    "copy-written",
    "verify-read",
    "verified",
    "status-write",
    "status-written",
    "pending-write",
    "pending-written",
    "sysupgrade-call",
    "program-started",
    "sysupgrade-ended",
    "history-write",
    "history-written",
    "notice-write",
    "notice-written",
];

/// What can find the disk full, at its beginning or (a write) halfway.
const WRITES: [(&str, &[&str]); 9] = [
    ("download-create", &["full"]),
    ("download-write", &["full", "short"]),
    ("download-rename", &["full"]),
    ("copy-written", &["full"]),
    ("verify-read", &["full"]),
    ("status-write", &["full", "short"]),
    ("pending-write", &["full", "short"]),
    ("history-write", &["full", "short"]),
    ("notice-write", &["full", "short"]),
];

/// A router whose agent goes wrong where it is told to.
struct Faulty {
    router: Router,
    faults: TempDir,
    _programs: TempDir,
}

impl Faulty {
    fn new(url: &str) -> Faulty {
        let (faults, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // The job's user has to see what goes wrong, and to say that it did.
        fs::set_permissions(faults.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let program = programs.path().join("asu");
        fs::copy(env!("CARGO_BIN_EXE_sandbox"), &program).unwrap();
        let variable = format!("ASU_FAULTS={}", faults.path().display());
        let options = sandbox::Options {
            asu: Some(vec!["env".into(), variable.into(), program.into()]),
            settings: agent_settings(&[("login_notice", "1")]),
            ..options(url)
        };
        Faulty {
            router: Router::start(&options).unwrap(),
            faults,
            _programs: programs,
        }
    }

    fn arm(&self, point: &str, fault: &str) -> PathBuf {
        let file = self.faults.path().join(point);
        // In one step: the point may be passed at any time.
        let new = self.faults.path().join("new");
        fs::write(&new, fault).unwrap();
        fs::rename(&new, &file).unwrap();
        file
    }

    fn boots(&self) -> u32 {
        self.router.procd().unwrap().state().boots
    }
}

/// An upgrade that is as the tests expect it: which image.
struct Expected {
    sha256: String,
    image: Vec<u8>,
}

impl Expected {
    fn is_all_that_was_flashed(&self, faulty: &Faulty) {
        let flashed = faulty.router.procd().unwrap().state().flashed.clone();
        assert_eq!(flashed, [self.sha256.as_str()]);
    }
}

fn expected(world: &World) -> Expected {
    let router = router(&world.url(), None);
    start_download(&router);
    let image = wait_phase(&router, Phase::Ready).image.unwrap();
    Expected {
        image: fs::read(at(&router, &image.path)).unwrap(),
        sha256: image.sha256,
    }
}

/// What became of a run that went wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Upgraded,
    /// The new system runs, but could not be held against its promise yet.
    Unconfirmed,
    Failed(Kind),
    /// The daemon knows nothing of it any more.
    Forgotten,
    /// The owner did not wait for a server that stays away.
    Cancelled,
}

/// Waits until nothing moves any more.
fn settled(faulty: &Faulty) -> End {
    let end = |status: &Status| {
        if status.last_upgrade.is_some() {
            return Some(End::Upgraded);
        }
        if faulty.boots() > 0 {
            return status.notice.as_ref().map(|_| End::Unconfirmed);
        }
        match &status.job {
            None => Some(End::Forgotten),
            Some(job) => job.error.as_ref().map(|error| End::Failed(error.kind)),
        }
    };
    let status = wait_status(&faulty.router, "an end", |status| end(status).is_some());
    end(&status).unwrap()
}

/// Nothing lies about that sysupgrade could take for an image, unless it was verified.
fn nothing_unverified(faulty: &Faulty) {
    let job = at(&faulty.router, "/tmp/attended-sysupgrade.job");
    assert!(!job.exists(), "{:?}", list(&job));
    // The daemon may be writing at this moment.
    let folders = ["/tmp/attended-sysupgrade", "/etc/attended-sysupgrade"];
    let new = || {
        folders
            .map(|folder| list(&at(&faulty.router, folder)))
            .concat()
    };
    let tidy = until(|| (!new().iter().any(|name| name.ends_with(".new"))).then_some(()));
    assert!(tidy.is_some(), "{:?}", new());
    let mut known = vec!["lock", "status.json", "status.new", "notice", "notice.new"];
    if status(&faulty.router).image.is_some() {
        known.push("firmware.bin");
    }
    let kept = list(&at(&faulty.router, "/tmp/attended-sysupgrade"));
    assert!(
        kept.iter().all(|name| known.contains(&name.as_str())),
        "{kept:?}"
    );
    if faulty.boots() == 0 {
        let promise = at(&faulty.router, "/etc/attended-sysupgrade/pending.json");
        assert!(!promise.exists());
    }
}

/// The image with a fault on the way, and then without.
fn judge(faulty: &Faulty, point: &str, fault: &str, expected: &Expected) -> End {
    let router = &faulty.router;
    let armed = faulty.arm(point, fault);
    if point == "copy-written" {
        fs::create_dir(at(router, "/mnt")).unwrap();
        fs::write(at(router, "/mnt/image.bin"), &expected.image).unwrap();
    }
    // Nobody answers where the daemon dies.
    let _ = match point {
        "copy-written" => brief(router, "sysupgrade", json!({"path": "/mnt/image.bin"})),
        // What was built already needs no wait.
        "build-waiting" => brief(
            router,
            "start",
            json!({"goal": "download", "add": ["htop"]}),
        ),
        _ => brief(router, "start", json!({"goal": "upgrade"})),
    };
    let fired = until(|| (!armed.exists()).then_some(()));
    assert!(fired.is_some(), "{point} was never passed: {}", log(router));
    let end = settled(faulty);
    nothing_unverified(faulty);
    match end {
        End::Upgraded => assert_eq!(asu(router, &["check"]).code, 0),
        End::Unconfirmed => {
            kill_9(daemon(router));
            assert_eq!(wait_upgraded(router).result, Outcome::Confirmed);
        }
        End::Failed(_) | End::Forgotten | End::Cancelled => {
            assert_eq!(faulty.boots(), 0);
            start(router, json!({"goal": "upgrade"}));
            assert_eq!(wait_upgraded(router).result, Outcome::Confirmed);
        }
    }
    let history: asu::api::History = call(router, "history", json!({})).unwrap();
    assert_eq!(history.upgrades.len(), 1, "{history:?}");
    assert_eq!(history.upgrades[0].result, Outcome::Confirmed);
    expected.is_all_that_was_flashed(faulty);
    nothing_unverified(faulty);
    no_panic(router);
    end
}

/// A call whose answer may never come.
fn brief(router: &Router, method: &str, arguments: Value) -> Result<Value, ubus::Error> {
    let patience = std::time::Duration::from_secs(3);
    ubus::Bus::connect(&router.files().socket())?.call(OBJECT, method, &arguments, patience)
}

/// Runs the cases some at a time, and prints a table of what came of them.
fn table<T: Sync>(title: &str, cases: &[T], case: impl Fn(&T) -> (String, End) + Sync) {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (name, end) = case(one);
                    rows.lock()
                        .unwrap()
                        .insert(format!("{name:34} {end:?}, then confirmed"));
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    assert_eq!(rows.len(), cases.len());
    let rows: String = rows.into_iter().map(|row| format!("  {row}\n")).collect();
    let mut uncaptured = std::io::stderr();
    write!(uncaptured, "{title}:\n{rows}").unwrap();
}

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "faults are for builds with debug assertions"
)]
fn kill_9_in_each_state() {
    let world = world();
    let expected = expected(&world);
    table("killed at", &CRASHES, |point| {
        let faulty = Faulty::new(&world.url());
        let end = judge(&faulty, point, "crash", &expected);
        ((*point).to_owned(), end)
    });
}

#[test]
#[cfg_attr(
    not(debug_assertions),
    ignore = "faults are for builds with debug assertions"
)]
fn disk_full_at_each_write() {
    let world = world();
    let expected = expected(&world);
    let each = |(point, faults): &(&'static str, &'static [&'static str])| {
        let point = *point;
        faults
            .iter()
            .map(move |fault| (point, *fault))
            .collect::<Vec<_>>()
    };
    let cases: Vec<(&str, &str)> = WRITES.iter().flat_map(each).collect();
    table("disk full at", &cases, |(point, fault)| {
        let faulty = Faulty::new(&world.url());
        let end = judge(&faulty, point, fault, &expected);
        // What only tells of the upgrade does not end it.
        let record = ["status-write", "notice-write"].contains(point);
        let recorded = matches!(end, End::Upgraded);
        assert_eq!(record, recorded, "{point} {fault}: {end:?}");
        if let End::Failed(kind) = end {
            assert_eq!(kind, Kind::Storage, "{point} {fault}");
        }
        (format!("{point} ({fault})"), end)
    });
}

/// The answer up to so many bytes of the file.
fn cut(request: &Request, server: &dyn Fn() -> Response, at: usize) -> Reply {
    let response = server();
    let from = request.range().unwrap_or(0);
    let head = response.bytes.len() - response.body().len();
    let end = response.bytes.len().min(head + at.saturating_sub(from));
    Reply::Raw(response.bytes[..end].to_vec())
}

#[test]
fn connection_cut_at_each_64_kib() {
    const STEP: usize = 64 * 1024;
    let world = world();
    let expected = expected(&world);
    let pieces = expected.image.len().div_ceil(STEP);
    assert!(pieces >= 3, "{} bytes", expected.image.len());
    // None: at each of them in turn, and the download goes on each time.
    let cases: Vec<Option<usize>> = (0..pieces).map(Some).chain([None]).collect();
    table("connection cut at", &cases, |case| {
        let proxy = Proxy::before(&world.url());
        let faulty = Faulty::new(&proxy.url());
        let case = *case;
        proxy.set(move |request, server| match (request.is_image(), case) {
            (false, _) => Reply::Pass,
            (true, Some(piece)) => cut(request, server, piece * STEP),
            (true, None) => {
                let from = request.range().unwrap_or(0);
                cut(request, server, from + STEP)
            }
        });
        start(&faulty.router, json!({"goal": "upgrade"}));
        let Some(piece) = case else {
            let end = settled(&faulty);
            nothing_unverified(&faulty);
            assert_eq!(end, End::Upgraded);
            expected.is_all_that_was_flashed(&faulty);
            return ("each in turn".to_owned(), end);
        };
        // It goes on asking for minutes.
        let image = |line: &String| line.starts_with("GET /store/");
        let again = || proxy.lines().iter().filter(|line| image(line)).count() > 1;
        assert!(until(|| again().then_some(())).is_some());
        assert_eq!(asu(&faulty.router, &["cancel"]).code, 0);
        nothing_unverified(&faulty);
        assert_eq!(faulty.boots(), 0);
        proxy.pass();
        start(&faulty.router, json!({"goal": "upgrade"}));
        assert_eq!(wait_upgraded(&faulty.router).result, Outcome::Confirmed);
        expected.is_all_that_was_flashed(&faulty);
        let place = format!("{:6} KiB, for good", piece * STEP / 1024);
        (place, End::Cancelled)
    });
}

/// The names in the agent's source, without those that are made of a file's name.
fn points(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            points(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for call in text.split("fault::").skip(1) {
            let name = call
                .split_once("(\"")
                .filter(|(function, _)| ["crash", "point", "write_all"].contains(function));
            found.extend(name.and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[test]
fn every_point_is_tested() {
    let mut found = BTreeSet::new();
    points(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent/src"),
        &mut found,
    );
    assert!(found.len() > 10, "{found:?}");
    for name in found {
        assert!(CRASHES.contains(&name.as_str()), "{name}");
    }
}
