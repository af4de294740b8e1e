//! Serves a folder over HTTP: GET and HEAD of files, with Last-Modified and the answers that 304 needs.

use crate::Error;
use axum::body::Body;
use axum::extract::State;
use axum::http::{header, HeaderMap, Method, Request, Response, StatusCode};
use axum::Router;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Serves the folder `root` at `listen`, in a thread of its own. Port 0 takes a free one.
///
/// # Errors
/// [`Error::Io`] where the address can't be had.
pub fn serve(root: &Path, listen: SocketAddr) -> Result<Server, Error> {
    let name = PathBuf::from(listen.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io(&name))?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(listen))
        .map_err(Error::io(&name))?;
    let addr = listener.local_addr().map_err(Error::io(&name))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let app = Router::new()
        .fallback(answer)
        .with_state(Arc::new(root.to_path_buf()));
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                // Serving never ends on its own; a listener that broke shows as refused connections.
                _ = axum::serve(listener, app) => {}
                _ = stopped => {}
            }
        });
    });
    Ok(Server {
        addr,
        stop: Some(stop),
        thread: Some(thread),
    })
}

impl Server {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(State(root): State<Arc<PathBuf>>, request: Request<Body>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    let uri = request.uri();
    if uri.query() == Some("json-targets") {
        return targets(&root, uri.path());
    }
    let relative = Path::new(uri.path().trim_start_matches('/'));
    if relative
        .components()
        .any(|part| !matches!(part, Component::Normal(_)))
    {
        return status(StatusCode::NOT_FOUND);
    }
    file(&root.join(relative), request.headers())
}

fn file(path: &Path, headers: &HeaderMap) -> Response<Body> {
    let Ok(bytes) = std::fs::read(path) else {
        return status(StatusCode::NOT_FOUND);
    };
    let modified = std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .unwrap_or(UNIX_EPOCH);
    let modified = http_date(modified);
    if headers
        .get(header::IF_MODIFIED_SINCE)
        .is_some_and(|since| since.as_bytes() == modified.as_bytes())
    {
        return status(StatusCode::NOT_MODIFIED);
    }
    let kind = if path.extension().is_some_and(|end| end == "json") {
        "application/json"
    } else {
        "text/plain"
    };
    let answer = Response::builder()
        .header(header::LAST_MODIFIED, modified)
        .header(header::CONTENT_TYPE, kind);
    answer
        .body(Body::from(bytes))
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// `releases/24.10.2/targets?json-targets`: the names of the targets as a list.
fn targets(root: &Path, path: &str) -> Response<Body> {
    let release = path.trim_matches('/').trim_end_matches("targets");
    let file = std::fs::read(root.join(release).join(".targets.json")).unwrap_or_default();
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&file) {
        Ok(targets) => Response::new(Body::from(
            serde_json::json!(targets.keys().collect::<Vec<_>>()).to_string(),
        )),
        Err(_) => status(StatusCode::NOT_FOUND),
    }
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

/// A time as HTTP writes it: `Fri, 20 Nov 2026 12:12:22 GMT`.
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Years that begin in March have their leap day at the end.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = (march_month + 2) % 12;
    let year = year + era * 400 + u64::from(month < 2);
    format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        day_of_year - (153 * march_month + 2) / 5 + 1,
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::http_date;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_176_742, "Fri, 20 Nov 2026 12:12:22 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
        ];
        for (seconds, text) in cases {
            assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
