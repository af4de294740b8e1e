//! Whether the image has room: in memory, and in /tmp, which is memory too.

use super::memory;
use crate::api::Memory;
use crate::error::{Error, Kind};
use crate::paths::Paths;

/// What sysupgrade needs besides the image: the settings as sysupgrade.tgz in /tmp, then a ramfs
/// with busybox, the flash tools and their libraries. A margin, not a measurement.
const RESERVE: u64 = 4 * 1024 * 1024;

/// Asks for room for `size` more bytes in /tmp and for what sysupgrade needs after that.
pub fn require(paths: &Paths, size: u64) -> Result<(), Error> {
    judge(memory(paths)?, size)
}

/// No image may be larger.
pub fn largest_image(paths: &Paths) -> Result<u64, Error> {
    let free = memory(paths)?;
    Ok(free.available.min(free.tmp_free).saturating_sub(RESERVE))
}

fn judge(free: Memory, size: u64) -> Result<(), Error> {
    let needed = size.saturating_add(RESERVE);
    let sentence = |what: &str, there: u64| {
        format!(
            "There is not enough {what}: the upgrade needs {}, {} is free. Stop services that you can do without, or remove files from /tmp.",
            mib(needed),
            mib(there)
        )
    };
    if free.available < needed {
        return Err(Error::new(Kind::Memory, sentence("memory", free.available)));
    }
    if free.tmp_free < needed {
        return Err(Error::new(
            Kind::Memory,
            sentence("space in /tmp", free.tmp_free),
        ));
    }
    Ok(())
}

/// Bytes for people.
pub fn mib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_memory_and_tmp_have_to_hold_it() {
        let free = |available, tmp_free| Memory {
            available,
            tmp_free,
        };
        assert!(judge(free(20 << 20, 20 << 20), 8 << 20).is_ok());
        let error = judge(free(10 << 20, 20 << 20), 8 << 20).unwrap_err();
        assert_eq!(error.kind, Kind::Memory);
        assert!(
            error.message.contains("needs 12.0 MiB, 10.0 MiB is free"),
            "{error}"
        );
        let error = judge(free(20 << 20, 1 << 20), 8 << 20).unwrap_err();
        assert!(error.message.contains("space in /tmp"), "{error}");
        assert!(judge(free(u64::MAX, u64::MAX), u64::MAX).is_ok());
        assert!(judge(free(1, 1), u64::MAX).is_err());
    }
}
