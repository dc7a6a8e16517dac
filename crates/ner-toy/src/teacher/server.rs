//! The HTTP side: `POST /v1/chat/completions` and `GET /v1/models`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::teacher::gold::GoldEntry;
use crate::teacher::mistakes::MistakeRates;
use crate::teacher::simulated::{JUDGE_MODEL, Simulated, TEACHER_MODEL};

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub struct RunningTeacher {
    /// Its base address, `http://127.0.0.1:<port>/v1`.
    pub url: String,
    /// Dropping the sender ends the server.
    _shutdown: oneshot::Sender<()>,
}

/// Starts the server on a free port of the loopback interface.
///
/// `corpus` maps each sentence to its gold, see [`crate::teacher::gold`]. `runtime` must have its I/O driver on and be
/// driven by a thread.
///
/// # Errors
///
/// If a rate is no share, or no port can be opened.
pub fn serve(
    corpus: HashMap<String, GoldEntry>,
    seed: u64,
    rates: MistakeRates,
    runtime: &Handle,
) -> Result<RunningTeacher, Error> {
    let simulated = Simulated::new(corpus, seed, rates)?;
    let (listener, address) = listen(runtime).map_err(Error::Port)?;
    let (shutdown, ended) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router(simulated)).with_graceful_shutdown(async {
        // An error only means that the sender was dropped, which is the signal.
        let _ = ended.await;
    });
    runtime.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the simulated teacher has ended");
        }
    });
    Ok(RunningTeacher {
        url: format!("http://{address}/v1"),
        _shutdown: shutdown,
    })
}

fn listen(runtime: &Handle) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let _entered = runtime.enter();
    Ok((TcpListener::from_std(listener)?, address))
}

fn router(simulated: Simulated) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .with_state(Arc::new(simulated))
}

async fn models() -> Json<Value> {
    let model = |id| json!({"id": id, "object": "model", "owned_by": "rner"});
    Json(json!({"object": "list", "data": [model(TEACHER_MODEL), model(JUDGE_MODEL)]}))
}

async fn complete(State(simulated): State<Arc<Simulated>>, body: String) -> Response {
    match simulated.complete(&body) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => {
            let error = json!({"message": refusal.message, "type": "invalid_request_error"});
            let status = StatusCode::from_u16(refusal.status);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(json!({"error": error}))).into_response()
        }
    }
}
