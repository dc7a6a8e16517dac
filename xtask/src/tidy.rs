//! `cargo xtask tidy`: what the compiler does not check about the source tree.
//!
//! Each rule is a pure function from text or metadata to findings; this module
//! collects their input and reports. The same rules run as a test of this crate.

mod architecture;
mod circles;
mod disk;
mod files;
mod layers;
mod manifests;
mod sources;
mod width;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use self::circles::Circles;
use crate::workspace::{Package, Workspace};

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
    let files = files::list(&workspace.root)?;
    findings.extend(circles::check(&circles_of(
        workspace,
        &metadata.packages,
        &files,
    )?));
    for path in files {
        findings.extend(check_file(workspace, &path)?);
    }
    Ok(findings)
}

/// Prints every circle between files, with the imports that make it.
pub(crate) fn print_circles(workspace: &Workspace) -> Result<ExitCode> {
    let packages = workspace.metadata()?.packages;
    let files = files::list(&workspace.root)?;
    for circles in circles_of(workspace, &packages, &files)? {
        print!("{}", circles.describe());
    }
    Ok(ExitCode::SUCCESS)
}

fn circles_of(
    workspace: &Workspace,
    packages: &[Package],
    files: &[String],
) -> Result<Vec<Circles>> {
    let of_package = packages.iter().map(|package| {
        let folder = package.manifest_path.with_file_name("src");
        let sources = sources_of(workspace, &workspace.relative(&folder), files)?;
        Ok(circles::find(&package.name, &sources))
    });
    of_package.collect()
}

/// The Rust files below `folder`: path inside of it, and text.
fn sources_of(
    workspace: &Workspace,
    folder: &str,
    files: &[String],
) -> Result<BTreeMap<String, String>> {
    let inside = files.iter().filter(|path| path.ends_with(".rs"));
    let inside = inside.filter_map(|path| {
        let name = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some((name, path))
    });
    inside
        .map(|(name, path)| Ok((name.to_owned(), read(workspace, path)?)))
        .collect()
}

/// Applies the rules about text; files that are not UTF-8 are data.
fn check_file(workspace: &Workspace, path: &str) -> Result<Vec<Finding>> {
    let bytes = std::fs::read(workspace.root.join(path)).with_context(|| path.to_owned())?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => [sources::check, disk::check]
            .iter()
            .flat_map(|rule| rule(path, text))
            .collect(),
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
