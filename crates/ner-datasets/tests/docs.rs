//! The rows that docs/data.md shows are read as it says.

use std::path::Path;

use ner_datasets::{FaultKind, Format, ReadOptions, open};

/// The blocks that name a format behind their language, with it.
fn blocks(page: &str) -> Vec<(Format, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let format = line
            .strip_prefix("```")
            .and_then(|info| info.split_once(' '));
        let Some(format) = format.and_then(|(_, name)| name.parse().ok()) else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((format, block.join("\n") + "\n"));
    }
    blocks
}

#[test]
fn every_row_that_is_shown_is_read() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rows");
    let mut shown = Vec::new();
    for (format, block) in blocks(&page) {
        std::fs::write(&path, &block).expect("written");
        assert_eq!(
            Format::detect(&path).expect("recognised"),
            format,
            "{block}"
        );
        let mut reader = open(&path, format, ReadOptions::default()).expect("opened");
        let row = reader.next().expect("a row").expect("no fault is fatal");
        assert_eq!(
            row.example.sentence, "Mira Dolan lives in Brel .",
            "{block}"
        );
        let mut entities: Vec<String> = row
            .into_unplaced()
            .entities
            .iter()
            .map(|e| format!("{}={}", e.text, e.label))
            .collect();
        entities.sort();
        let expected: &[&str] = match format {
            _ if reader.faults().count(FaultKind::Unannotated) > 0 => &[],
            Format::Slimer => &["Brel=city"],
            _ => &["Brel=city", "Mira Dolan=person"],
        };
        assert_eq!(entities, expected, "{block}");
        shown.push(format);
    }
    let is_missing = |format: &Format| !shown.contains(format);
    let missing: Vec<Format> = Format::ALL.into_iter().filter(is_missing).collect();
    // A numbered column more, and rows in another container.
    assert_eq!(missing, [Format::IndexedBio, Format::Parquet]);
}
