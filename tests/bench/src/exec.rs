//! Helps a program through `execve("/proc/self/exe")` while valgrind runs it.
//!
//! There the path leads to valgrind itself (3.19 does not look at it). So the child is held at its
//! `execve`, and the path it hands over is written over with another one.

use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::mpsc::Sender;

/// What the child is to run: a file in the daemon's working directory.
pub const PROGRAM: &str = "./asu";

/// The first word of the path that stands there.
const BEFORE: &[u8; 8] = b"/proc/se";

/// What is written over it: [`PROGRAM`], filled up with NULs.
const AFTER: &[u8; 8] = b"./asu\0\0\0";

/// Watches `pid`, a child of this process, until it ends, and has each child that it starts run
/// [`PROGRAM`]. Tells `ready` when it watches.
pub fn redirect(pid: Pid, ready: &Sender<()>) -> Result<(), Errno> {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(pid, options)?;
    // Who waits for it may have given up.
    let _ = ready.send(());
    // Those that run their program: nothing more is to be done for them.
    let mut started = BTreeSet::new();
    loop {
        // Only this thread's: others of this process wait for children of their own.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let signal = match waitpid(None, Some(flags))? {
            WaitStatus::Exited(of, _) | WaitStatus::Signaled(of, ..) if of == pid => return Ok(()),
            WaitStatus::PtraceSyscall(child) => {
                replace(child)?;
                (child, None)
            }
            WaitStatus::PtraceEvent(of, _, event) => {
                if event == Event::PTRACE_EVENT_EXEC as i32 {
                    started.insert(of);
                }
                (of, None)
            }
            WaitStatus::Stopped(of, signal) => (of, Some(signal)),
            _ => continue,
        };
        go_on(pid, signal, &started)?;
    }
}

/// A child that has not come to its program yet is held again at its next system call.
fn go_on(
    parent: Pid,
    (pid, signal): (Pid, Option<Signal>),
    started: &BTreeSet<Pid>,
) -> Result<(), Errno> {
    let went = match pid == parent || started.contains(&pid) {
        true => ptrace::cont(pid, signal),
        false => ptrace::syscall(pid, signal),
    };
    match went {
        // It was killed meanwhile.
        Err(Errno::ESRCH) => Ok(()),
        result => result,
    }
}

/// At an `execve` of `/proc/self/exe`: the path becomes another one.
#[cfg(target_arch = "x86_64")]
fn replace(pid: Pid) -> Result<(), Errno> {
    /// x86-64's number of the system call.
    const EXECVE: u64 = 59;
    let registers = ptrace::getregs(pid)?;
    if registers.orig_rax != EXECVE {
        return Ok(());
    }
    let path = registers.rdi as ptrace::AddressType;
    if ptrace::read(pid, path)?.to_ne_bytes() == *BEFORE {
        ptrace::write(pid, path, i64::from_ne_bytes(*AFTER))?;
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn replace(_: Pid) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}
