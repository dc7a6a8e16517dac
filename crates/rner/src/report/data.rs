//! What a report tells; the content of `report.json`.

use super::chart::Chart;
use super::machine::{Machine, Program};
use super::model_result::ModelResult;
use super::setting::Setting;
use ner_cot::Funnel;
use ner_eval::steps::Steps;
use ner_eval::{EvalResult, Suite};
use ner_types::Entity;
use serde::{Deserialize, Serialize};

/// Everything that the page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportData {
    /// Heading of the page.
    pub title: String,
    /// When the run ended, in UTC.
    pub created: String,
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub program: Program,
    /// Whether teacher and judge were those inside the program.
    pub simulated_teacher: bool,
    /// What the reader should know besides, one paragraph each.
    pub notes: Vec<String>,
    /// What became of the teacher's answers.
    pub funnel: Option<Funnel>,
    /// The stages in order.
    pub stages: Vec<StageTime>,
    /// Training curves.
    pub charts: Vec<Chart>,
    /// Scores: models in the order of the table, each with one entry per seed.
    pub results: Vec<ModelResult>,
    /// What the scores measure, and so whether the paper's may stand beside them.
    #[serde(default)]
    pub setting: Setting,
    /// What each row of the ablation has over the one before, and how sure that is.
    #[serde(default)]
    pub steps: Steps,
    /// Completions to look at.
    pub samples: Vec<Sample>,
    /// The resolved recipe as TOML.
    pub recipe: String,
}

/// How long a stage took.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// Its name.
    pub name: String,
    /// Seconds of the run that did it.
    pub seconds: f64,
    /// Whether this run found it done; `seconds` are then those of the earlier one.
    pub skipped: bool,
    /// What came out of it, in a few words.
    pub summary: String,
}

/// A completion with its sentence and gold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Row of the table that wrote it.
    pub model: String,
    /// Evaluation set of the sentence.
    pub set: String,
    /// The sentence.
    pub sentence: String,
    /// What should have been found.
    pub gold: Vec<Entity>,
    /// The completion as the model wrote it.
    pub completion: String,
}

/// Sentences of a set that the report shows.
const SHOWN: usize = 1;
/// Sets of which sentences are shown.
const SHOWN_SETS: usize = 3;

/// Completions to show of a model: of a few sets the first sentences that have
/// at least two entities, so that every model is shown on the same ones.
pub fn pick_samples(model: &str, result: &EvalResult, suite: &Suite) -> Vec<Sample> {
    let step = suite.sets.len().div_ceil(SHOWN_SETS).max(1);
    let sets = suite.sets.iter().step_by(step);
    sets.flat_map(|set| {
        let telling = set
            .examples
            .iter()
            .enumerate()
            .filter(|(_, e)| e.entities.len() >= 2);
        telling.take(SHOWN).filter_map(|(index, example)| {
            let prediction = result
                .predictions
                .iter()
                .find(|p| p.dataset == set.name && p.index == index)?;
            Some(Sample {
                model: model.to_owned(),
                set: set.name.clone(),
                sentence: example.sentence.clone(),
                gold: example.entities.clone(),
                completion: prediction.completion.clone(),
            })
        })
    })
    .collect()
}
