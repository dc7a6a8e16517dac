//! Rollouts that are held to a form, or that are drafted.

use std::collections::HashMap;

use lm_generate::{CachePool, Generated, Generator, Observer, Request};
use lm_grpo::{Prompt, RolloutEngine};
use lm_kernels::LmOps;
use lm_model::Qwen3;
use ner_types::Example;
use tokio_util::sync::CancellationToken;

use crate::decoding::{Decoding, Wanted};
use crate::error::Result;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The engine of this program as [`lm_grpo::BuiltinEngine`] is, with completions that are written by a [`Decoding`].
/// The log-probabilities stay those of the model without a form.
pub(super) struct HeldEngine<B: LmOps> {
    batch: usize,
    pool: CachePool<B>,
    decoding: Decoding,
    /// What each prompt asks about.
    questions: HashMap<Vec<u32>, (Vec<String>, String)>,
}

impl<B: LmOps> HeldEngine<B> {
    /// For up to `batch` completions at once of these prompts, each about an example.
    pub(super) fn new<'a>(
        batch: usize,
        decoding: Decoding,
        asked: impl IntoIterator<Item = (&'a Prompt, &'a Example)>,
    ) -> Self {
        let question = |(prompt, example): (&Prompt, &Example)| {
            let question = (example.schema.clone(), example.sentence.clone());
            (prompt.ids.clone(), question)
        };
        Self {
            batch,
            pool: CachePool::new(),
            decoding,
            questions: asked.into_iter().map(question).collect(),
        }
    }

    fn wanted(&self, request: &Request) -> Result<Wanted> {
        let grammar = match self.questions.get(&request.prompt) {
            Some((types, text)) => self.decoding.grammar(types, text)?,
            None => None,
        };
        let request = request.clone();
        Ok(Wanted { request, grammar })
    }
}

impl<B: LmOps> RolloutEngine<B> for HeldEngine<B> {
    fn rollout(
        &mut self,
        model: &Qwen3<B>,
        requests: &[Request],
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Vec<Generated>>, BoxError> {
        let wanted = requests.iter().map(|request| self.wanted(request));
        let wanted: Vec<Wanted> = wanted.collect::<Result<_>>()?;
        let pool = std::mem::take(&mut self.pool);
        let mut generator = Generator::with_pool(model, self.batch, pool);
        let written = self.decoding.write(&mut generator, wanted, stop, observer);
        self.pool = generator.into_pool();
        Ok(written??.into_iter().map(|one| one.group).collect())
    }
}
