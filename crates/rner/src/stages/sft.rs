//! CoT tuning: supervised fine-tuning on annotated examples.

use std::path::PathBuf;

use anyhow::{Result, ensure};
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
use crate::interrupt::Interrupted;
use crate::recipe::{Dtype, Hardware, Layout, Lora, Method, OverLength, Schedule, Sft};

/// A fine-tuning run.
pub(crate) struct SftJob<'a> {
    /// The model to start from.
    pub(crate) base: ModelDir,
    /// The examples; those without a chain of thought are used with the answer alone.
    pub(crate) examples: &'a [Example],
    /// The prompt.
    pub(crate) template: PromptTemplate,
    /// Whether the reasoning is part of the target.
    pub(crate) with_cot: bool,
    /// Hyperparameters.
    pub(crate) config: &'a Sft,
    /// The adapters, if the method is LoRA.
    pub(crate) lora: &'a Lora,
    /// Devices and what they can do.
    pub(crate) hardware: &'a Hardware,
    /// Examples to evaluate on; without any, `sft.eval_share` of the examples is held out.
    pub(crate) held_out: &'a [Example],
    /// Type of the weights.
    pub(crate) dtype: Dtype,
    /// Seed of the order of examples.
    pub(crate) seed: u64,
    /// Folder for `model/`, with LoRA `adapter/`, and, while training, `checkpoints/`.
    pub(crate) out: PathBuf,
    /// Who listens.
    pub(crate) watch: &'a mut Watch,
}

impl Task for SftJob<'_> {
    type Output = String;

    fn run<B: TrainBackend>(self, device: &Device<B>) -> Result<String> {
        let config = SftConfig {
            master_weights: self.dtype.master_weights(),
            ..trainer_config(self.config, self.hardware, self.seed)
        };
        let devices = backend::devices::<B>(device, self.hardware.gpus)?;
        let tokenizer = self.base.tokenizer()?;
        let tokenise = |examples| samples(&tokenizer, &self.template, examples, self.with_cot);
        let mut train = tokenise(self.examples);
        let eval = match self.held_out {
            [] => hold_out(&mut train, self.config.eval_share, self.seed),
            given => tokenise(given),
        };
        ensure!(!train.is_empty(), "there is no example to train on");
        let model = self.base.load::<B>(device, self.dtype.precision())?;
        let model = match self.config.method {
            Method::Full => model,
            Method::Lora => self.base.adapt(model, self.lora, self.seed)?,
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
        let stop = self.watch.token();
        let outcome = train_sft_on(&devices, model, data, &config, &files, &stop, self.watch)?;
        let summary = summary(train.len(), &outcome);
        self.watch.finish(&summary)?;
        if outcome.stopped {
            return Err(Interrupted.into());
        }
        self.base.save_trained(&outcome.model, &self.out)?;
        // The model is complete; the optimizer's state is only for going on.
        std::fs::remove_dir_all(&checkpoints).ok();
        Ok(summary)
    }
}

/// Tokenises examples: the prompt without loss, the completion with.
///
/// The paper's code also puts loss on the header `<|im_start|>assistant\n`,
/// which is constant; here the loss begins with the target.
pub(crate) fn samples(
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
