//! What all layers of one forward pass share.

use burn::prelude::*;
use lm_kernels::{LmOps, ops};

use crate::model::{Context, Norm};

impl<B: Backend> Context<B> {
    /// The factor of the attention scores, `1/√D`.
    pub(crate) fn scale(&self) -> f64 {
        (self.head_dim as f64).sqrt().recip()
    }

    /// The same with other angles.
    pub(super) fn map(&self, f: impl Fn(&Tensor<B, 2>) -> Tensor<B, 2>) -> Self {
        Self {
            cos: f(&self.cos),
            sin: f(&self.sin),
            ..*self
        }
    }

    /// `[T, heads · D]` as `[T, heads, D]`.
    pub(super) fn heads(&self, x: Tensor<B, 2>) -> Tensor<B, 3> {
        let [tokens, width] = x.dims();
        x.reshape([tokens, width / self.head_dim, self.head_dim])
    }
}

impl<B: LmOps> Context<B> {
    /// Queries or keys `[T, heads, D]` at their positions, normalised first if the model does that.
    pub(super) fn placed(&self, x: Tensor<B, 3>, norm: Option<&Norm<B>>) -> Tensor<B, 3> {
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        match norm {
            Some(norm) => ops::norm_rope(x, norm.weight.val(), cos, sin, self.eps),
            None => ops::rope(x, cos, sin),
        }
    }
}
