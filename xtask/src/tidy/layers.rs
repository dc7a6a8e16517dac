//! The layer table as data, and the rules that hold the manifests to it.
//!
//! Imports go strictly down. `ner-*` knows no tensors, `lm-*` knows no
//! entities, and the two meet only in `rner` and its programs.

use std::collections::{HashMap, HashSet, VecDeque};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;
use crate::workspace::Package;

/// A row of the layer table.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// `None` stands outside the layers: nothing imports it, and it imports nothing of ours.
    pub(super) layer: Option<u8>,
    pub(super) may_import: &'static [&'static str],
}

const fn row(name: &'static str, layer: u8, may_import: &'static [&'static str]) -> Row {
    Row {
        name,
        layer: Some(layer),
        may_import,
    }
}

/// Stands for every crate of the lower layers, here and in the table that readers see.
pub(super) const ALL_ABOVE: &[&str] = &["all above"];

impl Row {
    /// Whether this crate may import another one of the workspace.
    fn allows(&self, name: &str) -> bool {
        if self.may_import == ALL_ABOVE {
            return find(name).is_some_and(|row| row.layer.is_some() && row.layer < self.layer);
        }
        self.may_import.contains(&name)
    }
}

/// Every crate of the workspace; `docs/architecture.md` shows the same table to readers.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row("atomic-files", 0, &[]),
    row("ner-types", 0, &[]),
    row("lm-kernels", 0, &[]),
    row("chat-client", 0, &[]),
    row("ner-datasets", 1, &["atomic-files", "ner-types"]),
    row("ner-documents", 1, &["ner-types"]),
    row("ner-score", 1, &["ner-types"]),
    row("lm-model", 1, &["atomic-files", "lm-kernels"]),
    row("ner-rewards", 2, &["ner-types", "ner-score"]),
    row("ner-promise", 2, &["ner-types", "ner-score"]),
    row("ner-cot", 2, &["atomic-files", "ner-types", "ner-score", "ner-datasets", "chat-client"]),
    row("ner-eval", 2, &["atomic-files", "ner-types", "ner-score", "ner-datasets", "chat-client"]),
    row("ner-bulk", 2, &["atomic-files", "ner-types", "ner-datasets", "chat-client"]),
    row("lm-generate", 2, &["lm-model", "lm-kernels"]),
    row("lm-train", 2, &["atomic-files", "lm-model", "lm-kernels"]),
    row("lm-grpo", 3, &["atomic-files", "lm-train", "lm-generate", "lm-model", "lm-kernels", "chat-client"]),
    row("lm-grammar", 3, &["lm-generate", "lm-model", "lm-kernels"]),
    row("lm-serve", 3, &["lm-generate", "lm-model", "lm-kernels"]),
    row("ner-toy", 3, &["ner-types", "ner-cot", "chat-client"]),
    row("ner-rehearsal", 4, &["ner-types", "ner-datasets", "ner-toy"]),
    row("rner", 4, ALL_ABOVE),
    row("rner-cli", 5, ALL_ABOVE),
    row("rner-fuzz", 5, ALL_ABOVE),
    row("rner-lab", 6, ALL_ABOVE),
    row("rner-torture", 6, ALL_ABOVE),
    Row { name: "xtask", layer: None, may_import: &[] },
];

/// What crates of one family never reach, not even through other crates.
struct Absence {
    family: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const TENSORS: [&str; 5] = ["burn", "burn-", "cubecl", "tch", "candle-"];

const ABSENCES: [Absence; 4] = [
    Absence {
        family: "ner-",
        never: &TENSORS,
        why: "ner-* knows no tensors",
    },
    Absence {
        family: "ner-",
        never: &["lm-"],
        why: "ner-* and lm-* meet only in rner",
    },
    Absence {
        family: "lm-",
        never: &["ner-"],
        why: "lm-* knows no entities",
    },
    Absence {
        family: "xtask",
        never: &TENSORS,
        why: "xtask compiles in seconds",
    },
];

impl Absence {
    /// A name ending in a hyphen stands for all crates that begin with it.
    fn forbids(&self, name: &str) -> bool {
        self.never.iter().any(|never| {
            let is_family = never.ends_with('-');
            name == *never || is_family && name.starts_with(never)
        })
    }
}

pub(super) fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// Compares the direct dependencies inside the workspace, of any kind, with the table.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings: Vec<_> = packages.iter().flat_map(check_package).collect();
    for row in TABLE {
        if !packages.iter().any(|package| package.name == row.name) {
            findings.push(Finding::problem(
                row.name,
                "is in the layer table, but not in the workspace",
            ));
        }
    }
    findings
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some(row) = find(&package.name) else {
        return vec![Finding::problem(
            &package.name,
            "is not in the layer table (xtask/src/tidy/layers.rs)",
        )];
    };
    let ours = package.dependencies.iter().filter(|dep| dep.path.is_some());
    ours.filter(|dep| !row.allows(&dep.name))
        .map(|dep| Finding::problem(row.name, forbidden_import(row, &dep.name)))
        .collect()
}

fn forbidden_import(row: &Row, found: &str) -> String {
    let allowed = match row.may_import {
        [] => "nothing of this workspace".to_owned(),
        names => names.join(", "),
    };
    format!("imports {found}; expected: {allowed}")
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    /// `name`, or `name version` where several versions are locked.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Follows the lock file from each crate of a family to what it must never reach.
///
/// The lock file joins all features and platforms, so a finding may concern a
/// dependency that is off by default. That is meant: turning it on is one flag.
pub(super) fn check_absences(lock_file: &str) -> Result<Vec<Finding>> {
    let lock: Lock = toml::from_str(lock_file).context("cannot read Cargo.lock")?;
    let mut graph: HashMap<&str, Vec<&str>> = HashMap::new();
    for package in &lock.package {
        let names = package
            .dependencies
            .iter()
            .filter_map(|dep| dep.split(' ').next());
        graph.entry(&package.name).or_default().extend(names);
    }
    let mut findings = Vec::new();
    for absence in &ABSENCES {
        for row in TABLE
            .iter()
            .filter(|row| row.name.starts_with(absence.family))
        {
            if let Some(path) = path_to(&graph, row.name, |name| absence.forbids(name)) {
                let message = format!("{}; found {}", absence.why, path.join(" → "));
                findings.push(Finding::problem(row.name, message));
            }
        }
    }
    Ok(findings)
}

/// A shortest chain of dependencies from `start` to a name that is `wanted`.
fn path_to<'a>(
    graph: &HashMap<&'a str, Vec<&'a str>>,
    start: &'a str,
    wanted: impl Fn(&str) -> bool,
) -> Option<Vec<&'a str>> {
    let mut seen = HashSet::from([start]);
    let mut queue = VecDeque::from([vec![start]]);
    while let Some(path) = queue.pop_front() {
        let last = *path.last()?;
        if path.len() > 1 && wanted(last) {
            return Some(path);
        }
        for &next in graph.get(last).into_iter().flatten() {
            if seen.insert(next) {
                queue.push_back([path.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, imports: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            license: None,
            description: None,
            rust_version: None,
            manifest_path: "Cargo.toml".into(),
            dependencies: imports
                .iter()
                .map(|import| Dependency {
                    name: (*import).to_owned(),
                    path: Some(import.into()),
                })
                .collect(),
        }
    }

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_goes_strictly_down() {
        for row in TABLE {
            let named = row
                .may_import
                .iter()
                .filter(|_| row.may_import != ALL_ABOVE);
            for import in named {
                let below = find(import).expect("imports are rows").layer;
                assert!(
                    below < row.layer && below.is_some(),
                    "{} {import}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn an_import_across_the_table_is_a_problem() {
        let found = check_package(&package("ner-score", &["ner-types", "ner-datasets"]));
        assert_eq!(
            messages(&found),
            ["ner-score: imports ner-datasets; expected: ner-types"]
        );
    }

    #[test]
    fn all_above_is_what_lies_in_lower_layers() {
        let found = check_package(&package("rner-cli", &["rner", "ner-types", "lm-serve"]));
        assert_eq!(found, []);
        for wrong in ["rner-lab", "rner-cli", "xtask", "ner-extra"] {
            let found = check_package(&package("rner-cli", &[wrong]));
            let expected = format!("rner-cli: imports {wrong}; expected: all above");
            assert_eq!(messages(&found), [expected]);
        }
    }

    #[test]
    fn crates_and_rows_correspond() {
        let complete: Vec<_> = TABLE.iter().map(|row| package(row.name, &[])).collect();
        assert_eq!(check(&complete), []);
        assert_eq!(check(&complete[1..]).len(), 1);
        assert_eq!(check_package(&package("ner-extra", &[])).len(), 1);
    }

    #[test]
    fn a_tensor_library_is_found_behind_other_crates() {
        let lock = r#"
            [[package]]
            name = "ner-cot"
            dependencies = ["serde", "helper 1.0.0"]
            [[package]]
            name = "serde"
            [[package]]
            name = "helper"
            dependencies = ["burn-tensor"]
        "#;
        let found = check_absences(lock).expect("a lock file");
        assert_eq!(
            messages(&found),
            ["ner-cot: ner-* knows no tensors; found ner-cot → helper → burn-tensor"]
        );
    }

    #[test]
    fn other_names_that_begin_alike_are_allowed() {
        let lock = "[[package]]\nname = \"ner-cot\"\ndependencies = [\"burner\", \"ner-types\"]";
        assert_eq!(check_absences(lock).expect("a lock file"), []);
    }
}
