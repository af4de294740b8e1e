//! Which release is offered to which router, and as which device.
#![allow(clippy::unwrap_used)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::{DeviceInfo, Running};
use asu::error::{Error, Kind};
use asu::server::answers::Overview;
use asu::server::{Client, Options};
use asu::upgrade::offer::{choose, versions, Offer, Version};
use stand_in::{recorded, Reply, StandIn};

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn versions_sort_by_their_numbers() {
    let sorted = [
        "19.07.10",
        "23.05.5",
        "24.10.0-rc1",
        "24.10.0-rc2",
        "24.10.0-rc10",
        "24.10.0",
        "24.10.2",
        "24.10.10",
        "25.12.0",
        "24.10-SNAPSHOT",
    ];
    for pair in sorted.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
    assert!(version("SNAPSHOT").is_snapshot() && version("24.10-SNAPSHOT").is_snapshot());
    assert!(version("24.10.0-rc1").is_candidate());
    for odd in [
        "",
        "r28739",
        "24.10.",
        "24..1",
        "v24.10",
        "24.10.0-rc",
        "24.10.0-beta1",
        "24.10SNAPSHOT",
        "+1.2",
        "99999999999",
        "24.10.2-my",
    ] {
        assert_eq!(Version::parse(odd), None, "{odd}");
    }
}

fn overview() -> Overview {
    let body = recorded("001")["body"].to_string();
    asu::json::from_text(body.as_bytes()).unwrap()
}

fn running(version: &str) -> Running {
    Running {
        version: version.to_owned(),
        ..Running::default()
    }
}

fn device(board: &str, target: &str) -> DeviceInfo {
    DeviceInfo {
        board_name: board.to_owned(),
        target: target.to_owned(),
        ..DeviceInfo::default()
    }
}

#[test]
fn the_branches_of_a_target() {
    let mut overview = overview();
    let branch = overview.branches.get_mut("24.10").unwrap();
    branch.versions = ["24.10-SNAPSHOT", "24.10.2", "24.10.10", "24.10.11-rc1"]
        .map(str::to_owned)
        .to_vec();
    overview.branches.get_mut("22.03").unwrap().enabled = false;
    let listed = versions(&overview, &device("", "ath79/generic"), &running("24.10.0"));
    let names: Vec<_> = listed
        .branches
        .iter()
        .map(|branch| branch.name.as_str())
        .collect();
    assert_eq!(names, ["25.12", "24.10", "23.05", "21.02", "SNAPSHOT"]);
    assert_eq!(listed.branches[1].latest, "24.10.10");
    assert_eq!(
        listed.branches[1].versions,
        ["24.10.11-rc1", "24.10.10", "24.10.2", "24.10-SNAPSHOT"]
    );
    assert_eq!(listed.branches[4].latest, "SNAPSHOT");
    let listed = versions(&overview, &device("", "oxnas/ox820"), &running("23.05.0"));
    assert_eq!(listed.branches.len(), 1);
    let candidate = versions(
        &overview,
        &device("", "ath79/generic"),
        &running("24.10.10-rc1"),
    );
    assert_eq!(candidate.branches[1].latest, "24.10.11-rc1");
}

/// A server with the recorded overview, the recorded Archer and x86's `generic`.
fn server() -> StandIn {
    StandIn::new(|request, _| {
        let path = request.path.as_str();
        if path == "/json/v1/overview.json" {
            Reply::recorded("001")
        } else if path.ends_with("/tplink_archer-c7-v2.json")
            || path.ends_with("x86/64/generic.json")
        {
            let profile = recorded("025")["body"].to_string();
            Reply::json(200, &profile)
        } else {
            Reply::recorded("026")
        }
    })
}

fn offered(board: &str, target: &str, version: &str, asked: Option<&str>) -> Result<Offer, Error> {
    let server = server();
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let offer = choose(&client, &device(board, target), &running(version), asked);
    offer.inspect(|offer| assert_eq!(offer.server, server.url()))
}

const ARCHER: (&str, &str) = ("tplink,archer-c7-v2", "ath79/generic");

#[test]
fn the_newest_of_the_running_branch_is_offered() {
    let offer = offered(ARCHER.0, ARCHER.1, "24.10.0", None).unwrap();
    assert_eq!(
        (offer.branch.as_str(), offer.version.as_str()),
        ("24.10", "24.10.2")
    );
    assert_eq!(offer.path, "releases/24.10.2");
    assert_eq!(offer.arch, "mips_24kc");
    assert_eq!(offer.revision, "r28739-d9340319c6");
    assert_eq!(offer.profile.id, "tplink_archer-c7-v2");
    assert_eq!(offer.package_changes.len(), 8);
}

#[test]
fn each_running_and_asked_version_leads_to_its_release() {
    let cases = [
        ("24.10.0", None, Some("24.10.2")),
        ("24.10.2", None, Some("24.10.2")),
        ("24.10.9", None, Some("24.10.2")),
        ("24.10.0-rc3", None, Some("24.10.2")),
        ("25.12.0-rc1", None, Some("25.12.0")),
        ("SNAPSHOT", None, Some("SNAPSHOT")),
        ("24.10-SNAPSHOT", None, Some("24.10-SNAPSHOT")),
        ("24.10.0", Some("25.12"), Some("25.12.0")),
        ("24.10.0", Some("24.10.1"), Some("24.10.1")),
        ("25.12.0", Some("24.10"), Some("24.10.2")),
        ("24.10.0", Some("snapshot"), Some("SNAPSHOT")),
        ("24.10.0", Some("24.10-SNAPSHOT"), Some("24.10-SNAPSHOT")),
        ("SNAPSHOT", Some("25.12"), Some("25.12.0")),
        ("24.10.0", Some("24.10.7"), None),
        ("24.10.0", Some("99"), None),
        ("19.07.10", None, None),
        ("19.07-SNAPSHOT", None, None),
        ("my own build", None, None),
    ];
    for (running, asked, expected) in cases {
        let offer = offered(ARCHER.0, ARCHER.1, running, asked);
        match expected {
            Some(version) => assert_eq!(offer.unwrap().version, version, "{running} {asked:?}"),
            None => {
                let error = offer.unwrap_err();
                assert_eq!(error.kind, Kind::Unsupported, "{running} {asked:?}");
                assert!(error.message.contains("it has 21.02, 22.03"), "{error}");
            }
        }
    }
}

#[test]
fn a_target_that_is_not_built() {
    let error = offered("x", "ath79/tiny", "24.10.0", None).unwrap_err();
    assert!(
        error
            .message
            .contains("does not build 24.10.2 for ath79/tiny; it has 23.05."),
        "{error}"
    );
    let error = offered("x", "no/such", "24.10.0", None).unwrap_err();
    assert!(
        error
            .message
            .contains("does not build 24.10.2 for no/such. If"),
        "{error}"
    );
}

#[test]
fn x86_is_generic_whatever_its_board_says() {
    let offer = offered("../../etc/passwd", "x86/64", "24.10.0", None).unwrap();
    assert_eq!(
        offer.profile.id, "tplink_archer-c7-v2",
        "the recorded profile stands in for generic"
    );
}

/// A server whose upstream (itself) knows that `archer-c7-v2` is an old name.
fn with_upstream(profiles: Reply, generic: bool) -> (Result<Offer, Error>, Vec<String>) {
    let upstream = StandIn::always(profiles);
    let overview = serde_json::json!({
        "branches": {"24.10": {"path": "releases/{version}", "versions": ["24.10.2"], "targets": {"ath79/generic": "mips_24kc"}}},
        "upstream_url": upstream.url(),
    });
    let server = StandIn::new(
        move |request, _| match request.path.rsplit('/').next().unwrap() {
            "overview.json" => Reply::json(200, &overview.to_string()),
            "tplink_archer-c7-v2.json" => Reply::recorded("025"),
            "generic.json" if generic => Reply::recorded("025"),
            _ => Reply::recorded("026"),
        },
    );
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let offer = choose(
        &client,
        &device("archer-c7-v2", "ath79/generic"),
        &running("24.10.0"),
        None,
    );
    assert_eq!(
        upstream.lines(),
        ["GET /releases/24.10.2/targets/ath79/generic/profiles.json"]
    );
    (offer, server.lines())
}

#[test]
fn a_board_under_another_name_is_found_upstream() {
    let json = r#"{"profiles":{"tplink_archer-c7-v2":{"supported_devices":["tplink,archer-c7-v2","archer-c7-v2"]}}}"#;
    let (offer, asked) = with_upstream(Reply::json(200, json), false);
    assert_eq!(offer.unwrap().profile.id, "tplink_archer-c7-v2");
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn without_a_profile_of_its_own_a_board_is_generic_where_there_is_no_other() {
    let (offer, asked) = with_upstream(Reply::json(200, r#"{"profiles":{"generic":{}}}"#), true);
    assert!(offer.is_ok());
    assert!(
        asked.last().unwrap().ends_with("/generic.json"),
        "{asked:?}"
    );
    let octeon = r#"{"profiles":{"generic":{},"ubnt_edgerouter":{"supported_devices":["ubnt,edgerouter"]}}}"#;
    let (offer, asked) = with_upstream(Reply::json(200, octeon), true);
    assert_eq!(offer.unwrap_err().kind, Kind::Unsupported);
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[test]
fn armsr_and_loongarch_are_generic_whatever_their_boards_say() {
    let server = StandIn::new(|request, _| {
        if request.path.ends_with("overview.json") {
            Reply::json(
                200,
                r#"{"branches":{"24.10":{"path":"releases/{version}","versions":["24.10.2"]}}}"#,
            )
        } else if request.path.ends_with("/generic.json") {
            Reply::recorded("025")
        } else {
            Reply::recorded("026")
        }
    });
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    for (board, target) in [
        ("qemu,qemu-virtual-machine", "armsr/armv8"),
        ("loongson,x", "loongarch64/generic"),
    ] {
        choose(&client, &device(board, target), &running("24.10.0"), None).unwrap();
    }
    assert_eq!(server.lines().len(), 4, "{:?}", server.lines());
}

#[test]
fn a_target_that_the_newest_release_lacks_is_still_found_in_an_older_one() {
    let server = StandIn::new(|request, _| {
        if request.path.ends_with("overview.json") {
            let branch = r#"{"path":"releases/{version}","versions":["24.10.3","24.10.2"],"targets":{"x86/64":"x86_64"}}"#;
            Reply::json(
                200,
                &format!(
                    r#"{{"branches":{{"24.10":{branch},"23.05":{{"path":"x","versions":["23.05.5"],"enabled":false}}}}}}"#
                ),
            )
        } else if request.path.contains("/24.10.2/") {
            Reply::recorded("025")
        } else {
            Reply::recorded("026")
        }
    });
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let archer = device(ARCHER.0, ARCHER.1);
    let choose = |asked| choose(&client, &archer, &running("24.10.0"), asked);
    let offer = choose(Some("24.10.2")).unwrap();
    assert_eq!(offer.arch, "mips_24kc");
    let error = choose(None).unwrap_err();
    assert!(
        error
            .message
            .contains("does not build 24.10.3 for ath79/generic"),
        "{error}"
    );
    let error = choose(Some("23.05.5")).unwrap_err();
    assert!(error.message.contains("does not build 23.05.5"), "{error}");
}

#[test]
fn an_unknown_device_is_said_together_with_upstreams_trouble() {
    let (offer, _) = with_upstream(Reply::json(200, "{\"profiles\":["), false);
    let error = offer.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(
        error
            .message
            .contains("does not know this device (archer-c7-v2)"),
        "{error}"
    );
    assert!(
        error.detail.contains("can't be understood"),
        "{}",
        error.detail
    );
    let bad = r#"{"profiles":{"../../x":{"supported_devices":["archer-c7-v2"]}}}"#;
    let (offer, _) = with_upstream(Reply::json(200, bad), false);
    assert_eq!(
        offer.unwrap_err().kind,
        Kind::Server,
        "a profile that leaves its folder"
    );
}
