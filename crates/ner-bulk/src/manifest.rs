//! What is known of a finished part: whose it is, and the hashes of what it was made from and of what it is.

use std::path::Path;

use blake3::{Hash, Hasher};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::texts::Text;

/// A finished part. Nothing in it depends on when and where it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the part below the folder.
    pub part: String,
    /// Name of the file that it was made from.
    pub input: String,
    /// Number of its first row in that file, from 0.
    pub first_row: usize,
    /// Rows.
    pub rows: usize,
    /// Rows without an answer.
    pub unanswered: usize,
    /// Rows that the reader of a dataset passed over, because they are none.
    pub passed_over: usize,
    /// Entities, each place of one counted.
    pub entities: usize,
    /// BLAKE3 of the rows: their places, identifiers and texts.
    pub rows_blake3: String,
    /// BLAKE3 of the part.
    pub part_blake3: String,
    /// BLAKE3 of the question.
    pub question_blake3: String,
}

impl Manifest {
    /// Reads the manifest of a part; `None` if there is none.
    ///
    /// # Errors
    /// One that cannot be read, or is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io(path, "read"))?,
        };
        let manifest = serde_json::from_slice(&text).map_err(|error| Error::Broken {
            path: path.to_owned(),
            line: error.line(),
            what: format!("expected the manifest of a part, found {error}; remove it"),
        })?;
        Ok(Some(manifest))
    }

    pub(crate) fn text(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::other);
        let text = text.as_mut().map(|text| std::mem::take(text) + "\n");
        text.map_err(|error| Error::Finder(error.to_string().into()))
    }
}

/// The hash of rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowsHash(Hasher);

impl RowsHash {
    pub(crate) fn add(&mut self, text: &Text) {
        self.0.update(&(text.line as u64).to_le_bytes());
        self.field(text.id.as_deref());
        self.field(text.text.as_deref().ok());
        self.field(text.text.as_ref().err().map(String::as_str));
    }

    /// A length before each, so that no two lists of fields have the same bytes.
    fn field(&mut self, field: Option<&str>) {
        let length = field.map_or(u64::MAX, |field| field.len() as u64);
        self.0.update(&length.to_le_bytes());
        self.0.update(field.unwrap_or_default().as_bytes());
    }

    pub(crate) fn finish(&self) -> Hash {
        self.0.finalize()
    }
}

/// BLAKE3 of a file.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn hash_file(path: &Path) -> Result<String> {
    let mut hasher = Hasher::new();
    let file = std::fs::File::open(path).map_err(Error::io(path, "read"))?;
    let mut file = std::io::BufReader::with_capacity(1 << 18, file);
    std::io::copy(&mut file, &mut hasher).map_err(Error::io(path, "read"))?;
    Ok(hasher.finalize().to_hex().to_string())
}
