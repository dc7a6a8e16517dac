//! Holds the table that readers see, in `docs/architecture.md`, to the layer table.

use std::collections::BTreeSet;

use super::Finding;
use super::layers::{Row, TABLE, find};

/// The document that shows the table.
pub(super) const DOCUMENT: &str = "docs/architecture.md";

/// Compares every row of the document that names a crate, and misses no crate.
pub(super) fn check(document: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut shown = BTreeSet::new();
    for (idx, line) in document.lines().enumerate() {
        let Some((row, cells)) = table_row(line) else {
            continue;
        };
        shown.insert(row.name);
        if !agrees(row, &cells) {
            let place = format!("{DOCUMENT}:{}", idx + 1);
            findings.push(Finding::problem(place, expected(row)));
        }
    }
    let missing = TABLE.iter().filter(|row| !shown.contains(row.name));
    findings.extend(
        missing.map(|row| Finding::problem(DOCUMENT, format!("has no row for {}", row.name))),
    );
    findings
}

/// The crate that a Markdown row describes, with the cells: layer, crate, purpose, imports.
fn table_row(line: &str) -> Option<(&'static Row, [&str; 4])> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let cells: [&str; 4] = cells.try_into().ok()?;
    let name = cells[1].strip_prefix('`')?.strip_suffix('`')?;
    Some((find(name)?, cells))
}

fn agrees(row: &Row, cells: &[&str; 4]) -> bool {
    cells[0] == layer(row) && names(cells[3]) == row.may_import.iter().copied().collect()
}

fn layer(row: &Row) -> String {
    row.layer
        .map_or_else(|| "–".to_owned(), |layer| layer.to_string())
}

fn names(cell: &str) -> BTreeSet<&str> {
    let names = cell.split(',').map(|name| name.trim().trim_matches('`'));
    names.filter(|name| *name != "–").collect()
}

fn expected(row: &Row) -> String {
    format!(
        "expected layer {} and imports [{}] for {}, as in xtask/src/tidy/layers.rs",
        layer(row),
        row.may_import.join(", "),
        row.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> String {
        let rows = TABLE.iter().map(|row| {
            let imports = match row.may_import {
                [] => "–".to_owned(),
                names => names.join("`, `"),
            };
            format!("| {} | `{}` | what | `{imports}` |", layer(row), row.name)
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_true_table_passes_and_all_above_is_a_short_form() {
        assert_eq!(check(&document()), []);
        assert!(document().contains("| 4 | `rner` | what | `all above` |"));
        assert_eq!(check(&document().replace("`all above`", "all above")), []);
    }

    #[test]
    fn a_wrong_layer_a_wrong_import_and_a_missing_row_are_problems() {
        let true_row = "| 1 | `ner-score` | what | `ner-types` |";
        let line = document()
            .lines()
            .position(|line| line == true_row)
            .expect("the row");
        let place = format!("docs/architecture.md:{}", line + 1);
        for (wrong, place) in [
            ("| 2 | `ner-score` | what | `ner-types` |", place.as_str()),
            ("| 1 | `ner-score` | what | `ner-cot` |", place.as_str()),
            ("", "docs/architecture.md"),
        ] {
            let found = check(&document().replace(true_row, wrong));
            assert_eq!(found.len(), 1, "{wrong}");
            assert_eq!(found[0].place, place);
        }
    }
}
