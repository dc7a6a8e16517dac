//! The paper's scores of predictions for whole test sets, where the datasets are at hand.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ner_eval::prediction::read_predictions;
use ner_eval::score::score_predictions;
use ner_eval::{EvalOptions, Suite};
use ner_score::mean::round_2;
use serde::Deserialize;

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json;
use super::layout::Part;

/// Scores have two decimals.
const TOLERANCE: Tolerance = Tolerance::Absolute(1e-9);
/// The name of the mean among the scores.
const MEAN: &str = "average";

#[derive(Deserialize)]
struct Expected {
    /// Percent by set, and the mean.
    f1: BTreeMap<String, f64>,
    sentences: usize,
}

/// Compares one file of predictions.
pub(super) fn check(part: &Part, datasets: &Path, board: &mut Board) -> Result<()> {
    let name = format!("{}: F1 of every set and their mean", part.name);
    if !datasets.is_dir() {
        let datasets = datasets.display();
        board.absent(
            &name,
            format!("no datasets in {datasets}; name their folder with --datasets"),
        );
        return Ok(());
    }
    board.run(name, || compare(&part.path, datasets));
    Ok(())
}

fn compare(dir: &Path, datasets: &Path) -> Result<Comparison> {
    let expected: Expected = read_json(&dir.join("expected.json"))?;
    let suite = Suite::benchmark(datasets)?;
    let predictions = read_predictions(&dir.join("predictions.jsonl"))?;
    let found = predictions.len();
    let sentences = expected.sentences;
    ensure!(
        found == sentences,
        "expected {sentences} predictions, found {found}"
    );
    // The intervals are not compared, and resampling takes longer than scoring.
    let options = EvalOptions {
        resamples: 1,
        ..EvalOptions::default()
    };
    let result = score_predictions(&suite, predictions, &options)?;
    let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
    scores.extend(result.sets.iter().map(|set| (&*set.name, round_2(set.f1))));
    scores.insert(MEAN, result.mean_f1_paper);
    let mut comparison = Comparison::new(TOLERANCE);
    for (set, expected) in &expected.f1 {
        let found = scores.get(&set[..]).copied();
        let found = found.with_context(|| format!("there is no dataset {set}"))?;
        comparison.number(|| set.clone(), found, *expected);
    }
    Ok(comparison)
}
