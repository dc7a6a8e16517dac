//! `rner-lab bench load`, `sft`, `generate`, `extract`, `drafts` and `grpo`: what the parts of the program cost on this
//! machine, as JSON.
//!
//! `rner-lab bench score` needs no tensors and lies with the scorer.

mod drafts;
mod extract;
mod generate;
mod grpo;
mod load;
mod measure;
mod sft;
mod shape;

pub(crate) use drafts::{BenchDraftsArgs, run as drafts};
pub(crate) use extract::{BenchExtractArgs, run as extract};
pub(crate) use generate::{BenchGenerateArgs, run as generate};
pub(crate) use grpo::{BenchGrpoArgs, run as grpo};
pub(crate) use load::{BenchLoadArgs, run as load};
pub(crate) use sft::{BenchSftArgs, run as sft};
