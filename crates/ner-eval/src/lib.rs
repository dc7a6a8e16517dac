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

mod error;
mod evaluate;
mod paper;
mod prediction;
mod result;
mod score;
mod suite;
mod table;

pub use error::Error;
pub use evaluate::{Answer, BoxError, Completer, EvalOptions, Progress, evaluate, evaluate_from};
pub use paper::{PAPER, PaperRow, TABLE_1};
pub use prediction::{Prediction, read_predictions, write_predictions};
pub use result::{EvalResult, Lengths, SetResult};
pub use score::{compare, score_predictions};
pub use suite::{EvalSet, Suite};
pub use table::ResultTable;
