//! `cargo xtask tidy`: what the compiler does not check about the source tree.
//!
//! Each rule is a pure function from text or metadata to findings; this module
//! collects their input and reports. The same rules run as a test of this crate.

mod architecture;
mod files;
mod layers;
mod manifests;
mod sources;
mod words;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Something that a rule has to say about a place of the tree.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// `path`, `path:line` or the name of a crate.
    place: String,
    message: String,
    /// Warnings are printed; only problems fail the check.
    is_warning: bool,
}

impl Finding {
    fn problem(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
            is_warning: false,
        }
    }

    fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            ..Self::problem(place, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}: {mark}{}", self.place, self.message)
    }
}

/// Runs all rules and prints what they find.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let passed = passes(workspace)?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints the findings; true if none of them is a problem.
pub(crate) fn passes(workspace: &Workspace) -> Result<bool> {
    let findings = findings(workspace)?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    let problems = findings
        .iter()
        .filter(|finding| !finding.is_warning)
        .count();
    let warnings = findings.len() - problems;
    eprintln!("tidy: {problems} problems, {warnings} warnings");
    Ok(problems == 0)
}

fn findings(workspace: &Workspace) -> Result<Vec<Finding>> {
    let metadata = workspace.metadata()?;
    let mut findings = layers::check(&metadata.packages);
    findings.extend(layers::check_absences(&read(workspace, "Cargo.lock")?)?);
    findings.extend(manifests::check(workspace, &metadata.packages));
    findings.extend(architecture::check(&read(
        workspace,
        architecture::DOCUMENT,
    )?));
    for path in files::list(&workspace.root)? {
        findings.extend(check_file(workspace, &path)?);
    }
    Ok(findings)
}

/// Applies the rules about text; files that are not UTF-8 are data.
fn check_file(workspace: &Workspace, path: &str) -> Result<Vec<Finding>> {
    let bytes = std::fs::read(workspace.root.join(path)).with_context(|| path.to_owned())?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => sources::check(path, text),
        Err(_) => Vec::new(),
    })
}

fn read(workspace: &Workspace, path: &str) -> Result<String> {
    std::fs::read_to_string(workspace.root.join(path))
        .with_context(|| format!("cannot read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let workspace = Workspace::locate().expect("a workspace");
        let findings = findings(&workspace).expect("all rules run");
        let problems: Vec<_> = findings
            .iter()
            .filter(|finding| !finding.is_warning)
            .map(ToString::to_string)
            .collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
