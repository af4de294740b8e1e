//! What the operating system below says: memory, space, time, boots.

pub mod programs;
pub mod random;
pub mod room;
pub mod signals;
pub mod unsafe_calls;

use crate::api::Memory;
use crate::error::{Error, Kind};
use crate::paths::Paths;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// 2026-01-01: a clock before it was never set, for this program is younger. A date in the source
/// and not that of the build, so that the same source makes the same program.
const EARLIEST_CLOCK: i64 = 1_767_225_600;

/// Whether a clock that says so (seconds since 1970) may be right. Routers have no battery for theirs:
/// until a time server is reached they live in 1970, or when the last file was written.
pub fn clock_is_plausible(clock: i64) -> bool {
    clock >= EARLIEST_CLOCK
}

/// Seconds since this system was started; 0 where nobody says.
pub fn uptime(paths: &Paths) -> i64 {
    let own = paths.real("/proc/uptime");
    let path = if own.exists() {
        own
    } else {
        "/proc/uptime".into()
    };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let seconds = text.split('.').next().and_then(|whole| whole.parse().ok());
    seconds.unwrap_or(0)
}

/// Seconds since 1970.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// What is free: MemAvailable and the free space of /tmp.
pub fn memory(paths: &Paths) -> Result<Memory, Error> {
    let tmp = paths.real("/tmp");
    Ok(Memory {
        available: available(paths)?,
        tmp_free: free_space(&tmp)?,
    })
}

/// Bytes that are free for us on the file system of `path`.
pub fn free_space(path: &Path) -> Result<u64, Error> {
    let stat = nix::sys::statvfs::statvfs(path)
        .map_err(|errno| Error::file(path, "looked at", &errno.into()))?;
    // The types differ between targets (u32 on 32-bit musl).
    #[allow(clippy::useless_conversion)]
    let (blocks, size) = (
        u64::from(stat.blocks_available()),
        u64::from(stat.fragment_size()),
    );
    Ok(blocks.saturating_mul(size))
}

/// MemAvailable of /proc/meminfo. Below a root without one (a mounted router), this machine's.
fn available(paths: &Paths) -> Result<u64, Error> {
    let own = paths.real("/proc/meminfo");
    let path = if own.exists() {
        own
    } else {
        "/proc/meminfo".into()
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| Error::file(&path, "read", &error))?;
    parse_available(&text).ok_or_else(|| {
        let sentence = format!(
            "{} does not say how much memory is available.",
            path.display()
        );
        Error::new(Kind::Internal, sentence)
    })
}

fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A name for the present boot: it changes with each one. Empty where the kernel gives none.
pub fn boot_id(paths: &Paths) -> String {
    let id = std::fs::read_to_string(paths.real("/proc/sys/kernel/random/boot_id"));
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The user as whom the job runs: uid and gid of `asu`, where this process may change to it.
pub fn job_user(paths: &Paths) -> Option<(u32, u32)> {
    user(paths).filter(|_| nix::unistd::geteuid().is_root())
}

/// Whether this process is the job's user.
pub fn is_job_user(paths: &Paths) -> bool {
    user(paths).is_some_and(|(uid, _)| uid == nix::unistd::geteuid().as_raw())
}

/// uid and gid of `asu` in the router's passwd.
fn user(paths: &Paths) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string(paths.real("/etc/passwd")).ok()?;
    let mut fields = passwd
        .lines()
        .find(|line| line.starts_with("asu:"))?
        .split(':')
        .skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_as_linux_writes_it() {
        let text = "MemTotal:  123456 kB\nMemFree: 1 kB\nMemAvailable:   45678 kB\n";
        assert_eq!(parse_available(text), Some(45678 * 1024));
        assert_eq!(parse_available("MemTotal: 1 kB\n"), None);
        assert_eq!(parse_available("MemAvailable: -1 kB\n"), None);
    }

    #[test]
    fn the_job_user_is_read_from_the_router() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(
            root.path().join("etc/passwd"),
            "root:x:0:0::/root:/bin/ash\nasu:x:451:452::/var:/bin/false\n",
        )
        .unwrap();
        let expected = nix::unistd::geteuid().is_root().then_some((451, 452));
        assert_eq!(job_user(&Paths::new(root.path(), None)), expected);
    }
}
