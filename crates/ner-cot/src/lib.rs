//! The NER-CoT pipeline: a teacher annotates and reasons, rules and a judge
//! decide what may be used for training.
//!
//! [`Pipeline`] takes sentences with their schemas, asks a teacher behind an
//! OpenAI-compatible server to annotate them anew with reasoning, drops answers
//! that break a structural [`Rule`], lets a judge score the rest from 0 to 10, and
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
//! Around the pipeline stand [`check_row`] for rows that are not worth a request,
//! [`NearDuplicates`] and [`Leakage`] for those that should not be in the dataset,
//! [`RowWriter`] for its files and [`dataset_card`] for its description.
//!
//! The crate knows no tensors and no gold annotations: what the source says
//! about entities is neither sent nor compared.
//!
//! ```no_run
//! use ner_cot::{ChatClient, Endpoint, KeySource, Pipeline, PipelineConfig, Stop, write_dataset};
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
//! let outcome = pipeline
//!     .run(&source, dir, &Stop::new(), &mut |p| eprintln!("{}/{}", p.done, p.rows))
//!     .await?;
//! write_dataset(dir, &outcome.accepted, &outcome.funnel)?;
//! # Ok(())
//! # }
//! ```

mod agree;
mod batch;
mod bill;
mod card;
mod drive;
mod error;
mod estimate;
mod export;
mod generate;
mod hashing;
mod journal;
mod judge;
mod language;
mod leak;
mod leakage;
mod manifest;
mod near;
mod output;
mod pipeline;
mod plan;
mod prompts;
mod repetition;
mod replay;
mod report;
mod row;
mod row_check;
mod rule;
mod shape;
mod source;
mod validate;
mod verbatim;
mod words;

pub use batch::{BatchExport, BatchImport, BatchLimits, export_batch, import_batch};
pub use bill::{Bill, Billed, Prices};
pub use card::{Card, CardModel, CardRemoved, dataset_card};
pub use chat_client::{
    Budget, ChatAnswer, ChatClient, ChatRequest, Endpoint, Finish, KeySource, Ledger, Message,
    Peak, Price, Retry, Role, Sampling, Stop, Structured, Usage,
};
pub use error::Error;
pub use estimate::{Estimate, Interval, estimate};
pub use export::{CotRow, Format, RowProvenance, RowWriter};
pub use generate::{Generated, export_dataset};
pub use journal::{
    Compacted, Disk, Durability, Journal, JournalOptions, Key, Merged, Part, RealDisk, Record,
    compact, merge,
};
pub use leakage::{Leak, LeakKind, Leakage};
pub use near::NearDuplicates;
pub use output::{DATASET_FILE, FUNNEL_FILE, write_dataset};
pub use pipeline::{Outcome, Pipeline, Progress, RunOptions, Sent, StopCause};
pub use plan::{PipelineConfig, Plan};
pub use prompts::{Prompts, Template};
pub use replay::{SettledRow, Visitor, replay};
pub use report::{Attempt, Funnel, Provenance, Rejection, Spent, THRESHOLDS};
pub use row::Question;
pub use row_check::{SourceLimits, SourceProblem, check_row};
pub use source::{FileSource, Selection, SelectionOptions, Shard, Source, SourceRows};
pub use validate::{Annotation, Finding, Limits, Rule, Rules, validate};
