//! The HTTP side: `POST /v1/chat/completions` and `GET /v1/models`.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::gold::GoldEntry;
use super::mistakes::{MistakeRates, rng};
use super::prompt::{Task, read_case, read_task};
use super::reply::{Reply, teach};
use super::verdict::judge;
use super::{JUDGE_MODEL, TEACHER_MODEL};

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub(crate) struct RunningTeacher {
    /// Its base address, `http://127.0.0.1:<port>/v1`.
    pub(crate) url: String,
    /// Dropping the sender ends the server.
    _shutdown: oneshot::Sender<()>,
}

/// Starts the server on a free port of the loopback interface.
///
/// `corpus` maps each sentence to its gold. `runtime` must have its I/O driver
/// on and be driven by a thread.
///
/// # Errors
/// If a rate is no share, or no port can be opened.
pub(crate) fn serve(
    corpus: HashMap<String, GoldEntry>,
    seed: u64,
    rates: MistakeRates,
    runtime: &Handle,
) -> Result<RunningTeacher> {
    rates.check()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot open a port for the simulated teacher")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let _entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Server {
        corpus,
        seed,
        rates,
        unseeded: Mutex::new(HashMap::new()),
    };
    let (shutdown, ended) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router(server)).with_graceful_shutdown(async {
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

struct Server {
    corpus: HashMap<String, GoldEntry>,
    seed: u64,
    rates: MistakeRates,
    /// How often each prompt came without a seed, so that asking again gives
    /// another answer.
    unseeded: Mutex<HashMap<String, u64>>,
}

#[derive(Deserialize)]
struct Request {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    seed: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

/// An answer other than 200.
type Refusal = (StatusCode, String);

fn router(server: Server) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .with_state(Arc::new(server))
}

async fn models() -> Json<Value> {
    let model = |id| json!({"id": id, "object": "model", "owned_by": "rner"});
    Json(json!({"object": "list", "data": [model(TEACHER_MODEL), model(JUDGE_MODEL)]}))
}

async fn complete(State(server): State<Arc<Server>>, body: String) -> Response {
    match server.answer(&body) {
        Ok(answer) => Json(answer).into_response(),
        Err((status, message)) => {
            let error = json!({"error": {"message": message, "type": "invalid_request_error"}});
            (status, Json(error)).into_response()
        }
    }
}

impl Server {
    fn answer(&self, body: &str) -> Result<Value, Refusal> {
        let request: Request = serde_json::from_str(body).map_err(|error| {
            (
                StatusCode::BAD_REQUEST,
                format!("not a chat request: {error}"),
            )
        })?;
        let prompt = request
            .messages
            .last()
            .map_or("", |message| message.content.as_str());
        let reply = match request.model.as_str() {
            TEACHER_MODEL => self.teach(prompt, request.seed)?,
            JUDGE_MODEL => self.judge(prompt, request.seed)?,
            other => {
                let message = format!(
                    "there is no model {other:?}, only {TEACHER_MODEL:?} and {JUDGE_MODEL:?}"
                );
                return Err((StatusCode::NOT_FOUND, message));
            }
        };
        Ok(completion(&request.model, prompt, &reply))
    }

    fn teach(&self, prompt: &str, seed: Option<u64>) -> Result<Reply, Refusal> {
        let task = read_task(prompt).map_err(unprocessable)?;
        let mut rng = rng(
            self.seed,
            TEACHER_MODEL,
            task.sentence,
            self.nonce(prompt, seed),
        );
        Ok(teach(&task, self.gold(&task)?, &self.rates, &mut rng))
    }

    fn judge(&self, prompt: &str, seed: Option<u64>) -> Result<Reply, Refusal> {
        let case = read_case(prompt).map_err(unprocessable)?;
        let mut rng = rng(self.seed, JUDGE_MODEL, prompt, self.nonce(prompt, seed));
        let verdict = judge(
            &case,
            self.gold(&case.task)?,
            self.rates.judge_noise,
            &mut rng,
        );
        Ok(Reply {
            reasoning: format!(
                "I compare the answer with the reasoning: {}.",
                verdict.reason
            ),
            content: json!({"score": verdict.score, "reason": verdict.reason}).to_string(),
            truncated: false,
        })
    }

    fn gold(&self, task: &Task<'_>) -> Result<&GoldEntry, Refusal> {
        let known = self.corpus.get(task.sentence);
        let known = known.or_else(|| self.corpus.get(task.sentence.trim()));
        known.ok_or_else(|| {
            let start: String = task.sentence.chars().take(80).collect();
            unprocessable(format!("the corpus has no sentence {start:?}"))
        })
    }

    /// The request's own seed, or how often the prompt came before.
    fn nonce(&self, prompt: &str, seed: Option<u64>) -> u64 {
        seed.unwrap_or_else(|| {
            let mut counts = self.unseeded.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(prompt.into()).or_default();
            *count += 1;
            *count - 1
        })
    }
}

fn unprocessable(message: String) -> Refusal {
    (StatusCode::UNPROCESSABLE_ENTITY, message)
}

fn completion(model: &str, prompt: &str, reply: &Reply) -> Value {
    let (asked, said) = (
        tokens(prompt),
        tokens(&reply.reasoning) + tokens(&reply.content),
    );
    json!({
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": reply.reasoning,
                "content": reply.content,
            },
            "finish_reason": if reply.truncated { "length" } else { "stop" },
        }],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        },
    })
}

/// About as many tokens as a subword tokenizer would count: one per four bytes.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}
