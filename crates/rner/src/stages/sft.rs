//! CoT tuning: supervised fine-tuning on annotated examples.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::tensor::backend::AutodiffBackend;
use lm_kernels::LmOps;
use lm_model::ChatTokenizer;
use lm_train::{RunFiles, Sample, SftConfig, latest_checkpoint, train_sft};
use ner_types::{Example, PromptTemplate, render_completion};

use super::{ModelDir, Watch};
use crate::backend::{Device, Inner, Task};
use crate::interrupt::Interrupted;
use crate::recipe::{Dtype, Lora, Method, OverLength, Schedule, Sft};

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
    /// Type of the saved weights.
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

    fn run<B>(self, device: &Device<B>) -> Result<String>
    where
        B: AutodiffBackend + LmOps,
        Inner<B>: LmOps,
    {
        let config = trainer_config(self.config, self.seed);
        let tokenizer = self.base.tokenizer()?;
        let samples = samples(&tokenizer, &self.template, self.examples, self.with_cot);
        ensure!(!samples.is_empty(), "there is no example to train on");
        let model = self.base.load::<B>(device)?;
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
        let outcome = train_sft(model, &samples, &config, &files, self.watch)?;
        let summary = format!("{} examples, {} steps", samples.len(), outcome.steps);
        self.watch.finish(&summary)?;
        if outcome.stopped {
            return Err(Interrupted.into());
        }
        self.base
            .save_trained(&outcome.model, self.dtype, &self.out)?;
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

fn trainer_config(sft: &Sft, seed: u64) -> SftConfig {
    SftConfig {
        epochs: sft.epochs,
        max_steps: (sft.max_steps > 0).then_some(sft.max_steps),
        batch_tokens: None,
        batch_size: Some(sft.batch_size),
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
        save_every: (sft.save_every > 0).then_some(sft.save_every),
        save_total_limit: Some(1),
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
