//! `/ubus` against what uhttpd and rpcd answered (tests/recorded).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use page_host::{Backend, Options, PageHost, Right, Scripted, User};
use serde_json::{json, Value};

const ACL: &str = r#"{"luci-app-attendedsysupgrade": {
    "read": {"ubus": {"system": ["board"], "uci": ["get"]}, "uci": ["attendedsysupgrade"]},
    "write": {"ubus": {"rpc-sys": ["upgrade_start"]}}
}}"#;

const CONFIG: &str = "config server 'server'\n\toption url 'http://127.0.0.1:8000'\n\nconfig client 'client'\n\toption upgrade_packages '1'\n\toption auto_search '0'\n\toption advanced_mode '0'\n\toption login_check_for_upgrades '0'\n\nconfig owut 'owut'\n";

/// The exchanges whose answer the host gives word for word. The others: `login` also lists all rights, `list-object` needs a bus.
const SAME: [&str; 18] = [
    "login-wrong",
    "call",
    "call-no-session",
    "call-bad-session",
    "call-no-object",
    "call-no-method",
    "call-bad-args",
    "call-array-args",
    "call-missing-params",
    "list",
    "batch",
    "bad-json",
    "unknown-method",
    "access",
    "access-acl-group",
    "uci-get",
    "destroy",
    "call-after-destroy",
];

fn post(address: SocketAddr, body: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /ubus HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

fn host(folder: &std::path::Path, board: Value) -> PageHost {
    let share = folder.join("share");
    for place in ["share/rpcd/acl.d", "share/luci/menu.d", "root/etc/config"] {
        std::fs::create_dir_all(folder.join(place)).unwrap();
    }
    std::fs::write(share.join("rpcd/acl.d/test.json"), ACL).unwrap();
    std::fs::write(folder.join("root/etc/config/attendedsysupgrade"), CONFIG).unwrap();
    let script = Scripted::default();
    script.set(json!({"system": {"board": {"data": board}}, "rpc-sys": {}}));
    let mut options = Options::new(Backend::Scripted(Arc::new(script)), folder.join("root"));
    options.share = share;
    options.users = vec![User {
        name: "root".into(),
        password: "test".into(),
        rights: vec![Right::Read, Right::Write],
    }];
    PageHost::start(options).unwrap()
}

#[test]
fn it_answers_as_uhttpd_does() {
    let recorded: Value = serde_json::from_str(include_str!("recorded/exchanges.json")).unwrap();
    let recorded = recorded.as_array().unwrap();
    let named = |name: &str| recorded.iter().find(|it| it["name"] == name).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), named("call")["answer"]["result"][1].clone());
    let login = post(host.address(), &named("login")["request"].to_string());
    assert_eq!(login["result"][0], 0);
    let session = login["result"][1]["ubus_rpc_session"].as_str().unwrap();

    for name in SAME {
        let exchange = named(name);
        let request = match &exchange["request"] {
            Value::String(text) => text.clone(),
            other => other.to_string().replace("SESSION", session),
        };
        assert_eq!(post(host.address(), &request), exchange["answer"], "{name}");
    }
}

#[test]
fn nothing_is_served_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), Value::Null);
    for path in [
        "/luci-static/../Cargo.toml",
        "/luci-static/%2e%2e/Cargo.toml",
        "/luci-static//etc/passwd",
    ] {
        let mut stream = TcpStream::connect(host.address()).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}
