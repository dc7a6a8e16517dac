//! CoT tuning: supervised fine-tuning on annotated examples.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::ChatTokenizer;
use lm_train::{
    OptimConfig, Outcome, Resume, RunFiles, Sample, SampleCounts, SftConfig, SftData, train_sft_on,
};
use ner_types::{Example, PromptTemplate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::mix::Mix;
use super::sample::sample;
use super::told::{RowFaults, if_any, in_brackets};
use super::{ModelDir, Watch, check_task};
use crate::backend::{self, Device, Task};
use crate::error::{Error, Result};
use crate::model_prompt::{MODEL_PROMPT, ModelPrompt};
use crate::recipe::{Method, Recipe};
use crate::session::Session;

/// A fine-tuning run.
pub struct SftJob<'a> {
    /// The model to start from.
    pub base: ModelDir,
    /// The examples; those without a chain of thought are used with the answer alone.
    pub examples: &'a [Example],
    /// The prompt; the recipe's if left out.
    pub template: Option<PromptTemplate>,
    /// Whether the reasoning is part of the target.
    pub with_cot: bool,
    /// Hyperparameters, adapters and devices.
    pub recipe: &'a Recipe,
    /// Examples to evaluate on; without any, `sft.eval_share` of the examples is held out.
    pub held_out: &'a [Example],
    /// Seed of the order of examples.
    pub seed: u64,
    /// Name of the stage in the metrics and on the progress line.
    pub name: String,
    /// Folder for `metrics.jsonl` and the files of TensorBoard.
    pub log: PathBuf,
    /// Folder for `model/`, with LoRA `adapter/`, and, while training, `checkpoints/`.
    pub out: PathBuf,
    /// When to stop, and who listens.
    pub session: &'a Session,
}

impl<'a> SftJob<'a> {
    /// The fine-tuning of a recipe, with the reasoning as part of the target, everything in the folder `out`.
    pub fn new(
        recipe: &'a Recipe,
        base: ModelDir,
        examples: &'a [Example],
        out: impl Into<PathBuf>,
        session: &'a Session,
    ) -> Self {
        let out = out.into();
        Self {
            base,
            examples,
            template: None,
            with_cot: true,
            recipe,
            held_out: &[],
            seed: recipe.run.seed,
            name: "sft".to_owned(),
            log: out.clone(),
            out,
            session,
        }
    }

    /// Trains on the recipe's backend, and says in a few words what was done.
    ///
    /// # Errors
    /// Examples, a model or hyperparameters that cannot be trained with; an interruption, after which the same job
    /// goes on from its last checkpoint.
    pub fn train(self) -> Result<String> {
        backend::dispatch(self.recipe.run.backend, self)
    }
}

impl Task for SftJob<'_> {
    type Output = String;
    type Error = Error;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<String> {
        let Recipe { sft, lora, .. } = self.recipe;
        let config = trainer_config(self.recipe, self.seed);
        let devices = backend::devices::<B>(device, self.recipe.hardware.gpus)?;
        let tokenizer = self.base.tokenizer()?;
        let template = self.recipe.model.template(self.template.as_ref())?;
        check_task(self.recipe, self.examples.iter().chain(self.held_out))?;
        let header = sft.train_header;
        let bare = warn_of_bare(self.examples, self.with_cot);
        let mix = Mix::of(sft, self.seed).filter(|_| self.with_cot);
        let tokenise = |examples: &[Example]| match &mix {
            Some(mix) => mix.samples(&tokenizer, &template, examples, header),
            None => samples(&tokenizer, &template, examples, self.with_cot, header),
        };
        let mut train = tokenise(self.examples);
        let eval = match self.held_out {
            [] => hold_out(&mut train, sft.eval_share, self.seed),
            given => tokenise(given),
        };
        if train.is_empty() {
            return Err(Error::invalid("there is no example to train on"));
        }
        let model = self
            .base
            .load_to_train::<B>(device, self.recipe.model.dtype.precision())?;
        let model = match sft.method {
            Method::Full => model,
            Method::Lora => self.base.adapt(model, lora, self.seed)?,
        };
        let asked = ModelPrompt {
            task: self.recipe.model.task,
            reasoning: Some(self.with_cot && bare < self.examples.len()),
            reasoning_switch: mix.map(|mix| mix.switch(&tokenizer, self.examples)),
            max_sequence_tokens: Some(config.max_length),
            ..ModelPrompt::with_template(&template, self.recipe.eval.max_new_tokens)
        };
        let checkpoints = self.out.join("checkpoints");
        let files = RunFiles {
            resume: Resume::Latest,
            checkpoints: Some(checkpoints.clone()),
            attach: self.base.tokenizer_files(),
            texts: vec![(MODEL_PROMPT.to_owned(), asked.to_json())],
        };
        let data = SftData {
            train: &train,
            eval: &eval,
        };
        let (name, log) = (self.name.as_str(), self.log.as_path());
        let mut watch = Watch::open(name, self.seed, "steps", log, self.recipe, self.session)?;
        let stop = watch.token();
        let outcome = train_sft_on(&devices, model, data, &config, &files, &stop, &mut watch)?;
        let told = Told {
            limit: config.max_length,
            held_out: if self.held_out.is_empty() {
                eval.len()
            } else {
                0
            },
            bare,
            given: self.examples.len(),
            mix: mix.map(|mix| mix.words(self.examples)),
            faults: RowFaults::of(self.examples),
        };
        let summary = summary(&told, &outcome);
        watch.finish(&summary)?;
        if outcome.stopped {
            return Err(Error::Interrupted);
        }
        self.base.save_trained(&outcome.model, &asked, &self.out)?;
        // The model is complete; the optimizer's state is only for going on.
        atomic_files::remove_dir(&checkpoints).ok();
        Ok(summary)
    }
}

/// Tokenises examples: the prompt without loss, the completion with.
///
/// With `train_header`, as in the paper's code, the loss also covers the header `<|im_start|>assistant\n`, which is the
/// same everywhere; without it, the loss begins with the target.
pub fn samples(
    tokenizer: &ChatTokenizer,
    template: &PromptTemplate,
    examples: &[Example],
    with_cot: bool,
    train_header: bool,
) -> Vec<Sample> {
    let one = |example: &Example| {
        let example = example.normalized();
        let cot = example.cot.as_deref().filter(|_| with_cot);
        sample(tokenizer, template, &example, cot, train_header)
    };
    examples.iter().map(one).collect()
}

/// Takes a random share of the samples out of them.
fn hold_out(samples: &mut Vec<Sample>, share: f64, seed: u64) -> Vec<Sample> {
    let count = (samples.len() as f64 * share).round() as usize;
    if count == 0 {
        return Vec::new();
    }
    samples.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    samples.split_off(samples.len().saturating_sub(count))
}

/// Examples without reasoning where the target is to have some: the model learns to answer without.
fn warn_of_bare(examples: &[Example], with_cot: bool) -> usize {
    let is_bare = |example: &&Example| {
        let cot = example.cot.as_deref();
        cot.is_none_or(|cot| cot.trim().is_empty())
    };
    let bare = examples.iter().filter(is_bare).count();
    if !with_cot || bare == 0 {
        return 0;
    }
    let given = examples.len();
    tracing::warn!(
        "{bare} of {given} examples have no reasoning (`cot`) and are trained on with the answer alone; check the name \
         of that key, or say with --no-cot that none is wanted"
    );
    bare
}

/// What the end of a training tells about its data, besides what the trainer counts.
struct Told {
    /// Most tokens of a sample.
    limit: usize,
    /// Examples that were taken out to evaluate on.
    held_out: usize,
    /// Examples without reasoning where it is wanted, of all that were given.
    bare: usize,
    given: usize,
    /// How they were asked, where that is mixed.
    mix: Option<String>,
    /// Of all that were given.
    faults: RowFaults,
}

fn summary<B: AutodiffBackend>(told: &Told, outcome: &Outcome<B>) -> String {
    let best = match outcome.best {
        Some(best) => format!(
            ", evaluation loss {:.4} at step {}",
            best.eval_loss, best.global_step
        ),
        None => String::new(),
    };
    let data = told.words(outcome.samples);
    format!("{data}, {} steps{best}", outcome.steps)
}

impl Told {
    /// The samples that were trained on, and what became of the others.
    fn words(&self, samples: SampleCounts) -> String {
        let (limit, given) = (self.limit, self.given);
        let all_bare = self.bare == given;
        let parts = [
            if_any(samples.left_out, |n| {
                format!("{n} more have over {limit} tokens and are left out")
            }),
            if_any(samples.cut, |n| {
                format!("{n} cut to their last {limit} tokens")
            }),
            if_any(samples.unreached, |n| format!("{n} more were not reached")),
            if_any(self.held_out, |n| format!("{n} held out")),
            if_any(self.bare, |n| {
                if all_bare {
                    "none has reasoning".to_owned()
                } else {
                    format!("{n} of {given} given have no reasoning")
                }
            }),
        ];
        let parts = parts.into_iter().chain([self.mix.clone()]);
        let parts = parts.chain(self.faults.parts());
        format!("{} examples{}", samples.trained, in_brackets(parts))
    }
}

/// The trainer's configuration, completed by what the recipe says elsewhere.
fn trainer_config(recipe: &Recipe, seed: u64) -> SftConfig {
    let (train, hardware) = (&recipe.sft.train, &recipe.hardware);
    // The recipe counts per device, the trainer all of them together.
    let on_all = |one: usize| one * hardware.gpus;
    let flops = hardware.peak_tflops * 1e12 * hardware.gpus as f64;
    SftConfig {
        seed,
        batch_size: train.batch_size.map(on_all),
        batch_tokens: train.batch_tokens.map(on_all),
        peak_flops: (flops > 0.0).then_some(flops),
        optim: optim(&train.optim, recipe),
        ..train.clone()
    }
}

/// The optimizer's configuration, with the precision that the model's type asks for.
pub(super) fn optim(given: &OptimConfig, recipe: &Recipe) -> OptimConfig {
    OptimConfig {
        master_weights: recipe.model.dtype.master_weights(),
        ..given.clone()
    }
}

#[cfg(test)]
mod tests {
    use lm_train::SampleCounts;
    use ner_types::{Entity, Example, PromptTemplate};

    use super::{RowFaults, Told, samples, warn_of_bare};
    use crate::recipe::Recipe;
    use crate::session::Session;
    use crate::stages::ModelDir;

    #[test]
    fn what_was_trained_on_is_counted_and_the_rest_is_named() {
        let told = |held_out, bare| Told {
            limit: 512,
            held_out,
            bare,
            given: 50,
            mix: None,
            faults: RowFaults {
                not_in_sentence: held_out,
                outside_schema: 0,
            },
        };
        let samples = |trained, unreached, left_out, cut| SampleCounts {
            trained,
            unreached,
            left_out,
            cut,
        };
        for (told, samples, expected) in [
            (told(0, 0), samples(50, 0, 0, 0), "50 examples"),
            (
                told(5, 0),
                samples(42, 0, 3, 0),
                "42 examples (3 more have over 512 tokens and are left out; 5 held out; 5 with an entity that is not in \
                 the sentence, kept as it stands)",
            ),
            (
                told(0, 50),
                samples(50, 0, 0, 0),
                "50 examples (none has reasoning)",
            ),
            (
                told(0, 7),
                samples(16, 34, 0, 2),
                "16 examples (2 cut to their last 512 tokens; 34 more were not reached; 7 of 50 given have no reasoning)",
            ),
        ] {
            assert_eq!(told.words(samples), expected);
        }
    }

    #[test]
    fn examples_without_reasoning_are_counted_where_it_is_wanted() {
        let example = |cot: Option<&str>| Example {
            cot: cot.map(str::to_owned),
            ..Example::default()
        };
        let examples = [example(Some("Because.")), example(None), example(Some(" "))];
        assert_eq!(warn_of_bare(&examples, true), 2);
        assert_eq!(warn_of_bare(&examples, false), 0);
        assert_eq!(warn_of_bare(&examples[..1], true), 0);
    }

    /// The paper's profiles train the header; the toy keeps the loss that it was tuned with.
    #[test]
    fn the_masks_differ_by_the_header_alone() {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent());
        let tokenizer = base.expect("a model").tokenizer().expect("a tokenizer");
        let example = Example {
            sentence: "Ada Brel left Port Halvek.".into(),
            schema: vec!["person".into()],
            entities: vec![Entity::new("Ada Brel", "person")],
            ..Example::default()
        };
        let one = |profile: &str| {
            let recipe = Recipe::resolve(profile, &[]).expect("a recipe");
            let (template, header) = (PromptTemplate::paper(), recipe.sft.train_header);
            let examples = std::slice::from_ref(&example);
            let mut all = samples(&tokenizer, &template, examples, true, header);
            all.remove(0)
        };
        let (paper, toy) = (one("paper-8b"), one("tiny"));
        assert_eq!(paper.ids, toy.ids);
        let header = &paper.ids[paper.loss_from..toy.loss_from];
        assert_eq!(header, tokenizer.answer_header_ids());
        assert_eq!(one("qwen3-0.6b-lora").loss_from, paper.loss_from);
        assert_eq!(one("smoke").loss_from, toy.loss_from);
    }
}
