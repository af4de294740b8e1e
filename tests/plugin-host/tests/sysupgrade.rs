//! `sysupgrade`, called as rpcd calls it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::os::unix::fs::{symlink, PermissionsExt};

use common::{call, program, refused, router, start, Refused};
use plugin_host::real::wait_for;
use plugin_host::{sysupgrade_note, Exec, Root};
use serde::Deserialize;
use serde_json::json;

const IMAGE: &str = "/tmp/firmware.bin";

/// A root whose sysupgrade notes how it was called, with an image.
fn root() -> Root {
    let root = router();
    root.install(program(), "/sbin/sysupgrade").unwrap();
    root.write(IMAGE, "good image").unwrap();
    root
}

#[derive(Deserialize)]
struct Started {
    started: bool,
}

/// Waits for the note of the started sysupgrade and takes it away.
fn note(root: &Root) -> String {
    let file = root.at(sysupgrade_note::PATH);
    wait_for(|| file.exists()).unwrap();
    let note = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    note
}

#[test]
fn a_good_image_is_checked_and_then_flashed_apart_from_rpcd() {
    let root = root();
    root.write("/tmp/other.bin", "good image").unwrap();
    for (arguments, image, expected) in [
        (json!({}), IMAGE, "/sbin/sysupgrade /tmp/firmware.bin"),
        (
            json!({ "keep": true, "path": "/tmp/other.bin" }),
            "/tmp/other.bin",
            "/sbin/sysupgrade /tmp/other.bin",
        ),
        (
            json!({ "keep": false, "ubus_rpc_session": "0" }),
            IMAGE,
            "/sbin/sysupgrade -n /tmp/firmware.bin",
        ),
    ] {
        let mut host = start(&root);
        host.next_exec(Exec::Ends(0, "")).unwrap();
        let answer = call(&mut host, "sysupgrade", arguments.clone());
        // The answer is there before sysupgrade is.
        assert!(!root.at(sysupgrade_note::PATH).exists());
        assert_eq!(answer.status, 0, "{arguments}");
        let started: Started = ubus::from_blobmsg(&answer.data.unwrap()).unwrap();
        assert!(started.started);
        assert_eq!(
            host.executed().unwrap(),
            format!("/sbin/sysupgrade\n--test\n{image}")
        );
        // It outlives the one who started it, and takes nothing along but what says that it lives.
        drop(host);
        assert_eq!(note(&root), format!("{expected} leads=true open=3+1"));
    }
}

#[test]
fn no_second_upgrade_beside_the_first() {
    let root = root();
    root.write("/tmp/sysupgrade.stays", "").unwrap();
    let mut host = start(&root);
    host.next_exec(Exec::Ends(0, "")).unwrap();
    assert_eq!(call(&mut host, "sysupgrade", json!({})).status, 0);
    let busy = |host: &mut plugin_host::Host| {
        let answer = call(host, "sysupgrade", json!({ "path": "/tmp/none" }));
        refused(&answer).1
    };
    assert_eq!(busy(&mut host), "busy");
    note(&root);
    assert_eq!(busy(&mut host), "busy");
    // When sysupgrade has given up, another attempt is free.
    std::fs::remove_file(root.at("/tmp/sysupgrade.stays")).unwrap();
    wait_for(|| busy(&mut host) == "image").unwrap();
}

#[test]
fn what_sysupgrade_refuses_is_not_flashed() {
    let root = root();
    let mut host = start(&root);
    let long: &'static str = Box::leak(
        format!("{}\u{fc}\x07\nImage check failed.\n", "x".repeat(3000)).into_boxed_str(),
    );
    for (exec, message, detail) in [
        (Exec::Fails, "could not start", ""),
        (
            Exec::Ends(1, long),
            "refuses the image",
            "??\u{3f}\nImage check failed.\n",
        ),
        (Exec::TimesOut, "took too long", ""),
        (Exec::EndsUnseen, "refuses the image", ""),
    ] {
        host.next_exec(exec).unwrap();
        let answer = call(&mut host, "sysupgrade", json!({}));
        let refused: Refused = ubus::from_blobmsg(&answer.data.unwrap()).unwrap();
        assert_eq!(
            (answer.status, refused.started),
            (0, Some(false)),
            "{exec:?}"
        );
        assert_eq!(refused.error.kind, "sysupgrade");
        assert!(
            refused.error.message.contains(message),
            "{}",
            refused.error.message
        );
        assert!(refused.error.detail.ends_with(detail) && refused.error.detail.len() <= 1024);
    }
    // Longer than a start would have taken.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert!(!root.at(sysupgrade_note::PATH).exists());
}

#[test]
fn only_a_file_of_roots_below_tmp() {
    let root = root();
    root.write("/etc/image", "good").unwrap();
    std::fs::create_dir_all(root.at("/tmp/dir/deeper")).unwrap();
    std::fs::create_dir_all(root.at("/tmp/open")).unwrap();
    root.write("/tmp/dir/deeper/image", "good").unwrap();
    root.write("/tmp/open/image", "good").unwrap();
    root.write("/tmp/writable", "good").unwrap();
    let set = |path: &str, mode| {
        std::fs::set_permissions(root.at(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    set("/tmp/writable", 0o646);
    set("/tmp/open", 0o1777);
    symlink("/tmp/firmware.bin", root.at("/tmp/link")).unwrap();
    symlink("/etc", root.at("/tmp/dir/etc")).unwrap();
    let pipe = std::ffi::CString::new(root.at("/tmp/pipe").to_str().unwrap()).unwrap();
    // SAFETY: the path ends with NUL.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o644) }, 0);

    let mut host = start(&root);
    let long = format!("/tmp/{}", "x".repeat(2000));
    for (path, status, message) in [
        ("", 0, "below /tmp"),
        ("/etc/image", 0, "below /tmp"),
        ("tmp/firmware.bin", 0, "below /tmp"),
        ("/tmpfirmware.bin", 0, "below /tmp"),
        ("/tmp", 0, "regular file"),
        ("/tmp/", 0, "below /tmp"),
        ("/tmp/dir", 0, "regular file"),
        ("/tmp//firmware.bin", 0, "below /tmp"),
        ("/tmp/./firmware.bin", 0, "below /tmp"),
        ("/tmp/../etc/image", 0, "below /tmp"),
        ("/tmp/dir/../firmware.bin", 0, "below /tmp"),
        ("/tmp/none", 4, "No such image"),
        ("/tmp/none/image", 4, "No such image"),
        ("/tmp/firmware.bin/image", 0, "regular file"),
        ("/tmp/link", 0, "regular file"),
        ("/tmp/dir/etc/image", 0, "regular file"),
        ("/tmp/pipe", 0, "regular file"),
        ("/tmp/writable", 0, "Only root may own or write"),
        ("/tmp/open/image", 0, "folder"),
        (&long, 0, "below /tmp"),
    ] {
        let answer = call(&mut host, "sysupgrade", json!({ "path": path }));
        let (found, kind, text) = refused(&answer);
        assert_eq!((found, kind.as_str()), (status, "image"), "{path}: {text}");
        assert!(text.contains(message), "{path}: {text}");
    }
    host.next_exec(Exec::Fails).unwrap();
    let answer = call(
        &mut host,
        "sysupgrade",
        json!({ "path": "/tmp/dir/deeper/image" }),
    );
    assert_eq!(
        refused(&answer).1,
        "sysupgrade",
        "a folder of root's own is no hindrance"
    );
}

#[test]
fn a_file_of_another_user_is_refused() {
    let root = root();
    // SAFETY: plain system call.
    if unsafe { libc::geteuid() } != 0 {
        return; // Only root can give a file away.
    }
    std::os::unix::fs::chown(root.at(IMAGE), Some(65534), None).unwrap();
    let answer = call(&mut start(&root), "sysupgrade", json!({}));
    assert_eq!(refused(&answer).1, "image");
}

#[test]
fn arguments_that_are_not_understood_are_refused() {
    let root = root();
    let mut host = start(&root);
    for wrong in [
        json!({ "keep": 1 }),
        json!({ "keep": "false" }),
        json!({ "kep": false }),
        json!({ "path": true }),
        json!({ "force": true }),
        json!({ "path": IMAGE, "all": true }),
    ] {
        let answer = call(&mut host, "sysupgrade", wrong.clone());
        assert_eq!((answer.status, answer.data), (2, None), "{wrong}");
    }
}
