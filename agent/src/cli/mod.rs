//! The command line: asks the daemon over ubus, or does the same itself where there is none.

mod agent;
mod commands;
mod diff;
mod files;
mod help;
mod inspect;
mod nearest;
mod options;
mod output;
mod packages;
mod plan;
mod progress;
pub mod table;
mod upgrade;
mod watch;

use crate::error::Error;
use options::{Command, Options};
use output::Output;
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    let mut options = match options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(sentence) => {
            let mut output = Output::new(false, false);
            output.complain(&sentence);
            return ExitCode::from(2);
        }
    };
    let mut output = Output::new(options.json, options.quiet);
    match run(&mut options, &mut output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run(options: &mut Options, output: &mut Output) -> Result<ExitCode, Error> {
    if let Some(file) = options.init_script.take() {
        options.choice.init_script = Some(files::init_script(&file)?);
    }
    match &options.command {
        Command::Help(about) => output
            .text(&about.map_or_else(help::general, help::of))
            .map(|()| ExitCode::SUCCESS),
        Command::Version => output
            .text(concat!("asu ", env!("CARGO_PKG_VERSION"), "\n"))
            .map(|()| ExitCode::SUCCESS),
        Command::Daemon => crate::daemon::run(&options.paths).map(|()| ExitCode::SUCCESS),
        Command::Job => Ok(crate::job::main(&options.paths)),
        Command::Inspect(file) => inspect::run(&options.paths, file, output),
        command => commands::run(command, options, output),
    }
}
