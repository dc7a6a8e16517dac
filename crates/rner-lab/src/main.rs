//! The workshop of `rner`: parity with reference values, benchmarks, kernels by backend, pretraining of the toy model.

mod backend;
mod bench;
mod bench_cot;
mod bench_score;
mod cli;
mod commands;
mod parity;
mod pretrain;
mod rehearse;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rner_cli::exit;

use crate::cli::{BenchCommand, Cli, Command, TinyCommand};

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
/// gives it back.
fn computes(command: &Command) -> bool {
    !matches!(
        command,
        Command::Bench(BenchCommand::Cot(_) | BenchCommand::Score(_))
    )
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Bench(command) => measure(command),
        Command::Parity(args) => commands::parity(&args),
        Command::Backend(args) => backend::run(&args),
        Command::Tiny(TinyCommand::Corpus { recipe, out, force }) => {
            commands::corpus(&recipe, &out, force)
        }
        Command::Tiny(TinyCommand::Pretrain(args)) => commands::pretrain(args),
        Command::Rehearse(args) => rehearse::run(&args),
    }
}

fn measure(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Score(args) => bench_score::run(&args),
        BenchCommand::Cot(args) => bench_cot::run(&args),
        BenchCommand::Load(args) => bench::load(&args),
        BenchCommand::Sft(args) => bench::sft(&args),
        BenchCommand::Generate(args) => bench::generate(&args),
        BenchCommand::Extract(args) => bench::extract(&args),
        BenchCommand::Drafts(args) => bench::drafts(&args),
        BenchCommand::Grpo(args) => bench::grpo(&args),
    }
}
