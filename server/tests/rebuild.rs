//! `asu-server rebuild`: an image that another server built, built again here.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::Config;
use common::archives::Archives;
use common::{finish, get, post};
use mini_imagebuilder::sha256_hex;
use serde_json::{json, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A server that has built something, as files: so that it can say and hand out what it likes.
struct Other {
    archives: Archives,
    site: upstream::Server,
    server: upstream::Server,
    answer: Value,
}

impl Other {
    fn new() -> Self {
        let archives = Archives::new();
        let path = |name: &str| archives.dir.path().join(name);
        let local = ([127, 0, 0, 1], 0).into();
        let site = upstream::serve(&path("site"), local).expect("site");
        let mut config = Config::new(&site.url(), path("store"), path("imagebuilders"));
        config.keys = Some(path("keys"));
        config.signing = Some(path("signing"));
        let server = asu_server::start(config).expect("server");
        let request = json!({"version": "24.10.2", "target": "x86/64", "profile": "generic", "packages": ["tmux", "auc"],
            "diff_packages": false, "client": "test/1.0"});
        let done = finish(server.addr, &post(server.addr, &request));
        assert_eq!(done.status, 200, "{done:?}");
        let answer = done.json();
        let folder = answer["bin_dir"].as_str().expect("folder");
        let files = path("other/store").join(folder);
        fs::create_dir_all(&files).expect("folder");
        for image in answer["images"].as_array().expect("images") {
            let name = image["name"].as_str().expect("name");
            let bytes = get(server.addr, &format!("/store/{folder}/{name}")).body;
            fs::write(files.join(name), bytes).expect("file");
        }
        let server = upstream::serve(&path("other"), local).expect("server");
        let other = Self {
            archives,
            site,
            server,
            answer,
        };
        other.say(&other.answer);
        other
    }

    fn path(&self, name: &str) -> PathBuf {
        self.archives.dir.path().join(name)
    }

    fn hash(&self) -> &str {
        self.answer["request_hash"].as_str().expect("hash")
    }

    fn url(&self) -> String {
        format!("{}/build/{}", self.server.url(), self.hash())
    }

    /// Says something else of the build.
    fn say(&self, answer: &Value) {
        let folder = self.path("other/api/v1/build");
        fs::create_dir_all(&folder).expect("folder");
        fs::write(folder.join(self.hash()), answer.to_string()).expect("file");
    }

    /// The image of a kind, and its file.
    fn image(&self, kind: &str) -> (usize, PathBuf) {
        let images = self.answer["images"].as_array().expect("images");
        let place = images
            .iter()
            .position(|image| image["type"] == kind)
            .expect("image");
        let name = images[place]["name"].as_str().expect("name");
        let folder = self.answer["bin_dir"].as_str().expect("folder");
        (place, self.path("other/store").join(folder).join(name))
    }

    /// Builds it again on a machine whose data is in `data`.
    fn rebuild(&self, data: &str, url: &str) -> Output {
        let text = format!(
            "upstream = '{}'\nkeys = '{}'\nisolation = 'copy'\n",
            self.site.url(),
            self.path("keys").display()
        );
        let file = self.path("rebuilder.toml");
        fs::write(&file, text).expect("configuration");
        Command::new(env!("CARGO_BIN_EXE_asu-server"))
            .args(["rebuild", url, "--config"])
            .arg(file)
            .arg("--data")
            .arg(self.path(data))
            .output()
            .expect("asu-server")
    }
}

/// How it ended and what it said.
fn verdict(output: &Output) -> (Option<i32>, String) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn the_same_image() {
    let other = Other::new();
    let json = other.url().replace("/build/", "/api/v1/build/");
    for url in [other.url(), json] {
        let (code, said) = verdict(&other.rebuild("mine", &url));
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.ends_with("what was built here of the same request.\n"),
            "{said}"
        );
        for image in other.answer["images"].as_array().expect("images") {
            let sum = image["sha256_unsigned"].as_str().expect("sum");
            assert!(said.contains(&format!("same: {sum} ")), "{said}");
        }
    }
    assert_eq!(
        entries(&other.path("mine/work")),
        0,
        "nothing is left but the ImageBuilder"
    );
    assert_eq!(entries(&other.path("mine/store")), 0);
}

/// Everything that can be said or handed out wrongly is found, each time with the words that tell which it is.
#[test]
fn a_server_that_lies() {
    let other = Other::new();
    let (place, file) = other.image("combined-efi");
    let good = fs::read(&file).expect("image");
    let image = |answer: &mut Value, field: &str, value: String| {
        answer["images"][place][field] = value.into();
    };
    let judge = |answer: &Value, words: &str| {
        other.say(answer);
        let (code, said) = verdict(&other.rebuild("mine", &other.url()));
        assert_eq!(code, Some(1), "{words}: {said}");
        assert!(
            said.contains(words) && said.contains("\nNot the same"),
            "{words}: {said}"
        );
    };
    // It built something else, and says so.
    let mut answer = other.answer.clone();
    image(&mut answer, "sha256_unsigned", "0".repeat(64));
    judge(&answer, "(sha256_unsigned)");
    // It says that it asked for less than it did.
    let mut answer = other.answer.clone();
    answer["manifest"]["tmux"] = "9".into();
    judge(&answer, "package tmux is 3");
    let mut answer = other.answer.clone();
    answer["request"]["packages"] = json!(["owut"]);
    judge(&answer, "package tmux is not there here");
    // It hands out another file than it says.
    let mut bytes = good.clone();
    bytes[1000] ^= 1;
    fs::write(&file, &bytes).expect("image");
    judge(&other.answer, "not");
    judge(&other.answer, "as they say");
    // It says the sum of that file, and of the honest one without signature.
    let mut answer = other.answer.clone();
    image(&mut answer, "sha256", sha256_hex(&bytes));
    judge(&answer, "without its signature");
    // Put right again, all is well.
    fs::write(&file, &good).expect("image");
    other.say(&other.answer);
    let (code, said) = verdict(&other.rebuild("mine", &other.url()));
    assert_eq!(code, Some(0), "{said}");
}

/// With another ImageBuilder nothing could be said: who has the old one still can.
#[test]
fn an_imagebuilder_that_was_replaced() {
    let other = Other::new();
    let (code, said) = verdict(&other.rebuild("early", &other.url()));
    assert_eq!(code, Some(0), "{said}");
    let archive = other.archives.archive();
    let mut bytes = fs::read(&archive).expect("archive");
    bytes.extend([0; 4]);
    let key = upstream::Options::default().key();
    other.archives.replace_archive(&bytes, &key);
    let (code, said) = verdict(&other.rebuild("late", &other.url()));
    assert!(
        code == Some(3) && said.contains("has another one meanwhile"),
        "{code:?} {said}"
    );
    let (code, said) = verdict(&other.rebuild("early", &other.url()));
    assert_eq!(code, Some(0), "{said}");
}

/// What can't be built again, and what is no answer: a sentence, and nothing is left behind.
#[test]
fn nothing_to_compare() {
    let other = Other::new();
    let hash = other.hash().to_owned();
    let altered = |place: &str, value: Value| {
        let mut answer = other.answer.clone();
        *answer.pointer_mut(place).expect("place") = value;
        answer
    };
    let cases = [
        (json!([]), "invalid type"),
        (json!({}), "says nothing of what was asked for"),
        (altered("/images/0/name", json!("../../x")), "no plain name"),
        (
            altered("/request/packages", json!(["$(touch x)"])),
            "wrong form",
        ),
        (
            altered("/request/packages", json!(["nosuch"])),
            "missing (nosuch)",
        ),
        (
            altered("/request/target", json!("x86/nosuch")),
            "Unsupported target",
        ),
        (
            altered("/version_code", json!("r1-0000000000")),
            "Received incorrect version",
        ),
        (
            altered("/manifest", json!({"\u{1b}[2J": "1"})),
            "no plain name or version",
        ),
    ];
    for (answer, words) in cases {
        other.say(&answer);
        let (code, said) = verdict(&other.rebuild("mine", &other.url()));
        assert!(
            code == Some(3) && said.contains(words),
            "{words}: {code:?} {said}"
        );
    }
    let unknown = format!("{}/build/{}", other.server.url(), "0".repeat(64));
    let away = format!("http://127.0.0.1:1/build/{hash}");
    for (url, words) in [
        (unknown.as_str(), "knows no such build"),
        (&away, "127.0.0.1:1"),
        ("https://x/", "is not the address of a build"),
    ] {
        let (code, said) = verdict(&other.rebuild("mine", url));
        assert!(
            code == Some(3) && said.contains(words),
            "{words}: {code:?} {said}"
        );
    }
    assert_eq!(entries(&other.path("mine/work")), 0);
    // An answer without end is not read to its end.
    let file = fs::File::create(other.path("other/api/v1/build").join(&hash)).expect("file");
    file.set_len(64 << 20).expect("length");
    let (code, said) = verdict(&other.rebuild("mine", &other.url()));
    assert_eq!(code, Some(3), "{said}");
    let usage = Command::new(env!("CARGO_BIN_EXE_asu-server"))
        .arg("rebuild")
        .output();
    assert_eq!(usage.expect("asu-server").status.code(), Some(2));
}
