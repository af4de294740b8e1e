//! The only way out of a sandboxed build: an HTTP proxy on a Unix socket that leads to the download site and nowhere else.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Longest head of a request.
const HEAD: usize = 8 << 10;
/// How many connections a build may have at once.
const AT_ONCE: usize = 16;
/// How long a build may take to say where it wants to go, and the site to take the connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy(JoinHandle<()>);

impl Proxy {
    /// Listens at the socket `name` in `folder` for requests to `hosts`, each written `host:port`.
    ///
    /// # Errors
    /// Where the socket can't be made.
    pub fn start(folder: &Path, name: &str, hosts: Arc<Vec<String>>) -> io::Result<Self> {
        // By a short path: an address of a socket has 108 bytes only.
        let open = File::open(folder)?;
        let path = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
        let listener = UnixListener::bind(path)?;
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self(tokio::spawn(async move {
            loop {
                // The semaphore is never closed.
                let turn = turns.clone().acquire_owned().await;
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let hosts = hosts.clone();
                tokio::spawn(async move {
                    let _turn = turn;
                    // How a connection ends concerns the build only.
                    let _ = serve(stream, &hosts).await;
                });
            }
        })))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `host:port` of an address, as requests to the proxy name it.
pub fn authority(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let port = if scheme == "https" { ":443" } else { ":80" };
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(
        if has_port {
            host.to_owned()
        } else {
            format!("{host}{port}")
        }
        .to_ascii_lowercase(),
    )
}

async fn serve(mut stream: UnixStream, hosts: &[String]) -> io::Result<()> {
    let Ok(read) = tokio::time::timeout(PATIENCE, read_head(&mut stream)).await else {
        return Ok(());
    };
    let (head, rest) = read?;
    let Some((host, forwarded)) = forward(&head) else {
        return refuse(&mut stream, "400 Bad Request").await;
    };
    if !hosts.contains(&host) {
        return refuse(&mut stream, "403 Forbidden").await;
    }
    let connection = tokio::time::timeout(PATIENCE, TcpStream::connect(&host)).await;
    let Ok(Ok(mut site)) = connection else {
        return refuse(&mut stream, "502 Bad Gateway").await;
    };
    match forwarded {
        Some(head) => site.write_all(head.as_bytes()).await?,
        None => stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
    }
    site.write_all(&rest).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut site).await?;
    Ok(())
}

async fn refuse(stream: &mut UnixStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}

/// Reads up to the empty line; returns what is before and what is after it.
async fn read_head(stream: &mut UnixStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(io::Error::other)?;
            return Ok((head, rest));
        }
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await?;
        if read == 0 || bytes.len() > HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend(piece.get(..read).unwrap_or_default());
    }
}

/// Where a request wants to go, and its head as the site is to get it; none where only a tunnel is asked for. One
/// connection is for one request, so that a second can't go elsewhere.
fn forward(head: &str) -> Option<(String, Option<String>)> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    if method == "CONNECT" {
        return Some((target.to_ascii_lowercase(), None));
    }
    if !matches!(method, "GET" | "HEAD") || !target.starts_with("http://") {
        return None;
    }
    let host = authority(target)?;
    let path = target.get("http://".len()..)?;
    let path = path
        .find('/')
        .and_then(|start| path.get(start..))
        .unwrap_or("/");
    let mut forwarded = format!("{method} {path} {version}\r\n");
    for line in lines.filter(|line| !line.is_empty()) {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !name.starts_with("proxy-") && name != "connection" {
            forwarded.push_str(line);
            forwarded.push_str("\r\n");
        }
    }
    forwarded.push_str("Connection: close\r\n\r\n");
    Some((host, Some(forwarded)))
}

#[cfg(test)]
mod tests {
    use super::{authority, forward};

    #[test]
    fn where_requests_go() {
        let cases = [
            (
                "https://downloads.openwrt.org",
                Some("downloads.openwrt.org:443"),
            ),
            ("http://Mirror.example/openwrt", Some("mirror.example:80")),
            ("http://127.0.0.1:8080/x", Some("127.0.0.1:8080")),
            ("downloads.openwrt.org", None),
        ];
        for (url, expected) in cases {
            assert_eq!(authority(url).as_deref(), expected, "{url}");
        }
        let head =
            "GET http://a.example/x?y HTTP/1.1\r\nHost: b\r\nProxy-Connection: keep-alive\r\n\r\n";
        let forwarded = "GET /x?y HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
        assert_eq!(
            forward(head),
            Some(("a.example:80".to_owned(), Some(forwarded.to_owned())))
        );
        let tunnel = forward("CONNECT A.example:443 HTTP/1.1\r\n\r\n");
        assert_eq!(tunnel, Some(("a.example:443".to_owned(), None)));
        for head in [
            "",
            "GET",
            "GET / HTTP/1.1\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\n\r\n",
            "GET ftp://a/ HTTP/1.1",
        ] {
            assert_eq!(forward(head), None, "{head}");
        }
    }
}
