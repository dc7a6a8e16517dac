//! Rows through the finder to a writer, some at a time, in their order.

use std::path::{Path, PathBuf};

use ner_datasets::export::{ExtractionWriter, RowOf};
use ner_types::Extraction;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::finder::Finder;
use crate::manifest::RowsHash;
use crate::observer::Observer;
use crate::stream::Stream;
use crate::texts::Text;

/// Bytes of text that are handed over at once, beside one text.
const BATCH_BYTES: usize = 4 << 20;

/// How rows go through.
pub(crate) struct Through<'a> {
    /// The row behind the last one.
    pub(crate) end: usize,
    /// Whether rows say of which file they are.
    pub(crate) has_files: bool,
    /// What is written, for messages.
    pub(crate) path: &'a Path,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) observer: &'a mut dyn Observer,
}

/// What has gone through.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) rows: usize,
    pub(crate) unanswered: usize,
    pub(crate) entities: usize,
    pub(crate) hash: RowsHash,
}

/// A text with its file.
struct Row<'s> {
    path: PathBuf,
    name: &'s str,
    text: Text,
}

impl Through<'_> {
    /// Lets all rows go through, up to the end.
    ///
    /// # Errors
    /// Rows that cannot be read any further, a finder that fails, a place that cannot be written to, a stop.
    pub(crate) fn all(
        mut self,
        rows: &mut Stream<'_>,
        finder: &mut dyn Finder,
        writer: &mut (dyn ExtractionWriter + '_),
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        loop {
            let batch = self.batch(rows, finder.at_once().max(1))?;
            if batch.is_empty() {
                return Ok(counts);
            }
            if self.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            let mut found = find(&batch, finder)?.into_iter();
            for row in &batch {
                counts.hash.add(&row.text);
                let found = match &row.text.text {
                    Err(fault) => Err(fault.clone()),
                    Ok(_) => found.next().unwrap_or_else(|| Err("no answer".to_owned())),
                };
                self.write(row, &found, writer, &mut counts)?;
            }
        }
    }

    /// As many rows as are handed over at once.
    fn batch<'s>(&mut self, rows: &mut Stream<'s>, most: usize) -> Result<Vec<Row<'s>>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < most && bytes < BATCH_BYTES && rows.position() < self.end {
            let next = rows.next();
            for note in rows.take_notes() {
                self.observer.on_note(&note);
            }
            let Some(text) = next? else { break };
            bytes += text.len();
            let (path, name) = rows.file();
            batch.push(Row { path, name, text });
        }
        Ok(batch)
    }

    fn write(
        &mut self,
        row: &Row<'_>,
        found: &Result<Extraction, String>,
        writer: &mut (dyn ExtractionWriter + '_),
        counts: &mut Counts,
    ) -> Result<()> {
        counts.rows += 1;
        let place = RowOf {
            file: self.has_files.then_some(row.name),
            line: row.text.line,
            id: row.text.id.as_deref(),
        };
        let written = match found {
            Ok(found) => {
                counts.entities += found.entities.len();
                writer.write(&place, found)
            }
            Err(fault) => {
                counts.unanswered += 1;
                self.observer.on_fault(&row.path, row.text.line, fault);
                writer.write_fault(&place, fault)
            }
        };
        written.map_err(Error::io(self.path, "write"))
    }
}

/// What is found in the texts of some rows.
fn find(
    batch: &[Row<'_>],
    finder: &mut dyn Finder,
) -> Result<Vec<std::result::Result<Extraction, String>>> {
    let texts = batch.iter().filter_map(|row| row.text.text.as_deref().ok());
    let texts: Vec<&str> = texts.collect();
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let found = finder.find(&texts).map_err(Error::Finder)?;
    if found.len() == texts.len() {
        return Ok(found);
    }
    let words = format!("expected {} answers, found {}", texts.len(), found.len());
    Err(Error::Finder(words.into()))
}
