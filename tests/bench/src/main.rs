//! Prints the figures: instructions, memory, wake-ups, sizes, with the budgets beside them.
//!
//! ```text
//! cargo run --release -p bench [-- [--asu FILE] [check|list|download|idle|packagelist|server|sizes]...]
//! ```
//! Nothing fails because of a figure; what can't be measured is said in a sentence, and the program
//! ends with 1. Instructions are counted by valgrind, so that they do not depend on the
//! machine's load.
#![forbid(unsafe_code)]

mod callgrind;
mod check;
mod download;
mod exec;
mod idle;
mod installed;
mod list;
mod load;
mod memory;
mod packagelist;
mod programs;
mod server;
mod sizes;
mod table;

use sandbox::{Error, Knobs, World};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "Usage: bench [--asu FILE] [check|list|download|idle|packagelist|server|sizes]...";

/// With so many the index of the architecture's packages has 545 KB.
const INVENTED_PACKAGES: usize = 10_000;

fn main() -> ExitCode {
    let mut asu = None;
    let mut wanted: Vec<String> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--asu" => match arguments.next() {
                Some(path) => asu = Some(PathBuf::from(path)),
                None => return usage(),
            },
            name if SECTIONS.iter().any(|(known, _)| *known == name) => wanted.push(argument),
            _ => return usage(),
        }
    }
    let mut code = ExitCode::SUCCESS;
    for (name, section) in SECTIONS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        if let Err(error) = section(asu.as_ref()) {
            eprintln!("bench: {name} can't be measured: {error}");
            code = ExitCode::FAILURE;
        }
        println!();
    }
    code
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Takes the `asu` that is asked for, if any.
type Section = fn(Option<&PathBuf>) -> Result<(), Error>;

const SECTIONS: [(&str, Section); 7] = [
    ("check", |asu| check::print(&world()?, &programs::asu(asu)?)),
    ("list", |asu| list::print(&world()?, &programs::asu(asu)?)),
    ("download", |asu| download::print(&programs::asu(asu)?)),
    ("idle", |asu| idle::print(&world()?, &programs::asu(asu)?)),
    ("packagelist", |_| packagelist::print()),
    ("server", |_| server::print()),
    ("sizes", |_| sizes::print()),
];

fn world() -> Result<World, Error> {
    World::start(&Knobs {
        invented_packages: INVENTED_PACKAGES,
        indexes: true,
        ..Knobs::default()
    })
}
