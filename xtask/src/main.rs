//! Project tasks, run as `cargo xtask <task>`.
//!
//! `check` and `tidy` judge the source tree; `reproduce` builds the program `rner` and hands over to it, `learning`
//! runs it, `fixtures` and `pretrain-tiny` hand over to `rner-lab`. This crate starts them as processes instead of
//! linking them, and so never compiles Burn.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod check;
mod choice;
mod consumers;
mod learning;
mod pages;
mod program;
mod tidy;
mod vulkan;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::check::Step;
use crate::learning::Learning;
use crate::pages::Pages;
use crate::program::{Backend, Program};
use crate::workspace::Workspace;

/// Project tasks of the rner workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every stage: data, reasoning, fine-tuning, GRPO, evaluation, report.
    ///
    /// Builds `rner` for the backend of the profile, or that of `--backend`, and runs `rner reproduce` with the
    /// arguments given here.
    #[command(after_long_help = REPRODUCE_OPTIONS)]
    Reproduce(PassedOn),
    /// Formatting, tidy, clippy, tests, docs and the CUDA type-check.
    Check {
        /// Run only this step (repeatable).
        #[arg(long, value_name = "STEP", conflicts_with = "skip")]
        only: Vec<Step>,
        /// Leave this step out (repeatable).
        #[arg(long, value_name = "STEP")]
        skip: Vec<Step>,
    },
    /// Check layers, circles, file heads, stray words, paths, lengths, widths and licences.
    Tidy {
        /// Print every circle between the files of a crate, with the imports that make it, and check nothing.
        #[arg(long)]
        circles: bool,
    },
    /// Write the synthetic corpus: builds and runs `rner-lab tiny corpus`.
    Fixtures(PassedOn),
    /// Pretrain the tiny base model again: builds and runs `rner-lab tiny pretrain`.
    PretrainTiny(PassedOn),
    /// Show that GRPO learns from its reward: F1 before and after it, with the reward and with a constant, on three
    /// seeds.
    Learning(Learning),
    /// Look at the HTML pages in headless Chromium: a phone's width and a desktop's, light and dark.
    ///
    /// Fails on faults of layout, and if a planted fault is not found. Without Chromium it says so and passes.
    Pages(Pages),
    /// Try to break the program: kills, damaged files, hostile servers and clients, full disks.
    ///
    /// Builds `rner` and `rner-torture` and hands over to the latter; `--help` shows its options.
    Torture(PassedOn),
    /// Build `rner` in release mode and print the path of the program.
    Build {
        /// Backend to build for.
        #[arg(long, value_enum, default_value_t)]
        backend: Backend,
    },
}

/// Arguments that the program reads; only `--backend` means something here.
#[derive(clap::Args)]
struct PassedOn {
    /// Options of the program; `--backend flex|libtorch|cuda|vulkan` also selects what is built.
    #[arg(
        value_name = "OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<OsString>,
}

const REPRODUCE_OPTIONS: &str = "\
Common options (all of them: `target/release/rner reproduce --help`):
  --smoke              the same stages in the shortest form, with no claim about scores
  --profile PROFILE    which recipe to run
  --backend BACKEND    flex, libtorch, cuda or vulkan; that of the profile if left out
  --teacher NAME       a teacher that there is today, such as deepseek or vllm
  --seeds N            repeat the run with N seeds
  --data DIR           real datasets instead of the synthetic corpus
  --limit N            take N sentences of each dataset
  --set KEY=VALUE      override one key of the recipe (repeatable)
  --dry-run            print what would be done, and what stands against it
  --out DIR            where the run is written";

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Reproduce(passed) => hand_over(&workspace, Program::Rner, &["reproduce"], passed),
        Task::Fixtures(passed) => hand_over(&workspace, Program::Lab, &["tiny", "corpus"], passed),
        Task::PretrainTiny(passed) => hand_over(
            &workspace,
            Program::Lab,
            &["tiny", "pretrain", "--overwrite"],
            passed,
        ),
        Task::Learning(options) => learning::run(&workspace, &options),
        Task::Pages(options) => pages::run(&workspace, &options),
        Task::Torture(passed) => torture(&workspace, &passed),
        Task::Check { only, skip } => check::run(&workspace, &selected(&only, &skip)),
        Task::Tidy { circles: true } => tidy::print_circles(&workspace),
        Task::Tidy { circles: false } => tidy::run(&workspace),
        Task::Build { backend } => {
            println!("{}", program::build(&workspace, backend)?.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Builds the program that is tortured and the one that tortures it, and becomes the latter.
fn torture(workspace: &Workspace, passed: &PassedOn) -> anyhow::Result<ExitCode> {
    program::build(workspace, Backend::Flex)?;
    let mut args = vec!["--root".into(), workspace.root.clone().into_os_string()];
    args.extend(passed.args.iter().cloned());
    program::hand_over(workspace, Program::Torture, Backend::Flex, &[], &args)
}

/// The steps that `--only` and `--skip` leave, in their fixed order.
fn selected(only: &[Step], skip: &[Step]) -> Vec<Step> {
    let steps = check::select(only, skip);
    if steps.is_empty() {
        usage_error("every step is skipped: nothing to check");
    }
    steps
}

/// Builds a program for the backend that its arguments ask for, and becomes it.
fn hand_over(
    workspace: &Workspace,
    program: Program,
    subcommand: &[&str],
    passed: PassedOn,
) -> anyhow::Result<ExitCode> {
    let asked = match program {
        Program::Rner => {
            let recipes = workspace.root.join("crates/rner/recipes");
            choice::backend_of_run(&passed.args, &recipes)
        }
        Program::Lab | Program::Torture => choice::backend_of(&passed.args),
    };
    let backend = asked.unwrap_or_else(|message| usage_error(&message));
    program::hand_over(workspace, program, backend, subcommand, &passed.args)
}

/// Reports wrong usage in clap's words and exits with code 2.
fn usage_error(message: &str) -> ! {
    Cli::command()
        .error(ErrorKind::InvalidValue, message)
        .exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["cargo xtask"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_after_reproduce_is_passed_on_in_order() {
        let line = "reproduce --smoke --set grpo.train.beta=0 --out x --help";
        let Task::Reproduce(passed) = parse(line).expect("it parses").task else {
            panic!("not reproduce");
        };
        let expected: Vec<_> = line.split_whitespace().skip(1).collect();
        assert_eq!(passed.args, expected);
    }

    #[test]
    fn wrong_usage_has_exit_code_2_and_a_suggestion() {
        for (line, suggestion) in [
            ("chekc", "check"),
            ("check --onyl fmt", "--only"),
            ("check --only clipy", "clippy"),
            ("build --backend flx", "flex"),
        ] {
            let error = parse(line).err().expect("it is refused");
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(suggestion), "{line}: {error}");
        }
    }
}
