//! Connections: how many there are, and how long each may wait for its client.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::crowd::{Crowd, SeatedBody};
use crate::limits::Limits;
use crate::patient::Patient;

/// Between two looks whether somebody has left, when there are too many connections.
const SOON: Duration = Duration::from_millis(1);

/// Wait after the system had no socket to give for another reason than that the process may open no more files.
const NO_SOCKET: Duration = Duration::from_millis(100);

/// Codes of the systems for "too many open files": Linux and macOS, Windows.
const NO_FILES: [i32; 3] = [23, 24, 10024];

/// Files that are left for other things than connections once the system has refused one.
const SPARE: usize = 16;

/// Bytes of the head of a request, which `hyper` reads into one buffer.
const HEAD: usize = 64 << 10;

/// Answers whoever connects, for ever.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits) -> Infallible {
    let crowd = Arc::new(Crowd::default());
    let mut most = limits.connections.max(1);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(HEAD);
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_without_files(&error) => {
                most = fewer(crowd.len(), most);
                make_room(&crowd, most).await;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(NO_SOCKET).await;
                continue;
            }
        };
        make_room(&crowd, most).await;
        answer(&http, stream, router.clone(), &crowd, limits.body_time);
    }
}

fn is_without_files(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| NO_FILES.contains(&code))
}

/// The most connections after the system has refused one beside `open` others.
fn fewer(open: usize, most: usize) -> usize {
    let fewer = open.saturating_sub(SPARE).clamp(1, most);
    if fewer < most {
        tracing::warn!(
            "the system allows no more open files: at most {fewer} connections from now on"
        );
    }
    fewer
}

/// Waits until there is room for one more, for which those go that do nothing.
async fn make_room(crowd: &Crowd, most: usize) {
    loop {
        let surplus = (crowd.len() + 1).saturating_sub(most);
        if surplus == 0 {
            return;
        }
        crowd.send_away(surplus);
        tokio::time::sleep(SOON).await;
    }
}

/// Answers the requests of one connection beside the others.
fn answer(
    http: &http1::Builder,
    stream: TcpStream,
    router: Router,
    crowd: &Arc<Crowd>,
    time: Duration,
) {
    let seated = crowd.sit();
    let seat = Arc::clone(&seated.0);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let seat = Arc::clone(&seat);
        let body = |body| SeatedBody::new(body, Arc::clone(&seat));
        let answer = router.call(request.map(body));
        async move {
            let answer = answer.await;
            seat.wait();
            answer
        }
    });
    let connection = http.serve_connection(Patient::new(TokioIo::new(stream), time), service);
    tokio::spawn(async move {
        tokio::select! {
            () = seated.0.leave.cancelled() => tracing::debug!("a client that does nothing was sent away"),
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, "a connection has ended");
            },
        }
    });
}
