//! `--help`, from the table of commands and options.

use super::table::{Command, Field, Opt, COMMANDS, GROUPS, OPTIONS};

const FIELDS: [(Field, &str); 4] = [
    (Field::Upgrade, "Upgrades"),
    (Field::Image, "Images"),
    (Field::Look, "What there is"),
    (Field::Daemon, "Besides"),
];

const EXIT_CODES: &str = "
Exit codes: 0 done, or nothing to do; 1 failed; 2 wrong usage; 3 server or
network; 4 the server could not build it; 5 the image was refused; 6 not enough
memory or space.
";

const CHECK_EXIT_CODES: &str = "
Exit codes: 0 nothing to do; 20 an upgrade is available; 21 it is, but something
is in the way; 1 failed; 2 wrong usage; 3 server or network; 4 the server can't
build it; 6 not enough memory or space.
";

/// What `asu --help` prints.
pub fn general() -> String {
    let mut text = String::from(
        "Upgrades this OpenWrt router, with its packages, through an upgrade server.\n\nUsage: asu COMMAND [OPTION]...\n",
    );
    for (field, title) in FIELDS {
        text.extend(["\n", title, ":\n"]);
        for command in COMMANDS.iter().filter(|command| command.field == field) {
            line(&mut text, &called(command), 18, command.help);
        }
    }
    text.push_str("\n\"asu COMMAND --help\" lists what a command can be told. All can be told:\n");
    let general = |option: &&Opt| option.with.is_empty();
    OPTIONS
        .iter()
        .filter(general)
        .for_each(|option| describe(&mut text, option));
    text.push_str("  --version                 print the version of this program\n");
    text.push_str(EXIT_CODES);
    text
}

/// What `asu COMMAND --help` prints.
pub fn of(command: &Command) -> String {
    let mut text = String::new();
    text.extend([
        "asu ",
        command.name,
        ": ",
        command.help,
        "\n\nUsage: asu ",
        &called(command),
        " [OPTION]...\n",
    ]);
    for (group, title) in GROUPS {
        let own = |option: &&Opt| option.group == *group && option.goes_with(command.name);
        let mut own = OPTIONS.iter().filter(own).peekable();
        if own.peek().is_some() {
            text.extend(["\n", title, ":\n"]);
        }
        own.for_each(|option| describe(&mut text, option));
    }
    text.push_str(match command.name {
        "check" => CHECK_EXIT_CODES,
        _ => EXIT_CODES,
    });
    text
}

/// A command with its arguments.
fn called(command: &Command) -> String {
    [command.name, " ", command.arguments]
        .concat()
        .trim_end()
        .to_owned()
}

fn describe(text: &mut String, option: &Opt) {
    let mut names = option.typed();
    if option.short != ' ' {
        names.insert_str(0, ", ");
        names.insert(0, option.short);
        names.insert(0, '-');
    }
    if !option.value.is_empty() {
        names.extend([" ", option.value]);
    }
    line(text, &names, 26, option.help);
}

/// Two columns; a left one that is too wide has a line of its own.
fn line(text: &mut String, left: &str, width: usize, right: &str) {
    text.extend(["  ", left]);
    let mut blanks = width.saturating_sub(left.len());
    if blanks < 2 {
        text.push('\n');
        blanks = width + 2;
    }
    text.extend(std::iter::repeat_n(' ', blanks));
    text.extend([right, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_in_lines_that_fit() {
        let mut all = general();
        for command in COMMANDS {
            assert!(
                all.contains(&format!("\n  {}", command.name)),
                "{}",
                command.name
            );
            all.push_str(&of(command));
        }
        for option in OPTIONS {
            assert!(all.contains(&option.typed()), "--{}", option.long);
            assert!(!option.help.is_empty());
        }
        let wide = all.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None);
    }

    #[test]
    fn a_command_tells_its_own_options_only() {
        let help = |name: &str| {
            of(COMMANDS
                .iter()
                .find(|command| command.name == name)
                .unwrap())
        };
        let upgrade = help("upgrade");
        for expected in [
            "-a, --add NAMES",
            "--clean-slate",
            "-p, --pre-install FILE",
            "-y, --yes",
            "Exit codes: 0 done",
        ] {
            assert!(upgrade.contains(expected), "{expected}: {upgrade}");
        }
        assert!(!upgrade.contains("--format"), "{upgrade}");
        assert!(help("check").contains("20 an upgrade is available"));
        assert!(!help("status").contains("--add"));
    }
}
