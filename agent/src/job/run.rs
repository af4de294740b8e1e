//! The job itself: from the order to its last word.

use super::confine::{confine, confine_files};
use super::{Downloaded, Event, Order, Task};
use crate::api::{CheckResult, ImageCheck, Phase, Plan, Upgrade, Verdict};
use crate::error::{Error, Kind};
use crate::fault;
use crate::json::{self, Object};
use crate::paths::{Paths, JOB_FOLDER};
use crate::server::answers::Profile;
use crate::server::{self, Client, Options, Patience};
use crate::settings::{Settings, SignaturePolicy, FILE as SETTINGS};
use crate::sorted::Map;
use crate::system::room;
use crate::text::say;
use crate::upgrade::plan::{self, Planned, Then};
use crate::upgrade::promise::Promise;
use crate::upgrade::{beside, build, download, offer, rebuild, Inputs, Progress, Watcher};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// An order names every installed package; 2,000 of them take some 300 KB.
const ORDER_LIMIT: u64 = 4 * 1024 * 1024;

/// The system's certificates (ca-bundle), in the router's terms.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where there are further servers, one that breaks off so often has had its chance.
const FEW_BREAKS: u32 = 2;

/// There nobody waits longer for a server that wants to be left alone.
const SHORT_WAIT: Duration = Duration::from_secs(15);

/// What a job tells.
pub type Told = Event<Plan>;

/// Where events go.
pub type Tell<'a> = &'a mut dyn FnMut(&Told) -> std::io::Result<()>;

/// Reads the order from standard input, does it, and tells of it on standard output.
pub fn main(paths: &Paths) -> ExitCode {
    let mut tell = |event: &Told| {
        let line = json::line(event).map_err(std::io::Error::other)?;
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    };
    let ordered = confine(paths).and_then(|()| order());
    fault::crash("job-order");
    let done = ordered.and_then(|order| {
        confine_files(paths, order.task == Task::Download)?;
        let mut patience = Patience::default();
        if fault::hurry() {
            patience.pause /= 100;
        }
        perform(paths, &order, &patience, &mut tell)
    });
    let done = done.unwrap_or_else(Event::Failed);
    let told = tell(&done);
    // The process ends; nobody needs its memory back piece by piece.
    std::mem::forget(done);
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn order() -> Result<Order, Error> {
    let mut text = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(ORDER_LIMIT)
        .read_to_end(&mut text);
    let read =
        read.map_err(|error| Error::new(Kind::Internal, format!("It can't be read: {error}.")));
    let order = read.and_then(|_| json::from_text(&text));
    order.map_err(|error| {
        let sentence = format!(
            "\"asu job\" is for the daemon, which gives it an order on standard input. {error}"
        );
        Error::new(Kind::Usage, sentence)
    })
}

/// Tells events; when nobody reads them any more, the job is over.
struct Teller<'a>(Tell<'a>);

impl Watcher for Teller<'_> {
    fn progress(&mut self, progress: Progress) {
        if (self.0)(&Event::Progress(progress)).is_err() {
            std::process::exit(1);
        }
    }
}

/// Does what is ordered and tells of it on the way; the answer is the last word.
///
/// The servers are asked in their order, each for all of it, until one does it.
pub fn perform(
    paths: &Paths,
    order: &Order,
    patience: &Patience,
    tell: Tell<'_>,
) -> Result<Told, Error> {
    let inputs = &order.inputs;
    let settings = &inputs.settings;
    settings.require_servers()?;
    let options = options(paths, settings);
    if let (Task::Report, Some(upgrade)) = (order.task, &order.upgrade) {
        return report(&options, patience, upgrade);
    }
    let mut teller = Teller(tell);
    let mut faults: Vec<(&str, Error)> = Vec::new();
    for (n, url) in (1..).zip(&settings.servers) {
        let mut patience = patience.clone();
        if n < settings.servers.len() {
            patience.breaks = patience.breaks.min(FEW_BREAKS);
            patience.put_off = patience.put_off.min(SHORT_WAIT);
        }
        let client = Client::with_patience(url, &options, patience).map_err(Error::from);
        match client.and_then(|client| ask(paths, order, &client, &mut teller)) {
            Err(error) if may_be_the_servers(error.kind) => faults.push((url, error)),
            result => return result,
        }
    }
    Err(most_telling(faults))
}

/// Tells the server that built the image, and no other, what came of it: the releases, the target, the
/// profile and the result, and nothing else.
fn report(options: &Options, patience: &Patience, upgrade: &Upgrade) -> Result<Told, Error> {
    let Some(report) = &upgrade.report else {
        return Err(Error::new(Kind::Internal, "There is nothing to report."));
    };
    let body = json::text(&Object(&[
        ("from", &upgrade.from),
        ("to", &upgrade.to),
        ("target", &report.target),
        ("profile", &report.profile),
        ("result", &upgrade.result),
    ]))?;
    let client = Client::with_patience(&report.server, options, patience.clone())?;
    Ok(Event::Reported(client.report(body.as_bytes())?))
}

/// Whether another server may do better.
fn may_be_the_servers(kind: Kind) -> bool {
    match kind {
        Kind::Offline | Kind::Overloaded | Kind::Server | Kind::Clock | Kind::Tls => true,
        // It does not know the release yet, can't build it, or its image is broken.
        Kind::Unsupported | Kind::Mismatch | Kind::Build | Kind::Checksum => true,
        _ => false,
    }
}

/// Of several servers' faults the first that says more than "not now", and with it all others.
fn most_telling(faults: Vec<(&str, Error)>) -> Error {
    let all: Vec<String> = faults
        .iter()
        .map(|(url, error)| format!("{url}: {error}"))
        .collect();
    let passing = |error: &Error| matches!(error.kind, Kind::Offline | Kind::Overloaded);
    let telling = faults.iter().position(|(_, error)| !passing(error));
    // Who wants to be left alone the longest is left alone.
    let retry_after = faults
        .iter()
        .filter_map(|(_, error)| error.retry_after)
        .max();
    let mut errors = faults.into_iter().map(|(_, error)| error);
    let error = match telling {
        Some(n) => errors.nth(n),
        None => errors.next_back(),
    };
    match error {
        Some(mut error) => {
            error.retry_after = retry_after;
            match all.len() > 1 && error.detail.is_empty() {
                true => error.with_detail(&all.join("\n")),
                false => error,
            }
        }
        None => Error::new(Kind::Internal, "No upgrade server was asked."),
    }
}

/// Asks one server.
fn ask(
    paths: &Paths,
    order: &Order,
    client: &Client,
    teller: &mut Teller<'_>,
) -> Result<Told, Error> {
    let inputs = &order.inputs;
    if order.task == Task::Versions {
        let mut versions = offer::versions(
            &client.overview()?,
            &inputs.device.info,
            &inputs.device.running,
        );
        client.url().clone_into(&mut versions.server);
        return Ok(Event::Versions(versions));
    }
    teller.progress(Progress {
        phase: Some(Phase::Checking),
        server: Some(client.url().to_owned()),
        ..Progress::default()
    });
    let offer = choose(client, inputs)?;
    let planned = plan(client, inputs, &offer)?;
    if order.task == Task::Check {
        let mut plan = planned.plan;
        if offer.limits.prepares {
            ask_beforehand(client, &mut plan);
        }
        return Ok(Event::Plan(plan));
    }
    match fetch(paths, inputs, client, &offer, &planned, teller) {
        Err(error) if error.kind == Kind::Mismatch => {
            plan_again(paths, inputs, client, &planned, error, teller)
        }
        fetched => fetched,
    }
}

/// Adds to the notes what the server would change of the request, where there is something to build.
/// The plan stays what it is, also where the server has no answer.
fn ask_beforehand(client: &Client, plan: &mut Plan) {
    let (Some(request), true) = (&plan.request, plan.verdict != Verdict::Current) else {
        return;
    };
    match client.prepare(request, &plan.running.version) {
        Ok(notes) => plan.notes.extend(notes),
        Err(error) => plan.notes.push(format!(
            "What the upgrade server would change of the request is not known. {error}"
        )),
    }
}

/// Between the index and the build the feeds may have moved, so the plan is made anew, once. Where
/// it comes out the same the server would say the same again.
fn plan_again(
    paths: &Paths,
    inputs: &Inputs,
    client: &Client,
    former: &Planned,
    error: Error,
    teller: &mut Teller<'_>,
) -> Result<Told, Error> {
    let offer = choose(client, inputs)?;
    let planned = plan(client, inputs, &offer)?;
    match planned.plan.request == former.plan.request {
        true => Err(error),
        false => fetch(paths, inputs, client, &offer, &planned, teller),
    }
}

fn options(paths: &Paths, settings: &Settings) -> Options {
    Options {
        ca_file: settings.ca_file.as_ref().map(|file| paths.real(file)),
        ca_bundle: paths.real(CA_BUNDLE),
        proxy: settings.proxy.clone(),
        no_proxy: settings.no_proxy.clone(),
    }
}

fn choose(client: &Client, inputs: &Inputs) -> Result<offer::Offer, Error> {
    let choice = &inputs.choice;
    let mut offer = offer::choose(
        client,
        inputs.target_device(),
        &inputs.device.running,
        choice.version.as_deref(),
    )?;
    choice.within(&offer.limits)?;
    if let Some(fstype) = &choice.fstype {
        offer.require_rootfs(fstype)?;
    }
    plan::name_translations(&mut offer, &inputs.installed);
    Ok(offer)
}

fn plan(client: &Client, inputs: &Inputs, offer: &offer::Offer) -> Result<Planned, Error> {
    let then = match Then::at_hand(inputs, offer) {
        Some(then) => then,
        None => defaults_then(client, inputs, offer)?,
    };
    let questions = plan::questions(inputs, offer);
    let target = &offer.profile.target;
    let at_once = match offer.limits.updates {
        true => client.versions_at_once(&offer.version, &offer.revision, target, &questions)?,
        false => None,
    };
    let available = match at_once {
        Some(available) => available,
        None => client.versions_of(&offer.path, target, &offer.arch, &questions)?,
    };
    Ok(plan::plan(inputs, offer, &then, &available))
}

/// Asks for the router's profile in the running release.
/// A server that answers in a way nobody understands has no more to say of an old release; one
/// that can't be reached is another matter.
fn defaults_then(client: &Client, inputs: &Inputs, offer: &offer::Offer) -> Result<Then, Error> {
    let found = match &offer.running_path {
        Some(path) => profile_then(client, inputs, offer, path),
        None => Ok(None),
    };
    match found {
        Ok(profile) => Ok(Then::of_profile(profile.as_ref(), inputs)),
        Err(error) if matches!(error.kind, Kind::Server | Kind::Unsupported) => {
            Ok(Then::Unknown(error.message))
        }
        Err(error) => Err(error),
    }
}

/// Under its present name or the board's. Where the offer is for another device, its name is not
/// this router's: that one is looked up as for an offer of its own.
fn profile_then(
    client: &Client,
    inputs: &Inputs,
    offer: &offer::Offer,
    path: &str,
) -> Result<Option<Profile>, Error> {
    let info = &inputs.device.info;
    if inputs.other_device.is_some() {
        return match offer::profile_at(client, path, info) {
            Err(error) if error.kind == Kind::Unsupported => Ok(None),
            found => found.map(Some),
        };
    }
    let (present, board) = (&offer.profile.id, info.board_name.replace(',', "_"));
    match client.profile(path, &info.target, present)? {
        None if *present != board => Ok(client.profile(path, &info.target, &board)?),
        found => Ok(found),
    }
}

fn fetch(
    paths: &Paths,
    inputs: &Inputs,
    client: &Client,
    offer: &offer::Offer,
    planned: &Planned,
    teller: &mut Teller<'_>,
) -> Result<Told, Error> {
    fault::crash("plan-made");
    let request = planned.request(inputs.choice.force)?;
    let settings = &inputs.settings;
    let others = rebuilders(settings, client.url())?;
    teller.progress(Progress {
        phase: Some(Phase::Requesting),
        version: Some(offer.version.clone()),
        revision: Some(offer.revision.clone()),
        ..Progress::default()
    });
    (teller.0)(&Event::Plan(planned.plan.clone())).map_err(|error| {
        Error::new(
            Kind::Internal,
            format!("Nobody listens to the job: {error}."),
        )
    })?;
    let pace = build::Pace {
        failures: client.patience().breaks,
        put_off: client.patience().put_off,
        ..build::Pace::new(inputs.choice.poll_interval)
    };
    let device = &inputs.device.info;
    let rebuilders = rebuild::ask(others, &options(paths, settings), &request, device, &pace);
    let (built, promise, check) = obtain(paths, inputs, client, offer, planned, &pace, teller)?;
    let beside = match settings.signature {
        SignaturePolicy::Off => Map::new(),
        _ => signatures(client, &built),
    };
    Ok(Event::Image(Box::new(Downloaded {
        promise,
        request: check,
        beside,
        rebuilt: second_opinion(rebuilders, &built, settings.rebuilders_required, teller),
    })))
}

/// Has the image built and fetches it. One that the server has thrown away meanwhile is asked for once
/// more.
fn obtain(
    paths: &Paths,
    inputs: &Inputs,
    client: &Client,
    offer: &offer::Offer,
    planned: &Planned,
    pace: &build::Pace,
    teller: &mut Teller<'_>,
) -> Result<(build::Built, Promise, ImageCheck), Error> {
    let request = planned.request(inputs.choice.force)?;
    let changes = offer.package_changes.iter();
    let changes = changes
        .filter_map(|change| Some((change.source.as_str(), change.target.as_deref()?)))
        .collect();
    let mut room = |size| room::require(paths, size);
    let folder = paths.real(JOB_FOLDER);
    for _ in 0..2 {
        let built = build::build(client, &request, &inputs.device.info, pace, teller)?;
        fault::crash("build-done");
        let mut promise = Promise::new(planned, &request, &built);
        let check = promise.check(&inputs.installed, &changes);
        if check.result == CheckResult::Fail {
            return Err(Error::new(Kind::Mismatch, check.detail));
        }
        let downloaded = download::download(client, &built, &folder, &mut room, teller)?;
        if let Some(downloaded) = downloaded {
            promise.size = downloaded.size;
            return Ok((built, promise, check));
        }
    }
    Err(server::Error::Gone.into())
}

/// The servers that are to build the same, as many as the owner asks for.
fn rebuilders<'a>(settings: &'a Settings, server: &str) -> Result<&'a [String], Error> {
    let named = settings.rebuilders.get(server);
    let named = named.map(Vec::as_slice).unwrap_or_default();
    if settings.rebuilders_required as usize > named.len() {
        let sentence = format!(
            "{SETTINGS}: option rebuilders_required is {}, but the section of server {server} names {} in its list rebuilder.",
            settings.rebuilders_required,
            named.len()
        );
        return Err(Error::new(Kind::Usage, sentence));
    }
    Ok(named)
}

/// What the server has beside the image. Where it can't be had, the image is judged without; the
/// log says why.
fn signatures(client: &Client, built: &build::Built) -> Map<String> {
    beside::fetch(client, built).unwrap_or_else(|error| {
        say(&format_args!(
            "The signatures beside the image can't be fetched. {error}"
        ));
        Map::new()
    })
}

/// Waits for the rebuilders; how long depends on what hangs on them.
fn second_opinion(
    rebuilders: rebuild::Rebuilders,
    built: &build::Built,
    required: u32,
    teller: &mut Teller<'_>,
) -> Map<String> {
    if rebuilders.are_at_it() {
        teller.progress(Progress {
            detail: Some("waiting for other servers to rebuild the image".to_owned()),
            ..Progress::default()
        });
    }
    let image = &built.image;
    let expected = image.sha256_unsigned.as_ref().unwrap_or(&image.sha256);
    let patience = match required {
        0 => rebuild::SHOWN,
        _ => rebuild::REQUIRED,
    };
    rebuilders.wait(expected, required, patience)
}
