//! A whole upgrade over TLS, with the server's CA in the option `ca_file`.
//!
//! With ASU_PROGRAM it is the router's `asu`: `.ci/run` gives a big-endian MIPS one, emulated.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use asu::api::PackageList;
use common::wait_confirmed;
use sandbox::tls::TlsFront;
use sandbox::{Options, Router, World};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

struct Sandbox {
    router: Router,
    asu: OsString,
    _tls: TlsFront,
    _world: World,
}

impl Sandbox {
    fn start(trusted: bool) -> Sandbox {
        let world = World::start(&sandbox::Knobs::default()).unwrap();
        let address = world.server.as_ref().unwrap().addr;
        let tls = TlsFront::start(address).unwrap();
        let stranger = TlsFront::start(address).unwrap();
        let mut options = Options::new(env!("CARGO_BIN_EXE_sandbox"), &[tls.url()]);
        options.settings = "config agent 'agent'\n\toption ca_file '/etc/ca.pem'\n".to_owned();
        options.asu = std::env::var_os("ASU_PROGRAM").map(|program| vec![program]);
        let router = Router::start(&options).unwrap();
        let ca = if trusted { &tls.ca } else { &stranger.ca };
        std::fs::write(router.files().root().join("etc/ca.pem"), ca).unwrap();
        let own = router.files().root().join("usr/sbin/asu").into_os_string();
        let asu = options
            .asu
            .and_then(|command| command.into_iter().next())
            .unwrap_or(own);
        Sandbox {
            router,
            asu,
            _tls: tls,
            _world: world,
        }
    }

    fn root(&self) -> &Path {
        self.router.files().root()
    }

    fn asu(&self, arguments: &[&str]) -> Output {
        Command::new(&self.asu)
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .output()
            .unwrap()
    }
}

#[test]
fn a_router_upgrades_itself_over_tls() {
    let sandbox = Sandbox::start(true);
    let version = sandbox.asu(&["--version"]);
    assert!(version.stdout.starts_with(b"asu "), "{version:?}");
    let list: PackageList = asu::json::from_text(&sandbox.asu(&["--json", "list"]).stdout).unwrap();
    assert_eq!(list.packages.len(), 43);
    let check = sandbox.asu(&["check"]);
    assert_eq!(check.status.code(), Some(20), "{check:?}");
    let upgrade = sandbox.asu(&["upgrade", "--yes"]);
    assert_eq!(upgrade.status.code(), Some(0), "{upgrade:?}");
    wait_confirmed(&sandbox.router, "24.10.2");
}

#[test]
fn a_server_with_a_certificate_of_strangers_is_not_talked_to() {
    let sandbox = Sandbox::start(false);
    let check = sandbox.asu(&["--json", "check"]);
    assert_eq!(check.status.code(), Some(3), "{check:?}");
    let answer: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(answer["error"]["kind"], "tls", "{answer}");
}
