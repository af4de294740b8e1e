//! The box between router and server: it passes packets on, but loses some, doubles some, has some
//! come late, has no more than so many bytes a second, and forgets connections.

use crate::packet::Segment;
use asu::system::random::Random;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How a packet fares.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of 1,000 packets so many are lost, …
    pub lost: i64,
    /// … come twice, …
    pub doubled: i64,
    /// … or come late, so that others overtake them.
    pub late: i64,
    /// Connections that are forgotten while the image comes.
    pub cuts: usize,
}

/// Each packet's way.
const DELAY: Duration = Duration::from_millis(4);
/// A late one takes up to so much longer.
const MOST_LATE_MILLIS: i64 = 30;
/// The line, in each direction.
const BYTES_A_SECOND: u32 = 4_000_000;
/// What waits for the line longer than this is lost: no box has endless memory.
const LONGEST_QUEUE: Duration = Duration::from_millis(250);
/// A connection is forgotten after so many bytes of the image, and by chance up to so many more.
const CUT_AFTER: i64 = 240_000;
const CUT_CHANCE: i64 = 120_000;

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Packets that came.
    pub packets: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Of these, delivered twice.
    pub doubled: u64,
    /// Delivered after one that had been sent later.
    pub overtaken: u64,
    /// Connections forgotten.
    pub cuts: usize,
}

/// The running box.
pub struct Shuffler {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shuffler {
    /// Between the devices of router and server. It cuts `large` connections only: the router's ports.
    pub fn start(
        router: File,
        server: File,
        weather: Weather,
        large: Arc<Mutex<HashSet<u16>>>,
    ) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (tally.clone(), stop.clone());
        let thread = thread::spawn(move || {
            let mut random = Random::new(8);
            let mut running = Running {
                devices: [router, server],
                weather,
                large,
                next_cut: CUT_AFTER + random.below(CUT_CHANCE),
                random,
                waiting: BTreeMap::new(),
                numbers: 0,
                free: [Instant::now(); 2],
                newest: [0; 2],
                begun: HashMap::new(),
                forgotten: HashSet::new(),
                tally: Tally::default(),
            };
            while !stopped.load(Ordering::SeqCst) {
                running.round();
                *shared.lock().unwrap() = running.tally;
            }
        });
        Shuffler {
            tally,
            stop,
            thread: Some(thread),
        }
    }

    /// What happened so far.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap()
    }
}

impl Drop for Shuffler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

const ROUTER: usize = 0;
const SERVER: usize = 1;

/// A packet on its way.
struct Waiting {
    to: usize,
    number: u64,
    bytes: Vec<u8>,
}

struct Running {
    /// The router's and the server's.
    devices: [File; 2],
    weather: Weather,
    large: Arc<Mutex<HashSet<u16>>>,
    random: Random,
    /// By the time when they are due.
    waiting: BTreeMap<(Instant, u64), Waiting>,
    numbers: u64,
    /// When the line to each side has sent what it was given.
    free: [Instant; 2],
    /// Of what was delivered to each side, the one that had been sent last.
    newest: [u64; 2],
    /// By the router's port: the number of the server's first byte.
    begun: HashMap<u16, u32>,
    forgotten: HashSet<u16>,
    /// So many bytes of a connection end it.
    next_cut: i64,
    tally: Tally,
}

impl Running {
    fn round(&mut self) {
        let due = self.waiting.keys().next().map(|(due, _)| *due);
        let pause = due.map_or(Duration::from_millis(50), |due| {
            due.saturating_duration_since(Instant::now())
        });
        let pause = PollTimeout::try_from(pause.min(Duration::from_millis(50))).unwrap();
        let mut fds =
            [ROUTER, SERVER].map(|side| PollFd::new(self.devices[side].as_fd(), PollFlags::POLLIN));
        poll(&mut fds, pause).unwrap();
        for from in [ROUTER, SERVER] {
            while let Some(packet) = self.read(from) {
                self.take(from, packet);
            }
        }
        while let Some(((due, number), waiting)) = self.waiting.pop_first() {
            if due > Instant::now() {
                self.waiting.insert((due, number), waiting);
                return;
            }
            self.deliver(&waiting);
        }
    }

    fn read(&mut self, from: usize) -> Option<Vec<u8>> {
        let mut packet = vec![0; 2048];
        match self.devices[from].read(&mut packet) {
            Ok(length) => {
                packet.truncate(length);
                Some(packet)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("a device can't be read: {error}"),
        }
    }

    fn take(&mut self, from: usize, packet: Vec<u8>) {
        // IPv6's own noise on the device.
        let Some(segment) = Segment::of(&packet) else {
            return;
        };
        self.tally.packets += 1;
        if self.is_forgotten(from, &segment) {
            if let Some(rejection) = segment.rejected() {
                self.write(from, &rejection);
            }
            return;
        }
        if self.chance(self.weather.lost) {
            self.tally.lost += 1;
            return;
        }
        let to = 1 - from;
        let now = Instant::now();
        let time = Duration::from_secs(packet.len() as u64) / BYTES_A_SECOND;
        self.free[to] = self.free[to].max(now) + time;
        if self.free[to] > now + LONGEST_QUEUE {
            self.free[to] -= time;
            self.tally.lost += 1;
            return;
        }
        self.numbers += 1;
        let number = self.numbers;
        if self.chance(self.weather.doubled) {
            self.tally.doubled += 1;
            self.send(to, number, packet.clone());
        }
        self.send(to, number, packet);
    }

    /// Keeps the books on connections, and says whether this one is no longer in them.
    fn is_forgotten(&mut self, from: usize, segment: &Segment) -> bool {
        let port = match from {
            ROUTER => segment.ports.0,
            _ => segment.ports.1,
        };
        if from == ROUTER && segment.opens() {
            self.forgotten.remove(&port);
            self.begun.remove(&port);
            self.large.lock().unwrap().remove(&port);
        }
        if from == SERVER && segment.accepts() {
            self.begun.insert(port, segment.first());
        }
        let arrived = self
            .begun
            .get(&port)
            .filter(|_| from == ROUTER)
            .map_or(
                0,
                |first| i64::from(segment.ack.wrapping_sub(*first) as i32),
            );
        let cuts =
            self.tally.cuts < self.weather.cuts && self.large.lock().unwrap().contains(&port);
        if cuts && arrived >= self.next_cut && self.forgotten.insert(port) {
            self.tally.cuts += 1;
            self.next_cut = CUT_AFTER + self.random.below(CUT_CHANCE);
            let lost = |waiting: &Waiting| {
                let segment = Segment::of(&waiting.bytes);
                segment.is_some_and(|segment| segment.ports.0 == port || segment.ports.1 == port)
            };
            self.waiting.retain(|_, waiting| !lost(waiting));
        }
        self.forgotten.contains(&port)
    }

    fn chance(&mut self, of_thousand: i64) -> bool {
        self.random.below(1000) < of_thousand
    }

    fn send(&mut self, to: usize, number: u64, bytes: Vec<u8>) {
        let late = match self.chance(self.weather.late) {
            true => self.random.below(MOST_LATE_MILLIS),
            false => 0,
        };
        let due = self.free[to] + DELAY + Duration::from_millis(late.unsigned_abs());
        // Two copies differ at least by when they were put here.
        self.numbers += 1;
        let waiting = Waiting { to, number, bytes };
        self.waiting.insert((due, self.numbers), waiting);
    }

    fn deliver(&mut self, waiting: &Waiting) {
        let newest = &mut self.newest[waiting.to];
        self.tally.overtaken += u64::from(waiting.number < *newest);
        *newest = waiting.number.max(*newest);
        self.write(waiting.to, &waiting.bytes);
    }

    fn write(&mut self, to: usize, bytes: &[u8]) {
        // A device without room loses it, as any other would.
        if self.devices[to].write(bytes).is_err() {
            self.tally.lost += 1;
        }
    }
}
