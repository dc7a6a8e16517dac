//! The thread that owns the weights.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use lm_generate::{CachePool, Error, Finish, Generated, Generator, NewToken, Observer, Request};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3, StopMatcher, TextStream, checkpoint};
use tokio::sync::oneshot;

use crate::interrupt;

/// Why an order is not carried out: whose fault it is, and the words.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such model.
    UnknownModel(String),
    /// The request cannot be carried out as it is.
    Wrong(String),
    /// Something failed here.
    Failed(String),
}

/// One completion as it is answered.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub(super) text: String,
    pub(super) ids: Vec<u32>,
    /// The text of each token.
    pub(super) tokens: Vec<String>,
    pub(super) log_probs: Vec<f32>,
    /// In the protocol's words.
    pub(super) finish: &'static str,
}

/// Completions that are wanted.
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) requests: Vec<Request>,
    pub(super) stops: StopMatcher,
    pub(super) reply: oneshot::Sender<Result<Vec<Vec<Completion>>, Refusal>>,
}

/// What the thread is asked to do.
pub(super) enum Order {
    Generate(Wanted),
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
pub(super) struct Worker<'a, B: LmOps> {
    base: Qwen3<B>,
    name: String,
    adapted: BTreeMap<String, Qwen3<B>>,
    tokenizer: &'a ChatTokenizer,
    max_batch: usize,
    pool: CachePool<B>,
}

impl<'a, B: LmOps> Worker<'a, B> {
    pub(super) fn new(
        base: Qwen3<B>,
        tokenizer: &'a ChatTokenizer,
        name: String,
        max_batch: usize,
    ) -> Self {
        Self {
            base,
            name,
            adapted: BTreeMap::new(),
            tokenizer,
            max_batch,
            pool: CachePool::new(),
        }
    }

    /// Works until the user interrupts.
    pub(super) fn run(mut self, waiting: &Receiver<Order>) {
        while let Some(first) = super::next(waiting) {
            // Orders keep their sequence: an adapter counts for the requests behind it.
            let mut batch: Vec<Wanted> = Vec::new();
            let mut next = Some(first);
            while let Some(order) = next {
                match order {
                    Order::Generate(wanted) => {
                        if batch
                            .first()
                            .is_some_and(|first| first.model != wanted.model)
                        {
                            self.generate(std::mem::take(&mut batch));
                        }
                        batch.push(wanted);
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

    fn manage(&mut self, order: Order) {
        // A client that has gone away does not wait for its answer.
        match order {
            Order::Generate(_) => {}
            Order::List(reply) => {
                let names = std::iter::once(&self.name).chain(self.adapted.keys());
                let _ = reply.send(names.cloned().collect());
            }
            Order::Load { name, path, reply } => {
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
            Order::Unload { name, reply } => {
                let _ = reply.send(match self.adapted.remove(&name) {
                    Some(_) => Ok(()),
                    None => Err(Refusal::UnknownModel(name)),
                });
            }
        }
    }

    /// Generates the completions of orders for one model together.
    fn generate(&mut self, batch: Vec<Wanted>) {
        let Some(name) = batch.first().map(|wanted| wanted.model.clone()) else {
            return;
        };
        let model = match name == self.name {
            true => Some(&self.base),
            false => self.adapted.get(&name),
        };
        let Some(model) = model else {
            for wanted in batch {
                let _ = wanted.reply.send(Err(Refusal::UnknownModel(name.clone())));
            }
            return;
        };
        let requests: Vec<Request> = batch.iter().flat_map(|w| w.requests.clone()).collect();
        let mut generator =
            Generator::with_pool(model, self.max_batch, std::mem::take(&mut self.pool));
        let mut watch = Watch::new(self.tokenizer, &batch);
        let groups = generator.generate(&requests, interrupt::token(), &mut watch);
        self.pool = generator.into_pool();
        let texts = watch.texts;
        match groups {
            Ok(groups) => self.reply(batch, groups, texts),
            Err(error) if batch.len() == 1 => refuse(batch, &error),
            // One of several may be at fault; alone, each gets its own answer.
            Err(_) => batch
                .into_iter()
                .for_each(|wanted| self.generate(vec![wanted])),
        }
    }

    fn reply(&self, batch: Vec<Wanted>, groups: Vec<Vec<Generated>>, mut texts: Texts<'_>) {
        let mut groups = groups.into_iter().enumerate();
        for wanted in batch {
            let own = groups.by_ref().take(wanted.requests.len());
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
            let _ = wanted.reply.send(Ok(completions));
        }
    }

    fn completion(&self, generated: Generated, text: Option<Growing<'_>>) -> Completion {
        let Generated {
            ids,
            log_probs,
            finish,
        } = generated;
        let text = text.map(Growing::finish).unwrap_or_default();
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

fn refuse(batch: Vec<Wanted>, error: &Error) {
    for wanted in batch {
        let words = error.to_string();
        let refusal = match error {
            Error::Stopped { .. } => Refusal::Failed("the server is shutting down".into()),
            _ => Refusal::Wrong(words),
        };
        let _ = wanted.reply.send(Err(refusal));
    }
}

/// Text of a completion while it grows.
struct Growing<'a> {
    stream: TextStream<'a>,
    text: String,
}

impl Growing<'_> {
    fn finish(mut self) -> String {
        self.text.push_str(&self.stream.finish());
        self.text
    }
}

type Texts<'a> = BTreeMap<(usize, usize), Growing<'a>>;

/// Finds stop texts, and ends what nobody waits for.
struct Watch<'a, 'b> {
    tokenizer: &'a ChatTokenizer,
    /// The order that each request belongs to.
    orders: Vec<&'b Wanted>,
    stop_ids: Vec<&'b [u32]>,
    texts: Texts<'a>,
}

impl<'a, 'b> Watch<'a, 'b> {
    fn new(tokenizer: &'a ChatTokenizer, batch: &'b [Wanted]) -> Self {
        let each = || {
            let orders = batch.iter();
            orders.flat_map(|wanted| wanted.requests.iter().map(move |request| (wanted, request)))
        };
        Self {
            tokenizer,
            orders: each().map(|(wanted, _)| wanted).collect(),
            stop_ids: each().map(|(_, r)| r.sampling.stop.as_slice()).collect(),
            texts: BTreeMap::new(),
        }
    }
}

impl Observer for Watch<'_, '_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let wanted = self.orders[token.request];
        let growing = self
            .texts
            .entry((token.request, token.sample))
            .or_insert_with(|| Growing {
                stream: TextStream::new(self.tokenizer, wanted.stops.clone()),
                text: String::new(),
            });
        // The token that ends a completion is no part of its text.
        if !self.stop_ids[token.request].contains(&token.id) {
            let piece = growing.stream.push(token.id);
            growing.text.push_str(&piece);
        }
        match growing.stream.stopped().is_some() || wanted.reply.is_closed() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}
