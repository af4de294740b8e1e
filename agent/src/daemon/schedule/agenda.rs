//! The schedule itself: what the router does next on its own, and when. It looks at no clock and
//! starts nothing: the moment comes in, the next action goes out.
//!
//! Turns follow the time since boot, which no one sets; the clock on the wall counts only for the
//! window, for "once a day" and for what was written down during another boot.

use super::window::{Place, Window};
use super::zone::Zone;
use crate::json::{Decode, Encode};
use crate::system::clock_is_plausible;
use crate::system::random::Random;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// After a boot the network, the time and the router's own work come first.
const BOOT_DELAY: i64 = 5 * MINUTE;
/// How soon to look for the time again …
const CLOCK_PAUSE: i64 = 10 * MINUTE;
/// … and for how long, before the turn is given up.
const CLOCK_LIMIT: i64 = DAY;
/// The first try after a failure; each further one comes after twice the time.
const FIRST_RETRY: i64 = 15 * MINUTE;
/// The clock may be set while the window is waited for.
const WINDOW_PAUSE: i64 = HOUR;
/// The flash gets the time of a turn not more often than this, in seconds. Less than a day, so that a
/// daily turn is written down each day even where the clock is corrected by hours.
const RARELY: u64 = 16 * 3600;
/// So many automatic upgrades that did not take, and there are no more until a person looks.
pub const MOST_FAILURES: u32 = 2;

/// How far the router may go on its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// Asks what there is.
    Check,
    /// Fetches an image.
    Download,
    /// Flashes it.
    Upgrade,
}

/// What the owner set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// Seconds between two checks; 0: never.
    pub interval: i64,
    /// How far to go.
    pub action: Action,
    /// When an upgrade may begin; none: at any time.
    pub window: Option<Window>,
    /// Of the window.
    pub zone: Zone,
}

/// What is remembered between boots. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
#[field(optional)]
pub struct Kept {
    /// The last turn.
    pub checked: Option<i64>,
    /// The last automatic flash.
    pub attempted: Option<i64>,
    /// It has begun, and nobody knows yet what came of it.
    pub open: bool,
    /// Automatic upgrades in a row that did not take.
    pub failures: u32,
    /// The job that fetched the image in hand.
    pub job: Option<u32>,
}

impl Kept {
    /// Whether this has to reach the flash, where `stored` is: all that must survive a boot at once, the
    /// mere time of a turn seldom.
    pub fn is_news(&self, stored: &Kept) -> bool {
        let [now, then] = [self, stored].map(|kept| kept.checked.unwrap_or_default());
        (self.attempted, self.open, self.failures)
            != (stored.attempted, stored.open, stored.failures)
            || now.abs_diff(then) >= RARELY
    }
}

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Seconds since the router was started.
    pub uptime: i64,
    /// Seconds since 1970, as the clock says.
    pub clock: i64,
}

/// The image in hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hand {
    /// There is none, or one that is outdated.
    Empty,
    /// The schedule fetched it, and it is what is wanted.
    Ours,
    /// Somebody else did; it is not to be touched.
    Theirs,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Nothing, until something else happens.
    Never,
    /// Nothing before this second since boot.
    At(i64),
    /// This, now; what came of it has to be told.
    Do(Action),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A check found an upgrade; a download or an upgrade did what it should.
    Found,
    /// There is nothing to do.
    Nothing,
    /// Later it may go better, but not before so many seconds: a server wants to be left alone.
    Passing(i64),
    /// It will not go better by itself.
    Failed,
}

/// See the module.
#[derive(Debug)]
pub struct Agenda {
    rules: Rules,
    kept: Kept,
    random: Random,
    /// The last turn, in seconds since boot (before it: negative); none: not yet known.
    turn: Option<i64>,
    /// Of the next turn.
    delay: i64,
    /// Not before this second since boot, because it went wrong.
    retry: Option<i64>,
    /// Nothing before this second since boot, because a server wants to be left alone.
    quiet: i64,
    failures: u32,
    /// There is an upgrade.
    wanted: bool,
    /// How long after the window has opened.
    opening: i64,
    timeless_since: Option<i64>,
    in_vain: bool,
}

impl Agenda {
    /// With what was kept.
    pub fn new(rules: Rules, kept: Kept, seed: u64) -> Agenda {
        let mut agenda = Agenda {
            rules: rules.clone(),
            kept,
            random: Random::new(seed),
            turn: None,
            delay: 0,
            retry: None,
            quiet: i64::MIN,
            failures: 0,
            wanted: false,
            opening: 0,
            timeless_since: None,
            in_vain: false,
        };
        agenda.set_rules(rules);
        agenda
    }

    /// The owner set something else.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.roll();
        self.wanted &= self.rules.action > Action::Check;
        let length = self.rules.window.map_or(0, Window::length);
        // Many routers have the same window: they begin during its first half.
        self.opening = self.random.below(length / 2);
    }

    /// Whether there is nothing to do on one's own at all.
    pub fn is_off(&self) -> bool {
        self.rules.interval == 0
    }

    /// What has to be remembered.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// No more automatic upgrades until a person looks.
    pub fn stopped(&self) -> bool {
        self.kept.failures >= MOST_FAILURES
    }

    /// A person looked.
    pub fn looked(&mut self) {
        self.kept.failures = 0;
    }

    /// What is to be done; `busy`: something is being done already.
    pub fn next(&mut self, moment: Moment, busy: bool, hand: Hand) -> Next {
        if self.is_off() || busy {
            return Next::Never;
        }
        let check = self.check_at(moment);
        let further = self.further(moment, hand);
        let (at, action) = match further {
            Some((at, action)) if at < check => (at, action),
            _ => (check, Action::Check),
        };
        let at = at.max(self.quiet);
        if moment.uptime < at {
            return Next::At(at);
        }
        match clock_is_plausible(moment.clock) {
            true => {
                self.timeless_since = None;
                Next::Do(action)
            }
            false => Next::At(self.wait_for_clock(moment)),
        }
    }

    /// Whether a turn was given up since the last call, because nobody set the clock.
    pub fn waited_in_vain(&mut self) -> bool {
        std::mem::take(&mut self.in_vain)
    }

    /// A check has ended.
    pub fn checked(&mut self, moment: Moment, outcome: Outcome) {
        self.take_turn(moment);
        match outcome {
            Outcome::Passing(wanted) => self.retry_later(moment, wanted),
            Outcome::Failed => self.calm_down(),
            Outcome::Found | Outcome::Nothing => {
                self.calm_down();
                self.wanted = outcome == Outcome::Found && self.rules.action > Action::Check;
            }
        }
        if !matches!(outcome, Outcome::Passing(_)) {
            let since = self.turn.map_or(0, |turn| moment.uptime - turn);
            self.kept.checked = Some(moment.clock - since);
        }
    }

    /// A download has begun, as this job.
    pub fn fetching(&mut self, job: u32) {
        self.kept.job = Some(job);
    }

    /// A download has ended.
    pub fn fetched(&mut self, moment: Moment, outcome: Outcome) {
        match outcome {
            Outcome::Passing(wanted) => self.retry_later(moment, wanted),
            Outcome::Found => self.calm_down(),
            Outcome::Nothing | Outcome::Failed => {
                self.calm_down();
                self.wanted = false;
            }
        }
    }

    /// A flash is about to begin.
    pub fn flashing(&mut self, moment: Moment) {
        self.kept.attempted = Some(moment.clock);
        self.kept.open = true;
    }

    /// What came of the flash; after a boot that is known from the record.
    pub fn flashed(&mut self, took: bool) {
        self.kept.open = false;
        self.kept.failures = match took {
            true => 0,
            false => self.kept.failures.saturating_add(1),
        };
        self.wanted = false;
    }

    /// Only a person can do what would be next.
    pub fn decline(&mut self) {
        self.kept.open = false;
        self.wanted = false;
    }

    /// When to check: at a turn, or sooner where the last check went wrong.
    fn check_at(&mut self, moment: Moment) -> i64 {
        let Some(turn) = self.turn.or_else(|| self.former_turn(moment)) else {
            return moment.uptime.max(BOOT_DELAY);
        };
        self.turn = Some(turn);
        let regular = (turn + self.rules.interval).max(BOOT_DELAY) + self.delay;
        match self.retry.filter(|_| !self.wanted) {
            Some(retry) => retry.min(regular),
            None => regular,
        }
    }

    /// The last turn as it was written down; without, or where that lies in the future of a clock that
    /// was set back, as if a turn were due. None: it depends on the time, which is not known.
    fn former_turn(&self, moment: Moment) -> Option<i64> {
        if !clock_is_plausible(moment.clock) {
            return None;
        }
        let past = self.kept.checked.filter(|checked| *checked <= moment.clock);
        let since = past.map_or(i64::MAX, |checked| moment.clock.saturating_sub(checked));
        Some(moment.uptime - since.min(self.rules.interval))
    }

    /// Turns stay where they are, however late within its delay each one comes: they don't drift. One
    /// that comes later (a job was at work, the router off) begins a new row.
    fn take_turn(&mut self, moment: Moment) {
        let interval = self.rules.interval.max(1);
        let turn = self.turn.unwrap_or(moment.uptime - interval);
        let turns = (moment.uptime - turn) / interval;
        if turns > 0 {
            let regular = turn + turns * interval;
            let late = moment.uptime - regular > interval / 10 + BOOT_DELAY;
            self.turn = Some(if late { moment.uptime } else { regular });
            self.roll();
        }
    }

    fn roll(&mut self) {
        self.delay = self.random.below(self.rules.interval / 10 + 1);
    }

    fn calm_down(&mut self) {
        (self.failures, self.retry, self.quiet) = (0, None, i64::MIN);
    }

    /// No server puts us off for longer than an interval: then it is its turn in any case.
    fn retry_later(&mut self, moment: Moment, wanted: i64) {
        let most = self.rules.interval.max(FIRST_RETRY);
        let wanted = wanted.clamp(0, most);
        self.quiet = moment.uptime + wanted;
        let pause = (FIRST_RETRY << self.failures.min(10)).max(wanted).min(most);
        self.failures = self.failures.saturating_add(1);
        self.retry = Some(moment.uptime + pause + self.random.below(pause / 2));
    }

    /// What is to be done about an upgrade that is there, and not before when.
    fn further(&mut self, moment: Moment, hand: Hand) -> Option<(i64, Action)> {
        if !self.wanted || hand == Hand::Theirs {
            return None;
        }
        let not_before = self.retry.unwrap_or(i64::MIN);
        let fetch = (moment.uptime.max(not_before), Action::Download);
        match (self.rules.action, hand) {
            (Action::Check, _) | (Action::Download, Hand::Ours) => {
                self.wanted = false;
                None
            }
            (Action::Download, _) => Some(fetch),
            (Action::Upgrade, _) if self.stopped() => None,
            (Action::Upgrade, _) => {
                let pause = self.day_after(moment).max(self.window_in(moment));
                let at = (moment.uptime + pause).max(not_before);
                let action = match hand {
                    Hand::Ours => Action::Upgrade,
                    _ => Action::Download,
                };
                Some((at, action))
            }
        }
    }

    /// Seconds until a day has passed since the last automatic upgrade. A clock that was set back
    /// begins the day anew: rather too late than twice.
    fn day_after(&mut self, moment: Moment) -> i64 {
        let Some(attempted) = &mut self.kept.attempted else {
            return 0;
        };
        if clock_is_plausible(moment.clock) {
            *attempted = (*attempted).min(moment.clock);
        }
        let since = moment.clock.saturating_sub(*attempted);
        DAY.saturating_sub(since).clamp(0, WINDOW_PAUSE)
    }

    /// Seconds until the window is open, or until it is worth while to look again.
    fn window_in(&self, moment: Moment) -> i64 {
        let Some(window) = self.rules.window else {
            return 0;
        };
        match window.place(&self.rules.zone, moment.clock) {
            Place::Open(since) => (self.opening - since).max(0),
            Place::Closed(until) => (until + self.opening).min(WINDOW_PAUSE),
        }
    }

    /// Without the time no certificate can be judged. The turn is given up after a while.
    fn wait_for_clock(&mut self, moment: Moment) -> i64 {
        let since = *self.timeless_since.get_or_insert(moment.uptime);
        if moment.uptime - since < CLOCK_LIMIT {
            return moment.uptime + CLOCK_PAUSE;
        }
        self.timeless_since = None;
        self.in_vain = true;
        self.turn = Some(moment.uptime);
        self.roll();
        moment.uptime + self.rules.interval + self.delay
    }
}

#[cfg(test)]
mod tests;
