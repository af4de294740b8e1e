//! The same upgrade against an upgrade server of others, at the address in ASU_URL.
//! `tests/real-server/run` starts the public server's release 0.7.20 and calls this.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use asu::api::{History, Outcome};
use sandbox::{Device, Options, Router};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn asu(root: &Path, arguments: &[&str]) -> Output {
    let program = root.join("usr/sbin/asu");
    Command::new(program)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .output()
        .unwrap()
}

fn upgrade(device: Device) {
    let url = std::env::var("ASU_URL").expect("ASU_URL has to name an upgrade server");
    let options = Options {
        device,
        ubusd: sandbox::bus::real_ubusd(),
        ..Options::new(env!("CARGO_BIN_EXE_sandbox"), &[url])
    };
    let router = Router::start(&options).unwrap();
    let root = router.files().root();
    let check = asu(root, &["check"]);
    println!(
        "{}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
    assert_eq!(check.status.code(), Some(20));
    let upgrade = asu(root, &["upgrade", "--yes"]);
    println!(
        "{}{}",
        String::from_utf8_lossy(&upgrade.stdout),
        String::from_utf8_lossy(&upgrade.stderr)
    );
    assert_eq!(upgrade.status.code(), Some(0));
    let start = Instant::now();
    let upgrade = loop {
        let history =
            serde_json::from_slice::<History>(&asu(root, &["--json", "history"]).stdout).ok();
        if let Some(upgrade) = history.and_then(|history| history.upgrades.into_iter().next()) {
            break upgrade;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the router did not come up again"
        );
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(
        upgrade.result,
        Outcome::Confirmed,
        "{:?}",
        upgrade.differences
    );
    assert_eq!(upgrade.to.version, "24.10.2");
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn an_archer_c7_upgrades_itself_by_the_real_server() {
    upgrade(Device::ArcherC7Opkg);
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_pc_upgrades_itself_by_the_real_server() {
    upgrade(Device::X86 { efi: true });
}
