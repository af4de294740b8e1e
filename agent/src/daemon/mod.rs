//! `asu daemon`: publishes the object, supervises the job, flashes.
//!
//! One loop: it sleeps until a message, an event of the job or a deadline comes. Idle there is no
//! deadline, so that nothing wakes it.

pub mod engine;
mod journal;
mod local;
mod log;
mod news;
mod notices;
pub mod object;
pub mod phase;
pub mod query;
pub mod router;
mod schedule;
pub mod task;
mod work;

use crate::error::{Error, Kind};
use crate::paths::Paths;
use crate::system::signals::Signals;
use crate::text::say;
use engine::{Engine, Ticket};
use log::Log;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;
use object::Handled;
use schedule::Scheduler;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use ubus::{Incoming, Payload, Request, Service, Status};

/// Subscribers are told at most four times a second.
const NOTIFY_PAUSE: Duration = Duration::from_millis(250);

/// Runs until it is killed.
pub fn run(paths: &Paths) -> Result<(), Error> {
    // procd sends it when the configuration was changed (/etc/init.d/asu reload).
    let mut reload = Signals::take_over(&[Signal::SIGHUP])?;
    let mut engine = Engine::new(paths)?;
    let mut scheduler = Scheduler::new(paths, &mut engine);
    let mut log = Log::default();
    let mut bus = Bus {
        service: Service::new(&paths.socket(), object::spec()),
        waiting: Vec::new(),
        told: None,
        news: None,
    };
    loop {
        let mut fds = bus.fds(&engine);
        fds.push(reload.as_fd());
        let deadlines = [bus.deadline(&engine), scheduler.deadline()];
        wait(fds, deadlines.into_iter().flatten().min())?;
        if reload.come() {
            engine.reload();
            scheduler.reload();
        }
        // A state that can't be written (no space in /tmp) must not end the job it is about.
        if let Err(error) = engine.advance() {
            say(&error);
        }
        log.changes(engine.status());
        bus.round(&mut engine, &mut scheduler);
        scheduler.round(&mut engine);
        log.changes(engine.status());
        bus.tell(&mut engine);
    }
}

/// Sleeps until one of `fds` has something to say, or the deadline has come.
pub fn wait(fds: Vec<BorrowedFd<'_>>, deadline: Option<Instant>) -> Result<(), Error> {
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        // Rounded up, or the last millisecond would be spent asking again and again.
        let pause = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX)
    });
    let mut fds: Vec<PollFd<'_>> = fds
        .into_iter()
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(Error::new(
            Kind::Internal,
            format!("The agent can't wait for events: {errno}."),
        )),
    }
}

/// The object on the bus.
struct Bus {
    service: Service,
    /// Callers whose answers take time.
    waiting: Vec<(Ticket, Request)>,
    /// When subscribers were last told, and whether something changed since.
    told: Option<(Instant, bool)>,
    /// What is still to be told as an event.
    news: Option<Payload>,
}

impl Bus {
    fn fds<'a>(&'a self, engine: &'a Engine) -> Vec<BorrowedFd<'a>> {
        self.service.fd().into_iter().chain(engine.fds()).collect()
    }

    fn deadline(&self, engine: &Engine) -> Option<Instant> {
        let notify = match self.told {
            Some((at, true)) => Some(at + NOTIFY_PAUSE),
            _ => None,
        };
        [self.service.deadline(), engine.deadline(), notify]
            .into_iter()
            .flatten()
            .min()
    }

    fn round(&mut self, engine: &mut Engine, scheduler: &mut Scheduler) {
        for incoming in self.service.dispatch() {
            if let Incoming::Request(request) = incoming {
                scheduler.called(request.method());
                self.handle(engine, request);
            }
        }
        for (ticket, answer) in engine.answers() {
            match self.waiting.iter().position(|(of, _)| *of == ticket) {
                Some(at) => {
                    let (_, request) = self.waiting.swap_remove(at);
                    self.reply(request, object::answer(&answer));
                }
                None => scheduler.answered(engine, ticket, &answer),
            }
        }
    }

    /// Tells who wants to know of changes.
    fn tell(&mut self, engine: &mut Engine) {
        if let Some(notice) = engine.take_news() {
            log::inform(&notice.text);
            self.news = Some(object::reply(&Ok(notice)));
        }
        // After a boot the notice may be there before the bus is.
        if let Some(news) = self.news.take_if(|_| self.service.is_connected()) {
            if let Err(error) = self.service.send_event(object::PATH, &news) {
                say(&format_args!("The event can't be sent: {error}."));
            }
        }
        self.notify(engine);
    }

    fn handle(&mut self, engine: &mut Engine, request: Request) {
        let method = request.method().to_owned();
        match object::call(engine, &method, request.arguments().as_bytes()) {
            Handled::Now(reply) => self.reply(request, reply),
            Handled::Later(ticket) => self.waiting.push((ticket, request)),
            Handled::InvalidArgument => self.service.complete(request, Status::InvalidArgument),
            Handled::NoMethod => self.service.complete(request, Status::MethodNotFound),
            Handled::NotFound => self.service.complete(request, Status::NotFound),
        }
    }

    fn reply(&mut self, request: Request, reply: Payload) {
        if let Err(error) = self.service.answer(request, &reply) {
            say(&format_args!("an answer can't be sent: {error}"));
        }
    }

    /// The last change is always told, if need be a moment later.
    fn notify(&mut self, engine: &mut Engine) {
        let changed = engine.take_changed() || matches!(self.told, Some((_, true)));
        let recently = self.told.is_some_and(|(at, _)| at.elapsed() < NOTIFY_PAUSE);
        if !changed {
            return;
        }
        if recently {
            self.told = self.told.map(|(at, _)| (at, true));
            return;
        }
        self.told = Some((Instant::now(), false));
        if self.service.is_subscribed() {
            let told = self
                .service
                .notify("status", &object::reply(&Ok(engine.status())));
            if let Err(error) = told {
                say(&format_args!("subscribers can't be told: {error}"));
            }
        }
    }
}
