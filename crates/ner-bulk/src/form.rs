//! The form of the output: which writer is opened for a part, and how its name ends.

use std::fmt;
use std::io::{self, Write};

use ner_datasets::export::{ExtractionWriter, JsonLines};

/// A place that a part is written to.
pub type Place<'a> = &'a mut (dyn Write + Send);

/// Opens a writer over a place.
pub type Open = dyn for<'a> Fn(Place<'a>) -> io::Result<Box<dyn ExtractionWriter + 'a>>;

/// A form of output.
pub struct OutputForm {
    ending: String,
    open: Box<Open>,
}

impl fmt::Debug for OutputForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputForm")
            .field("ending", &self.ending)
            .finish_non_exhaustive()
    }
}

impl Default for OutputForm {
    /// JSON lines.
    fn default() -> Self {
        Self::new("jsonl", |place| Ok(Box::new(JsonLines::new(place))))
    }
}

impl OutputForm {
    /// A form whose files end in `.ending`.
    pub fn new(
        ending: impl Into<String>,
        open: impl for<'a> Fn(Place<'a>) -> io::Result<Box<dyn ExtractionWriter + 'a>> + 'static,
    ) -> Self {
        Self {
            ending: ending.into(),
            open: Box::new(open),
        }
    }

    /// How names end, without the dot.
    pub fn ending(&self) -> &str {
        &self.ending
    }

    /// A writer over a place.
    ///
    /// # Errors
    /// A place that cannot be written to.
    pub fn open<'a>(&self, place: Place<'a>) -> io::Result<Box<dyn ExtractionWriter + 'a>> {
        (self.open)(place)
    }
}
