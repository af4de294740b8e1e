//! Writes the package databases of a freshly flashed router.

use mini_imagebuilder::payload::{Installed, Payload};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// Replaces the databases below `root` by those of the image.
pub fn write(root: &Path, payload: &Payload) -> io::Result<()> {
    for old in [
        "lib/apk/db/installed",
        "etc/apk/world",
        "usr/lib/opkg/status",
    ] {
        match fs::remove_file(root.join(old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if payload.apk {
        file(
            root,
            "lib/apk/db/installed",
            &payload.installed.iter().map(apk).collect::<String>(),
        )?;
        let world = payload.installed.iter().filter(|package| package.requested);
        let world: String = world
            .map(|package| format!("{}{}\n", package.name, package.abi))
            .collect();
        file(root, "etc/apk/world", &world)
    } else {
        file(
            root,
            "usr/lib/opkg/status",
            &payload.installed.iter().map(opkg).collect::<String>(),
        )
    }
}

/// Writes a file with its folders.
pub fn file(root: &Path, name: &str, text: &str) -> io::Result<()> {
    let path = root.join(name.trim_start_matches('/'));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn apk(package: &Installed) -> String {
    let Installed {
        name,
        abi,
        version,
        arch,
        ..
    } = package;
    let mut text = format!("P:{name}{abi}\nV:{version}\nA:{arch}\n");
    let mut provides = package.provides.clone();
    if !abi.is_empty() {
        provides.push(format!("{name}={version}"));
        // Writing into a string does not fail.
        let _ = writeln!(text, "g:openwrt:abiversion={abi}");
    }
    let _ = writeln!(
        text,
        "D:{}\np:{}\n",
        package.depends.join(" "),
        provides.join(" ")
    );
    text
}

fn opkg(package: &Installed) -> String {
    let Installed {
        name,
        abi,
        version,
        arch,
        ..
    } = package;
    let mut text = format!("Package: {name}{abi}\nVersion: {version}\n");
    let lists = [
        ("Depends", &package.depends),
        ("Provides", &package.provides),
    ];
    for (field, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(text, "{field}: {}", list.join(", "));
    }
    if !abi.is_empty() {
        let _ = writeln!(text, "ABIVersion: {abi}");
    }
    let state = if package.requested { "user" } else { "ok" };
    let _ = writeln!(
        text,
        "Status: install {state} installed\nArchitecture: {arch}"
    );
    if !package.requested {
        text.push_str("Auto-Installed: yes\n");
    }
    text.push('\n');
    text
}
