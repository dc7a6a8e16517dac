//! Folders with models: what a stage reads from one and leaves in another.

use std::path::{Path, PathBuf};

use atomic_files::AtomicDir;
use lm_kernels::LmOps;
use lm_model::checkpoint;
use lm_model::{ChatTokenizer, LoraConfig, Precision, Qwen3, TARGET_MODULES};

use super::{MODEL, model_name};
use crate::backend::Device;
use crate::error::{Context, Result};
use crate::model_prompt::ModelPrompt;
use crate::recipe::{Dtype, Lora, Quantize, Recipe};
use crate::run_dir::hash_path;
use crate::session::Session;

/// Name of the adapter beside it, if the stage trained one.
const ADAPTER: &str = "adapter";

/// What belongs to the tokenizer, the first of them always; newer programs keep the chat template in a file of its own.
const TOKENIZER_FILES: [&str; 4] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// A folder in Hugging Face layout.
#[derive(Clone, Debug)]
pub struct ModelDir {
    /// The folder; for a model of the Hub, that of the cache.
    pub path: PathBuf,
    /// The folder with the whole weights: the same one, or the base of the adapter in it.
    base: PathBuf,
    /// The id on the Hub, if that is how the model was named.
    id: Option<String>,
}

/// How the weights of a model that only answers are kept.
#[derive(Clone, Copy, Debug)]
pub struct Answering {
    /// What they are read in.
    pub dtype: Dtype,
    /// What they are narrowed to then.
    pub quantize: Quantize,
}

impl Answering {
    /// As a recipe says.
    pub fn of(recipe: &Recipe) -> Self {
        Self {
            dtype: recipe.model.dtype,
            quantize: recipe.eval.quantize,
        }
    }
}

impl ModelDir {
    /// A folder that is known to hold a whole model.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            base: path.clone(),
            path,
            id: None,
        }
    }

    /// The name by which an adapter refers to this model: one that other machines know, where there is one.
    fn name(&self) -> String {
        let path = || self.path.display().to_string();
        self.id.clone().unwrap_or_else(path)
    }

    /// The folder that a recipe or a flag names, or the model of the Hugging Face Hub with this id
    /// (`owner/name`, `owner/name@revision`), which is downloaded unless it is in the cache.
    ///
    /// # Errors
    /// If there is neither, or an adapter without its base. The Hub is asked for ids alone: not for a path, nor for a
    /// single word.
    pub fn find(name: impl AsRef<Path>, session: &Session) -> Result<Self> {
        let name = name.as_ref();
        if checkpoint::is_adapter(name) {
            return Ok(Self {
                base: base_of(name, session)?,
                ..Self::at(name)
            });
        }
        if name.join("config.json").is_file() {
            return Ok(Self::at(name));
        }
        let id = model_name::hub_id(name)?;
        let progress = session.start(&id.to_string(), 0, "MB");
        let dir = id.fetch(false, session.stop(), move |done, all| {
            let [done, all] = [done, all].map(|bytes| (bytes / 1_000_000) as usize);
            progress.tick(done, &format!("of {all} MB"));
        });
        session.check()?;
        Ok(Self {
            id: Some(id.to_string()),
            ..Self::at(dir?)
        })
    }

    /// Hash of the files that decide what this model answers: weights, configuration and tokenizer, of an adapter
    /// those of its base too.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn hash(&self) -> Result<String> {
        let mut hash = hash_model_files(&self.path)?;
        if checkpoint::is_adapter(&self.path) {
            hash.push_str(&hash_model_files(&self.base)?);
        }
        Ok(blake3::hash(hash.as_bytes()).to_hex().to_string())
    }

    /// The folder with the whole weights: the same one, or the base of the adapter in it.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// The tokenizer, with the stop tokens that the folder of the weights names.
    ///
    /// # Errors
    /// If there is none, or a damaged one.
    pub fn tokenizer(&self) -> Result<ChatTokenizer> {
        let tokenizer = ChatTokenizer::load(self.tokenizer_dir())?;
        Ok(tokenizer.with_stops_of(&self.base)?)
    }

    /// An adapter may leave the tokenizer to its base.
    fn tokenizer_dir(&self) -> &Path {
        if self.path.join(TOKENIZER_FILES[0]).is_file() {
            &self.path
        } else {
            &self.base
        }
    }

    /// The weights, on a device; those of an adapter merged into its base.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn load<B: LmOps>(&self, device: &Device<B>, precision: Precision) -> Result<Qwen3<B>> {
        let model = checkpoint::load_as::<B>(&self.base, device, precision)?;
        if !checkpoint::is_adapter(&self.path) {
            return Ok(model);
        }
        Ok(checkpoint::load_adapter(model, &self.path)?.merged())
    }

    /// [`ModelDir::load`] of a model that is trained: whatever is written of it, its checkpoints and the best of them
    /// too, names all tokens at which this program ends an answer.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn load_to_train<B: LmOps>(
        &self,
        device: &Device<B>,
        precision: Precision,
    ) -> Result<Qwen3<B>> {
        let model = self.load::<B>(device, precision)?;
        Ok(model.ended_by(&self.tokenizer()?))
    }

    /// [`ModelDir::load`] of a model that only answers.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub fn load_to_answer<B: LmOps>(
        &self,
        device: &Device<B>,
        weights: Answering,
    ) -> Result<Qwen3<B>> {
        let model = self.load::<B>(device, weights.dtype.precision())?;
        Ok(weights.quantize.narrow(model))
    }

    /// `model`, which is this one, with a fresh adapter on it.
    ///
    /// # Errors
    /// An adapter that does not fit the model.
    pub fn adapt<B: LmOps>(&self, model: Qwen3<B>, lora: &Lora, seed: u64) -> Result<Qwen3<B>> {
        let all = lora.target_modules == ["all-linear"];
        let config = LoraConfig {
            rank: lora.rank,
            alpha: lora.alpha,
            dropout: lora.dropout,
            use_rslora: lora.rslora,
            target_modules: if all {
                TARGET_MODULES.map(str::to_owned).to_vec()
            } else {
                lora.target_modules.clone()
            },
            base_model: Some(self.name()),
            ..LoraConfig::default()
        };
        Ok(model.with_lora(&config, seed)?)
    }

    /// Writes what a stage trained below `out`: the whole model as `model/`, and with LoRA the
    /// adapter in PEFT's format as `adapter/` too, each with how it is asked. Each folder is complete or absent, and
    /// replaces an older one.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn save_trained<B: LmOps>(
        &self,
        model: &Qwen3<B>,
        asked: &ModelPrompt,
        out: &Path,
    ) -> Result<()> {
        if model.lora().is_none() {
            return self.save_beside(model, asked, &out.join(MODEL));
        }
        let adapter = AtomicDir::create(&out.join(ADAPTER))?;
        checkpoint::save_adapter(model, adapter.path())?;
        self.copy_tokenizer(adapter.path())?;
        asked.write(adapter.path())?;
        adapter.commit()?;
        self.save_beside(&model.merged(), asked, &out.join(MODEL))
    }

    /// Files that make a checkpoint of weights a usable model.
    pub fn tokenizer_files(&self) -> Vec<PathBuf> {
        let dir = self.tokenizer_dir();
        TOKENIZER_FILES
            .iter()
            .map(|name| dir.join(name))
            .filter(|path| path.is_file())
            .collect()
    }

    /// Writes a model with this folder's tokenizer as the folder `out`, which is complete or absent.
    fn save_beside<B: LmOps>(
        &self,
        model: &Qwen3<B>,
        asked: &ModelPrompt,
        out: &Path,
    ) -> Result<()> {
        let folder = AtomicDir::create(out)?;
        self.copy_tokenizer(folder.path())?;
        asked.write(folder.path())?;
        let dtype = model.precision().into();
        let config = model.config().clone().ended_by(&self.tokenizer()?);
        checkpoint::save(model, &config, folder.path(), dtype)?;
        folder.commit()?;
        Ok(())
    }

    fn copy_tokenizer(&self, out: &Path) -> Result<()> {
        for file in self.tokenizer_files() {
            let name = file.file_name().unwrap_or_default();
            atomic_files::fs::copy(&file, out.join(name))
                .with_context(|| format!("cannot copy {} to {}", file.display(), out.display()))?;
        }
        Ok(())
    }
}

/// The names and hashes of a folder's own files that a model is read from, a line each.
fn hash_model_files(dir: &Path) -> Result<String> {
    let unreadable = || format!("cannot read {}", dir.display());
    let entries = std::fs::read_dir(dir).with_context(unreadable)?;
    let mut lines = Vec::new();
    for entry in entries {
        let path = entry.with_context(unreadable)?.path();
        let is_model = path.extension().is_some_and(|extension| {
            ["safetensors", "json", "jinja"]
                .iter()
                .any(|known| extension == *known)
        });
        if is_model && path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            lines.push(format!("{name} {}\n", hash_path(&path)?));
        }
    }
    lines.sort();
    Ok(lines.concat())
}

/// The folder with the whole weights of an adapter.
fn base_of(adapter: &Path, session: &Session) -> Result<PathBuf> {
    let name = checkpoint::adapter_base(adapter)?;
    let beside = adapter.join(&name);
    if beside.join("config.json").is_file() {
        return Ok(beside);
    }
    let base = ModelDir::find(&name, session);
    let base = base.with_context(|| format!("{}: the base of this adapter", adapter.display()));
    Ok(base?.path)
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    /// What a killed writer has left, as large as the weights, is in no finished folder.
    #[test]
    fn a_finished_model_has_no_leftovers() -> Result<(), Box<dyn std::error::Error>> {
        let out = tempfile::tempdir()?;
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent())?;
        let model = base.load::<Flex>(&Default::default(), Precision::F32)?;
        let recipe = Recipe::resolve("tiny", &[])?;
        let dead = u32::MAX;
        for folder in [MODEL, ADAPTER] {
            std::fs::create_dir(out.path().join(folder))?;
            let half = format!("{folder}/.model.safetensors.{dead}-0.partial");
            std::fs::write(out.path().join(half), "half")?;
            std::fs::create_dir(out.path().join(format!(".{folder}.{dead}-0.partial")))?;
        }
        let asked = ModelPrompt::of(&recipe)?;
        base.save_trained(&base.adapt(model, &recipe.lora, 1)?, &asked, out.path())?;
        let names = |dir: &Path| -> std::io::Result<Vec<String>> {
            let entries: Result<Vec<_>, _> = std::fs::read_dir(dir)?.collect();
            let names = entries?.into_iter().map(|entry| entry.file_name());
            let mut names: Vec<_> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.sort();
            Ok(names)
        };
        assert_eq!(names(out.path())?, [ADAPTER, MODEL]);
        for folder in [MODEL, ADAPTER] {
            let found = names(&out.path().join(folder))?;
            assert!(found.iter().all(|name| !name.starts_with('.')), "{found:?}");
            assert!(found.contains(&"tokenizer.json".to_owned()), "{found:?}");
            let own = ModelDir::at(out.path().join(folder)).own_prompt()?;
            assert_eq!(own.as_ref(), Some(&asked), "{folder}");
        }
        Ok(())
    }

    /// A base model's files name the end of a text alone; behind a tuned one's answer stands the end of a turn.
    #[test]
    fn what_is_saved_stops_where_this_program_stops() -> Result<(), Box<dyn std::error::Error>> {
        let base = base_that_ends_texts()?;
        let (out, model) = (tempfile::tempdir()?, ModelDir::at(base.path()));
        let stops = model.tokenizer()?.stop_ids();
        let trained = model.load_to_train::<Flex>(&Default::default(), Precision::F32)?;
        assert_eq!(trained.config().eos_token_id, stops);
        let asked = ModelPrompt::of(&Recipe::resolve("tiny", &[])?)?;
        model.save_trained(&trained, &asked, out.path())?;
        for file in ["config.json", "generation_config.json"] {
            let text = std::fs::read(out.path().join(MODEL).join(file))?;
            let written: serde_json::Value = serde_json::from_slice(&text)?;
            assert_eq!(written["eos_token_id"], serde_json::json!(stops), "{file}");
            assert_eq!(written["pad_token_id"], 4091, "{file}");
        }
        let template = std::fs::read_to_string(out.path().join(MODEL).join("chat_template.jinja"))?;
        assert_eq!(template, "its template");
        let again = ModelDir::at(out.path().join(MODEL)).tokenizer()?;
        assert_eq!(again.stop_ids(), stops);
        Ok(())
    }

    /// The toy base with files as those of a base model: `<|endoftext|>` ends a text, and pads.
    fn base_that_ends_texts() -> Result<tempfile::TempDir, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        for entry in std::fs::read_dir("../../fixtures/tiny-base")? {
            let path = entry?.path();
            std::fs::copy(&path, dir.path().join(path.file_name().unwrap_or_default()))?;
        }
        let config = dir.path().join("config.json");
        let mut text: serde_json::Value = serde_json::from_slice(&std::fs::read(&config)?)?;
        text["eos_token_id"] = 4091.into();
        std::fs::write(&config, text.to_string())?;
        let generation = r#"{"eos_token_id": 4091, "pad_token_id": 4091}"#;
        std::fs::write(dir.path().join("generation_config.json"), generation)?;
        std::fs::write(dir.path().join("chat_template.jinja"), "its template")?;
        Ok(dir)
    }

    #[test]
    fn a_model_is_known_by_the_content_of_its_files() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let model = |name: &str, weights: &str| -> std::io::Result<ModelDir> {
            let dir = dir.path().join(name);
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join("config.json"), "{}")?;
            std::fs::write(dir.join("model.safetensors"), weights)?;
            Ok(ModelDir::at(dir))
        };
        let one = model("one", "1234")?.hash()?;
        assert_eq!(model("copy", "1234")?.hash()?, one);
        std::fs::write(dir.path().join("copy/README.md"), "about it")?;
        assert_eq!(model("copy", "1234")?.hash()?, one);
        assert_ne!(model("one", "1243")?.hash()?, one);
        Ok(())
    }
}
