//! Running the binary and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The binary, in the root of the repository, where `fixtures/` lies.
pub(crate) fn rner_lab(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rner-lab"));
    command
        .args(args)
        .current_dir(root())
        .env_remove("RUST_LOG");
    command
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a command that must succeed and gives what it prints.
pub(crate) fn succeeds(args: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let output = rner_lab(args).output()?;
    assert!(output.status.success(), "{args:?}\n{}", stderr(&output));
    Ok(String::from_utf8(output.stdout)?)
}

/// What went to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a command that must fail with this code and say all of these words.
pub(crate) fn fails(args: &[&str], code: i32, words: &[&str]) -> TestResult {
    let output = rner_lab(args).output()?;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
    for word in words {
        assert!(
            said.contains(word),
            "{args:?} should say {word:?}, said:\n{said}"
        );
    }
    assert!(!said.contains("panicked"), "{args:?}\n{said}");
    Ok(())
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
