//! Commands that moved to `rner-lab`: started from beside the program, or named.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{TestResult, stderr};

/// A copy of the program in a folder of its own, where nothing lies beside it.
fn alone(dir: &Path) -> std::io::Result<PathBuf> {
    let program = dir.join("rner");
    std::fs::copy(env!("CARGO_BIN_EXE_rner"), &program)?;
    Ok(program)
}

#[test]
fn a_command_that_moved_says_where_it_is() -> TestResult {
    let dir = tempfile::tempdir()?;
    let program = alone(dir.path())?;
    for command in ["parity", "bench", "backend", "tiny"] {
        let output = Command::new(&program).args([command, "--help"]).output()?;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command}\n{said}");
        let expected = format!("cargo run --release -p rner-lab -- {command}");
        assert!(said.contains(&expected), "{said}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_command_that_moved_is_started_with_its_arguments() -> TestResult {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    let program = alone(dir.path())?;
    let lab = dir.path().join("rner-lab");
    std::fs::write(&lab, "#!/bin/sh\necho \"$@\"\nexit 7\n")?;
    std::fs::set_permissions(&lab, std::fs::Permissions::from_mode(0o755))?;
    let args = ["bench", "sft", "--json", "--peak-tflops=-1", "--help"];
    let output = Command::new(&program).args(args).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(said.trim(), args.join(" "));
    assert_eq!(output.status.code(), Some(7));
    Ok(())
}
