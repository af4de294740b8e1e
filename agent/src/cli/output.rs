//! What is printed: for people on a terminal or a pipe, or as JSON.
//!
//! Text of a server reaches a terminal only through here, where nothing in it can move the cursor,
//! change colours or turn the direction of writing.

use crate::error::{Error, Kind};
use crate::json::{self, Encode, Object};
use crate::text;
use std::io::{IsTerminal, Write};

/// Standard output and standard error.
pub struct Output {
    json: bool,
    quiet: bool,
    terminal: bool,
    /// A line that is not finished stands on the terminal.
    open: bool,
}

impl Output {
    /// For people, or (`json`) for programs.
    pub fn new(json: bool, quiet: bool) -> Output {
        Output {
            json,
            quiet,
            terminal: std::io::stdout().is_terminal(),
            open: false,
        }
    }

    /// Whether objects are printed instead of sentences.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether there is a terminal to draw on.
    pub fn is_terminal(&self) -> bool {
        self.terminal && !self.json && !self.quiet
    }

    /// Prints an object as JSON.
    pub fn object(&mut self, object: &dyn Encode) -> Result<(), Error> {
        let text = json::text(object)?;
        self.write(&format!("{}\n", text::json(&text)))
    }

    /// Prints text of our own, as it is.
    pub fn text(&mut self, text: &str) -> Result<(), Error> {
        self.write(text)
    }

    /// Prints a line for people; nothing where programs read.
    pub fn line(&mut self, line: &str) -> Result<(), Error> {
        if self.json || self.quiet {
            return Ok(());
        }
        let end = if self.open { "\r\x1b[K" } else { "" };
        self.open = false;
        self.write(&[end, &text::line(line), "\n"].concat())
    }

    /// Prints rows of others' texts in one go; before each text stands ours.
    pub fn rows<const N: usize>(
        &mut self,
        ours: [&str; N],
        rows: &mut dyn Iterator<Item = [&str; N]>,
    ) -> Result<(), Error> {
        let mut text = String::new();
        if self.json || self.quiet {
            return Ok(());
        }
        if std::mem::take(&mut self.open) {
            text.push_str("\r\x1b[K");
        }
        for row in rows {
            for (before, part) in ours.iter().zip(row) {
                text.push_str(before);
                text::append_line(&mut text, part);
            }
            text.push('\n');
        }
        self.write(&text)
    }

    /// Replaces the terminal's last line.
    pub fn redraw(&mut self, line: &str) -> Result<(), Error> {
        self.open = true;
        self.write(&format!("\r\x1b[K{}", text::line(line)))
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| Error::new(Kind::Storage, format!("Nothing can be printed: {error}.")))
    }

    /// Says what went wrong: `{error: {...}}` for programs, else a sentence with what others said.
    pub fn error(&mut self, error: &Error) {
        if self.json {
            // Where not even that can be printed, the exit code says it.
            let _ = self.object(&Object(&[("error", error)]));
            return;
        }
        self.complain(&error.message);
        for line in error.detail.lines() {
            self.note(line);
        }
    }

    /// A sentence on standard error.
    pub fn complain(&mut self, sentence: &str) {
        self.note(&format!("asu: {sentence}"));
    }

    fn note(&mut self, line: &str) {
        let end = if self.open { "\n" } else { "" };
        self.open = false;
        // There is nowhere else to say it.
        let _ = writeln!(std::io::stderr(), "{end}{}", text::line(line));
    }
}
