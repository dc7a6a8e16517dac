//! One prediction as a line of a log, with a hash that shows whether it is what was written.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::prediction::Prediction;

/// The hash comes first: a line that lost a piece of its end and of its middle is then no prediction without one.
#[derive(Serialize, Deserialize)]
struct Line<P> {
    /// First 16 hexadecimal digits of the BLAKE3 of the prediction's JSON. Older programs wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    #[serde(flatten)]
    prediction: P,
}

/// What a log has.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) predictions: Vec<Prediction>,
    /// Lines that are not what was written.
    pub(super) damaged: usize,
}

/// A prediction as a line, with its line feed.
pub(super) fn written(prediction: &Prediction) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line {
        check: Some(check(prediction)?),
        prediction,
    })?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a line; `None` if it is damaged.
pub(super) fn read(line: &[u8]) -> Option<Prediction> {
    let line: Line<Prediction> = serde_json::from_slice(line).ok()?;
    let is_sound = match line.check {
        Some(check_found) => check_found == check(&line.prediction).ok()?,
        None => true,
    };
    is_sound.then_some(line.prediction)
}

/// Reads all lines; blank ones are skipped, and one that is there again counts once.
pub(super) fn read_all(path: &Path) -> Result<Found, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    let (mut found, mut seen) = (Found::default(), HashSet::new());
    for line in bytes.split(|&byte| byte == b'\n') {
        match read(line) {
            _ if line.trim_ascii().is_empty() || !seen.insert(line) => {}
            Some(prediction) => found.predictions.push(prediction),
            None => found.damaged += 1,
        }
    }
    Ok(found)
}

fn check(prediction: &Prediction) -> io::Result<String> {
    let json = serde_json::to_vec(prediction)?;
    Ok(blake3::hash(&json).to_hex()[..16].to_owned())
}
