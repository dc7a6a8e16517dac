//! Prompts out, answers in: the loop over a suite.

use std::collections::{HashMap, HashSet};

use ner_types::PromptTemplate;
use tokio_util::sync::CancellationToken;

use crate::completer::{Answer, BoxError, Completer, Outcome, Question};
use crate::error::Error;
use crate::log::PredictionLog;
use crate::observer::{Observer, Progress};
use crate::options::EvalOptions;
use crate::prediction::{FailedRequest, Prediction};
use crate::result::EvalResult;
use crate::score::{check_predictions, score_predictions};
use crate::suite::Suite;

/// Has every sentence of the suite answered and scores the answers.
///
/// Once `stop` is cancelled no further batch is begun; the result then covers the sentences answered so far and says so
/// in [`EvalResult::complete`]. `observer` hears of every batch. A sentence whose prompt failed by itself is left out
/// of the scores, counted as unanswered and named in [`EvalResult::failures`].
///
/// # Errors
///
/// If the completer fails or does not give one answer a prompt.
pub fn evaluate(
    suite: &Suite,
    template: &PromptTemplate,
    completer: &mut dyn Completer,
    options: &EvalOptions,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<EvalResult, Error> {
    evaluate_from(
        Vec::new(),
        suite,
        template,
        completer,
        options,
        stop,
        observer,
    )
}

/// [`evaluate`], taking up predictions of an earlier run that ended early: only the other sentences are answered.
///
/// # Errors
///
/// As [`evaluate`], and if an earlier prediction belongs to no sentence of the suite or is given twice.
pub fn evaluate_from(
    predictions: Vec<Prediction>,
    suite: &Suite,
    template: &PromptTemplate,
    completer: &mut dyn Completer,
    options: &EvalOptions,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<EvalResult, Error> {
    let mut ask = Ask::new(suite, template, predictions)?;
    observer.on_start(ask.predictions.len(), suite.sentences());
    ask.run(completer, options.batch_size, stop, &mut NoLog, observer)?;
    ask.score(options)
}

/// [`evaluate`] with a log: what lies in it is taken up, every answer is written as soon as the completer hands it on,
/// and every batch is on disk before `observer` hears of it. So nothing is lost when the run ends early.
///
/// # Errors
///
/// As [`evaluate_from`], and if the log cannot be read or written.
pub fn evaluate_logged(
    log: &mut PredictionLog,
    suite: &Suite,
    template: &PromptTemplate,
    completer: &mut dyn Completer,
    options: &EvalOptions,
    stop: &CancellationToken,
    observer: &mut dyn Observer,
) -> Result<EvalResult, Error> {
    let mut ask = Ask::new(suite, template, log.read()?)?;
    observer.on_start(ask.predictions.len(), suite.sentences());
    ask.run(completer, options.batch_size, stop, log, observer)?;
    ask.score(options)
}

/// Where predictions are kept while they are made.
trait Keeper {
    /// Keeps one.
    fn keep(&mut self, prediction: &Prediction) -> Result<(), Error>;

    /// All so far are safe once this returns.
    fn sync(&mut self) -> Result<(), Error>;
}

impl Keeper for PredictionLog {
    fn keep(&mut self, prediction: &Prediction) -> Result<(), Error> {
        PredictionLog::keep(self, prediction)
    }

    fn sync(&mut self) -> Result<(), Error> {
        PredictionLog::sync(self)
    }
}

/// Predictions in memory alone.
struct NoLog;

impl Keeper for NoLog {
    fn keep(&mut self, _: &Prediction) -> Result<(), Error> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// One evaluation while it goes on.
struct Ask<'a> {
    suite: &'a Suite,
    template: &'a PromptTemplate,
    predictions: Vec<Prediction>,
    failures: Vec<FailedRequest>,
}

impl<'a> Ask<'a> {
    fn new(
        suite: &'a Suite,
        template: &'a PromptTemplate,
        predictions: Vec<Prediction>,
    ) -> Result<Self, Error> {
        check_predictions(suite, &predictions)?;
        Ok(Ask {
            suite,
            template,
            predictions,
            failures: Vec::new(),
        })
    }

    /// Asks what has no prediction yet, batch after batch.
    fn run(
        &mut self,
        completer: &mut dyn Completer,
        batch_size: usize,
        stop: &CancellationToken,
        log: &mut dyn Keeper,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let (batch_size, pending) = (batch_size.max(1), pending(self.suite, &self.predictions));
        for (i, batch) in pending.chunks(batch_size).enumerate() {
            if stop.is_cancelled() {
                break;
            }
            let first = i * batch_size;
            let outcomes = self.attempt(completer, batch, log)?;
            let outcomes = outcomes.map_err(|source| Error::Completer {
                first: first + 1,
                last: first + batch.len(),
                total: pending.len(),
                source,
            })?;
            let answered = self.predictions.len();
            self.pair(batch, outcomes)?;
            log.sync()?;
            observer.on_batch(&Progress {
                done: self.predictions.len(),
                total: self.suite.sentences(),
                batch: &self.predictions[answered..],
            });
        }
        Ok(())
    }

    /// Has a batch answered, and keeps each answer. The outer error is that of the log, the inner one the completer's.
    fn attempt(
        &self,
        completer: &mut dyn Completer,
        batch: &[Place],
        log: &mut dyn Keeper,
    ) -> Result<Result<Vec<Outcome>, BoxError>, Error> {
        let mut failed = None;
        let outcomes = completer.attempt_each(&self.questions(batch), &mut |number, answer| {
            let Some(place) = batch.get(number) else {
                return Ok(());
            };
            log.keep(&place.prediction(self.suite, answer))
                .map_err(|error| {
                    let words = error.to_string();
                    failed = Some(error);
                    words.into()
                })
        });
        failed.map_or(Ok(outcomes), Err)
    }

    fn questions(&self, batch: &[Place]) -> Vec<Question> {
        let question = |place: &Place| place.question(self.suite, self.template);
        batch.iter().map(question).collect()
    }

    /// Sorts the outcomes of a batch into predictions and failures.
    fn pair(&mut self, batch: &[Place], outcomes: Vec<Outcome>) -> Result<(), Error> {
        if outcomes.len() != batch.len() {
            return Err(Error::AnswerCount {
                expected: batch.len(),
                found: outcomes.len(),
            });
        }
        for (place, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Outcome::Answered(answer) => {
                    let prediction = place.prediction(self.suite, &answer);
                    self.predictions.push(prediction);
                }
                Outcome::Failed(reason) => self.failures.push(FailedRequest {
                    dataset: self.suite.sets[place.set].name.clone(),
                    index: place.index,
                    reason,
                }),
                Outcome::NotAsked => {}
            }
        }
        Ok(())
    }

    fn score(mut self, options: &EvalOptions) -> Result<EvalResult, Error> {
        self.sort();
        let failures = self.failures;
        let result = score_predictions(self.suite, self.predictions, options)?;
        Ok(EvalResult { failures, ..result })
    }

    /// In the order of the suite, in whatever order and by however many runs they were made.
    fn sort(&mut self) {
        let sets = self.suite.sets.iter().enumerate();
        let sets: HashMap<&str, usize> = sets.map(|(i, set)| (set.name.as_str(), i)).collect();
        self.predictions
            .sort_by_key(|made| (sets.get(made.dataset.as_str()).copied(), made.index));
    }
}

/// A sentence of a suite by its position.
#[derive(Clone, Copy)]
struct Place {
    set: usize,
    index: usize,
}

impl Place {
    fn question(self, suite: &Suite, template: &PromptTemplate) -> Question {
        let example = suite.sets[self.set].examples[self.index].normalized();
        Question {
            prompt: template.render(&example.schema, &example.sentence),
            schema: example.schema,
            sentence: example.sentence,
        }
    }

    fn prediction(self, suite: &Suite, answer: &Answer) -> Prediction {
        Prediction {
            dataset: suite.sets[self.set].name.clone(),
            index: self.index,
            completion: answer.text.clone(),
            truncated: answer.truncated,
            tokens: Some(answer.tokens),
            thought: answer.thought,
        }
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
