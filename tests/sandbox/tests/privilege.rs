//! What `asu job` may do, and what becomes of it when it wants more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::Phase;
use asu::error::Kind;
use common::faults::{error, OVERVIEW};
use common::proxy::{Proxy, Reply};
use common::*;
use nix::sys::signal::{kill, Signal};
use nix::unistd::{geteuid, Pid};
use sandbox::tls::TlsFront;
use sandbox::{Knobs, Router, World};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// Lines `Name: value` of a file in /proc.
fn lines(pid: i32, file: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// The soft and the hard limit of that name.
fn limits(pid: i32, name: &str) -> [String; 2] {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let mut words = line.unwrap().split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}

/// uid of the user `asu` on the router.
fn job_user(router: &Router) -> String {
    let users = fs::read_to_string(at(router, "/etc/passwd")).unwrap();
    let line = users.lines().find_map(|line| line.strip_prefix("asu:x:"));
    line.unwrap().split(':').next().unwrap().to_owned()
}

#[test]
fn a_job_has_no_more_than_it_needs() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let mut options = options(&proxy.url());
    // A daemon that was started carelessly: with a file open and in a group.
    let words = ["sh", "-c", "exec 9<\"$0\"; SECRET=1 exec \"$0\" \"$@\""];
    let mut command: Vec<OsString> = words.map(OsString::from).into();
    command.push(env!("CARGO_BIN_EXE_sandbox").into());
    // The program has to be called asu.
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("asu");
    fs::copy(env!("CARGO_BIN_EXE_sandbox"), &program).unwrap();
    command[3] = program.into();
    options.asu = Some(command);
    let router = Router::start(&options).unwrap();
    proxy.set(|request, server| match request.is_image() {
        true => Reply::Stuck(server().half()),
        false => Reply::Pass,
    });
    start_download(&router);
    wait_phase(&router, Phase::Downloading);
    let job = job_child(&router);

    let status = lines(job, "status");
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Umask"], "0077");
    for (name, most) in [
        ("Max core file size", 0),
        ("Max open files", 64),
        ("Max data size", asu::job::MEMORY),
        ("Max file size", 60 << 20),
    ] {
        assert_eq!(
            limits(job, name),
            [most.to_string(), most.to_string()],
            "{name}"
        );
    }
    let folder = at(&router, "/tmp/attended-sysupgrade.job");
    assert_eq!(fs::read_link(format!("/proc/{job}/cwd")).unwrap(), folder);
    assert_eq!(fs::read(format!("/proc/{job}/environ")).unwrap(), b"");
    for open in fs::read_dir(format!("/proc/{job}/fd")).unwrap() {
        let open = open.unwrap();
        let number: i32 = open.file_name().to_str().unwrap().parse().unwrap();
        let file = fs::read_link(open.path()).unwrap();
        let known = file.starts_with(&folder) || file.to_str().unwrap().starts_with("socket:");
        assert!(number <= 2 || known, "{number} is {file:?}");
    }
    if !geteuid().is_root() {
        eprintln!("skipped: only root can change to the job's user");
        return;
    }
    let user = job_user(&router);
    for name in ["Uid", "Gid"] {
        assert_eq!(status[name], [user.as_str(); 4].join("\t"), "{name}");
    }
    assert_eq!(status["Groups"], "");
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(limits(job, "Max processes"), ["64", "64"]);
    proxy.pass();
    wait_phase(&router, Phase::Ready);
    no_panic(&router);
}

/// With the pages of its program, which are some 1.8 MiB on a router, this stays below 6 MiB.
const ENOUGH: &str = "4194304";

/// The kernel gives it no more than that, whatever the size of the image.
#[test]
fn a_download_needs_four_mebibytes() {
    let knobs = Knobs {
        filler: 20 * 1024 * 1024,
        ..Knobs::default()
    };
    let world = World::start(&knobs).unwrap();
    let proxy = Proxy::before(&world.url());
    let tls = TlsFront::start(proxy.url()[7..].parse().unwrap()).unwrap();
    for url in [proxy.url(), tls.url()] {
        proxy.set(|request, _| match OVERVIEW(request) {
            true => Reply::Hold,
            false => Reply::Pass,
        });
        let before = proxy.lines().len();
        let router = Router::start(&sandbox::Options {
            settings: agent_settings(&[("ca_file", "/etc/ca.pem")]),
            ..options(&url)
        })
        .unwrap();
        fs::write(at(&router, "/etc/ca.pem"), &tls.ca).unwrap();
        // The job runs as we do, so that we may change its limits.
        fs::write(at(&router, "/etc/passwd"), "").unwrap();
        start_download(&router);
        assert!(until(|| (proxy.lines().len() > before).then_some(())).is_some());
        let job = job_child(&router);
        let limited = Command::new("prlimit")
            .arg(format!("--pid={job}"))
            .arg(format!("--data={ENOUGH}"))
            .status();
        assert!(limited.unwrap().success());
        assert_eq!(limits(job, "Max data size"), [ENOUGH, ENOUGH]);
        proxy.pass();
        let status = wait_status(&router, "over", |status| {
            let job = status.job.as_ref();
            job.is_some_and(|job| matches!(job.phase, Phase::Ready | Phase::Failed))
        });
        let image = status.image.unwrap_or_else(|| panic!("{:?}", status.job));
        assert!(image.size > 20 * 1024 * 1024);
    }
}

#[test]
fn a_job_without_memory_says_so() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = router(&proxy.url(), None);
    proxy.set(|request, _| match OVERVIEW(request) {
        true => Reply::Hold,
        false => Reply::Pass,
    });
    start_download(&router);
    proxy.wait_for("GET /json/v1/overview.json");
    // As the library ends a program to which the kernel gives no memory.
    kill(Pid::from_raw(job_child(&router)), Signal::SIGABRT).unwrap();
    let error = error(&wait_phase(&router, Phase::Failed));
    assert_eq!(error.kind, Kind::Memory, "{error:?}");
    assert!(error.message.contains("24.0 MiB of memory"), "{error:?}");
    nothing_left(&router);
}

#[test]
fn a_file_beyond_the_limit_is_an_error_of_storage() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = router(&proxy.url(), None);
    let meminfo = at(&router, "/proc/meminfo");
    let available = |kib: u64| format!("MemAvailable: {kib} kB\n");
    // Room for 4 KiB besides the reserve when the job starts, for all when it asks once more.
    fs::write(&meminfo, available(4 * 1024 + 4)).unwrap();
    let later = available(64 * 1024);
    proxy.set(move |request, _| {
        if request.is_image() {
            fs::write(&meminfo, &later).unwrap();
        }
        Reply::Pass
    });
    start_download(&router);
    let error = error(&wait_phase(&router, Phase::Failed));
    assert_eq!(error.kind, Kind::Storage, "{error:?}");
    assert!(
        error
            .message
            .contains("larger than this router has room for"),
        "{error:?}"
    );
    nothing_left(&router);
    no_panic(&router);
}
