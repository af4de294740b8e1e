//! Our server, and the download site behind it.

use super::{PATIENCE, PAUSE};
use crate::load::Address;
use firmware::usign::PublicKey;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sandbox::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The download site behind both servers: the one that runs already, or one of this process.
pub struct Site {
    url: String,
    key: String,
    _own: Option<upstream::Upstream>,
}

impl Site {
    /// The one that `tests/real-server/run` names, or one with the ImageBuilder of `release` for `target`.
    pub fn start(release: &str, target: &str) -> Result<Site, Error> {
        if let (Ok(url), Ok(key)) = (std::env::var("UPSTREAM_URL"), std::env::var("UPSTREAM_KEY")) {
            return Ok(Site {
                url,
                key,
                _own: None,
            });
        }
        let options = upstream::Options {
            archives: vec![(release.to_owned(), target.to_owned())],
            ..upstream::Options::default()
        };
        let own = upstream::start(&options)?;
        Ok(Site {
            url: own.url(),
            key: options.key().public(),
            _own: Some(own),
        })
    }
}

/// Our server; it ends when this is dropped.
pub struct Ours {
    child: Child,
    /// Where it listens.
    pub address: Address,
    /// From its start to its first answer.
    pub took: Duration,
}

impl Ours {
    /// Starts one that keeps everything in `data`.
    pub fn start(program: &Path, site: &Site, data: &Path) -> Result<Ours, Error> {
        let keys = data.join("keys");
        fs::create_dir_all(&keys)?;
        let file = format!("untrusted comment: download site\n{}\n", site.key);
        let key = PublicKey::parse(file.as_bytes())
            .map_err(|problem| format!("the site's key is none: {problem}"))?;
        fs::write(keys.join(key.number().to_string()), file)?;
        let config = data.join("asu.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\nupstream = \"{}\"\ndata = \"{}\"\nsigning = \"{}/signing\"\nkeys = \"{}\"\n",
            site.url,
            data.display(),
            data.display(),
            keys.display()
        );
        fs::write(&config, text)?;
        let begin = Instant::now();
        let mut child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let mut ours = Ours {
            child,
            address: Address(String::new()),
            took: Duration::ZERO,
        };
        ours.address = Address::of(&line)?;
        while ours
            .address
            .ask(&ours.address.get("/api/v1/stats"))
            .is_err()
        {
            thread::sleep(PAUSE);
            if begin.elapsed() > PATIENCE {
                return Err("the server does not answer".into());
            }
        }
        ours.took = begin.elapsed();
        Ok(ours)
    }

    /// Its process.
    pub fn pid(&self) -> Result<Pid, Error> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}
