//! The program `asu`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // OpenWrt builds with panic=unwind: without this a panic in one thread would leave a daemon
    // behind that lives and does nothing. procd starts an ended one again.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        // An exit code of its own: a program that is not given memory aborts.
        std::process::exit(101);
    }));
    asu::cli::main()
}
