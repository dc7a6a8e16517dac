//! The questions that wait, and the answers that have come.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Ask, Reply};

type Answer = Result<Reply, String>;

/// Questions, shared by those who answer them.
pub(super) struct Queue {
    asks: Vec<Arc<Ask>>,
    state: Mutex<State>,
    changed: Arc<Notify>,
}

struct State {
    waiting: VecDeque<usize>,
    answers: Vec<Option<Answer>>,
    /// Which servers failed a question for good, and what the last one said.
    failed: HashMap<usize, (Vec<usize>, String)>,
    /// Which servers are not left out.
    alive: Vec<bool>,
    unanswered: usize,
}

/// What a server does next.
pub(super) enum Turn {
    Ask(usize, Arc<Ask>),
    /// Others may give a question back.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done,
}

impl Queue {
    pub(super) fn new(asks: Vec<Ask>, alive: Vec<bool>) -> Self {
        let n = asks.len();
        Self {
            asks: asks.into_iter().map(Arc::new).collect(),
            state: Mutex::new(State {
                waiting: (0..n).collect(),
                answers: vec![None; n],
                failed: HashMap::new(),
                alive,
                unanswered: n,
            }),
            changed: Arc::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.asks.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first question that this server has not failed.
    pub(super) fn next(&self, server: usize) -> Turn {
        let mut state = self.state();
        let is_new = |index: &usize| {
            let failed = state.failed.get(index);
            failed.is_none_or(|(servers, _)| !servers.contains(&server))
        };
        if let Some(at) = state.waiting.iter().position(is_new)
            && let Some(index) = state.waiting.remove(at)
        {
            return Turn::Ask(index, Arc::clone(&self.asks[index]));
        }
        if state.unanswered == 0 {
            return Turn::Done;
        }
        // Asked for while the state is locked, so that no change is missed.
        let mut changed = Box::pin(Arc::clone(&self.changed).notified_owned());
        changed.as_mut().enable();
        Turn::Wait(changed)
    }

    pub(super) fn answered(&self, index: usize, answer: Answer) {
        self.state().settle(index, answer);
        self.changed.notify_waiters();
    }

    /// A question that another server may answer.
    pub(super) fn give_back(&self, index: usize) {
        self.state().waiting.push_front(index);
        self.changed.notify_waiters();
    }

    /// A question that this server cannot answer; it goes to the others.
    pub(super) fn failed(&self, index: usize, server: usize, why: String) {
        let mut state = self.state();
        let failed = state.failed.entry(index).or_default();
        failed.0.push(server);
        failed.1 = why;
        state.waiting.push_back(index);
        state.settle_hopeless();
        self.changed.notify_waiters();
    }

    /// A server is left out.
    pub(super) fn without(&self, server: usize) {
        let mut state = self.state();
        state.alive[server] = false;
        if state.alive.contains(&true) {
            state.settle_hopeless();
        }
        self.changed.notify_waiters();
    }

    /// All answers; nothing if there is a question without one.
    pub(super) fn answers(&self) -> Option<Vec<Answer>> {
        let mut state = self.state();
        std::mem::take(&mut state.answers).into_iter().collect()
    }
}

impl State {
    fn settle(&mut self, index: usize, answer: Answer) {
        if self.answers[index].replace(answer).is_none() {
            self.unanswered -= 1;
        }
    }

    /// What every server that is left has failed has no answer.
    fn settle_hopeless(&mut self) {
        let Self {
            waiting,
            failed,
            alive,
            ..
        } = self;
        let is_hopeless = |index: &usize| {
            failed.get(index).is_some_and(|(servers, _)| {
                let mut left = alive.iter().enumerate().filter(|(_, alive)| **alive);
                left.all(|(server, _)| servers.contains(&server))
            })
        };
        let hopeless: Vec<usize> = waiting.iter().copied().filter(is_hopeless).collect();
        for index in hopeless {
            self.waiting.retain(|other| *other != index);
            let why = self.failed.remove(&index);
            self.settle(index, Err(why.map(|(_, why)| why).unwrap_or_default()));
        }
    }
}
