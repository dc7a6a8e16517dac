//! Folders with models: what a stage reads from one and leaves in another.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lm_kernels::LmOps;
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{ChatTokenizer, Qwen3};
use ner_types::PromptTemplate;

use crate::backend::Device;
use crate::recipe::{Dtype, Model};

/// Name of the final model inside a training stage's folder.
pub(crate) const MODEL: &str = "model";

const TOKENIZER_FILES: [&str; 2] = ["tokenizer.json", "tokenizer_config.json"];

/// A folder in Hugging Face layout.
#[derive(Clone, Debug)]
pub(crate) struct ModelDir(pub(crate) PathBuf);

impl ModelDir {
    /// The folder a recipe or a flag names.
    ///
    /// # Errors
    /// If there is no such folder: this version does not download.
    pub(crate) fn find(name: &Path) -> Result<Self> {
        ensure!(
            name.join("config.json").is_file(),
            "{}: no model here (expected a folder with config.json, tokenizer.json and \
             model.safetensors, as `hf download` makes it)",
            name.display()
        );
        Ok(Self(name.to_owned()))
    }

    /// The tokenizer.
    pub(crate) fn tokenizer(&self) -> Result<ChatTokenizer> {
        Ok(ChatTokenizer::load(&self.0)?)
    }

    /// The weights, on a device.
    pub(crate) fn load<B: LmOps>(&self, device: &Device<B>) -> Result<Qwen3<B>> {
        Ok(checkpoint::load::<B>(&self.0, device)?)
    }

    /// Files that make a checkpoint of weights a usable model.
    pub(crate) fn tokenizer_files(&self) -> Vec<PathBuf> {
        TOKENIZER_FILES
            .iter()
            .map(|name| self.0.join(name))
            .filter(|path| path.is_file())
            .collect()
    }

    /// Writes a model with this folder's tokenizer to `out`.
    pub(crate) fn save_beside<B: LmOps>(
        &self,
        model: &Qwen3<B>,
        dtype: Dtype,
        out: &Path,
    ) -> Result<()> {
        let dtype = match dtype {
            Dtype::F32 => SaveDtype::F32,
            Dtype::Bf16 => SaveDtype::Bf16,
        };
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        for file in self.tokenizer_files() {
            let name = file.file_name().unwrap_or_default();
            std::fs::copy(&file, out.join(name))
                .with_context(|| format!("cannot copy {} to {}", file.display(), out.display()))?;
        }
        Ok(checkpoint::save(model, model.config(), out, dtype)?)
    }
}

/// The prompt template: a flag's file, or what the recipe names.
pub(crate) fn prompt_template(model: &Model, flag: Option<&Path>) -> Result<PromptTemplate> {
    if let Some(path) = flag {
        return Ok(PromptTemplate::load(path)?);
    }
    match model.prompt.as_str() {
        "paper" => Ok(PromptTemplate::paper()),
        "tiny" => Ok(PromptTemplate::parse(crate::tiny::PROMPT)?),
        path => Ok(PromptTemplate::load(Path::new(path))?),
    }
}
