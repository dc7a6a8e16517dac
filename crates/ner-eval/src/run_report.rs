//! Everything that an evaluation leaves behind: predictions, counts, `results.json` and the page.

use std::path::{Path, PathBuf};

use ner_datasets::BENCHMARK_SETS;
use ner_score::{Filtered, Scorer};
use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, analyse_with_training};
use crate::compare::RunScores;
use crate::error::Error;
use crate::faults::kind::Faults;
use crate::load::{DataPlace, LoadedSuite, SetSource};
use crate::options::{EvalOptions, Prompting};
use crate::page::{self, PageData};
use crate::prediction::{FailedRequest, Prediction, write_predictions};
use crate::result::EvalResult;
use crate::score::score_predictions_with;
use crate::structures::{RuleScore, in_words, rule_scores};
use crate::table::{ResultTable, details};
use crate::training::{TrainedOn, TrainingData};

/// What is to be reported besides the answers.
#[derive(Clone, Debug, Default)]
pub struct ReportSettings {
    /// Name of the system, for tables and the page.
    pub system: String,
    /// Preset of the scores.
    pub scorer: Scorer,
    /// How the model was asked; `None` where the answers came from a file.
    pub prompting: Option<Prompting>,
    /// Bootstrap of the intervals.
    pub options: EvalOptions,
    /// What the system was trained on, where that is known.
    pub training: Option<TrainingData>,
}

/// A finished evaluation: the content of `results.json`.
///
/// The file begins with `f1`, F1 in percent by dataset name, and can be read as an [`EvalResult`] as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The scores.
    #[serde(flatten)]
    pub result: EvalResult,
    /// Name of the system.
    pub system: String,
    /// How it was asked.
    pub prompting: Option<Prompting>,
    /// Types, errors, other presets and failure signatures.
    pub analysis: Analysis,
    /// Where each set came from, and its types as they were asked for.
    pub sources: Vec<SetSource>,
    /// Sets that were left out, because they are not there.
    pub absent: Vec<String>,
    /// Which copies were used, and what was filtered.
    pub notes: Vec<String>,
    /// What did not fit in the file of predictions, where there was one.
    pub faults: Option<Faults>,
    /// How many sentences of each set were asked at most, where not all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the data were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<DataPlace>,
    /// What the system was trained on, where that is known: then the tables by novelty are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<TrainedOn>,
    /// Of relations and events, the scores by the rules of their fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleScore>,
}

/// The files of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFiles {
    /// `predictions.jsonl`, in the order of the suite.
    pub predictions: PathBuf,
    /// `scores.json`, for [`crate::compare::compare_runs`].
    pub scores: PathBuf,
    /// `results.json`.
    pub results: PathBuf,
    /// `results.html`.
    pub page: PathBuf,
}

impl RunReport {
    /// Scores and analyses the answers to a suite.
    ///
    /// `failures` are the sentences that could not be answered, `faults` what was wrong in a file of predictions.
    ///
    /// # Errors
    ///
    /// If a prediction belongs to no sentence of the suite, or a sentence has two.
    pub fn new(
        loaded: &LoadedSuite,
        predictions: Vec<Prediction>,
        failures: Vec<FailedRequest>,
        faults: Option<Faults>,
        settings: &ReportSettings,
    ) -> Result<RunReport, Error> {
        let (scorer, options) = (settings.scorer, &settings.options);
        let result = score_predictions_with(scorer, &loaded.suite, predictions, options)?;
        let notes = loaded.notes.iter().cloned();
        let matching = faults.iter().flat_map(Faults::notes);
        let notes = notes.chain(matching).chain(filter_notes(&result, scorer));
        Ok(RunReport {
            rules: rule_scores(&loaded.suite, &result.predictions),
            notes: notes.collect(),
            analysis: analyse_with_training(
                &loaded.suite,
                &result.predictions,
                scorer,
                options,
                settings.training.as_ref().map(|training| &training.seen),
            ),
            trained_on: settings
                .training
                .as_ref()
                .map(|training| training.about.clone()),
            result: EvalResult { failures, ..result },
            system: settings.system.clone(),
            prompting: settings.prompting,
            sources: loaded.sources.clone(),
            absent: loaded.absent.clone(),
            limit: loaded.limit,
            place: loaded.place.clone(),
            faults,
        })
    }

    /// Writes the four files into a folder, which is made if it is not there. Each appears only when complete.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, loaded: &LoadedSuite, dir: &Path) -> Result<WrittenFiles, Error> {
        atomic_files::fs::create_dir_all(dir).map_err(|source| Error::Write {
            path: dir.into(),
            source,
        })?;
        let [predictions, results, page] =
            ["predictions.jsonl", "results.json", "results.html"].map(|name| dir.join(name));
        write_predictions(&predictions, &self.in_order(loaded))?;
        let scores = RunScores::new(
            &loaded.suite,
            &self.result.predictions,
            self.analysis.scorer,
        )
        .write(dir)?;
        ner_datasets::write_atomic(&results, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        })?;
        let html = self.to_html(loaded)?;
        ner_datasets::write_atomic(&page, |out| out.write_all(html.as_bytes()))?;
        Ok(WrittenFiles {
            predictions,
            scores,
            results,
            page,
        })
    }

    /// Whether the paper's figures may stand beside these: all sentences of sets that it reports on.
    pub fn is_benchmark(&self) -> bool {
        let mut sets = self.result.sets.iter();
        self.limit.is_none() && sets.all(|set| BENCHMARK_SETS.contains(&set.name.as_str()))
    }

    /// The results as text: beside the paper's rows if they are on its benchmark, else with types and errors.
    pub fn to_text(&self) -> String {
        let rows = [(self.system.as_str(), &self.result)];
        if self.is_benchmark() {
            return ResultTable::new(&rows).to_text();
        }
        let table = ResultTable::of_other_sets(&rows).to_text();
        table + "\n" + &details(&self.analysis) + &in_words(&self.rules)
    }

    /// The results as a page: one file that needs no network and no script.
    ///
    /// # Errors
    ///
    /// If the template cannot be filled, which is a fault of this crate.
    pub fn to_html(&self, loaded: &LoadedSuite) -> Result<String, Error> {
        let data = PageData {
            result: &self.result,
            system: &self.system,
            is_benchmark: self.is_benchmark(),
            prompting: self.prompting,
            analysis: &self.analysis,
            sources: &self.sources,
            absent: &self.absent,
            notes: &self.notes,
            faults: self.faults.as_ref(),
            trained_on: self.trained_on.as_ref(),
        };
        page::render(&data, &loaded.suite)
    }

    /// The predictions in the order of the suite, whatever the order in which they were made.
    fn in_order(&self, loaded: &LoadedSuite) -> Vec<Prediction> {
        let names: Vec<&str> = loaded
            .suite
            .sets
            .iter()
            .map(|set| set.name.as_str())
            .collect();
        let rank = |name: &str| names.iter().position(|other| *other == name);
        let mut predictions = self.result.predictions.clone();
        predictions.sort_by_key(|prediction| (rank(&prediction.dataset), prediction.index));
        predictions
    }
}

/// What was left out of gold and predictions, over all sets.
fn filter_notes(result: &EvalResult, scorer: Scorer) -> Vec<String> {
    let mut filtered = Filtered::default();
    result
        .sets
        .iter()
        .for_each(|set| filtered.merge(&set.filtered));
    filtered.lines(scorer, "`rner score --filter none` keeps them")
}
