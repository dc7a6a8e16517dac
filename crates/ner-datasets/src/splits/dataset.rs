//! A named dataset and its splits.

use std::fmt;

use ner_types::Example;
use serde::{Deserialize, Serialize};

/// The examples of one split of one dataset, with the schema that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Name as on disk, without a suffix `_sample_<n>`.
    pub name: String,
    /// The entity types of the whole dataset, as written there.
    pub labels: Vec<String>,
    /// The sentences; never empty when read by this crate.
    pub examples: Vec<Example>,
}

/// A split of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For training.
    Train,
    /// For choosing among models.
    Dev,
    /// For the reported score.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Dev, Split::Test];

    /// Name of the split's file without its extension.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Removes every `_sample_<n>`, which InstructUIE's subsampled copies carry in their names.
pub(crate) fn source_name(name: &str) -> String {
    const MARK: &str = "_sample_";
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(MARK) {
        let tail = rest[at + MARK.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
        let has_number = tail.len() < rest.len() - at - MARK.len();
        out.push_str(&rest[..if has_number { at } else { at + MARK.len() }]);
        rest = tail;
    }
    out + rest
}

/// The identifier of the `index`-th example (from 0) of a split.
pub(crate) fn guid(dataset: &str, split: Split, index: usize) -> String {
    format!("{}-{index}", guid_prefix(dataset, split))
}

/// The beginning of the identifiers of a split.
pub(crate) fn guid_prefix(dataset: &str, split: Split) -> String {
    format!("{dataset}-{split}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_mark_is_removed_from_names() {
        for (name, expected) in [
            ("ncbi", "ncbi"),
            ("ncbi_sample_15000", "ncbi"),
            ("a_sample_1_b_sample_22", "a_b"),
            ("a_sample_", "a_sample_"),
            ("a_sample_x", "a_sample_x"),
        ] {
            assert_eq!(source_name(name), expected);
        }
    }
}
