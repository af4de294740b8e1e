//! What the job takes from itself before it hears of any server.
//!
//! The daemon has started it as the user `asu` where the router has one. Whatever a server then
//! makes it do, it can neither become more than that nor use up the router.

use crate::error::{Error, Kind};
use crate::paths::{Paths, JOB_FOLDER};
use crate::system::{self, room};
use nix::sys::prctl;
use nix::sys::resource::{setrlimit, Resource};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{umask, Mode};
use std::path::Path;

/// Bytes of writable memory. A download over TLS was seen with less than 1 MiB; the largest answers
/// that are read whole have 2 MiB and become some times that. Each thread (one for each name that
/// is resolved) counts 2 MiB more for its stack, used or not.
pub const MEMORY: u64 = 24 * 1024 * 1024;

/// Open files: three for the daemon, one for the image, else connections.
const FILES: u64 = 64;

/// Processes and threads of the user `asu`: a check beside a download, each with a thread for each
/// name that it resolves and each server that it compares with.
const PROCESSES: u64 = 64;

/// Where memory runs out, the kernel is to end the job before anything that the router is for
/// (-1000 to 1000).
const OOM_SCORE: &str = "900";

/// For good: nothing that is given up here can be had again.
pub fn confine(paths: &Paths) -> Result<(), Error> {
    // Without the daemon nobody waits for the image, and nobody would clean up behind us.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
    close_inherited()?;
    umask(Mode::from_bits_truncate(0o077));
    prctl::set_no_new_privs().map_err(failed)?;
    limit(Resource::RLIMIT_CORE, 0)?;
    limit(Resource::RLIMIT_NOFILE, FILES)?;
    // RLIMIT_AS would count the program's own file and whatever the C library reserves.
    limit(Resource::RLIMIT_DATA, MEMORY)?;
    if system::is_job_user(paths) {
        // It counts all processes of a user, so for any other user it would count strangers.
        limit(Resource::RLIMIT_NPROC, PROCESSES)?;
    }
    // A write beyond the limit is an error that can be told, not the end.
    let mut file_size = SigSet::empty();
    file_size.add(Signal::SIGXFSZ);
    file_size.thread_block().map_err(failed)?;
    // Where the kernel does not let us (no /proc), it chooses by itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    std::env::set_current_dir("/").map_err(|error| Error::file(Path::new("/"), "entered", &error))
}

/// To be called once it is known whether an image will be written: no file becomes larger than an
/// image may be here, and only in a folder of the job's own.
pub fn confine_files(paths: &Paths, fetches: bool) -> Result<(), Error> {
    if !fetches {
        return limit(Resource::RLIMIT_FSIZE, 0);
    }
    limit(Resource::RLIMIT_FSIZE, room::largest_image(paths)?)?;
    let folder = paths.real(JOB_FOLDER);
    std::env::set_current_dir(&folder).map_err(|error| Error::file(&folder, "entered", &error))
}

fn limit(resource: Resource, most: u64) -> Result<(), Error> {
    setrlimit(resource, most, most).map_err(failed)
}

/// What somebody left open when he started the daemon is not the job's business.
fn close_inherited() -> Result<(), Error> {
    let folder = Path::new("/proc/self/fd");
    let unreadable = |error| Error::file(folder, "read", &error);
    let open = std::fs::read_dir(folder).map_err(unreadable)?;
    let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let inherited: Vec<i32> = numbers.filter(|number| *number > 2).collect();
    for number in inherited {
        // One of them was that of the folder itself.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

fn failed(errno: nix::errno::Errno) -> Error {
    let sentence = format!("The job can't give up what it must not have: {errno}.");
    Error::new(Kind::Internal, sentence)
}
