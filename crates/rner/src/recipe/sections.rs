//! The sections of a recipe, key by key.

use ner_types::{PromptTemplate, Task, TemplateError};
use serde::{Deserialize, Serialize};
use std::path::Path;

use super::backend::Backend;
use super::form::Form;
use super::rows::Row;
use super::weights::{Dtype, Quantize};
use crate::reasoning::Reasoning;
use crate::tracking::Tracker;

/// `[run]`: name, seeds and backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Folder of the run under `runs/`.
    pub name: String,
    /// The seed from which all randomness comes; the paper uses 42.
    pub seed: u64,
    /// How many seeds are run: `seed`, `seed + 1`, ...
    pub seeds: usize,
    /// The rows of the ablation to make; each but the base model's costs a training.
    pub rows: Vec<Row>,
    /// The Burn backend.
    pub backend: Backend,
    /// Also writes event files for TensorBoard, into `tensorboard/` of the run.
    pub tensorboard: bool,
    /// Other programs for which the curves of the trainings are written, into folders of the run.
    pub track: Vec<Tracker>,
}

impl Run {
    /// The programs for which curves are written.
    pub fn trackers(&self) -> Vec<Tracker> {
        let mut all = self.track.clone();
        all.extend(self.tensorboard.then_some(Tracker::Tensorboard));
        all.sort();
        all.dedup();
        all
    }

    /// The seeds of the run, in order.
    pub fn all_seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..self.seeds as u64).map(move |i| first.wrapping_add(i))
    }
}

/// `[model]`: the base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Directory of a Hugging Face checkpoint, or the id of one.
    pub base: String,
    /// Type of the weights in memory, while training and after.
    pub dtype: Dtype,
    /// What is looked for: entities, relations or events. The wordings that are built in, the toy's corpus and the way
    /// an answer is read go by it; rows say themselves what they are of, and must agree.
    pub task: Task,
    /// The prompt's wording: `paper`, `tiny`, the path of a template, or the template itself, which a path is not
    /// taken for as it contains `{{SCHEMA}}`.
    pub prompt: String,
}

impl Model {
    /// `given`, or else the prompt that the recipe names.
    ///
    /// # Errors
    /// A file that cannot be read or is no template.
    pub fn template(
        &self,
        given: Option<&PromptTemplate>,
    ) -> Result<PromptTemplate, TemplateError> {
        match (given, self.prompt.as_str()) {
            (Some(given), _) => Ok(given.clone()),
            (None, "paper") => Ok(PromptTemplate::of(self.task)),
            (None, "tiny") => PromptTemplate::parse(ner_toy::prompt(self.task)),
            (None, text) if text.contains("{{SCHEMA}}") => PromptTemplate::parse(text),
            (None, path) => PromptTemplate::load(Path::new(path)),
        }
    }
}

/// `[lora]`: the adapters of the stages whose `method` is `lora`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of the update.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Probability of zeroing an input of the low-rank branch while training.
    pub dropout: f64,
    /// Scale by alpha / √rank, not by alpha / rank.
    pub rslora: bool,
    /// Adapted projections by PEFT's names, or `all-linear` alone.
    pub target_modules: Vec<String>,
}

/// `[eval]`: the benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Sentences decoded at once.
    pub batch: usize,
    /// What the weights are narrowed to after they were read.
    pub quantize: Quantize,
    /// Most new tokens of an answer.
    pub max_new_tokens: usize,
    /// What answers are held to while they are written.
    pub form: Form,
    /// Whether tokens are drafted, which changes the speed and nothing else.
    pub drafts: bool,
    /// How much models reason before they answer: `free`, `full`, `short`, `none`, or a number of tokens.
    pub reasoning: Reasoning,
    /// Resamples of the bootstrap intervals.
    pub bootstrap_resamples: usize,
}

/// `[hardware]`: the devices that fine-tuning uses and the plan computes for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// Devices that train; each holds its share of weights, gradients and optimiser.
    pub gpus: usize,
    /// Memory of one device in GiB.
    pub gpu_memory_gib: f64,
    /// What one device can do, in 10^12 floating-point operations per second; 0 if unknown.
    pub peak_tflops: f64,
}

/// `[plan]`: assumptions of `--dry-run`. No stage reads them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Rows expected to pass validation and judge; 0 means every sentence.
    pub accepted_rows: usize,
    /// Mean tokens of a prompt of the model.
    pub prompt_tokens: usize,
    /// Mean tokens of a completion with reasoning.
    pub completion_tokens: usize,
    /// Mean tokens of a request to the teacher.
    pub teacher_tokens_in: usize,
    /// Tokens of a teacher's answer: a low, a middle and a high guess.
    pub teacher_tokens_out: [usize; 3],
}
