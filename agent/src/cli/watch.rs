//! Following the daemon's status from outside, through restarts of the daemon and of the bus.

use crate::api::Status;
use crate::daemon::object;
use crate::error::{Error, Kind};
use crate::json;
use crate::paths::Paths;
use std::time::{Duration, Instant};
use ubus::{Bus, Incoming};

/// For how long daemon or bus may be away: procd starts them again within seconds.
const AWAY_LIMIT: Duration = Duration::from_secs(15);
/// How soon to look again.
const PAUSE: Duration = Duration::from_millis(200);
/// The daemon answers at once, or it hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without a word for so long the status is asked for, in case a notification was lost.
const SILENCE: Duration = Duration::from_secs(30);

/// Calls `see` with the daemon's status, now and at each change, as long as it says true.
pub fn daemon(
    paths: &Paths,
    see: &mut dyn FnMut(&Status) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut seen = Instant::now();
    loop {
        match follow(paths, see, &mut seen) {
            Ok(()) => return Ok(()),
            Err(Lost::Other(error)) => return Err(error),
            Err(Lost::Bus(error)) if seen.elapsed() > AWAY_LIMIT => {
                let sentence = format!(
                    "The daemon is gone ({error}). If the router restarts, \"asu history\" says afterwards what came of it; else see \"logread -e asu\"."
                );
                return Err(Error::new(Kind::Internal, sentence));
            }
            Err(Lost::Bus(_)) => std::thread::sleep(PAUSE),
        }
    }
}

enum Lost {
    Bus(ubus::Error),
    Other(Error),
}

impl From<ubus::Error> for Lost {
    fn from(error: ubus::Error) -> Self {
        Lost::Bus(error)
    }
}

fn follow(
    paths: &Paths,
    see: &mut dyn FnMut(&Status) -> Result<bool, Error>,
    seen: &mut Instant,
) -> Result<(), Lost> {
    let mut bus = Bus::connect(&paths.socket())?;
    bus.subscribe(object::PATH)?;
    loop {
        let answer = bus.call_raw(object::PATH, "status", &[], PATIENCE)?;
        let status = json::from_bus::<Status>(&answer).map_err(Lost::Other)?;
        *seen = Instant::now();
        if !see(&status).map_err(Lost::Other)? {
            return Ok(());
        }
        while let Some(incoming) = bus.receive(SILENCE)? {
            match incoming {
                Incoming::Notification(notification) => {
                    let Ok(status) = json::from_bus(notification.data.as_bytes()) else {
                        continue;
                    };
                    *seen = Instant::now();
                    if !see(&status).map_err(Lost::Other)? {
                        return Ok(());
                    }
                }
                Incoming::Unsubscribed(_) => return Err(Lost::Bus(ubus::Error::Disconnected)),
                _ => {}
            }
        }
    }
}
