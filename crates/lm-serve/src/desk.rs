//! The requests that are generated together, and the clients that wait for them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lm_generate::{Error, Finish, Generated, NewToken, Observer, Outcome, Session};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, TextStream};

use crate::job::{Completion, Generation, Refusal};

/// Jobs whose completions grow, by the number of their first request in the session.
pub(crate) struct Desk<'a> {
    tokenizer: &'a ChatTokenizer,
    jobs: BTreeMap<usize, Running>,
    texts: BTreeMap<(usize, usize), PartialText<'a>>,
}

/// A job, and what is there of its completions.
struct Running {
    generation: Generation,
    groups: Vec<Option<Vec<Completion>>>,
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

impl<'a> Desk<'a> {
    pub(crate) fn new(tokenizer: &'a ChatTokenizer) -> Self {
        Self {
            tokenizer,
            jobs: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// Puts a job's requests into the session; a job that cannot be carried out is refused by itself.
    pub(crate) fn begin<B: LmOps>(
        &mut self,
        mut generation: Generation,
        session: &mut Session<'_, B>,
    ) {
        let requests = std::mem::take(&mut generation.requests);
        let stops = requests.iter().map(|one| one.sampling.stop.clone());
        generation.stop_ids = stops.collect();
        let mut numbers = Vec::new();
        for request in requests {
            match session.add(request) {
                Ok(number) => numbers.push(number),
                Err(error) => {
                    numbers
                        .into_iter()
                        .for_each(|number| session.cancel(number));
                    generation.refuse(&error);
                    return;
                }
            }
        }
        match numbers.first() {
            Some(first) => {
                let groups = numbers.iter().map(|_| None).collect();
                let running = Running { generation, groups };
                self.jobs.insert(*first, running);
            }
            None => generation.answer(Vec::new()),
        }
    }

    /// Ends what nobody waits for any more.
    pub(crate) fn drop_leavers<B: LmOps>(&mut self, session: &mut Session<'_, B>) {
        let left = |(_, job): &(&usize, &Running)| job.generation.reply.is_closed();
        let gone: Vec<usize> = self
            .jobs
            .iter()
            .filter(left)
            .map(|(first, _)| *first)
            .collect();
        gone.into_iter()
            .for_each(|first| drop(self.take(first, session)));
    }

    /// Takes the outcome of a request; the last of a job is its answer, and a failure ends its job alone.
    pub(crate) fn enter<B: LmOps>(
        &mut self,
        (number, outcome): Outcome,
        session: &mut Session<'_, B>,
    ) {
        let Some((&first, _)) = self.jobs.range(..=number).next_back() else {
            return;
        };
        let group = match outcome {
            Ok(group) => self.completions(number, group),
            Err(error) => {
                if let Some(job) = self.take(first, session) {
                    job.generation.refuse(&error);
                }
                return;
            }
        };
        let Some(job) = self.jobs.get_mut(&first) else {
            return;
        };
        if let Some(place) = job.groups.get_mut(number - first) {
            *place = Some(group);
        }
        if job.groups.iter().all(Option::is_some)
            && let Some(job) = self.jobs.remove(&first)
        {
            job.generation
                .answer(job.groups.into_iter().flatten().collect());
        }
    }

    /// Refuses all that is left.
    pub(crate) fn refuse_all(self, error: &Error) {
        self.jobs
            .into_values()
            .for_each(|job| job.generation.refuse(error));
    }

    /// Takes a job out, and its requests from the session.
    fn take<B: LmOps>(&mut self, first: usize, session: &mut Session<'_, B>) -> Option<Running> {
        let job = self.jobs.remove(&first)?;
        for number in first..first + job.groups.len() {
            session.cancel(number);
            let samples = (number, 0)..=(number, usize::MAX);
            let samples: Vec<_> = self.texts.range(samples).map(|(key, _)| *key).collect();
            samples.iter().for_each(|key| drop(self.texts.remove(key)));
        }
        Some(job)
    }

    fn completions(&mut self, number: usize, group: Vec<Generated>) -> Vec<Completion> {
        let group = group.into_iter().enumerate();
        group
            .map(|(sample, generated)| {
                let text = self.texts.remove(&(number, sample));
                self.completion(generated, text.map(PartialText::finish).unwrap_or_default())
            })
            .collect()
    }

    fn completion(&self, generated: Generated, text: String) -> Completion {
        let Generated {
            ids,
            log_probs,
            finish,
        } = generated;
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

/// Finds stop texts.
impl Observer for Desk<'_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let Some((first, job)) = self.jobs.range(..=token.request).next_back() else {
            return ControlFlow::Break(());
        };
        let (tokenizer, generation) = (self.tokenizer, &job.generation);
        let partial = self
            .texts
            .entry((token.request, token.sample))
            .or_insert_with(|| PartialText {
                stream: TextStream::new(tokenizer, generation.stops.clone()),
                text: String::new(),
            });
        // The token that ends a completion is no part of its text.
        let stop_ids = generation.stop_ids.get(token.request - first);
        if !stop_ids.is_some_and(|ids| ids.contains(&token.id)) {
            let piece = partial.stream.push(token.id);
            partial.text.push_str(&piece);
        }
        if partial.stream.stopped().is_some() || generation.reply.is_closed() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Generation {
    /// A client that has gone away does not wait for its answer.
    fn answer(self, completions: Vec<Vec<Completion>>) {
        let _ = self.reply.send(Ok(completions));
    }

    fn refuse(self, error: &Error) {
        let refusal = match error {
            Error::Stopped { .. } => Refusal::Failed("the server is shutting down".into()),
            Error::ReadTokens { .. } => Refusal::Failed(error.to_string()),
            _ => Refusal::Wrong(error.to_string()),
        };
        let _ = self.reply.send(Err(refusal));
    }
}
