//! Any number of OpenAI-compatible servers with one model: questions are spread over them as each has room, a server
//! that fails is left out, and its questions go to the others.

mod config;
mod queue;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chat_client::{
    ChatAnswer, ChatClient, ChatRequest, Finish, Message, ModelCheck, NoArchive, ResponseFormat,
};
use ner_types::plain_tags;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use queue::{Queue, Turn};

pub use config::ServerConfig;

/// A question to a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The message of the user.
    pub message: String,
    /// The form that the server is asked to hold the answer to.
    pub format: Option<ResponseFormat>,
}

/// What a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Reasoning, in tags, and content.
    pub text: String,
    /// Tokens of the answer, where the server tells them.
    pub tokens: usize,
    /// Whether the answer was cut off because it had become too long.
    pub is_cut_off: bool,
}

/// Servers of one model.
#[derive(Debug)]
pub struct Servers {
    runtime: Runtime,
    servers: Vec<Arc<Server>>,
    config: Arc<ServerConfig>,
    stop: CancellationToken,
}

/// A server, and whether it is left out.
#[derive(Debug)]
struct Server {
    client: ChatClient,
    /// Cancelled once it is left out.
    gone: CancellationToken,
    why: Mutex<Option<String>>,
    failures_in_a_row: AtomicUsize,
}

impl Server {
    /// Leaves it out; the first reason stays.
    fn leave_out(&self, why: &str) {
        let mut known = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_with(|| why.to_owned());
        self.gone.cancel();
    }

    fn is_gone(&self) -> bool {
        self.gone.is_cancelled()
    }

    fn why(&self) -> Option<String> {
        let why = self.why.lock();
        why.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Servers {
    /// Checks the addresses and reads the key. Sends nothing.
    ///
    /// # Errors
    /// No address, one that cannot be used, a setting out of range, a key that is asked for and missing.
    pub fn new(config: ServerConfig, stop: CancellationToken) -> Result<Self> {
        if config.urls.is_empty() {
            return Err(Error::usage("--url: name at least one server"));
        }
        let server = |url: &String| {
            let client = ChatClient::new(config.endpoint(url))?;
            Ok(Arc::new(Server {
                client,
                gone: CancellationToken::new(),
                why: Mutex::default(),
                failures_in_a_row: AtomicUsize::new(0),
            }))
        };
        let servers: Result<Vec<_>, chat_client::Error> = config.urls.iter().map(server).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| chat_client::Error::HttpClient(error.to_string()))?;
        Ok(Self {
            runtime,
            servers: servers?,
            config: Arc::new(config),
            stop,
        })
    }

    /// Asks each server whether it is there and has the model; those that are not, or have others, are left out. Gives
    /// the reasons.
    ///
    /// # Errors
    /// No server that can be asked, or a stop.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for server in &self.servers {
            let url = server.client.url();
            match self.runtime.block_on(server.client.check(&self.stop)) {
                Ok(ModelCheck::Known | ModelCheck::Unsupported) => {}
                Ok(other) => {
                    let model = server.client.model();
                    server.leave_out(&format!("{url} does not have the model {model:?}: {other}"));
                }
                Err(chat_client::Error::Stopped) => return Err(Error::Stopped),
                Err(error) => server.leave_out(&error.to_string()),
            }
            notes.extend(server.why());
        }
        self.none_left()?;
        Ok(notes)
    }

    /// Servers that are not left out.
    pub fn n_left(&self) -> usize {
        let servers = self.servers.iter();
        servers.filter(|server| !server.is_gone()).count()
    }

    /// Why servers are left out.
    pub fn left_out(&self) -> Vec<String> {
        let servers = self.servers.iter();
        servers.filter_map(|server| server.why()).collect()
    }

    /// How many questions keep all servers busy. Some wait, as a batch ends with its slowest answer.
    pub fn at_once(&self) -> usize {
        let concurrency = self.config.concurrency;
        concurrency.saturating_mul(8 * self.n_left().max(1))
    }

    /// The answers, in the order of the questions. One that no server can answer has an error of its own.
    ///
    /// # Errors
    /// If no server is left, or at a stop. Nothing of this call is kept then.
    pub fn ask(&mut self, asks: Vec<Ask>) -> Result<Vec<Result<Reply, String>>> {
        self.none_left()?;
        let alive = self.servers.iter().map(|server| !server.is_gone());
        let queue = Arc::new(Queue::new(asks, alive.collect()));
        self.runtime.block_on(self.answer_all(&queue))?;
        match queue.answers() {
            Some(answers) => Ok(answers),
            None if self.stop.is_cancelled() => Err(Error::Stopped),
            None => {
                self.none_left()?;
                Err(Error::NoServer("a request ended early".to_owned()))
            }
        }
    }

    fn none_left(&self) -> Result<()> {
        if self.n_left() > 0 {
            return Ok(());
        }
        let last = self.left_out().pop().unwrap_or_default();
        Err(Error::NoServer(last))
    }

    async fn answer_all(&self, queue: &Arc<Queue>) -> Result<()> {
        let mut tasks = JoinSet::new();
        for (number, server) in self.servers.iter().enumerate() {
            for _ in 0..self.config.concurrency.min(queue.len()) {
                let worker = Worker {
                    number,
                    server: Arc::clone(server),
                    config: Arc::clone(&self.config),
                    queue: Arc::clone(queue),
                };
                tasks.spawn(worker.work(self.stop.clone()));
            }
        }
        let all = async {
            while let Some(joined) = tasks.join_next().await {
                joined.map_err(|error| Error::NoServer(error.to_string()))?;
            }
            Ok(())
        };
        // What is in flight is given up at a stop: its part is made again anyway.
        tokio::select! {
            () = self.stop.cancelled() => Err(Error::Stopped),
            ended = all => ended,
        }
    }
}

/// One of the requests that a server answers at once.
struct Worker {
    number: usize,
    server: Arc<Server>,
    config: Arc<ServerConfig>,
    queue: Arc<Queue>,
}

impl Worker {
    /// Takes questions until there are none that this server may answer.
    async fn work(self, stop: CancellationToken) {
        while !self.server.is_gone() {
            let (index, ask) = match self.queue.next(self.number) {
                Turn::Ask(index, ask) => (index, ask),
                Turn::Done => return,
                Turn::Wait(changed) => {
                    tokio::select! {
                        () = changed => {}
                        () = self.server.gone.cancelled() => {}
                    }
                    continue;
                }
            };
            let request = self.request(&ask);
            tokio::select! {
                biased;
                () = self.server.gone.cancelled() => self.queue.give_back(index),
                answer = self.server.client.chat(&request, &stop, &NoArchive) => {
                    self.take(index, answer);
                }
            }
        }
        self.queue.without(self.number);
    }

    fn request(&self, ask: &Ask) -> ChatRequest {
        ChatRequest {
            messages: vec![Message::user(&ask.message)],
            sampling: self.config.sampling.clone(),
            format: ask.format.clone(),
            ..ChatRequest::user(self.server.client.model(), "")
        }
    }

    fn take(&self, index: usize, answer: Result<ChatAnswer, chat_client::Error>) {
        use chat_client::Error as E;
        match answer {
            Ok(answer) => {
                self.server.failures_in_a_row.store(0, Ordering::Relaxed);
                self.queue.answered(index, Ok(reply(answer)));
            }
            // Every server would say so.
            Err(E::Rejected {
                status,
                rejection,
                message,
                ..
            }) => {
                let why = format!("{rejection}, status {status}: {message}");
                self.queue.answered(index, Err(why));
            }
            Err(E::Stopped) => self.queue.give_back(index),
            Err(error @ (E::Refused { .. } | E::Unreachable { .. })) => {
                self.server.leave_out(&error.to_string());
                self.queue.give_back(index);
            }
            Err(error) => {
                let failures = &self.server.failures_in_a_row;
                let so_far = failures.fetch_add(1, Ordering::Relaxed) + 1;
                if so_far >= self.config.give_up_after {
                    let why = format!("{so_far} requests in a row failed for good; {error}");
                    self.server.leave_out(&why);
                }
                self.queue.failed(index, self.number, error.to_string());
            }
        }
    }
}

/// Reasoning and content as one text, so that an answer is read in the same way wherever it comes from. Tags that the
/// reasoning quotes are spelt so that they are none.
fn reply(answer: ChatAnswer) -> Reply {
    let content = answer.content;
    let text = match answer.reasoning.as_deref().map(plain_tags) {
        Some(reasoning) if content.is_empty() => format!("<think>\n{reasoning}"),
        Some(reasoning) => format!("<think>\n{reasoning}\n</think>\n{content}"),
        None => content,
    };
    Reply {
        text,
        tokens: usize::try_from(answer.usage.completion_tokens).unwrap_or(0),
        is_cut_off: answer.finish == Finish::Length,
    }
}
