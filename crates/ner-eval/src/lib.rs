//! Benchmark suites over a [`Completer`], and their result tables.
//!
//! [`evaluate`] renders the prompts of a [`Suite`], has them answered in batches and scores the answers as the paper
//! does: micro-F1 per set over sets of (normalised text, label), predictions not filtered by the schema, then the mean
//! of the sets. [`score_predictions`] does the scoring alone, for answers that lie on disk. [`ResultTable`] puts named
//! results beside [`TABLE_1`], the paper's own.
//!
//! ```
//! use std::ops::ControlFlow;
//! use ner_eval::{Answer, BoxError, Completer, EvalOptions, EvalSet, Suite, evaluate};
//! use ner_types::{Entity, Example, PromptTemplate};
//!
//! /// Finds one city everywhere.
//! struct OneCity;
//!
//! impl Completer for OneCity {
//!     fn complete(&mut self, prompts: &[String]) -> Result<Vec<Answer>, BoxError> {
//!         let text = r#"{"entities": {"city": ["Brel"]}}"#;
//!         Ok(prompts.iter().map(|_| Answer { text: text.into(), truncated: false, tokens: 9 }).collect())
//!     }
//! }
//!
//! let sentence = Example {
//!     sentence: "Brel sleeps .".into(),
//!     schema: vec!["city".into()],
//!     entities: vec![Entity::new("Brel", "city")],
//!     ..Example::default()
//! };
//! let suite = Suite { name: "tiny".into(), sets: vec![EvalSet { name: "one".into(), examples: vec![sentence] }] };
//! let go_on = &mut |_: ner_eval::Progress<'_>| ControlFlow::Continue(());
//! let result = evaluate(&suite, &PromptTemplate::paper(), &mut OneCity, &EvalOptions::default(), go_on)?;
//! assert_eq!(result.mean_f1, 100.0);
//! # Ok::<(), ner_eval::Error>(())
//! ```
//!
//! The crate knows no model: whatever completes prompts is behind the trait.
//!
//! Around this core: [`SuiteSpec`] reads suites from TOML files and finds their data, [`read_predictions_for`] holds a
//! file of predictions against a suite, [`PredictionLog`] keeps a run's answers so that it can go on, [`RunReport`]
//! writes results, counts and the page, and [`compare_runs`] tells what one run gained over another.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod analysis;
mod compare;
mod competitors;
mod error;
mod evaluate;
mod faults;
mod few_shot;
#[cfg(feature = "http")]
mod http;
mod load;
mod log;
mod page;
mod paper;
mod prediction;
mod result;
mod run_report;
mod score;
mod suite;
mod suite_spec;
mod table;
mod training;

pub use analysis::{
    Analysis, ScorerRow, SetAnalysis, Signatures, Spread, analyse, analyse_with_training,
};
pub use compare::{Comparison, Gain, RunScores, SCORES_FILE, SetScores, compare_runs};
pub use competitors::{COMPETITORS, CompetitorRow};
pub use error::Error;
pub use evaluate::{
    Answer, BoxError, Completer, EvalOptions, FailedRequest, Outcome, Progress, evaluate,
    evaluate_from,
};
pub use faults::{CheckedPredictions, Fault, FaultKind, Faults, read_predictions_for};
pub use few_shot::FewShotSample;
#[cfg(feature = "http")]
pub use http::{Retry, UrlCompleter, UrlConfig, UrlError};
pub use load::{LoadedSuite, OnFault, SetLayout, SetSource};
pub use log::{PredictionLog, RunIdentity};
pub use paper::{PAPER, PaperRow, TABLE_1};
pub use prediction::{Prediction, read_predictions, write_predictions};
pub use result::{EvalResult, Lengths, SetResult};
pub use run_report::{Prompting, ReportSettings, RunReport, WrittenFiles};
pub use score::{compare, score_predictions, score_predictions_with};
pub use suite::{EvalSet, Suite};
pub use suite_spec::{Columns, FewShotSpec, SetFiles, SetSpec, SplitName, SuiteSpec};
pub use table::ResultTable;
pub use training::{TrainedOn, TrainingData};
