//! `rner cot`: from sentences to a dataset with reasoning.

mod args;
mod card;
mod check;
mod generate;
mod job;
mod look;
mod money;
mod servers;
mod view;

use anyhow::Result;

pub(crate) use args::{CotCommand, FlowArgs, MoneyArgs};
pub(crate) use generate::run_in_memory;
pub(crate) use job::pipeline_config;
pub(crate) use servers::{Servers, gold};

/// Runs a command.
pub(crate) fn run(command: CotCommand) -> Result<()> {
    match command {
        CotCommand::Generate(args) => generate::generate(&args),
        CotCommand::Status(args) => look::status(&args),
        CotCommand::Export(args) => look::export(&args),
        CotCommand::View(args) => view::view(&args),
        CotCommand::Import { dir, results } => look::import(&dir, &results),
        CotCommand::Merge { dirs, out } => look::merge(&dirs, &out),
        CotCommand::Compact { dir } => look::compact(&dir),
        CotCommand::Check(args) => check::check(&args),
        CotCommand::ServeTeacher { data, seed } => crate::stages::serve_teacher(&data, seed),
    }
}
