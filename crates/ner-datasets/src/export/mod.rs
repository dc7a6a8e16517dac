//! What was found in texts, written: one trait for every form of output, and JSON lines, the form of `rner extract`.
//!
//! A writer is made over the place that it writes to and knows nothing of files: whoever calls it opens, commits and
//! hashes them.

mod brat;
mod csv;
mod dataset;
#[cfg(feature = "docbin")]
mod docbin;
mod exporter;
mod files;
mod form;
mod html;
mod jsonl;
mod kinds;
mod label_studio;
mod mention;
#[cfg(feature = "parquet")]
mod parquet;
mod prodigy;
pub(crate) mod row;
mod rows;
#[cfg(test)]
mod tests;
mod tokens;

use std::io;

use ner_types::Extraction;

pub use brat::Brat;
pub use exporter::Exporter;
pub use files::{ExportSource, Exported, export};
pub use form::{Beside, Form};
pub use html::HtmlOptions;
pub use jsonl::JsonLines;
pub use kinds::{ExportFormat, ExportOptions};
pub use row::{ExportMention, ExportProblem, ExportRow};

/// Where a text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowOf<'a> {
    /// The file, where one output has the rows of several.
    pub file: Option<&'a str>,
    /// Line of the file, or number of its row, from 1.
    pub line: usize,
    /// The identifier that the row gives itself.
    pub id: Option<&'a str>,
}

/// Writes what was found, text after text.
///
/// ```
/// use ner_datasets::export::{ExtractionWriter, JsonLines, RowOf};
/// use ner_types::{Extraction, parse};
///
/// let types = ["city".to_owned()];
/// let found = Extraction::new(parse(r#"{"entities": {"city": ["Brel"]}}"#), &types, "Brel sleeps.", false);
/// let mut out = Vec::new();
/// let mut writer: Box<dyn ExtractionWriter> = Box::new(JsonLines::new(&mut out));
/// writer.write(&RowOf { line: 1, ..RowOf::default() }, &found)?;
/// writer.finish()?;
/// assert!(out.starts_with(br#"{"line":1,"sentence":"Brel sleeps.","entities":[{"text":"Brel""#));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ExtractionWriter {
    /// Writes what was found in a text.
    ///
    /// # Errors
    /// A place that cannot be written to; a text that the form cannot hold.
    fn write(&mut self, row: &RowOf<'_>, found: &Extraction) -> io::Result<()>;

    /// Writes that a row has no answer. A form that has no room for it leaves the row out: the caller counts such rows
    /// and names them.
    ///
    /// # Errors
    /// A place that cannot be written to.
    fn write_fault(&mut self, row: &RowOf<'_>, error: &str) -> io::Result<()> {
        let _ = (row, error);
        Ok(())
    }

    /// Writes what stands behind the last row, and flushes. Without it the output is incomplete.
    ///
    /// # Errors
    /// A place that cannot be written to.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
