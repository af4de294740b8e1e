//! The command line: asks the daemon over ubus, or does the same itself where there is none.

mod agent;
mod commands;
mod inspect;
mod options;
mod output;
mod plan;
mod progress;
mod watch;

use crate::error::Error;
use options::{Command, Options};
use output::Output;
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(sentence) => {
            let mut output = Output::new(false, false);
            output.complain(&sentence);
            return ExitCode::from(2);
        }
    };
    let mut output = Output::new(options.json, options.quiet);
    match run(&options, &mut output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run(options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    match &options.command {
        Command::Help => output.text(options::HELP).map(|()| ExitCode::SUCCESS),
        Command::Version => output
            .text(concat!("asu ", env!("CARGO_PKG_VERSION"), "\n"))
            .map(|()| ExitCode::SUCCESS),
        Command::Daemon => crate::daemon::run(&options.paths).map(|()| ExitCode::SUCCESS),
        Command::Job => Ok(crate::job::main(&options.paths)),
        Command::Inspect(file) => inspect::run(&options.paths, file, output),
        command => commands::run(command, options, output),
    }
}
