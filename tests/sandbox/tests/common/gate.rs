//! A sysupgrade that waits at gates: between the agent's call and what the sandbox's own does.

use super::{at, until};
use sandbox::Router;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Gates are files; the one behind the gates has the same root folder. It ends with the router.
const PROGRAM: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$0")")
case "$1" in --test) gate=test ;; *) gate=flash ;; esac
: > "$root/at-gate-$gate"
while [ -e "$root/gate-$gate" ] && [ -e "$0" ]; do sleep 0.05; done
exec "$root/bin/sysupgrade" "$@"
"#;

/// Where a sysupgrade can be held.
#[derive(Clone, Copy, Debug)]
pub enum Gate {
    /// `sysupgrade --test`, which validates where there is no `system` object.
    Test,
    /// `sysupgrade FILE`.
    Flash,
}

impl Gate {
    fn name(self) -> &'static str {
        match self {
            Gate::Test => "gate-test",
            Gate::Flash => "gate-flash",
        }
    }

    /// Nothing passes any more.
    pub fn close(self, router: &Router) {
        let behind = at(router, "/bin/sysupgrade");
        if !behind.exists() {
            fs::create_dir_all(at(router, "/bin")).unwrap();
            fs::rename(at(router, "/sbin/sysupgrade"), behind).unwrap();
            script(router, "/sbin/sysupgrade", PROGRAM);
        }
        fs::write(at(router, &format!("/{}", self.name())), "").unwrap();
    }

    /// Waits until somebody stands before it.
    pub fn wait(self, router: &Router) {
        let there = at(router, &format!("/at-{}", self.name()));
        assert!(until(|| there.exists().then_some(())).is_some());
        fs::remove_file(there).unwrap();
    }

    /// Who waits goes on.
    pub fn open(self, router: &Router) {
        fs::remove_file(at(router, &format!("/{}", self.name()))).unwrap();
    }
}

/// Puts a program onto the router.
pub fn script(router: &Router, path: &str, text: &str) {
    let file = at(router, path);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}
