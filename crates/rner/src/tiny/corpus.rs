//! The synthetic corpus as files that people can look at.

use std::path::{Path, PathBuf};

use ner_datasets::synthetic::{Corpus, CorpusConfig};
use ner_types::Example;

use crate::error::{Context, Result};

/// The corpus at the sizes of a recipe.
pub struct TinyCorpus(pub Corpus);

impl TinyCorpus {
    /// Generates the corpus; 0 sentences mean none.
    pub fn generate(seed: u64, train: usize, rl: usize, eval_per_domain: usize) -> Self {
        Self(Corpus::generate(&CorpusConfig {
            seed,
            train,
            rl,
            eval_per_domain,
        }))
    }

    /// The parts of the corpus by the names of their files.
    fn parts(&self) -> Vec<(String, &[Example])> {
        let mut parts = vec![
            ("train.jsonl".to_owned(), self.0.train.as_slice()),
            ("rl.jsonl".to_owned(), self.0.rl.as_slice()),
        ];
        for (name, examples) in &self.0.eval {
            parts.push((format!("eval/{name}.jsonl"), examples.as_slice()));
        }
        parts
    }
}

/// Writes the corpus as JSONL files, and says of each how many sentences it has.
///
/// # Errors
/// A folder that cannot be written.
pub fn write_corpus(corpus: &TinyCorpus, dir: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let mut files = Vec::new();
    for (file, examples) in corpus.parts() {
        let path = dir.join(&file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        ner_datasets::write_jsonl(&path, examples)?;
        files.push((path, examples.len()));
    }
    Ok(files)
}
