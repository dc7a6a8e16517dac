//! The types of numbers that a model is kept in and computed with.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::prelude::*;
use burn::tensor::DType;
use burn::tensor::quantization::{QuantLevel, QuantScheme, QuantStore, QuantValue};
use lm_kernels::LmOps;

use crate::model::{Linear, Qwen3};

/// The numbers that weights are kept in. Sums are taken in 32 bits whatever they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision, 4 bytes a weight.
    #[default]
    F32,
    /// bfloat16, 2 bytes a weight: the range of single precision with 8 bits of mantissa.
    Bf16,
}

impl Precision {
    /// The tensors' type.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

impl<B: LmOps> Qwen3<B> {
    /// What the weights are kept in.
    pub fn precision(&self) -> Precision {
        match self.model.norm.weight.val().dtype() {
            DType::BF16 => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    /// The same model with all weights in `precision`, an adapter's left as they are, and hidden states
    /// in the type that suits the backend.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        let adapter: HashSet<ParamId> = self.adapter_ids();
        let dtype = precision.dtype();
        let model = self.map(&mut Convert { dtype, adapter });
        model.with_activations(B::lm_activations(dtype))
    }

    /// The same model for inference with its matrices in 8 bits: symmetric, with one scale in single precision for each
    /// [`QUANTIZED_BLOCK`] adjacent inputs, 8.5 bits a weight. Norms stay as they are, and so does a matrix whose rows
    /// are no multiple of that long.
    ///
    /// There is no way back, and nothing can be trained: merge adapters first.
    #[must_use]
    pub fn quantized(mut self) -> Self {
        let wide = |linear: &mut Linear<B>| {
            if linear.weight.val().dims()[1].is_multiple_of(QUANTIZED_BLOCK) {
                let weight = linear.weight.clone();
                linear.weight = weight.map(|x| x.detach().quantize_dynamic(&scheme()));
            }
        };
        self.for_each_projection(|_, linear| wide(linear));
        wide(&mut self.model.embed_tokens);
        self.lm_head.iter_mut().for_each(wide);
        self
    }

    /// The same model with hidden states of type `dtype`, where the backend's choice
    /// ([`LmOps::lm_activations`]) is not wanted.
    #[must_use]
    pub fn with_activations(mut self, dtype: DType) -> Self {
        self.activations = dtype;
        self
    }
}

/// Adjacent inputs that share a scale in a quantised matrix.
pub const QUANTIZED_BLOCK: usize = 64;

fn scheme() -> QuantScheme {
    QuantScheme::default()
        .with_value(QuantValue::Q8S)
        .with_level(QuantLevel::block([QUANTIZED_BLOCK as u8]))
        .with_store(QuantStore::Native)
}

/// Changes the type of parameters, keeping which of them are trained.
struct Convert {
    dtype: DType,
    /// Parameters that are left as they are.
    adapter: HashSet<ParamId>,
}

impl<B: Backend> ModuleMapper<B> for Convert {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.adapter.contains(&param.id) {
            return param;
        }
        let trained = param.val().is_require_grad();
        // A detached tensor keeps the wish for a gradient, and what is made of it is then no leaf.
        let param = param.map(|x| x.detach().set_require_grad(false).cast(self.dtype));
        param.set_require_grad(trained)
    }
}
