//! The steps of an ablation: what each method has over the one before it, over all seeds and sentences.
//!
//! A method is a name with the counts of one or more runs, one for each seed. [`compare_steps`] pairs two methods
//! seed by seed and sentence by sentence, and tests the mean of the sets' micro-F1:
//!
//! - over sentences, with a sentence's seeds kept together ([`ner_score::pooled`]): the models are given,
//! - from three seeds on also over seeds ([`ner_score::student`]): the sentences are given,
//! - with Holm's correction of the former for the number of steps.

use std::fmt::Write as _;

use ner_score::pooled::{PooledSet, pooled_test};
use ner_score::student::{TTest, paired_t_test};
use ner_score::{Counts, Interval, holm, total};
use serde::{Deserialize, Serialize};

use crate::compare::{Paired, RunScores, pair_sets};
use crate::error::Error;
use crate::load::OnFault;
use crate::options::EvalOptions;

/// The counts of one run of a method.
#[derive(Clone, Copy, Debug)]
pub struct SeedScores<'a> {
    /// Name of the method; the runs of one name are one method.
    pub name: &'a str,
    /// The seed that it was trained with; none if it was not trained and is compared with every seed of the other.
    pub seed: Option<u64>,
    /// The counts of every sentence.
    pub scores: &'a RunScores,
}

/// The steps of an ablation and how they were tested.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The steps in the order asked for.
    pub steps: Vec<Step>,
    /// Resamples of the intervals and exchanges of the p-values.
    pub rounds: usize,
    /// Seed of both.
    pub seed: u64,
}

/// What a method has over another. F1, gains and interval are in percent, of the mean over sets and seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The method before.
    pub from: String,
    /// The method after.
    pub to: String,
    /// Seeds that were compared; none if nothing was trained.
    pub seeds: Vec<u64>,
    /// Sentences that every run answered.
    pub sentences: usize,
    /// F1 before.
    pub first: f64,
    /// F1 after.
    pub second: f64,
    /// After minus before.
    pub gain: f64,
    /// The gain with each seed.
    pub by_seed: Vec<f64>,
    /// 95 % interval of the gain: bootstrap over sentences, with the models given.
    pub interval: Interval,
    /// Two-sided p-value of approximate randomisation over sentences, with the models given.
    pub p_value: f64,
    /// The same, corrected for the number of steps.
    pub p_holm: f64,
    /// Paired t-test over seeds, with the sentences given; none of fewer than three seeds.
    pub over_seeds: Option<TTest>,
}

/// Compares pairs of methods: `(before, after)`. Pairs of which a method is missing are left out, so that the list can
/// be that of a whole ablation.
///
/// # Errors
///
/// If runs were counted differently or on different sentences: whatever [`crate::compare::compare_runs`] refuses.
pub fn compare_steps(
    runs: &[SeedScores<'_>],
    steps: &[(&str, &str)],
    options: &EvalOptions,
) -> Result<Steps, Error> {
    let mut done = Vec::new();
    for (from, to) in steps {
        let pairs = by_seed(runs, from, to);
        if !pairs.is_empty() {
            done.push(step((*from, *to), &pairs, options)?);
        }
    }
    let p_values: Vec<f64> = done.iter().map(|step| step.p_value).collect();
    for (step, corrected) in done.iter_mut().zip(holm(&p_values)) {
        step.p_holm = corrected;
    }
    Ok(Steps {
        steps: done,
        rounds: options.resamples,
        seed: options.seed,
    })
}

/// The runs of two methods with the same seed.
fn by_seed<'a>(
    runs: &[SeedScores<'a>],
    from: &str,
    to: &str,
) -> Vec<(Option<u64>, &'a RunScores, &'a RunScores)> {
    let of = |name| runs.iter().filter(move |run| run.name == name);
    let pairs = of(from).flat_map(|a| {
        let fits =
            move |b: &&SeedScores<'_>| a.seed.is_none() || b.seed.is_none() || a.seed == b.seed;
        of(to)
            .filter(fits)
            .map(move |b| (a.seed.or(b.seed), a.scores, b.scores))
    });
    pairs.collect()
}

fn step(
    (from, to): (&str, &str),
    pairs: &[(Option<u64>, &RunScores, &RunScores)],
    options: &EvalOptions,
) -> Result<Step, Error> {
    let seeds: Vec<Vec<Paired>> = pairs
        .iter()
        .map(|(_, first, second)| pair_sets(first, second, OnFault::Fatal))
        .collect::<Result<_, _>>()?;
    let sets = pool(&seeds)?;
    let test = pooled_test(&sets, options.seed, options.resamples)?;
    let by_seed: Vec<f64> = test.by_seed.iter().map(|d| d * 100.0).collect();
    Ok(Step {
        from: from.to_owned(),
        to: to.to_owned(),
        seeds: pairs.iter().filter_map(|(seed, ..)| *seed).collect(),
        sentences: sets.iter().map(PooledSet::sentences).sum(),
        first: mean_f1(&seeds, |paired| &paired.first),
        second: mean_f1(&seeds, |paired| &paired.second),
        gain: test.difference * 100.0,
        over_seeds: paired_t_test(&by_seed),
        by_seed,
        interval: test.interval.percent(),
        p_value: test.p_value,
        p_holm: test.p_value,
    })
}

/// For each set the sentences with the counts of all seeds: `(after, before)`, so that a gain is positive.
fn pool(seeds: &[Vec<Paired>]) -> Result<Vec<PooledSet>, Error> {
    let sets = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let of_set = |at: usize| {
        let runs = || seeds.iter().map(move |seed| &seed[at]);
        same_sentences(runs())?;
        let after: Vec<&[Counts]> = runs().map(|run| run.second.as_slice()).collect();
        let before: Vec<&[Counts]> = runs().map(|run| run.first.as_slice()).collect();
        Ok(PooledSet::new(&after, &before)?)
    };
    (0..sets).map(of_set).collect()
}

/// Refuses seeds that were scored on other sentences, as far as their gold tells.
fn same_sentences<'a>(mut runs: impl Iterator<Item = &'a Paired>) -> Result<(), Error> {
    let Some(first) = runs.next() else {
        return Ok(());
    };
    for run in runs {
        let mut pairs = first.first.iter().zip(&run.first).enumerate();
        if let Some((index, (a, b))) = pairs.find(|(_, (a, b))| a.gold != b.gold) {
            return Err(Error::OtherGold {
                dataset: first.name.clone(),
                index,
                expected: a.gold,
                found: b.gold,
            });
        }
    }
    Ok(())
}

/// Mean over seeds and sets of the micro-F1, in percent.
fn mean_f1(seeds: &[Vec<Paired>], of: impl Fn(&Paired) -> &Vec<Counts>) -> f64 {
    let f1: Vec<f64> = seeds
        .iter()
        .flatten()
        .map(|paired| total(of(paired)).f1_percent())
        .collect();
    f1.iter().sum::<f64>() / f1.len().max(1) as f64
}

impl Steps {
    /// The steps as an aligned table with notes, ending with a line break; empty if there are none.
    pub fn to_text(&self) -> String {
        let Some(first) = self.steps.first() else {
            return String::new();
        };
        let name = |step: &Step| format!("{} → {}", step.from, step.to);
        let width = self
            .steps
            .iter()
            .map(|s| name(s).chars().count())
            .max()
            .unwrap_or(0);
        let mut out = format!(
            "{:<width$}  {:>6}  {:>16}  {:>7}  {:>7}  {:>7}\n",
            "step", "gain", "95 % interval", "p", "p Holm", "p seeds"
        );
        for step in &self.steps {
            let interval = format!("{:+.2} to {:+.2}", step.interval.low, step.interval.high);
            let [p, p_holm] = [step.p_value, step.p_holm].map(p_text);
            let seeds = step
                .over_seeds
                .map_or("–".to_owned(), |test| p_text(test.p_value));
            let _ = writeln!(
                out,
                "{:<width$}  {:>+6.2}  {interval:>16}  {p:>7}  {p_holm:>7}  {seeds:>7}",
                name(step),
                step.gain,
            );
        }
        out + &self.notes(first)
    }

    /// What the figures of the table are.
    fn notes(&self, first: &Step) -> String {
        let (sentences, rounds) = (first.sentences, self.rounds);
        let seeds = self
            .steps
            .iter()
            .map(|step| step.seeds.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let over_seeds = if seeds < 3 {
            "there are too few for a test over seeds."
        } else {
            "p seeds: paired t-test over the seeds, sentences given."
        };
        format!(
            "Points of F1 on {sentences} sentences with {seeds} seed{}. Interval (bootstrap) and p (approximate \
             randomisation, {rounds} rounds)\nare over sentences, a sentence's seeds kept together, given these models; \
             Holm corrects for {} steps;\n{over_seeds}\n",
            if seeds == 1 { "" } else { "s" },
            self.steps.len(),
        )
    }
}

/// A p-value in four decimals.
pub fn p_text(p: f64) -> String {
    if p < 0.0001 {
        "<0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}
