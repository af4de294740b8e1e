//! `asu job`: the daemon's child, which does everything that touches the network or parses what
//! came from it, up to a complete image file.
//!
//! It gets an [`Order`] as one JSON object on standard input, tells what happens as one
//! [`Event`] a line on standard output, and ends. It is never asked to stop: it is killed.

mod confine;
mod run;

pub use confine::MEMORY;
pub use run::{main, perform, Tell};

use crate::api::{Plan, Upgrade, Versions};
use crate::error::Error;
pub use crate::upgrade::promise::Downloaded;
use crate::upgrade::{Inputs, Progress};
use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Order {
    /// How far to go.
    pub task: Task,
    /// From where.
    pub inputs: Inputs,
    /// What is to be reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
}

/// How far a job goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// To the server's list of releases.
    Versions,
    /// To a plan.
    Check,
    /// To an image.
    Download,
    /// Tells the server that built it what came of the last upgrade.
    Report,
}

/// What a job tells; the last four end it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Where it is.
    Progress(Progress),
    /// What will be asked for (also the last word of a check).
    Plan(Box<Plan>),
    /// The last word of `versions`.
    Versions(Versions),
    /// The last word of a download: `firmware.bin` lies in the job's folder.
    Image(Box<Downloaded>),
    /// The last word of a report: whether the server takes such.
    Reported(bool),
    /// Why there is no last word of another kind.
    Failed(Error),
}
