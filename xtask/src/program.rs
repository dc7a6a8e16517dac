//! Builds the programs `rner` and `rner-lab` for a backend and hands over to them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::workspace::{Workspace, shown};

/// What can be built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The user's.
    Rner,
    /// The developers'.
    Lab,
    /// What tries to break it.
    Torture,
}

impl Program {
    fn package(self) -> &'static str {
        match self {
            Self::Rner => "rner-cli",
            Self::Lab => "rner-lab",
            Self::Torture => "rner-torture",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rner => "rner",
            Self::Lab => "rner-lab",
            Self::Torture => "rner-torture",
        }
    }
}

/// The Burn backends that the programs can be built with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// Any CPU, pure Rust, nothing to install.
    #[default]
    Flex,
    /// PyTorch's kernels, from an installed PyTorch or from `LIBTORCH`.
    #[value(name = "libtorch")]
    LibTorch,
    /// NVIDIA GPUs; needs the CUDA runtime when it runs.
    Cuda,
    /// GPUs of any maker; needs a Vulkan driver when it runs.
    Vulkan,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::LibTorch => "libtorch",
            Self::Cuda => "cuda",
            Self::Vulkan => "vulkan",
        }
    }

    /// Arguments of the build; flex is the default feature of both programs.
    fn build_args(self, program: Program) -> Vec<&'static str> {
        let mut args = vec!["build", "--release", "--locked", "-p", program.package()];
        if self != Self::Flex {
            args.extend(["--no-default-features", "--features", self.name()]);
        }
        args
    }

    /// What building and running need in the environment.
    fn environment(self) -> Result<Vec<(&'static str, OsString)>> {
        match self {
            Self::Flex | Self::Cuda | Self::Vulkan => Ok(Vec::new()),
            Self::LibTorch => libtorch_environment(),
        }
    }
}

/// Builds `rner` in release mode and returns the path of the program.
pub(crate) fn build(workspace: &Workspace, backend: Backend) -> Result<PathBuf> {
    build_with(workspace, Program::Rner, backend, &backend.environment()?)
}

fn build_with(
    workspace: &Workspace,
    program: Program,
    backend: Backend,
    environment: &[(&'static str, OsString)],
) -> Result<PathBuf> {
    let args = backend.build_args(program);
    eprintln!(
        "building {} for the {} backend (the first build takes minutes)",
        program.name(),
        backend.name()
    );
    let status = workspace
        .cargo(&args)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .status()
        .context("cannot start cargo build")?;
    if !status.success() {
        bail!("the build failed ({status}): {}", shown(&args));
    }
    let file = format!("{}{}", program.name(), std::env::consts::EXE_SUFFIX);
    Ok(workspace
        .metadata()?
        .target_directory
        .join("release")
        .join(file))
}

/// Builds a program and becomes `PROGRAM SUBCOMMAND ARGS`, in the caller's folder.
pub(crate) fn hand_over(
    workspace: &Workspace,
    program: Program,
    backend: Backend,
    subcommand: &[&str],
    args: &[OsString],
) -> Result<ExitCode> {
    let environment = backend.environment()?;
    let program = build_with(workspace, program, backend, &environment)?;
    let mut command = Command::new(&program);
    command.args(subcommand).args(args).envs(environment);
    replace_by(command).with_context(|| format!("cannot start {}", program.display()))
}

/// Replaces this process, as `cargo run` does, so that signals and the exit
/// code are the program's own and nothing has to be forwarded.
#[cfg(unix)]
fn replace_by(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

/// Waits for the program and returns its exit code.
#[cfg(not(unix))]
fn replace_by(mut command: Command) -> Result<ExitCode> {
    let code = command.status()?.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Tells torch-sys where libtorch is, and the loader where its libraries are.
fn libtorch_environment() -> Result<Vec<(&'static str, OsString)>> {
    let mut environment = Vec::new();
    let library_dir = match std::env::var_os("LIBTORCH") {
        Some(dir) => Path::new(&dir).join("lib"),
        None => {
            environment.push(("LIBTORCH_USE_PYTORCH", OsString::from("1")));
            pytorch_library_dir()?
        }
    };
    let variable = loader_variable();
    let search = prepended(&library_dir, std::env::var_os(variable).as_deref())?;
    environment.push((variable, search));
    Ok(environment)
}

fn loader_variable() -> &'static str {
    if cfg!(windows) {
        "PATH"
    } else if cfg!(target_os = "macos") {
        "DYLD_LIBRARY_PATH"
    } else {
        "LD_LIBRARY_PATH"
    }
}

fn prepended(dir: &Path, search: Option<&OsStr>) -> Result<OsString> {
    let rest = search.map(std::env::split_paths).into_iter().flatten();
    std::env::join_paths(std::iter::once(dir.to_path_buf()).chain(rest))
        .with_context(|| format!("{} cannot be part of a search path", dir.display()))
}

/// Asks the Python that torch-sys will ask, before minutes go into a build that must fail.
fn pytorch_library_dir() -> Result<PathBuf> {
    const SCRIPT: &str =
        "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
    let python = match (cfg!(windows), std::env::var_os("VIRTUAL_ENV")) {
        (true, _) => "python.exe",
        (false, Some(_)) => "python",
        (false, None) => "python3",
    };
    let output = Command::new(python).args(["-c", SCRIPT]).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().into())
        }
        _ => bail!(
            "the libtorch backend needs libtorch: `{python}` cannot import torch; \
             install it (pip install torch==2.9.0) or set LIBTORCH to an unpacked libtorch"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_flag_accepts() {
        for backend in Backend::value_variants() {
            let value = backend.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), backend.name());
        }
    }

    #[test]
    fn other_backends_replace_the_default_feature() {
        assert_eq!(
            shown(&Backend::Flex.build_args(Program::Rner)),
            "cargo build --release --locked -p rner-cli"
        );
        assert!(
            shown(&Backend::Cuda.build_args(Program::Lab))
                .ends_with("--no-default-features --features cuda")
        );
    }

    #[test]
    fn the_library_folder_is_searched_first() {
        let before = std::env::join_paths(["a", "b"]).expect("plain names");
        let search = prepended(Path::new("torch"), Some(&before)).expect("plain names");
        let dirs: Vec<_> = std::env::split_paths(&search).collect();
        assert_eq!(dirs, ["torch", "a", "b"].map(PathBuf::from));
    }
}
