//! Memory of one device, by precision and method.
//!
//! Assumptions, printed beside the figures: weights, gradients and optimiser
//! states are divided among the devices (ZeRO-3); layers are recomputed in the
//! backward pass, so that of each layer only its input is kept; logits exist for
//! [`LOGIT_ROWS`] rows at a time.
//!
//! ```text
//! states      = P·(w + g + o)/n        w = g = bytes of the type; o = 8 for f32
//!                                      (AdamW's m and v), 12 for bf16 (m, v and an
//!                                      f32 copy of the weights)
//!               LoRA: P·w/n + P_lora·(w + g + o)/n
//! activations = w·T·(L·H + 4·H + 2·(Hq + 2·Hkv)·D + 3·I) + 2·4·rows·V
//! KV cache    = w·2·L·Hkv·D·slots·(prompt + longest completion)
//! ```

use super::dims::Dims;
use super::work::{micro_batch, sequence_tokens};
use crate::recipe::{Dtype, Method, Recipe};

/// Rows of logits that exist at once in the fused loss.
pub(super) const LOGIT_ROWS: u64 = 1024;

/// Bytes on one device, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Memory {
    /// Weights, gradients and optimiser.
    pub(super) states: u64,
    /// What the backward pass needs of one micro-batch.
    pub(super) activations: u64,
    /// The frozen reference model.
    pub(super) reference: u64,
    /// Keys and values of the completions that grow at once.
    pub(super) cache: u64,
}

impl Memory {
    /// All of it.
    pub(super) fn total(&self) -> u64 {
        self.states + self.activations + self.reference + self.cache
    }
}

/// Memory of supervised fine-tuning.
pub(super) fn sft(recipe: &Recipe, dims: &Dims) -> Memory {
    let tokens = (micro_batch(recipe) * sequence_tokens(recipe)) as u64;
    Memory {
        states: states(recipe, recipe.sft.method, dims),
        activations: activations(dims, recipe.model.dtype, tokens),
        ..Memory::default()
    }
}

/// Memory of GRPO: as above, the reference, and the cache of one batch of rollouts.
pub(super) fn grpo(recipe: &Recipe, dims: &Dims) -> Memory {
    let n = recipe.hardware.gpus as u64;
    let bytes = recipe.model.dtype.bytes();
    // An adapter that is switched off is its own reference.
    let separate = recipe.grpo.train.beta > 0.0 && recipe.grpo.method == Method::Full;
    Memory {
        states: states(recipe, recipe.grpo.method, dims),
        activations: activations(
            dims,
            recipe.model.dtype,
            recipe.grpo.train.micro_batch_tokens as u64,
        ),
        reference: if separate {
            dims.parameters() * bytes / n
        } else {
            0
        },
        cache: cache(
            recipe,
            dims,
            recipe.grpo.rollout_batch,
            recipe.grpo.train.max_completion_length,
        ),
    }
}

/// Memory of the evaluation: the weights, undivided, and the cache of one batch.
pub(super) fn eval(recipe: &Recipe, dims: &Dims) -> Memory {
    Memory {
        states: dims.parameters() * recipe.model.dtype.bytes(),
        cache: cache(recipe, dims, recipe.eval.batch, recipe.eval.max_new_tokens),
        ..Memory::default()
    }
}

/// A slot of the cache has room for the longest completion from the start.
fn cache(recipe: &Recipe, dims: &Dims, slots: usize, new_tokens: usize) -> u64 {
    let tokens = (slots * (recipe.plan.prompt_tokens + new_tokens)) as u64;
    tokens * dims.cache_numbers() * recipe.model.dtype.bytes()
}

fn states(recipe: &Recipe, method: Method, dims: &Dims) -> u64 {
    let (dtype, n) = (recipe.model.dtype, recipe.hardware.gpus as u64);
    let trained = trained_bytes(dtype);
    match method {
        Method::Full => dims.parameters() * trained / n,
        Method::Lora => {
            let adapters = dims.lora_parameters(recipe.lora.rank as u64);
            (dims.parameters() * dtype.bytes() + adapters * trained) / n
        }
    }
}

/// Bytes of a parameter that is trained: weight, gradient and AdamW's states.
fn trained_bytes(dtype: Dtype) -> u64 {
    let optimizer = match dtype {
        Dtype::F32 => 8,
        Dtype::Bf16 => 12,
        Dtype::Bf16Pure => 4,
    };
    2 * dtype.bytes() + optimizer
}

fn activations(dims: &Dims, dtype: Dtype, tokens: u64) -> u64 {
    let h = dims.hidden_size;
    let heads = dims.num_attention_heads + 2 * dims.num_key_value_heads;
    let one_layer = 4 * h + 2 * heads * dims.head_dim + 3 * dims.intermediate_size;
    let kept = dims.num_hidden_layers * h;
    let rows = tokens.min(LOGIT_ROWS);
    dtype.bytes() * tokens * (kept + one_layer) + 2 * 4 * rows * dims.vocab_size
}
