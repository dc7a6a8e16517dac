//! Flags that several commands have, and how the words of a recipe are typed.

use std::path::Path;

use anyhow::Result;
use atomic_files::Keep;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use ner_types::{PromptTemplate, ReadMode};
use rner::recipe::{Backend, Dtype, Quantize, Recipe};
use rner::stages::{Asking, ModelDir};
use rner::tracking::Tracker;

/// The prompt of `--prompt`.
///
/// # Errors
/// A file that cannot be read, or is no template.
pub fn template(prompt: Option<&Path>) -> Result<Option<PromptTemplate>> {
    Ok(prompt.map(PromptTemplate::load).transpose()?)
}

/// How a model is asked: with the prompt of `--prompt`, else as [`ModelDir::asked_under`] decides. What differs from
/// the model's own way is said on stderr.
///
/// # Errors
/// A file that is no template; as [`ModelDir::asked_under`].
pub fn asking(model: &ModelDir, recipe: &Recipe, prompt: Option<&Path>) -> Result<Asking> {
    let asking = match template(prompt)? {
        Some(given) => model.asked_under(&recipe.clone().with_prompt(&given))?,
        None => model.asked_under(recipe)?,
    };
    if let Some(note) = &asking.note {
        crate::say!("note: {note}");
    }
    Ok(asking)
}

/// For which programs the curves of a training are written.
#[derive(Clone, Debug, Default, Args)]
pub struct TrackArgs {
    /// Also write the curves for these programs, into folders of the same name beside metrics.jsonl: `run.track`. May
    /// be a list with commas. trackio imports TensorBoard's files.
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',', value_parser = trackers())]
    pub track: Vec<Tracker>,
}

impl TrackArgs {
    /// The flag as an override of a recipe.
    pub fn sets(&self) -> Vec<String> {
        let names = self.track.iter().map(|tracker| tracker.name());
        let list = toml::Value::from(names.collect::<Vec<_>>());
        let set = (!self.track.is_empty()).then(|| format!("run.track={list}"));
        set.into_iter().collect()
    }
}

/// The programs that draw curves as they are typed.
fn trackers() -> impl TypedValueParser<Value = Tracker> {
    words([
        ("tensorboard", "Event files in tensorboard/"),
        ("mlflow", "MLflow's file store in mlruns/"),
        (
            "wandb",
            "Weights & Biases' offline runs in wandb/, for `wandb sync`",
        ),
    ])
    .try_map(|word| {
        let mut all = Tracker::ALL.into_iter();
        all.find(|tracker| tracker.name() == word)
            .ok_or("not one of these programs")
    })
}

/// What becomes of other work that is in the way.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ForceArgs {
    /// Keep other work that is there under another name, NAME.old-1, and write anew; without this it is refused.
    #[arg(long, alias = "overwrite")]
    pub force: bool,
}

impl ForceArgs {
    /// Guards a file, or the files below a folder, while they are written: another content is refused or set aside.
    pub fn keep(self, path: &Path) -> Keep {
        if self.force {
            Keep::beside(path)
        } else {
            Keep::at(path)
        }
    }

    /// Claims a folder for some work. Other work that is there is refused, or set aside, which is said.
    ///
    /// # Errors
    /// What the claim refuses and no flag allows; a folder that cannot be renamed.
    pub fn claim<T, E>(self, dir: &Path, claim: impl Fn() -> Result<T, E>) -> Result<T>
    where
        E: Into<anyhow::Error> + IsOtherWork,
    {
        match claim() {
            Err(error) if self.force && error.is_other_work() => {
                atomic_files::set_aside(dir)?;
                crate::say_set_aside();
                claim().map_err(Into::into)
            }
            claimed => claimed.map_err(Into::into),
        }
    }
}

/// Errors that say of a folder that it has other work.
pub trait IsOtherWork {
    /// Whether the folder has work of this program, made from something else.
    fn is_other_work(&self) -> bool;
}

impl IsOtherWork for rner::run_dir::RunDirError {
    fn is_other_work(&self) -> bool {
        self.is_other_work()
    }
}

impl IsOtherWork for ner_eval::Error {
    fn is_other_work(&self) -> bool {
        self.is_other_work()
    }
}

/// How answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerReader {
    /// As the paper's code reads them: a faulty answer has no entities.
    Reference,
    /// With what a faulty answer says all the same.
    Tolerant,
}

impl From<AnswerReader> for ReadMode {
    fn from(reader: AnswerReader) -> ReadMode {
        match reader {
            AnswerReader::Reference => ReadMode::Reference,
            AnswerReader::Tolerant => ReadMode::Tolerant,
        }
    }
}

/// Where hyperparameters come from.
#[derive(Clone, Debug, Args)]
pub struct RecipeArgs {
    /// Profile by name (tiny, tiny-long, smoke, rehearsal, paper-8b, paper-8b-lora, paper-8b-verl, qwen3-1.7b,
    /// qwen3-0.6b-lora) or path of a recipe file.
    #[arg(long, default_value = "tiny")]
    pub profile: String,
    /// Override one key of the recipe; may be repeated.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub sets: Vec<String>,
    /// Burn backend.
    #[arg(long, value_parser = backends())]
    pub backend: Option<Backend>,
    /// Seed of all randomness.
    #[arg(long)]
    pub seed: Option<u64>,
}

impl RecipeArgs {
    /// The recipe of a command: profile, flags, `more`, overrides, in this order, and `--backend`, for which the
    /// program was built, over all of them. What is to be said about old names of keys is said on stderr.
    ///
    /// # Errors
    /// As [`Recipe::resolve`].
    pub fn resolve(&self, more: Vec<String>) -> Result<Recipe> {
        self.resolve_with(None, more)
    }

    /// [`RecipeArgs::resolve`] with a teacher laid over the profile.
    ///
    /// # Errors
    /// As [`Recipe::resolve_with`].
    pub fn resolve_with(&self, teacher: Option<&str>, more: Vec<String>) -> Result<Recipe> {
        let backend = self.backend.map(|b| format!("run.backend={}", b.name()));
        let seed = self.seed.map(|seed| format!("run.seed={seed}"));
        let typed = self.sets.iter().cloned();
        let sets = seed.into_iter().chain(more).chain(typed).chain(backend);
        let sets: Vec<String> = sets.collect();
        let recipe = Recipe::resolve_with(&self.profile, teacher, &sets);
        let recipe = recipe.map_err(rner::Error::from)?;
        for note in &recipe.notes {
            crate::say!("note: {note}");
        }
        Ok(recipe)
    }
}

/// Where teacher and judge are.
#[derive(Clone, Debug, Default, Args)]
pub struct TeacherArgs {
    /// A teacher that there is today, with address, models, prices and limits: deepseek, deepseek-flash, vllm, sglang,
    /// ollama, or a file with the keys of `[cot]`.
    #[arg(long, value_name = "NAME")]
    pub teacher: Option<String>,
    /// Base address of an OpenAI-compatible teacher, such as http://localhost:8000/v1.
    #[arg(long, value_name = "URL")]
    pub teacher_url: Option<String>,
    /// Base address of the judge; the teacher's if left out.
    #[arg(long, value_name = "URL")]
    pub judge_url: Option<String>,
    /// Model name of the teacher.
    #[arg(long, value_name = "NAME")]
    pub teacher_model: Option<String>,
    /// Model name of the judge.
    #[arg(long, value_name = "NAME")]
    pub judge_model: Option<String>,
    /// Environment variable that holds the API key.
    #[arg(long, value_name = "VARIABLE")]
    pub key_env: Option<String>,
}

impl TeacherArgs {
    /// The flags as overrides of a recipe.
    pub fn sets(&self) -> Vec<String> {
        let judge = self.judge_url.as_ref().or(self.teacher_url.as_ref());
        [
            ("cot.teacher_url", self.teacher_url.as_ref()),
            ("cot.judge_url", judge),
            ("cot.teacher_model", self.teacher_model.as_ref()),
            ("cot.judge_model", self.judge_model.as_ref()),
            ("cot.key_env", self.key_env.as_ref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some(quoted(key, value?)))
        .collect()
    }
}

/// A string as the value of an override.
pub fn quoted(key: &str, value: &str) -> String {
    format!("{key}={}", toml::Value::from(value))
}

/// The backends as they are typed.
pub fn backends() -> impl TypedValueParser<Value = Backend> {
    words([
        ("flex", "`burn::backend::Flex`, any CPU"),
        ("libtorch", "`burn::backend::LibTorch`, PyTorch's kernels"),
        ("cuda", "`burn::backend::Cuda`, NVIDIA GPUs"),
        ("vulkan", "`burn::backend::Vulkan`, GPUs of any maker"),
    ])
    .try_map(|word| word.parse())
}

/// The types of weights as they are typed.
pub fn dtypes() -> impl TypedValueParser<Value = Dtype> {
    words([
        ("f32", "32-bit floating point"),
        (
            "bf16",
            "bfloat16, with a copy in 32 bits and moments in 32 bits in the optimizer",
        ),
        ("bf16-pure", "bfloat16, and the optimizer's moments too"),
    ])
    .try_map(|word| word.parse())
}

/// The ways of keeping narrow matrices as they are typed.
pub fn quantizations() -> impl TypedValueParser<Value = Quantize> {
    words([
        ("none", "What they were read in"),
        ("int8", "8 bits, with a scale for each 64 of them"),
    ])
    .try_map(|word| word.parse())
}

/// Words that can be typed, each with its explanation.
fn words<const N: usize>(words: [(&'static str, &'static str); N]) -> PossibleValuesParser {
    PossibleValuesParser::new(words.map(|(word, help)| PossibleValue::new(word).help(help)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recipe: RecipeArgs,
        #[arg(long, value_parser = dtypes(), default_value = "bf16-pure")]
        dtype: Dtype,
        #[arg(long, value_parser = quantizations(), default_value = "none")]
        quantize: Quantize,
    }

    #[test]
    fn every_word_that_can_be_typed_is_one_of_the_recipe() {
        for backend in ["flex", "libtorch", "cuda", "vulkan"] {
            let line = Line::try_parse_from(["x", "--backend", backend]).expect("a backend");
            assert_eq!(line.recipe.backend.map(Backend::name), Some(backend));
        }
        for dtype in ["f32", "bf16", "bf16-pure"] {
            let line = Line::try_parse_from(["x", "--dtype", dtype]).expect("a type");
            assert_eq!(serde_json::json!(line.dtype), dtype);
        }
        for quantize in ["none", "int8"] {
            let line = Line::try_parse_from(["x", "--quantize", quantize]).expect("a way");
            assert_eq!(line.quantize.name(), quantize);
        }
        assert!(Line::try_parse_from(["x", "--backend", "cude"]).is_err());
    }

    #[test]
    fn later_flags_win_over_earlier_ones() {
        let args = [
            "x",
            "--seed",
            "7",
            "--set",
            "run.seed=9",
            "--set",
            "run.name=b",
        ];
        let line = Line::try_parse_from(args).expect("flags");
        let recipe = line.recipe.resolve(vec!["run.name=\"a\"".into()]);
        let recipe = recipe.expect("a recipe");
        assert_eq!((recipe.run.seed, recipe.run.name.as_str()), (9, "b"));
    }

    #[test]
    fn the_judge_is_the_teacher_unless_it_is_named() {
        let args = TeacherArgs {
            teacher_url: Some("http://h/v1".into()),
            ..TeacherArgs::default()
        };
        let sets = ["cot.teacher_url", "cot.judge_url"].map(|key| quoted(key, "http://h/v1"));
        assert_eq!(args.sets(), sets);
    }
}
