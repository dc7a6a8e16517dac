//! Beyond the score: types, errors, other scorers, and the known ways in which the method fails.

use std::collections::HashMap;

use ner_score::analysis::SentenceScore;
use ner_score::buckets::Seen;
use ner_score::filter::is_placeholder;
use ner_score::mean::mean_f1;
use ner_score::{
    Counts, ErrorClass, Report, ReportBuilder, ReportOptions, Scorer, Sentence, score_sentence,
    total,
};
use ner_types::{Completion, Entity, Example, ReadMode, Task};
use serde::{Deserialize, Serialize};

use crate::options::EvalOptions;
use crate::prediction::Prediction;
use crate::result::Lengths;
use crate::score::{compared_text, is_parse_failure};
use crate::suite::{EvalSet, Suite};

/// What the answers of one system look like, set by set and over all sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// The preset behind `sets`.
    pub scorer: Scorer,
    /// One entry per set, in the order of the suite.
    pub sets: Vec<SetAnalysis>,
    /// The same answers under every preset, side by side.
    pub scorers: Vec<ScorerRow>,
    /// The method's failure signatures over all sets.
    pub signatures: Signatures,
    /// Micro-F1 in percent of the set with the lowest and of that with the highest, and how far the sets lie apart.
    pub spread: Option<Spread>,
    /// Mean of the five CrossNER sets' F1 in percent: without the two MIT sets, which the paper's GRPO data contain.
    pub crossner_mean_f1: Option<f64>,
}

/// What the answers to one set look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetAnalysis {
    /// Name of the set.
    pub name: String,
    /// Types, error classes, confusion and buckets. Precision, recall and F1 in it are fractions, not percent.
    pub report: Report,
    /// The failure signatures of this set.
    pub signatures: Signatures,
}

/// F1 in percent under one preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScorerRow {
    /// The preset.
    pub scorer: Scorer,
    /// Micro-F1 of each set, in the order of the suite.
    pub f1: Vec<f64>,
    /// Their mean, over the sets that have an answer.
    pub mean_f1: f64,
}

/// How far the sets lie apart, in points of F1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Set with the lowest F1.
    pub worst: String,
    /// Its F1 in percent.
    pub lowest: f64,
    /// Set with the highest F1.
    pub best: String,
    /// Its F1 in percent.
    pub highest: f64,
    /// Standard deviation over the sets (of the sets themselves, so divided by their number).
    pub deviation: f64,
}

/// The known weaknesses of reasoning before extracting: long reasoning, leaving the schema, running out of tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signatures {
    /// Answers.
    pub answers: usize,
    /// Predicted entities, as given.
    pub entities: usize,
    /// Answers that are not JSON of the shape asked for.
    pub parse_failures: usize,
    /// Answers that reached the length limit.
    pub truncated: usize,
    /// Answers whose reasoning is not closed.
    pub unclosed_reasoning: usize,
    /// Answers with at least one entity whose label was not asked for.
    pub answers_outside_schema: usize,
    /// Entities whose label was not asked for.
    pub entities_outside_schema: usize,
    /// Entities whose text is not in the sentence.
    pub hallucinated: usize,
    /// Length of the reasoning in characters, over the answers that have any.
    pub reasoning_chars: Option<Lengths>,
    /// Length of the reasoning in words, over the answers that have any.
    pub reasoning_words: Option<Lengths>,
    /// Length of the whole completion in tokens, over the answers whose tokens were counted.
    pub tokens: Option<Lengths>,
    /// Words of reasoning for each predicted entity, over all answers together.
    pub words_per_entity: Option<f64>,
    /// Tokens of the completion for each predicted entity, over the answers whose tokens were counted.
    pub tokens_per_entity: Option<f64>,
}

/// Analyses the answers. Sentences without a prediction are left out; predictions must fit the suite, as
/// [`crate::score::score_predictions`] and [`crate::faults::read_predictions_for`] make sure.
pub fn analyse(
    suite: &Suite,
    predictions: &[Prediction],
    scorer: Scorer,
    options: &EvalOptions,
) -> Analysis {
    analyse_with_training(suite, predictions, scorer, options, None)
}

/// [`analyse`] with the entities that the system was trained on, for the table of seen and unseen ones.
pub fn analyse_with_training(
    suite: &Suite,
    predictions: &[Prediction],
    scorer: Scorer,
    options: &EvalOptions,
    seen: Option<&Seen>,
) -> Analysis {
    let mut facts = Facts::default();
    let mut rows = Scorer::ALL.map(|scorer| (scorer, Vec::new()));
    let mut sets = Vec::new();
    for set in &suite.sets {
        let answered = answers(set, predictions);
        let report = ReportOptions {
            scorer,
            seed: options.seed,
            resamples: options.resamples,
            seen: seen.cloned(),
        };
        sets.push(analyse_set(set, &answered, report, &mut facts));
        for (scorer, totals) in &mut rows {
            totals.push(total_under(*scorer, &answered));
        }
    }
    let f1 = |set: &SetAnalysis| (set.name.clone(), set.report.micro.f1 * 100.0);
    // A set without any answer has no score: not the lowest, and no part in a mean.
    let answered = sets.iter().filter(|set| set.report.sentences > 0);
    let f1: Vec<(String, f64)> = answered.map(f1).collect();
    Analysis {
        scorer,
        scorers: rows
            .into_iter()
            .map(|(scorer, totals)| scorer_row(scorer, totals, &sets))
            .collect(),
        signatures: facts.finish(),
        spread: spread(&f1),
        crossner_mean_f1: crossner_mean(&f1),
        sets,
    }
}

/// A sentence as it was asked, with its answer read.
pub(crate) struct Answered<'a> {
    /// The sentence with normalised labels, and with what is compared in place of relations or events.
    pub(crate) example: Example,
    /// What is looked for in it.
    task: Task,
    /// What the answer says.
    pub(crate) completion: Completion,
    /// Its entities without placeholder labels, as presets count them that do not filter the gold alone.
    kept: Vec<Entity>,
    /// The answer itself.
    pub(crate) prediction: &'a Prediction,
}

impl Answered<'_> {
    /// The entities of the answer that a preset counts.
    pub(crate) fn counted(&self, scorer: Scorer) -> &[Entity] {
        if scorer.filters_gold_alone() {
            &self.completion.entities
        } else {
            &self.kept
        }
    }

    /// The sentence in the scorer's terms.
    pub(crate) fn sentence(&self, scorer: Scorer) -> Sentence<'_> {
        Sentence {
            text: compared_text(self.task, &self.example.sentence),
            schema: &self.example.schema,
            gold: &self.example.entities,
            predicted: self.counted(scorer),
            parse_failure: is_parse_failure(&self.completion),
        }
    }
}

/// The answered sentences of a set, in its order.
pub(crate) fn answers<'a>(set: &EvalSet, predictions: &'a [Prediction]) -> Vec<Answered<'a>> {
    let of_set = predictions.iter().filter(|p| p.dataset == set.name);
    let by_index: HashMap<usize, &Prediction> = of_set.map(|p| (p.index, p)).collect();
    let sentences = set.examples.iter().enumerate();
    sentences
        .filter_map(|(index, example)| {
            let prediction = *by_index.get(&index)?;
            let task = example.task();
            let completion = task.read_items(&prediction.completion, ReadMode::Reference);
            let kept = completion.entities.iter().filter(|e| !is_placeholder(e));
            Some(Answered {
                example: example.as_items().normalized(),
                task,
                kept: kept.cloned().collect(),
                completion,
                prediction,
            })
        })
        .collect()
}

fn analyse_set(
    set: &EvalSet,
    answered: &[Answered<'_>],
    options: ReportOptions,
    all: &mut Facts,
) -> SetAnalysis {
    let scorer = options.scorer;
    let mut builder = ReportBuilder::new(options);
    let mut facts = Facts::default();
    for answer in answered {
        let score = builder.add(&answer.sentence(scorer));
        facts.add(answer, &score);
        all.add(answer, &score);
    }
    SetAnalysis {
        name: set.name.clone(),
        report: builder.finish(),
        signatures: facts.finish(),
    }
}

fn total_under(scorer: Scorer, answered: &[Answered<'_>]) -> Counts {
    let counts = answered.iter().map(|answer| {
        score_sentence(scorer, &answer.sentence(scorer))
            .tally
            .counts(scorer)
    });
    total(&counts.collect::<Vec<_>>())
}

fn scorer_row(scorer: Scorer, totals: Vec<Counts>, sets: &[SetAnalysis]) -> ScorerRow {
    let answered = totals.iter().zip(sets);
    let answered = answered.filter(|(_, set)| set.report.sentences > 0);
    let answered: Vec<Counts> = answered.map(|(total, _)| *total).collect();
    ScorerRow {
        scorer,
        f1: totals.iter().map(Counts::f1_percent).collect(),
        mean_f1: mean_f1(&answered) * 100.0,
    }
}

fn spread(f1: &[(String, f64)]) -> Option<Spread> {
    let by_f1 = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
    let (worst, best) = (f1.iter().min_by(by_f1)?, f1.iter().max_by(by_f1)?);
    let n = f1.len() as f64;
    let mean = f1.iter().map(|(_, f1)| f1).sum::<f64>() / n;
    let variance = f1.iter().map(|(_, f1)| (f1 - mean).powi(2)).sum::<f64>() / n;
    Some(Spread {
        worst: worst.0.clone(),
        lowest: worst.1,
        best: best.0.clone(),
        highest: best.1,
        deviation: variance.sqrt(),
    })
}

fn crossner_mean(f1: &[(String, f64)]) -> Option<f64> {
    let of_crossner = f1.iter().filter(|(name, _)| name.starts_with("CrossNER_"));
    let f1: Vec<f64> = of_crossner.map(|(_, f1)| *f1).collect();
    (f1.len() == 5).then(|| f1.iter().sum::<f64>() / 5.0)
}

/// [`Signatures`] while they are gathered.
#[derive(Default)]
struct Facts {
    counts: Signatures,
    chars: Vec<usize>,
    words: Vec<usize>,
    tokens: Vec<usize>,
    entities_of_counted: usize,
}

impl Facts {
    fn add(&mut self, answer: &Answered<'_>, score: &SentenceScore) {
        let (counts, completion) = (&mut self.counts, &answer.completion);
        let of_class = |class| score.errors.iter().filter(|e| e.class == class).count();
        let outside = of_class(ErrorClass::OutsideSchema);
        counts.answers += 1;
        counts.entities += completion.entities.len();
        counts.parse_failures += usize::from(is_parse_failure(completion));
        counts.truncated += usize::from(answer.prediction.truncated);
        counts.unclosed_reasoning += usize::from(
            completion
                .problems
                .contains(&ner_types::Problem::UnclosedThink),
        );
        counts.answers_outside_schema += usize::from(outside > 0);
        counts.entities_outside_schema += outside;
        counts.hallucinated += of_class(ErrorClass::Hallucinated);
        if let Some(reasoning) = &completion.reasoning {
            self.chars.push(reasoning.chars().count());
            self.words.push(reasoning.split_whitespace().count());
        }
        if let Some(tokens) = answer.prediction.tokens {
            self.tokens.push(tokens);
            self.entities_of_counted += completion.entities.len();
        }
    }

    fn finish(self) -> Signatures {
        let per = |lengths: &[usize], entities: usize| {
            let sum: usize = lengths.iter().sum();
            (!lengths.is_empty() && entities > 0).then(|| sum as f64 / entities as f64)
        };
        Signatures {
            words_per_entity: per(&self.words, self.counts.entities),
            tokens_per_entity: per(&self.tokens, self.entities_of_counted),
            reasoning_chars: Lengths::of(self.chars),
            reasoning_words: Lengths::of(self.words),
            tokens: Lengths::of(self.tokens),
            ..self.counts
        }
    }
}
