//! The parser's table of options, the manual page, the completion for bash and the table for users
//! of owut say the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use asu::cli::table::{COMMANDS, OPTIONS};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMPLETION: &str =
    "openwrt-package/attended-sysupgrade-agent/files/usr/share/bash-completion/completions/asu";

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(place(path)).unwrap()
}

/// What the completion's functions print.
fn bash(script: &str) -> String {
    let ended = Command::new("bash")
        .args(["-c", &format!("complete() {{ :; }}; . \"$0\"; {script}")])
        .arg(place(COMPLETION))
        .output()
        .unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
    String::from_utf8(ended.stdout).unwrap()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// As they are typed: `-a`, `--add`.
fn names(command: &str) -> BTreeSet<String> {
    let options = OPTIONS.iter().filter(|option| option.goes_with(command));
    let names = options.flat_map(|option| {
        let long = [option.long, option.also].into_iter();
        let long = long
            .filter(|name| !name.is_empty())
            .map(|name| format!("--{name}"));
        long.chain((option.short != ' ').then(|| format!("-{}", option.short)))
    });
    names.collect()
}

#[test]
fn bash_completes_what_each_command_takes() {
    for command in COMMANDS {
        let name = command.name;
        let completed = words(&bash(&format!("_asu_options {name}")));
        assert_eq!(completed, names(name), "asu {name}");
    }
}

#[test]
fn bash_completes_as_one_types() {
    let complete = |line: &str| {
        let script = format!("COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _asu; echo \"${{COMPREPLY[@]}}\"");
        words(&bash(&script))
    };
    let commands: BTreeSet<String> = COMMANDS.iter().map(|c| c.name.to_owned()).collect();
    assert_eq!(complete("asu ''"), commands);
    assert_eq!(complete("asu --root /x up"), words("upgrade"));
    assert_eq!(complete("asu check --clean"), words("--clean-slate"));
    assert_eq!(complete("asu upgrade -F ex"), words("ext4"));
    assert_eq!(complete("asu list -f ''"), words("fs-user fs-all config"));
    assert_eq!(complete("asu check --rootfs-size ''"), words(""));
}

#[test]
fn the_manual_tells_of_every_command_and_option() {
    let manual = text("docs/asu.8").replace('\\', "");
    let entries: Vec<&str> = manual
        .split(".TP\n")
        .skip(1)
        .filter_map(|entry| entry.lines().next())
        .collect();
    for command in COMMANDS {
        let told = entries
            .iter()
            .any(|entry| entry.split_whitespace().nth(1) == Some(command.name));
        assert!(told, "asu {}", command.name);
    }
    for option in OPTIONS {
        let long = format!("--{}", option.long);
        let entry = entries
            .iter()
            .find(|entry| entry.split([' ', ',', '"']).any(|word| word == long));
        let entry = entry.unwrap_or_else(|| panic!("{long} is not in the manual"));
        let has = |word: &str| entry.split([' ', ',', '"']).any(|found| found == word);
        if option.short != ' ' {
            assert!(has(&format!("-{}", option.short)), "{entry}");
        }
        if !option.also.is_empty() {
            assert!(has(&format!("--{}", option.also)), "{entry}");
        }
        assert!(entry.contains(option.value), "{entry}: {}", option.value);
    }
    let known: BTreeSet<String> = OPTIONS
        .iter()
        .flat_map(|option| [option.long, option.also])
        .map(|name| format!("--{name}"))
        .collect();
    let told = manual.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    for name in told.filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(
            known.contains(name),
            "the manual tells of {name}, which nobody reads"
        );
    }
}

/// `owut --help` of owut 2026 (efahl/owut, files/owut: arg_defs), its options without their help.
const OWUT: &str = "--help --version --version-to --rev-code --verbose --quiet --keep --force --add --remove \
    --clean-slate --ignored-defaults --ignored-changes --init-script --fstype --rootfs-size --image --format \
    --pre-install --poll-interval --progress-size --device";
/// auc's usage (openwrt/packages, utils/auc/src/auc.c, until 2025).
const AUC: &str = "-b -B -c -d -f -h -n -r -F -y";

#[test]
fn users_of_owut_and_auc_find_every_option_in_the_table() {
    let page = text("docs/from-owut.md");
    let (owut, auc) = page.split_once("## auc").unwrap();
    let first_cells = |part: &str| -> BTreeSet<String> {
        let rows = part
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        let cells = rows.flat_map(|cell| cell.split('`'));
        cells
            .flat_map(words)
            .filter(|word| word.starts_with('-'))
            .collect()
    };
    for name in words(OWUT) {
        assert!(first_cells(owut).contains(&name), "owut {name}");
    }
    for name in words(AUC) {
        assert!(first_cells(auc).contains(&name), "auc {name}");
    }
    // What the second cell says is ours has to be ours.
    let mut ours: BTreeSet<String> = COMMANDS.iter().flat_map(|c| names(c.name)).collect();
    ours.insert("--version".into());
    let seconds = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').nth(1));
    for cell in seconds {
        let quoted = cell.split('`').skip(1).step_by(2).flat_map(words);
        for name in quoted.filter(|word| word.starts_with('-')) {
            assert!(ours.contains(&name), "{name} in {cell}");
        }
    }
}
