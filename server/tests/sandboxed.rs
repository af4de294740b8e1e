//! Builds that try to get out of their sandbox. Without bubblewrap, or on a system that allows no sandbox, they say so and
//! test nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::{Config, Isolation};
use common::world::World;
use common::{finish, get, post, Answer};
use mini_imagebuilder::{folder, payload};
use serde_json::{json, Value};
use std::fs;
use std::process::Command;

fn confine(config: &mut Config) {
    config.launcher = Some(env!("CARGO_BIN_EXE_asu-server").into());
    config.isolation = Isolation::Sandbox;
    config.allow_defaults = true;
}

/// A world whose builds are sandboxed, or none where the system has no sandbox.
fn world(change: impl FnOnce(&mut Config)) -> Option<World> {
    let try_it = Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "true"])
        .output();
    if !try_it.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: bubblewrap is not installed, or may not make namespaces here");
        return None;
    }
    Some(World::new(|config| {
        confine(config);
        change(config);
    }))
}

fn request() -> Value {
    json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2", "packages": ["tmux"],
        "client": "test/1.0"})
}

/// What a script says when it runs in place of the ImageBuilder's program for `make image`.
fn run(world: &World, script: &str) -> Answer {
    let builder = world.hold("24.10.2", "ath79/generic");
    let program = format!("#!/bin/sh\n[ $1 = image ] || exec ./real \"$@\"\n{script}\nexit 1\n");
    fs::write(builder.join(folder::PROGRAM), program).expect("script");
    let answer = finish(world.addr(), &post(world.addr(), &request()));
    assert_eq!(answer.status, 500, "{answer:?}");
    answer
}

fn stdout(answer: &Answer) -> String {
    answer.json()["stdout"].as_str().expect("stdout").to_owned()
}

/// Everything works inside as outside: the image, the script for the first boot.
#[test]
fn an_image_from_a_sandbox() {
    // In a folder whose name is longer than the address of a socket may be.
    let deep =
        |config: &mut Config| config.work = config.store.join("../work").join("x".repeat(100));
    let Some(world) = world(deep) else { return };
    let mut asked = request();
    asked["defaults"] = json!("touch /tmp/x\n");
    let done = finish(world.addr(), &post(world.addr(), &asked)).json();
    assert_eq!(done["detail"], "done", "{done}");
    let image = done["images"][0]["name"].as_str().expect("image");
    let path = format!(
        "/store/{}/{image}",
        done["bin_dir"].as_str().expect("folder")
    );
    let file = world.dir.path().join("image");
    fs::write(&file, get(world.addr(), &path).body).expect("file");
    let content = payload::read(&file).expect("payload");
    assert!(content.packages.contains_key("tmux"));
    assert!(content
        .files
        .contains_key("/etc/uci-defaults/99-asu-defaults"));
    assert!(
        done["build_cmd"].to_string().contains("BIN_DIR=/images"),
        "{done}"
    );
}

/// No file of the server, no process, no user, nothing to write to but its own.
#[test]
fn no_way_out() {
    let Some(world) = world(|_| {}) else { return };
    let secret = world.dir.path().join("secret");
    fs::write(&secret, "secret").expect("file");
    let script = format!(
        "cat {0} && echo READ\ncat /proc/*/root{0} && echo READ\nls {1} && echo LISTED\necho x > {1}/x && echo WROTE\n\
         echo x > /usr/x && echo WROTE\necho x > /etc/x; [ -e /etc/passwd ] && echo PASSWD\n\
         kill -0 {2} && echo KILLED\nls /proc | grep -c '^[0-9]' | sed s/^/processes=/\nid -u | sed s/^/uid=/\n\
         grep CapEff /proc/self/status\nenv | grep -i cargo && echo ENVIRONMENT\necho changed > Makefile && echo own=writable",
        secret.display(),
        world.builder("24.10.2", "ath79/generic").display(),
        std::process::id(),
    );
    let said = stdout(&run(&world, &script));
    for word in [
        "READ",
        "LISTED",
        "WROTE",
        "PASSWD",
        "KILLED",
        "ENVIRONMENT",
        "secret",
    ] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    assert!(
        said.contains("uid=1000\n") && said.contains("own=writable\n"),
        "{said}"
    );
    assert!(said.contains("CapEff:\t0000000000000000\n"), "{said}");
    let count = said
        .lines()
        .find_map(|line| line.strip_prefix("processes="))
        .expect("count");
    assert!(count.parse::<u32>().expect("number") < 12, "{said}");
    let makefile = fs::read_to_string(world.builder("24.10.2", "ath79/generic").join("Makefile"))
        .expect("Makefile");
    assert!(
        makefile.contains("mini-imagebuilder"),
        "the ImageBuilder itself was changed"
    );
}

/// A script for the first boot is only a file to a build. Even if an ImageBuilder ran it, it would find neither the server's
/// files nor its ImageBuilder, nor a way to change what another build gets.
#[test]
fn a_defaults_script_that_tries_to_leave_its_sandbox() {
    let Some(world) = world(|_| {}) else { return };
    let secret = world.dir.path().join("secret");
    fs::write(&secret, "secret").expect("file");
    let builder = world.hold("24.10.2", "ath79/generic");
    let script = format!(
        "#!/bin/sh\ncat {0} && echo READ\ncat /proc/1/root{0} /proc/*/cwd/../secret && echo READ\n\
         echo x > {1}/Makefile && echo WROTE\nmkdir -p {2} && echo x > {2}/stolen && ls {2}/.. && echo STORED\n\
         echo changed > /files/etc/uci-defaults/99-asu-defaults && echo CHANGED\nmount -t tmpfs x /usr && echo MOUNTED\n\
         touch /tmp/later; ls /images; echo ran\n",
        secret.display(),
        builder.display(),
        world.store().display(),
    );
    let program = "#!/bin/sh\n[ $1 = image ] || exec ./real \"$@\"\nsh /files/etc/uci-defaults/99-asu-defaults\nexit 1\n";
    fs::write(builder.join(folder::PROGRAM), program).expect("script");
    let mut asked = request();
    asked["defaults"] = json!(script);
    let ended = finish(world.addr(), &post(world.addr(), &asked));
    let said = stdout(&ended);
    assert!(ended.status == 500 && said.ends_with("ran\n"), "{said}");
    for word in ["READ", "WROTE", "CHANGED", "MOUNTED", "secret"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    // A folder it made where the store would be was of its own room.
    assert_eq!(fs::read_dir(world.store()).expect("store").count(), 0);
    let makefile = fs::read_to_string(builder.join("Makefile")).expect("Makefile");
    assert!(makefile.contains("mini-imagebuilder"));
    // As ImageBuilders really do it: it is in the image, byte for byte, and nobody ran it.
    fs::copy(builder.join("real"), builder.join(folder::PROGRAM)).expect("program");
    let done = finish(
        world.addr(),
        &post(world.addr(), &{
            let mut asked = asked.clone();
            asked["packages"] = json!(["luci"]);
            asked
        }),
    );
    let json = done.json();
    assert_eq!(done.status, 200, "{json}");
    assert!(!json["stdout"].to_string().contains("ran\\n"), "{json}");
    let path = format!(
        "/store/{}/{}",
        json["bin_dir"].as_str().expect("folder"),
        json["images"][0]["name"].as_str().expect("image")
    );
    let file = world.dir.path().join("image");
    fs::write(&file, get(world.addr(), &path).body).expect("file");
    let content = payload::read(&file).expect("payload");
    let kept = content.files.get("/etc/uci-defaults/99-asu-defaults");
    assert_eq!(kept, Some(&script));
}

/// The download site, through the proxy, and nothing else.
#[test]
fn the_network_is_the_download_site() {
    let Some(world) = world(|_| {}) else { return };
    let other = upstream::serve(world.dir.path(), ([127, 0, 0, 1], 0).into()).expect("server");
    let client = "import sys, urllib.request\ntry:\n    print(len(urllib.request.urlopen(sys.argv[1]).read()) > 0)\n\
                  except Exception as error:\n    print(error)\n";
    let direct = format!(
        "import socket\ntry:\n    socket.create_connection((\"127.0.0.1\", {}))\n    print(\"CONNECTED\")\nexcept OSError:\n    print(\"alone\")\n",
        world.site.addr().port()
    );
    let script = format!(
        "cat > get.py <<'X'\n{client}X\ncat > direct.py <<'X'\n{direct}X\n\
         python3 get.py {}/.versions.json | sed s/^/site=/\npython3 get.py {}/secret | sed s/^/other=/\npython3 direct.py",
        world.site.url(),
        other.url(),
    );
    let answer = run(&world, &script);
    let said = stdout(&answer);
    assert!(
        said.contains("site=True\n"),
        "{said} {}",
        answer.json()["stderr"]
    );
    assert!(said.contains("other=HTTP Error 403"), "{said}");
    assert!(
        said.contains("alone\n") && !said.contains("CONNECTED"),
        "{said}"
    );
}

/// With a repository that the operator allows a build reaches that one too, finds its key in its own ImageBuilder, and
/// another build does neither.
#[test]
fn the_network_of_a_build_with_a_repository() {
    let feeds = tempfile::tempdir().expect("temporary folder");
    fs::create_dir(feeds.path().join("mine")).expect("folder");
    fs::write(feeds.path().join("mine/Packages"), "Package: x\n").expect("file");
    let other = upstream::serve(feeds.path(), ([127, 0, 0, 1], 0).into()).expect("server");
    let url = format!("{}/mine", other.url());
    let allowed = vec![url.clone()];
    let Some(world) = world(|config| config.repository_allow_list = allowed) else {
        return;
    };
    let builder = world.hold("24.10.2", "ath79/generic");
    let program = format!(
        "#!/bin/sh\n[ $1 = image ] || exec ./real \"$@\"\ncat > get.py <<'X'\nimport urllib.request\ntry:\n    \
         print(urllib.request.urlopen(\"{url}/Packages\").read())\nexcept Exception as error:\n    print(error)\nX\n\
         python3 get.py\nls keys\ngrep mine repositories.conf\nexit 1\n"
    );
    fs::write(builder.join(folder::PROGRAM), program).expect("script");
    let mut asked = request();
    asked["repositories"] = json!({"mine": url});
    asked["repositories_mode"] = json!("append");
    asked["repository_keys"] = json!(["RWSrq6urq6urqwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"]);
    let with = stdout(&finish(world.addr(), &post(world.addr(), &asked)));
    assert!(
        with.contains("Package: x") && with.contains("abababababababab"),
        "{with}"
    );
    assert!(with.contains(&format!("src/gz mine {url}\n")), "{with}");
    let without = stdout(&finish(world.addr(), &post(world.addr(), &request())));
    assert!(
        without.contains("HTTP Error 403") && !without.contains("mine"),
        "{without}"
    );
    assert!(!builder.join("keys/abababababababab").exists());
}

/// Memory, processes and files have their limits, and the next build works.
#[test]
fn limits() {
    let Some(world) = world(|config| {
        config.limits.memory_mb = 512;
        config.limits.processes = 64;
        config.limits.disk_mb = 16;
    }) else {
        return;
    };
    let script = "python3 -c 'bytearray(1 << 30)' 2>&1 | tail -n 1\n\
                  head -c 64M /dev/zero > big; stat -c big=%s big\n\
                  i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done; echo forked=$i";
    let said = stdout(&run(&world, script));
    assert!(said.contains("MemoryError"), "{said}");
    assert!(said.contains("big=16777216\n"), "{said}");
    let status = fs::read_to_string("/proc/self/status").expect("status");
    if status.contains("\nUid:\t0\t") {
        eprintln!("SKIPPED: the kernel does not limit root's processes");
    } else {
        assert!(!said.contains("forked=200"), "{said}");
    }
    let mut other = request();
    other["version"] = json!("25.12.0");
    let done = finish(world.addr(), &post(world.addr(), &other));
    assert_eq!(done.status, 200, "{done:?}");
}

/// Links to the server's files among the images, folders that nobody may enter: none of it is served or left behind.
#[test]
fn what_a_build_leaves_behind() {
    let Some(world) = world(|_| {}) else { return };
    let secret = world.dir.path().join("secret");
    fs::write(&secret, "{\"profiles\": {}}").expect("file");
    let builder = world.hold("24.10.2", "ath79/generic");
    let program = format!(
        "#!/bin/sh\n[ $1 = image ] || exec ./real \"$@\"\n./real \"$@\"\nln -s {0} $BIN_DIR/link\nmkdir -p $BIN_DIR/dir/deep closed/deep\n\
         mkfifo $BIN_DIR/pipe\nchmod 0 $BIN_DIR/dir/deep $BIN_DIR/dir closed/deep closed\n",
        secret.display()
    );
    fs::write(builder.join(folder::PROGRAM), program).expect("script");
    let done = finish(world.addr(), &post(world.addr(), &request()));
    assert_eq!(done.status, 200, "{done:?}");
    let folder = done.json()["bin_dir"].as_str().expect("folder").to_owned();
    for name in ["link", "pipe", "dir"] {
        assert_eq!(
            get(world.addr(), &format!("/store/{folder}/{name}")).status,
            404,
            "{name}"
        );
        assert!(
            world
                .store()
                .join(&folder)
                .join(name)
                .symlink_metadata()
                .is_err(),
            "{name}"
        );
    }
    std::os::unix::fs::symlink(&secret, world.store().join(&folder).join("later")).expect("link");
    assert_eq!(
        get(world.addr(), &format!("/store/{folder}/later")).status,
        404
    );
    let work = world.store().with_extension("work");
    assert_eq!(fs::read_dir(work).expect("folder").count(), 0);
}

/// Many small files count together.
#[test]
fn a_build_that_fills_the_disk() {
    let Some(world) = world(|config| config.limits.disk_mb = 4) else {
        return;
    };
    let script =
        "i=0; while :; do head -c 1M /dev/zero > $i; i=$((i+1)); [ $i -gt 64 ] && sleep 1000; done";
    let failed = run(&world, script).json();
    assert_eq!(
        failed["detail"],
        "Error: The build needed more than 4 MiB of disk and was stopped"
    );
    let work = world.store().with_extension("work");
    assert_eq!(fs::read_dir(work).expect("folder").count(), 0);
}
