//! The files of the project: what git tracks or would track.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Folders that hold no sources; used only where git cannot tell.
const SKIPPED: [&str; 5] = [".git", "target", "runs", ".idea", ".vscode"];

/// All files below `root`, relative to it, with forward slashes and sorted.
///
/// # Errors
///
/// If a folder cannot be read.
pub(super) fn list(root: &Path) -> Result<Vec<String>> {
    let mut files = match from_git(root) {
        Some(files) => files,
        None => walk(root)?,
    };
    files.sort();
    Ok(files)
}

/// Tracked and untracked files without the ignored ones; `None` outside git,
/// or where an enclosing repository ignores this folder.
fn from_git(root: &Path) -> Option<Vec<String>> {
    let args = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let output = Command::new("git")
        .args(args)
        .current_dir(root)
        .output()
        .ok()?;
    let names = String::from_utf8_lossy(&output.stdout);
    // A tracked file may have been deleted without telling git.
    let files: Vec<String> = names
        .split_terminator('\0')
        .filter(|name| root.join(name).is_file())
        .map(str::to_owned)
        .collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(dir) = pending.pop() {
        let path = root.join(&dir);
        let entries = std::fs::read_dir(&path).with_context(|| path.display().to_string())?;
        for entry in entries {
            let entry = entry.with_context(|| path.display().to_string())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry
                .file_type()
                .with_context(|| path.display().to_string())?;
            if kind.is_file() {
                files.push(format!("{dir}{name}"));
            } else if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                pending.push(format!("{dir}{name}/"));
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn git_and_the_walk_both_find_the_sources() {
        let root = Workspace::locate().expect("a workspace").root;
        let walked = walk(&root).expect("a readable tree");
        let listed = list(&root).expect("a readable tree");
        for file in [
            "xtask/src/tidy/files.rs",
            "Cargo.toml",
            ".cargo/config.toml",
        ] {
            assert!(walked.iter().any(|path| path == file), "walk: {file}");
            assert!(listed.iter().any(|path| path == file), "list: {file}");
        }
        assert!(!walked.iter().any(|path| path.starts_with("target/")));
    }
}
