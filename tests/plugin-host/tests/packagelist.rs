//! `packagelist`, called as rpcd calls it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::fs::File;

use common::{call, recorded, recorded_list, refused, router, start, Error, PackageList, Refused};
use packages::{Database, Files};
use plugin_host::generate::{databases, Databases, Oddity};
use plugin_host::{Host, Root};
use serde_json::json;

fn list(host: &mut Host, all: bool) -> PackageList {
    let answer = call(host, "packagelist", json!({ "all": all }));
    assert_eq!(answer.status, 0);
    ubus::from_blobmsg(&answer.data.unwrap()).unwrap()
}

#[test]
fn the_object_documents_its_methods() {
    let object = start(&router()).object().unwrap();
    assert_eq!(
        object,
        "attendedsysupgrade packagelist(all:7,) sysupgrade(keep:7,path:3,)"
    );
}

#[test]
fn the_recorded_router_as_rpc_sys_answered() {
    let apk = router();
    let opkg = Root::new().unwrap();
    opkg.write("/usr/lib/opkg/status", recorded("opkg-status"))
        .unwrap();
    for root in [apk, opkg] {
        let mut host = start(&root);
        assert_eq!(list(&mut host, true), recorded_list(true));
        assert_eq!(list(&mut host, false), recorded_list(false));
        // uhttpd adds the session to every call; no message at all is no argument.
        let session = json!({ "ubus_rpc_session": "0123456789abcdef0123456789abcdef" });
        let answer = call(&mut host, "packagelist", session);
        assert_eq!(answer, host.call("packagelist", None).unwrap());
        assert_eq!(
            answer,
            call(&mut host, "packagelist", json!({ "all": false }))
        );
    }
}

#[test]
fn arguments_that_are_not_understood_are_refused() {
    let root = router();
    let mut host = start(&root);
    for wrong in [
        json!({ "all": 1 }),
        json!({ "all": "true" }),
        json!({ "alll": true }),
        json!({ "all": true, "x": null }),
        json!({ "ubus_rpc_session": 1 }),
    ] {
        let answer = call(&mut host, "packagelist", wrong.clone());
        assert_eq!((answer.status, answer.data), (2, None), "{wrong}");
    }
    let twice = [ubus::to_blobmsg(&json!({ "all": true })).unwrap(); 1]
        .concat()
        .repeat(2);
    let whole = &twice[..twice.len() / 2];
    let cut = &whole[..whole.len() - 1];
    for wrong in [&twice[..], cut, b"\x83\xff\xff\xff", b"\0", &[0xff; 64]] {
        let answer = host.call("packagelist", Some(wrong)).unwrap();
        assert_eq!((answer.status, answer.data), (2, None), "{wrong:?}");
    }
}

#[test]
fn what_is_wrong_with_the_database_is_said() {
    let root = Root::new().unwrap();
    let mut host = start(&root);
    // The agent answers the same kind, with status 0 as well (tests/sandbox/tests/bus.rs).
    let mut check = |words: &str, detail: &str| {
        let answer = call(&mut host, "packagelist", json!({}));
        assert_eq!(answer.status, 0);
        let refused: Refused = ubus::from_blobmsg(&answer.data.unwrap()).unwrap();
        let Error { kind, message, .. } = refused.error;
        assert_eq!((refused.started, kind.as_str()), (None, "storage"));
        assert!(message.contains(words), "{message}");
        assert_eq!(refused.error.detail, detail);
    };
    let (installed, status) = ("/lib/apk/db/installed", "/usr/lib/opkg/status");
    check("No package database", installed);
    root.write(installed, "P:a\nV:1\n\n").unwrap();
    check("No package database", installed);
    root.write("/etc/apk/world", "a\n\x01\n").unwrap();
    check("damaged", "/etc/apk/world");
    root.write("/etc/apk/world", "a\n").unwrap();
    root.write(installed, "P:a\nV:1\n\nP:b\n").unwrap();
    check("damaged", installed);
    root.write(installed, "P:a\nV:1\n\nP:b\nV:2\n").unwrap();
    check("damaged", installed);
    root.write(installed, vec![b'x'; 10 << 20]).unwrap();
    check("damaged", installed);
    std::fs::remove_file(root.at(installed)).unwrap();
    root.write(status, "Package: a\nVersion: 1\n\n").unwrap();
    check("damaged", status);
    std::fs::create_dir(root.at(installed)).unwrap();
    check("can't be read", installed);
}

/// What the agent answers for the same files: the list as the map of names that crosses the bus.
fn as_the_agent(root: &Root, all: bool) -> Vec<u8> {
    let open = |database: Database| File::open(root.at(database.path())).ok();
    let installed = packages::read(Files {
        apk: open(Database::Apk),
        world: open(Database::World),
        opkg: open(Database::Opkg),
    })
    .unwrap();
    let packages: BTreeMap<String, String> = installed
        .packagelist(all)
        .unwrap()
        .into_iter()
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect();
    ubus::to_blobmsg(&PackageList { packages }).unwrap()
}

#[test]
fn as_the_agent_byte_for_byte_on_1000_generated_databases() {
    let root = Root::new().unwrap();
    let mut host = start(&root);
    let mut names = 0;
    for seed in 0..1000 {
        let packages = 1 + (seed as usize * 7) % 60;
        let Databases { apk, world, opkg } = databases(seed, packages, packages / 3, Oddity::Odd);
        if seed % 2 == 0 {
            root.write_apk(apk, world).unwrap();
        } else {
            std::fs::remove_file(root.at("/lib/apk/db/installed")).unwrap();
            root.write("/usr/lib/opkg/status", opkg).unwrap();
        }
        for all in [false, true] {
            let answer = call(&mut host, "packagelist", json!({ "all": all }));
            assert_eq!(answer.status, 0, "seed {seed}");
            let data = answer.data.unwrap();
            assert_eq!(data, as_the_agent(&root, all), "seed {seed}, all: {all}");
            names += ubus::from_blobmsg::<PackageList>(&data)
                .unwrap()
                .packages
                .len();
        }
    }
    assert!(
        names > 30_000,
        "the databases hold packages, and some are wanted: {names}"
    );
}

#[test]
fn ten_thousand_packages_fit_and_more_than_the_bus_takes_are_refused() {
    let root = Root::new().unwrap();
    let mut host = start(&root);
    let Databases { apk, world, .. } = databases(1, 10_000, 2_000, Oddity::Plain);
    root.write_apk(apk, world).unwrap();
    let count = list(&mut host, true).packages.len();
    assert_eq!(count, 10_000);
    assert_eq!(list(&mut host, false).packages.len(), 2_000);
    let Databases { apk, world, .. } = databases(1, 30_000, 2_000, Oddity::Plain);
    root.write_apk(apk, world).unwrap();
    let answer = call(&mut host, "packagelist", json!({ "all": true }));
    let (status, kind, message) = refused(&answer);
    assert_eq!((status, kind.as_str()), (0, "storage"));
    assert!(message.contains("too large"), "{message}");
    assert_eq!(list(&mut host, false).packages.len(), 2_000);
}
