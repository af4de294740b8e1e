//! The system's log: a line at each change of state. procd gives it our outputs, the standard one as
//! information and the other one as errors.

use super::phase::phase_word;
use crate::api::{Job, Phase, Status};
use crate::text;
use std::io::Write;

/// Which change was told last.
#[derive(Debug, Default)]
pub struct Log {
    job: Option<(u32, Phase)>,
}

/// A line of information. Where nobody reads the log, nobody can be told so.
pub fn inform(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "asu: {}", text::line(line));
}

impl Log {
    /// Tells what has changed since the last call.
    pub fn changes(&mut self, status: &Status) {
        let now = status.job.as_ref().map(|job| (job.id, job.phase));
        if let (Some(job), true) = (&status.job, now != self.job) {
            match &job.error {
                Some(error) => text::say(&format_args!("{}: {error}", words(job))),
                None => inform(&words(job)),
            }
        }
        self.job = now;
    }
}

/// `job 3, OpenWrt 24.10.2 r28739-d9340319c6 from https://…: downloading`
fn words(job: &Job) -> String {
    let mut words = format!("job {}", job.id);
    for (before, what) in [
        (", OpenWrt ", &job.version),
        (" ", &job.revision),
        (" from ", &job.server),
    ] {
        if !what.is_empty() {
            words += before;
            words += &text::clean(what);
        }
    }
    words + ": " + phase_word(job.phase)
}
