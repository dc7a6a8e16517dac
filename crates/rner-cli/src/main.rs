//! The `rner` command line.

mod asked;
mod calibrate;
mod cli;
mod commands;
mod cot;
mod export;
mod extract;
mod lab;
mod ner;
#[cfg(test)]
mod outputs;
mod preflight;
mod promised;
mod prompt;
mod sentences;
mod serve;
mod task;
mod training;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rner_cli::exit;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    exit::start();
    let cli = Cli::parse();
    if computes(&cli.command) {
        lm_kernels::keep_freed_memory();
        lm_kernels::use_huge_pages();
        lm_kernels::compute_in_this_thread();
    }
    exit::finish(run(cli))
}

/// Whether tensors come and go, for which it is faster to keep their memory, in large pages. What talks to servers
/// gives it back, and what another program does is that one's business.
fn computes(command: &Command) -> bool {
    matches!(
        command,
        Command::Reproduce(_)
            | Command::Sft(_)
            | Command::Grpo(_)
            | Command::Eval(_)
            | Command::Extract(_)
            | Command::Calibrate(_)
            | Command::Serve(_)
    )
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Reproduce(args) => commands::reproduce(&args),
        Command::Cot(command) => cot::run(command),
        Command::Serve(args) => serve::run(&args),
        Command::Sft(args) => commands::sft(&args),
        Command::Grpo(args) => commands::grpo(&args),
        Command::Eval(args) => ner::eval::run(&args),
        Command::Data(args) => ner::data::run(&args),
        Command::Score(args) => ner::score::run(&args),
        Command::Report { run } => commands::report(&run),
        Command::Extract(args) => extract::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Prompt(args) => prompt::run(&args),
        Command::Bench(args) => lab::run("bench", &args),
        Command::Parity(args) => lab::run("parity", &args),
        Command::Backend(args) => lab::run("backend", &args),
        Command::Tiny(args) => lab::run("tiny", &args),
    }
}
