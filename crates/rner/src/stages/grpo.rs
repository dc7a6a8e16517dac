//! Reasoning enhancement: GRPO with the NER rewards.

mod engine;
mod reward;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use lm_grpo::{Environment, GrpoConfig, Prompt, train_grpo};
use lm_kernels::LmOps;
use lm_model::ChatTokenizer;
use lm_train::{RunFiles, latest_checkpoint};
use ner_types::{Example, PromptTemplate};

use self::reward::NerReward;
use super::{ModelDir, Watch, sft};
use crate::backend::{Device, Inner, Task};
use crate::cli::RolloutArgs;
use crate::interrupt::Interrupted;
use crate::plan::rollout_batches;
use crate::recipe::{Dtype, Grpo, Lora, LossType, Method, ScaleRewards};

/// A reinforcement learning run.
pub(crate) struct GrpoJob<'a> {
    /// The fine-tuned model, also the reference of the KL penalty.
    pub(crate) base: ModelDir,
    /// Annotated sentences to practise on.
    pub(crate) examples: &'a [Example],
    /// The prompt.
    pub(crate) template: PromptTemplate,
    /// Hyperparameters.
    pub(crate) config: &'a Grpo,
    /// The adapters, if the method is LoRA.
    pub(crate) lora: &'a Lora,
    /// Type of the saved weights.
    pub(crate) dtype: Dtype,
    /// Completions sampled at once.
    pub(crate) batch: usize,
    /// Who samples them, if it is not this program.
    pub(crate) rollout: Option<&'a RolloutArgs>,
    /// Seed of prompts and samples.
    pub(crate) seed: u64,
    /// Folder for `model/`, with LoRA `adapter/`, and, while training, `checkpoints/`.
    pub(crate) out: PathBuf,
    /// Who listens.
    pub(crate) watch: &'a mut Watch,
}

impl Task for GrpoJob<'_> {
    type Output = String;

    fn run<B>(self, device: &Device<B>) -> Result<String>
    where
        B: AutodiffBackend + LmOps,
        Inner<B>: LmOps,
    {
        let tokenizer = self.base.tokenizer()?;
        let (prompts, reward) = self.tasks(&tokenizer)?;
        let config = GrpoConfig {
            master_weights: self.dtype.master_weights(),
            ..trainer_config(self.config, prompts.len(), self.seed)
        };
        let policy = self.base.load::<B>(device, self.dtype.precision())?;
        // The reference shares the weights of the policy: with LoRA for good, because these never
        // change, else until the first update.
        let reference = (config.beta > 0.0).then(|| policy.valid());
        let policy = match self.config.method {
            Method::Full => policy,
            Method::Lora => self.base.adapt(policy, self.lora, self.seed)?,
        };
        let checkpoints = self.out.join("checkpoints");
        let files = RunFiles {
            resume: latest_checkpoint(&checkpoints)?,
            checkpoints: Some(checkpoints.clone()),
            attach: self.base.tokenizer_files(),
        };
        let mut engine = engine::choose(self.rollout, self.batch, &self.out)?;
        let environment = Environment {
            prompts: &prompts,
            decoder: &tokenizer,
            reward: &reward,
            engine: &mut *engine,
        };
        let outcome = train_grpo(policy, reference, environment, &config, &files, self.watch)?;
        let summary = format!(
            "{} prompts, {} rollout batches",
            prompts.len(),
            outcome.steps
        );
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

impl GrpoJob<'_> {
    /// The prompts that are short enough, and the reward that knows their gold.
    fn tasks(&self, tokenizer: &ChatTokenizer) -> Result<(Vec<Prompt>, NerReward)> {
        let mut prompts = Vec::new();
        let mut reward = NerReward::new(self.config);
        for example in self.examples {
            let example = example.normalized();
            let ids =
                tokenizer.prompt_ids(&self.template.render(&example.schema, &example.sentence));
            if ids.len() > self.config.max_prompt_length {
                continue;
            }
            prompts.push(Prompt { ids });
            reward.add(&example);
        }
        ensure!(
            !prompts.is_empty(),
            "no prompt has at most {} tokens (grpo.max_prompt_length)",
            self.config.max_prompt_length
        );
        Ok((prompts, reward))
    }
}

impl lm_grpo::Monitor for Watch {
    fn on_step(&mut self, metrics: &lm_grpo::StepMetrics) {
        let value = |name| metrics.get(name).unwrap_or(f64::NAN);
        let words = format!(
            "reward {:.2}, F1 {:.3}, {:.0} tokens long",
            value("reward"),
            value("rewards/f1/mean"),
            value("completions/mean_length")
        );
        self.step(metrics.global_step, metrics.total_steps, metrics, &words);
    }

    fn should_stop(&self) -> bool {
        Self::should_stop(self)
    }
}

fn trainer_config(grpo: &Grpo, prompts: usize, seed: u64) -> GrpoConfig {
    GrpoConfig {
        group_size: grpo.group_size,
        prompts_per_step: grpo.prompts_per_step,
        steps: rollout_batches(grpo, prompts).max(1),
        iterations: grpo.iterations,
        epsilon: grpo.epsilon,
        epsilon_high: grpo.epsilon_high,
        beta: grpo.beta,
        loss_type: match grpo.loss_type {
            LossType::Grpo => lm_grpo::LossType::Grpo,
            LossType::DrGrpo => lm_grpo::LossType::DrGrpo,
            LossType::Bnpo => lm_grpo::LossType::Bnpo,
        },
        scale_rewards: match grpo.scale_rewards {
            ScaleRewards::None => lm_grpo::ScaleRewards::None,
            ScaleRewards::Group => lm_grpo::ScaleRewards::Group,
            ScaleRewards::Batch => lm_grpo::ScaleRewards::Batch,
        },
        temperature: grpo.temperature,
        max_completion_length: grpo.max_completion_length,
        mask_truncated: grpo.mask_truncated,
        mask_uniform: grpo.mask_uniform,
        lr: grpo.lr,
        schedule: sft::schedule(grpo.schedule),
        warmup_ratio: grpo.warmup_ratio,
        min_lr_ratio: grpo.min_lr_ratio,
        freeze_embeddings: grpo.freeze_embeddings,
        weight_decay: grpo.weight_decay,
        betas: [grpo.beta1, grpo.beta2],
        eps: grpo.eps,
        max_grad_norm: grpo.max_grad_norm,
        micro_batch_tokens: grpo.micro_batch_tokens,
        recompute_layers: grpo.recompute_layers,
        seed,
        save_every: (grpo.save_every > 0).then_some(grpo.save_every),
        save_total_limit: (grpo.save_total_limit > 0).then_some(grpo.save_total_limit),
        ..GrpoConfig::default()
    }
}
