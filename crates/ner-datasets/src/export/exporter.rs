//! A form of output as an [`ExtractionWriter`]: what was found goes straight into it.

use std::io;

use ner_types::Extraction;

use super::form::Form;
use super::row::ExportRow;
use super::{ExtractionWriter, RowOf};

/// Writes what was found in a form.
///
/// ```
/// use ner_datasets::export::{ExportFormat, ExportOptions, Exporter, ExtractionWriter, RowOf};
/// use ner_types::{Extraction, parse};
///
/// let types = ["city".to_owned()];
/// let found = Extraction::new(parse(r#"{"entities": {"city": ["Brel"]}}"#), &types, "Brel sleeps.", false);
/// let mut out = Vec::new();
/// let form = ExportFormat::Csv.form(&mut out, &ExportOptions::default())?;
/// let mut writer = Box::new(Exporter::new(form));
/// writer.write(&RowOf { line: 1, ..RowOf::default() }, &found)?;
/// writer.finish()?;
/// assert!(String::from_utf8_lossy(&out).ends_with("1,,Brel,city,0,4,0,4,0,4,exact,,,,\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Exporter<'w> {
    form: Box<dyn Form + 'w>,
}

impl std::fmt::Debug for Exporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

impl<'w> Exporter<'w> {
    /// Writes in this form.
    pub fn new(form: Box<dyn Form + 'w>) -> Self {
        Self { form }
    }

    /// The form, for what it could not hold and what belongs beside it.
    pub fn form(&self) -> &(dyn Form + 'w) {
        &*self.form
    }
}

impl ExtractionWriter for Exporter<'_> {
    fn write(&mut self, row: &RowOf<'_>, found: &Extraction) -> io::Result<()> {
        let row = ExportRow::new(row, found).map_err(io::Error::other)?;
        self.form.write(&row)
    }

    fn write_fault(&mut self, row: &RowOf<'_>, error: &str) -> io::Result<()> {
        self.form.write(&ExportRow::unanswered(row, error))
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.form.finish()
    }
}
