//! Connections: how many there are, and how long each may wait for its client.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// Wait after the system had no socket to give, usually because the process may open no more files.
const NO_SOCKET: Duration = Duration::from_millis(100);

/// Bytes of the head of a request, which `hyper` reads into one buffer.
const HEAD: usize = 64 << 10;

/// Answers whoever connects, for ever.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits) -> Infallible {
    let most = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(HEAD);
    loop {
        let place = places.clone().acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => answer(&http, stream, router.clone(), place),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(NO_SOCKET).await;
            }
        }
    }
}

/// Answers the requests of one connection beside the others.
fn answer(
    http: &http1::Builder,
    stream: TcpStream,
    router: Router,
    place: Option<OwnedSemaphorePermit>,
) {
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection has ended");
        }
    });
}
