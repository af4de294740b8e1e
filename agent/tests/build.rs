//! The wait for a build, and the choice of the image in it.
#![allow(clippy::unwrap_used)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::{DeviceInfo, Phase, RequestBody};
use asu::error::{Error, Kind};
use asu::server::answers::{Finished, ImageFile};
use asu::server::{Client, Options};
use asu::upgrade::build::{choose_image, wait_for, Built, Pace};
use asu::upgrade::{Progress, Watcher};
use stand_in::{recorded, Reply, StandIn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Remembers what it is told.
#[derive(Default)]
struct Notes(Vec<Progress>);

impl Watcher for Notes {
    fn progress(&mut self, progress: Progress) {
        self.0.push(progress);
    }
}

fn hurry() -> Pace {
    let pause = Duration::from_millis(1);
    Pace {
        near: pause,
        far: pause,
        longest: pause,
        failures: 5,
        ..Pace::default()
    }
}

/// Answers one after the other, the last one for ever.
fn in_turn(replies: Vec<Reply>) -> StandIn {
    let asked = AtomicUsize::new(0);
    StandIn::new(move |request, _| {
        // Questions without a body are beside the row: this server does not know them.
        if request.method == "HEAD" {
            return Reply::json(405, "");
        }
        let before = asked.fetch_add(1, Ordering::SeqCst);
        replies[before.min(replies.len() - 1)].clone()
    })
}

fn wait(server: &StandIn, pace: &Pace) -> (Result<Finished, Error>, Vec<Progress>) {
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let mut notes = Notes::default();
    let finished = wait_for(&client, &RequestBody::default(), pace, &mut notes);
    (finished, notes.0)
}

#[test]
fn a_build_goes_through_its_phases() {
    let states = ["064", "067", "070", "075", "079"]
        .map(Reply::recorded)
        .to_vec();
    let server = in_turn(states);
    let (finished, told) = wait(&server, &hurry());
    assert_eq!(finished.unwrap().version_number, "24.10.2");
    let phases: Vec<_> = told
        .iter()
        .map(|progress| {
            (
                progress.phase.unwrap(),
                progress.detail.as_deref(),
                progress.queue_position,
            )
        })
        .collect();
    assert_eq!(
        phases,
        [
            (Phase::Requesting, None, None),
            (Phase::Queued, Some("queued"), Some(0)),
            (Phase::Queued, Some("queued"), Some(1)),
            (Phase::Building, Some("init"), None),
            (Phase::Building, Some("validate_manifest"), None),
        ]
    );
    let hash = recorded("064")["body"]["request_hash"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        server.lines()[..2],
        [
            "POST /api/v1/build".to_owned(),
            format!("GET /api/v1/build/{hash}")
        ]
    );
    assert_eq!(told[1].request_hash.as_deref(), Some(hash.as_str()));
}

#[test]
fn a_build_that_is_there_already_is_taken_at_once() {
    let server = in_turn(vec![Reply::recorded("079")]);
    let (finished, told) = wait(&server, &hurry());
    assert_eq!((server.lines().len(), told.len()), (1, 2));
    // Its name is told all the same.
    assert_eq!(told[1].request_hash, Some(finished.unwrap().request_hash));
    assert!(told[1].request_hash.as_ref().unwrap().len() > 60);
}

#[test]
fn states_that_nobody_has_heard_of_are_shown_as_they_are() {
    let odd = Reply::json(202, r#"{"detail":"meditating","request_hash":"613c"}"#);
    let (finished, told) = wait(&in_turn(vec![odd, Reply::recorded("079")]), &hurry());
    assert!(finished.is_ok());
    assert_eq!(
        (told[1].phase, told[1].detail.as_deref()),
        (Some(Phase::Building), Some("meditating"))
    );
}

#[test]
fn a_server_that_forgot_the_request_gets_it_once_more() {
    let server = in_turn(["064", "035", "064", "079"].map(Reply::recorded).to_vec());
    assert!(wait(&server, &hurry()).0.is_ok());
    let posts = server
        .lines()
        .iter()
        .filter(|line| line.starts_with("POST"))
        .count();
    assert_eq!(posts, 2);
    let server = in_turn(
        ["064", "035", "064", "035", "079"]
            .map(Reply::recorded)
            .to_vec(),
    );
    let error = wait(&server, &hurry()).0.unwrap_err();
    assert_eq!(error.kind, Kind::Server);
    assert!(error.message.contains("has forgotten"), "{error}");
}

#[test]
fn a_server_that_is_away_for_a_moment_is_waited_for() {
    let away = Reply::Raw(Vec::new());
    let busy = Reply::json(503, "{}");
    let mut replies = vec![
        Reply::recorded("064"),
        away.clone(),
        busy.clone(),
        away.clone(),
        busy.clone(),
        busy.clone(),
    ];
    replies.push(Reply::recorded("079"));
    assert!(
        wait(&in_turn(replies.clone()), &hurry()).0.is_ok(),
        "five times in a row"
    );
    replies.insert(1, away);
    assert_eq!(
        wait(&in_turn(replies), &hurry()).0.unwrap_err().kind,
        Kind::Overloaded,
        "six times"
    );
    let refused = in_turn(vec![busy, Reply::recorded("079")]);
    assert_eq!(
        wait(&refused, &hurry()).0.unwrap_err().kind,
        Kind::Overloaded,
        "the request itself is sent once"
    );
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_or_is_given_up() {
    let until = |seconds| Reply::with_headers(503, &[("Retry-After", seconds)], "{}");
    let [queued, built] = ["064", "079"].map(Reply::recorded);
    let began = Instant::now();
    let server = in_turn(vec![queued.clone(), until("1"), built.clone()]);
    wait(&server, &hurry()).0.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "not earlier");
    let server = in_turn(vec![queued, until("601"), built]);
    let error = wait(&server, &hurry()).0.unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded);
    assert_eq!(error.retry_after, Some(601));
    let asked = server.lines();
    assert!(
        !asked.iter().skip(2).any(|line| line.starts_with("GET")),
        "{asked:?}"
    );
}

/// What an answer with these headers says of the time until the next question.
fn left_alone(headers: &[(&str, &str)]) -> Option<u64> {
    let server = in_turn(vec![Reply::with_headers(503, headers, "{}")]);
    let error = wait(&server, &hurry()).0.unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded);
    error.retry_after
}

#[test]
fn a_server_may_say_by_date_how_long_it_wants_to_be_left_alone() {
    let retry = ("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT");
    // This machine's clock is years ahead of both dates.
    let date = ("Date", "Fri, 31 Dec 1999 23:54:58 GMT");
    assert_eq!(left_alone(&[date, retry]), Some(301));
    assert_eq!(left_alone(&[("date", retry.1), retry]), Some(0));
    let later = ("Date", "Sat, 01 Jan 2000 00:00:01 GMT");
    assert_eq!(left_alone(&[later, retry]), Some(0), "never less than none");
    assert_eq!(left_alone(&[retry]), Some(0), "by the router's clock");
    let far = ("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT");
    assert!(left_alone(&[far]).unwrap() > 1 << 32);
    assert_eq!(left_alone(&[("Retry-After", "soon"), date]), None);
}

#[test]
fn a_long_queue_costs_the_server_little() {
    let asked = AtomicUsize::new(0);
    let server = StandIn::new(move |request, _| match request.method.as_str() {
        "HEAD" => match asked.fetch_add(1, Ordering::SeqCst) {
            left @ ..20 => {
                let position = (20 - left).to_string();
                Reply::with_headers(202, &[("X-Queue-Position", &position)], "")
            }
            _ => Reply::with_headers(202, &[("X-Queue-Position", "0")], ""),
        },
        "POST" => Reply::json(
            202,
            r#"{"detail": "queued", "queue_position": 21, "request_hash": "613c"}"#,
        ),
        _ => Reply::recorded("079"),
    });
    let (finished, notes) = wait(&server, &hurry());
    assert!(finished.is_ok());
    let positions: Vec<_> = notes
        .iter()
        .filter_map(|note| note.queue_position)
        .collect();
    assert_eq!(positions, (1..=21).rev().collect::<Vec<_>>());
    assert!(notes
        .iter()
        .skip(1)
        .all(|note| note.phase == Some(Phase::Queued)));
    let lines = server.lines();
    let with_body = lines
        .iter()
        .filter(|line| !line.starts_with("HEAD"))
        .count();
    assert_eq!((with_body, lines.len()), (2, 23), "{lines:?}");
}

#[test]
fn a_build_that_fails_ends_the_wait() {
    let server = in_turn(["064", "070", "131"].map(Reply::recorded).to_vec());
    let error = wait(&server, &hurry()).0.unwrap_err();
    assert_eq!(error.kind, Kind::Build);
    assert!(!error.detail.is_empty());
}

#[test]
fn a_build_that_is_never_ready_is_given_up() {
    let server = in_turn(vec![Reply::recorded("064")]);
    let pace = Pace {
        patience: Duration::from_millis(20),
        ..hurry()
    };
    let error = wait(&server, &pace).0.unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded);
}

#[test]
fn a_state_without_a_hash_can_not_be_asked_about() {
    let server = in_turn(vec![Reply::json(202, r#"{"detail":"queued"}"#)]);
    assert_eq!(wait(&server, &hurry()).0.unwrap_err().kind, Kind::Server);
    let server = in_turn(vec![Reply::json(
        202,
        r#"{"detail":"queued","request_hash":"../x"}"#,
    )]);
    assert_eq!(wait(&server, &hurry()).0.unwrap_err().kind, Kind::Server);
    assert_eq!(server.lines().len(), 1);
}

fn finished(number: &str) -> Finished {
    let body = recorded(number)["body"].to_string();
    asu::json::from_text(body.as_bytes()).unwrap()
}

fn device(target: &str, rootfs: &str, boot: &str) -> DeviceInfo {
    DeviceInfo {
        target: target.to_owned(),
        rootfs_type: rootfs.to_owned(),
        boot: boot.to_owned(),
        ..DeviceInfo::default()
    }
}

#[test]
fn the_image_of_recorded_builds() {
    let name = |number, device: DeviceInfo| {
        Built::of(finished(number), &RequestBody::default(), &device)
            .unwrap()
            .image
            .name
    };
    let archer = name("079", device("ath79/generic", "squashfs", ""));
    assert!(
        archer.ends_with("tplink_archer-c7-v2-squashfs-sysupgrade.bin"),
        "{archer}"
    );
    let efi = name("101", device("x86/64", "squashfs", "efi"));
    assert!(efi.ends_with("squashfs-combined-efi.img.gz"), "{efi}");
    let bios = name("101", device("x86/64", "squashfs", "bios"));
    assert!(bios.ends_with("squashfs-combined.img.gz"), "{bios}");
    let ext4 = device("x86/64", "ext4", "efi");
    assert!(Built::of(finished("101"), &RequestBody::default(), &ext4).is_err());
    let wish = RequestBody {
        filesystem: Some("squashfs".to_owned()),
        ..RequestBody::default()
    };
    assert_eq!(
        Built::of(finished("101"), &wish, &ext4).unwrap().image.name,
        efi
    );
}

fn image(filesystem: &str, kind: &str) -> ImageFile {
    ImageFile {
        filesystem: Some(filesystem.to_owned()).filter(|name| !name.is_empty()),
        name: format!("openwrt-{filesystem}-{kind}.bin"),
        kind: kind.to_owned(),
        sha256: "0".repeat(64),
        ..ImageFile::default()
    }
}

#[test]
fn one_image_is_chosen_or_none() {
    let images = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(filesystem, kind)| image(filesystem, kind))
            .collect::<Vec<_>>()
    };
    type Case = (
        &'static [(&'static str, &'static str)],
        &'static str,
        &'static str,
        &'static str,
        Result<&'static str, &'static str>,
    );
    let cases: &[Case] = &[
        (
            &[
                ("squashfs", "factory"),
                ("squashfs", "sysupgrade"),
                ("squashfs", "nand-sysupgrade"),
            ],
            "squashfs",
            "a/b",
            "",
            Ok("sysupgrade"),
        ),
        (
            &[("squashfs", "factory"), ("squashfs", "nand-sysupgrade")],
            "squashfs",
            "a/b",
            "",
            Ok("nand-sysupgrade"),
        ),
        (
            &[("squashfs", "sdcard"), ("ext4", "sdcard")],
            "ext4",
            "a/b",
            "",
            Ok("sdcard"),
        ),
        (
            &[("initramfs", "kernel"), ("squashfs", "trx")],
            "squashfs",
            "a/b",
            "",
            Ok("trx"),
        ),
        (
            &[("", "sysupgrade")],
            "squashfs",
            "a/b",
            "",
            Ok("sysupgrade"),
        ),
        (
            &[("squashfs", "sdcard"), ("squashfs", "trx")],
            "squashfs",
            "a/b",
            "",
            Err("openwrt-squashfs-sdcard.bin, openwrt-squashfs-trx.bin"),
        ),
        (
            &[("squashfs", "sysupgrade"), ("squashfs", "sysupgrade")],
            "squashfs",
            "a/b",
            "",
            Err("several"),
        ),
        (
            &[("squashfs", "factory"), ("initramfs", "kernel")],
            "squashfs",
            "a/b",
            "",
            Err("no sysupgrade image"),
        ),
        (
            &[("ext4", "sysupgrade")],
            "squashfs",
            "a/b",
            "",
            Err("with squashfs"),
        ),
        (&[], "squashfs", "a/b", "", Err("it built nothing")),
        (
            &[
                ("squashfs", "combined"),
                ("squashfs", "combined-efi"),
                ("squashfs", "rootfs"),
            ],
            "squashfs",
            "x86/64",
            "efi",
            Ok("combined-efi"),
        ),
        (
            &[("squashfs", "combined"), ("squashfs", "combined-efi")],
            "squashfs",
            "armsr/armv8",
            "bios",
            Ok("combined-efi"),
        ),
        (
            &[("squashfs", "combined"), ("squashfs", "rootfs")],
            "squashfs",
            "armsr/armv8",
            "efi",
            Ok("combined"),
        ),
        (
            &[("squashfs", "combined-efi"), ("", "kernel")],
            "squashfs",
            "loongarch64/generic",
            "bios",
            Ok("combined-efi"),
        ),
        (
            &[
                ("ext4", "combined"),
                ("squashfs", "combined"),
                ("ext4", "combined-efi"),
            ],
            "ext4",
            "x86/64",
            "bios",
            Ok("combined"),
        ),
        (
            &[("squashfs", "combined-efi")],
            "squashfs",
            "x86/64",
            "bios",
            Err("no combined image"),
        ),
        (
            &[("squashfs", "combined"), ("ext4", "combined")],
            "",
            "x86/64",
            "bios",
            Err("openwrt-squashfs-combined.bin, openwrt-ext4-combined.bin"),
        ),
        (
            &[("squashfs", "combined")],
            "squashfs",
            "x86/64",
            "efi",
            Err("no combined-efi image"),
        ),
    ];
    for (list, rootfs, target, boot, expected) in cases {
        let images = images(list);
        match (choose_image(&images, rootfs, target, boot), expected) {
            (Ok(image), Ok(kind)) => assert_eq!(image.kind, *kind),
            (Err(error), Err(words)) => assert!(error.message.contains(words), "{error}"),
            (chosen, _) => panic!("{list:?}: {chosen:?}"),
        }
    }
}

#[test]
fn names_that_leave_their_folder_are_refused() {
    let built = |name: &str, bin_dir: &str, sha256: &str| {
        let mut chosen = image("squashfs", "sysupgrade");
        chosen.name = name.to_owned();
        chosen.sha256 = sha256.to_owned();
        let finished = Finished {
            images: vec![chosen],
            bin_dir: bin_dir.to_owned(),
            ..Finished::default()
        };
        Built::of(
            finished,
            &RequestBody::default(),
            &device("a/b", "squashfs", ""),
        )
    };
    let hash = "0".repeat(64);
    assert!(built("a.bin", "613c", &hash).is_ok());
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b.bin",
        "..",
        ".a",
        "",
        "a\0b",
        "a\nb",
    ] {
        let error = built(name, "613c", &hash).unwrap_err();
        assert_eq!(error.kind, Kind::Server);
        assert!(
            error.message.contains("has a file name that can't be"),
            "{error}"
        );
    }
    assert!(built("a.bin", "../613c", &hash).is_err());
    assert!(built("a.bin", "613c", "00").is_err());
    assert!(built("a.bin", "613c", &"x".repeat(64)).is_err());
}
