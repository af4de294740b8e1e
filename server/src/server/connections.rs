//! Takes connections and reads requests from them, no more than the memory is for.

use crate::api::{self, Shared};
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Longest head of a request, and what is read ahead of a body.
const BUFFER: usize = 64 << 10;
/// How long to wait where no connection can be taken, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves for ever. Connections beyond the configured number wait in the system's queue.
pub async fn serve(listener: TcpListener, shared: Shared) {
    let room = Arc::new(Semaphore::new(shared.config.max_connections));
    loop {
        // The semaphore is never closed.
        let permit = room.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    converse(stream, peer.ip(), shared).await;
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Answers the requests of one connection until either side ends it.
async fn converse(stream: TcpStream, peer: IpAddr, shared: Shared) {
    // Without it a small answer waits for the acknowledgement of the former one.
    let _ = stream.set_nodelay(true);
    let patience = shared.config.patience;
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(api::handle(shared, peer, request.map(Body::new)).await) }
    });
    // How a connection ends concerns the client only.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
