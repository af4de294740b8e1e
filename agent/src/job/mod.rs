//! `asu job`: the daemon's child, which does everything that touches the network or parses what
//! came from it, up to a complete image file.
//!
//! It gets an [`Order`] as one JSON object on standard input, tells what happens as one
//! [`Event`] a line on standard output, and ends. It is never asked to stop: it is killed.

mod confine;
mod run;

pub use confine::MEMORY;
pub use run::{main, perform, Tell, Told};

use crate::api::{KeptPlan, Upgrade, Versions};
use crate::error::Error;
use crate::json::{self, Decode, Encode, Object, Out, Unexpected, Value};
pub use crate::upgrade::promise::Downloaded;
use crate::upgrade::{Inputs, Progress};

/// What is to be done.
#[derive(Clone, Debug, Default, Decode, Encode)]
pub struct Order {
    /// How far to go.
    pub task: Task,
    /// From where.
    pub inputs: Inputs,
    /// What is to be reported.
    #[field(sparse)]
    pub upgrade: Option<Upgrade>,
}

/// How far a job goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Task {
    /// To the server's list of releases.
    #[default]
    Versions,
    /// To a plan.
    Check,
    /// To an image.
    Download,
    /// Tells the server that built it what came of the last upgrade.
    Report,
}

/// What a job tells; the last four end it. The job has a plan as a [`Plan`](crate::api::Plan), and the
/// daemon passes it on as it came.
#[derive(Clone, Debug)]
pub enum Event<P = KeptPlan> {
    /// Where it is.
    Progress(Progress),
    /// What will be asked for (also the last word of a check).
    Plan(P),
    /// The last word of `versions`.
    Versions(Versions),
    /// The last word of a download: `firmware.bin` lies in the job's folder.
    Image(Box<Downloaded>),
    /// The last word of a report: whether the server takes such.
    Reported(bool),
    /// Why there is no last word of another kind.
    Failed(Error),
}

impl<P> Default for Event<P> {
    fn default() -> Self {
        Event::Progress(Progress::default())
    }
}

/// `{"progress": {…}}`: the kind, and what belongs to it.
impl<P: Encode> Encode for Event<P> {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let (kind, told): (&str, &dyn Encode) = match self {
            Event::Progress(progress) => ("progress", progress),
            Event::Plan(plan) => ("plan", plan),
            Event::Versions(versions) => ("versions", versions),
            Event::Image(downloaded) => ("image", downloaded),
            Event::Reported(taken) => ("reported", taken),
            Event::Failed(error) => ("failed", error),
        };
        Object(&[(kind, told)]).encode(name, out);
    }
}

/// What is told in the text of an event, without its kind.
pub fn told(event: &[u8]) -> &[u8] {
    let kind = packages::before(event, b':').len();
    let told = event.get(kind + 1..).unwrap_or_default().trim_ascii_end();
    told.strip_suffix(b"}").unwrap_or(told)
}

impl<P: Decode + Default> Decode for Event<P> {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        let (kind, told) = json::only_field(value)?;
        *self = match kind {
            b"progress" => Event::Progress(data::read(told)?),
            b"plan" => Event::Plan(data::read(told)?),
            b"versions" => Event::Versions(data::read(told)?),
            b"image" => Event::Image(data::read(told)?),
            b"reported" => Event::Reported(data::read(told)?),
            b"failed" => Event::Failed(data::read(told)?),
            _ => return Err(Unexpected::instead(value, "an event")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_found_in_the_text() {
        for (event, expected) in [
            (r#"{"plan":{"a":{}}}"#, r#"{"a":{}}"#),
            ("{\"reported\" : true }\n", " true "),
            ("", ""),
        ] {
            assert_eq!(told(event.as_bytes()), expected.as_bytes());
        }
    }
}
