//! Signals as something to wait for, instead of something that interrupts.

use crate::error::{Error, Kind};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Some signals, which reach this process only here.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// From now on these signals wait to be taken. To be called before the first thread starts.
    pub fn take_over(wanted: &[Signal]) -> Result<Signals, Error> {
        let failed = |errno: nix::errno::Errno| {
            Error::new(
                Kind::Internal,
                format!("Signals can't be waited for: {errno}."),
            )
        };
        let mut set = SigSet::empty();
        for signal in wanted {
            set.add(*signal);
        }
        set.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        SignalFd::with_flags(&set, flags)
            .map(Signals)
            .map_err(failed)
    }

    /// Whether one has come.
    pub fn come(&mut self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_waits_until_it_is_taken() {
        let mut signals = Signals::take_over(&[Signal::SIGUSR2]).unwrap();
        assert!(!signals.come());
        // To this thread only: the others of the test have not blocked it.
        let this = nix::sys::pthread::pthread_self();
        nix::sys::pthread::pthread_kill(this, Signal::SIGUSR2).unwrap();
        assert!(signals.come() && !signals.come());
    }
}
