//! A job that fetches 20 MiB, with TLS and without: its memory must not depend on the image's size.

use crate::check::{command, router_without_daemon, Daemon};
use crate::memory::{self, Memory};
use crate::programs::Asu;
use crate::table::{kib, number, Table};
use sandbox::tls::TlsFront;
use sandbox::{Error, Knobs, Router, World};
use serde_json::Value;
use std::process::Stdio;

/// Of the image, besides its packages.
const SIZE: usize = 20 * 1024 * 1024;

/// Of this machine; a router's ca-bundle is the same of Mozilla's.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Measures and prints.
pub fn print(asu: &Asu) -> Result<(), Error> {
    let world = World::start(&Knobs {
        filler: SIZE,
        ..Knobs::default()
    })?;
    let server = world.server.as_ref().ok_or("the server is down")?;
    let tls = TlsFront::start(server.addr)?;
    let mut table = Table::new(&[
        "the job of a download",
        "image",
        "peak",
        "of its own",
        "program's pages",
    ]);
    let plain = router_without_daemon(&[world.url()], "", asu)?;
    row(&mut table, "by http", &plain, asu)?;
    let settings = "config agent 'agent'\n\toption ca_file '/etc/ca.pem'\n";
    let safe = router_without_daemon(&[tls.url()], settings, asu)?;
    let bundle = match std::fs::read_to_string(BUNDLE) {
        Ok(bundle) => bundle + &tls.ca,
        Err(_) => tls.ca.clone(),
    };
    let authorities = bundle.matches("BEGIN CERTIFICATE").count();
    std::fs::write(safe.files().root().join("etc/ca.pem"), bundle)?;
    let how = format!("by https, {authorities} authorities");
    row(&mut table, &how, &safe, asu)?;
    table.row(&["budget", "", "6,144 KiB", "", ""]);
    println!("## A job that fetches an image\nasu: {}\n", asu.what);
    table.print();
    println!("\nof its own: when it ended.");
    Ok(())
}

fn row(table: &mut Table, how: &str, router: &Router, asu: &Asu) -> Result<(), Error> {
    let daemon = Daemon::start(asu, router)?;
    let root = router.files().root();
    let mut download = command(asu, root, &["download"]);
    download.stdin(Stdio::null()).stdout(Stdio::null());
    let (status, ended) = memory::of_all(download, &[daemon.pid()?])?;
    if !status.success() {
        return Err(format!("\"asu download\" ended with {status}").into());
    }
    let job: &Memory = ended
        .iter()
        .find(|memory| memory.command == "job")
        .ok_or("no end of \"asu job\" was seen")?;
    let status = command(asu, root, &["--json", "status"]).output()?;
    let status: Value = serde_json::from_slice(&status.stdout)?;
    let size = status["image"]["size"]
        .as_u64()
        .ok_or("there is no image")?;
    table.row(&[
        how,
        &format!("{} bytes", number(size)),
        &kib(job.peak),
        &kib(job.anonymous),
        &kib(job.file),
    ]);
    Ok(())
}
