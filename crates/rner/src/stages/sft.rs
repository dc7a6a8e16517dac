//! CoT tuning: supervised fine-tuning on annotated examples.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::ChatTokenizer;
use lm_train::{OptimConfig, Outcome, Resume, RunFiles, Sample, SftConfig, SftData, train_sft_on};
use ner_types::{Example, PromptTemplate, render_completion};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{ModelDir, Watch};
use crate::backend::{self, Device, Task};
use crate::error::{Error, Result};
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
        let Recipe { run, sft, lora, .. } = self.recipe;
        let config = trainer_config(self.recipe, self.seed);
        let devices = backend::devices::<B>(device, self.recipe.hardware.gpus)?;
        let tokenizer = self.base.tokenizer()?;
        let template = self.recipe.model.template(self.template.as_ref())?;
        let header = sft.train_header;
        let tokenise = |examples| samples(&tokenizer, &template, examples, self.with_cot, header);
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
            .load::<B>(device, self.recipe.model.dtype.precision())?;
        let model = match sft.method {
            Method::Full => model,
            Method::Lora => self.base.adapt(model, lora, self.seed)?,
        };
        let checkpoints = self.out.join("checkpoints");
        let files = RunFiles {
            resume: Resume::Latest,
            checkpoints: Some(checkpoints.clone()),
            attach: self.base.tokenizer_files(),
        };
        let data = SftData {
            train: &train,
            eval: &eval,
        };
        let (name, log) = (self.name.as_str(), self.log.as_path());
        let mut watch = Watch::open(name, self.seed, "steps", log, run, self.session)?;
        let stop = watch.token();
        let outcome = train_sft_on(&devices, model, data, &config, &files, &stop, &mut watch)?;
        let summary = summary(train.len(), &outcome);
        watch.finish(&summary)?;
        if outcome.stopped {
            return Err(Error::Interrupted);
        }
        self.base.save_trained(&outcome.model, &self.out)?;
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
    let header = if train_header {
        tokenizer.answer_header_ids().len()
    } else {
        0
    };
    examples
        .iter()
        .map(|example| {
            let example = example.normalized();
            let prompt = template.render(&example.schema, &example.sentence);
            let cot = example.cot.as_deref().filter(|_| with_cot);
            let mut ids = tokenizer.prompt_ids(&prompt);
            let loss_from = ids.len() - header;
            ids.extend(tokenizer.completion_ids(&render_completion(cot, &example.entities)));
            Sample { ids, loss_from }
        })
        .collect()
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

fn summary<B: AutodiffBackend>(examples: usize, outcome: &Outcome<B>) -> String {
    let best = match outcome.best {
        Some(best) => format!(
            ", evaluation loss {:.4} at step {}",
            best.eval_loss, best.global_step
        ),
        None => String::new(),
    };
    format!("{examples} examples, {} steps{best}", outcome.steps)
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
    use ner_types::{Entity, Example, PromptTemplate};

    use super::samples;
    use crate::recipe::Recipe;
    use crate::session::Session;
    use crate::stages::ModelDir;

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
