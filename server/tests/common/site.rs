//! The download site that stood behind the recording, made again from what the recorded answers tell of it.

use super::{recorded, Exchange};
use serde_json::{json, Map, Value};
use std::fs;
use std::path::Path;

/// Writes the site into `dir`.
pub fn write(dir: &Path) {
    let exchanges = recorded();
    let body = |number: u32| -> &Value {
        let found = exchanges
            .iter()
            .find(|exchange: &&Exchange| exchange.number == number);
        &found.expect("recorded exchange").json["body"]
    };
    let overview = body(1);
    let mut listed = Vec::new();
    for branch in overview["branches"].as_object().expect("branches").values() {
        for version in branch["versions"].as_array().expect("versions") {
            let version = version.as_str().expect("version");
            if !version.ends_with("SNAPSHOT") {
                listed.push(version);
            }
            put(
                &dir.join(path_of(version)).join(".targets.json"),
                &branch["targets"],
            );
        }
    }
    let latest = &overview["latest"];
    put(
        &dir.join(".versions.json"),
        &json!({"stable_version": latest[0], "oldstable_version": latest[1], "upcoming_version": "",
            "versions_list": listed}),
    );
    let revisions = [
        ("24.10.2", 8),
        ("25.12.0", 9),
        ("SNAPSHOT", 10),
        ("24.10-SNAPSHOT", 11),
    ];
    for (version, number) in revisions {
        profiles(dir, version, &body(number)["revision"], body(25));
    }
    profiles(dir, "24.10.1", &json!("r28597-0425664679"), body(25));
    let indexes = [
        ("24.10.2", 15, 20),
        ("24.10.0", 16, 21),
        ("25.12.0", 17, 22),
        ("SNAPSHOT", 18, 0),
    ];
    for (version, target, arch) in indexes {
        let root = dir.join(path_of(version));
        index(&root.join("targets/ath79/generic/packages"), body(target));
        if arch != 0 {
            feed(
                &root.join("packages/mips_24kc"),
                body(arch),
                version == "24.10.0",
            );
        }
    }
    feed(&dir.join("snapshots/packages/x86_64"), body(23), false);
}

fn path_of(version: &str) -> String {
    if version == "SNAPSHOT" {
        "snapshots".to_owned()
    } else {
        format!("releases/{version}")
    }
}

/// `profiles.json` of the targets that requests are for. For 24.10.2's ath79 it is the recorded one.
fn profiles(dir: &Path, version: &str, revision: &Value, recorded: &Value) {
    let (mut file, mut device) = (Map::new(), Map::new());
    for (name, value) in recorded.as_object().expect("profile").clone() {
        let own = [
            "device_packages",
            "image_prefix",
            "images",
            "supported_devices",
            "titles",
        ];
        match name.as_str() {
            "id" | "build_at" => continue,
            _ if own.contains(&name.as_str()) => device.insert(name, value),
            _ => file.insert(name, value),
        };
    }
    file.insert("version_code".to_owned(), revision.clone());
    file.insert("version_number".to_owned(), version.into());
    let targets = [
        ("ath79/generic", "tplink_archer-c7-v2"),
        ("x86/64", "generic"),
        ("ramips/mt7621", "xiaomi_mi-router-4a-gigabit"),
    ];
    for (target, profile) in targets {
        let mut file = file.clone();
        file.insert("target".to_owned(), target.into());
        file.insert("profiles".to_owned(), json!({profile: device}));
        put(
            &dir.join(path_of(version))
                .join("targets")
                .join(target)
                .join("profiles.json"),
            &Value::Object(file),
        );
    }
}

/// An index as upstream has it: with the number of its form, or as `Packages` where the form is the first.
fn index(folder: &Path, answer: &Value) {
    let mut content = answer.as_object().expect("index").clone();
    if content.contains_key("target") {
        content.insert("version".to_owned(), 2.into());
        put(&folder.join("index.json"), &Value::Object(content));
    } else {
        put(
            &folder.join("index.json"),
            &json!({"architecture": "mips_24kc", "packages": {"of-the-first-form": "1"}}),
        );
        packages(folder, &answer["packages"]);
    }
}

fn feed(folder: &Path, answer: &Value, first_form: bool) {
    fs::create_dir_all(folder.join("base")).expect("folder");
    fs::write(
        folder.join("feeds.conf"),
        "src-git base https://git.openwrt.org/openwrt/openwrt.git^0\n",
    )
    .expect("file");
    if first_form {
        packages(&folder.join("base"), answer);
    } else {
        put(
            &folder.join("base/index.json"),
            &json!({"version": 2, "architecture": "", "packages": answer}),
        );
    }
}

/// opkg's `Packages`, with an ABI suffix on every library.
fn packages(folder: &Path, names: &Value) {
    let record = |(name, version): (&String, &Value)| {
        let abi = if name.starts_with("lib") {
            "20240329"
        } else {
            ""
        };
        let version = version.as_str().expect("version");
        let abi_field = if abi.is_empty() {
            String::new()
        } else {
            format!("ABIVersion: {abi}\n")
        };
        format!("Package: {name}{abi}\nVersion: {version}\n{abi_field}Architecture: mips_24kc\n\n")
    };
    let text: String = names
        .as_object()
        .expect("packages")
        .iter()
        .map(record)
        .collect();
    fs::create_dir_all(folder).expect("folder");
    fs::write(folder.join("Packages"), text).expect("file");
}

fn put(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().expect("folder")).expect("folder");
    fs::write(path, value.to_string()).expect("file");
}
