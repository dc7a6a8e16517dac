//! The synthetic corpus as files that people can look at.

use std::path::Path;

use anyhow::{Context, Result};
use ner_datasets::synthetic::{Corpus, CorpusConfig};
use ner_types::Example;

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

/// Writes the corpus as JSONL files and prints what it wrote.
pub(crate) fn write_corpus(corpus: &TinyCorpus, dir: &Path) -> Result<()> {
    for (file, examples) in corpus.parts() {
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
