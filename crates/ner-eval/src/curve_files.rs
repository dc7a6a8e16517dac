//! The files of a curve.

use std::path::{Path, PathBuf};

use crate::curve::Curve;
use crate::error::Error;
use crate::page;

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurveFiles {
    /// `curve.json`.
    pub data: PathBuf,
    /// `curve.html`: one file that needs no network and no script.
    pub page: PathBuf,
}

/// Writes both files into a folder.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write_curve(curve: &Curve, dir: &Path) -> Result<CurveFiles, Error> {
    let files = CurveFiles {
        data: dir.join("curve.json"),
        page: dir.join("curve.html"),
    };
    ner_datasets::write_atomic(&files.data, |out| {
        serde_json::to_writer_pretty(&mut *out, curve)?;
        out.write_all(b"\n")
    })?;
    let html = page::render_curve(curve)?;
    ner_datasets::write_atomic(&files.page, |out| out.write_all(html.as_bytes()))?;
    Ok(files)
}
