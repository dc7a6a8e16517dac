//! Datasets, which have no hash of their own: rows or an error, and rows that a sound file could have.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ner_datasets::{Format, Policy, ReadOptions, Row, open, write_rows};
use ner_types::{Entity, Example};

use super::subject::{Proof, Reading, Subject, digest};

/// A file of a dataset in one format.
pub(super) struct Rows {
    format: Format,
    file: &'static str,
}

impl Rows {
    /// All formats that can be written, JSON also as one array.
    pub(super) const ALL: [Self; 9] = [
        Self::of(Format::NerCot, "rows.jsonl"),
        Self::of(Format::NerCot, "rows.json"),
        Self::of(Format::InstructUie, "rows.json"),
        Self::of(Format::Bio, "rows.conll"),
        Self::of(Format::MitBio, "rows.bio"),
        Self::of(Format::UniNer, "rows.jsonl"),
        Self::of(Format::Gliner, "rows.jsonl"),
        Self::of(Format::Plain, "rows.jsonl"),
        Self::of(Format::Parquet, "rows.parquet"),
    ];

    const fn of(format: Format, file: &'static str) -> Self {
        Self { format, file }
    }

    /// What is read must fit together, and be the same when it is written and read again.
    fn check(&self, rows: &[Row], dir: &Path) -> Result<()> {
        for row in rows {
            for (entity, span) in row.example.entities.iter().zip(row.located()) {
                let surface = span.map(|span| &row.example.sentence[span]);
                ensure!(
                    surface.is_none_or(|surface| surface == entity.text),
                    "a place of {entity:?} is that of {surface:?}"
                );
            }
        }
        let again = dir.join("again.jsonl");
        let source = rows.iter().cloned().map(Ok);
        write_rows(&again, Format::NerCot, source, Policy::lenient()).context("written again")?;
        let read = read(&again, Format::NerCot).map_err(anyhow::Error::msg);
        let read: Vec<Example> = plain(&read.context("read again")?);
        ensure!(read == plain(rows), "read again, the rows are others");
        Ok(())
    }
}

/// Rows without what the file's name adds.
fn plain(rows: &[Row]) -> Vec<Example> {
    let without_spans = |row: &Row| {
        let mut example = row.example.clone();
        example
            .entities
            .iter_mut()
            .for_each(|entity| entity.span = None);
        example
    };
    rows.iter().map(without_spans).collect()
}

fn read(path: &Path, format: Format) -> Result<Vec<Row>, String> {
    let rows = open(path, format, ReadOptions::default()).map_err(|error| error.to_string())?;
    rows.map(|row| row.map_err(|error| error.to_string()))
        .collect()
}

impl Subject for Rows {
    fn name(&self) -> &'static str {
        "datasets"
    }

    fn proof(&self) -> Proof {
        Proof::Open
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let row = |i: usize| Example {
            guid: Some(format!("row-{i}")),
            dataset: Some("set".into()),
            sentence: format!("Anné of Brel sings for the {i}th time ."),
            schema: vec!["person".into(), "city".into()],
            cot: i.is_multiple_of(2).then(|| "\"Anné\" is a person.".into()),
            entities: vec![Entity::new("Anné", "person"), Entity::new("Brel", "city")],
            ..Example::default()
        };
        let rows = (0..12).map(|i| Ok(Row::new(row(i))));
        write_rows(&dir.join(self.file), self.format, rows, Policy::lenient())?;
        if self.format == Format::InstructUie {
            std::fs::write(dir.join("labels.json"), "[\"person\", \"city\"]")?;
        }
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        let rows = match read(&dir.join(self.file), self.format) {
            Ok(rows) => rows,
            Err(words) => return Ok(Err(words)),
        };
        self.check(&rows, dir)?;
        Ok(Ok(digest(format!("{rows:?}"))))
    }
}
