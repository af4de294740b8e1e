//! A whole upgrade over a bad network: between router and server packets are lost, doubled, late and
//! overtake each other, the line is slow, and the box in the middle forgets connections.
//!
//! Router and server have a network each, whose packets this process passes on (`shuffler.rs`). Where
//! the kernel lets nobody make networks or devices (/dev/net/tun), these tests are skipped and say so;
//! `agent/tests/cuts.rs` has the cuts without packets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

#[path = "../common/mod.rs"]
mod common;
mod packet;
mod shuffler;
mod side;

use asu::api::{Phase, Status};
use common::proxy::{Proxy, Reply, Request, Response};
use common::*;
use mini_imagebuilder::sha256_hex;
use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use sandbox::{Device, Knobs, Options, Router, World};
use serde_json::json;
use shuffler::{Shuffler, Weather};
use side::Side;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use tempfile::TempDir;
use ubus::Bus;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 2);
const ROUTER_LATER: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 3);

/// Of the image, besides its packages.
const SIZE: usize = 20 * 1024 * 1024;
const CUTS: usize = 50;

/// What the kernel takes of an answer before the network does: what a cut costs.
const SEND_BUFFER: usize = 32 * 1024;

/// Set for a process that is in a user namespace already.
const INSIDE: &str = "ASU_TEST_NAMESPACE";

/// What the server's side saw of the image.
#[derive(Default)]
struct Seen {
    /// How often each byte was sent.
    sent: Vec<u8>,
    /// From which address, and from which byte on it was asked for.
    asked: Vec<(String, usize)>,
}

/// A router, its server, and the network between them.
struct Distance {
    router: Router,
    side: Side,
    shuffler: Shuffler,
    seen: Arc<Mutex<Seen>>,
    image: Arc<OnceLock<Vec<u8>>>,
    _hurry: TempDir,
    _proxy: Proxy,
    _world: World,
}

impl Distance {
    fn new(weather: Weather) -> Distance {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (image, large) = (Arc::new(OnceLock::new()), Arc::default());
        let script = script(image.clone(), seen.clone(), Arc::clone(&large));
        let (server, world, proxy) = within(move || {
            let side = Side::enter(SERVER).unwrap_or_else(|why| refused(&why));
            let knobs = Knobs {
                filler: SIZE,
                ..Knobs::default()
            };
            let world = World::start(&knobs).unwrap();
            let listener = TcpListener::bind((SERVER, 0)).unwrap();
            let proxy = Proxy::on(listener, &world.url());
            proxy.set(script);
            (side, world, proxy)
        });
        let hurry = tempfile::tempdir().unwrap();
        let options = options_in_a_hurry(&proxy.url(), hurry.path());
        let (side, router) = within(move || {
            let side = Side::enter(ROUTER).unwrap_or_else(|why| refused(&why));
            (side, Router::start(&options).unwrap())
        });
        let device = side.device.try_clone().unwrap();
        Distance {
            shuffler: Shuffler::start(device, server.device, weather, large),
            router,
            side,
            seen,
            image,
            _hurry: hurry,
            _proxy: proxy,
            _world: world,
        }
    }

    /// Upgrades, however long it takes here, and holds what was flashed against what was sent.
    fn upgrade(&self) {
        start(&self.router, json!({"goal": "upgrade"}));
        let minutes = 20 * 60 / PATIENCE.as_secs();
        let ended = (0..minutes).find_map(|_| {
            until(|| {
                let boots = self.router.procd()?.state().boots > 0;
                (boots
                    || job(&self.router)
                        .is_some_and(|job| matches!(job.phase, Phase::Failed | Phase::Cancelled)))
                .then_some(())
            })
        });
        assert!(ended.is_some(), "never over: {:?}", self.shuffler.tally());
        wait_confirmed(&self.router, "24.10.2");
        let image = self.image.get().unwrap();
        let flashed = self.router.procd().unwrap().state().flashed.clone();
        assert_eq!(flashed, [sha256_hex(image)], "byte for byte");
    }
}

fn job(router: &Router) -> Option<asu::api::Job> {
    let asked = Bus::connect(&router.files().socket())
        .and_then(|mut bus| bus.call_raw(OBJECT, "status", &[], PATIENCE));
    let status: Status = asu::json::from_bus(&asked.ok()?).unwrap();
    status.job
}

/// A PC whose `asu` does not pause for seconds before it goes on after a break.
fn options_in_a_hurry(url: &str, folder: &Path) -> Options {
    fs::write(folder.join("hurry"), "").unwrap();
    let program = folder.join("asu");
    fs::copy(env!("CARGO_BIN_EXE_sandbox"), &program).unwrap();
    // For the job's user.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let variable = format!("ASU_FAULTS={}", folder.display());
    Options {
        device: Device::X86 { efi: false },
        asu: Some(vec!["env".into(), variable.into(), program.into()]),
        ..options(url)
    }
}

/// Runs it in a thread of its own, and with it all threads and processes that it starts: a network
/// namespace is a thread's.
fn within<T: Send>(make: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(make).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

fn refused(why: &str) -> ! {
    panic!("The network that could be made before can't be made now: {why}")
}

/// A command in a user namespace and a network of its own.
fn unshared(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-current-user", "--keep-caps", "--net"]);
    command.arg(program);
    command
}

/// Runs the test where networks may be made: here, or in a user namespace of its own.
fn with_networks(name: &str, test: fn()) {
    let Err(why) = within(|| Side::enter(SERVER).map(drop)) else {
        return test();
    };
    let inside = std::env::var_os(INSIDE).is_some();
    let may = unshared(Path::new("true")).output();
    if inside || !may.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "SKIPPED: this machine does not let the test make a network of its own ({why}). It needs \
             root or user namespaces, and /dev/net/tun; in a container: --privileged, or --cap-add \
             SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun."
        );
        return;
    }
    let output = unshared(&std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    if stderr.starts_with("unshare:") {
        refused(stderr.trim());
    }
    println!("{stdout}{stderr}");
    assert!(output.status.success(), "{stderr}");
}

type Script = Box<dyn Fn(&Request, &dyn Fn() -> Response) -> Reply + Send + Sync>;

/// The server's answers, but the image is sent here, where each byte is counted.
fn script(
    image: Arc<OnceLock<Vec<u8>>>,
    seen: Arc<Mutex<Seen>>,
    large: Arc<Mutex<HashSet<u16>>>,
) -> Script {
    Box::new(move |request, server| {
        if !request.is_image() {
            return Reply::Pass;
        }
        // The first time all of it is asked for.
        image.get_or_init(|| server().body().to_vec());
        let (image, seen, from) = (image.clone(), seen.clone(), request.range());
        let large = large.clone();
        Reply::Own(Box::new(move |stream| {
            large.lock().unwrap().insert(stream.peer_addr()?.port());
            send(stream, image.get().unwrap(), from, &seen)
        }))
    })
}

fn send(
    stream: &mut TcpStream,
    image: &[u8],
    from: Option<usize>,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    setsockopt(stream, SndBuf, &SEND_BUFFER)?;
    let start = from.unwrap_or(0);
    let peer = stream.peer_addr()?.ip().to_string();
    {
        let mut seen = seen.lock().unwrap();
        seen.asked.push((peer, start));
        seen.sent.resize(image.len(), 0);
    }
    let head = match from {
        None => "200 OK\r\n".to_owned(),
        Some(from) => format!(
            "206 Part\r\nContent-Range: bytes {from}-{}/{}\r\n",
            image.len() - 1,
            image.len()
        ),
    };
    let length = image.len() - start;
    let head = format!("HTTP/1.1 {head}ETag: \"1\"\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut at = start;
    for piece in image[start..].chunks(8 * 1024) {
        stream.write_all(piece)?;
        let mut seen = seen.lock().unwrap();
        seen.sent[at..at + piece.len()]
            .iter_mut()
            .for_each(|count| *count += 1);
        at += piece.len();
    }
    Ok(())
}

#[test]
fn an_image_arrives_through_fifty_cuts_and_a_bad_network() {
    with_networks(
        "an_image_arrives_through_fifty_cuts_and_a_bad_network",
        || {
            let distance = Distance::new(Weather {
                lost: 5,
                doubled: 30,
                late: 50,
                cuts: CUTS,
            });
            distance.upgrade();
            let tally = distance.shuffler.tally();
            assert_eq!(tally.cuts, CUTS);
            let bad = [tally.lost, tally.doubled, tally.overtaken];
            assert!(bad.iter().all(|packets| *packets >= 20), "{tally:?}");
            let seen = distance.seen.lock().unwrap();
            assert!(seen.asked.len() > CUTS, "{:?}", seen.asked);
            let most = seen.sent.iter().max().unwrap();
            assert!(*most <= 2, "a byte was sent {most} times: {:?}", seen.asked);
            let twice = seen.sent.iter().filter(|count| **count == 2).count();
            println!(
                "{} bytes, {twice} of them sent twice, none more often; {tally:?}",
                seen.sent.len()
            );
        },
    );
}

/// The answers to the old address get lost, and nobody says so.
#[test]
fn an_image_arrives_although_the_router_gets_another_address() {
    with_networks(
        "an_image_arrives_although_the_router_gets_another_address",
        || {
            let distance = Distance::new(Weather {
                lost: 1,
                doubled: 5,
                late: 5,
                cuts: 0,
            });
            thread::scope(|scope| {
                scope.spawn(|| distance.upgrade());
                until(|| {
                    (distance.seen.lock().unwrap().sent.get(SIZE / 2) > Some(&0)).then_some(())
                })
                .unwrap();
                distance.side.readdress(ROUTER_LATER).unwrap();
            });
            let seen = distance.seen.lock().unwrap();
            let [(before, 0), (after, from)] = &seen.asked[..] else {
                panic!("{:?}", seen.asked);
            };
            assert_eq!(
                [before, after],
                [&ROUTER.to_string(), &ROUTER_LATER.to_string()]
            );
            assert!(*from > SIZE / 4, "{from}");
            assert!(seen.sent.iter().all(|count| *count <= 2));
        },
    );
}
