//! Only what can be trusted gets flashed: signed and unsigned images of a whole upgrade, files beside
//! them, servers that rebuild them, and releases that are older than what ran.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{CheckResult, Image, ImageCheck, Outcome, Phase, Plan, Release, Status, Verdict};
use asu::error::Kind;
use common::faults::error;
use common::proxy::{self, Proxy, Reply};
use common::*;
use mini_imagebuilder::signing::Key;
use sandbox::{Knobs, Router, World};
use serde_json::{json, Value};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

const POLICIES: [&str; 3] = ["off", "warn", "require"];
const DAY: i64 = 24 * 60 * 60;

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// What routers trust.
fn ca() -> Key {
    Key::from_seed(11)
}

/// The ImageBuilder's.
fn build_key() -> Key {
    Key::from_seed(12)
}

/// A world that signs with `key`, whose certificate says that it is [`build_key`], good from `from` to
/// `until` (seconds from now).
fn signing_world(key: Key, from: i64, until: i64) -> World {
    let chain = ca().vouch(&build_key(), now() + from, now() + until);
    World::start(&Knobs {
        signing: Some((key, chain)),
        ..Knobs::default()
    })
    .unwrap()
}

/// One whose images are good.
fn good_world() -> World {
    signing_world(build_key(), -DAY, DAY)
}

/// Writes the router's settings: a server, what rebuilds its images, options.
fn configure(router: &Router, server: &str, rebuilders: &[&str], options: &[(&str, &str)]) {
    let others = rebuilders
        .iter()
        .map(|url| format!("\tlist rebuilder '{url}'\n"));
    let server = format!(
        "config server\n\toption url '{server}'\n{}",
        others.collect::<String>()
    );
    let file = at(router, "/etc/config/attendedsysupgrade");
    fs::write(file, server + &agent_settings(options)).unwrap();
}

fn trust(router: &Router, folder: &str, key: &Key) {
    let folder = at(router, folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(key.fingerprint()), key.public_file()).unwrap();
}

fn forget_keys(router: &Router) {
    for folder in ["/etc/opkg/keys", "/etc/attended-sysupgrade/keys"] {
        let folder = at(router, folder);
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

/// A download to its end, good or bad.
fn download(router: &Router) -> Status {
    let id = start_download(router);
    wait_status(router, "at its end", |status| {
        let job = status.job.as_ref();
        job.is_some_and(|job| {
            job.id == id && matches!(job.phase, Phase::Ready | Phase::Failed | Phase::Cancelled)
        })
    })
}

fn check<'a>(image: &'a Image, name: &str) -> &'a ImageCheck {
    let mut checks = image.checks.iter();
    checks.find(|check| check.name == name).unwrap()
}

/// What came of a check of a downloaded image: its result, or the kind of the error.
fn outcome(status: &Status, name: &str) -> Judgement {
    match &status.image {
        Some(image) => Ok(check(image, name).result),
        None => Err(error(status).kind),
    }
}

#[test]
fn each_policy_has_its_way_with_each_signature() {
    use CheckResult::{Pass, Skipped, Warning};
    let (signed, unsigned) = (good_world(), world());
    let expired = signing_world(build_key(), -2 * DAY, -DAY);
    let forged = signing_world(Key::from_seed(13), -DAY, DAY);
    let bad = Kind::Signature;
    let waived = [Ok(Skipped), Ok(Warning), Err(bad)];
    let router = router(&unsigned.url(), None);
    let judge = |what: &str, url: &str, expected: [Judgement; 3]| {
        for (policy, expected) in POLICIES.into_iter().zip(expected) {
            configure(&router, url, &[], &[("signature", policy)]);
            let status = download(&router);
            assert_eq!(outcome(&status, "signature"), expected, "{what}, {policy}");
            if expected.is_err() {
                nothing_left(&router);
            }
        }
    };
    judge("absent", &unsigned.url(), waived);
    judge("unknown key", &signed.url(), waived);
    trust(&router, "/etc/opkg/keys", &ca());
    judge("good", &signed.url(), [Ok(Pass); 3]);
    judge("expired", &expired.url(), waived);
    judge("forged", &forged.url(), [Err(bad); 3]);
    let revoked = at(&router, "/etc/opkg/keys").join(build_key().fingerprint());
    symlink(".revoked.", revoked).unwrap();
    judge("revoked", &signed.url(), [Err(bad); 3]);
    forget_keys(&router);
    trust(&router, "/etc/attended-sysupgrade/keys", &ca());
    judge("good by a key of ours", &signed.url(), [Ok(Pass); 3]);
    no_panic(&router);
}

#[test]
fn a_router_that_requires_signatures_upgrades_itself_with_one() {
    let world = good_world();
    let router = router(&world.url(), None);
    configure(&router, &world.url(), &[], &[("signature", "require")]);
    asu(&router, &["upgrade", "--yes"]).refused(5, "does not know");
    trust(&router, "/etc/opkg/keys", &ca());
    let ended = asu(&router, &["upgrade", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
    nothing_left(&router);
}

#[test]
fn an_upgrade_says_that_nobody_signed_its_image() {
    let world = world();
    let router = router(&world.url(), None);
    let ended = asu(&router, &["upgrade", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.contains("WARNING  The image is not signed."),
        "{ended:?}"
    );
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
}

/// The file of a downloaded image, under a name of the owner's.
fn saved(router: &Router, name: &str) {
    let image = status(router).image.unwrap();
    fs::copy(at(router, &image.path), at(router, name)).unwrap();
}

#[test]
fn a_file_is_judged_like_a_download_and_after_a_change_of_the_options_anew() {
    let world = good_world();
    let router = router(&world.url(), None);
    download(&router);
    saved(&router, "/tmp/image.bin");
    let file = ["verify", "/tmp/image.bin"];
    let ended = asu(&router, &file);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("mind the warnings"), "{ended:?}");
    configure(&router, &world.url(), &[], &[("signature", "require")]);
    let ended = asu(&router, &file);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stdout.contains("signature   FAIL"), "{ended:?}");
    // The image in hand was verified under another option. Force does not help.
    for arguments in [
        &["install", "--yes", "--force"][..],
        &["install", "--yes", "--force", "/tmp/image.bin"],
    ] {
        asu(&router, arguments).refused(5, "requires a good signature");
        assert_eq!(router.procd().unwrap().state().boots, 0);
    }
    trust(&router, "/etc/opkg/keys", &ca());
    let ended = asu(&router, &file);
    assert!(ended.stdout.contains("The image is good."), "{ended:?}");
    let ended = asu(&router, &["install", "--yes", "/tmp/image.bin"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
}

#[test]
fn an_image_in_hand_does_not_outlive_the_trust_in_its_key() {
    let world = good_world();
    let router = router(&world.url(), None);
    trust(&router, "/etc/opkg/keys", &ca());
    assert_eq!(
        outcome(&download(&router), "signature"),
        Ok(CheckResult::Pass)
    );
    let revoked = at(&router, "/etc/attended-sysupgrade/keys").join(build_key().fingerprint());
    fs::create_dir_all(revoked.parent().unwrap()).unwrap();
    symlink(".revoked.", revoked).unwrap();
    for _ in 0..2 {
        asu(&router, &["install", "--yes", "--force"]).refused(5, "revoked");
        let image = status(&router).image.unwrap();
        assert_eq!(check(&image, "signature").result, CheckResult::Fail);
    }
    assert_eq!(router.procd().unwrap().state().boots, 0);
    no_panic(&router);
}

/// The keys of a server that signs beside its images.
fn server_key() -> Key {
    Key::from_seed(21)
}

/// The result of a check, or the kind of error that ended the job.
type Judgement = Result<CheckResult, Kind>;

type Alter = fn(&str, String) -> Option<String>;

/// Serves a chain beside the images, as `alter` leaves each file of it: its name and its text.
fn offer_chain(proxy: &Proxy, alter: Alter) {
    let (server, worker) = (server_key(), Key::from_seed(22));
    let sums = Mutex::new(String::new());
    proxy.set(move |request, reply| {
        if !request.is_beside() {
            return Reply::Pass;
        }
        let name = request.line.rsplit('/').next().unwrap_or_default();
        let text = match name {
            "worker.pub" => worker.public_file(),
            "worker.pub.sig" => server.sign(worker.public_file().as_bytes()),
            // The ImageBuilder's own.
            "sha256sums" => {
                let text = String::from_utf8(reply().body().to_vec()).unwrap();
                sums.lock().unwrap().clone_from(&text);
                text
            }
            // It is asked for last.
            _ => worker.sign(sums.lock().unwrap().as_bytes()),
        };
        match alter(name, text) {
            Some(text) => Reply::text(200, "application/octet-stream", &text),
            None => Reply::text(404, "application/json", "{}"),
        }
    });
}

#[test]
fn the_files_beside_an_unsigned_image_vouch_for_it() {
    use CheckResult::{Pass, Warning};
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = router(&proxy.url(), None);
    trust(&router, "/etc/attended-sysupgrade/keys", &server_key());
    let bad = [Err(Kind::Signature); 2];
    let cases: [(&str, Alter, [Judgement; 2]); 9] = [
        ("whole", |_, text| Some(text), [Ok(Pass); 2]),
        ("none", |_, _| None, [Ok(Warning), Err(Kind::Signature)]),
        (
            "signed in another way",
            |name, text| (name == "sha256sums.sig").then_some(text),
            [Ok(Warning), Err(Kind::Signature)],
        ),
        (
            "without its end",
            |name, text| (name != "sha256sums.sig").then_some(text),
            bad,
        ),
        (
            "another worker",
            |name, text| {
                let other = Key::from_seed(23).public_file();
                Some(if name == "worker.pub" { other } else { text })
            },
            bad,
        ),
        (
            "other sums",
            |name, text| {
                let other = text.replace("sysupgrade", "factory");
                Some(if name == "sha256sums" { other } else { text })
            },
            bad,
        ),
        ("endless", |_, text| Some(text.repeat(5000)), bad),
        ("empty", |_, _| Some(String::new()), bad),
        (
            "no text",
            |_, _| Some("\u{0}\u{1}\u{fffd}\"\\".repeat(100)),
            bad,
        ),
    ];
    for (what, alter, expected) in cases {
        offer_chain(&proxy, alter);
        for (policy, expected) in ["warn", "require"].into_iter().zip(expected) {
            configure(&router, &proxy.url(), &[], &[("signature", policy)]);
            let status = download(&router);
            assert_eq!(outcome(&status, "signature"), expected, "{what}, {policy}");
        }
    }
    let asked = |part: &str| {
        proxy
            .lines()
            .iter()
            .filter(|line| line.ends_with(part))
            .count()
    };
    let before = asked("/worker.pub");
    configure(&router, &proxy.url(), &[], &[("signature", "off")]);
    download(&router);
    assert_eq!(asked("/worker.pub"), before, "nobody needs to know");
    no_panic(&router);
}

/// A server's answer with something else in place of its images' sums.
fn with_sum(server: &dyn Fn() -> proxy::Response, sum: Value) -> Reply {
    let response = server();
    if response.status() != 200 {
        return Reply::Raw(response.bytes);
    }
    let mut build = response.json();
    for image in build["images"].as_array_mut().unwrap() {
        image["sha256_unsigned"] = sum.clone();
    }
    Reply::json(200, &build)
}

/// The option that makes so many of them necessary.
fn needed(count: &str) -> [(&str, &str); 1] {
    [("rebuilders_required", count)]
}

/// A world, another one that makes images of the same content (their sums without the signature are
/// equal), a router of the first, and a proxy before the second.
fn with_rebuilder() -> (World, World, Router, Proxy) {
    let (world, second) = (good_world(), world());
    let router = router(&world.url(), None);
    let proxy = Proxy::before(&second.url());
    (world, second, router, proxy)
}

/// Each is asked by a router that signs for nothing, with and without the others' consent needed.
#[test]
fn rebuilders_that_lie_fail_or_lead_astray() {
    use CheckResult::{Skipped, Warning};
    type Lie = fn(&proxy::Request, &dyn Fn() -> proxy::Response) -> Reply;
    let (world, _second, router, proxy) = with_rebuilder();
    let cases: [(&str, Lie, CheckResult, &str); 9] = [
        (
            "another sum",
            |_, server| with_sum(server, json!("0".repeat(64))),
            Warning,
            "came to another image",
        ),
        (
            "half a sum",
            |_, server| with_sum(server, json!("0".repeat(32))),
            Skipped,
            "SHA-256 is none",
        ),
        (
            "no sum",
            |_, server| with_sum(server, Value::Null),
            Skipped,
            "does not say",
        ),
        (
            "a number for a sum",
            |_, server| with_sum(server, json!(1)),
            Skipped,
            "understood",
        ),
        (
            "control characters",
            |_, server| with_sum(server, json!("\u{1b}[2J\u{202e}")),
            Skipped,
            "SHA-256 is none",
        ),
        (
            "a huge answer",
            |_, _| {
                let head =
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"detail\": \"";
                Reply::Endless(head.to_vec(), vec![b'a'; 65536])
            },
            Skipped,
            "was not read",
        ),
        (
            "to itself, for ever",
            |request, _| {
                let place = request.line.split(' ').nth(1).unwrap_or("/");
                let head =
                    format!("HTTP/1.1 308 Moved\r\nConnection: close\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
                Reply::Raw(head.into_bytes())
            },
            Skipped,
            "from one address to the next",
        ),
        (
            "refuses",
            |_, _| Reply::json(500, &json!({"detail": "Error: no"})),
            Skipped,
            "500",
        ),
        (
            "closes the door",
            |_, _| Reply::Raw(Vec::new()),
            Skipped,
            "can't be reached",
        ),
    ];
    for (what, lie, expected, words) in cases {
        proxy.set(lie);
        let url = proxy.url();
        configure(&router, &world.url(), &[&url], &[]);
        let status = download(&router);
        let image = status
            .image
            .unwrap_or_else(|| panic!("{what}: {:?}", status.job));
        let check = check(&image, "rebuilders");
        assert_eq!(check.result, expected, "{what}: {check:?}");
        assert!(check.detail.contains(words), "{what}: {check:?}");
        assert!(!check.detail.contains(['\u{1b}', '\u{202e}']), "{check:?}");
        assert!(check.detail.ends_with(['.', '?']) && !check.detail.ends_with("?."));
        configure(&router, &world.url(), &[&url], &needed("1"));
        let status = download(&router);
        assert_eq!(error(&status).kind, Kind::Signature, "{what}");
        assert!(error(&status).message.contains("0 of 1"), "{what}");
        nothing_left(&router);
    }
    proxy.pass();
    let status = download(&router);
    assert_eq!(outcome(&status, "rebuilders"), Ok(CheckResult::Pass));
    no_panic(&router);
}

/// What counts is that it agrees, not that it has time for us at once.
#[test]
fn a_rebuilder_that_is_busy_is_asked_again() {
    let (world, _second, router, busy) = with_rebuilder();
    let url = busy.url();
    let refused = AtomicBool::new(false);
    busy.set(
        move |request, _| match request.is_build() && !refused.swap(true, Ordering::SeqCst) {
            true => Reply::json(503, &json!({})),
            false => Reply::Pass,
        },
    );
    configure(&router, &world.url(), &[&url], &needed("1"));
    let status = download(&router);
    assert_eq!(outcome(&status, "rebuilders"), Ok(CheckResult::Pass));
    let asked = busy.requests();
    assert_eq!(asked.iter().filter(|request| request.is_build()).count(), 2);
}

#[test]
fn a_rebuilder_that_hangs_holds_up_nobody_who_has_enough_and_no_cancel() {
    let (world, second, router, hanging) = with_rebuilder();
    hanging.set(|_, _| Reply::Hold);
    let (hung, good) = (hanging.url(), second.url());
    configure(&router, &world.url(), &[&hung, &good], &needed("1"));
    let status = download(&router);
    assert_eq!(outcome(&status, "rebuilders"), Ok(CheckResult::Pass));
    let image = status.image.unwrap();
    let detail = &check(&image, "rebuilders").detail;
    assert!(
        detail.starts_with("1 of 2 ") && detail.contains("not answered yet"),
        "{detail}"
    );
    // With both needed it waits, until somebody has enough of it.
    configure(&router, &world.url(), &[&hung, &good], &needed("2"));
    start_download(&router);
    wait_status(&router, "waiting for the rebuilders", |status| {
        let job = status.job.as_ref();
        job.is_some_and(|job| job.detail.contains("other servers"))
    });
    let answer: Value = call(&router, "cancel", json!({})).unwrap();
    assert_eq!(answer["cancelled"], true);
    wait_phase(&router, Phase::Cancelled);
    nothing_left(&router);
    // More than there are can never be had: nothing is asked for.
    let before = hanging.lines().len();
    configure(&router, &world.url(), &[&hung], &needed("2"));
    let status = download(&router);
    assert_eq!(error(&status).kind, Kind::Usage);
    assert!(error(&status).message.contains("rebuilders_required is 2"));
    assert_eq!(hanging.lines().len(), before);
    // The server is no second opinion on itself.
    let server = world.url();
    configure(&router, &server, &[&server], &needed("1"));
    assert_eq!(error(&download(&router)).kind, Kind::Usage);
    no_panic(&router);
}

fn newest(router: &Router) -> Release {
    let file = at(router, "/etc/attended-sysupgrade/newest.json");
    asu::json::from_text(&fs::read(file).unwrap()).unwrap()
}

fn restart(router: &Router) {
    let pid = daemon(router);
    kill_9(pid);
    let again = until(|| (daemon(router) != pid).then_some(()));
    assert!(again.is_some());
    router.wait_for(OBJECT, PATIENCE).unwrap();
}

#[test]
fn an_older_release_needs_force_even_if_it_is_newer_than_what_runs() {
    let world = world();
    let router = router(&world.url(), None);
    assert_eq!(newest(&router).version, "24.10.0");
    download(&router);
    saved(&router, "/tmp/image.bin");
    // The router fell back to an older system.
    let file = at(&router, "/etc/attended-sysupgrade/newest.json");
    fs::write(
        &file,
        r#"{"version": "25.12.0", "revision": "r32000-0123456789"}"#,
    )
    .unwrap();
    restart(&router);
    assert_eq!(newest(&router).version, "25.12.0");
    let plan: Plan = call(&router, "check", json!({})).unwrap();
    assert_eq!(plan.verdict, Verdict::Downgrade, "{plan:?}");
    assert!(
        plan.notes.iter().any(|note| note.contains("25.12.0")),
        "{:?}",
        plan.notes
    );
    start_download(&router);
    let refused = error(&wait_phase(&router, Phase::Failed));
    assert_eq!(refused.kind, Kind::Usage);
    assert!(refused.message.contains("Use force"), "{refused:?}");
    asu(&router, &["upgrade", "--yes"]).refused(2, "--force");
    asu(&router, &["install", "--yes", "/tmp/image.bin"]).refused(5, "older than 25.12.0");
    let ended = asu(&router, &["install", "--yes", "--force", "/tmp/image.bin"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).to.version, "24.10.2");
    // That was the owner's will, and he is not asked again.
    assert_eq!(newest(&router).version, "24.10.2");
    let plan: Plan = call(&router, "check", json!({})).unwrap();
    assert_eq!(plan.verdict, Verdict::Current, "{plan:?}");
    // A record of which half is missing is none.
    fs::write(&file, r#"{"version": "25.1"#).unwrap();
    restart(&router);
    assert_eq!(newest(&router).version, "24.10.2");
    assert!(log(&router).contains("newest.damaged"), "{}", log(&router));
}
