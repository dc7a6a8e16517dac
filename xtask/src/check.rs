//! `cargo xtask check`: what must pass before a change is merged, cheapest step first.
//!
//! All cargo steps share the release profile, so that dependencies are built
//! once for the checks and for the program.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::workspace::{Workspace, shown};
use crate::{consumers, tidy, vulkan};

/// One step of the check, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting.
    Fmt,
    /// Layers, file heads, stray words, paths, lengths, licences.
    Tidy,
    /// Clippy on every target, warnings denied.
    Clippy,
    /// All tests.
    Test,
    /// Documentation, warnings denied.
    Doc,
    /// Type-check of the CUDA build; needs no GPU and no CUDA toolkit.
    Cuda,
    /// The packages as a registry would get them.
    Package,
    /// Workspaces of somebody else that import our crates. Runs only when it is named.
    Consumers,
    /// Tests of the CubeCL kernels on a Vulkan device; says so where there is none. Runs only when it is named.
    Vulkan,
}

/// Packages those members that a registry would get; the others are tools for ourselves (`publish = false`).
#[rustfmt::skip]
const PACKAGE: &[&str] = &[
    "package", "--locked", "--quiet", "--workspace", "--no-verify", "--allow-dirty",
    "--exclude", "xtask", "--exclude", "rner-lab", "--exclude", "rner-fuzz", "--exclude", "rner-torture",
];

/// Steps whose first build takes minutes, because it is one of its own.
const WHEN_NAMED: [Step; 2] = [Step::Consumers, Step::Vulkan];

/// A cargo command with the one environment variable that a step may set.
struct Invocation {
    env: Option<(&'static str, &'static str)>,
    args: &'static [&'static str],
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Cuda => "cuda",
            Self::Package => "package",
            Self::Consumers => "consumers",
            Self::Vulkan => "vulkan",
        }
    }

    /// The cargo command of the step; `None` for those that run in this process.
    #[rustfmt::skip]
    fn invocation(self) -> Option<Invocation> {
        let args: &'static [&'static str] = match self {
            Self::Tidy | Self::Consumers => return None,
            Self::Fmt => &["fmt", "--all", "--check"],
            Self::Clippy => &["clippy", "--locked", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"],
            Self::Test => &["test", "--locked", "--release", "--workspace"],
            Self::Doc => &["doc", "--locked", "--release", "--workspace", "--no-deps"],
            Self::Cuda => &["check", "--locked", "--release", "-p", "rner-cli", "-p", "rner-lab", "--no-default-features", "--features", "cuda"],
            // Building all of it again from the packages would take as long as everything else.
            Self::Package => PACKAGE,
            Self::Vulkan => vulkan::TEST,
        };
        let env = (self == Self::Doc).then_some(("RUSTDOCFLAGS", "-D warnings"));
        Some(Invocation { env, args })
    }

    /// What to type to see the step fail again.
    fn command_line(self) -> String {
        match self.invocation() {
            None => format!("cargo xtask check --only {}", self.name()),
            Some(Invocation { env: None, args }) => shown(args),
            Some(Invocation {
                env: Some((name, value)),
                args,
            }) => format!("{name}=\"{value}\" {}", shown(args)),
        }
    }

    /// Runs the step; its output goes straight to the terminal.
    fn passes(self, workspace: &Workspace) -> Result<bool> {
        let Some(invocation) = self.invocation() else {
            return match self {
                Self::Consumers => consumers::pass(workspace),
                _ => tidy::passes(workspace),
            };
        };
        if self == Self::Vulkan && !vulkan::is_there() {
            return Ok(true);
        }
        let status = workspace
            .cargo(invocation.args)
            .envs(invocation.env)
            .status()
            .with_context(|| format!("cannot start {}", self.command_line()))?;
        Ok(status.success())
    }
}

/// All steps but [`WHEN_NAMED`], or those of `only`, without those of `skip`.
pub(crate) fn select(only: &[Step], skip: &[Step]) -> Vec<Step> {
    Step::value_variants()
        .iter()
        .copied()
        .filter(|step| only.contains(step) || (only.is_empty() && !WHEN_NAMED.contains(step)))
        .filter(|step| !skip.contains(step))
        .collect()
}

/// Runs `steps` and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> Result<ExitCode> {
    let start = Instant::now();
    for (idx, step) in steps.iter().enumerate() {
        eprintln!(
            "check {}/{} {}: {}",
            idx + 1,
            steps.len(),
            step.name(),
            step.command_line()
        );
        let step_start = Instant::now();
        let passed = step.passes(workspace)?;
        let seconds = step_start.elapsed().as_secs_f64();
        if !passed {
            eprintln!("check {} FAILED after {seconds:.1} s", step.name());
            eprintln!(
                "error: step {} failed: {}",
                step.name(),
                step.command_line()
            );
            return Ok(ExitCode::FAILURE);
        }
        eprintln!("check {} ok in {seconds:.1} s", step.name());
    }
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("check: {} steps ok in {seconds:.1} s", steps.len());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_order_whatever_was_typed() {
        assert_eq!(
            select(&[Step::Test, Step::Fmt], &[]),
            [Step::Fmt, Step::Test]
        );
        assert_eq!(
            select(&[], &[Step::Cuda, Step::Clippy]),
            [Step::Fmt, Step::Tidy, Step::Test, Step::Doc, Step::Package]
        );
        assert_eq!(select(&[Step::Vulkan], &[]), [Step::Vulkan]);
    }

    #[test]
    fn names_are_those_that_only_and_skip_accept() {
        for step in Step::value_variants() {
            let value = step.to_possible_value().expect("no step is hidden");
            assert_eq!(value.get_name(), step.name());
        }
    }

    #[test]
    fn commands_build_from_the_lock_file_with_one_profile() {
        for step in Step::value_variants() {
            let Some(invocation) = step.invocation() else {
                continue;
            };
            if *step != Step::Fmt {
                assert!(invocation.args.contains(&"--locked"), "{step:?}");
            }
            if ![Step::Fmt, Step::Package].contains(step) {
                assert!(invocation.args.contains(&"--release"), "{step:?}");
            }
        }
    }

    #[test]
    fn a_command_line_can_be_typed() {
        assert_eq!(
            Step::Doc.command_line(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --locked --release --workspace --no-deps"
        );
    }
}
