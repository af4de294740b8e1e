//! `cargo run --release -p sandbox`: a router upgrades itself, from `check` to `confirmed`.
//!
//! Copied onto the sandbox router this same program is `/usr/sbin/asu` and `/sbin/sysupgrade`, so
//! that one build makes everything that runs there. Called `asu-server` it is an upgrade server.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let own = std::env::current_exe().unwrap_or_default();
    match own.file_name().and_then(|name| name.to_str()) {
        Some("asu") => asu::cli::main(),
        Some("asu-server") => asu_server::main(),
        Some("sysupgrade") => sandbox::sysupgrade::main(&own),
        _ => sandbox::story::main(),
    }
}
