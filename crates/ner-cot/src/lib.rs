//! The NER-CoT pipeline: a teacher annotates and reasons, rules and a judge
//! decide what may be used for training.
//!
//! [`Pipeline`] takes sentences with their schemas, asks a teacher behind an
//! OpenAI-compatible server to annotate them anew with reasoning, drops answers
//! that break a structural [rule](rules::Rule), lets a judge score the rest from 0 to 10, and
//! keeps what reaches the threshold, as in *A Reasoning Paradigm for Named Entity
//! Recognition* (arXiv 2511.11978). Rejected rows are asked about again up to a
//! number of attempts. The paper's prompts are not public; ours are template
//! files in `prompts/`.
//!
//! An answer costs money, so the design turns on the [`Journal`]: every answer is
//! on disk before it is parsed, and is found again by the hash of what was asked.
//! A crash, a changed rule or a changed threshold repeats no answered request.
//! The price is that the directory holds every answer ever received, rejected
//! ones included.
//!
//! Around the pipeline stand [`row_check`] for rows that are not worth a request, [`near`] and [`leakage`] for those
//! that should not be in the dataset, [`batch`] for services that answer files, [`estimate`] and [`bill`] for what a
//! run costs, [`export`] for the dataset's files (Parquet needs the feature `parquet`) and [`card`] for its
//! description. [`audit`] counts how often the rules are wrong.
//!
//! The crate knows no tensors. What the source says about entities is neither sent nor compared; only the audit
//! looks at it.
//!
//! ```no_run
//! use chat_client::{ChatClient, Endpoint, KeySource};
//! use ner_cot::output::write_dataset;
//! use ner_cot::{CancellationToken, Pipeline, PipelineConfig};
//! # async fn example(source: Vec<ner_types::Example>) -> Result<(), ner_cot::Error> {
//! let mut teacher = Endpoint::new("https://api.deepseek.com/v1", "deepseek-v4-pro");
//! teacher.key = KeySource::Env("DEEPSEEK_API_KEY".into());
//! let judge = Endpoint::new("http://localhost:8000/v1", "Qwen/Qwen3-32B");
//! let pipeline = Pipeline::new(
//!     ChatClient::new(teacher)?,
//!     ChatClient::new(judge)?,
//!     PipelineConfig::default(),
//! )?;
//! let dir = std::path::Path::new("runs/cot");
//! let outcome = pipeline.run(&source, dir, &CancellationToken::new(), &mut ()).await?;
//! write_dataset(dir, &outcome.accepted, &outcome.funnel)?;
//! # Ok(())
//! # }
//! ```

pub mod audit;
pub mod batch;
pub mod bill;
pub mod card;
pub mod estimate;
pub mod export;
pub mod generate;
pub mod journal;
pub mod leakage;
pub mod near;
pub mod output;
pub mod prompts;
pub mod replay;
pub mod report;
pub mod row_check;
pub mod rules;
pub mod source;

mod agree;
mod cut_off;
mod drive;
mod error;
mod failure;
mod hashing;
mod judge;
mod language;
mod leak;
mod manifest;
mod observer;
mod pipeline;
mod plan;
mod repetition;
mod row;
mod rule;
mod shape;
mod verbatim;
mod words;

pub use cut_off::CutOffLimit;
pub use error::Error;
pub use generate::Generated;
pub use journal::Journal;
pub use judge::judge_reason;
pub use observer::{Observer, Progress};
pub use pipeline::{Outcome, Pipeline, RunOptions, Sent, StopCause};
pub use plan::{PipelineConfig, Plan};
pub use report::Funnel;
pub use source::{Selection, SelectionOptions, Source};
pub use tokio_util::sync::CancellationToken;
