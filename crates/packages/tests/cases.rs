//! What users of today's tools lost packages by, case by case.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{apk, in_pieces, list, opkg};
use packages::{Database, Error, Files};

/// Every package and the wanted ones of an apk router.
fn lists(installed: impl AsRef<[u8]>, world: impl AsRef<[u8]>) -> (String, String) {
    let set = apk(installed, world).unwrap();
    (list(&set, true), list(&set, false))
}

#[test]
fn lines_of_256_and_515_bytes_and_their_neighbours() {
    for len in [
        254, 255, 256, 257, 511, 512, 513, 514, 515, 516, 517, 4096, 65_536, 1_000_000,
    ] {
        // The description, whose overlong rest may look like a field, a record's end, or both.
        for fill in ["x", "P:", "V:1\r", " "] {
            let long = &fill.repeat(len)[..len - 2];
            let db = format!(
                "P:wpad1\nV:2\nT:{long}\ng:openwrt:section=net openwrt:abiversion=1\n\nP:luci\nV:3\n\n"
            );
            let expected = ("luci=3 wpad=2".into(), "wpad=2".into());
            assert_eq!(lists(&db, "wpad\n"), expected, "{len} {fill:?}");
            let status = format!(
                "Package: wpad\nVersion: 2\nConflicts: {long}\nStatus: install user installed\n\n"
            );
            assert_eq!(
                list(&opkg(status).unwrap(), false),
                "wpad=2",
                "{len} {fill:?}"
            );
        }
    }
}

#[test]
fn a_needed_field_that_is_too_long_is_an_error_and_no_lost_package() {
    let long = "x".repeat(100_000);
    for field in ["P", "V", "D", "p", "g"] {
        let db = format!("P:a\nV:1\n\nP:b\nV:2\n{field}:{long}\n\n");
        assert_eq!(
            apk(&db, "").err(),
            Some(Error::TooLong(Database::Apk, 6)),
            "{field}"
        );
    }
    for field in ["Package", "Version", "Status", "Depends", "Auto-Installed"] {
        let status = format!("{field}: {long}\nStatus: install user installed\n\n");
        assert_eq!(
            opkg(status).err(),
            Some(Error::TooLong(Database::Opkg, 1)),
            "{field}"
        );
    }
    assert_eq!(
        apk("P:a\nV:1\n", long).err(),
        Some(Error::TooLong(Database::World, 1))
    );
    let name = "n".repeat(256);
    assert_eq!(
        apk(format!("P:{name}\nV:1\n"), "").err(),
        Some(Error::TooLong(Database::Apk, 1))
    );
}

#[test]
fn world_with_and_without_abi_suffix() {
    let db = "P:libustream-ssl20201210\nV:1\ng:openwrt:abiversion=20201210\n\n\
              P:libsqlite3-0\nV:3\ng:openwrt:section=libs openwrt:abiversion=-0\n\n";
    let both = "libsqlite3=3 libustream-ssl=1";
    for world in [
        "libustream-ssl\nlibsqlite3\n",
        "libustream-ssl20201210\nlibsqlite3-0\n",
        "libustream-ssl\nlibustream-ssl20201210\nlibsqlite3-0\n",
    ] {
        assert_eq!(lists(db, world), (both.into(), both.into()), "{world}");
    }
    assert_eq!(
        lists(db, "libustream\nlibustream-ssl2020\nlibsqlite\n").1,
        ""
    );
}

#[test]
fn world_with_tags_constraints_and_conflicts() {
    let db = "P:a\nV:1\n\nP:b\nV:1\n\nP:c\nV:1\n\nP:d\nV:1\n\nP:e\nV:1\n\nP:f\nV:1\n\nP:g\nV:1\n\n";
    let world = "a@edge\nb=1\nc~1\nd<2\ne>0\n!f\ng@edge>=1\n";
    assert_eq!(lists(db, world).1, "a=1 b=1 c=1 d=1 e=1 g=1");
    assert_eq!(
        lists(db, "a b\tc  \r\n\nd").1,
        "a=1 b=1 c=1 d=1",
        "as apk takes any white space"
    );
}

#[test]
fn a_virtual_package_stands_for_what_it_holds_together() {
    let db = "P:.extra-deps\nV:20261120.1200\nD:nano>=8 tcpdump !ppp\n\n\
              P:nano\nV:8.2\n\nP:tcpdump\nV:4\n\nP:libpcap1\nV:1\ng:openwrt:abiversion=1\n\n\
              P:ppp\nV:2\n\n";
    let all = "libpcap=1 nano=8.2 ppp=2 tcpdump=4".to_owned();
    assert_eq!(
        lists(db, ".extra-deps><Q1abcd=\n"),
        (all, "nano=8.2 tcpdump=4".into())
    );
}

#[test]
fn a_name_in_world_that_is_only_provided_keeps_its_provider() {
    let db = "P:wpad-mesh-mbedtls\nV:2\np:wpad-any hostapd=2 wpad\n\n\
              P:dnsmasq\nV:1\n\nP:dnsmasq-full\nV:3\np:dnsmasq=1\n\n";
    // Where a package bears the name, that package was meant, and nobody who provides it too.
    assert_eq!(
        lists(db, "wpad\ndnsmasq\n").1,
        "dnsmasq=1 wpad-mesh-mbedtls=2"
    );
    assert_eq!(lists(db, "hostapd>=1\n").1, "wpad-mesh-mbedtls=2");
    assert_eq!(lists(db, "!wpad\n").1, "");
}

#[test]
fn provides_with_versions() {
    let set = apk("P:a1\nV:1\np:a=1 cmd:a=1-r0 so:liba.so.1=1.0 b~2\n", "").unwrap();
    let found: Vec<_> = set
        .packages()
        .flat_map(|p| p.provides())
        .map(|p| p.name)
        .collect();
    assert_eq!(found, ["a", "cmd:a", "so:liba.so.1", "b"]);
    let set =
        opkg("Package: a\nVersion: 1\nProvides: b (= 2), c\nStatus: x y installed\n").unwrap();
    let package = set.packages().next().unwrap();
    let found: Vec<_> = package.provides().map(|p| (p.name, p.version)).collect();
    assert_eq!(found, [("b", "2"), ("c", "")]);
    assert!(package.answers_to("a") && package.answers_to("c") && !package.answers_to("d"));
}

#[test]
fn opkg_counts_what_is_installed() {
    let record = |name: &str, state: &str| {
        format!("Package: {name}\nVersion: 1\nStatus: {state}\nArchitecture: all\n\n")
    };
    let status = [
        ("libustream-openssl", "unknown ok not-installed"),
        ("half", "install user half-installed"),
        ("conf", "deinstall ok config-files"),
        ("failed", "install user post-inst-failed"),
        ("libustream-mbedtls", "install user installed"),
        ("going", "deinstall ok installed"),
        ("held", "install hold,user installed"),
        ("fresh", "install user unpacked"),
    ]
    .map(|(name, state)| record(name, state))
    .concat();
    let set = opkg(status).unwrap();
    assert_eq!(
        list(&set, true),
        "fresh=1 going=1 held=1 libustream-mbedtls=1"
    );
}

#[test]
fn opkg_names_what_was_not_auto_installed() {
    let status = "Package: luci\nVersion: 1\nStatus: install user installed\n\n\
                  Package: libubox1\nVersion: 2\nABIVersion: 1\nStatus: install ok installed\nAuto-Installed: yes\n\n\
                  Package: nano\nVersion: 3\nStatus: install user installed\nAuto-Installed: no\n\n";
    let set = opkg(status).unwrap();
    assert_eq!(list(&set, true), "libubox=2 luci=1 nano=3");
    assert_eq!(list(&set, false), "luci=1 nano=3");
}

#[test]
fn an_old_record_of_a_package_does_not_hide_the_new_one() {
    let status = "Package: a\nVersion: 2\nStatus: install user installed\n\n\
                  Package: a\nStatus: unknown ok not-installed\n\n";
    assert_eq!(list(&opkg(status).unwrap(), true), "a=2");
}

#[test]
fn a_last_record_without_blank_line_or_newline() {
    for end in ["\n\n", "\n", ""] {
        let expected = ("a=1 b=2".into(), "b=2".into());
        assert_eq!(
            lists(format!("P:a\nV:1\n\nP:b\nV:2{end}"), format!("b{end}")),
            expected
        );
        let status = format!("Package: a\nVersion: 1\nStatus: install user installed{end}");
        assert_eq!(list(&opkg(status).unwrap(), false), "a=1");
    }
}

#[test]
fn a_router_s_database_without_its_last_blank_line_is_cut_off() {
    for end in ["", "\n"] {
        let files = |database, text: String| {
            let (apk, opkg) = match database {
                Database::Opkg => (None, Some(text)),
                _ => (Some(text), None),
            };
            let cursor = |text: Option<String>| text.map(std::io::Cursor::new);
            packages::read(Files {
                apk: cursor(apk),
                world: cursor(Some("b".into())),
                opkg: cursor(opkg),
            })
        };
        let installed = format!("P:a\nV:1\n\nP:b\nV:2{end}");
        let status = format!("Package: a\nVersion: 1\nStatus: install user installed{end}");
        for (database, text) in [(Database::Apk, installed), (Database::Opkg, status)] {
            let cut_off = Some(Error::CutOff(database));
            assert_eq!(files(database, text.clone()).err(), cut_off, "{text:?}");
            assert!(files(database, text + &"\n".repeat(2 - end.len())).is_ok());
        }
    }
}

#[test]
fn crlf() {
    let db = "P:lib1\r\nV:1\r\ng:openwrt:abiversion=1\r\n\r\nP:b\r\nV:2\r\n\r\n";
    assert_eq!(
        lists(db, "lib\r\nb=2\r\n"),
        ("b=2 lib=1".into(), "b=2 lib=1".into())
    );
    let status =
        "Package: a\r\nVersion: 1\r\nStatus: install ok installed\r\nAuto-Installed: yes\r\n\r\n";
    assert_eq!((list(&opkg(status).unwrap(), true)).as_str(), "a=1");
    assert_eq!((list(&opkg(status).unwrap(), false)).as_str(), "");
}

#[test]
fn nul_bytes_and_other_bytes_that_are_no_text() {
    // Where they don't matter they don't hurt …
    let mut db = b"P:a\nV:1\nT:\0\xff\xfe\nm:\xc3\x28\n\n".to_vec();
    assert_eq!(lists(&db, "a\n").1, "a=1");
    // … in what is needed they are an error …
    for bad in ["\0", "a\0", "\u{fc}ber", "a b", "a\tb", "\u{7f}"] {
        let broken = format!("P:{bad}\nV:1\n\n");
        assert_eq!(
            apk(broken, "").err(),
            Some(Error::BadText(Database::Apk, 1)),
            "{bad:?}"
        );
        let broken = format!("P:a\nV:{bad}\n\n");
        assert_eq!(
            apk(broken, "").err(),
            Some(Error::BadText(Database::Apk, 2)),
            "{bad:?}"
        );
    }
    assert_eq!(
        apk("P:a\nV:1\n", b"a\n\0\0\n").err(),
        Some(Error::BadText(Database::World, 2))
    );
    assert_eq!(
        apk(b"P:a\xff\nV:1\n", "").err(),
        Some(Error::BadText(Database::Apk, 1))
    );
    // … and so is the block of them that a power cut leaves at the end of a file.
    db.extend_from_slice(&[0; 4096]);
    assert_eq!(apk(db, "").err(), Some(Error::Incomplete(Database::Apk, 6)));
}

#[test]
fn an_empty_world_asks_for_nothing_and_a_missing_one_is_not_empty() {
    for world in ["", "\n", " \n\n"] {
        assert_eq!(lists("P:a\nV:1\n", world), ("a=1".into(), String::new()));
    }
    let set = packages::read(Files {
        apk: Some(&b"P:a\nV:1\n\n"[..]),
        world: None,
        opkg: None,
    })
    .unwrap();
    assert_eq!(list(&set, true), "a=1");
    assert_eq!(set.packagelist(false), Err(Error::NoWorld));
    assert_eq!(set.wanted().err(), Some(Error::NoWorld));
}

#[test]
fn both_databases_or_none() {
    let status = &b"Package: old\nVersion: 1\nStatus: install user installed\n\n"[..];
    let both = |apk| Files {
        apk: Some(apk),
        world: Some(&b"new\n"[..]),
        opkg: Some(status),
    };
    let set = packages::read(both(b"P:new\nV:2\n\n")).unwrap();
    assert_eq!(
        (set.database(), list(&set, false).as_str()),
        (Database::Apk, "new=2")
    );
    let set = packages::read(both(b"")).unwrap();
    assert_eq!(
        (set.database(), list(&set, false).as_str()),
        (Database::Opkg, "old=1")
    );
    assert!(
        packages::read(both(b"P:half\n\n")).is_err(),
        "half a database is not passed over"
    );
    let none: Files<&[u8]> = Files {
        apk: None,
        world: Some(b"a\n"),
        opkg: None,
    };
    assert_eq!(packages::read(none).err(), Some(Error::NoDatabase));
}

#[test]
fn half_a_database() {
    for (db, line) in [
        ("P:a\nV:1\n\nP:b\n", 4),
        ("P:a\nV:1\n\nP:", 4),
        ("P:a\nV:1\n\nV:2\n\n", 5),
        ("P:a\nV:1\n\nF:etc\n\n", 5),
        ("P:\nV:1\n\n", 3),
        ("garbage", 1),
    ] {
        assert_eq!(
            apk(db, "").err(),
            Some(Error::Incomplete(Database::Apk, line)),
            "{db:?}"
        );
    }
    let status = "Package: a\nVersion: 1\nDepends: libc\n";
    assert_eq!(
        opkg(status).err(),
        Some(Error::Incomplete(Database::Opkg, 3))
    );
    assert_eq!(
        apk("P:a\nV:1\nP:b\nV:2\n", "").err(),
        Some(Error::Doubled(Database::Apk, 3))
    );
    for empty in ["", "\n\n"] {
        assert_eq!(apk(empty, "").err(), Some(Error::Empty(Database::Apk)));
        assert_eq!(opkg(empty).err(), Some(Error::Empty(Database::Opkg)));
    }
}

#[test]
fn two_abi_versions_of_a_library_are_one_name_with_the_last_ones_version() {
    let record = |abi: &str, version: &str| {
        format!("P:libssl{abi}\nV:{version}\ng:openwrt:abiversion={abi}\n\n")
    };
    let db = record("1", "1.9-r1") + "P:luci\nV:1\n\n" + &record("3", "1.10-r2");
    let expected = ("libssl=1.10-r2 luci=1".into(), "libssl=1.9-r1".into());
    assert_eq!(lists(&db, "libssl1\n"), expected);
}

#[test]
fn ten_megabytes_of_garbage() {
    let garbage = vec![b'x'; 10 << 20];
    assert_eq!(
        in_pieces(Database::Apk, &garbage, 4096).err(),
        Some(Error::Incomplete(Database::Apk, 1))
    );
    let records = b"P:a\nV:1\nD:".iter().chain(&[b'x'; 4000]).chain(b"\n\n");
    let records: Vec<u8> = records.copied().collect::<Vec<u8>>().repeat(2600);
    let error = in_pieces(Database::Apk, &records, 4096).err();
    assert_eq!(error, Some(Error::TooLarge(Database::Apk)));
}

#[test]
fn an_unreadable_file() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    let error = packages::read(Files {
        apk: Some(Broken),
        world: None,
        opkg: None,
    })
    .err()
    .unwrap();
    assert_eq!(
        (error, error.kind()),
        (Error::Unreadable(Database::Apk, 5), "unreadable")
    );
    let sentence = "The package database can't be read (/lib/apk/db/installed, errno 5).";
    assert_eq!(error.to_string(), sentence);
}
