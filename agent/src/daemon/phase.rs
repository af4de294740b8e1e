//! The one state machine: in which phase a job is, and what can come next.

use crate::api::Phase;

/// What happens to a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Move {
    /// The work reached a further phase.
    Reach(Phase),
    /// It went wrong.
    Fail,
    /// Somebody cancelled.
    Cancel,
}

/// A move that can't be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Illegal {
    /// Where the job is.
    pub from: Phase,
    /// What was to happen.
    pub to: Move,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = match self.to {
            Move::Reach(phase) => phase_word(phase),
            Move::Fail => phase_word(Phase::Failed),
            Move::Cancel => phase_word(Phase::Cancelled),
        };
        let from = phase_word(self.from);
        write!(f, "from \"{from}\" a job can't get to \"{to}\"")
    }
}

/// Whether a job in this phase does something by itself.
pub fn is_working(phase: Phase) -> bool {
    use Phase::*;
    match phase {
        Checking | Requesting | Queued | Building | Downloading | Verifying | Flashing => true,
        Ready | Done | Failed | Cancelled => false,
    }
}

/// A phase in a sentence.
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Checking => "checking",
        Phase::Requesting => "requesting the image",
        Phase::Queued => "waiting in the queue",
        Phase::Building => "waiting for the build",
        Phase::Downloading => "downloading",
        Phase::Verifying => "verifying the image",
        Phase::Ready => "ready",
        Phase::Flashing => "flashing",
        Phase::Done => "done",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
    }
}

/// The only function that moves a job.
pub fn step(from: Phase, to: Move) -> Result<Phase, Illegal> {
    use Phase::*;
    let legal = match (from, to) {
        (Done | Failed | Cancelled, _) => None,
        // What sysupgrade has can't be called back.
        (Flashing, Move::Cancel) => None,
        (_, Move::Cancel) => Some(Cancelled),
        (_, Move::Fail) => Some(Failed),
        (same, Move::Reach(next)) if same == next => Some(next),
        // A server that restarts its worker puts a started build back into the queue.
        (Building, Move::Reach(Queued)) => Some(Queued),
        // A request that the server forgot, or whose image it threw away, is asked for again.
        (Queued | Building | Downloading, Move::Reach(Requesting)) => Some(Requesting),
        // The next server begins anew.
        (Requesting | Queued | Building | Downloading, Move::Reach(Checking)) => Some(Checking),
        (from, Move::Reach(next)) => match (order(from), order(next)) {
            (Some(a), Some(b)) if a < b && may_skip_to(from, next) => Some(next),
            _ => None,
        },
    };
    legal.ok_or(Illegal { from, to })
}

/// The way of an upgrade.
fn order(phase: Phase) -> Option<u8> {
    use Phase::*;
    Some(match phase {
        Checking => 0,
        Requesting => 1,
        Queued => 2,
        Building => 3,
        Downloading => 4,
        Verifying => 5,
        Ready => 6,
        Flashing => 7,
        Done => 8,
        Failed | Cancelled => return None,
    })
}

/// A cached image needs no queue and no build; but nothing is ever ready without having been
/// verified, flashed without being ready, or done without having been flashed.
fn may_skip_to(from: Phase, next: Phase) -> bool {
    use Phase::*;
    match next {
        Queued | Building | Downloading => from != Checking,
        Verifying => from == Downloading,
        Ready => from == Verifying,
        Flashing => from == Ready,
        Done => from == Flashing,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Phase::*;

    const ALL: [Phase; 11] = [
        Checking,
        Requesting,
        Queued,
        Building,
        Downloading,
        Verifying,
        Ready,
        Flashing,
        Done,
        Failed,
        Cancelled,
    ];

    /// From each phase, all that may come next by work, by failure and by cancelling.
    const LEGAL: [(Phase, &[Phase], bool, bool); 11] = [
        (Checking, &[Checking, Requesting], true, true),
        (
            Requesting,
            &[Checking, Requesting, Queued, Building, Downloading],
            true,
            true,
        ),
        (
            Queued,
            &[Checking, Requesting, Queued, Building, Downloading],
            true,
            true,
        ),
        (
            Building,
            &[Checking, Requesting, Queued, Building, Downloading],
            true,
            true,
        ),
        (
            Downloading,
            &[Checking, Requesting, Downloading, Verifying],
            true,
            true,
        ),
        (Verifying, &[Verifying, Ready], true, true),
        (Ready, &[Ready, Flashing], true, true),
        (Flashing, &[Flashing, Done], true, false),
        (Done, &[], false, false),
        (Failed, &[], false, false),
        (Cancelled, &[], false, false),
    ];

    #[test]
    fn every_move_legal_and_illegal() {
        for (from, reach, fail, cancel) in LEGAL {
            for next in ALL {
                let to = Move::Reach(next);
                let expected = if reach.contains(&next) {
                    Ok(next)
                } else {
                    Err(Illegal { from, to })
                };
                assert_eq!(step(from, to), expected, "{from:?} to {next:?}");
            }
            assert_eq!(
                step(from, Move::Fail).ok(),
                fail.then_some(Failed),
                "{from:?}"
            );
            assert_eq!(
                step(from, Move::Cancel).ok(),
                cancel.then_some(Cancelled),
                "{from:?}"
            );
        }
    }
}
