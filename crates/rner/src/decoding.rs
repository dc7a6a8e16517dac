//! How completions are written: held to a form or free, with drafts or without.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lm_generate::{Generated, Generator, History, Lookup, Observer, Request};
use lm_grammar::{Constrained, Grammar};
use lm_kernels::LmOps;
use lm_model::ChatTokenizer;
use ner_types::{ReasoningForm, Task};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::form::{Form, Forms};

/// How completions are written. None of it changes what a free model says with drafts.
#[derive(Clone, Debug)]
pub struct Decoding {
    form: Option<(Forms, Form)>,
    has_drafts: bool,
    /// What was written before; clones share it.
    history: Arc<Mutex<History>>,
}

impl Default for Decoding {
    /// Free, with drafts.
    fn default() -> Self {
        Self {
            form: None,
            has_drafts: true,
            history: Arc::default(),
        }
    }
}

/// A completion to write.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What the model is asked for.
    pub request: Request,
    /// What the completion is held to, if it is; see [`Decoding::grammar`].
    pub grammar: Option<Grammar>,
}

/// The completions of a request.
#[derive(Clone, Debug)]
pub struct Written {
    /// The completions.
    pub group: Vec<Generated>,
    /// Passes of the model that they took together, after the prompt: as many as tokens without drafts.
    pub steps: usize,
}

impl Decoding {
    /// Completions of a form.
    ///
    /// # Errors
    /// A vocabulary that grammars cannot be made of.
    pub fn of(form: Form, tokenizer: &ChatTokenizer) -> Result<Self> {
        let forms = match form {
            Form::Free => None,
            form => Some((Forms::new(tokenizer)?, form)),
        };
        Ok(Self {
            form: forms,
            history: Arc::new(Mutex::new(History::with_alike(alike(tokenizer)))),
            ..Self::default()
        })
    }

    /// With reasoning in a completion that has a form, or without; as the model likes unless told otherwise.
    #[must_use]
    pub fn with_reasoning(self, reasoning: ReasoningForm) -> Self {
        let form = self
            .form
            .map(|(forms, form)| (forms.with_reasoning(reasoning), form));
        Self { form, ..self }
    }

    /// For answers to another task than naming entities.
    #[must_use]
    pub fn with_task(self, task: Task) -> Self {
        let form = self.form.map(|(forms, form)| (forms.with_task(task), form));
        Self { form, ..self }
    }

    /// With drafts or without. They make completions faster and do not change them.
    #[must_use]
    pub fn with_drafts(self, has_drafts: bool) -> Self {
        Self { has_drafts, ..self }
    }

    /// What the answer about a text is held to; nothing if it is free.
    ///
    /// # Errors
    /// A schema that is larger than the engine's limits.
    pub fn grammar(&self, types: &[String], text: &str) -> Result<Option<Grammar>> {
        match &self.form {
            Some((forms, form)) => forms.grammar(*form, types, text),
            None => Ok(None),
        }
    }

    /// Has completions written, in the order in which they are wanted, and tells `observer` of every token. The inner
    /// error is the generator's, as the caller may know what it is about.
    ///
    /// # Errors
    /// A grammar that could not go on.
    pub fn write<B: LmOps>(
        &self,
        generator: &mut Generator<B>,
        wanted: Vec<Wanted>,
        stop: &CancellationToken,
        observer: impl Observer,
    ) -> Result<Result<Vec<Written>, lm_generate::Error>> {
        let parts = wanted.into_iter().map(|one| (one.request, one.grammar));
        let (requests, grammars): (Vec<_>, Vec<_>) = parts.unzip();
        let mut held = Constrained::new(observer);
        for (number, grammar) in grammars.iter().enumerate() {
            if let Some(grammar) = grammar {
                held = held.with(number, grammar);
            }
        }
        let written = if self.has_drafts {
            self.write_with_drafts(generator, &requests, stop, &mut held)
        } else {
            let groups = generator.generate(&requests, stop, &mut held);
            groups.map(|groups| with_steps(groups, |_| None))
        };
        match held.errors().first() {
            Some((_, error)) => Err(Error::Invalid(error.to_string())),
            None => Ok(written),
        }
    }

    fn write_with_drafts<B: LmOps>(
        &self,
        generator: &mut Generator<B>,
        requests: &[Request],
        stop: &CancellationToken,
        held: impl Observer,
    ) -> Result<Vec<Written>, lm_generate::Error> {
        let mut history = std::mem::take(&mut *self.history());
        let mut drafts = Lookup::new(requests, &mut history, held);
        let groups = generator.generate(requests, stop, &mut drafts);
        let steps = |number| Some(drafts.counts_of(number).steps);
        let written = groups.map(|groups| with_steps(groups, steps));
        *self.history() = history;
        written
    }

    /// What was written before. Whoever writes takes it, and another one who writes meanwhile begins anew.
    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For each token the one with the same text but for a space in front, or itself.
fn alike(tokenizer: &ChatTokenizer) -> Vec<u32> {
    let words: Vec<Vec<u8>> = (0..tokenizer.vocab_size() as u32)
        .map(|id| tokenizer.bytes_of(id))
        .collect();
    let ids: HashMap<&[u8], u32> = (0..)
        .zip(&words)
        .map(|(id, word)| (word.as_slice(), id))
        .collect();
    let bare = |(id, word): (u32, &Vec<u8>)| match word.strip_prefix(b" ") {
        Some(rest) => ids.get(rest).copied().unwrap_or(id),
        None => id,
    };
    (0..).zip(&words).map(bare).collect()
}

fn with_steps(groups: Vec<Vec<Generated>>, steps: impl Fn(usize) -> Option<usize>) -> Vec<Written> {
    let written = groups.into_iter().enumerate().map(|(number, group)| {
        let tokens = || group.iter().map(|one| one.ids.len()).sum();
        let steps = steps(number).unwrap_or_else(tokens);
        Written { group, steps }
    });
    written.collect()
}
