//! Memory of one device, by precision and method: what the trainer really takes.
//!
//! Nothing is divided among devices: every worker of fine-tuning holds the whole model and the whole optimizer
//! (`lm_train`'s team), and the first device of GRPO holds optimizer, reference and key-value cache too, the others
//! weights and gradients (`lm_grpo`'s workers).
//!
//! ```text
//! weights     = P·w                     w = bytes of the type
//! gradients   = P'·g                    g = w on one device; 4 on several, which sum in single precision, and on flex
//! optimizer   = P'·o                    o = 8 for f32 (AdamW's m and v), 12 for bf16 (m, v and an f32 copy of the
//!                                       weights), 4 for bf16-pure
//!               P' = P, or the adapters' parameters in single precision (g = 4, o = 8, and 4 for themselves)
//! activations = a·T·(⌈L/k⌉·H + k·(4·H + 2·(Hq + 2·Hkv)·D + 3·I)) + 2·4·rows·V
//!               a = w, or 4 on flex; k layers computed again at a time, all L of them if none is
//! KV cache    = a·2·L·Hkv·D·slots·(longest prompt + longest completion), kept while GRPO trains
//! temporary   = 2·4·V·H on several devices: the largest gradient of two workers, while they are summed;
//!               4·V·H on flex with narrow weights: the largest of them, widened
//! ```
//!
//! Checked against the peak of the resident memory of `rner sft` on flex, with the shape of Qwen3-0.6B, four layers and
//! micro-batches that were some 20 % shorter than assumed: f32 5.3 GiB (estimate 6.0), with recomputation 4.2 (4.9),
//! bf16 6.4 (7.0), bf16-pure 6.1 (5.3), LoRA 2.3 (3.1), and two workers 12.4 for both (15.0). No GPU was looked at.

use super::dims::Dims;
use super::work::{micro_batch, sequence_tokens};
use crate::recipe::{Backend, Dtype, Method, Quantize, Recipe};

/// Rows of logits that exist at once in the fused loss.
pub(super) const LOGIT_ROWS: u64 = 1024;

/// Bytes on one device, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Memory {
    /// The model's own.
    pub(super) weights: u64,
    /// One for each trained parameter.
    pub(super) gradients: u64,
    /// Moments, and weights in single precision where the model has narrower ones.
    pub(super) optimizer: u64,
    /// What the backward pass needs of one micro-batch.
    pub(super) activations: u64,
    /// The frozen reference model.
    pub(super) reference: u64,
    /// Keys and values of the completions that grow at once.
    pub(super) cache: u64,
    /// Copies of the largest matrix that do not last.
    pub(super) temporary: u64,
}

impl Memory {
    /// Every part with its name.
    pub(super) fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("activations", self.activations),
            ("reference", self.reference),
            ("KV cache", self.cache),
            ("temporary", self.temporary),
        ]
    }

    /// All of it.
    pub(super) fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Whether a device of so many GiB has room for it.
    pub(super) fn fits(&self, gib: f64) -> bool {
        self.total() as f64 <= gib * (1u64 << 30) as f64
    }
}

/// The stages that need memory of a device, with their names. Of GRPO on several devices the first is the one that
/// counts.
pub(super) fn stages(recipe: &Recipe, dims: &Dims) -> Vec<(&'static str, Memory)> {
    let mut stages = vec![("sft", sft(recipe, dims)), ("grpo", grpo(recipe, dims))];
    if recipe.hardware.gpus > 1 {
        stages.push(("grpo, others", grpo_other(recipe, dims)));
    }
    stages.push(("eval", eval(recipe, dims)));
    stages
}

/// Supervised fine-tuning: the same on every device.
pub(super) fn sft(recipe: &Recipe, dims: &Dims) -> Memory {
    let tokens = (micro_batch(recipe) * sequence_tokens(recipe)) as u64;
    let layers = recipe.sft.train.recompute_layers as u64;
    Memory {
        activations: activations(recipe, dims, tokens, layers),
        temporary: temporary(recipe, recipe.sft.method, dims),
        ..trained(recipe, recipe.sft.method, dims)
    }
}

/// GRPO's first device: as above, the reference, and the cache of one batch of rollouts.
pub(super) fn grpo(recipe: &Recipe, dims: &Dims) -> Memory {
    let train = &recipe.grpo.train;
    let weights = dims.parameters() * recipe.model.dtype.bytes();
    // An adapter that is switched off is its own reference.
    let separate = train.beta > 0.0 && recipe.grpo.method == Method::Full;
    // The policy that samples is another one than that which trains.
    let ahead = train.one_step_off_policy && recipe.grpo.method == Method::Full;
    let slots = recipe.grpo.rollout_batch;
    let remote = !recipe.grpo.rollout.url.is_empty();
    Memory {
        reference: weights * (u64::from(separate) + u64::from(ahead)),
        cache: if remote {
            0
        } else {
            cache(recipe, dims, slots, train.max_completion_length)
        },
        ..grpo_other(recipe, dims).with_optimizer(recipe, dims)
    }
}

/// GRPO's other devices: a copy of the policy, and gradients.
pub(super) fn grpo_other(recipe: &Recipe, dims: &Dims) -> Memory {
    let train = &recipe.grpo.train;
    let (tokens, layers) = (
        train.micro_batch_tokens as u64,
        train.recompute_layers as u64,
    );
    Memory {
        optimizer: 0,
        // They are summed one after the other as they are.
        gradients: match recipe.grpo.method {
            Method::Full => dims.parameters() * activation_bytes(recipe),
            Method::Lora => 4 * adapters(recipe, dims),
        },
        activations: activations(recipe, dims, tokens, layers),
        ..trained(recipe, recipe.grpo.method, dims)
    }
}

impl Memory {
    fn with_optimizer(self, recipe: &Recipe, dims: &Dims) -> Self {
        let optimizer = trained(recipe, recipe.grpo.method, dims).optimizer;
        Self { optimizer, ..self }
    }
}

/// The evaluation: the weights as they are read, and the cache of one batch.
pub(super) fn eval(recipe: &Recipe, dims: &Dims) -> Memory {
    let weights = dims.parameters() * recipe.model.dtype.bytes();
    Memory {
        // The matrices are narrowed one by one, so that both are never there together.
        weights: match recipe.eval.quantize {
            Quantize::None => weights,
            Quantize::Int8 => weights.max(dims.parameters() * 17 / 16),
        },
        cache: cache(recipe, dims, recipe.eval.batch, recipe.eval.max_new_tokens),
        ..Memory::default()
    }
}

/// A slot of the cache has room for the longest prompt and completion from the start.
fn cache(recipe: &Recipe, dims: &Dims, slots: usize, new_tokens: usize) -> u64 {
    let tokens = (slots * (recipe.grpo.max_prompt_length + new_tokens)) as u64;
    tokens * dims.cache_numbers() * activation_bytes(recipe)
}

/// Weights, gradients and the optimizer's states.
fn trained(recipe: &Recipe, method: Method, dims: &Dims) -> Memory {
    let dtype = recipe.model.dtype;
    let weights = dims.parameters() * dtype.bytes();
    match method {
        Method::Full => Memory {
            weights,
            gradients: dims.parameters() * gradient_bytes(recipe),
            optimizer: dims.parameters() * optimizer_bytes(dtype),
            ..Memory::default()
        },
        Method::Lora => Memory {
            weights: weights + 4 * adapters(recipe, dims),
            gradients: 4 * adapters(recipe, dims),
            optimizer: optimizer_bytes(Dtype::F32) * adapters(recipe, dims),
            ..Memory::default()
        },
    }
}

/// Bytes of the optimizer's states in a checkpoint.
pub(super) fn optimizer_on_disk(recipe: &Recipe, method: Method, dims: &Dims) -> u64 {
    trained(recipe, method, dims).optimizer
}

fn adapters(recipe: &Recipe, dims: &Dims) -> u64 {
    dims.lora_parameters(recipe.lora.rank as u64)
}

fn gradient_bytes(recipe: &Recipe) -> u64 {
    if recipe.hardware.gpus > 1 {
        4
    } else {
        activation_bytes(recipe)
    }
}

/// AdamW's moments, with the weights in single precision where the model's are narrower.
fn optimizer_bytes(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F32 => 8,
        Dtype::Bf16 => 12,
        Dtype::Bf16Pure => 4,
    }
}

fn temporary(recipe: &Recipe, method: Method, dims: &Dims) -> u64 {
    let largest = 4 * dims.vocab_size * dims.hidden_size;
    let is_widened = activation_bytes(recipe) > recipe.model.dtype.bytes();
    match method {
        Method::Lora => 0,
        Method::Full if recipe.hardware.gpus > 1 => 2 * largest,
        Method::Full if is_widened => largest,
        Method::Full => 0,
    }
}

/// Bytes of a number in a hidden state: Flex widens what it reads.
fn activation_bytes(recipe: &Recipe) -> u64 {
    match recipe.run.backend {
        Backend::Flex => 4,
        _ => recipe.model.dtype.bytes(),
    }
}

fn activations(recipe: &Recipe, dims: &Dims, tokens: u64, recomputed: u64) -> u64 {
    let h = dims.hidden_size;
    let heads = dims.num_attention_heads + 2 * dims.num_key_value_heads;
    let one_layer = 4 * h + 2 * heads * dims.head_dim + 3 * dims.intermediate_size;
    let layers = dims.num_hidden_layers;
    let numbers = match recomputed {
        0 => layers * one_layer,
        k => layers.div_ceil(k) * h + k.min(layers) * one_layer,
    };
    let rows = tokens.min(LOGIT_ROWS);
    activation_bytes(recipe) * tokens * numbers + 2 * 4 * rows * dims.vocab_size
}
