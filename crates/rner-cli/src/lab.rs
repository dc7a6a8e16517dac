//! Commands that moved to `rner-lab`: `rner parity …` and its like start it with the same arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use rner_cli::exit::usage;

/// Whatever follows the command, `--help` included.
#[derive(Clone, Debug, Args)]
pub(crate) struct LabArgs {
    /// Options of `rner-lab`.
    #[arg(
        value_name = "OPTIONS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<OsString>,
}

/// Becomes `rner-lab COMMAND ARGS`.
///
/// # Errors
/// If that program does not lie beside this one.
pub(crate) fn run(command: &str, args: &LabArgs) -> Result<()> {
    let program = program()?;
    if !program.is_file() {
        return Err(usage(format!(
            "`rner {command}` is now a command of rner-lab, which does not lie beside this program; \
             from the sources: cargo run --release -p rner-lab -- {command} …"
        )));
    }
    let mut lab = Command::new(&program);
    lab.arg(command).args(&args.args);
    turn_into(lab).with_context(|| format!("cannot start {}", program.display()))
}

fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own folder")?;
    Ok(own.with_file_name(format!("rner-lab{}", std::env::consts::EXE_SUFFIX)))
}

/// Replaces this process, so that signals and the exit code are the other program's own.
#[cfg(unix)]
fn turn_into(mut command: Command) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec())
}

/// Waits for the program and ends with its exit code.
#[cfg(not(unix))]
fn turn_into(mut command: Command) -> std::io::Result<()> {
    std::process::exit(command.status()?.code().unwrap_or(1))
}
