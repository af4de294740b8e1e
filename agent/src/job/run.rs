//! The job itself: from the order to its last word.

use super::confine::{confine, confine_files};
use super::{Downloaded, Event, Order, Task};
use crate::api::{CheckResult, Phase, Plan, Verdict};
use crate::error::{Error, Kind};
use crate::fault;
use crate::json;
use crate::paths::{Paths, JOB_FOLDER};
use crate::server::{Client, Options};
use crate::settings::{Settings, SignaturePolicy, FILE as SETTINGS};
use crate::system::room;
use crate::text::say;
use crate::upgrade::plan::{self, Planned, Then};
use crate::upgrade::promise::Promise;
use crate::upgrade::{beside, build, download, offer, rebuild, Inputs, Progress, Watcher};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;

/// An order names every installed package; 2,000 of them take some 300 KB.
const ORDER_LIMIT: u64 = 4 * 1024 * 1024;

/// The system's certificates (ca-bundle), in the router's terms.
const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Reads the order from standard input, does it, and tells of it on standard output.
pub fn main(paths: &Paths) -> ExitCode {
    let mut teller = Teller;
    let ordered = confine(paths).and_then(|()| order());
    fault::crash("job-order");
    let last_word = match ordered.and_then(|order| run(paths, order, &mut teller)) {
        Ok(event) => event,
        Err(error) => Event::Failed(error),
    };
    match teller.tell(&last_word) {
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
    let order = read.and_then(|_| json::parse(&text)).and_then(json::read);
    order.map_err(|error| {
        let sentence = format!(
            "\"asu job\" is for the daemon, which gives it an order on standard input. {error}"
        );
        Error::new(Kind::Usage, sentence)
    })
}

/// Writes events; when nobody reads them any more, the job is over.
struct Teller;

impl Teller {
    fn tell(&mut self, event: &Event) -> std::io::Result<()> {
        let line = json::line(event).map_err(std::io::Error::other)?;
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    }
}

impl Watcher for Teller {
    fn progress(&mut self, progress: Progress) {
        if self.tell(&Event::Progress(progress)).is_err() {
            std::process::exit(1);
        }
    }
}

fn run(paths: &Paths, order: Order, teller: &mut Teller) -> Result<Event, Error> {
    confine_files(paths, order.task == Task::Download)?;
    let inputs = &order.inputs;
    if order.task == Task::Versions {
        return first_server(paths, &inputs.settings, |client, url| {
            let mut versions = offer::versions(
                &client.overview()?,
                &inputs.device.info,
                &inputs.device.running,
            );
            versions.server = url.to_owned();
            Ok(Event::Versions(versions))
        });
    }
    teller.progress(Progress {
        phase: Some(Phase::Checking),
        ..Progress::default()
    });
    let (client, offer, planned) = first_server(paths, &inputs.settings, |client, url| {
        teller.progress(Progress {
            server: Some(url.to_owned()),
            ..Progress::default()
        });
        let offer = choose(&client, inputs)?;
        let planned = plan(&client, inputs, &offer)?;
        Ok((client, offer, planned))
    })?;
    if order.task == Task::Check {
        let mut plan = planned.plan;
        if offer.limits.prepares {
            ask_beforehand(&client, &mut plan);
        }
        return Ok(Event::Plan(Box::new(plan)));
    }
    let fetched = fetch(paths, inputs, &client, &offer, &planned, teller);
    match fetched {
        Err(error) if error.kind == Kind::Mismatch => {
            plan_again(paths, inputs, &client, &planned, error, teller)
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
    teller: &mut Teller,
) -> Result<Event, Error> {
    let offer = choose(client, inputs)?;
    let planned = plan(client, inputs, &offer)?;
    match planned.plan.request == former.plan.request {
        true => Err(error),
        false => fetch(paths, inputs, client, &offer, &planned, teller),
    }
}

/// The first server that can be reached does the work; what any other fault says is the answer.
fn first_server<T>(
    paths: &Paths,
    settings: &Settings,
    mut work: impl FnMut(Client, &str) -> Result<T, Error>,
) -> Result<T, Error> {
    settings.require_servers()?;
    let options = options(paths, settings);
    let mut last = None;
    for url in &settings.servers {
        match Client::new(url, &options)
            .map_err(Error::from)
            .and_then(|client| work(client, url))
        {
            Err(error) if matches!(error.kind, Kind::Offline | Kind::Overloaded) => {
                last = Some(error)
            }
            result => return result,
        }
    }
    Err(last.unwrap_or_else(|| Error::new(Kind::Internal, "No upgrade server was asked.")))
}

fn options(paths: &Paths, settings: &Settings) -> Options {
    Options {
        ca_file: settings.ca_file.as_ref().map(|file| paths.real(file)),
        ca_bundle: paths.real(CA_BUNDLE),
        proxy: settings.proxy.clone(),
    }
}

fn choose(client: &Client, inputs: &Inputs) -> Result<offer::Offer, Error> {
    let choice = &inputs.choice;
    let offer = offer::choose(
        client,
        inputs.target_device(),
        &inputs.device.running,
        choice.version.as_deref(),
    )?;
    choice.within(&offer.limits)?;
    if let Some(fstype) = &choice.fstype {
        offer.require_rootfs(fstype)?;
    }
    Ok(offer)
}

fn plan(client: &Client, inputs: &Inputs, offer: &offer::Offer) -> Result<Planned, Error> {
    let then = match Then::at_hand(inputs, offer) {
        Some(then) => then,
        None => defaults_then(client, inputs, offer)?,
    };
    let questions = plan::questions(inputs, offer);
    let available =
        client.versions_of(&offer.path, &offer.profile.target, &offer.arch, &questions)?;
    Ok(plan::plan(inputs, offer, &then, &available))
}

/// Asks for the device's profile in the running release, under its present name or the board's.
/// A server that answers in a way nobody understands has no more to say of an old release; one
/// that can't be reached is another matter.
fn defaults_then(client: &Client, inputs: &Inputs, offer: &offer::Offer) -> Result<Then, Error> {
    let info = &inputs.device.info;
    let board = info.board_name.replace(',', "_");
    let mut found = None;
    let present_name = match inputs.other_device {
        None => &offer.profile.id,
        Some(_) => &board,
    };
    for id in [present_name, &board] {
        let (Some(path), None) = (&offer.running_path, &found) else {
            break;
        };
        match client.profile(path, &info.target, id).map_err(Error::from) {
            Ok(profile) => found = profile,
            Err(error) if matches!(error.kind, Kind::Server | Kind::Unsupported) => {
                return Ok(Then::Unknown(error.message))
            }
            Err(error) => return Err(error),
        }
        if *id == board {
            break;
        }
    }
    Ok(Then::of_profile(found.as_ref(), inputs))
}

fn fetch(
    paths: &Paths,
    inputs: &Inputs,
    client: &Client,
    offer: &offer::Offer,
    planned: &Planned,
    teller: &mut Teller,
) -> Result<Event, Error> {
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
    teller
        .tell(&Event::Plan(Box::new(planned.plan.clone())))
        .map_err(|error| {
            Error::new(
                Kind::Internal,
                format!("Nobody listens to the job: {error}."),
            )
        })?;
    let device = &inputs.device.info;
    let pace = build::Pace::new(inputs.choice.poll_interval);
    let rebuilders = rebuild::ask(others, &options(paths, settings), &request, device, &pace);
    let built = build::build(client, &request, device, &pace, teller)?;
    fault::crash("build-done");
    let mut promise = Promise::new(planned, &request, &built);
    let changes: BTreeMap<String, String> = offer
        .package_changes
        .iter()
        .filter_map(|change| Some((change.source.clone(), change.target.clone()?)))
        .collect();
    let check = promise.check(&inputs.installed, &changes);
    if check.result == CheckResult::Fail {
        return Err(Error::new(Kind::Mismatch, check.detail));
    }
    let mut room = |size| room::require(paths, size);
    let downloaded =
        download::download(client, &built, &paths.real(JOB_FOLDER), &mut room, teller)?;
    promise.size = downloaded.size;
    let beside = match settings.signature {
        SignaturePolicy::Off => BTreeMap::new(),
        _ => signatures(client, &built),
    };
    Ok(Event::Image(Box::new(Downloaded {
        promise,
        request: check,
        beside,
        rebuilt: second_opinion(rebuilders, &built, settings.rebuilders_required, teller),
    })))
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
fn signatures(client: &Client, built: &build::Built) -> BTreeMap<String, String> {
    beside::fetch(client, built).unwrap_or_else(|error| {
        say(&format_args!(
            "The signatures beside the image can't be fetched. {error}"
        ));
        BTreeMap::new()
    })
}

/// Waits for the rebuilders; how long depends on what hangs on them.
fn second_opinion(
    rebuilders: rebuild::Rebuilders,
    built: &build::Built,
    required: u32,
    teller: &mut Teller,
) -> BTreeMap<String, String> {
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
