//! The `rner` command line.

mod backend;
mod bench;
mod bench_cot;
mod bodies;
mod cli;
mod commands;
mod cot;
mod exit;
mod extract;
mod interrupt;
mod logging;
mod ner;
mod parity;
mod plan;
mod progress;
mod recipe;
mod report;
mod reproduce;
mod run_dir;
mod serve;
mod stages;
mod tensorboard;
mod tiny;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{BenchCommand, Cli, Command, TinyCommand};

fn main() -> ExitCode {
    exit::end_quietly_without_reader();
    logging::init();
    interrupt::install();
    let cli = Cli::parse();
    if computes(&cli.command) {
        lm_kernels::keep_freed_memory();
        lm_kernels::use_huge_pages();
        lm_kernels::compute_in_this_thread();
    }
    exit::finish(run(cli))
}

/// Whether tensors come and go, for which it is faster to keep their memory, in large pages. What talks to servers gives it back.
fn computes(command: &Command) -> bool {
    !matches!(
        command,
        Command::Cot(_)
            | Command::Data(_)
            | Command::Score(_)
            | Command::Bench(BenchCommand::Cot(_) | BenchCommand::Score(_))
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
        Command::Bench(BenchCommand::Score(args)) => ner::bench_score::run(&args),
        Command::Bench(BenchCommand::Cot(args)) => bench_cot::run(&args),
        Command::Bench(BenchCommand::Load(args)) => bench::load(&args),
        Command::Bench(BenchCommand::Sft(args)) => bench::sft(&args),
        Command::Bench(BenchCommand::Generate(args)) => bench::generate(&args),
        Command::Bench(BenchCommand::Grpo(args)) => bench::grpo(&args),
        Command::Parity(args) => commands::parity(&args),
        Command::Backend(args) => bodies::run(&args),
        Command::Report { run } => commands::report(&run),
        Command::Extract(args) => extract::run(&args),
        Command::Tiny(TinyCommand::Corpus { recipe, out }) => commands::corpus(&recipe, &out),
        Command::Tiny(TinyCommand::Pretrain(args)) => commands::pretrain(args),
    }
}
