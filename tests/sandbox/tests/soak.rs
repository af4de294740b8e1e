//! One job after the other, in the ways that jobs end: the daemon stays as it was.
//!
//! `ASU_SOAK=1000` says how many (60 where nobody says).
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::Phase;
use common::proxy::{Proxy, Reply};
use common::*;
use sandbox::Router;
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::fs;

/// Before the daemon is measured for the first time: its allocator has seen each kind of job.
const WARM: u32 = 40;
/// What the allocator may still move; a leak of 150 bytes in each of 1,000 jobs is more.
const GROWTH_KIB: u64 = 128;

/// What of the daemon could grow.
#[derive(Debug, Eq, PartialEq)]
struct Holdings {
    fds: usize,
    threads: usize,
    files: BTreeSet<String>,
}

fn holdings(router: &Router, pid: i32) -> Holdings {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let mut files = BTreeSet::new();
    for folder in [
        "/tmp",
        "/tmp/attended-sysupgrade",
        "/etc/attended-sysupgrade",
    ] {
        files.extend(
            list(&at(router, folder))
                .into_iter()
                .map(|name| format!("{folder}/{name}")),
        );
    }
    Holdings {
        fds: count("fd"),
        threads: count("task"),
        files,
    }
}

fn rss_anon_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// One job, which ends in the way that its number says.
fn cycle(router: &Router, proxy: &Proxy, number: u32) {
    match number % 4 {
        // The image is there at once, since it was built before.
        0 | 1 => {
            proxy.pass();
            start_download(router);
            wait_phase(router, Phase::Ready);
        }
        2 => {
            proxy.set(|_, _| Reply::json(400, &json!({"detail": "Unsupported version"})));
            start_download(router);
            wait_phase(router, Phase::Failed);
        }
        _ => {
            proxy.set(|_, _| Reply::Hold);
            start_download(router);
            if number % 8 == 3 {
                kill_9(job_child(router));
                wait_phase(router, Phase::Failed);
            } else {
                let answer: Value = call(router, "cancel", json!({})).unwrap();
                assert_eq!(answer["cancelled"], true);
            }
        }
    }
    let _: Value = call(router, "clean", json!({})).unwrap();
}

#[test]
fn a_daemon_after_many_jobs_is_as_before() {
    let cycles = std::env::var("ASU_SOAK").map_or(60, |cycles| cycles.parse().unwrap());
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = router(&proxy.url(), None);
    let pid = daemon(&router);
    (0..WARM).for_each(|number| cycle(&router, &proxy, number));
    let (before, memory) = (holdings(&router, pid), rss_anon_kib(pid));
    for number in 0..cycles {
        cycle(&router, &proxy, WARM + number);
        nothing_left(&router);
        if number % 100 == 99 {
            println!("{} jobs: {} KiB", number + 1, rss_anon_kib(pid));
        }
    }
    // What the last job had is gone as soon as the daemon has heard of its end.
    let settled = until(|| (holdings(&router, pid) == before).then_some(()));
    assert!(
        settled.is_some(),
        "{before:?}\n{:?}",
        holdings(&router, pid)
    );
    let now = rss_anon_kib(pid);
    println!("{cycles} jobs: RssAnon {memory} KiB, then {now} KiB; {before:?}");
    assert!(now <= memory + GROWTH_KIB, "{memory} KiB, then {now} KiB");
    assert_eq!(daemon(&router), pid);
    no_panic(&router);
}
