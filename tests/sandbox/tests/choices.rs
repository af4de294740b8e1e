//! What an upgrade may be told, on the command line and in the settings (docs/from-owut.md): the
//! request that comes of it, and what is said of values that make no sense.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Outcome, Plan, RequestBody, Verdict, Verification};
use common::*;
use sandbox::{Device, Options, Router, World};
use serde_json::{json, Value};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

fn site() -> (World, Router) {
    let world = world();
    let router = router(&world.url(), None);
    (world, router)
}

/// A file of the caller's, beside the router.
fn script(router: &Router, name: &str, text: &str) -> String {
    let path = at(router, &format!("/etc/{name}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn blob(router: &Router, arguments: &[&str]) -> RequestBody {
    let ended = asu(router, &[&["blob"], arguments].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.json()
}

/// What is asked for by name, with or without versions.
fn names(request: &RequestBody) -> Vec<String> {
    let names = request.packages_versions.keys().chain(&request.packages);
    names.cloned().collect()
}

#[test]
fn the_request_is_what_was_said() {
    let (_world, router) = site();
    let plain = blob(&router, &[]);
    assert_eq!((plain.defaults, plain.rootfs_size_mb), (None, None));
    let first = script(&router, "first-boot", "uci set system.a=b\n");
    let said = blob(
        &router,
        &[
            "-V",
            "24.10.2",
            "-R",
            "r28739-d9340319c6",
            "-a",
            "zram-swap,usteer",
            "-r",
            "tcpdump",
            "-F",
            "squashfs",
            "-S",
            "256",
            "-I",
            &first,
        ],
    );
    assert_eq!(said.version_code, "r28739-d9340319c6");
    assert_eq!(said.filesystem.as_deref(), Some("squashfs"));
    assert_eq!(said.rootfs_size_mb, Some(256));
    assert_eq!(said.defaults.as_deref(), Some("uci set system.a=b\n"));
    assert!(said.packages_versions.contains_key("zram-swap"));
    assert!(!said.packages_versions.contains_key("tcpdump"));
    // Without versions, since the index is another revision's.
    let other = blob(&router, &["--rev-code", "r1-abc"]);
    assert_eq!(other.version_code, "r1-abc");
    assert!(other.packages_versions.is_empty() && !other.packages.is_empty());
    assert_eq!(blob(&router, &["--rev-code", "none"]).version_code, "");
    // Only the release's own packages.
    let clean = names(&blob(&router, &["--clean-slate", "--add", "tcpdump"]));
    let has = |name: &str| clean.iter().any(|found| found == name);
    assert!(
        has("tcpdump") && has("dnsmasq") && !has("luci"),
        "{clean:?}"
    );
    // A new default of 25.12 that is not to come.
    let new = |arguments: &[&str]| {
        let request = blob(&router, &[&["-V", "25.12"], arguments].concat());
        names(&request).contains(&"zram-swap".to_owned())
    };
    assert!(new(&[]) && !new(&["--ignored-defaults", "zram-swap"]));
    nothing_left(&router);
}

#[test]
fn a_script_may_come_from_standard_input() {
    let (_world, router) = site();
    let mut blob = command(&router, &["blob", "--init-script", "-"]);
    let mut blob = blob
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent = blob.stdin.take().unwrap().write_all(b"wifi up\n");
    sent.unwrap();
    let ended = Ended::of(blob.wait_with_output().unwrap());
    let request: RequestBody = ended.json();
    assert_eq!(request.defaults.as_deref(), Some("wifi up\n"));
    // What has nothing to say is an object all the same.
    let done: Value = asu(&router, &["--json", "clean"]).json();
    assert_eq!(done, json!({}));
    let nothing: Value = asu(&router, &["--json", "watch"]).json();
    assert!(nothing["job"].is_null(), "{nothing}");
}

#[test]
fn the_settings_say_the_same_as_owut_s_section_has_it() {
    let world = world();
    let router = Router::start(&Options {
        settings: "config owut 'owut'\n\toption verbosity 1\n\toption keep true\n\toption init_script '/etc/first'\n\toption rootfs_size 256\n\toption poll_interval 1000\n\toption fstype squashfs\n\toption add 'zram-swap, usteer'\n\tlist remove tcpdump\n\tlist ignored_defaults 'zram-swap'\n\toption version_to '25.12'\n".to_owned(),
        ..options(&world.url())
    })
    .unwrap();
    script(&router, "first", "true\n");
    let request = blob(&router, &[]);
    assert_eq!(request.version, "25.12.0");
    assert_eq!(request.defaults.as_deref(), Some("true\n"));
    assert_eq!(request.rootfs_size_mb, Some(256));
    let asked = names(&request);
    assert!(asked.contains(&"zram-swap".to_owned()), "{asked:?}");
    assert!(!asked.contains(&"tcpdump".to_owned()), "{asked:?}");
    // What is said goes before what is set.
    let request = blob(&router, &["-V", "24.10.2", "-S", "128", "-a", "tcpdump"]);
    assert_eq!(request.version, "24.10.2");
    assert_eq!(request.rootfs_size_mb, Some(128));
    assert!(names(&request).contains(&"tcpdump".to_owned()));
    // verbosity and keep.
    let ended = asu(&router, &["check"]);
    assert!(ended.stdout.contains("Request: {"), "{ended:?}");
    let kept = fs::read_to_string(at(&router, "/tmp/asu-plan.json")).unwrap();
    let kept: Plan = asu::json::from_text(kept.as_bytes()).unwrap();
    assert_eq!(kept.target.version, "25.12.0");
    fs::remove_file(at(&router, "/etc/first")).unwrap();
    asu(&router, &["check"]).refused(6, "option init_script");
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_would() {
    let (_world, router) = site();
    let long = script(&router, "long", &"#".repeat(20_481));
    let endless = script(&router, "endless", &"#".repeat(70_000));
    let empty = script(&router, "empty", "\n");
    for (arguments, code, words) in [
        (["-F", "ext3"], 2, "one of squashfs, ext4"),
        (["-F", "ext4"], 4, "it has squashfs"),
        (["-R", "28739"], 2, "such as r28739-d9340319c6"),
        (["-S", "0"], 2, "from 1 on"),
        (["-S", "1025"], 4, "at most 1024 MiB"),
        (["-S", "4294967296"], 2, "a whole number of MiB"),
        (["-I", "/no/such/file"], 2, "can't be read"),
        (["-I", &long], 4, "at most 20480"),
        (["-I", &endless], 2, "longer than 64 KiB"),
        (["-I", &empty], 2, "empty"),
        (["-V", "19.07"], 4, "does not build 19.07"),
        (["--device", "x86"], 2, "TARGET:BOARD"),
        (
            ["--device", "ath79/generic:no-such"],
            4,
            "does not know this device",
        ),
    ] {
        asu(&router, &[&["check"], &arguments[..]].concat()).refused(code, words);
    }
    asu(&router, &["download", "-T", "1"]).refused(2, "500 to 60000");
    asu(&router, &["upgrade", "--yes", "-p", "/no/such/hook"])
        .refused(2, "no program /no/such/hook");
    // The bus says the same; a wrong type is an argument that is none.
    let error = call::<Value>(&router, "check", json!({"fstype": "ext3"})).unwrap();
    assert_eq!(error["error"]["kind"], "usage", "{error}");
    for wrong in [
        json!({"rootfs_size": "256"}),
        json!({"rootfs_size": -1}),
        json!({"feeds": "yes"}),
    ] {
        assert!(
            call::<Value>(&router, "check", wrong.clone()).is_err(),
            "{wrong}"
        );
    }
    let other = json!({"goal": "download", "device": "x86/64:generic"});
    let error = call::<Value>(&router, "start", other).unwrap();
    assert_eq!(error["error"]["kind"], "usage", "{error}");
    nothing_left(&router);
}

#[test]
fn the_command_that_is_offered_does_it() {
    let world = world();
    let router = router_of(Device::ArcherC7Opkg, &world.url(), None);
    // A package that was installed by hand.
    let file = at(&router, "/usr/lib/opkg/status");
    let text = fs::read_to_string(&file).unwrap();
    let own =
        "Package: my-tool\nVersion: 1\nStatus: install user installed\nArchitecture: mips_24kc\n\n";
    fs::write(&file, text + own).unwrap();
    let blocked = asu(&router, &["check", "--add", "zram-swap"]);
    assert_eq!(blocked.code, 21, "{blocked:?}");
    let command = "asu upgrade --add zram-swap --ignore my-tool";
    assert!(blocked.stdout.contains(command), "{blocked:?}");
    asu(&router, &["upgrade", "--yes", "--add", "zram-swap"]).refused(4, command);
    let words: Vec<&str> = command.split(' ').skip(1).chain(["--yes"]).collect();
    assert_eq!(asu(&router, &words).code, 0);
    let upgrade = wait_upgraded(&router);
    assert_eq!(upgrade.result, Outcome::Confirmed, "{upgrade:?}");
    // A name that was only just typed is wrong rather than missing.
    let typed = asu(&router, &["check", "--add", "no-such-package"]);
    assert!(
        typed
            .stdout
            .contains("has no package no-such-package: correct --add"),
        "{typed:?}"
    );
}

#[test]
fn lists_are_for_other_tools() {
    let (_world, router) = site();
    let line = |arguments: &[&str]| {
        let ended = asu(&router, &[&["list"], arguments].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.stdout.trim_end().to_owned()
    };
    let own = line(&["--format", "fs-user", "--remove", "ppp"]);
    let words: Vec<&str> = own.split(' ').collect();
    assert!(
        words.contains(&"tcpdump") && words.contains(&"-ppp"),
        "{own}"
    );
    assert!(!words.contains(&"dnsmasq"), "{own}");
    let all = line(&["-f", "fs-all"]);
    assert_eq!(
        all.split(' ').collect::<Vec<_>>(),
        names(&blob(&router, &[]))
    );
    let config = line(&["-f", "config", "--remove", "ppp"]);
    let lines: Vec<&str> = config.lines().collect();
    assert!(lines.contains(&"CONFIG_PACKAGE_tcpdump=y"), "{config}");
    assert!(
        lines.contains(&"# CONFIG_PACKAGE_ppp is not set"),
        "{config}"
    );
    let object: Value = asu(&router, &["--json", "list", "-f", "fs-all"]).json();
    assert_eq!(
        object["packages"].as_array().unwrap().len(),
        all.split(' ').count()
    );
    asu(&router, &["list", "--add", "no-such-package"]).refused(4, "no-such-package");
    let dump: Value = asu(&router, &["dump", "-a", "zram-swap"]).json();
    assert_eq!(dump["choice"]["add"][0], "zram-swap");
    for part in ["info", "installed", "chosen", "history", "versions", "plan"] {
        assert!(!dump[part].is_null(), "{part}");
    }
    assert_eq!(dump["plan"]["verdict"], "upgrade");
    assert!(
        dump["installed"].as_object().unwrap().len() > dump["chosen"].as_object().unwrap().len()
    );
}

#[test]
fn two_releases_are_compared_for_this_router() {
    let (_world, router) = site();
    let diff: Value = asu(&router, &["--json", "diff", "24.10.2", "25.12"]).json();
    assert_eq!(diff["from"]["version"], "24.10.2");
    assert_eq!(diff["to"]["version"], "25.12.0");
    let of = |list: &str| -> Vec<String> {
        let list = diff["packages"][list].as_array().unwrap().iter();
        list.map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of("new"), ["zram-swap"]);
    assert_eq!(of("gone"), ["swconfig"]);
    let back: Value = asu(&router, &["--json", "diff", "25.12", "24.10.2"]).json();
    assert_eq!(back["packages"]["new"][0]["name"], "swconfig");
    assert_eq!(
        of("upgrade").len(),
        back["packages"]["downgrade"].as_array().unwrap().len()
    );
    // From what runs it is what a check says.
    let plan: Plan = asu(&router, &["--json", "check"]).json();
    let diff: Value = asu(&router, &["--json", "diff", "24.10.2"]).json();
    let upgrade = asu::json::text(&plan.packages.upgrade).unwrap();
    assert_eq!(
        diff["packages"]["upgrade"],
        serde_json::from_str::<Value>(&upgrade).unwrap()
    );
    assert_eq!(diff["from"]["version"], plan.running.version);
    let same = asu(&router, &["diff", "24.10.0"]);
    assert!(
        same.stdout.contains("The packages are the same."),
        "{same:?}"
    );
}

#[test]
fn another_device_gets_its_own_drivers() {
    let (_world, router) = site();
    let request = blob(&router, &["--device", "x86/64:generic:ext4:efi"]);
    assert_eq!(
        (request.target.as_str(), request.profile.as_str()),
        ("x86/64", "generic")
    );
    assert_eq!(request.filesystem.as_deref(), Some("ext4"));
    let asked = names(&request);
    let has = |name: &str| asked.iter().any(|found| found == name);
    assert!(has("tcpdump") && has("luci"), "{asked:?}");
    assert!(has("kmod-e1000") && !has("kmod-ath9k"), "{asked:?}");
    asu(&router, &["upgrade", "--device", "x86/64:generic"]).refused(2, "does not go with");
    let ended = asu(&router, &["check", "--device", "x86/64:generic"]);
    assert!(!ended.stdout.contains("asu upgrade"), "{ended:?}");
}

/// A PC's own profile is called `generic` whatever its board says; without it, its drivers would
/// count as chosen.
#[test]
fn drivers_of_a_pc_stay_at_home() {
    let world = world();
    let router = router_of(Device::X86 { efi: true }, &world.url(), None);
    let asked = names(&blob(
        &router,
        &["--device", "ath79/generic:tplink,archer-c7-v2"],
    ));
    let has = |name: &str| asked.iter().any(|found| found == name);
    assert!(has("kmod-ath9k") && has("luci"), "{asked:?}");
    assert!(!has("kmod-e1000") && !has("grub2-bios-setup"), "{asked:?}");
}

#[test]
fn an_image_goes_where_it_is_wanted() {
    let (_world, router) = site();
    let file: PathBuf = at(&router, "/tmp/mine.bin");
    let path = file.to_str().unwrap();
    let ended = asu(
        &router,
        &["download", "--image", path, "--keep", "-T", "500"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let in_hand = at(&router, "/tmp/attended-sysupgrade/firmware.bin");
    assert_eq!(fs::read(&file).unwrap(), fs::read(in_hand).unwrap());
    assert!(at(&router, "/tmp/asu-plan.json").exists());
    // --root makes every path the router's.
    let verified = asu(&router, &["--json", "verify", "--image", "/tmp/mine.bin"]);
    assert!(verified.json::<Verification>().valid, "{verified:?}");
    asu(&router, &["download", "--image", "/no/such/folder/x"]).refused(6, "can't be written");
    // Both names are good for installing.
    let ended = asu(&router, &["install", "--yes", "-i", "/tmp/mine.bin"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
}

#[test]
fn a_hook_of_the_call_may_stop_it() {
    let (_world, router) = site();
    script(&router, "veto", "#!/bin/sh\necho not today\nexit 3\n");
    let ended = asu(&router, &["upgrade", "--yes", "--pre-install", "/etc/veto"]);
    ended.refused(1, "/etc/veto");
    assert!(ended.stderr.contains("not today"), "{ended:?}");
    // The image was not at fault and is still in hand.
    script(&router, "consent", "#!/bin/sh\nexit 0\n");
    let ended = asu(&router, &["install", "--yes", "-p", "/etc/consent"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
    // Nothing is new, but force builds it.
    let ended = asu(&router, &["download"]);
    assert!(ended.stdout.contains("up to date"), "{ended:?}");
    let plan: Plan = asu(&router, &["--json", "check"]).json();
    assert_eq!(plan.verdict, Verdict::Current);
    let ended = asu(&router, &["download", "--force"]);
    assert!(ended.stdout.contains("The image is ready"), "{ended:?}");
}

#[test]
fn feeds_that_the_server_does_not_take_are_named() {
    let (_world, router) = site();
    let folder = at(&router, "/etc/apk/repositories.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("customfeeds.list"),
        "https://feed.example/mine/packages.adb\n",
    )
    .unwrap();
    // Read before anybody asks for it, it is offered when something is missing.
    let world_file = at(&router, "/etc/apk/world");
    let text = fs::read_to_string(&world_file).unwrap();
    fs::write(&world_file, text + "my-tool\n").unwrap();
    let database = at(&router, "/lib/apk/db/installed");
    let text = fs::read_to_string(&database).unwrap();
    fs::write(&database, text + "P:my-tool\nV:1-r1\nA:mips_24kc\n\n").unwrap();
    let ended = asu(&router, &["check"]);
    assert_eq!(ended.code, 21, "{ended:?}");
    assert!(
        ended.stdout.contains("try \"asu check --feeds\""),
        "{ended:?}"
    );
    // This server's list is empty.
    let plan: Plan = asu(&router, &["--json", "check", "--feeds", "-V", "25.12"]).json();
    assert_eq!(plan.verdict, Verdict::Blocked);
    let said = plan
        .notes
        .iter()
        .any(|note| note.contains("does not build with your feed"));
    assert!(said, "{:?}", plan.notes);
}
