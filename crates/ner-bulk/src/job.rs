//! What is done, and how.

use tokio_util::sync::CancellationToken;

use crate::folder::Folder;
use crate::form::OutputForm;
use crate::inputs::Input;
use crate::shard::Shard;
use crate::texts::TextOptions;

/// What is done, and how.
#[derive(Debug)]
pub struct Job<'a> {
    /// The files.
    pub inputs: &'a [Input],
    /// How texts are looked for in them.
    pub texts: TextOptions,
    /// Rows of a part; a file is one part if left out.
    pub part_rows: Option<usize>,
    /// Which of the parts.
    pub shard: Shard,
    /// The form of the output.
    pub form: OutputForm,
    /// Where the parts go.
    pub folder: Folder,
    /// Ends the work between two batches.
    pub stop: CancellationToken,
}
