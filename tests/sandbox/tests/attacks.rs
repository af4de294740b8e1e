//! Attacks on a whole router by who answers in the name of its server, or has an account on it, each
//! by its name in docs/security.md. Each is refused with the right kind, and nothing was flashed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::Phase;
use asu::error::Kind;
use common::faults::{error, IMAGE, OVERVIEW};
use common::gate;
use common::proxy::{answer, Proxy, Reply, Response};
use common::*;
use mini_imagebuilder::signing::Key;
use mini_imagebuilder::{sha256_hex, trailer};
use sandbox::{Device, Router, World};
use serde_json::{json, Value};
use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::Path;

const DAY: i64 = 24 * 60 * 60;

/// A router, and a server that has been taken over: all that it says can be changed.
struct Victim {
    router: Router,
    proxy: Proxy,
    world: World,
    /// What the honest server built.
    image: Vec<u8>,
}

impl Victim {
    fn new(options: &[(&str, &str)]) -> Victim {
        let world = world();
        let proxy = Proxy::before(&world.url());
        // Its rebuilder is the honest server.
        let servers = format!(
            "config server\n\toption url '{}'\n\tlist rebuilder '{}'\n\n",
            proxy.url(),
            world.url()
        );
        let router = Router::start(&sandbox::Options {
            servers: Vec::new(),
            settings: servers + &agent_settings(options),
            ..common::options("")
        })
        .unwrap();
        let image = built(&world, Device::ArcherC7, json!({}));
        Victim {
            router,
            proxy,
            world,
            image,
        }
    }

    /// The server serves `image`, and says whatever fits it.
    fn serve(&self, image: Vec<u8>, alter: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.proxy.set(move |request, server| {
            if IMAGE(request) {
                return file(&image);
            }
            altered(server, |build| {
                for file in build["images"].as_array_mut().unwrap() {
                    file["sha256"] = json!(sha256_hex(&image));
                    file["sha256_unsigned"] = json!(sha256_hex(&image));
                }
                alter(build);
            })
        });
    }

    /// An upgrade is refused.
    fn refused(&self, kind: Kind, words: &str) {
        start(&self.router, json!({"goal": "upgrade"}));
        let error = error(&wait_phase(&self.router, Phase::Failed));
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(error.message.contains(words), "{error:?}");
        self.nothing_happened();
    }

    fn nothing_happened(&self) {
        assert_eq!(self.router.procd().unwrap().state().boots, 0);
        nothing_left(&self.router);
        no_panic(&self.router);
    }

    fn trust(&self, key: &Key) {
        let folder = at(&self.router, "/etc/opkg/keys");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(key.fingerprint()), key.public_file()).unwrap();
    }

    /// The honest image, signed by a key for which `ca` vouches.
    fn signed(&self, ca: &Key, from: i64, until: i64) -> Vec<u8> {
        let build = Key::from_seed(2);
        let mut image = self.image.clone();
        build.sign_image(&mut image, &ca.vouch(&build, from, until));
        image
    }
}

/// What the honest server builds for a router.
fn built(world: &World, device: Device, mut choice: Value) -> Vec<u8> {
    let router = router_of(device, &world.url(), None);
    choice["goal"] = json!("download");
    start(&router, choice);
    let image = wait_phase(&router, Phase::Ready).image.unwrap();
    fs::read(at(&router, &image.path)).unwrap()
}

fn file(bytes: &[u8]) -> Reply {
    Reply::Raw(answer(200, "application/octet-stream", bytes))
}

/// The server's answer with something else in it, where it is about a finished build.
fn altered(server: &dyn Fn() -> Response, alter: impl Fn(&mut Value)) -> Reply {
    let response = server();
    match serde_json::from_slice::<Value>(response.body()) {
        Ok(mut build)
            if response.status() == 200
                && build["images"].is_array()
                && build["manifest"].is_object() =>
        {
            alter(&mut build);
            Reply::json(200, &build)
        }
        _ => Reply::Raw(response.bytes),
    }
}

/// Somebody's system with metadata for the board.
fn evil(version: &str, revision: &str) -> Vec<u8> {
    let board = "tplink,archer-c7-v2";
    let metadata = trailer::metadata(&[board], "1.0", version, revision, "ath79/generic", board);
    let mut image = b"somebody else's system".repeat(1000);
    trailer::append_metadata(&mut image, &metadata.to_string());
    image
}

/// 24.10.2 as the honest server has it.
fn evil_now() -> Vec<u8> {
    evil("24.10.2", "r28739-d9340319c6")
}

fn now() -> i64 {
    asu::system::now()
}

#[test]
fn arbitrary_install() {
    let victim = Victim::new(&[("signature", "require")]);
    victim.trust(&Key::from_seed(1));
    victim.serve(evil_now(), |_| ());
    victim.refused(Kind::Signature, "signature");
    // Over its own description, too: a whole answer of the server's own.
    victim.serve(b"anything".to_vec(), |_| ());
    victim.refused(Kind::Signature, "signature");
}

#[test]
fn same_server_hash() {
    let victim = Victim::new(&[("rebuilders_required", "1")]);
    // The checksum fits, for it comes from where the image comes from.
    victim.serve(evil_now(), |_| ());
    victim.refused(Kind::Signature, "came to another image");
    victim.proxy.pass();
    start(&victim.router, json!({"goal": "upgrade"}));
    wait_upgraded(&victim.router);
}

#[test]
fn endless_data() {
    let victim = Victim::new(&[]);
    for (length, kind, words) in [
        ("", Kind::Server, "how large"),
        ("Transfer-Encoding: chunked\r\n", Kind::Server, "how large"),
        (
            "Content-Length: 1099511627776\r\n",
            Kind::Memory,
            "not enough memory",
        ),
        ("Content-Length: 1000000\r\n", Kind::Checksum, "SHA-256"),
    ] {
        victim.proxy.set(move |request, _| match IMAGE(request) {
            true => {
                let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n");
                Reply::Endless(head.into_bytes(), b"ffff\r\n".repeat(1000))
            }
            false => Reply::Pass,
        });
        victim.refused(kind, words);
    }
}

#[test]
fn rollback() {
    let victim = Victim::new(&[]);
    // It ran 24.10.5 before; the server offers an older one as the newest.
    let record = at(&victim.router, "/etc/attended-sysupgrade");
    fs::create_dir_all(&record).unwrap();
    fs::set_permissions(&record, fs::Permissions::from_mode(0o700)).unwrap();
    let newest = record.join("newest.json");
    fs::write(
        &newest,
        r#"{"version": "24.10.5", "revision": "r29000-0123456789"}"#,
    )
    .unwrap();
    start(&victim.router, json!({"goal": "upgrade"}));
    let refusal = error(&wait_phase(&victim.router, Phase::Failed));
    assert_eq!(refusal.kind, Kind::Usage, "{refusal:?}");
    assert!(refusal.message.contains("force"), "{refusal:?}");
    assert_eq!(victim.router.procd().unwrap().state().boots, 0);
    fs::remove_file(&newest).unwrap();
    // The answer says 24.10.2, the image is of an older release.
    victim.serve(evil("23.05.5", "r24106-10cc5fcd00"), |_| ());
    victim.refused(Kind::Image, "23.05.5");
}

#[test]
fn freeze() {
    // Of the year before, when its packages were older: not what was asked for today.
    let victim = Victim::new(&[("signature", "require")]);
    victim.serve(victim.image.clone(), |build| {
        build["manifest"]["luci"] = json!("24.001.00001~0000000");
    });
    victim.refused(Kind::Mismatch, "other versions than asked for");
    // And however well it was signed then, its certificate has an end.
    let ca = Key::from_seed(1);
    victim.trust(&ca);
    victim.serve(
        victim.signed(&ca, now() - 400 * DAY, now() - 35 * DAY),
        |_| (),
    );
    victim.refused(Kind::Signature, "expired");
    // A list of releases that is older than what runs here offers nothing.
    victim.proxy.set(|request, server| {
        if !OVERVIEW(request) {
            return Reply::Pass;
        }
        let mut overview = server().json();
        for (_, branch) in overview["branches"].as_object_mut().unwrap() {
            branch["versions"] = json!([]);
        }
        Reply::json(200, &overview)
    });
    victim.refused(Kind::Unsupported, "does not build 24.10.0");
}

#[test]
fn mix_and_match() {
    let victim = Victim::new(&[("rebuilders_required", "1")]);
    let a = built(&victim.world, Device::ArcherC7, json!({"add": ["htop"]}));
    assert_ne!(a, victim.image);
    // The image of build A, the hash of build B.
    let image = a.clone();
    victim.proxy.set(move |request, _| match IMAGE(request) {
        true => file(&image),
        false => Reply::Pass,
    });
    victim.refused(Kind::Checksum, "SHA-256");
    // With the hash of A and all else of B, the rebuilder has another one.
    victim.serve(a, |_| ());
    victim.refused(Kind::Signature, "came to another image");
    // Of another release, the image says so itself.
    let other = built(&victim.world, Device::ArcherC7, json!({"version": "25.12"}));
    victim.serve(other, |_| ());
    victim.refused(Kind::Image, "25.12");
}

#[test]
fn wrong_device() {
    let victim = Victim::new(&[]);
    let metadata = trailer::metadata(
        &["glinet,gl-ar300m"],
        "1.0",
        "24.10.2",
        "r28739-d9340319c6",
        "ath79/generic",
        "glinet_gl-ar300m",
    );
    let mut image = b"kernel".to_vec();
    trailer::append_metadata(&mut image, &metadata.to_string());
    victim.serve(image, |_| ());
    victim.refused(Kind::Image, "glinet,gl-ar300m");
    victim.serve(
        built(&victim.world, Device::X86 { efi: false }, json!({})),
        |_| (),
    );
    // x86's images say nothing of devices: the router's own system would have to be forced.
    let other = built(&victim.world, Device::X86 { efi: false }, json!({}));
    victim.serve(other, |_| ());
    start(&victim.router, json!({"goal": "upgrade"}));
    let error = error(&wait_phase(&victim.router, Phase::Failed));
    assert_eq!(error.kind, Kind::Image, "{error:?}");
    assert!(error.message.contains("only by force"), "{error:?}");
    assert_eq!(victim.router.procd().unwrap().state().boots, 0);
}

#[test]
fn wrong_profile_same_target() {
    let victim = Victim::new(&[]);
    victim.serve(victim.image.clone(), |build| {
        build["id"] = json!("tplink_archer-c5-v1")
    });
    victim.refused(Kind::Mismatch, "tplink_archer-c5-v1");
    // The answer names the right profile, the image another.
    let board = "tplink,archer-c5-v1";
    let metadata = trailer::metadata(
        &[board],
        "1.0",
        "24.10.2",
        "r28739-d9340319c6",
        "ath79/generic",
        board,
    );
    let mut image = victim.image.clone();
    trailer::append_metadata(&mut image, &metadata.to_string());
    victim.serve(image, |_| ());
    victim.refused(Kind::Image, board);
}

#[test]
fn extra_package_injected() {
    // Nobody asked for it, and nobody else's build has it.
    let victim = Victim::new(&[("rebuilders_required", "1")]);
    let more = built(&victim.world, Device::ArcherC7, json!({"add": ["htop"]}));
    for told in [true, false] {
        victim.serve(more.clone(), move |build| {
            if told {
                build["manifest"]["htop"] = json!("3.3.0-r1");
            }
        });
        victim.refused(Kind::Signature, "came to another image");
    }
}

#[test]
fn package_dropped() {
    let victim = Victim::new(&[]);
    victim.serve(victim.image.clone(), |build| {
        build["manifest"]
            .as_object_mut()
            .unwrap()
            .remove("luci")
            .unwrap();
    });
    victim.refused(Kind::Mismatch, "lacks packages that were asked for: luci");
}

#[test]
fn unsigned() {
    let victim = Victim::new(&[("signature", "require")]);
    victim.trust(&Key::from_seed(1));
    victim.refused(Kind::Signature, "is not signed");
}

#[test]
fn unknown_key() {
    let victim = Victim::new(&[("signature", "require")]);
    victim.trust(&Key::from_seed(1));
    victim.serve(
        victim.signed(&Key::from_seed(3), now() - DAY, now() + DAY),
        |_| (),
    );
    victim.refused(Kind::Signature, "does not know");
    // With the right one it is taken.
    victim.serve(
        victim.signed(&Key::from_seed(1), now() - DAY, now() + DAY),
        |_| (),
    );
    start_download(&victim.router);
    wait_phase(&victim.router, Phase::Ready);
}

#[test]
fn expired_ucert() {
    let victim = Victim::new(&[("signature", "require")]);
    let ca = Key::from_seed(1);
    victim.trust(&ca);
    for (from, until, words) in [
        (-2 * DAY, -DAY, "has expired"),
        (DAY, 2 * DAY, "is valid from"),
        (-DAY, -1, "has expired"),
    ] {
        victim.serve(victim.signed(&ca, now() + from, now() + until), |_| ());
        victim.refused(Kind::Signature, words);
    }
}

#[test]
fn revoked_key() {
    // Whatever the owner set.
    for policy in ["off", "warn", "require"] {
        let victim = Victim::new(&[("signature", policy)]);
        let ca = Key::from_seed(1);
        victim.trust(&ca);
        let link = at(&victim.router, "/etc/opkg/keys").join(ca.fingerprint());
        fs::remove_file(&link).unwrap();
        symlink(".revoked.", link).unwrap();
        victim.serve(victim.signed(&ca, now() - DAY, now() + DAY), |_| ());
        victim.refused(Kind::Signature, "revoked");
    }
}

#[test]
fn symlink_in_tmp() {
    let victim = Victim::new(&[]);
    let router = &victim.router;
    fs::create_dir_all(at(router, "/mnt/precious")).unwrap();
    let precious = at(router, "/mnt/precious/firmware.bin");
    fs::write(&precious, &victim.image).unwrap();
    fs::set_permissions(&precious, fs::Permissions::from_mode(0o644)).unwrap();
    let untouched = || {
        let there = fs::symlink_metadata(&precious).unwrap();
        assert_eq!(
            (there.mode() & 0o777, there.uid()),
            (0o644, nix::unistd::geteuid().as_raw())
        );
        assert_eq!(fs::read(&precious).unwrap(), victim.image);
    };
    // In place of an image that the owner names.
    symlink(&precious, at(router, "/tmp/link.bin")).unwrap();
    asu(router, &["install", "--yes", "/tmp/link.bin"]).refused(6, "/tmp/link.bin");
    asu(router, &["verify", "/tmp/link.bin"]).refused(6, "/tmp/link.bin");
    untouched();
    // In place of the job's folder, and of the image in it while the job works.
    let folder = at(router, "/tmp/attended-sysupgrade.job");
    symlink(precious.parent().unwrap(), &folder).unwrap();
    let (image, link) = (victim.image.clone(), folder.clone());
    let target = precious.clone();
    victim.proxy.set(move |request, _| {
        if !IMAGE(request) {
            return Reply::Pass;
        }
        // Whoever has the job's user could do that.
        for name in ["firmware.part", "firmware.bin"] {
            let _ = fs::remove_file(link.join(name));
            symlink(&target, link.join(name)).unwrap();
        }
        file(&image)
    });
    start_download(router);
    wait_phase(router, Phase::Ready);
    untouched();
    // What was downloaded is a file of the daemon's own.
    let hand = fs::symlink_metadata(at(router, "/tmp/attended-sysupgrade/firmware.bin")).unwrap();
    assert!(hand.is_file() && hand.nlink() == 1 && hand.mode() & 0o777 == 0o600);
    assert_eq!(asu(router, &["clean"]).code, 0);
    victim.nothing_happened();
    untouched();
    // A folder that was there before the daemon, or a link, is not its own.
    let state = at(router, "/tmp/attended-sysupgrade");
    router.procd().unwrap().state().no_daemon = true;
    kill_9(daemon(router));
    fs::remove_dir_all(&state).unwrap();
    symlink(precious.parent().unwrap(), &state).unwrap();
    asu(router, &["--standalone", "check"]).refused(6, "belongs to somebody else");
    untouched();
}

#[test]
fn swapped_file_after_verify() {
    let victim = Victim::new(&[("pre_install", "/hook")]);
    let router = &victim.router;
    let evil_file = at(router, "/evil.bin");
    fs::write(&evil_file, evil_now()).unwrap();
    let image = "/tmp/attended-sysupgrade/firmware.bin";
    // Between the verification and the flash, in the same second, by another file and by a write.
    for swap in [
        format!("mv {} {}", evil_file.display(), at(router, image).display()),
        format!("printf x >> {}", at(router, image).display()),
        format!(
            "printf x | dd of={} conv=notrunc 2>/dev/null",
            at(router, image).display()
        ),
        format!(
            "cp -p {0} {0}.x && rm {0} && mv {0}.x {0}",
            at(router, image).display()
        ),
    ] {
        gate::script(router, "/hook", &format!("#!/bin/sh\n{swap}\n"));
        start(router, json!({"goal": "upgrade"}));
        let error = error(&wait_phase(router, Phase::Failed));
        assert_eq!(error.kind, Kind::Image, "{swap}: {error:?}");
        assert!(
            error
                .message
                .contains("was changed after it had been verified"),
            "{error:?}"
        );
        assert_eq!(router.procd().unwrap().state().boots, 0);
        assert!(!at(router, "/etc/attended-sysupgrade/pending.json").exists());
        assert_eq!(asu(router, &["clean"]).code, 0);
    }
    // While it lies ready.
    gate::script(router, "/hook", "#!/bin/sh\nexit 0\n");
    start_download(router);
    wait_phase(router, Phase::Ready);
    fs::write(at(router, image), evil_now()).unwrap();
    asu(router, &["install", "--yes"]).refused(5, "was changed after it had been verified");
    assert_eq!(router.procd().unwrap().state().boots, 0);
}

#[test]
fn f_never_passed() {
    let victim = Victim::new(&[("backup", "/mnt")]);
    let router = &victim.router;
    fs::create_dir_all(at(router, "/mnt")).unwrap();
    // It writes down how it is called, and refuses.
    let program =
        "#!/bin/sh\nroot=$(dirname \"$(dirname \"$0\")\")\necho \"$*\" >> \"$root/calls\"\n\
        [ \"$1\" != -b ] || { echo backup > \"$2\"; exit 0; }\necho Image check failed.\nexit 1\n";
    gate::script(router, "/sbin/sysupgrade", program);
    let refusing = sandbox::procd::Validation {
        valid: false,
        forceable: true,
        allow_backup: true,
    };
    router.procd().unwrap().state().validation = Some(refusing);
    for arguments in [
        ["upgrade", "--yes", "--force"].as_slice(),
        &["install", "--yes", "--force"],
        &["install", "--yes", "--force", "-n"],
    ] {
        asu(router, arguments).refused(1, "nothing was flashed");
        assert_eq!(error(&status(router)).kind, Kind::Sysupgrade);
    }
    let calls = fs::read_to_string(at(router, "/calls")).unwrap();
    assert_eq!(calls.lines().count(), 6, "{calls}");
    for word in calls.split_whitespace() {
        let known = ["-b", "-n"].contains(&word) || Path::new(word).is_absolute();
        assert!(known, "{calls}");
    }
    assert_eq!(router.procd().unwrap().state().boots, 0);
}
