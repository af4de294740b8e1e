//! The program `plugin-host`, started and talked to.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{plugin, Root};

/// A running `plugin-host` with the plugin loaded.
pub struct Host {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a call led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status: 0, or one of ubus' others.
    pub status: i32,
    /// The data of the one message that was sent: blobmsg fields. None where none was.
    pub data: Option<Vec<u8>>,
}

/// What becomes of the next program that the plugin has rpcd execute.
#[derive(Clone, Copy, Debug)]
pub enum Exec {
    /// rpcd can't start it.
    Fails,
    /// It says something and ends with this code.
    Ends(u8, &'static str),
    /// rpcd kills it for taking too long, and then tells no status.
    TimesOut,
    /// It fails, but rpcd has not learnt its status when it has closed its outputs.
    EndsUnseen,
}

impl Host {
    /// Loads the plugin, with `root` for its file system. `program` is the `plugin-host` itself:
    /// `env!("CARGO_BIN_EXE_plugin-host")`.
    pub fn start(program: &Path, root: &Root) -> io::Result<Host> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg(plugin::path()?)
            .arg(root.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes to plugin-host"));
        };
        let answers = BufReader::new(answers);
        Ok(Host {
            child,
            requests,
            answers,
        })
    }

    /// What the plugin published: its object's name, then `method(argument:type,…)`.
    pub fn object(&mut self) -> io::Result<String> {
        self.ask("object")
    }

    /// Says what becomes of the next program.
    pub fn next_exec(&mut self, exec: Exec) -> io::Result<()> {
        let line = match exec {
            Exec::Fails => "exec fails".to_owned(),
            Exec::Ends(code, said) => format!("exec ends {code} {}", hex(said.as_bytes())),
            Exec::TimesOut => "exec times-out".to_owned(),
            Exec::EndsUnseen => "exec unseen".to_owned(),
        };
        self.ask(&line).map(|_| ())
    }

    /// The arguments of the program that was executed last, one a line.
    pub fn executed(&mut self) -> io::Result<String> {
        let line = self.ask("executed")?;
        Ok(line.replace('\t', "\n"))
    }

    /// Calls a method with these blobmsg fields as arguments; None for no message at all.
    pub fn call(&mut self, method: &str, arguments: Option<&[u8]>) -> io::Result<Answer> {
        let arguments = arguments.map_or("-".to_owned(), |bytes| format!("={}", hex(bytes)));
        let line = self.ask(&format!("call {method} {arguments}"))?;
        let invalid = || io::Error::other(format!("plugin-host said {line:?}"));
        let (status, data) = line.split_once(' ').ok_or_else(invalid)?;
        let data = match data.strip_prefix('=') {
            Some(bytes) => Some(unhex(bytes).ok_or_else(invalid)?),
            None => None,
        };
        let status = status.parse().map_err(|_| invalid())?;
        Ok(Answer { status, data })
    }

    fn ask(&mut self, line: &str) -> io::Result<String> {
        writeln!(self.requests, "{line}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(io::Error::other(format!(
                "plugin-host is gone after {line:?}"
            )));
        }
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It is a test's own child, and may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal digits.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 != 0 {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}
