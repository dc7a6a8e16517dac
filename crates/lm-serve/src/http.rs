//! Routes, and what is checked before the thread with the weights is asked.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lm_generate::{Request, Sampling};
use lm_model::{ChatTokenizer, Qwen3Config, StopMatcher};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::protocol::{
    ChatBody, CompletionBody, LoadAdapter, Prompts, SamplingParams, Shown, Stop, UnloadAdapter,
    chat, completions, error, models,
};
use crate::worker::{Completion, Generation, Job, Refusal};

/// Most bytes of a request's body.
const MAX_BODY: usize = 64 << 20;

/// Tokens of a completion where the client does not say; OpenAI's default.
const DEFAULT_TOKENS: usize = 16;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    tokenizer: ChatTokenizer,
    positions: usize,
    vocabulary: usize,
    jobs: Sender<Job>,
}

impl Shared {
    pub(crate) fn new(tokenizer: &ChatTokenizer, config: &Qwen3Config, jobs: Sender<Job>) -> Self {
        Self(Arc::new(Inner {
            tokenizer: tokenizer.clone(),
            positions: config.max_positions(),
            vocabulary: config.vocab_size,
            jobs,
        }))
    }
}

pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/v1/models", get(list))
        .route("/v1/completions", post(complete))
        .route("/v1/chat/completions", post(converse))
        .route("/v1/load_lora_adapter", post(load))
        .route("/v1/unload_lora_adapter", post(unload))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// What a handler gives back.
type Reply = Result<Json<Value>, Failure>;

/// An answer other than 200.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let kind = if self.0.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        (self.0, Json(error(&self.1, kind))).into_response()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownModel(name) => {
                Self(StatusCode::NOT_FOUND, format!("there is no model {name:?}"))
            }
            Refusal::Wrong(words) => Self(StatusCode::BAD_REQUEST, words),
            Refusal::Failed(words) => Self(StatusCode::SERVICE_UNAVAILABLE, words),
        }
    }
}

fn wrong(words: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, words.into())
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| wrong(format!("the request's body: {error}")))
}

async fn list(State(shared): State<Shared>) -> Reply {
    let names = shared.ask(Job::List).await?;
    Ok(Json(models(&names)))
}

async fn complete(State(shared): State<Shared>, body: String) -> Reply {
    let body: CompletionBody = read(&body)?;
    let prompts = shared.prompts(body.prompt)?;
    let shown = Shown {
        log_probs: body.logprobs.is_some(),
        ids: body.sampling.return_token_ids,
    };
    let groups = shared
        .generate(&body.model, &prompts, body.sampling, DEFAULT_TOKENS)
        .await?;
    Ok(Json(completions(&body.model, &prompts, &groups, shown)))
}

async fn converse(State(shared): State<Shared>, body: String) -> Reply {
    let mut body: ChatBody = read(&body)?;
    let [message] = body.messages.as_slice() else {
        return Err(wrong(format!(
            "expected one message of the user, found {} messages: this server knows single turns only",
            body.messages.len()
        )));
    };
    if message.role != "user" {
        let role = &message.role;
        return Err(wrong(format!(
            "expected a message of the user, found one of {role:?}"
        )));
    }
    let prompt = shared.0.tokenizer.prompt_ids(&message.content);
    let sampling = &mut body.sampling;
    sampling.max_tokens = sampling.max_tokens.or(body.max_completion_tokens);
    let shown = Shown {
        log_probs: body.logprobs,
        ids: sampling.return_token_ids,
    };
    let prompts = [prompt];
    let groups = shared
        .generate(&body.model, &prompts, body.sampling, usize::MAX)
        .await?;
    let group = groups.first().map(Vec::as_slice).unwrap_or_default();
    Ok(Json(chat(&body.model, &prompts[0], group, shown)))
}

async fn load(State(shared): State<Shared>, body: String) -> Reply {
    let LoadAdapter {
        lora_name: name,
        lora_path: path,
    } = read(&body)?;
    shared
        .ask(|reply| Job::Load { name, path, reply })
        .await??;
    Ok(Json(Value::String("loaded".into())))
}

async fn unload(State(shared): State<Shared>, body: String) -> Reply {
    let UnloadAdapter { lora_name: name } = read(&body)?;
    shared.ask(|reply| Job::Unload { name, reply }).await??;
    Ok(Json(Value::String("unloaded".into())))
}

impl Shared {
    /// Gives the worker a job and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Failure> {
        let gone = || {
            Failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is shutting down".into(),
            )
        };
        let (reply, answer) = oneshot::channel();
        self.0.jobs.send(job(reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    async fn generate(
        &self,
        model: &str,
        prompts: &[Vec<u32>],
        sampling: SamplingParams,
        default_tokens: usize,
    ) -> Result<Vec<Vec<Completion>>, Failure> {
        if sampling.stream {
            return Err(wrong("stream: this server answers in one piece"));
        }
        let requests: Result<Vec<Request>, Failure> = prompts
            .iter()
            .map(|prompt| self.request(prompt, &sampling, default_tokens))
            .collect();
        let requests = requests?;
        let texts = sampling.stop.map(Stop::texts).unwrap_or_default();
        let stops = StopMatcher::new(texts).map_err(|error| wrong(format!("stop: {error}")))?;
        let model = model.to_owned();
        let job = |reply| {
            Job::Generate(Generation {
                model,
                requests,
                stops,
                reply,
            })
        };
        Ok(self.ask(job).await??)
    }

    fn request(
        &self,
        prompt: &[u32],
        params: &SamplingParams,
        default_tokens: usize,
    ) -> Result<Request, Failure> {
        let inner = &self.0;
        let room = inner.positions.saturating_sub(prompt.len());
        let wanted = params.max_tokens.unwrap_or(default_tokens.min(room));
        if prompt.is_empty() || wanted == 0 || wanted > room {
            return Err(wrong(format!(
                "expected a prompt and new tokens that are {} together at most, found {} and {wanted}",
                inner.positions,
                prompt.len()
            )));
        }
        if let Some(id) = prompt.iter().find(|id| **id as usize >= inner.vocabulary) {
            let last = inner.vocabulary - 1;
            return Err(wrong(format!(
                "expected token ids up to {last}, found {id}"
            )));
        }
        let n = params.n.unwrap_or(1);
        if !(1..=1024).contains(&n) {
            return Err(wrong(format!("n: expected 1 to 1024, found {n}")));
        }
        let mut stop = inner.tokenizer.stop_ids();
        stop.extend(params.stop_token_ids.iter().flatten());
        let sampling = Sampling {
            max_new_tokens: wanted,
            temperature: params.temperature.unwrap_or(1.0),
            // 0 and -1 are the protocol's words for no limit.
            top_k: params
                .top_k
                .and_then(|k| usize::try_from(k).ok())
                .filter(|k| *k > 0),
            top_p: params.top_p,
            min_p: params.min_p,
            repetition_penalty: params.repetition_penalty,
            stop,
            seed: params.seed.unwrap_or_else(unseeded),
        };
        Ok(Request {
            prompt: prompt.to_vec(),
            n,
            sampling,
        })
    }

    fn prompts(&self, prompts: Prompts) -> Result<Vec<Vec<u32>>, Failure> {
        let encode = |text: String| {
            let ids = self.0.tokenizer.begin_text(&text);
            ids.map_err(|error| wrong(error.to_string()))
        };
        match prompts {
            Prompts::Text(text) => Ok(vec![encode(text)?]),
            Prompts::Texts(texts) => texts.into_iter().map(encode).collect(),
            Prompts::Ids(ids) => Ok(vec![ids]),
            Prompts::ManyIds(ids) => Ok(ids),
        }
    }
}

/// A seed for a client that gives none, and so wants another answer each time.
#[expect(
    clippy::disallowed_methods,
    reason = "the protocol wants unseeded requests to differ"
)]
fn unseeded() -> u64 {
    rand::random()
}
