//! Tests that need more than one module, or reference values.

mod ahead;
mod damage;
mod entropy;
pub(crate) mod invariants;
mod mini_batches;
mod objective;
mod parity;
mod pass;
mod refusals;
mod resume;
mod sampling;
mod scalar;
pub(crate) mod toy;
mod trainer;
mod workers;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use lm_model::{Qwen3, Qwen3Config};

use crate::Prompt;

pub(crate) type Train = Autodiff<Flex>;

pub(crate) const VOCAB: usize = 16;

/// A policy of a few thousand parameters, the same each time.
pub(crate) fn policy() -> Qwen3<Train> {
    let config = Qwen3Config {
        vocab_size: VOCAB,
        hidden_size: 24,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        max_position_embeddings: 64,
        initializer_range: 0.15,
        ..Default::default()
    };
    config.init::<Train>(&Default::default(), 5)
}

pub(crate) fn prompts() -> Vec<Prompt> {
    [
        vec![1, 2, 3],
        vec![4, 5],
        vec![6, 8, 9, 10, 11],
        vec![12],
        vec![13, 14, 1, 4],
    ]
    .map(|ids| Prompt { ids })
    .into()
}

/// All parameters, end to end.
pub(crate) fn values(model: &Qwen3<Train>) -> Vec<f32> {
    values_of(&model.valid())
}

/// The same of a model without autodiff.
pub(crate) fn values_of(model: &Qwen3<Flex>) -> Vec<f32> {
    let mut values = Values(Vec::new());
    model.visit(&mut values);
    values.0
}

struct Values(Vec<f32>);

impl ModuleVisitor<Flex> for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Flex, D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}
