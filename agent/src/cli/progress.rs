//! A job on the terminal: a bar that moves, or on a pipe a line whenever something changes.

use super::output::Output;
use crate::api::{Job, Phase};
use crate::error::Error;
use crate::system::room::mib;

/// Columns of the bar itself.
const BAR: usize = 24;
/// Columns of a line that is drawn again and again: one that wraps can't be.
const WIDTH: usize = 79;

/// Draws one job.
#[derive(Default)]
pub struct Progress {
    last: String,
    spoken: Option<u8>,
}

impl Progress {
    /// Shows the job as it is now.
    pub fn show(&mut self, job: &Job, output: &mut Output) -> Result<(), Error> {
        if output.is_json() {
            return output.object(job);
        }
        let line = line(job);
        if output.is_terminal() {
            let bar = bar(job.percent);
            return output.redraw(&format!("{}{bar}", cut(&line, WIDTH - bar.len())));
        }
        // On a pipe each tenth of a download is a line, not each notification.
        let tenth = job.percent.map(|percent| percent / 10);
        if line != self.last || tenth != self.spoken {
            self.last.clone_from(&line);
            self.spoken = tenth;
            let percent = job
                .percent
                .map(|percent| format!(" {percent} %"))
                .unwrap_or_default();
            return output.line(&format!("{line}{percent}"));
        }
        Ok(())
    }
}

fn line(job: &Job) -> String {
    let mut line = phase(job.phase).to_owned();
    match (job.phase, job.queue_position) {
        (Phase::Queued, Some(0)) => line.push_str(": next in line"),
        (Phase::Queued, Some(position)) => {
            line.push_str(&format!(": {position} builds before this one"))
        }
        (Phase::Downloading, _) => {
            let size = job.bytes_total.map(|total| format!(" {}", mib(total)));
            line.push_str(&format!("{}: {}", size.unwrap_or_default(), job.detail));
        }
        _ if !job.detail.is_empty() => line.push_str(&format!(": {}", job.detail)),
        _ => {}
    }
    line
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Checking => "Checking",
        Phase::Requesting => "Requesting the image",
        Phase::Queued => "In the server's queue",
        Phase::Building => "The server builds",
        Phase::Downloading => "Downloading",
        Phase::Verifying => "Verifying the image",
        Phase::Ready => "Image ready",
        Phase::Flashing => "Installing",
        Phase::Done => "Done",
        Phase::Failed => "Failed",
        Phase::Cancelled => "Cancelled",
    }
}

/// The line in at most `width` columns.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn bar(percent: Option<u8>) -> String {
    let Some(percent) = percent else {
        return String::new();
    };
    let filled = usize::from(percent.min(100)) * BAR / 100;
    let (done, open) = ("#".repeat(filled), ".".repeat(BAR - filled));
    format!(" [{done}{open}] {percent} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_a_narrow_terminal() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert!(bar(Some(u8::MAX)).len() < WIDTH);
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(None), "");
        assert_eq!(bar(Some(0)), format!(" [{}] 0 %", ".".repeat(24)));
        assert_eq!(
            bar(Some(50)),
            format!(" [{}{}] 50 %", "#".repeat(12), ".".repeat(12))
        );
        assert_eq!(bar(Some(255)), format!(" [{}] 255 %", "#".repeat(24)));
    }
}
