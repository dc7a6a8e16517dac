//! Other programs that a part starts: cargo and its subcommands, valgrind, a compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) is_success: bool,
    pub(crate) words: String,
}

impl Ended {
    /// The last lines of what it said.
    pub(crate) fn tail(&self, n_lines: usize) -> String {
        let lines: Vec<&str> = self.words.lines().collect();
        lines[lines.len().saturating_sub(n_lines)..].join("\n")
    }
}

/// Whether a program can be asked for its version.
pub(crate) fn has(program: &str, subcommand: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(subcommand).arg("--version");
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// Cargo in the workspace, with the folder of build outputs that this program lies in.
pub(crate) fn cargo(root: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target_folder()?)
        .env("CARGO_TERM_COLOR", "never");
    Ok(command)
}

/// The folder of build outputs that this program lies in.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let me = std::env::current_exe().context("cannot find this program")?;
    let folder = me.ancestors().nth(2);
    Ok(folder.context("this program is in no folder")?.to_owned())
}

/// Runs a program to its end and keeps what it says.
pub(crate) fn run(command: &mut Command) -> Result<Ended> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Ended {
        is_success: output.status.success(),
        words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_absent_is_not_there() {
        assert!(has("cargo", &[]));
        assert!(!has("cargo", &["no-such-subcommand"]));
        assert!(!has("no-such-program", &[]));
    }

    #[test]
    fn the_end_of_what_was_said_is_kept() {
        let ended = Ended {
            is_success: true,
            words: "a\nb\nc\n".into(),
        };
        assert_eq!(ended.tail(2), "b\nc");
        assert_eq!(ended.tail(9), "a\nb\nc");
    }
}
