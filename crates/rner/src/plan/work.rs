//! Rows, steps and tokens of every stage.

use crate::recipe::{DataSource, Recipe};

/// Test sentences of the seven benchmark sets, in the paper's order.
pub(super) const BENCHMARK: [(&str, usize); 7] = [
    ("mit-movie", 2443),
    ("mit-restaurant", 1521),
    ("CrossNER_AI", 431),
    ("CrossNER_literature", 416),
    ("CrossNER_music", 465),
    ("CrossNER_politics", 651),
    ("CrossNER_science", 543),
];

/// Optimiser steps of a training stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Steps of one epoch.
    pub(super) per_epoch: usize,
    /// Steps in all.
    pub(super) total: usize,
    /// Of these, steps of warm-up.
    pub(super) warmup: usize,
}

/// `limit`, where 0 means none.
fn capped(n: usize, limit: usize) -> usize {
    if limit == 0 { n } else { n.min(limit) }
}

/// Sentences put to the teacher; none where the recipe takes all of a directory.
pub(super) fn teacher_sentences(recipe: &Recipe) -> Option<usize> {
    let n = recipe.data.train_sentences;
    (n > 0).then(|| capped(n, recipe.data.limit))
}

/// Rows of the training data: those that the judge is expected to accept.
pub(super) fn training_rows(recipe: &Recipe) -> Option<usize> {
    let sentences = teacher_sentences(recipe)?;
    Some(capped(sentences, recipe.plan.accepted_rows))
}

/// Prompts of the GRPO stage.
pub(super) fn grpo_prompts(recipe: &Recipe) -> Option<usize> {
    match recipe.data.grpo_samples {
        0 => training_rows(recipe),
        n => Some(capped(n, recipe.data.limit)),
    }
}

/// Sentences of each benchmark set that are decoded; none where the recipe does not say.
pub(super) fn eval_sentences(recipe: &Recipe) -> Option<Vec<(&'static str, usize)>> {
    if DataSource::parse(&recipe.data.eval) != DataSource::Group("crossner-mit".into()) {
        return None;
    }
    let of = |n| capped(capped(n, recipe.data.eval_sentences), recipe.data.limit);
    Some(BENCHMARK.iter().map(|(name, n)| (*name, of(*n))).collect())
}

/// Sequences of a micro-batch of fine-tuning on one device, of mean length where tokens are counted.
pub(super) fn micro_batch(recipe: &Recipe) -> usize {
    let limits = recipe.sft.train.batch_limits();
    let by_tokens = limits.tokens / sequence_tokens(recipe).max(1);
    limits.sequences.min(by_tokens).max(1)
}

/// Steps of supervised fine-tuning: the last, smaller batch of an epoch is used.
pub(super) fn sft_steps(recipe: &Recipe, rows: usize) -> Steps {
    let train = &recipe.sft.train;
    let batch = micro_batch(recipe) * train.grad_accumulation * recipe.hardware.gpus;
    let per_epoch = rows.div_ceil(batch.max(1));
    let planned = (per_epoch as f64 * train.epochs).ceil() as usize;
    let total = train.max_steps.unwrap_or(planned);
    steps(per_epoch, total, train.optim.warmup_ratio)
}

/// Optimiser steps of GRPO, several on each rollout batch.
pub(super) fn grpo_steps(recipe: &Recipe, prompts: usize) -> Steps {
    let train = &recipe.grpo.train;
    let per_epoch = prompts / train.prompts_per_step.max(1) * train.iterations;
    let total = train.total_steps(prompts) * train.iterations;
    steps(per_epoch, total, train.optim.warmup_ratio)
}

fn steps(per_epoch: usize, total: usize, warmup_ratio: f64) -> Steps {
    Steps {
        per_epoch,
        total,
        warmup: (total as f64 * warmup_ratio).ceil() as usize,
    }
}

/// Tokens that GRPO samples: one rollout batch serves `iterations` steps.
pub(super) fn sampled_tokens(recipe: &Recipe, steps: Steps) -> u64 {
    let grpo = &recipe.grpo.train;
    let rollouts = steps.total.div_ceil(grpo.iterations.max(1));
    let completions = rollouts * grpo.prompts_per_step * grpo.group_size;
    (completions * recipe.plan.completion_tokens) as u64
}

/// Mean tokens of a training sequence.
pub(super) fn sequence_tokens(recipe: &Recipe) -> usize {
    recipe.plan.prompt_tokens + recipe.plan.completion_tokens
}
