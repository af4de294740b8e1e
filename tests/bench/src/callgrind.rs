//! Instructions, counted by valgrind's callgrind.

use sandbox::Error;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// A command that runs `program` and leaves its counts in `out`.
///
/// Not for a program that starts `/proc/self/exe`: below valgrind 3.19 that is valgrind.
pub fn command(program: &OsStr, out: &Path) -> Command {
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(out);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--vgdb=no"])
        .arg(file)
        .arg("--")
        .arg(program);
    command
}

/// Why valgrind could not be run.
pub fn missing(error: &std::io::Error) -> String {
    format!("valgrind can't be run ({error}); it comes with Debian's package \"valgrind\"")
}

/// What callgrind wrote.
pub struct Counts(String);

impl Counts {
    /// Reads its file.
    pub fn read(file: &Path) -> Result<Counts, Error> {
        let text = std::fs::read_to_string(file);
        text.map(Counts)
            .map_err(|error| format!("callgrind left no {}: {error}", file.display()).into())
    }

    /// Instructions of the whole process.
    pub fn total(&self) -> Result<u64, Error> {
        let line = self.0.lines().find_map(|line| line.strip_prefix("totals:"));
        let total = line.and_then(|total| total.trim().parse().ok());
        total.ok_or_else(|| "callgrind's file has no total".into())
    }

    /// Instructions from each call of a function in `object` (the end of its path) until it
    /// returns, where the caller is in another one: what the object does, with all it makes the C
    /// library do for it.
    pub fn spent_in<'a>(&'a self, object: &str) -> Result<u64, Error> {
        let mut known: HashMap<&str, bool> = HashMap::new();
        // "(7) /path" the first time, later "(7)".
        let mut is_it = |place: &'a str| match place.split_once(' ') {
            Some((id, path)) => {
                known.insert(id, path.ends_with(object));
                path.ends_with(object)
            }
            None => known.get(place).copied().unwrap_or(false),
        };
        let (mut here, mut callee, mut spent, mut calls) = (false, None, 0, false);
        for line in self.0.lines() {
            if let Some(place) = line.strip_prefix("ob=") {
                here = is_it(place);
            } else if let Some(place) = line.strip_prefix("cob=") {
                callee = Some(is_it(place));
            } else if line.starts_with("calls=") {
                calls = true;
            } else if calls {
                // The line behind "calls=": a position and what the call cost.
                if !here && callee == Some(true) {
                    let cost = line
                        .split(' ')
                        .nth(1)
                        .and_then(|cost| cost.parse::<u64>().ok());
                    spent +=
                        cost.ok_or_else(|| format!("callgrind's line {line:?} has no cost"))?;
                }
                (calls, callee) = (false, None);
            }
        }
        Ok(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_into_an_object_are_added_up() {
        let counts = Counts(
            "version: 1\nevents: Ir\n\nob=(1) /bin/host\nfn=(1) main\n1 10\n\
             cob=(2) /lib/x.so\ncfn=(2) f\ncalls=1 0\n1 500\ncfn=(3) own\ncalls=1 0\n1 7\n\n\
             ob=(2)\nfn=(2)\n0 100\ncob=(3) /lib/libc.so\ncfn=(4) malloc\ncalls=2 0\n0 400\n\n\
             ob=(3)\nfn=(4)\n0 400\ncob=(2)\ncfn=(2)\ncalls=1 0\n0 30\n\ntotals: 517\n"
                .to_owned(),
        );
        assert_eq!(counts.total().unwrap(), 517);
        assert_eq!(counts.spent_in("/x.so").unwrap(), 530);
        assert_eq!(counts.spent_in("/y.so").unwrap(), 0);
    }
}
