//! What the public server answers when all is well, recorded, as the client reads it.
#![allow(clippy::unwrap_used)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::RequestBody;
use asu::server::{BuildState, Client, Error, Options};
use asu::sorted::Names;
use stand_in::{recorded, Reply, StandIn};

fn client(server: &StandIn) -> Client {
    Client::new(&server.url(), &Options::default()).unwrap()
}

#[test]
fn the_overview() {
    let server = StandIn::always(Reply::recorded("001"));
    let overview = client(&server).overview().unwrap();
    assert_eq!(overview.branches.len(), 6);
    let branch = overview.branches.get("24.10").unwrap();
    assert_eq!(branch.path, "releases/{version}");
    assert_eq!(branch.targets.get("x86/64").unwrap(), "x86_64");
    assert_eq!(branch.package_changes.len(), 8);
    assert_eq!(
        overview.upstream_url.as_deref(),
        Some("http://127.0.0.1:8123")
    );
    let requests = server.requests();
    assert_eq!(requests[0].path, "/json/v1/overview.json");
    assert!(requests[0]
        .header("user-agent")
        .unwrap()
        .starts_with("asu/"));
}

#[test]
fn a_relative_redirect_is_followed() {
    let moved = recorded("004")["headers"].to_string();
    assert!(
        moved.contains("\"location\",\"/json/v1/overview.json\""),
        "{moved}"
    );
    let server = StandIn::new(|_, before| Reply::recorded(if before == 0 { "004" } else { "001" }));
    assert!(client(&server).overview().is_ok());
    assert_eq!(server.lines(), ["GET /json/v1/overview.json"; 2]);
}

#[test]
fn a_build_request_is_sent_again_where_it_is_sent_to() {
    let server = StandIn::new(|_, before| match before {
        0 => Reply::with_headers(301, &[("Location", "/api/v1/build/")], ""),
        _ => Reply::recorded("064"),
    });
    let request = RequestBody {
        version: "24.10.2".to_owned(),
        ..RequestBody::default()
    };
    assert!(client(&server).request_build(&request).is_ok());
    let requests = server.requests();
    assert_eq!(
        server.lines(),
        ["POST /api/v1/build", "POST /api/v1/build/"]
    );
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].body, requests[1].body);
    let body: serde_json::Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["version"], "24.10.2");
}

#[test]
fn a_profile_known_and_unknown() {
    let profile = |reply| {
        let server = StandIn::always(reply);
        let profile =
            client(&server).profile("releases/24.10.2", "ath79/generic", "tplink_archer-c7-v2");
        let path = "GET /json/v1/releases/24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json";
        assert_eq!(server.lines(), [path]);
        profile.unwrap()
    };
    let known = profile(Reply::recorded("025")).unwrap();
    assert_eq!(known.version_code, "r28739-d9340319c6");
    assert_eq!(known.default_packages.len(), 29);
    assert_eq!(known.linux_kernel.unwrap().version, "6.6.93");
    assert!(profile(Reply::recorded("026")).is_none());
    assert!(profile(Reply::recorded("027")).is_none());
    assert!(
        profile(Reply::new(404, "text/html", "<!doctype html>")).is_none(),
        "0.7.20 has a page for it"
    );
}

#[test]
fn a_revision_known_and_unknown() {
    let revision = |reply| {
        let server = StandIn::always(reply);
        client(&server)
            .revision("24.10.2", "ath79/generic")
            .unwrap()
    };
    assert_eq!(
        revision(Reply::json(200, r#"{"revision":"r1-x"}"#)).as_deref(),
        Some("r1-x")
    );
    assert_eq!(revision(Reply::json(404, r#"{"detail":"x"}"#)), None);
}

#[test]
fn the_versions_of_wanted_packages() {
    let server = StandIn::new(|request, _| match request.path.as_str() {
        "/json/v1/releases/24.10.2/targets/ath79/generic/index.json" => Reply::recorded("015"),
        "/json/v1/releases/24.10.2/packages/mips_24kc-index.json" => Reply::recorded("020"),
        _ => Reply::json(404, "{}"),
    });
    let names = Names::from_iter(["base-files", "luci", "kmod-ath9k", "no-such-package"]);
    let found = client(&server)
        .versions_of("releases/24.10.2", "ath79/generic", "mips_24kc", &names)
        .unwrap();
    let of_target = &recorded("015")["body"]["packages"];
    let of_arch = &recorded("020")["body"];
    assert_eq!(found.len(), 3);
    assert_eq!(
        found.get("kmod-ath9k").unwrap(),
        of_target["kmod-ath9k"].as_str().unwrap()
    );
    assert_eq!(
        found.get("base-files").unwrap(),
        of_target["base-files"].as_str().unwrap()
    );
    assert_eq!(
        found.get("luci").unwrap(),
        of_arch["luci"].as_str().unwrap()
    );
}

#[test]
fn the_targets_packages_come_before_the_architectures() {
    let server = StandIn::new(|request, _| match request.path.contains("/targets/") {
        true => Reply::json(200, r#"{"packages":{"a":"1"}}"#),
        false => Reply::json(200, r#"{"a":"2","b":"3"}"#),
    });
    let names = Names::from_iter(["a", "b"]);
    let found = client(&server)
        .versions_of("snapshots", "x/y", "z", &names)
        .unwrap();
    assert_eq!(
        (
            found.get("a").unwrap().as_str(),
            found.get("b").unwrap().as_str()
        ),
        ("1", "3")
    );
}

#[test]
fn older_servers_have_the_architectures_packages_elsewhere() {
    let server = StandIn::new(|request, _| match request.path.as_str() {
        "/json/v1/releases/22.03.4/targets/x/y/index.json" => {
            Reply::json(200, r#"{"packages":{"a":"1"}}"#)
        }
        "/json/v1/releases/packages-22.03/z-index.json" => Reply::json(200, r#"{"b":"2"}"#),
        _ => Reply::new(404, "text/html", "<!doctype html>"),
    });
    let names = Names::from_iter(["a", "b"]);
    let found = client(&server)
        .versions_of("releases/22.03.4", "x/y", "z", &names)
        .unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn indexes_that_the_server_does_not_know_are_said() {
    let server = StandIn::new(|request, _| {
        Reply::recorded(if request.path.contains("/targets/") {
            "019"
        } else {
            "024"
        })
    });
    let found = client(&server).versions_of(
        "releases/24.10.2",
        "ath79/nosuch",
        "z",
        &Names::from_iter(["a"]),
    );
    assert!(matches!(found, Err(Error::NoIndex(target)) if target == "ath79/nosuch"));
}

#[test]
fn a_build_in_each_of_its_states() {
    let state = |number| {
        let server = StandIn::always(Reply::recorded(number));
        client(&server).build_state("613c").unwrap()
    };
    let BuildState::Waiting(queued) = state("067") else {
        panic!("not queued")
    };
    assert_eq!(
        (queued.detail.as_str(), queued.queue_position),
        ("queued", Some(1))
    );
    let BuildState::Waiting(started) = state("075") else {
        panic!("not started")
    };
    assert_eq!(
        started.imagebuilder_status.as_deref(),
        Some("validate_manifest")
    );
    let BuildState::Done(done) = state("079") else {
        panic!("not done")
    };
    assert_eq!(done.version_code, "r28739-d9340319c6");
    assert_eq!(done.request.unwrap().packages, ["luci", "tmux", "htop"]);
    assert!(done.manifest.len() > 50);
}
