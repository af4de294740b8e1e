//! Starts and stops a server in threads of its own.

mod connections;

use crate::api::Shared;
use crate::queue::Queue;
use crate::signing::Signer;
use crate::site::Site;
use crate::store::Store;
use crate::worker::Workshop;
use crate::{Config, Error};
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
/// How often old builds are looked for.
const TIDYING: Duration = Duration::from_secs(60);

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
    let signer = match &config.signing {
        Some(folder) => Some(Arc::new(Signer::open(folder)?)),
        None => None,
    };
    let store = Store::open(&config);
    let queue = runtime.block_on(Queue::open(&config, &store, signer.as_ref()))?;
    let site = Site::new(&config.upstream_url, config.upstream_lifetime);
    let config = Arc::new(config);
    let context = runtime.enter();
    let workshop = match config.workers {
        0 => None,
        _ => Some(Workshop::new(
            config.clone(),
            queue.clone(),
            site.clone(),
            store.clone(),
            signer,
        )?),
    };
    drop(context);
    let shared = Shared::new(config.clone(), site, queue, store);
    let listener = runtime
        .block_on(TcpListener::bind(config.listen))
        .map_err(Error::io(&name))?;
    let addr = listener.local_addr().map_err(Error::io(&name))?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || serve(runtime, listener, shared, workshop, stopped));
    Ok(Server {
        addr,
        stop: Some(stop),
        thread: Some(thread),
    })
}

fn serve(
    runtime: Runtime,
    listener: TcpListener,
    shared: Shared,
    workshop: Option<Workshop>,
    stopped: oneshot::Receiver<()>,
) {
    let (config, queue) = (shared.config.clone(), shared.queue.clone());
    for worker in 0..config.workers {
        if let Some(workshop) = workshop.clone() {
            runtime.spawn(workshop.work(worker));
        }
    }
    if config.prepare {
        let site = shared.site.clone();
        runtime.spawn(queue.clone().prepare_for_others(config, site));
    }
    runtime.spawn(tidy(queue));
    runtime.block_on(async {
        tokio::select! {
            () = connections::serve(listener, shared) => {}
            _ = stopped => {}
        }
    });
    // Ends connections and kills builds.
    runtime.shutdown_timeout(PARTING);
}

/// Removes old builds from time to time, also while nobody asks for new ones.
async fn tidy(queue: Queue) {
    loop {
        tokio::time::sleep(TIDYING).await;
        if let Err(error) = queue.tidy().await {
            eprintln!("Old builds could not be removed: {error}");
        }
    }
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
