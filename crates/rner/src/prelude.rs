//! What most programs that use this library name: `use rner::prelude::*`.

pub use crate::answerer::{Answer, Answerer, Question};
pub use crate::backend::{Device, Inner, Task, dispatch};
pub use crate::error::{Error, Result};
pub use crate::extract::Extractor;
pub use crate::recipe::{Recipe, Row};
pub use crate::reproduce::reproduce;
pub use crate::run_dir::RunDir;
pub use crate::session::{Part, ProgressSink, Session};
pub use crate::stages::{
    CotJob, EvalJob, GrpoJob, LmCompleter, MODEL, ModelDir, NerReward, SftJob, samples,
};
pub use ner_types::{Completion, Entity, Example, PromptTemplate};
