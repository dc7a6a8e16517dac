//! Benchmark suites over a [`Completer`], and their result tables.
//!
//! [`evaluate`] renders the prompts of a [`Suite`], has them answered in batches and scores the answers as the paper
//! does: micro-F1 per set over sets of (normalised text, label), predictions not filtered by the schema, then the mean
//! of the sets. [`score_predictions`](score::score_predictions) does the scoring alone, for answers that lie on disk.
//! [`ResultTable`] puts named results beside [`TABLE_1`](paper::TABLE_1), the paper's own.
//!
//! ```
//! use ner_eval::{Answer, BoxError, CancellationToken, Completer, EvalOptions, EvalSet, Question, Suite, evaluate};
//! use ner_types::{Entity, Example, PromptTemplate};
//!
//! /// Finds one city everywhere.
//! struct OneCity;
//!
//! impl Completer for OneCity {
//!     fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
//!         let text = r#"{"entities": {"city": ["Brel"]}}"#;
//!         Ok(questions.iter().map(|_| Answer { text: text.into(), tokens: 9, ..Answer::default() }).collect())
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
//! let (prompt, options, stop) = (PromptTemplate::paper(), EvalOptions::default(), CancellationToken::new());
//! let result = evaluate(&suite, &prompt, &mut OneCity, &options, &stop, &mut ())?;
//! assert_eq!(result.mean_f1, 100.0);
//! # Ok::<(), ner_eval::Error>(())
//! ```
//!
//! The crate knows no model: whatever answers questions is behind the trait.
//!
//! Around this core: [`SuiteSpec`] reads suites from TOML files and finds their data, [`faults`] holds a file of
//! predictions against a suite, [`evaluate_logged`] keeps a run's answers in a [`PredictionLog`] so that it can go on,
//! [`EvalFolder`] keeps a finished one from being made again or replaced, [`RunReport`] writes results, counts and the
//! page, and [`mod@compare`] tells what one run gained over another.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod analysis;
pub mod compare;
pub mod completer;
pub mod curve;
pub mod curve_files;
pub mod faults;
pub mod few_shot;
pub mod folder;
#[cfg(feature = "http")]
pub mod http;
pub mod load;
pub mod matching;
pub mod page;
pub mod paper;
pub mod prediction;
pub mod result;
pub mod rows;
pub mod run_report;
pub mod score;
pub mod steps;
pub mod suite_spec;
pub mod table;
pub mod training;

mod competitors;
mod error;
mod evaluate;
mod gain;
mod log;
mod observer;
mod options;
mod run_identity;
mod structures;
mod suite;

pub use completer::{Answer, BoxError, Completer, Keep, Question};
pub use error::Error;
pub use evaluate::{evaluate, evaluate_from, evaluate_logged};
pub use folder::EvalFolder;
#[cfg(feature = "http")]
pub use http::{UrlCompleter, UrlConfig};
pub use log::PredictionLog;
pub use observer::{Observer, Progress};
pub use options::{EvalOptions, Prompting};
pub use prediction::Prediction;
pub use result::EvalResult;
pub use run_identity::RunIdentity;
pub use run_report::{ReportSettings, RunReport};
pub use structures::RuleScore;
pub use suite::{EvalSet, Suite};
pub use suite_spec::SuiteSpec;
pub use table::ResultTable;
pub use tokio_util::sync::CancellationToken;
