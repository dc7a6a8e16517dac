//! The thread that owns the weights.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lm_generate::{CachePool, Error, Generator, Session};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3, checkpoint};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::job::{Generation, Job, Refusal};
use crate::limits::ADAPTERS;
use crate::pulse::Pulse;

/// After so long without a request, the memory of the cache is given back.
const IDLE: Duration = Duration::from_secs(5);

/// What is known of the thread beside it.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) pulse: Pulse,
    /// The model and its adapters.
    names: RwLock<Vec<String>>,
}

impl Signs {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            pulse: Pulse::new(),
            names: RwLock::new(vec![name.to_owned()]),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The models and what they need.
pub(crate) struct Worker<'a, B: LmOps> {
    pub(crate) base: Qwen3<B>,
    pub(crate) name: String,
    pub(crate) adapted: BTreeMap<String, Qwen3<B>>,
    pub(crate) tokenizer: &'a ChatTokenizer,
    pub(crate) max_batch: usize,
    pub(crate) pool: CachePool<B>,
    pub(crate) signs: Arc<Signs>,
    pub(crate) stop: &'a CancellationToken,
}

impl<B: LmOps> Worker<'_, B> {
    /// Works until it is stopped, or nobody can ask any more.
    pub(crate) fn run(mut self, waiting: &Receiver<Job>) {
        // Jobs keep their sequence: an adapter counts for the requests behind it.
        let mut held = VecDeque::new();
        while let Some(job) = held.pop_front().or_else(|| self.next(waiting)) {
            self.signs.pulse.beat();
            match job {
                Job::Generate(first) => self.generate(first, &mut held, waiting),
                other => self.manage(other),
            }
            if self.stop.is_cancelled() {
                return;
            }
        }
    }

    /// The next job; `None` once the server is to stop. Without one for a while, the cache is given back.
    fn next(&mut self, waiting: &Receiver<Job>) -> Option<Job> {
        self.signs.pulse.rest();
        let since = Instant::now();
        let mut is_idle = false;
        while !self.stop.is_cancelled() {
            match waiting.recv_timeout(Duration::from_millis(50)) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            if !is_idle && since.elapsed() >= IDLE {
                is_idle = true;
                self.pool.clear();
                lm_kernels::give_back_freed_memory();
            }
        }
        None
    }

    fn manage(&mut self, job: Job) {
        // A client that has gone away does not wait for its answer.
        match job {
            Job::Generate(_) => {}
            Job::Load { name, path, reply } => {
                let _ = reply.send(self.load(name, &path));
            }
            Job::Unload { name, reply } => {
                let _ = reply.send(match self.adapted.remove(&name) {
                    Some(_) => Ok(()),
                    None => Err(Refusal::UnknownModel(name)),
                });
            }
        }
        let names = std::iter::once(&self.name).chain(self.adapted.keys());
        let mut known = self
            .signs
            .names
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = names.cloned().collect();
    }

    fn load(&mut self, name: String, path: &Path) -> Result<(), Refusal> {
        if name == self.name {
            let words = format!("{name:?} is the name of the model that is served");
            return Err(Refusal::Wrong(words));
        }
        if self.adapted.len() >= ADAPTERS && !self.adapted.contains_key(&name) {
            let words = format!("expected at most {ADAPTERS} adapters: unload one");
            return Err(Refusal::Wrong(words));
        }
        let loaded = checkpoint::load_adapter(self.base.clone(), path);
        let model = loaded.map_err(|error| Refusal::Wrong(error.to_string()))?;
        self.adapted.insert(name, model);
        Ok(())
    }

    /// Generates a job, and those for the same model that come meanwhile. What has to wait until they are done, and all
    /// behind it, is `held`.
    fn generate(&mut self, first: Generation, held: &mut VecDeque<Job>, waiting: &Receiver<Job>) {
        let name = first.model.clone();
        let model = if name == self.name {
            Some(&self.base)
        } else {
            self.adapted.get(&name)
        };
        let Some(model) = model else {
            let _ = first.reply.send(Err(Refusal::UnknownModel(name)));
            return;
        };
        let pool = std::mem::take(&mut self.pool);
        let mut generator = Generator::with_pool(model, self.max_batch, pool);
        if let Ok(mut session) = generator.session() {
            let mut desk = Desk::new(self.tokenizer);
            desk.begin(first, &mut session);
            let comers = Comers {
                name: &name,
                held,
                waiting,
            };
            if let Err(error) = self.drive(&mut session, &mut desk, comers) {
                desk.refuse_all(&error);
            }
        }
        self.pool = generator.into_pool();
    }

    /// Steps until nothing is left to do.
    fn drive(
        &self,
        session: &mut Session<'_, B>,
        desk: &mut Desk<'_>,
        mut comers: Comers<'_>,
    ) -> Result<(), Error> {
        while !session.is_idle() {
            self.signs.pulse.beat();
            if self.stop.is_cancelled() {
                let progress = session.progress();
                let (finished, total) = (progress.finished, progress.total);
                return Err(Error::Stopped { finished, total });
            }
            for outcome in session.step(desk)? {
                desk.enter(outcome, session);
            }
            desk.drop_leavers(session);
            while let Some(generation) = comers.next() {
                desk.begin(generation, session);
            }
        }
        Ok(())
    }
}

/// Jobs that come while others are generated.
struct Comers<'a> {
    /// The model that is generated with.
    name: &'a str,
    held: &'a mut VecDeque<Job>,
    waiting: &'a Receiver<Job>,
}

impl Comers<'_> {
    /// One that may join; none may behind a job that has to wait.
    fn next(&mut self) -> Option<Generation> {
        if let Some(Job::Generate(next)) = self.held.front()
            && next.model == self.name
            && let Some(Job::Generate(next)) = self.held.pop_front()
        {
            return Some(next);
        }
        if !self.held.is_empty() {
            return None;
        }
        match self.waiting.try_recv().ok()? {
            Job::Generate(generation) if generation.model == self.name => Some(generation),
            other => {
                self.held.push_back(other);
                None
            }
        }
    }
}
