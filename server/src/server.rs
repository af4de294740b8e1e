//! Starts and stops a server in threads of its own.

use crate::api::{self, Shared};
use crate::build::Workshop;
use crate::queue::Queue;
use crate::upstream::Upstream;
use crate::{Config, Error};
use axum::Router;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// How long requests to the download site may keep the server from stopping.
const PARTING: Duration = Duration::from_secs(1);

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a server. It accepts connections when this returns.
///
/// # Errors
/// [`Error::Io`] where the store can't be made or the address not be had.
pub fn start(config: Config) -> Result<Server, Error> {
    std::fs::create_dir_all(&config.store).map_err(Error::io(&config.store))?;
    let name = PathBuf::from(config.listen.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("asu-server")
        .enable_all()
        .build()
        .map_err(Error::io(&name))?;
    let listener = runtime
        .block_on(TcpListener::bind(config.listen))
        .map_err(Error::io(&name))?;
    let addr = listener.local_addr().map_err(Error::io(&name))?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || serve(runtime, listener, config, stopped));
    Ok(Server {
        addr,
        stop: Some(stop),
        thread: Some(thread),
    })
}

fn serve(runtime: Runtime, listener: TcpListener, config: Config, stopped: oneshot::Receiver<()>) {
    let config = Arc::new(config);
    let queue = Arc::new(Queue::default());
    let upstream = Upstream::new(&config.upstream_url, config.upstream_lifetime);
    let workshop = Workshop::new(config.clone(), queue.clone());
    for _ in 0..config.workers {
        runtime.spawn(workshop.clone().work());
    }
    let app = Router::new().fallback(api::handle).with_state(Shared {
        config,
        upstream,
        queue,
    });
    runtime.block_on(async {
        tokio::select! {
            // It only ends when it is stopped.
            _ = axum::serve(listener, app) => {}
            _ = stopped => {}
        }
    });
    // Ends connections and kills builds.
    runtime.shutdown_timeout(PARTING);
}

impl Server {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it: connections end, builds are killed, what waits is forgotten. Returns when all that is done.
    pub fn shutdown(self) {
        drop(self);
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
