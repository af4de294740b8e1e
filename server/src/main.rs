//! The upgrade server as a program.
#![forbid(unsafe_code)]

use asu_server::{start, Config};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: asu-server --store DIR --imagebuilders DIR [--listen ADDRESS:PORT] [--upstream URL] [--workers N]
                  [--max-pending N] [--job-timeout SECONDS] [--allow-defaults]

Serves the API of the attended sysupgrade server and builds images with the ImageBuilders below DIR: unpacked archives in
VERSION/TARGET/SUBTARGET, for instance 24.10.2/ath79/generic. Listens on 127.0.0.1:8000 if nothing else is said.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let config = match configure(&arguments) {
        Ok(config) => config,
        Err(why) => {
            eprint!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match start(config) {
        Ok(server) => {
            println!("{}", server.url());
            server.wait();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn configure(arguments: &[String]) -> Result<Config, String> {
    let mut config = Config::new("https://downloads.openwrt.org", "", "");
    config.listen = ([127, 0, 0, 1], 8000).into();
    let mut words = arguments.iter();
    while let Some(option) = words.next() {
        let mut value = || {
            words
                .next()
                .cloned()
                .ok_or(format!("{option} wants a value."))
        };
        match option.as_str() {
            "--store" => config.store = value()?.into(),
            "--imagebuilders" => config.imagebuilders = value()?.into(),
            "--upstream" => config.upstream_url = value()?.trim_end_matches('/').to_owned(),
            "--listen" => {
                config.listen = value()?
                    .parse()
                    .map_err(|_| "--listen wants ADDRESS:PORT.".to_owned())?
            }
            "--workers" => config.workers = number(option, &value()?)?,
            "--max-pending" => config.max_pending = number(option, &value()?)?,
            "--job-timeout" => {
                config.job_timeout = Duration::from_secs(number(option, &value()?)? as u64)
            }
            "--allow-defaults" => config.allow_defaults = true,
            other => return Err(format!("There is no option {other}.")),
        }
    }
    if config.store.as_os_str().is_empty() || config.imagebuilders.as_os_str().is_empty() {
        return Err("--store and --imagebuilders are needed.".to_owned());
    }
    Ok(config)
}

fn number(option: &str, text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|_| format!("{option} wants a number."))
}
