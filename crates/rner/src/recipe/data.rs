//! `[data]`: what the stages read, and where it comes from.

use std::path::{Path, PathBuf};

use ner_datasets::Catalogue;
use serde::{Deserialize, Serialize};

use super::error::{RecipeError, range};

/// `[data]`: what the stages read.
///
/// A source is `tiny`, the name of a dataset or of a group of the catalogue (`rner data list`), a file of any format
/// that `rner data` reads, or a folder; see [`DataSource`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Sentences for the teacher: a source.
    pub train: String,
    /// The benchmark: a source.
    pub eval: String,
    /// Prompts of the GRPO stage: a source, or `train` for those that the training data has left over.
    pub grpo: String,
    /// Chains of thought: `generate` asks the teacher, `published` takes NER-CoT as its authors published it, and the
    /// path of a file or the name of a dataset takes the rows there. Without `generate`, `train` is not read.
    pub cot: String,
    /// Sentences put to the teacher; 0 means all of them.
    pub train_sentences: usize,
    /// Sentences of each evaluation set; 0 means all of them.
    pub eval_sentences: usize,
    /// Prompts of the GRPO stage; 0 means as many as there are training rows. Of a group such as `instructuie-20`, each
    /// set gives its share of them, in proportion to its size.
    pub grpo_samples: usize,
    /// Takes this many sentences of every dataset that is read; 0 means all of them.
    pub limit: usize,
    /// Rows of a set of a group that count towards its share of the sample.
    pub sample_cap: usize,
    /// Seed of the sample from a group; the run's own seed does not change it.
    pub sample_seed: u64,
    /// Whether the rows of the sampled sets are mixed.
    pub sample_shuffle: bool,
    /// Sets of a group that are left out of the sample, by name.
    pub without: Vec<String>,
    /// Folder with sets of a group that no program can fetch, each in a folder of its own, such as InstructUIE's; empty
    /// for none. Sets that are found here are not fetched.
    pub folder: String,
    /// Evaluation sets that are scored alone, and whose sentences no stage trains on; empty means that all are scored.
    pub hold_out: Vec<String>,
    /// Names of the labels of the benchmark: `none` as its files have them, `b2ner`, or a file of such names.
    pub label_map: String,
    /// The same for a sample from a group: `none`, `instructuie`, or a file.
    pub grpo_label_map: String,
    /// Licences that are accepted, such as `cc-by-nc-4.0`; data under a licence that needs it is fetched only then.
    pub accept_licences: Vec<String>,
    /// Folder that keeps what is downloaded, for all runs; empty means `$RNER_DATA`, or else `rner/data` in the user's
    /// cache folder.
    pub cache: String,
}

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The corpus that this project wrote.
    Tiny,
    /// The data of the training stage (GRPO only).
    Train,
    /// A dataset of the catalogue, by its name there.
    Public(String),
    /// A group of datasets of the catalogue, by its name there.
    Group(String),
    /// A file or a folder.
    Path(PathBuf),
}

/// Where chains of thought come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CotSource {
    /// The teacher writes them.
    Generate,
    /// They are in a dataset or a file.
    Ready(DataSource),
}

impl DataSource {
    /// Reads a value of `data.train`, `data.eval` or `data.grpo`. A name of the catalogue is that, even if there is a
    /// file of the same name; `./name` is the file.
    pub fn parse(value: &str) -> Self {
        match value {
            "tiny" => Self::Tiny,
            "train" => Self::Train,
            _ => Self::in_catalogue(value).unwrap_or_else(|| Self::Path(Path::new(value).into())),
        }
    }

    fn in_catalogue(value: &str) -> Option<Self> {
        let catalogue = Catalogue::shipped().ok()?;
        let entry = catalogue.get(value).map(|entry| entry.name.clone());
        let group = || catalogue.group(value).map(|group| group.name.clone());
        entry.map(Self::Public).or_else(|| group().map(Self::Group))
    }
}

impl Data {
    /// Where the chains of thought come from.
    pub fn cot_source(&self) -> CotSource {
        match self.cot.as_str() {
            "generate" => CotSource::Generate,
            "published" => CotSource::Ready(DataSource::Public("ner-cot".into())),
            other => CotSource::Ready(DataSource::parse(other)),
        }
    }

    /// The folder that keeps what is downloaded.
    pub fn cache_dir(&self) -> PathBuf {
        if self.cache.is_empty() {
            ner_datasets::default_cache()
        } else {
            PathBuf::from(&self.cache)
        }
    }

    /// Whether a licence, by its identifier in the catalogue, is accepted.
    pub fn accepts(&self, licence: &str) -> bool {
        let mut accepted = self.accept_licences.iter();
        accepted.any(|given| given.trim().eq_ignore_ascii_case(licence))
    }

    pub(super) fn validate(&self) -> Result<(), RecipeError> {
        let cap = self.sample_cap;
        range("data.sample_cap", cap, cap >= 1, "at least 1")?;
        let cot = &self.cot;
        let is_source = !matches!(cot.as_str(), "" | "tiny" | "train");
        range("data.cot", cot, is_source, "generate, published or a file")
    }
}
