//! Prompts out, answers in: the loop over a suite.

use std::collections::HashSet;
use std::ops::ControlFlow;

use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};

use crate::score::{check_predictions, score_predictions};
use crate::{Error, EvalResult, Prediction, Suite};

/// Any error of a completer.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whatever answers prompts: a model in this process, a server, a file.
pub trait Completer {
    /// Answers every prompt, in their order.
    ///
    /// # Errors
    ///
    /// If the prompts cannot be answered; the evaluation then stops.
    fn complete(&mut self, prompts: &[String]) -> Result<Vec<Answer>, BoxError>;

    /// Answers every prompt that it can, in their order, where prompts fail one by one as they do with a server.
    ///
    /// # Errors
    ///
    /// If going on makes no sense; the evaluation then stops.
    fn attempt(&mut self, prompts: &[String]) -> Result<Vec<Outcome>, BoxError> {
        let answers = self.complete(prompts)?;
        Ok(answers.into_iter().map(Outcome::Answered).collect())
    }
}

/// What became of one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// It was not, although it was tried again; with the reason.
    Failed(String),
    /// It was not sent, because the completer was asked to stop.
    NotAsked,
}

/// A sentence that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// Name of the set.
    pub dataset: String,
    /// Position of the sentence in the set, from 0.
    pub index: usize,
    /// What the last try said.
    pub reason: String,
}

/// An answer to one prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The completion, reasoning included, without the token that ends it.
    pub text: String,
    /// Whether it ended because it reached its length limit.
    pub truncated: bool,
    /// Its length in tokens.
    pub tokens: usize,
}

/// How an evaluation is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalOptions {
    /// Prompts handed to the completer at once.
    pub batch_size: usize,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        EvalOptions {
            batch_size: 256,
            resamples: 1_000,
            seed: 42,
        }
    }
}

/// What has been done when a batch is answered.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Sentences answered so far, those of an earlier run included.
    pub done: usize,
    /// Sentences of the suite.
    pub total: usize,
    /// The predictions of this batch; append them to a file and nothing is lost when the run ends early.
    pub batch: &'a [Prediction],
}

/// Has every sentence of the suite answered and scores the answers.
///
/// `progress` is called after each batch and may stop the evaluation; the result then covers the sentences answered
/// so far and says so in [`EvalResult::complete`]. A sentence whose prompt failed by itself is left out of the scores,
/// counted as unanswered and named in [`EvalResult::failures`].
///
/// # Errors
///
/// If the completer fails or does not give one answer a prompt.
pub fn evaluate(
    suite: &Suite,
    template: &PromptTemplate,
    completer: &mut dyn Completer,
    options: &EvalOptions,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<EvalResult, Error> {
    evaluate_from(Vec::new(), suite, template, completer, options, progress)
}

/// [`evaluate`], taking up predictions of an earlier run that ended early: only the other sentences are answered.
///
/// # Errors
///
/// As [`evaluate`], and if an earlier prediction belongs to no sentence of the suite or is given twice.
pub fn evaluate_from(
    mut predictions: Vec<Prediction>,
    suite: &Suite,
    template: &PromptTemplate,
    completer: &mut dyn Completer,
    options: &EvalOptions,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<EvalResult, Error> {
    check_predictions(suite, &predictions)?;
    let pending = pending(suite, &predictions);
    let mut failures = Vec::new();
    let total = suite.sentences();
    for (i, batch) in pending.chunks(options.batch_size.max(1)).enumerate() {
        let first = i * options.batch_size.max(1);
        let failed = |source| Error::Completer {
            first: first + 1,
            last: first + batch.len(),
            total: pending.len(),
            source,
        };
        let prompts: Vec<String> = batch
            .iter()
            .map(|place| place.prompt(suite, template))
            .collect();
        let outcomes = completer.attempt(&prompts).map_err(failed)?;
        let answered = predictions.len();
        pair(suite, batch, outcomes, &mut predictions, &mut failures)?;
        let state = Progress {
            done: predictions.len(),
            total,
            batch: &predictions[answered..],
        };
        if progress(state).is_break() {
            break;
        }
    }
    let result = score_predictions(suite, predictions, options)?;
    Ok(EvalResult { failures, ..result })
}

/// A sentence of a suite by its position.
#[derive(Clone, Copy)]
struct Place {
    set: usize,
    index: usize,
}

impl Place {
    fn prompt(self, suite: &Suite, template: &PromptTemplate) -> String {
        let example = suite.sets[self.set].examples[self.index].normalized();
        template.render(&example.schema, &example.sentence)
    }
}

/// The sentences without a prediction, in the order of the suite.
fn pending(suite: &Suite, predictions: &[Prediction]) -> Vec<Place> {
    let done: HashSet<(&str, usize)> = predictions
        .iter()
        .map(|p| (p.dataset.as_str(), p.index))
        .collect();
    let places = suite.sets.iter().enumerate().flat_map(|(set, of)| {
        let is_pending = |index: &usize| !done.contains(&(of.name.as_str(), *index));
        (0..of.examples.len())
            .filter(is_pending)
            .map(move |index| Place { set, index })
            .collect::<Vec<_>>()
    });
    places.collect()
}

/// Sorts the outcomes of a batch into predictions and failures.
fn pair(
    suite: &Suite,
    batch: &[Place],
    outcomes: Vec<Outcome>,
    predictions: &mut Vec<Prediction>,
    failures: &mut Vec<FailedRequest>,
) -> Result<(), Error> {
    if outcomes.len() != batch.len() {
        return Err(Error::AnswerCount {
            expected: batch.len(),
            found: outcomes.len(),
        });
    }
    for (place, outcome) in batch.iter().zip(outcomes) {
        let (dataset, index) = (suite.sets[place.set].name.clone(), place.index);
        match outcome {
            Outcome::Answered(answer) => predictions.push(Prediction {
                dataset,
                index,
                completion: answer.text,
                truncated: answer.truncated,
                tokens: Some(answer.tokens),
            }),
            Outcome::Failed(reason) => failures.push(FailedRequest {
                dataset,
                index,
                reason,
            }),
            Outcome::NotAsked => {}
        }
    }
    Ok(())
}
