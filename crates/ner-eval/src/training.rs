//! What a system was trained on, to tell entities that it has seen from those that it has not.

use std::path::PathBuf;

use ner_datasets::{Format, ReadOptions, open};
use ner_score::buckets::Seen;
use ner_types::normalize_label;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::suite_spec::SuiteSpec;

/// The entities of the training data, and where they come from.
#[derive(Clone, Debug, Default)]
pub struct TrainingData {
    /// The files and what they hold.
    pub about: TrainedOn,
    /// The entities.
    pub seen: Seen,
}

/// Where training data come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainedOn {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Their sentences.
    pub sentences: usize,
    /// Their entities, repeated ones included.
    pub entities: usize,
}

impl SuiteSpec {
    /// Reads training data in any format of `ner-datasets`, one row at a time; labels are renamed as those of the
    /// suite.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, is of no known format or has a fault that would lose a row.
    pub fn read_training(&self, files: &[PathBuf]) -> Result<TrainingData, Error> {
        let mut data = TrainingData::default();
        for path in files {
            for row in open(path, Format::detect(path)?, ReadOptions::default())? {
                let mut example = row?.example;
                data.about.sentences += 1;
                data.about.entities += example.entities.len();
                for entity in &mut example.entities {
                    if let Some(new) = self.labels.get(&normalize_label(&entity.label)) {
                        entity.label.clone_from(new);
                    }
                    data.seen.insert(entity);
                }
            }
            data.about.files.push(path.clone());
        }
        Ok(data)
    }
}
