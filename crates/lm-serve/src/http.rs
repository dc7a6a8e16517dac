//! Routes, and what is checked before the thread with the weights is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::access::{Access, guard};
use crate::adapters;
use crate::failure::{Failure, busy, shown, wrong};
use crate::intake::Intake;
use crate::job::{Completion, Generation, Job};
use crate::parameters;
use crate::protocol::{
    ChatBody, CompletionBody, LoadAdapter, Shown, UnloadAdapter, chat, completions, models,
};
use crate::request::{Asked, Known};
use crate::worker::Signs;

/// Tokens of a completion where the client does not say; OpenAI's default.
const DEFAULT_TOKENS: usize = 16;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    known: Arc<Known>,
    intake: Intake,
    /// Places of the requests that are generated or wait.
    places: Arc<Semaphore>,
    adapter_root: Option<PathBuf>,
    signs: Arc<Signs>,
    jobs: Sender<Job>,
}

impl Shared {
    pub(crate) fn new(
        known: Known,
        adapter_root: Option<PathBuf>,
        signs: Arc<Signs>,
        jobs: Sender<Job>,
    ) -> Self {
        let waiting = known.limits.waiting.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            intake: Intake::new(&known.limits),
            places: Arc::new(Semaphore::new(waiting)),
            known: Arc::new(known),
            adapter_root,
            signs,
            jobs,
        }))
    }
}

pub(crate) fn router(shared: Shared, access: Access) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(list))
        .route("/v1/completions", post(complete))
        .route("/v1/chat/completions", post(converse))
        .route("/v1/load_lora_adapter", post(load))
        .route("/v1/unload_lora_adapter", post(unload))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        // What comes to a path that there is not is checked as well.
        .layer(from_fn_with_state(Arc::new(access), guard))
        .with_state(shared)
}

/// What a handler gives back.
type Reply = Result<Json<Value>, Failure>;

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| wrong(format!("the request's body: {error}")))
}

/// Answered beside the thread with the weights, whatever that does.
async fn health(State(shared): State<Shared>) -> Result<&'static str, Failure> {
    match shared.0.signs.pulse.stuck() {
        None => Ok("ok"),
        Some(silent) => Err(Failure(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no decode step for {} s", silent.as_secs()),
        )),
    }
}

async fn no_path(uri: Uri) -> Failure {
    let words = format!("there is no path {:?}", shown(uri.path()));
    Failure(StatusCode::NOT_FOUND, words)
}

async fn no_method(method: Method) -> Failure {
    let words = format!("{method}: /health and /v1/models are for GET, all other paths for POST");
    Failure(StatusCode::METHOD_NOT_ALLOWED, words)
}

async fn list(State(shared): State<Shared>) -> Json<Value> {
    Json(models(&shared.0.signs.names()))
}

async fn complete(State(shared): State<Shared>, body: Body) -> Reply {
    let known = shared.0.known.clone();
    let read = shared.read(body, move |bytes| {
        let body: CompletionBody = parse(bytes)?;
        parameters::check_log_probs(body.logprobs).map_err(wrong)?;
        let shown = Shown {
            log_probs: body.logprobs.is_some(),
            ids: body.sampling.return_token_ids.unwrap_or(false),
        };
        let prompts = known.prompts(body.prompt)?;
        let asked = known.requests(prompts, body.sampling, DEFAULT_TOKENS)?;
        Ok((body.model, shown, asked))
    });
    let (model, shown, asked) = read.await?;
    let prompts = asked.prompts();
    let groups = shared.generate(&model, asked).await?;
    Ok(Json(completions(&model, &prompts, &groups, shown)))
}

async fn converse(State(shared): State<Shared>, body: Body) -> Reply {
    let known = shared.0.known.clone();
    let read = shared.read(body, move |bytes| {
        let mut body: ChatBody = parse(bytes)?;
        let prompt = known.chat_prompt(&body)?;
        let sampling = &mut body.sampling;
        sampling.max_tokens = sampling.max_tokens.or(body.max_completion_tokens);
        let shown = Shown {
            log_probs: body.logprobs.unwrap_or(false),
            ids: sampling.return_token_ids.unwrap_or(false),
        };
        let asked = known.requests(vec![prompt], body.sampling, usize::MAX)?;
        Ok((body.model, shown, asked))
    });
    let (model, shown, asked) = read.await?;
    let prompts = asked.prompts();
    let groups = shared.generate(&model, asked).await?;
    let group = groups.first().map(Vec::as_slice).unwrap_or_default();
    Ok(Json(chat(&model, &prompts[0], group, shown)))
}

async fn load(State(shared): State<Shared>, body: Body) -> Reply {
    let LoadAdapter {
        lora_name: name,
        lora_path: path,
    } = shared.read(body, parse).await?;
    adapters::check_name(&name)?;
    let path = adapters::find(shared.0.adapter_root.as_deref(), &path)?;
    shared
        .ask(|reply| Job::Load { name, path, reply })
        .await??;
    Ok(Json(Value::String("loaded".into())))
}

async fn unload(State(shared): State<Shared>, body: Body) -> Reply {
    let UnloadAdapter { lora_name: name } = shared.read(body, parse).await?;
    shared.ask(|reply| Job::Unload { name, reply }).await??;
    Ok(Json(Value::String("unloaded".into())))
}

impl Asked {
    /// The prompts, of which the answer shows the ids or the lengths.
    fn prompts(&self) -> Vec<Vec<u32>> {
        self.requests.iter().map(|one| one.prompt.clone()).collect()
    }
}

impl Shared {
    /// Reads a body and understands it.
    async fn read<T: Send + 'static>(
        &self,
        body: Body,
        parse: impl FnOnce(&[u8]) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let intake = &self.0.intake;
        let received = intake.read(body).await?;
        intake.understand(received, parse).await
    }

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

    async fn generate(&self, model: &str, asked: Asked) -> Result<Vec<Vec<Completion>>, Failure> {
        let place = self.0.places.clone().try_acquire_owned();
        let place = place.map_err(|_| {
            let waiting = self.0.known.limits.waiting;
            busy(&format!("{waiting} requests wait already"))
        })?;
        let Asked { requests, stops } = asked;
        let model = model.to_owned();
        let job = |reply| {
            Job::Generate(Generation {
                model,
                requests,
                stop_ids: Vec::new(),
                stops,
                reply,
                place,
            })
        };
        Ok(self.ask(job).await??)
    }
}
