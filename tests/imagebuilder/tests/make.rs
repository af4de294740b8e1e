//! The miniature ImageBuilder through make, as servers call it.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests, where a panic is the verdict"
)]

use mini_imagebuilder::folder::{self, Options};
use mini_imagebuilder::signing::{self, Key};
use mini_imagebuilder::{catalog, devices, payload, sha256_hex};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn builder(version: &str, target: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    let options = Options {
        program: Some(env!("CARGO_BIN_EXE_mini-imagebuilder").into()),
        ..Options::default()
    };
    let release = catalog::release(version).expect("release");
    folder::create(
        dir.path(),
        release,
        devices::target(target).expect("target"),
        &options,
    )
    .expect("folder");
    dir
}

fn make(dir: &Path, arguments: &[&str]) -> Output {
    Command::new("make")
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("make")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn info_says_what_servers_look_for() {
    let dir = builder("24.10.2", "ath79/generic");
    let info = text(&make(dir.path(), &["info"]).stdout);
    assert!(
        info.contains("Current Target: \"ath79/generic\"\n"),
        "{info}"
    );
    assert!(
        info.contains("Current Revision: \"r28739-d9340319c6\"\n"),
        "{info}"
    );
    assert!(
        info.contains("Default Packages: apk-mbedtls base-files "),
        "{info}"
    );
    let profile = "\ntplink_archer-c7-v2:\n    TP-Link Archer C7 v2\n    Packages: kmod-ath10k-ct ";
    assert!(info.contains(profile), "{info}");
    let end = "    hasImageMetadata: 1\n    SupportedDevices: 8dev,carambola2 carambola2\n";
    assert!(info.ends_with(end), "{info}");
}

/// The packages that a router has asked for pull in all 169 that it has installed.
#[test]
fn manifest_resolves_dependencies() {
    let world = "fwtool kmod-usb-storage luci luci-app-attendedsysupgrade luci-i18n-base-de luci-ssl owut tcpdump usteer";
    let dir = builder("24.10.0", "ath79/generic");
    let arguments = [
        "manifest",
        "PROFILE=tplink_archer-c7-v2",
        "STRIP_ABI=1",
        &format!("PACKAGES={world}"),
    ];
    let output = make(dir.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let manifest = text(&output.stdout);
    assert_eq!(manifest.lines().count(), 169);
    assert!(
        manifest.contains("\nlibubox - 2026.02.13~1aa36ee7-r1\n"),
        "{manifest}"
    );
    assert!(text(&output.stderr)
        .starts_with("Downloading https://downloads.openwrt.org/releases/24.10.0/targets/"));
    let plain = make(dir.path(), &arguments[..2]);
    assert!(text(&plain.stdout).contains("\nlibubox20260213 - 2026.02.13~1aa36ee7-r1\n"));
}

#[test]
fn apk_prints_its_manifest_with_spaces() {
    let dir = builder("25.12.0", "x86/64");
    let output = make(
        dir.path(),
        &[
            "manifest",
            "PROFILE=generic",
            "PACKAGES=-dnsmasq dnsmasq-full",
            "STRIP_ABI=1",
        ],
    );
    let manifest = text(&output.stdout);
    assert!(manifest.contains("\ndnsmasq-full 2.90-r8\n"), "{manifest}");
    assert!(!manifest.contains("dnsmasq 2"), "{manifest}");
}

/// The words that servers make their error sentences from, as recorded.
#[test]
fn impossible_selections_end_in_the_package_managers_words() {
    let cases = [
        (
            "24.10.2",
            "luci no-such-package",
            "Unknown package 'no-such-package'.\nCollected errors:\n \
             * opkg_install_cmd: Cannot install package no-such-package.\n",
        ),
        (
            "25.12.0",
            "no-such-package other-missing",
            "ERROR: unable to select packages:\n  no-such-package (no such package):\n    \
             required by: world[no-such-package]\n  other-missing (no such package):\n    \
             required by: world[other-missing]\n",
        ),
        (
            "24.10.2",
            "dnsmasq-full",
            "Collected errors:\n * check_conflicts_for: The following packages conflict with dnsmasq-full:\n \
             * check_conflicts_for: \tdnsmasq * \n * opkg_install_cmd: Cannot install package dnsmasq-full.\n",
        ),
        (
            "25.12.0",
            "wpad-mbedtls",
            "ERROR: unable to select packages:\n  wpad-basic-mbedtls-2025.08.26~ca266cc2-r5:\n    \
             conflicts: wpad-mbedtls-2024.09.15~5ace39b0-r6[wpad-basic-mbedtls=2025.08.26~ca266cc2-r5]\n    \
             satisfies: world[wpad-basic-mbedtls]\n",
        ),
    ];
    for (version, packages, words) in cases {
        let dir = builder(version, "ath79/generic");
        let packages = format!("PACKAGES={packages}");
        let output = make(
            dir.path(),
            &["manifest", "PROFILE=tplink_archer-c7-v2", &packages],
        );
        assert!(!output.status.success(), "{packages}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(words), "{packages}: {stderr}");
        assert!(output.stdout.is_empty(), "{packages}");
    }
}

#[test]
fn an_image_carries_its_packages_and_a_trailer() {
    let dir = builder("24.10.2", "ath79/generic");
    let files = tempfile::tempdir().expect("temporary folder");
    fs::create_dir_all(files.path().join("etc/uci-defaults")).expect("folder");
    fs::write(
        files.path().join("etc/uci-defaults/99-asu-defaults"),
        "echo hi\n",
    )
    .expect("file");
    let bin = dir.path().join("out");
    let arguments = [
        "image",
        "PROFILE=tplink_archer-c7-v2",
        "PACKAGES=luci",
        "EXTRA_IMAGE_NAME=abc",
        &format!("BIN_DIR={}", bin.display()),
        &format!("FILES={}", files.path().display()),
    ];
    let output = make(dir.path(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let name = "openwrt-24.10.2-abc-ath79-generic-tplink_archer-c7-v2-squashfs-sysupgrade.bin";
    let payload = payload::read(&bin.join(name)).expect("payload");
    assert_eq!(
        (payload.version.as_str(), payload.revision.as_str()),
        ("24.10.2", "r28739-d9340319c6")
    );
    assert_eq!(
        payload.packages.get("kernel").expect("kernel"),
        &payload_kernel(&payload)
    );
    assert_eq!(
        payload
            .files
            .get("/etc/uci-defaults/99-asu-defaults")
            .map(String::as_str),
        Some("echo hi\n")
    );
    let luci = payload
        .installed
        .iter()
        .find(|package| package.name == "luci")
        .expect("luci");
    let base = payload
        .installed
        .iter()
        .find(|package| package.name == "luci-base")
        .expect("luci-base");
    assert!(luci.requested && !base.requested);

    let image = fs::read(bin.join(name)).expect("image");
    check_trailer(&image, "tplink,archer-c7-v2");
    let profiles: Value =
        serde_json::from_slice(&fs::read(bin.join("profiles.json")).expect("file")).expect("JSON");
    let images = profiles["profiles"]["tplink_archer-c7-v2"]["images"]
        .as_array()
        .expect("images");
    let entry = images
        .iter()
        .find(|image| image["name"] == name)
        .expect("entry");
    assert_eq!(entry["sha256"], sha256_hex(&image).as_str());
    assert_eq!(profiles["version_code"], "r28739-d9340319c6");
    assert!(text(&fs::read(bin.join("sha256sums")).expect("sums")).contains(&format!(" *{name}\n")));

    make(dir.path(), &arguments);
    assert_eq!(
        fs::read(bin.join(name)).expect("image"),
        image,
        "the same request makes the same image"
    );
}

fn payload_kernel(payload: &payload::Payload) -> String {
    let release = catalog::release(&payload.version).expect("release");
    format!("{}~{}-r1", release.kernel, release.vermagic())
}

/// The trailer as design and fwtool have it, read here with nothing but arithmetic.
fn check_trailer(image: &[u8], board: &str) {
    let (rest, trailer) = image.split_at(image.len() - 16);
    assert_eq!(&trailer[..4], b"FWx0");
    let mut crc = u32::MAX;
    for byte in rest {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    assert_eq!(trailer[4..8], crc.to_be_bytes());
    assert_eq!(trailer[8], 1);
    let size = u32::from_be_bytes(trailer[12..].try_into().expect("four bytes")) as usize;
    let metadata = &image[image.len() - size..image.len() - 16];
    assert_eq!(metadata[..8], [0; 8]);
    let metadata: Value = serde_json::from_slice(&metadata[8..]).expect("metadata");
    assert_eq!(metadata["supported_devices"][0], board);
    assert_eq!(metadata["version"]["revision"], "r28739-d9340319c6");
}

#[test]
fn with_a_key_and_certificates_in_its_folder_it_signs() {
    let dir = builder("24.10.2", "ath79/generic");
    let bin = dir.path().join("out");
    let bin_dir = format!("BIN_DIR={}", bin.display());
    let image = || {
        let made = make(
            dir.path(),
            &["image", "PROFILE=tplink_archer-c7-v2", &bin_dir],
        );
        assert!(made.status.success(), "{}", text(&made.stderr));
        let profiles = fs::read(bin.join("profiles.json")).expect("profiles.json");
        let profiles: Value = serde_json::from_slice(&profiles).expect("JSON");
        let images = &profiles["profiles"]["tplink_archer-c7-v2"]["images"];
        let images = images.as_array().expect("images").iter();
        let mut found = images
            .filter(|image| image["type"] == "sysupgrade")
            .cloned();
        let entry = found.next().expect("sysupgrade");
        let name = entry["name"].as_str().expect("name");
        (fs::read(bin.join(name)).expect("image"), entry)
    };
    let (unsigned, entry) = image();
    assert_eq!(entry["sha256"], entry["sha256_unsigned"]);
    let (ca, key) = (Key::from_seed(1), Key::from_seed(2));
    fs::write(dir.path().join(signing::SECRET), key.secret()).expect("secret");
    assert_eq!(image().0, unsigned, "a key alone is not used");
    let chain = ca.vouch(&key, 0, i64::MAX);
    fs::write(dir.path().join(signing::CHAIN), &chain).expect("chain");
    let (signed, entry) = image();
    let mut expected = unsigned.clone();
    key.sign_image(&mut expected, &chain);
    assert!(signed == expected && signed.len() > unsigned.len() + chain.len());
    assert_eq!(entry["sha256"], sha256_hex(&signed).as_str());
    assert_eq!(entry["sha256_unsigned"], sha256_hex(&unsigned).as_str());
}

#[test]
fn x86_has_images_for_bios_and_efi() {
    let dir = builder("24.10.2", "x86/64");
    let bin = dir.path().join("out");
    let bin_dir = format!("BIN_DIR={}", bin.display());
    let output = make(
        dir.path(),
        &[
            "image",
            "PROFILE=generic",
            "PACKAGES=",
            &bin_dir,
            "ROOTFS_PARTSIZE=256",
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let profiles: Value =
        serde_json::from_slice(&fs::read(bin.join("profiles.json")).expect("file")).expect("JSON");
    let images = profiles["profiles"]["generic"]["images"]
        .as_array()
        .expect("images");
    let mut kinds: Vec<String> = images
        .iter()
        .map(|image| {
            format!(
                "{}/{}",
                image["type"].as_str().unwrap_or("-"),
                image["filesystem"].as_str().unwrap_or("-")
            )
        })
        .collect();
    kinds.sort();
    let both = ["combined", "combined-efi", "rootfs"]
        .map(|kind| ["ext4", "squashfs"].map(|fs| format!("{kind}/{fs}")));
    let mut expected: Vec<String> = both.concat();
    expected.push("kernel/-".to_owned());
    expected.sort();
    assert_eq!(kinds, expected);
    let name = "openwrt-24.10.2-x86-64-generic-squashfs-combined-efi.img.gz";
    let payload = payload::read(&bin.join(name)).expect("payload of a gzip image");
    assert_eq!(
        (payload.rootfs_mb, payload.filesystem.as_str()),
        (256, "squashfs")
    );

    let bin_dir = format!("BIN_DIR={}", dir.path().join("one").display());
    make(
        dir.path(),
        &[
            "image",
            "PROFILE=generic",
            "PACKAGES=",
            &bin_dir,
            "ROOTFS_FILESYSTEM=ext4",
        ],
    );
    assert!(dir
        .path()
        .join("one/openwrt-24.10.2-x86-64-generic-ext4-combined.img.gz")
        .is_file());
    assert!(!dir
        .path()
        .join("one/openwrt-24.10.2-x86-64-generic-squashfs-combined.img.gz")
        .exists());
}

#[test]
fn too_much_for_the_device_is_said_and_makes_no_image() {
    let dir = builder("24.10.2", "ath79/generic");
    let bin = dir.path().join("out");
    let bin_dir = format!("BIN_DIR={}", bin.display());
    let output = make(
        dir.path(),
        &[
            "image",
            "PROFILE=tplink_archer-c7-v2",
            "PACKAGES=python3",
            &bin_dir,
        ],
    );
    assert!(
        text(&output.stderr).contains(" is too big: "),
        "{}",
        text(&output.stderr)
    );
    let images = fs::read_dir(&bin).expect("folder").filter(|entry| {
        let name = entry.as_ref().expect("entry").file_name();
        name.to_string_lossy().ends_with(".bin")
    });
    assert_eq!(images.count(), 0);
}

#[test]
fn a_failing_image_step_fails_make() {
    let dir = builder("24.10.2", "ath79/generic");
    let output = make(
        dir.path(),
        &[
            "image",
            "PROFILE=tplink_archer-c7-v2",
            "PACKAGES=fake-fail-image",
        ],
    );
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("mksquashfs: simulated failure\n"));
    let output = make(dir.path(), &["manifest", "PROFILE=no_such_router"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("There is no profile called \"no_such_router\"."));
}

/// Feeds can be changed under a server's feet.
#[test]
fn packages_of_the_feeds_can_be_edited() {
    let dir = builder("24.10.2", "ath79/generic");
    let path = dir.path().join(folder::PACKAGES);
    let feeds = fs::read_to_string(&path).expect("feeds");
    let feeds = feeds.replace("Package: tmux\nVersion: ", "Package: tmux\nVersion: 9");
    fs::write(&path, feeds).expect("feeds");
    let output = make(
        dir.path(),
        &[
            "manifest",
            "PROFILE=tplink_archer-c7-v2",
            "PACKAGES=tmux",
            "STRIP_ABI=1",
        ],
    );
    assert!(
        text(&output.stdout).contains("\ntmux - 93.4-r"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn what_is_no_image_has_no_payload() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join("image");
    let bad: [&[u8]; 5] = [
        b"",
        b"x",
        b"something else altogether",
        b"MINI-IMAGEBUILDER 1\n99999999999999999999\n{}",
        b"MINI-IMAGEBUILDER 1\n5\n{}",
    ];
    for bytes in bad {
        fs::write(&path, bytes).expect("file");
        assert!(payload::read(&path).is_err(), "{bytes:?}");
    }
}
