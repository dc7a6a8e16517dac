//! What the workloads read: a model so small that a training takes a moment, sentences, recipes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lm_model::checkpoint::{SaveDtype, save};
use lm_model::{Qwen3, Qwen3Config};
use ner_eval::Suite;
use ner_types::Example;
use rner::backend::Flex;
use rner::recipe::Recipe;
use rner::session::Session;
use rner::stages::{ModelDir, Sources};

use crate::lab::Lab;

/// What all workloads are made from; nobody writes there.
pub(super) struct World {
    /// A model with random weights and the tokenizer of `fixtures/tiny-base`.
    pub(super) base: PathBuf,
    /// Annotated sentences of the toy world, in memory and as files.
    pub(super) sources: Sources,
    pub(super) data: PathBuf,
    /// Where the workloads write. All write to the same folder, as its path may be in what they write.
    pub(super) out: PathBuf,
}

impl World {
    pub(super) fn new(lab: &Lab) -> Result<Self> {
        let (base, data) = (lab.folder("base")?, lab.folder("data")?);
        make_base(&lab.source("fixtures/tiny-base"), &base)?;
        let recipe = recipe(&base, &["data.train_sentences=24", "data.eval_sentences=3"])?;
        let sources = Sources::load(&recipe.data, recipe.run.seed, &Session::silent())?;
        sources.write(&data)?;
        write_suite(&sources.suite, &data.join("suite.toml"))?;
        let out = lab.folder("out")?;
        std::fs::remove_dir(&out).with_context(|| out.display().to_string())?;
        Ok(Self {
            base,
            sources,
            data,
            out,
        })
    }

    /// The shortest recipe there is with these settings.
    pub(super) fn recipe(&self, sets: &[&str]) -> Result<Recipe> {
        recipe(&self.base, sets)
    }

    pub(super) fn base(&self) -> ModelDir {
        ModelDir::at(&self.base)
    }

    pub(super) fn train(&self) -> &[Example] {
        &self.sources.train
    }

    /// Removes what a workload has written.
    pub(super) fn clear(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.out) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.out.display().to_string())
            }
            _ => Ok(()),
        }
    }
}

fn recipe(base: &Path, sets: &[&str]) -> Result<Recipe> {
    let base = format!("model.base={:?}", base.display().to_string());
    let sets = sets.iter().map(|set| (*set).to_owned());
    let sets: Vec<String> = std::iter::once(base).chain(sets).collect();
    Ok(Recipe::resolve("smoke", &sets)?)
}

/// The benchmark as `rner eval` wants it.
fn write_suite(suite: &Suite, to: &Path) -> Result<()> {
    let sets = suite
        .sets
        .iter()
        .map(|set| format!("[[set]]\nname = \"{}\"\n", set.name));
    let text = format!(
        "name = \"toy\"\ntitle = \"Toy\"\n{}",
        sets.collect::<String>()
    );
    std::fs::write(to, text).with_context(|| to.display().to_string())
}

/// Some 70,000 parameters, nearly all of them the embedding.
fn make_base(fixture: &Path, to: &Path) -> Result<()> {
    let config = Qwen3Config {
        vocab_size: 4096,
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        tie_word_embeddings: true,
        max_position_embeddings: 2048,
        eos_token_id: vec![4093, 4091],
        ..Qwen3Config::default()
    };
    let model: Qwen3<Flex> = config.init(&Default::default(), 3);
    save(&model, &config, to, SaveDtype::Bf16)?;
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        let from = fixture.join(name);
        let copied = std::fs::copy(&from, to.join(name));
        copied.with_context(|| from.display().to_string())?;
    }
    Ok(())
}
