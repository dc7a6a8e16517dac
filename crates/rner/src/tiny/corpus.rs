//! The synthetic corpus as files that people can look at.

use std::path::Path;

use anyhow::{Context, Result};
use ner_toy::{Corpus, CorpusConfig};

/// The corpus at the sizes of a recipe.
pub(crate) struct TinyCorpus(pub(crate) Corpus);

impl TinyCorpus {
    /// Generates the corpus; 0 sentences mean none.
    pub(crate) fn generate(seed: u64, train: usize, rl: usize, eval_per_domain: usize) -> Self {
        Self(Corpus::generate(&CorpusConfig {
            seed,
            train,
            rl,
            eval_per_domain,
        }))
    }
}

/// Writes the corpus as JSONL files and prints what it wrote.
pub(crate) fn write_corpus(corpus: &TinyCorpus, dir: &Path) -> Result<()> {
    for (file, examples) in corpus.0.parts() {
        let path = dir.join(&file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot create {}", parent.display()))?;
        }
        ner_datasets::write_jsonl(&path, examples)?;
        println!("{:>6} sentences  {}", examples.len(), path.display());
    }
    Ok(())
}
