//! Rules about a crate as a package: its README, its licence, its description.

use std::path::Path;

use super::Finding;
use crate::workspace::{Package, Workspace};

const LICENSE: &str = "MIT OR Apache-2.0";
const LICENSE_FILES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

/// Checks every member and the licence texts in the root.
pub(super) fn check(workspace: &Workspace, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let place = workspace.relative(&package.manifest_path);
        findings.extend(fields(&place, package));
        findings.extend(readme(workspace, package));
    }
    let absent = LICENSE_FILES
        .iter()
        .filter(|file| !workspace.root.join(file).is_file());
    findings.extend(absent.map(|file| Finding::problem(*file, "is missing")));
    findings
}

fn fields(place: &str, package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    if package.license.as_deref() != Some(LICENSE) {
        let found = package.license.as_deref().unwrap_or("nothing");
        let message = format!("license: expected {LICENSE}, found {found}");
        findings.push(Finding::problem(place, message));
    }
    if package.description.is_none() {
        findings.push(Finding::problem(place, "description: missing"));
    }
    if package.rust_version.is_none() {
        findings.push(Finding::problem(place, "rust-version: missing"));
    }
    findings
}

/// Each crate explains itself beside its manifest, under its own name.
fn readme(workspace: &Workspace, package: &Package) -> Option<Finding> {
    let path = package.manifest_path.with_file_name("README.md");
    let place = workspace.relative(&path);
    match read_first_line(&path) {
        None => Some(Finding::problem(place, "is missing or empty")),
        Some(line) if line != format!("# {}", package.name) => {
            let message = format!("expected the heading `# {}`, found `{line}`", package.name);
            Some(Finding::problem(format!("{place}:1"), message))
        }
        Some(_) => None,
    }
}

fn read_first_line(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_fields_are_problems_one_by_one() {
        let mut package = Package {
            name: "a".to_owned(),
            license: Some(LICENSE.to_owned()),
            description: Some("Does.".to_owned()),
            rust_version: Some("1.95".to_owned()),
            manifest_path: "Cargo.toml".into(),
            dependencies: Vec::new(),
        };
        assert_eq!(fields("a", &package), []);
        package.license = Some("GPL-3.0".to_owned());
        assert!(fields("a", &package)[0].message.ends_with("found GPL-3.0"));
        package.description = None;
        package.rust_version = None;
        assert_eq!(fields("a", &package).len(), 3);
    }

    #[test]
    fn a_readme_is_looked_for_beside_the_manifest() {
        let workspace = Workspace::locate().expect("a workspace");
        let package = |name: &str, manifest: &str| Package {
            name: name.to_owned(),
            license: None,
            description: None,
            rust_version: None,
            manifest_path: workspace.root.join(manifest),
            dependencies: Vec::new(),
        };
        assert_eq!(
            readme(&workspace, &package("xtask", "xtask/Cargo.toml")),
            None
        );
        let misnamed = readme(&workspace, &package("other", "xtask/Cargo.toml"));
        assert_eq!(misnamed.expect("a finding").place, "xtask/README.md:1");
        let absent = readme(&workspace, &package("xtask", "xtask/src/Cargo.toml"));
        assert_eq!(absent.expect("a finding").place, "xtask/src/README.md");
    }
}
