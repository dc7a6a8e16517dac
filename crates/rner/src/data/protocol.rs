//! What a score means: whether the training data comes from the sets that are scored.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::run_dir::write_json;

/// Name of the file in the folder of the stage `data` that holds the [`RunProtocol`].
pub const PROTOCOL_FILE: &str = "protocol.json";

/// How the training data stands to the sets that are scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Protocol {
    /// No training sentence comes from a dataset that is scored.
    ZeroShot,
    /// Some training sentences come from the training splits of sets that are scored.
    InDomain {
        /// These sets, by their names in the benchmark.
        sets: Vec<String>,
    },
    /// Sets of the benchmark were kept out of training, which has the others of it; only these are scored.
    HeldOut {
        /// The sets that were kept out, and are scored.
        domains: Vec<String>,
    },
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroShot => f.write_str("zero-shot"),
            Self::InDomain { sets } => write!(f, "in-domain ({})", sets.join(", ")),
            Self::HeldOut { domains } => write!(f, "held-out domain ({})", domains.join(", ")),
        }
    }
}

/// Training sentences that stand in a set that is scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The set.
    pub set: String,
    /// Training sentences with the same words in the same order; case, punctuation and spaces do not count.
    pub exact: usize,
    /// Others that share 13 words in a row with one of its sentences, or contain a short one whole.
    pub shared: usize,
    /// Others that are near-duplicates.
    pub near: usize,
}

/// One source of training sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// What reads it: `train`, `cot` or `grpo`.
    pub stage: String,
    /// The value of the recipe's key.
    pub source: String,
    /// Its rows that are used.
    pub rows: usize,
    /// The sets that are scored and of whose datasets some of the rows are.
    pub scored_sets: Vec<String>,
    /// Licences of the datasets of the catalogue among it.
    pub licences: Vec<String>,
}

/// What one set of a group gave to a sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledSet {
    /// The set.
    pub set: String,
    /// Rows that it has.
    pub rows: usize,
    /// Rows that were drawn.
    pub drawn: usize,
}

/// All that is to be said about the data of a run, `protocol.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProtocol {
    /// What a score means.
    pub protocol: Protocol,
    /// The benchmark as the recipe names it.
    pub eval: String,
    /// The names of labels that the benchmark's prompts use: `none`, `b2ner` or a file.
    pub label_map: String,
    /// What was trained on.
    pub training: Vec<Training>,
    /// Training sentences that stand in the sets that are scored, for each set that has any.
    pub overlap: Vec<Overlap>,
    /// What each set of a group gave to the GRPO prompts.
    pub sample: Vec<SampledSet>,
    /// Sets that should be in the sample and are not there, each with how to get it.
    pub missing: Vec<String>,
    /// Whatever else was dropped, cut, renamed or counted, as sentences.
    pub notes: Vec<String>,
}

impl RunProtocol {
    /// Reads the protocol from the folder of the stage `data`.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(PROTOCOL_FILE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes the protocol into the folder of the stage `data`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(PROTOCOL_FILE), self)?)
    }

    /// All of it for people: what kind of run this is first, then what follows from the data.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![format!("Protocol: {}.", self.protocol)];
        for training in &self.training {
            let (stage, source) = (&training.stage, &training.source);
            let licences = match training.licences.as_slice() {
                [] => String::new(),
                licences => format!(" under {}", licences.join("; ")),
            };
            said.push(format!(
                "Data of {stage}: {} rows of {source}{licences}.",
                training.rows
            ));
        }
        for overlap in &self.overlap {
            let Overlap {
                set,
                exact,
                shared,
                near,
            } = overlap;
            said.push(format!(
                "{set}: training has {exact} of its sentences word for word, {shared} that share a long run of words \
                 with one, {near} near-duplicates."
            ));
        }
        let drawn = |set: &SampledSet| format!("{} {} of {}", set.set, set.drawn, set.rows);
        if !self.sample.is_empty() {
            let quotas: Vec<String> = self.sample.iter().map(drawn).collect();
            said.push(format!("Sample for GRPO: {}.", quotas.join(", ")));
        }
        let missing = self.missing.iter();
        said.extend(missing.map(|set| format!("Missing in the sample: {set}.")));
        said.extend(self.notes.iter().cloned());
        said
    }

    /// Whether the scores may stand beside the paper's zero-shot rows.
    ///
    /// They may if the run is zero-shot, or if it is in-domain as the paper's own run may be: by GRPO prompts from
    /// mit-movie and mit-restaurant, which are in its list of 20 sets. With `data.label_map = "b2ner"` the row beside
    /// is the paper's ♣ row.
    pub fn is_like_the_paper(&self) -> bool {
        let only_mit = |training: &Training| {
            let mut sets = training.scored_sets.iter();
            sets.all(|set| {
                training.stage == "grpo" && ner_datasets::MIT_SETS.contains(&set.as_str())
            })
        };
        match self.protocol {
            Protocol::ZeroShot => true,
            Protocol::InDomain { .. } => self.training.iter().all(only_mit),
            Protocol::HeldOut { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(stage: &str, sets: &[&str]) -> RunProtocol {
        let sets: Vec<String> = sets.iter().map(|set| (*set).into()).collect();
        let protocol = if sets.is_empty() {
            Protocol::ZeroShot
        } else {
            Protocol::InDomain { sets: sets.clone() }
        };
        RunProtocol {
            protocol,
            eval: "crossner-mit".into(),
            label_map: "none".into(),
            training: vec![Training {
                stage: stage.into(),
                scored_sets: sets,
                ..Training::default()
            }],
            overlap: Vec::new(),
            sample: Vec::new(),
            missing: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn only_what_the_paper_did_stands_beside_the_paper() {
        assert!(protocol("train", &[]).is_like_the_paper());
        assert!(protocol("grpo", &["mit-movie"]).is_like_the_paper());
        assert!(!protocol("train", &["mit-movie"]).is_like_the_paper());
        assert!(!protocol("grpo", &["mit-movie", "CrossNER_AI"]).is_like_the_paper());
    }

    #[test]
    fn a_protocol_survives_the_disk() -> Result<()> {
        let dir = tempfile::tempdir().context("a folder")?;
        let mut written = protocol("cot", &["mit-movie"]);
        written.write(dir.path())?;
        assert_eq!(RunProtocol::read(dir.path())?, written);
        written.protocol = Protocol::HeldOut {
            domains: vec!["CrossNER_AI".into()],
        };
        written.write(dir.path())?;
        assert_eq!(RunProtocol::read(dir.path())?, written);
        assert_eq!(
            written.protocol.to_string(),
            "held-out domain (CrossNER_AI)"
        );
        Ok(())
    }
}
