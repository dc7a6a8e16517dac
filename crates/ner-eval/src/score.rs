//! From predictions to a result.

use std::collections::HashMap;

use ner_score::bootstrap::{Bootstrap, PairedTest, bootstrap, paired_bootstrap};
use ner_score::filter::without_placeholders;
use ner_score::mean::{mean_f1, paper_mean_f1_percent};
use ner_score::{Counts, EntitySet, Filtered, Scorer, Sentence, total};
use ner_types::{Completion, Entity, Example, Problem, ReadMode, Task, normalize_label};

use crate::error::Error;
use crate::options::EvalOptions;
use crate::prediction::Prediction;
use crate::result::{EvalResult, Lengths, SetResult};
use crate::suite::{EvalSet, Suite};

/// Scores predictions as the paper's evaluator does: entities from the reference reading of each completion, not
/// filtered by the schema; sentences without gold entities stay in.
///
/// Sentences without a prediction are left out of the scores and counted as unanswered; a set without any answer has
/// no part in the mean.
///
/// # Errors
///
/// If a prediction belongs to no sentence of the suite, or a sentence has two.
pub fn score_predictions(
    suite: &Suite,
    predictions: Vec<Prediction>,
    options: &EvalOptions,
) -> Result<EvalResult, Error> {
    score_predictions_with(Scorer::ReasoningIe, suite, predictions, options)
}

/// [`score_predictions`] under another preset than the paper's.
///
/// # Errors
///
/// As [`score_predictions`].
pub fn score_predictions_with(
    scorer: Scorer,
    suite: &Suite,
    predictions: Vec<Prediction>,
    options: &EvalOptions,
) -> Result<EvalResult, Error> {
    let sets: Vec<Vec<SentenceScore>> = by_set(suite, &predictions)?
        .into_iter()
        .map(|set| score_set(scorer, set))
        .collect();
    let counts = counts_of(&sets);
    let intervals = bootstrap(&slices(&counts), options.seed, options.resamples);
    let totals: Vec<Counts> = counts.iter().map(|set| total(set)).collect();
    // A set without any answer has no score, and so no part in the mean.
    let answered: Vec<&[Counts]> = slices(&counts)
        .into_iter()
        .filter(|set| !set.is_empty())
        .collect();
    let answered_totals: Vec<Counts> = answered.iter().map(|set| total(set)).collect();
    let interval = if answered.len() == counts.len() {
        intervals.mean
    } else {
        bootstrap(&answered, options.seed, options.resamples).mean
    };
    let result = EvalResult {
        suite: suite.name.clone(),
        sets: set_results(suite, &sets, &totals, &intervals),
        mean_f1: mean_f1(&answered_totals) * 100.0,
        mean_f1_paper: paper_mean_f1_percent(&answered_totals),
        interval: interval.percent(),
        resamples: options.resamples,
        seed: options.seed,
        complete: predictions.len() == suite.sentences(),
        failures: Vec::new(),
        predictions,
    };
    Ok(result)
}

/// Compares two systems that answered the same sentences by a paired bootstrap of the mean of the sets' micro-F1.
/// Difference and interval are fractions, not percent.
///
/// # Errors
///
/// As [`score_predictions`], and if a sentence is answered by one of the two only.
pub fn compare(
    suite: &Suite,
    first: &[Prediction],
    second: &[Prediction],
    options: &EvalOptions,
) -> Result<PairedTest, Error> {
    let (first, second) = (by_set(suite, first)?, by_set(suite, second)?);
    for (a, b) in first.iter().zip(&second) {
        check_paired(a, b)?;
    }
    let score = |set| score_set(Scorer::ReasoningIe, set);
    let [first, second] =
        [first, second].map(|sets| sets.into_iter().map(score).collect::<Vec<_>>());
    let [first, second] = [counts_of(&first), counts_of(&second)];
    Ok(paired_bootstrap(
        &slices(&first),
        &slices(&second),
        options.seed,
        options.resamples,
    )?)
}

fn counts_of(sets: &[Vec<SentenceScore>]) -> Vec<Vec<Counts>> {
    sets.iter()
        .map(|set| set.iter().map(|sentence| sentence.counts).collect())
        .collect()
}

fn slices(sets: &[Vec<Counts>]) -> Vec<&[Counts]> {
    sets.iter().map(Vec::as_slice).collect()
}

/// Checks that every prediction belongs to a sentence and no sentence has two.
pub(crate) fn check_predictions(suite: &Suite, predictions: &[Prediction]) -> Result<(), Error> {
    by_set(suite, predictions).map(|_| ())
}

/// A set with the prediction of each sentence, where there is one.
struct Answered<'a> {
    set: &'a EvalSet,
    predictions: Vec<Option<&'a Prediction>>,
}

fn by_set<'a>(suite: &'a Suite, predictions: &'a [Prediction]) -> Result<Vec<Answered<'a>>, Error> {
    let unanswered = |set: &'a EvalSet| Answered {
        set,
        predictions: vec![None; set.examples.len()],
    };
    let mut sets: Vec<Answered<'a>> = suite.sets.iter().map(unanswered).collect();
    let position = positions(suite)?;
    for prediction in predictions {
        let set = position
            .get(prediction.dataset.as_str())
            .map(|&i| &mut sets[i]);
        let set = set.ok_or_else(|| unknown(prediction, format!("one of {:?}", names(suite))))?;
        set.insert(prediction)?;
    }
    Ok(sets)
}

fn positions(suite: &Suite) -> Result<HashMap<&str, usize>, Error> {
    let mut positions = HashMap::new();
    for (i, set) in suite.sets.iter().enumerate() {
        if positions.insert(set.name.as_str(), i).is_some() {
            return Err(Error::DuplicateSet {
                suite: suite.name.clone(),
                set: set.name.clone(),
            });
        }
    }
    Ok(positions)
}

fn names(suite: &Suite) -> Vec<&str> {
    suite.sets.iter().map(|set| set.name.as_str()).collect()
}

fn unknown(prediction: &Prediction, expected: String) -> Error {
    Error::UnknownSentence {
        dataset: prediction.dataset.clone(),
        index: prediction.index,
        expected,
    }
}

impl<'a> Answered<'a> {
    fn insert(&mut self, prediction: &'a Prediction) -> Result<(), Error> {
        let sentences = self.predictions.len();
        let place = self.predictions.get_mut(prediction.index);
        let place =
            place.ok_or_else(|| unknown(prediction, format!("an index below {sentences}")))?;
        match place.replace(prediction) {
            None => Ok(()),
            Some(_) => Err(Error::DuplicatePrediction {
                dataset: self.set.name.clone(),
                index: prediction.index,
            }),
        }
    }
}

fn check_paired(first: &Answered<'_>, second: &Answered<'_>) -> Result<(), Error> {
    let differs = |(a, b): (&Option<_>, &Option<_>)| a.is_some() != b.is_some();
    match first
        .predictions
        .iter()
        .zip(&second.predictions)
        .position(differs)
    {
        Some(index) => Err(Error::Unpaired {
            dataset: first.set.name.clone(),
            index,
        }),
        None => Ok(()),
    }
}

/// What one completion is worth and what is wrong with it.
struct SentenceScore {
    counts: Counts,
    filtered: Filtered,
    parse_failure: bool,
    schema_violations: usize,
    hallucinated: usize,
    truncated: bool,
    reasoning_chars: Option<usize>,
}

fn score_set(scorer: Scorer, answered: Answered<'_>) -> Vec<SentenceScore> {
    let sentences = answered.set.examples.iter().zip(answered.predictions);
    sentences
        .filter_map(|(example, prediction)| Some(score_sentence(scorer, example, prediction?)))
        .collect()
}

fn score_sentence(scorer: Scorer, written: &Example, prediction: &Prediction) -> SentenceScore {
    let (task, written) = (written.task(), &*written.as_items());
    let example = written.normalized();
    let completion = task.read_items(&prediction.completion, ReadMode::Reference);
    let mut filtered = Filtered::default();
    filtered.add(scorer, written, &completion.entities);
    let counts = count(scorer, task, &example, &completion);
    // Counted here and not through `Completion::check`, which would normalise the schema again for every sentence.
    let is_violation = |entity: &&Entity| {
        example
            .schema
            .binary_search(&normalize_label(&entity.label))
            .is_err()
    };
    let is_hallucinated = |entity: &&Entity| !task.stands_in(entity, &example.sentence);
    let entities = &completion.entities;
    SentenceScore {
        counts,
        filtered,
        parse_failure: is_parse_failure(&completion),
        schema_violations: entities.iter().filter(is_violation).count(),
        hallucinated: entities.iter().filter(is_hallucinated).count(),
        truncated: prediction.truncated,
        reasoning_chars: completion
            .reasoning
            .map(|reasoning| reasoning.chars().count()),
    }
}

fn count(scorer: Scorer, task: Task, example: &Example, completion: &Completion) -> Counts {
    if scorer == Scorer::ReasoningIe {
        // The default needs no alignment, only the two sets.
        let gold = EntitySet::new(&example.entities);
        return gold.compare(&EntitySet::new(&completion.entities));
    }
    let sentence = Sentence {
        text: compared_text(task, &example.sentence),
        schema: &example.schema,
        gold: &example.entities,
        predicted: &without_placeholders(scorer, &completion.entities),
        parse_failure: is_parse_failure(completion),
    };
    let score = ner_score::score_sentence(scorer, &sentence);
    score.tally.counts(scorer)
}

/// The text that items are placed in. Head and tail together stand nowhere, so relations are compared by their texts,
/// as in an unknown sentence.
pub(crate) fn compared_text(task: Task, sentence: &str) -> &str {
    if task == Task::Relations {
        ""
    } else {
        sentence
    }
}

/// Whether an answer is not JSON of the shape asked for.
pub(crate) fn is_parse_failure(completion: &Completion) -> bool {
    let has_wrong_shape = completion
        .problems
        .iter()
        .any(|problem| matches!(problem, Problem::WrongShape(_)));
    has_wrong_shape || !completion.is_json
}

fn filtered(sentences: &[SentenceScore]) -> Filtered {
    let mut all = Filtered::default();
    sentences
        .iter()
        .for_each(|sentence| all.merge(&sentence.filtered));
    all
}

fn set_results(
    suite: &Suite,
    scores: &[Vec<SentenceScore>],
    totals: &[Counts],
    intervals: &Bootstrap,
) -> Vec<SetResult> {
    let sets = suite
        .sets
        .iter()
        .zip(scores)
        .zip(totals)
        .zip(&intervals.sets);
    let results = sets.map(|(((set, sentences), counts), interval)| SetResult {
        name: set.name.clone(),
        sentences: sentences.len(),
        unanswered: set.examples.len() - sentences.len(),
        counts: *counts,
        filtered: filtered(sentences),
        precision: counts.precision_percent(),
        recall: counts.recall_percent(),
        f1: counts.f1_percent(),
        interval: interval.percent(),
        parse_failures: sentences
            .iter()
            .filter(|sentence| sentence.parse_failure)
            .count(),
        schema_violations: sentences
            .iter()
            .map(|sentence| sentence.schema_violations)
            .sum(),
        hallucinated_entities: sentences.iter().map(|sentence| sentence.hallucinated).sum(),
        truncated: sentences
            .iter()
            .filter(|sentence| sentence.truncated)
            .count(),
        reasoning_chars: Lengths::of(
            sentences
                .iter()
                .filter_map(|sentence| sentence.reasoning_chars)
                .collect(),
        ),
    });
    results.collect()
}
