//! `rner cot`: from sentences to a dataset with reasoning.

mod args;
mod audit;
mod check;
mod generate;
mod look;
mod money;
mod types;

use anyhow::Result;
use ner_types::Example;
use rner::stages::serve_rows;
use rner_cli::progress::Terminal;

pub(crate) use args::CotCommand;

/// Runs a command.
pub(crate) fn run(command: CotCommand) -> Result<()> {
    match command {
        CotCommand::Generate(args) => generate::generate(&args),
        CotCommand::Status(args) => look::status(&args),
        CotCommand::Export(args) => look::export(&args),
        CotCommand::View(args) => look::view(&args),
        CotCommand::Import { dir, results } => look::import(&dir, &results),
        CotCommand::Merge { dirs, out, force } => look::merge(&dirs, &out, force),
        CotCommand::Compact { dir } => look::compact(&dir),
        CotCommand::Check(args) => check::check(&args),
        CotCommand::Audit(args) => audit::audit(&args),
        CotCommand::ServeTeacher { data, input, seed } => serve(&input.read(&data)?, seed),
    }
}

/// Serves the simulated teacher until interrupted.
fn serve(examples: &[Example], seed: u64) -> Result<()> {
    let announce = |server: &rner::stages::Simulated| {
        println!("{}", server.url);
        rner_cli::say!(
            "models {} and {} for {} sentences; stop with Ctrl-C",
            server.models[0],
            server.models[1],
            server.sentences
        );
    };
    Ok(serve_rows(examples, seed, &Terminal::session(), announce)?)
}
