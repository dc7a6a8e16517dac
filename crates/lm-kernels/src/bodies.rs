//! Which body of an operation ran: a backend's own kernel, or the default body.
//!
//! A default body notes on its thread that it ran. [`bodies`] runs every operation once and reads the notes, so that
//! its answer is what happened and not what somebody declared.

use burn::tensor::{DType, Int, Shape, Tensor, backend::Backend};

use crate::{
    bounds::SeqBounds,
    convert::primitive,
    lm_ops::LmOps,
    notes::default_bodies_run,
    sampling::{SampleRow, SamplingParams},
    types::{AdamW, CacheRow, LogProbsGrad, LogitsLeft, Needs},
};

/// Where an operation was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A kernel of this crate, written for the backend.
    Own,
    /// The default body, made of the backend's ordinary operations.
    Default,
}

impl Body {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Body::Own => "own kernel",
            Body::Default => "default body",
        }
    }
}

/// Runs every operation of [`LmOps`] once on small tensors of type `dtype` and tells which body it ran, by the name of
/// the trait's method. The backend must be able to compute in `dtype`.
pub fn bodies<B: LmOps>(device: &B::Device, dtype: DType) -> Vec<(&'static str, Body)> {
    let probe = Probe::<B> {
        device: device.clone(),
        dtype,
    };
    let runs: [Run<B>; 21] = [
        ("rms_norm", Probe::rms_norm),
        ("rms_norm_bwd", Probe::rms_norm_bwd),
        ("norm_rope", Probe::norm_rope),
        ("norm_rope_bwd", Probe::norm_rope_bwd),
        ("rope", Probe::rope),
        ("swiglu", Probe::swiglu),
        ("swiglu_bwd", Probe::swiglu_bwd),
        ("linear", Probe::linear),
        ("linear_bwd_x", Probe::linear_bwd_x),
        ("linear_bwd_weight", Probe::linear_bwd_weight),
        ("embedding", Probe::embedding),
        ("embedding_bwd", Probe::embedding_bwd),
        ("attention", Probe::attention),
        ("attention_bwd", Probe::attention_bwd),
        ("linear_log_probs", Probe::linear_log_probs),
        ("linear_log_probs_bwd", Probe::linear_log_probs_bwd),
        (
            "linear_log_probs_with_grads",
            Probe::linear_log_probs_with_grads,
        ),
        ("adamw", Probe::adamw),
        ("cached_attention", Probe::cached_attention),
        ("copy_slot", Probe::copy_slot),
        ("sample", Probe::sample),
    ];
    runs.map(|(name, run)| (name, probe.body(run))).to_vec()
}

/// An operation's name, and a call of it.
type Run<B> = (&'static str, fn(&Probe<B>));

/// Small inputs of every shape.
struct Probe<B: Backend> {
    device: B::Device,
    dtype: DType,
}

/// Tokens, heads and head dimension of the inputs; the hidden size is the last.
const SIZES: [usize; 3] = [3, 1, 4];

impl<B: LmOps> Probe<B> {
    fn body(&self, run: fn(&Self)) -> Body {
        let before = default_bodies_run();
        run(self);
        if default_bodies_run() == before {
            Body::Own
        } else {
            Body::Default
        }
    }

    fn ones<const D: usize>(&self, shape: [usize; D]) -> B::FloatTensorPrimitive {
        self.ones_of(shape, self.dtype)
    }

    fn ones_of<const D: usize>(&self, shape: [usize; D], dtype: DType) -> B::FloatTensorPrimitive {
        primitive(Tensor::<B, D>::ones(Shape::new(shape), &self.device).cast(dtype))
    }

    fn rows(&self) -> B::FloatTensorPrimitive {
        self.ones([SIZES[0], SIZES[2]])
    }

    fn heads(&self) -> B::FloatTensorPrimitive {
        self.ones(SIZES)
    }

    fn square(&self) -> B::FloatTensorPrimitive {
        self.ones([SIZES[2], SIZES[2]])
    }

    fn weight(&self) -> B::FloatTensorPrimitive {
        self.ones([SIZES[2]])
    }

    fn angles(&self) -> B::FloatTensorPrimitive {
        self.ones_of([SIZES[0], SIZES[2] / 2], DType::F32)
    }

    fn column(&self) -> B::FloatTensorPrimitive {
        self.ones_of([SIZES[0]], DType::F32)
    }

    fn ids(&self) -> B::IntTensorPrimitive {
        Tensor::<B, 1, Int>::from_ints([0, 1, 2], &self.device).into_primitive()
    }

    fn rms_norm(&self) {
        B::lm_rms_norm(self.rows(), self.weight(), 1e-6);
    }

    fn rms_norm_bwd(&self) {
        B::lm_rms_norm_bwd(self.rows(), self.weight(), 1e-6, self.rows());
    }

    fn norm_rope(&self) {
        let (cos, sin) = (self.angles(), self.angles());
        B::lm_norm_rope(self.heads(), self.weight(), cos, sin, 1e-6);
    }

    fn norm_rope_bwd(&self) {
        let (cos, sin) = (self.angles(), self.angles());
        B::lm_norm_rope_bwd(self.heads(), self.weight(), cos, sin, 1e-6, self.heads());
    }

    fn rope(&self) {
        B::lm_rope(self.heads(), self.angles(), self.angles());
    }

    fn swiglu(&self) {
        B::lm_swiglu(self.rows(), self.rows());
    }

    fn swiglu_bwd(&self) {
        B::lm_swiglu_bwd(self.rows(), self.rows(), self.rows());
    }

    fn linear(&self) {
        B::lm_linear(self.rows(), self.square());
    }

    fn linear_bwd_x(&self) {
        B::lm_linear_bwd_x(self.square(), self.rows());
    }

    fn linear_bwd_weight(&self) {
        B::lm_linear_bwd_weight(self.rows(), self.rows());
    }

    fn embedding(&self) {
        B::lm_embedding(self.square(), self.ids());
    }

    fn embedding_bwd(&self) {
        B::lm_embedding_bwd(self.ids(), SIZES[2], self.rows());
    }

    fn bounds(&self) -> SeqBounds {
        SeqBounds::from_lengths(&[SIZES[0]])
    }

    fn attention(&self) {
        B::lm_attention(
            self.heads(),
            self.heads(),
            self.heads(),
            &self.bounds(),
            0.5,
        );
    }

    fn attention_bwd(&self) {
        let lse = self.ones_of([SIZES[0], SIZES[1]], DType::F32);
        let qkv = [self.heads(), self.heads(), self.heads()];
        B::lm_attention_bwd(qkv, self.heads(), lse, &self.bounds(), 0.5, self.heads());
    }

    fn linear_log_probs(&self) {
        B::lm_linear_log_probs(self.rows(), self.square(), self.ids(), 1.0, false);
    }

    fn linear_log_probs_bwd(&self) {
        let left = LogitsLeft {
            lse: self.column(),
            logits: None,
        };
        let (x, weight, ids) = (self.rows(), self.square(), self.ids());
        let grad = LogProbsGrad::of_log_probs(self.column());
        B::lm_linear_log_probs_bwd(x, weight, ids, left, 1.0, grad, Needs::BOTH);
    }

    fn linear_log_probs_with_grads(&self) {
        let (x, weight, ids) = (self.rows(), self.square(), self.ids());
        B::lm_linear_log_probs_with_grads(x, weight, ids, 1.0, self.column(), Needs::BOTH);
    }

    fn adamw(&self) {
        let hp = AdamW {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.9,
            eps: 1e-8,
            weight_decay: 0.0,
            step: 1,
            grad_scale: 1.0,
        };
        B::lm_adamw(
            self.weight(),
            self.weight(),
            self.weight(),
            self.weight(),
            &hp,
        );
    }

    fn cached_attention(&self) {
        let half = || self.ones([1, SIZES[0], SIZES[1], SIZES[2]]);
        let row = CacheRow {
            slot: 0,
            start: 0,
            len: SIZES[0],
        };
        let qkv = [self.heads(), self.heads(), self.heads()];
        B::lm_cached_attention(qkv, [half(), half()], &[row], 0.5);
    }

    fn copy_slot(&self) {
        B::lm_copy_slot(self.ones([2, SIZES[0], SIZES[1], SIZES[2]]), 0, &[1], 1);
    }

    /// Logits are in single precision whatever the weights are.
    fn sample(&self) {
        let row = SampleRow {
            params: SamplingParams::default(),
            uniform: 0.5,
            seen: Vec::new(),
        };
        let logits = self.ones_of([SIZES[0], SIZES[2]], DType::F32);
        B::lm_sample(logits, &vec![row; SIZES[0]]);
    }
}
