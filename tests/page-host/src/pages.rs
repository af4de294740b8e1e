//! What LuCI's dispatcher does: login, the frame around a view, and the files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{json, Map, Value};

use crate::access::Right;
use crate::backend::Backend;
use crate::server::Host;
use crate::{cgi, jsonrpc, po};

/// The first page.
pub const START: &str = "/cgi-bin/luci/admin/system/attended-sysupgrade/overview";

const SCRIPT_NAME: &str = "/cgi-bin/luci";
const COOKIE_NAME: &str = "sysauth_http";

/// LuCI's part of /luci-static, as far as the views use it.
const OWN_FILES: [(&str, &str, &str); 8] = [
    (
        "resources/luci.js",
        "text/javascript",
        include_str!("../static/luci.js"),
    ),
    (
        "resources/rpc.js",
        "text/javascript",
        include_str!("../static/rpc.js"),
    ),
    (
        "resources/ui.js",
        "text/javascript",
        include_str!("../static/ui.js"),
    ),
    (
        "resources/uci.js",
        "text/javascript",
        include_str!("../static/uci.js"),
    ),
    (
        "resources/form.js",
        "text/javascript",
        include_str!("../static/form.js"),
    ),
    (
        "resources/view/status/index.js",
        "text/javascript",
        include_str!("../static/status.js"),
    ),
    (
        "resources/icons/loading.svg",
        "image/svg+xml",
        include_str!("../static/icons/loading.svg"),
    ),
    ("theme.css", "text/css", include_str!("../static/theme.css")),
];

type Shared = State<Arc<Host>>;

/// Everything that is served.
pub(crate) fn routes(host: Arc<Host>) -> Router {
    let mut router = Router::new()
        .route(
            "/",
            get(|| async { (StatusCode::FOUND, [(LOCATION, START)]) }),
        )
        .route("/ubus", post(ubus))
        .route("/ubus/", post(ubus))
        .route("/luci-static/{*path}", get(file))
        .route("/cgi-bin/luci/{*path}", get(page).post(login))
        .route("/cgi-bin/cgi-upload", post(upload))
        .route("/cgi-bin/cgi-backup", post(backup));
    if let Backend::Scripted(_) = host.backend {
        router = router
            .route("/script", post(set_script).get(script_calls))
            .route("/script/reboot", post(script_reboot));
    }
    router.with_state(host)
}

/// All menu.d files together, and LuCI's own status page.
pub(crate) fn menu(folder: &Path) -> io::Result<Value> {
    let mut menu = Map::new();
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        let part: Map<String, Value> = serde_json::from_str(&text).map_err(io::Error::other)?;
        menu.extend(part);
    }
    let status = json!({"title": "Status", "action": {"type": "view", "path": "status/index"}});
    menu.insert("admin/status/overview".into(), status);
    Ok(Value::Object(menu))
}

/// Runs what blocks (files, the bus) where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StatusCode> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn ubus(State(host): Shared, body: Bytes) -> Result<Json<Value>, StatusCode> {
    blocking(move || jsonrpc::answer(&host, &body))
        .await
        .map(Json)
}

async fn upload(
    State(host): Shared,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, StatusCode> {
    let content_type = text_of(headers.get(CONTENT_TYPE)).to_owned();
    blocking(move || cgi::upload(&host, &content_type, &body))
        .await
        .map(Json)
}

async fn backup(State(host): Shared, body: String) -> Result<Response, StatusCode> {
    let session = field(&body, "sessionid");
    let archive = blocking(move || cgi::backup(&host, &session)).await?;
    match archive {
        Ok(Some(archive)) => Ok(([(CONTENT_TYPE, "application/x-targz")], archive).into_response()),
        Ok(None) => Err(StatusCode::FORBIDDEN),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn set_script(State(host): Shared, Json(answers): Json<Value>) -> StatusCode {
    if let Backend::Scripted(script) = &host.backend {
        script.set(answers);
    }
    StatusCode::NO_CONTENT
}

async fn script_calls(State(host): Shared) -> Json<Value> {
    match &host.backend {
        Backend::Scripted(script) => Json(script.calls()),
        Backend::Bus(_) => Json(Value::Null),
    }
}

async fn script_reboot(State(host): Shared) -> StatusCode {
    host.sessions.clear();
    StatusCode::NO_CONTENT
}

async fn file(State(host): Shared, uri: Uri) -> Result<Response, StatusCode> {
    let path = uri.path().strip_prefix("/luci-static/").unwrap_or("");
    let no_cache = (CACHE_CONTROL, "no-store");
    if let Some((_, kind, text)) = OWN_FILES.iter().find(|(name, _, _)| *name == path) {
        return Ok(([(CONTENT_TYPE, *kind), no_cache], *text).into_response());
    }
    if path.split('/').any(|part| part == ".." || part.is_empty()) {
        return Err(StatusCode::NOT_FOUND);
    }
    let kind = match Path::new(path).extension().and_then(|it| it.to_str()) {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let place = host.options.luci_static.join(path);
    match blocking(move || fs::read(place)).await? {
        Ok(bytes) => Ok(([(CONTENT_TYPE, kind), no_cache], bytes).into_response()),
        Err(_) => Err(StatusCode::NOT_FOUND),
    }
}

fn text_of(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn session_of(headers: &HeaderMap) -> String {
    let cookies = text_of(headers.get(COOKIE)).split(';');
    let mut values = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    let own = values.find(|(name, _)| *name == COOKIE_NAME);
    own.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// A field of a form, as browsers encode it.
fn field(body: &str, name: &str) -> String {
    let mut fields = body.split('&').filter_map(|pair| pair.split_once('='));
    let value = fields.find(|(key, _)| *key == name).map_or("", |it| it.1);
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let text = std::str::from_utf8(&digits).unwrap_or("");
                u8::from_str_radix(text, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn login(State(host): Shared, uri: Uri, body: String) -> Result<Response, StatusCode> {
    let path = uri
        .path_and_query()
        .map_or(START, |it| it.as_str())
        .to_owned();
    let session = host
        .sessions
        .login(
            &field(&body, "luci_username"),
            &field(&body, "luci_password"),
        )
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(match session {
        Some(id) => {
            let cookie = format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Strict");
            (StatusCode::FOUND, [(SET_COOKIE, cookie), (LOCATION, path)]).into_response()
        }
        None => login_page("Invalid username or password.").into_response(),
    })
}

fn html(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

fn login_page(message: &str) -> Response {
    html(
        StatusCode::FORBIDDEN,
        format!(
            r#"<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Login</title><link rel="stylesheet" href="/luci-static/theme.css"></head>
<body><main id="maincontent"><h2>Authorization Required</h2><p>{message}</p><form method="post">
<p><label>Username <input name="luci_username" value="root"></label></p><p><label>Password <input name="luci_password" type="password"></label></p>
<button class="btn cbi-button" type="submit">Log in</button></form></main></body></html>"#
        ),
    )
}

async fn page(
    State(host): Shared,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let path = uri
        .path()
        .strip_prefix("/cgi-bin/luci/")
        .unwrap_or("")
        .to_owned();
    let session = session_of(&headers);
    if host.sessions.user(&session).is_none() {
        return login_page("").into_response();
    }
    let node = host.menu.get(&path);
    let view = node
        .and_then(|node| node.pointer("/action/path"))
        .and_then(Value::as_str);
    match view {
        Some(view) => html(StatusCode::OK, frame(&host, &path, view, &session, &query)),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The page around a view: what LuCI's header template gives to luci.js, and the tabs.
fn frame(
    host: &Host,
    path: &str,
    view: &str,
    session: &str,
    query: &BTreeMap<String, String>,
) -> String {
    let rights = host.rights(session);
    let language = query
        .get("lang")
        .filter(|it| it.chars().all(|c| c.is_ascii_lowercase()));
    let translation = language.and_then(|name| {
        let folder = host.options.po.join(name);
        let text = fs::read_to_string(folder.join("attended-sysupgrade.po")).ok()?;
        Some(po::parse(&text))
    });
    let standin = json!({
        "view": view,
        "translation": translation,
        "env": {
            "sessionid": session, "scriptname": SCRIPT_NAME, "cgi_base": "/cgi-bin", "resource": "/luci-static/resources",
            "ubuspath": "/ubus/", "pollinterval": 5, "rpctimeout": 20,
            "nodespec": {"satisfied": !rights.is_empty(), "readonly": !rights.contains(&Right::Write)},
        },
    });
    let theme = if query.contains_key("dark") {
        "dark"
    } else {
        "light"
    };
    format!(
        r#"<!DOCTYPE html><html lang="{lang}" data-theme="{theme}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Attended Sysupgrade</title><link rel="stylesheet" href="/luci-static/theme.css"></head>
<body><nav>{tabs}</nav><main id="maincontent"><div id="view"></div></main>
<script>window.STANDIN = {standin};</script><script src="/luci-static/resources/luci.js"></script></body></html>"#,
        lang = language.map_or("en", String::as_str),
        tabs = tabs(host, path),
        standin = standin.to_string().replace('<', "\\u003c"),
    )
}

fn tabs(host: &Host, current: &str) -> String {
    let nodes = host.menu.as_object().into_iter().flatten();
    let mut views: Vec<_> = nodes
        .filter(|(_, node)| node.pointer("/action/path").is_some())
        .collect();
    views.sort_by_key(|(_, node)| node.get("order").and_then(Value::as_i64));
    let link = |(path, node): (&String, &Value)| {
        let title = node.get("title").and_then(Value::as_str).unwrap_or("");
        let here = if path == current {
            r#" aria-current="page""#
        } else {
            ""
        };
        format!(r#"<a href="{SCRIPT_NAME}/{path}"{here}>{title}</a> "#)
    };
    views.into_iter().map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_forms_are_decoded() {
        assert_eq!(field("a=1&b=%2Ftmp+x%zz", "b"), "/tmp x?");
        assert_eq!(field("a=1", "b"), "");
    }
}
