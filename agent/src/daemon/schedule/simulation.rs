//! Years of schedule in seconds: a virtual router with a virtual clock, which is switched off, set
//! forwards and back, and boots in 1970.

use super::agenda::{Action, Agenda, Hand, Kept, Moment, Next, Outcome, Rules};
use super::window::{Place, Window};
use super::zone::Zone;
use crate::system::random::Random;
use std::collections::BTreeMap;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// 2026-06-01 00:00 UTC
const BEGIN: i64 = 1_780_272_000;
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

/// A router. Its clock is `time` plus an error, except for the first minutes after a boot.
struct Router {
    rules: Rules,
    agenda: Agenda,
    /// What is on the flash, and how often it was written.
    flash: (Kept, u32),
    /// True time, seconds since 1970.
    time: i64,
    booted: i64,
    clock_error: i64,
    /// Seconds after a boot until a time server is reached.
    timeless: i64,
    chance: Random,
    checks: Vec<i64>,
    upgrades: Vec<i64>,
    /// A release is there that is not installed, since then.
    released: Option<i64>,
    image: bool,
}

impl Router {
    fn new(rules: Rules, seed: u64) -> Router {
        Router {
            agenda: Agenda::new(rules.clone(), Kept::default(), seed),
            rules,
            flash: (Kept::default(), 0),
            time: BEGIN,
            booted: BEGIN,
            clock_error: 0,
            timeless: 0,
            chance: Random::new(seed ^ 0xc0ffee),
            checks: Vec::new(),
            upgrades: Vec::new(),
            released: None,
            image: false,
        }
    }

    fn moment(&self) -> Moment {
        let uptime = self.time - self.booted;
        let clock = match uptime < self.timeless {
            true => uptime,
            false => self.time + self.clock_error,
        };
        Moment { uptime, clock }
    }

    fn save(&mut self) {
        let kept = self.agenda.kept();
        if kept.is_news(&self.flash.0) {
            self.flash = (kept.clone(), self.flash.1 + 1);
        }
    }

    fn boot(&mut self, off: i64) {
        self.time += off;
        self.booted = self.time;
        self.timeless = 1 + self.chance.below(10 * MINUTE);
        self.image = false;
        let kept = self.flash.0.clone();
        let seed = self.chance.below(i64::MAX) as u64;
        self.agenda = Agenda::new(self.rules.clone(), kept, seed);
        if self.agenda.kept().open {
            self.agenda.flashed(true);
            self.released = None;
        }
        self.save();
    }

    /// Does what the schedule says until true time `until`.
    fn run(&mut self, until: i64) {
        while self.time < until {
            let hand = if self.image { Hand::Ours } else { Hand::Empty };
            let moment = self.moment();
            match self.agenda.next(moment, false, hand) {
                Next::Never => self.time = until,
                Next::At(at) => {
                    assert!(at > moment.uptime, "it wakes for nothing");
                    self.time = until.min(self.booted + at);
                }
                Next::Do(action) => self.act(action),
            }
            self.save();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Check => {
                self.checks.push(self.time);
                self.time += 10;
                let outcome = match self.released {
                    Some(_) => Outcome::Found,
                    None => Outcome::Nothing,
                };
                self.agenda.checked(self.moment(), outcome);
            }
            Action::Download => {
                self.time += 5 * MINUTE;
                self.image = true;
                self.agenda.fetched(self.moment(), Outcome::Found);
            }
            Action::Upgrade => {
                self.upgrades.push(self.time + self.clock_error);
                let moment = self.moment();
                self.agenda.flashing(moment);
                self.save();
                self.boot(3 * MINUTE);
            }
        }
    }

    /// Seconds between one check and the next.
    fn gaps(&self) -> impl Iterator<Item = i64> + '_ {
        self.checks.windows(2).map(|two| two[1] - two[0])
    }
}

fn rules(hours: i64, action: Action, window: &str) -> Rules {
    Rules {
        interval: hours * HOUR,
        action,
        window: Window::parse(window),
        zone: Zone::parse(BERLIN).unwrap(),
    }
}

#[test]
fn ten_thousand_days_without_drift() {
    const DAYS: i64 = 10_000;
    for hours in [1, 24, 168] {
        let mut router = Router::new(rules(hours, Action::Check, ""), 7);
        router.run(BEGIN + DAYS * DAY);
        let interval = hours * HOUR;
        let expected = DAYS * DAY / interval;
        let runs = i64::try_from(router.checks.len()).unwrap();
        assert!(
            (expected - 1..=expected + 1).contains(&runs),
            "{hours} h: {runs}"
        );
        // Each run lies within the tenth after its turn, the last as the second.
        for (n, check) in (0..).zip(&router.checks).skip(1) {
            let after = check - (BEGIN + n * interval);
            assert!(
                (0..=interval / 10).contains(&after),
                "{hours} h, run {n}: {after} s"
            );
        }
        assert!(
            i64::from(router.flash.1) <= DAYS * 24 / 16 + 1,
            "{}",
            router.flash.1
        );
        println!(
            "every {hours} h: {runs} runs in {DAYS} days, {} writes to flash",
            router.flash.1
        );
    }
}

#[test]
fn ten_thousand_days_of_a_hard_life() {
    const DAYS: i64 = 10_000;
    let window = "23:00-01:30";
    let mut router = Router::new(rules(24, Action::Upgrade, window), 11);
    let zone = Zone::parse(BERLIN).unwrap();
    let (mut boots, mut jumps, mut releases) = (0, 0, 0);
    let end = BEGIN + DAYS * DAY;
    let mut waited = 0;
    while router.time < end {
        let pause = router.chance.below(3 * DAY);
        let next = router.time + pause;
        let done = router.upgrades.len();
        router.run(next.min(end));
        if let (Some(since), true) = (router.released, router.upgrades.len() == done) {
            waited = waited.max(router.time - since);
        }
        match router.chance.below(4) {
            0 => {
                boots += 1;
                let off = router.chance.below(2 * HOUR);
                router.boot(off);
            }
            1 => {
                jumps += 1;
                // What time servers correct, and what people do who mistake the zone.
                router.clock_error = router.chance.below(4 * HOUR) - 2 * HOUR;
            }
            2 if router.released.is_none() && router.chance.below(20) == 0 => {
                releases += 1;
                router.released = Some(router.time);
            }
            _ => {}
        }
    }
    let (least, most) = (router.gaps().min().unwrap(), router.gaps().max().unwrap());
    let runs = i64::try_from(router.checks.len()).unwrap();
    println!(
        "{DAYS} days, {boots} boots, {jumps} clock jumps: {runs} runs, gaps {:.1} to {:.1} h; {releases} releases, {} upgrades, at most {:.1} days after the release; {} writes to flash",
        least as f64 / 3600.0, most as f64 / 3600.0, router.upgrades.len(), waited as f64 / 86400.0, router.flash.1
    );
    // A turn, its delay, and what clock and boots do to it: never two for one, never one left out.
    assert!(least >= 24 * HOUR * 9 / 10 - 4 * HOUR, "doubled: {least}");
    assert!(
        most <= 24 * HOUR * 11 / 10 + 4 * HOUR + 3 * HOUR,
        "missed: {most}"
    );
    assert!((DAYS * 9 / 10..=DAYS * 11 / 10).contains(&runs), "{runs}");
    // Each release was installed, once, in the window of the router's own clock.
    let upgrades = &router.upgrades;
    assert!(
        releases > 50 && upgrades.len().abs_diff(releases) <= 1,
        "{releases} {}",
        upgrades.len()
    );
    for clock in upgrades {
        let place = Window::parse(window).unwrap().place(&zone, *clock);
        assert!(matches!(place, Place::Open(_)), "{clock}: {place:?}");
    }
    assert!(upgrades.windows(2).all(|two| two[1] - two[0] >= DAY));
    assert!(waited <= 5 * DAY, "{waited}");
    assert!(i64::from(router.flash.1) <= runs + 3 * i64::try_from(upgrades.len()).unwrap());
}

/// After a power cut in a whole town a thousand routers boot in the same second.
#[test]
fn a_thousand_routers_do_not_ask_at_once() {
    for (hours, most_a_minute) in [(24, 30), (6, 60), (1, 250)] {
        let mut minutes: BTreeMap<i64, usize> = BTreeMap::new();
        for seed in 0..1000 {
            let mut router = Router::new(rules(hours, Action::Check, ""), seed * 7919);
            router.run(BEGIN + (hours + 5) * HOUR / 2);
            *minutes
                .entry((router.checks[0] - BEGIN) / MINUTE)
                .or_default() += 1;
        }
        let bar = (hours * 6 / 20).max(1);
        println!("every {hours} h, booted together; routers that ask, by minutes after the boot:");
        let mut bars: BTreeMap<i64, usize> = BTreeMap::new();
        for (minute, routers) in &minutes {
            *bars.entry(minute / bar * bar).or_default() += routers;
        }
        for (minute, routers) in &bars {
            println!("{minute:5} {routers:4} {}", "#".repeat(routers.div_ceil(4)));
        }
        let most = *minutes.values().max().unwrap();
        assert_eq!(minutes.values().sum::<usize>(), 1000);
        assert!(most <= most_a_minute, "{most} in the same minute");
    }
}
