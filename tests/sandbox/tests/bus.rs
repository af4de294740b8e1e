//! The object on the bus: its arguments, its answers, its notifications.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Check, History, Info, PackageList, Phase, Verification, Versions};
use common::proxy::{Proxy, Reply};
use common::*;
use sandbox::{Device, Router};
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use ubus::{Bus, Incoming, Status};

/// Every method of the object (design section 3), with arguments that it takes.
fn methods() -> [(&'static str, Value); 11] {
    [
        ("packagelist", json!({"all": true})),
        ("info", json!({})),
        ("versions", json!({})),
        ("check", json!({"version": "24.10.2"})),
        ("start", json!({"goal": "download", "version": "24.10.2"})),
        ("status", json!({})),
        ("cancel", json!({})),
        ("verify", json!({"path": "/tmp/x"})),
        (
            "sysupgrade",
            json!({"path": "/tmp/x", "keep": true, "force": false}),
        ),
        ("clean", json!({})),
        ("history", json!({})),
    ]
}

fn status_of(router: &Router, method: &str, arguments: &Value) -> Status {
    match call::<Value>(router, method, arguments.clone()) {
        Ok(_) => Status::Ok,
        Err(ubus::Error::Status(status)) => status,
        Err(error) => panic!("{method} {arguments}: {error}"),
    }
}

#[test]
fn arguments_are_those_of_the_documentation() {
    let world = world();
    on_each_bus("arguments", |ubusd| {
        let router = router(&world.url(), ubusd);
        for (method, arguments) in methods() {
            // uhttpd adds this one to every call.
            let mut known = arguments.clone();
            known["ubus_rpc_session"] = json!("00000000000000000000000000000000");
            assert_eq!(status_of(&router, method, &known), Status::Ok, "{method}");
            let mut unknown = arguments.clone();
            unknown["vresion"] = json!("24.10.2");
            let refused = status_of(&router, method, &unknown);
            assert_eq!(refused, Status::InvalidArgument, "{method}");
            for (name, value) in arguments.as_object().unwrap() {
                let mut wrong = arguments.clone();
                wrong[name] = match value {
                    Value::String(_) => json!(true),
                    _ => json!("yes"),
                };
                let refused = status_of(&router, method, &wrong);
                assert_eq!(refused, Status::InvalidArgument, "{method} {name}");
            }
        }
        for wrong in [
            json!({}),
            json!({"goal": "updrade"}),
            json!({"goal": "upgrade", "add": [1]}),
        ] {
            let refused = status_of(&router, "start", &wrong);
            assert_eq!(refused, Status::InvalidArgument, "{wrong}");
        }
        let refused = status_of(&router, "verify", &json!({}));
        assert_eq!(refused, Status::InvalidArgument);
        let refused = status_of(&router, "upgarde", &json!({}));
        assert_eq!(refused, Status::MethodNotFound);
        no_panic(&router);
    });
}

#[test]
fn the_arguments_are_published() {
    let router = router("http://127.0.0.1:9", None);
    let mut bus = Bus::connect(&router.files().socket()).unwrap();
    let object = bus.lookup(OBJECT).unwrap().remove(0);
    for (method, arguments) in methods() {
        let found = object.methods.iter().find(|found| found.name == method);
        let found = found.unwrap_or_else(|| panic!("{method} is not published"));
        for name in arguments.as_object().unwrap().keys() {
            let published = found.arguments.iter().any(|(argument, _)| argument == name);
            assert!(published, "{method} {name}");
        }
    }
}

#[test]
fn the_packages_are_those_of_the_databases() {
    let apk = (
        include_str!("../router/apk/lib/apk/db/installed"),
        "P:",
        "V:",
    );
    let opkg = (
        include_str!("../router/opkg/usr/lib/opkg/status"),
        "Package: ",
        "Version: ",
    );
    for (device, (text, name, version)) in [(Device::ArcherC7, apk), (Device::ArcherC7Opkg, opkg)] {
        let router = router_of(device, "http://127.0.0.1:9", None);
        let all: PackageList = call(&router, "packagelist", json!({"all": true})).unwrap();
        let records: BTreeMap<&str, &str> = text
            .split("\n\n")
            .filter_map(|record| {
                let field = |prefix| record.lines().find_map(|line| line.strip_prefix(prefix));
                Some((field(name)?, field(version)?))
            })
            .collect();
        assert_eq!(all.packages.len(), records.len());
        for (name, version) in &all.packages {
            // The ABI suffix is part of the name in the database only.
            let found = records
                .iter()
                .any(|(full, there)| full.starts_with(name.as_str()) && there == version);
            assert!(found, "{name} {version}");
        }
        let chosen: PackageList = call(&router, "packagelist", json!({})).unwrap();
        assert!(chosen.packages.contains_key("luci"));
        assert!(chosen.packages.len() < all.packages.len());
        let kept = |(name, version): &(String, String)| all.packages.get(name) == Some(version);
        assert!(chosen.packages.iter().all(kept));
    }
}

#[test]
fn without_an_image_there_is_nothing_to_flash() {
    on_each_bus("sysupgrade without an image", |ubusd| {
        let router = router("http://127.0.0.1:9", ubusd);
        assert_eq!(
            status_of(&router, "sysupgrade", &json!({})),
            Status::NotFound
        );
        asu(&router, &["install", "--yes"]).refused(2, "no image in hand");
        let answer: Value = call(&router, "cancel", json!({})).unwrap();
        assert_eq!(answer["cancelled"], false);
        assert_eq!(router.procd().unwrap().state().boots, 0);
    });
}

#[test]
fn subscribers_are_told_four_times_a_second_and_of_the_end() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    on_each_bus("notifications", |ubusd| {
        let router = router(&proxy.url(), ubusd);
        start_download(&router);
        wait_phase(&router, Phase::Ready);
    });
    proxy.set(|request, server| match request.is_image() {
        true => Reply::Slow(server().bytes),
        false => Reply::Pass,
    });
    on_each_bus("notifications", |ubusd| {
        let router = router(&proxy.url(), ubusd);
        let mut bus = Bus::connect(&router.files().socket()).unwrap();
        bus.subscribe(OBJECT).unwrap();
        let began = Instant::now();
        start_download(&router);
        let mut told: Vec<asu::api::Status> = Vec::new();
        let over = |told: &[asu::api::Status]| {
            let job = told.last().and_then(|status| status.job.as_ref());
            job.is_some_and(|job| matches!(job.phase, Phase::Ready | Phase::Failed))
        };
        while !over(&told) {
            let incoming = bus
                .receive(PATIENCE)
                .unwrap()
                .expect("no last notification");
            if let Incoming::Notification(notification) = incoming {
                told.push(asu::json::from_bus(notification.data.as_bytes()).unwrap());
            }
        }
        // However slow this machine is, more time can only allow more of them.
        let most = began.elapsed().as_millis() / 250 + 2;
        assert!(
            u128::try_from(told.len()).unwrap() <= most,
            "{} > {most}",
            told.len()
        );
        assert!(told.len() > 3, "{}", told.len());
        // The last one is what status says from now on, and after it nobody is bothered.
        assert_eq!(told.last(), Some(&status(&router)));
        let more = bus.receive(Duration::from_millis(600)).unwrap();
        assert!(more.is_none(), "{more:?}");
    });
}

#[test]
fn what_can_be_asked_is_answered() {
    let world = world();
    on_each_bus("questions", |ubusd| {
        let router = router(&world.url(), ubusd);
        let info: Info = call(&router, "info", json!({})).unwrap();
        assert_eq!(info.agent.api, 1);
        assert_eq!(info.device.board_name, "tplink,archer-c7-v2");
        assert_eq!(info.device.profile, "tplink_archer-c7-v2");
        assert_eq!(
            (info.device.target.as_str(), info.device.arch.as_str()),
            ("ath79/generic", "mips_24kc")
        );
        assert_eq!(
            (info.running.version.as_str(), info.database.as_str()),
            ("24.10.0", "apk")
        );
        assert_eq!(info.servers, [world.url()]);
        assert_eq!(info.memory.available, 65536 * 1024);
        assert!(info.memory.tmp_free > 0);
        let versions: Versions = call(&router, "versions", json!({})).unwrap();
        assert_eq!(versions.running.version, "24.10.0");
        let branch = versions
            .branches
            .iter()
            .find(|branch| branch.name == "24.10")
            .unwrap();
        assert_eq!(branch.latest, "24.10.2");
        let history: History = call(&router, "history", json!({})).unwrap();
        assert!(history.upgrades.is_empty());
        let answer: Value = call(&router, "check", json!({"wait": false})).unwrap();
        assert_eq!(answer, json!({"running": true}));
        let done = |check: &Option<Check>| check.as_ref().is_some_and(|check| !check.running);
        let status = wait_status(&router, "checked", |status| done(&status.check));
        let plan = status.check.unwrap().plan.expect("no plan").read().unwrap();
        assert_eq!(
            (plan.running.version.as_str(), plan.target.version.as_str()),
            ("24.10.0", "24.10.2")
        );
        assert!(status
            .notice
            .is_some_and(|notice| notice.text.contains("24.10.2")));
    });
}

#[test]
fn a_database_that_cannot_be_read_is_an_error_and_no_empty_list() {
    let router = router("http://127.0.0.1:9", None);
    for (text, words) in [
        ("P:a\nV:1\n\nP:b\n\n", "damaged"),
        ("P:a\nV:1\n\nP:b\nV:2\n", "ends in the middle"),
    ] {
        std::fs::write(at(&router, "/lib/apk/db/installed"), text).unwrap();
        for arguments in [json!({}), json!({"all": true})] {
            // The call itself succeeds, and so it does with the plugin (tests/plugin-host).
            let answer: Value = call(&router, "packagelist", arguments).unwrap();
            assert_eq!(answer["error"]["kind"], "storage", "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(words), "{message}");
            assert_eq!(answer["packages"], Value::Null);
        }
    }
    no_panic(&router);
}

#[test]
fn an_image_is_verified_and_cleaned_away() {
    let world = world();
    let router = router(&world.url(), None);
    start_download(&router);
    let image = wait_phase(&router, Phase::Ready).image.unwrap();
    let verification: Verification = call(&router, "verify", json!({"path": image.path})).unwrap();
    assert!(verification.valid, "{verification:?}");
    let answer: Value = call(&router, "verify", json!({"path": "/tmp/none"})).unwrap();
    assert_eq!(answer["error"]["kind"], "storage", "{answer}");
    let answer: Value = call(&router, "clean", json!({})).unwrap();
    assert_eq!(answer, json!({}));
    let after = status(&router);
    assert!(after.job.is_none() && after.image.is_none(), "{after:?}");
    nothing_left(&router);
}

#[test]
fn a_file_takes_the_place_of_the_image_in_hand() {
    let world = world();
    let router = router(&world.url(), None);
    start_download(&router);
    let image = wait_phase(&router, Phase::Ready).image.unwrap();
    // A wrong name costs nothing.
    let answer: Value = call(&router, "sysupgrade", json!({"path": "/mnt/none"})).unwrap();
    assert_eq!(answer["error"]["kind"], "storage", "{answer}");
    assert_eq!(status(&router).image, Some(image.clone()));
    // A file that others might change is copied; of one that is refused no copy stays.
    let whole = std::fs::read(at(&router, &image.path)).unwrap();
    std::fs::create_dir(at(&router, "/mnt")).unwrap();
    let damaged = [&whole[..100], b"x", &whole[101..]].concat();
    std::fs::write(at(&router, "/mnt/damaged.bin"), damaged).unwrap();
    let answer: Value = call(&router, "sysupgrade", json!({"path": "/mnt/damaged.bin"})).unwrap();
    assert_eq!(answer["error"]["kind"], "image", "{answer}");
    assert_eq!(status(&router).image, None);
    nothing_left(&router);
    std::fs::write(at(&router, "/mnt/whole.bin"), whole).unwrap();
    let answer: Value = call(&router, "sysupgrade", json!({"path": "/mnt/whole.bin"})).unwrap();
    assert_eq!(answer["started"], true, "{answer}");
    assert_eq!(wait_upgraded(&router).result, asu::api::Outcome::Confirmed);
    no_panic(&router);
}
