//! `rner eval --predictions FILE`: answers that were made elsewhere.

use std::path::Path;

use anyhow::Result;
use ner_eval::faults::read_predictions_for;
use ner_eval::{EvalOptions, RunReport};

use super::eval_suite::{SuiteArgs, TrainArgs, finish};

/// Scores a file of predictions and writes the results into `out`.
pub(crate) fn run(
    suite: &SuiteArgs,
    train: &TrainArgs,
    data: &Path,
    predictions: &Path,
    options: EvalOptions,
    out: &Path,
) -> Result<()> {
    let mut loaded = suite.load(data)?;
    let checked = read_predictions_for(&mut loaded, predictions, suite.faults.into())?;
    let settings = suite.settings(train, predictions.display().to_string(), None, options)?;
    let faults = Some(checked.faults);
    let report = RunReport::new(&loaded, checked.predictions, Vec::new(), faults, &settings)?;
    finish(&report, &loaded, out)?;
    Ok(())
}
