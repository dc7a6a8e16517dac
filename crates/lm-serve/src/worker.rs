//! The thread that owns the weights.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use lm_generate::{CachePool, Error, Finish, Generated, Generator, NewToken, Observer, Request};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3, StopMatcher, TextStream, checkpoint};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

/// Why a job is not carried out: whose fault it is, and the words.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such model.
    UnknownModel(String),
    /// The request cannot be carried out as it is.
    Wrong(String),
    /// Something failed here.
    Failed(String),
}

/// One completion as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    pub(crate) text: String,
    pub(crate) ids: Vec<u32>,
    /// The text of each token.
    pub(crate) tokens: Vec<String>,
    pub(crate) log_probs: Vec<f32>,
    /// In the protocol's words.
    pub(crate) finish: &'static str,
}

/// Completions to be made.
pub(crate) struct Generation {
    pub(crate) model: String,
    pub(crate) requests: Vec<Request>,
    pub(crate) stops: StopMatcher,
    pub(crate) reply: oneshot::Sender<Result<Vec<Vec<Completion>>, Refusal>>,
    /// Its place among those that wait, which another may take when this one is gone.
    #[expect(dead_code, reason = "it is held, not read")]
    pub(crate) place: OwnedSemaphorePermit,
}

/// What the thread is asked to do.
pub(crate) enum Job {
    Generate(Generation),
    Load {
        name: String,
        path: PathBuf,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    Unload {
        name: String,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    List(oneshot::Sender<Vec<String>>),
}

/// The models and what they need.
pub(crate) struct Worker<'a, B: LmOps> {
    base: Qwen3<B>,
    name: String,
    adapted: BTreeMap<String, Qwen3<B>>,
    tokenizer: &'a ChatTokenizer,
    max_batch: usize,
    pool: CachePool<B>,
    stop: &'a CancellationToken,
}

impl<'a, B: LmOps> Worker<'a, B> {
    pub(crate) fn new(
        base: Qwen3<B>,
        tokenizer: &'a ChatTokenizer,
        name: String,
        max_batch: usize,
        stop: &'a CancellationToken,
    ) -> Self {
        Self {
            base,
            name,
            adapted: BTreeMap::new(),
            tokenizer,
            max_batch,
            pool: CachePool::new(),
            stop,
        }
    }

    /// Works until it is stopped, or nobody can ask any more.
    pub(crate) fn run(mut self, waiting: &Receiver<Job>) {
        while let Some(first) = next(waiting, self.stop) {
            // Jobs keep their sequence: an adapter counts for the requests behind it.
            let mut batch: Vec<Generation> = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Generate(generation) => {
                        let is_other = |first: &Generation| first.model != generation.model;
                        if batch.first().is_some_and(is_other) {
                            self.generate(std::mem::take(&mut batch));
                        }
                        batch.push(generation);
                    }
                    other => {
                        self.generate(std::mem::take(&mut batch));
                        self.manage(other);
                    }
                }
                next = waiting.try_recv().ok();
            }
            self.generate(batch);
        }
    }

    fn manage(&mut self, job: Job) {
        // A client that has gone away does not wait for its answer.
        match job {
            Job::Generate(_) => {}
            Job::List(reply) => {
                let names = std::iter::once(&self.name).chain(self.adapted.keys());
                let _ = reply.send(names.cloned().collect());
            }
            Job::Load { name, path, reply } => {
                let loaded = checkpoint::load_adapter(self.base.clone(), &path);
                let _ = reply.send(match loaded {
                    _ if name == self.name => Err(Refusal::Wrong(format!(
                        "{name:?} is the name of the model that is served"
                    ))),
                    Ok(model) => {
                        self.adapted.insert(name, model);
                        Ok(())
                    }
                    Err(error) => Err(Refusal::Wrong(error.to_string())),
                });
            }
            Job::Unload { name, reply } => {
                let _ = reply.send(match self.adapted.remove(&name) {
                    Some(_) => Ok(()),
                    None => Err(Refusal::UnknownModel(name)),
                });
            }
        }
    }

    /// Generates the completions of jobs for one model together.
    fn generate(&mut self, batch: Vec<Generation>) {
        let Some(name) = batch.first().map(|first| first.model.clone()) else {
            return;
        };
        let model = if name == self.name {
            Some(&self.base)
        } else {
            self.adapted.get(&name)
        };
        let Some(model) = model else {
            for generation in batch {
                let refusal = Refusal::UnknownModel(name.clone());
                let _ = generation.reply.send(Err(refusal));
            }
            return;
        };
        let requests: Vec<Request> = batch.iter().flat_map(|w| w.requests.clone()).collect();
        let mut generator =
            Generator::with_pool(model, self.max_batch, std::mem::take(&mut self.pool));
        let mut observer = StopObserver::new(self.tokenizer, &batch);
        let groups = generator.generate(&requests, self.stop, &mut observer);
        self.pool = generator.into_pool();
        let texts = observer.texts;
        match groups {
            Ok(groups) => self.reply(batch, groups, texts),
            Err(error) if batch.len() == 1 => refuse(batch, &error),
            // One of several may be at fault; alone, each gets its own answer.
            Err(_) => batch
                .into_iter()
                .for_each(|generation| self.generate(vec![generation])),
        }
    }

    fn reply(&self, batch: Vec<Generation>, groups: Vec<Vec<Generated>>, mut texts: Texts<'_>) {
        let mut groups = groups.into_iter().enumerate();
        for generation in batch {
            let own = groups.by_ref().take(generation.requests.len());
            let completions = own.map(|(request, group)| {
                let group = group.into_iter().enumerate();
                group
                    .map(|(sample, generated)| {
                        let stream = texts.remove(&(request, sample));
                        self.completion(generated, stream)
                    })
                    .collect()
            });
            let completions: Vec<Vec<Completion>> = completions.collect();
            let _ = generation.reply.send(Ok(completions));
        }
    }

    fn completion(&self, generated: Generated, text: Option<PartialText<'_>>) -> Completion {
        let Generated {
            ids,
            log_probs,
            finish,
        } = generated;
        let text = text.map(PartialText::finish).unwrap_or_default();
        Completion {
            tokens: ids.iter().map(|&id| self.tokenizer.decode(&[id])).collect(),
            text,
            log_probs,
            ids,
            finish: match finish {
                Finish::Length => "length",
                Finish::Stop | Finish::Observer => "stop",
            },
        }
    }
}

/// The next job; `None` once the server is to stop.
fn next(waiting: &Receiver<Job>, stop: &CancellationToken) -> Option<Job> {
    while !stop.is_cancelled() {
        match waiting.recv_timeout(Duration::from_millis(50)) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

fn refuse(batch: Vec<Generation>, error: &Error) {
    for generation in batch {
        let words = error.to_string();
        let refusal = match error {
            Error::Stopped { .. } => Refusal::Failed("the server is shutting down".into()),
            _ => Refusal::Wrong(words),
        };
        let _ = generation.reply.send(Err(refusal));
    }
}

/// Text of a completion while it grows.
struct PartialText<'a> {
    stream: TextStream<'a>,
    text: String,
}

impl PartialText<'_> {
    fn finish(mut self) -> String {
        self.text.push_str(&self.stream.finish());
        self.text
    }
}

type Texts<'a> = BTreeMap<(usize, usize), PartialText<'a>>;

/// Finds stop texts, and ends what nobody waits for.
struct StopObserver<'a, 'b> {
    tokenizer: &'a ChatTokenizer,
    /// The job that each request belongs to.
    jobs: Vec<&'b Generation>,
    stop_ids: Vec<&'b [u32]>,
    texts: Texts<'a>,
}

impl<'a, 'b> StopObserver<'a, 'b> {
    fn new(tokenizer: &'a ChatTokenizer, batch: &'b [Generation]) -> Self {
        let each = || {
            let jobs = batch.iter();
            jobs.flat_map(|job| job.requests.iter().map(move |request| (job, request)))
        };
        Self {
            tokenizer,
            jobs: each().map(|(job, _)| job).collect(),
            stop_ids: each().map(|(_, r)| r.sampling.stop.as_slice()).collect(),
            texts: BTreeMap::new(),
        }
    }
}

impl Observer for StopObserver<'_, '_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let job = self.jobs[token.request];
        let partial = self
            .texts
            .entry((token.request, token.sample))
            .or_insert_with(|| PartialText {
                stream: TextStream::new(self.tokenizer, job.stops.clone()),
                text: String::new(),
            });
        // The token that ends a completion is no part of its text.
        if !self.stop_ids[token.request].contains(&token.id) {
            let piece = partial.stream.push(token.id);
            partial.text.push_str(&piece);
        }
        if partial.stream.stopped().is_some() || job.reply.is_closed() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
