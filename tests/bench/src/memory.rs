//! Memory of processes, from /proc; of those that end, in the moment when they do.

use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;
use sandbox::Error;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

/// What a process has, in KiB.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The last word of its command line.
    pub command: String,
    /// The most it ever had in memory.
    pub peak: u64,
    /// Of its own: heap, stacks, changed data.
    pub anonymous: u64,
    /// Pages of its program (and libraries), which all its processes share.
    pub file: u64,
    /// What nobody shares with it, changed or not.
    pub private: u64,
}

impl Memory {
    /// Of a living process.
    pub fn of(pid: Pid) -> Result<Memory, Error> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).map_err(|error| format!("{path} can't be read: {error}"))
        };
        let (status, rollup) = (read("status")?, read("smaps_rollup")?);
        let command = read("cmdline")?;
        let last = command.split('\0').rfind(|word| !word.is_empty());
        Ok(Memory {
            command: last.unwrap_or_default().to_owned(),
            peak: field(&status, "VmHWM")?,
            anonymous: field(&status, "RssAnon")?,
            file: field(&status, "RssFile")?,
            private: field(&rollup, "Private_Clean")? + field(&rollup, "Private_Dirty")?,
        })
    }
}

/// What processes and all that they started have in memory, in KiB; shared pages are counted once (Pss).
pub fn of_trees(pids: &[Pid]) -> Result<u64, Error> {
    let mut sum = 0;
    for pid in pids {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        // One that ended meanwhile has none.
        let Ok(rollup) = read("smaps_rollup") else {
            continue;
        };
        sum += field(&rollup, "Pss").unwrap_or(0);
        let children = read(&format!("task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace();
        let children: Vec<Pid> = children
            .filter_map(|child| Some(Pid::from_raw(child.parse().ok()?)))
            .collect();
        sum += of_trees(&children)?;
    }
    Ok(sum)
}

/// How often the first thread of a process went to sleep by itself.
pub fn sleeps(pid: Pid) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/status");
    field(&fs::read_to_string(path)?, "voluntary_ctxt_switches")
}

fn field(text: &str, name: &str) -> Result<u64, Error> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find_map(|(found, value)| (found == name).then_some(value));
    let number = value.and_then(|value| value.split_ascii_whitespace().next());
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("the kernel tells no {name}").into())
}

/// Runs `command`, and looks at every process that ends until it has: it and what `others`
/// (children of this process) start.
pub fn of_all(mut command: Command, others: &[Pid]) -> Result<(ExitStatus, Vec<Memory>), Error> {
    let failed = |errno: Errno| format!("a process can't be traced: {errno}");
    for pid in others {
        ptrace::seize(*pid, options()).map_err(failed)?;
    }
    let child = command.spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    ptrace::seize(pid, options()).map_err(failed)?;
    let mut watched = Watched {
        living: BTreeSet::from([pid]),
        ended: Vec::new(),
    };
    let mut status = None;
    while !watched.living.is_empty() {
        // Only this thread's: the server beside it has children of its own.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let event = waitpid(None, Some(flags)).map_err(failed)?;
        match event {
            WaitStatus::Exited(of, code) if of == pid => {
                status = Some(ExitStatus::from_raw(code << 8));
            }
            WaitStatus::Signaled(of, signal, _) if of == pid => {
                status = Some(ExitStatus::from_raw(signal as i32));
            }
            _ => {}
        }
        watched.handle(event, others)?;
    }
    let status = status.ok_or("the program's end was not seen")?;
    Ok((status, watched.ended))
}

fn options() -> Options {
    Options::PTRACE_O_TRACEEXIT
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
}

struct Watched {
    living: BTreeSet<Pid>,
    ended: Vec<Memory>,
}

impl Watched {
    fn handle(&mut self, event: WaitStatus, others: &[Pid]) -> Result<(), Error> {
        let (pid, signal) = match event {
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == Event::PTRACE_EVENT_EXIT as i32 && is_first_thread(pid) {
                    self.ended.push(Memory::of(pid)?);
                }
                (pid, None)
            }
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                self.living.remove(&pid);
                return match others.contains(&pid) {
                    true => Err("a process died that should have stayed".into()),
                    false => Ok(()),
                };
            }
            _ => return Ok(()),
        };
        if !others.contains(&pid) {
            self.living.insert(pid);
        }
        go_on(pid, signal)
    }
}

fn go_on(pid: Pid, signal: Option<Signal>) -> Result<(), Error> {
    match ptrace::cont(pid, signal) {
        // It was killed meanwhile.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(format!("a process can't be traced: {errno}").into()),
    }
}

/// Threads end as well, but the memory is their process'.
fn is_first_thread(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|status| field(&status, "Tgid").ok())
        .is_some_and(|process| i64::from(pid.as_raw()) == process as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_is_seen() {
        let mut command = Command::new("/bin/sh");
        // It waits until it is watched: who is traced goes on from a stop.
        command.args(["-c", "kill -STOP $$; /bin/true; /bin/false; exit 3"]);
        let (status, seen) = of_all(command, &[]).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen
            .iter()
            .all(|one| one.peak >= one.anonymous && one.peak > 100));
        assert_eq!(seen[0].command, "/bin/true");
    }

    #[test]
    fn fields_are_found() {
        assert_eq!(field("A:\t 1 kB\nB: 22\n", "B").unwrap(), 22);
        assert!(field("A: x", "A").is_err() && field("", "A").is_err());
    }
}
