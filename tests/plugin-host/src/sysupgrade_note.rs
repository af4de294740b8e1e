//! What stands for `/sbin/sysupgrade` in a test's root: it notes how it was called.

use std::io;
use std::path::Path;

/// Where the note lies in the root.
pub const PATH: &str = "/tmp/sysupgrade.called";

/// Writes the note: arguments, whether it leads a session of its own, and how many of the standard
/// descriptors are open, and of others.
/// With `--test` it writes none, and takes an image that begins with `good`.
pub fn write(arguments: &[&str]) -> io::Result<()> {
    if let [_, "--test", image] = arguments {
        let image = std::fs::read(image)?;
        return if image.starts_with(b"good") {
            Ok(())
        } else {
            Err(io::Error::other("Image check failed."))
        };
    }
    // SAFETY: plain system calls.
    let (leads, standard, others) = unsafe {
        let leads = libc::getsid(0) == libc::getpid();
        let open = |fd: &i32| libc::fcntl(*fd, libc::F_GETFD) >= 0;
        (
            leads,
            (0..3).filter(open).count(),
            (3..1024).filter(open).count(),
        )
    };
    let note = format!(
        "{} leads={leads} open={standard}+{others}",
        arguments.join(" ")
    );
    let unfinished = Path::new("/tmp/sysupgrade.unfinished");
    std::fs::write(unfinished, note)?;
    std::fs::rename(unfinished, PATH)?;
    // Long enough for a test to find it at work, if it is told to stay.
    while Path::new("/tmp/sysupgrade.stays").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}
