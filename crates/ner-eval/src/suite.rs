//! What is evaluated: named sets of examples.

use std::path::Path;

use ner_datasets::{Dataset, open_data_dir};
use ner_types::Example;

/// The sets of a benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Name of the benchmark.
    pub name: String,
    /// Its sets, in the order of the table's columns. Their names must differ.
    pub sets: Vec<EvalSet>,
}

/// One test set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalSet {
    /// Name of the set.
    pub name: String,
    /// Its sentences, with schema and gold entities as written in the dataset: labels are normalised and placeholder
    /// labels dropped where prompts are rendered and answers scored.
    pub examples: Vec<Example>,
}

impl Suite {
    /// Makes a suite of datasets that have been read.
    pub fn from_datasets(name: impl Into<String>, datasets: Vec<Dataset>) -> Suite {
        let sets = datasets.into_iter().map(|set| EvalSet {
            name: set.name,
            examples: set.examples,
        });
        Suite {
            name: name.into(),
            sets: sets.collect(),
        }
    }

    /// The test splits of the paper's seven zero-shot sets, found under `dir` by [`open_data_dir`].
    ///
    /// # Errors
    ///
    /// If a set is missing or cannot be read.
    pub fn benchmark(dir: &Path) -> Result<Suite, ner_datasets::Error> {
        Ok(Suite::from_datasets(
            "CrossNER and MIT",
            open_data_dir(dir)?.test()?,
        ))
    }

    /// The same suite with at most `sentences` of each set, its first ones.
    #[must_use]
    pub fn limited(mut self, sentences: usize) -> Suite {
        self.sets
            .iter_mut()
            .for_each(|set| set.examples.truncate(sentences));
        self
    }

    /// Sentences of all sets together.
    pub fn sentences(&self) -> usize {
        self.sets.iter().map(|set| set.examples.len()).sum()
    }
}
