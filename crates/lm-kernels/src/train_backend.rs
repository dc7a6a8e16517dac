//! What a trainer asks of a backend, in one name.

use burn::tensor::backend::AutodiffBackend;

use crate::lm_ops::LmOps;

/// A backend that a model can be trained on: the operations of [`LmOps`], with gradients and, on the backend inside of
/// it, without.
///
/// Nobody implements it: every `Autodiff<B>` over a `B: LmOps` is one.
pub trait TrainBackend: AutodiffBackend<InnerBackend: LmOps> + LmOps {}

impl<B: AutodiffBackend<InnerBackend: LmOps> + LmOps> TrainBackend for B {}
