//! CoT tuning: supervised fine-tuning on annotated examples.

use std::path::PathBuf;

use burn::tensor::backend::AutodiffBackend;
use lm_kernels::TrainBackend;
use lm_model::ChatTokenizer;
use lm_train::{
    BatchLayout, Outcome, RunFiles, Sample, SftConfig, SftData, latest_checkpoint, train_sft_on,
};
use ner_types::{Example, PromptTemplate, render_completion};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{ModelDir, Watch};
use crate::backend::{self, Device, Task};
use crate::error::{Error, Result};
use crate::recipe::{Hardware, Layout, Method, OverLength, Recipe, Schedule, Sft};
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
        let Recipe {
            run,
            sft,
            lora,
            hardware,
            ..
        } = self.recipe;
        let dtype = self.recipe.model.dtype;
        let config = SftConfig {
            master_weights: dtype.master_weights(),
            ..trainer_config(sft, hardware, self.seed)
        };
        let devices = backend::devices::<B>(device, hardware.gpus)?;
        let tokenizer = self.base.tokenizer()?;
        let template = self.recipe.model.template(self.template.as_ref())?;
        let tokenise = |examples| samples(&tokenizer, &template, examples, self.with_cot);
        let mut train = tokenise(self.examples);
        let eval = match self.held_out {
            [] => hold_out(&mut train, sft.eval_share, self.seed),
            given => tokenise(given),
        };
        if train.is_empty() {
            return Err(Error::invalid("there is no example to train on"));
        }
        let model = self.base.load::<B>(device, dtype.precision())?;
        let model = match sft.method {
            Method::Full => model,
            Method::Lora => self.base.adapt(model, lora, self.seed)?,
        };
        let checkpoints = self.out.join("checkpoints");
        let files = RunFiles {
            resume: latest_checkpoint(&checkpoints)?,
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
/// The paper's code also puts loss on the header `<|im_start|>assistant\n`,
/// which is constant; here the loss begins with the target.
pub fn samples(
    tokenizer: &ChatTokenizer,
    template: &PromptTemplate,
    examples: &[Example],
    with_cot: bool,
) -> Vec<Sample> {
    examples
        .iter()
        .map(|example| {
            let example = example.normalized();
            let prompt = template.render(&example.schema, &example.sentence);
            let cot = example.cot.as_deref().filter(|_| with_cot);
            let mut ids = tokenizer.prompt_ids(&prompt);
            let loss_from = ids.len();
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

/// A number of the recipe that is off at zero.
fn unless_zero(value: usize) -> Option<usize> {
    (value > 0).then_some(value)
}

fn trainer_config(sft: &Sft, hardware: &Hardware, seed: u64) -> SftConfig {
    SftConfig {
        epochs: sft.epochs,
        max_steps: unless_zero(sft.max_steps),
        batch_tokens: None,
        // The recipe counts per device, the trainer all of them together.
        batch_size: Some(sft.batch_size * hardware.gpus),
        recompute_layers: sft.recompute_layers,
        layout: match sft.layout {
            Layout::Packed => BatchLayout::Packed,
            Layout::Padded => BatchLayout::Padded,
        },
        grad_accumulation: sft.grad_accumulation,
        shuffle: true,
        lr: sft.lr,
        schedule: schedule(sft.schedule),
        warmup_ratio: sft.warmup_ratio,
        min_lr_ratio: sft.min_lr_ratio,
        freeze_embeddings: sft.freeze_embeddings,
        weight_decay: sft.weight_decay,
        betas: [sft.beta1, sft.beta2],
        eps: sft.eps,
        max_grad_norm: sft.max_grad_norm,
        max_length: sft.max_length,
        over_length: match sft.over_length {
            OverLength::KeepLast => lm_train::OverLength::KeepLast,
            OverLength::Skip => lm_train::OverLength::Skip,
            OverLength::Refuse => lm_train::OverLength::Refuse,
        },
        seed,
        log_every: sft.log_every.max(1),
        save_every: unless_zero(sft.save_every),
        save_total_limit: unless_zero(sft.save_total_limit),
        eval_every: unless_zero(sft.eval_every),
        early_stopping_patience: unless_zero(sft.early_stopping_patience),
        early_stopping_threshold: sft.early_stopping_threshold,
        load_best_model_at_end: sft.load_best,
        peak_flops: (hardware.peak_tflops > 0.0)
            .then_some(hardware.peak_tflops * 1e12 * hardware.gpus as f64),
        ..SftConfig::default()
    }
}

/// The trainer's name for a schedule of the recipe.
pub(super) fn schedule(schedule: Schedule) -> lm_train::ScheduleKind {
    match schedule {
        Schedule::Cosine => lm_train::ScheduleKind::Cosine,
        Schedule::Linear => lm_train::ScheduleKind::Linear,
        Schedule::Constant => lm_train::ScheduleKind::Constant,
    }
}
