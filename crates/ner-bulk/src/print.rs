//! Texts that come and answers that go by: no folder, no parts.

use std::path::Path;

use ner_datasets::export::ExtractionWriter;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::finder::Finder;
use crate::inputs::Input;
use crate::observer::Observer;
use crate::run::Summary;
use crate::stream::Stream;
use crate::texts::TextOptions;
use crate::through::Through;

/// Lets the texts of some files go through a finder to a writer, such as one over standard output.
///
/// # Errors
/// A file that cannot be read any further, a finder that fails, a writer that cannot write, a stop.
pub fn print(
    inputs: &[Input],
    texts: &TextOptions,
    finder: &mut dyn Finder,
    mut writer: Box<dyn ExtractionWriter + '_>,
    observer: &mut dyn Observer,
    stop: &CancellationToken,
) -> Result<Summary> {
    let path = Path::new("standard output");
    let mut stream = Stream::new(inputs, texts, false);
    let through = Through {
        end: usize::MAX,
        has_files: inputs.len() > 1,
        path,
        stop,
        observer,
    };
    let counts = through.all(&mut stream, finder, writer.as_mut())?;
    writer.finish().map_err(Error::io(path, "write"))?;
    let passed_over = stream.passed_over();
    Ok(Summary {
        rows: counts.rows + passed_over,
        unanswered: counts.unanswered + passed_over,
        entities: counts.entities,
        ..Summary::default()
    })
}
