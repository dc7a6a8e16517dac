//! `rner eval --predictions FILE`: answers that were made elsewhere.

use std::path::Path;

use anyhow::Result;
use ner_eval::faults::read_predictions_for;
use ner_eval::{EvalOptions, RunReport};
use rner::run_dir::hash_path;

use super::eval_once::Once;
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
    let system = predictions.display().to_string();
    let once = Once::new(out, system.clone(), &loaded.suite, (suite, train), &options)?
        .with("predictions (BLAKE3)", hash_path(predictions)?)
        .with("faults", format!("{:?}", suite.faults));
    // Before the folder is taken, so that a file that does not fit leaves nothing there.
    let checked = read_predictions_for(&mut loaded, predictions, suite.faults.into())?;
    once.run(|| {
        let settings = suite.settings(train, system, None, options)?;
        let faults = Some(checked.faults);
        let report = RunReport::new(&loaded, checked.predictions, Vec::new(), faults, &settings)?;
        finish(&report, &loaded, out)
    })
}
