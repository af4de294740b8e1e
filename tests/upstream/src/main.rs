//! Serves a generated download site until it is stopped.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use upstream::Options;

const USAGE: &str = "\
usage: upstream --dir DIR [--listen ADDRESS:PORT] [--archive VERSION TARGET]... [--invented N]
Generates a download site into DIR and serves it. The first line on stdout is its URL, the second the usign public key of
its sha256sums.
";

struct Arguments {
    dir: PathBuf,
    listen: SocketAddr,
    options: Options,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome =
        parse(&arguments).and_then(|arguments| run(&arguments).map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprint!("{why}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), upstream::Error> {
    upstream::generate(&arguments.dir, &arguments.options)?;
    let server = upstream::serve(&arguments.dir, arguments.listen)?;
    println!("{}\n{}", server.url(), arguments.options.key().public());
    server.wait();
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Arguments, String> {
    let (mut dir, mut options) = (None, Options::default());
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut words = arguments.iter();
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or(format!("{option} wants a value."));
        match option.as_str() {
            "--dir" => dir = Some(PathBuf::from(value()?)),
            "--listen" => {
                listen = value()?
                    .parse()
                    .map_err(|_| "--listen wants ADDRESS:PORT.".to_owned())?
            }
            "--archive" => options.archives.push((value()?.clone(), value()?.clone())),
            "--invented" => {
                options.invented_packages = value()?
                    .parse()
                    .map_err(|_| "--invented wants a number.".to_owned())?;
            }
            other => return Err(format!("There is no option {other}.")),
        }
    }
    Ok(Arguments {
        dir: dir.ok_or("Where to? --dir is missing.")?,
        listen,
        options,
    })
}
