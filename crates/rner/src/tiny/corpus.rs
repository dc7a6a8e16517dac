//! The synthetic corpus as files that people can look at.

use std::path::{Path, PathBuf};

use ner_toy::{Corpus, CorpusConfig};
use ner_types::Task;

use crate::error::{Context, Result};

/// The corpus at the sizes of a recipe.
pub struct TinyCorpus(pub Corpus);

impl TinyCorpus {
    /// Generates the corpus of a task; 0 sentences mean none.
    pub fn of(task: Task, seed: u64, train: usize, rl: usize, eval_per_domain: usize) -> Self {
        let config = CorpusConfig {
            seed,
            train,
            rl,
            eval_per_domain,
        };
        Self(Corpus::of(task, &config))
    }

    /// Generates the corpus of entities.
    pub fn generate(seed: u64, train: usize, rl: usize, eval_per_domain: usize) -> Self {
        Self::of(Task::Entities, seed, train, rl, eval_per_domain)
    }
}

/// Writes the corpus as JSONL files, and says of each how many sentences it has.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_corpus(corpus: &TinyCorpus, dir: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let mut files = Vec::new();
    for (file, examples) in corpus.0.parts() {
        let path = dir.join(&file);
        if let Some(parent) = path.parent() {
            atomic_files::fs::create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        ner_datasets::write_jsonl(&path, examples)?;
        files.push((path, examples.len()));
    }
    Ok(files)
}
