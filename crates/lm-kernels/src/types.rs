//! The arguments and results of the operations that are no tensors: what the trait, its default bodies, the backends
//! and the functions of [`ops`](crate::ops) share.

/// Lower bound of log-probabilities in the gradient of an entropy: the natural logarithm of a probability that counts
/// as zero.
pub(crate) const LEAST_LOG_PROB: f32 = -1e4;

/// Which gradients of a two-parent operation are wanted, so that the work for a frozen parent can be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The gradient of the activations.
    pub x: bool,
    /// The gradient of the weight.
    pub weight: bool,
}

impl Needs {
    /// Both gradients.
    pub const BOTH: Self = Self {
        x: true,
        weight: true,
    };
}

/// What the forward pass of [`LmOps::lm_linear_log_probs`](crate::LmOps::lm_linear_log_probs) leaves for the backward
/// pass, besides the inputs.
#[derive(Clone, Debug)]
pub struct LogitsLeft<F> {
    /// Log-sum-exp of the scaled logits, `[T]`.
    pub lse: F,
    /// The logits themselves, `[T, V]`, where they were to be kept and are few enough; scaled already or not, as suits
    /// the backend.
    pub logits: Option<F>,
}

/// The gradients of what [`LmOps::lm_linear_log_probs`](crate::LmOps::lm_linear_log_probs) returned.
#[derive(Clone, Debug)]
pub struct LogProbsGrad<F> {
    /// Of the log-probabilities, `[T]`.
    pub log_probs: F,
    /// Of the entropies, if there is one.
    pub entropy: Option<EntropyGrad<F>>,
}

impl<F> LogProbsGrad<F> {
    /// A gradient of the log-probabilities alone.
    pub fn of_log_probs(log_probs: F) -> Self {
        Self {
            log_probs,
            entropy: None,
        }
    }

    /// The same with `of` applied to each column.
    pub fn map<G>(self, of: impl Fn(F) -> G) -> LogProbsGrad<G> {
        let entropy = self
            .entropy
            .map(|EntropyGrad { entropy, grad }| EntropyGrad {
                entropy: of(entropy),
                grad: of(grad),
            });
        LogProbsGrad {
            log_probs: of(self.log_probs),
            entropy,
        }
    }
}

/// The gradient of the entropies, and the entropies themselves, without which their derivative cannot be computed.
#[derive(Clone, Debug)]
pub struct EntropyGrad<F> {
    /// The entropies, `[T]`.
    pub entropy: F,
    /// Their gradient, `[T]`.
    pub grad: F,
}

/// The gradients of the inputs of a linear head, those that are needed.
#[derive(Clone, Debug)]
pub struct HeadGrads<F> {
    /// Of the activations, `[T, H]`.
    pub x: Option<F>,
    /// Of the weight, `[V, H]`.
    pub weight: Option<F>,
}

impl<F> HeadGrads<F> {
    /// The same with `of` applied to each gradient.
    pub fn map<G>(self, of: impl Fn(F) -> G) -> HeadGrads<G> {
        HeadGrads {
            x: self.x.map(&of),
            weight: self.weight.map(&of),
        }
    }
}

/// Settings of one [`adamw`](crate::ops::adamw) update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay, multiplied by the learning rate.
    pub weight_decay: f64,
    /// Number of this update, from 1; corrects the bias of the moments.
    pub step: usize,
    /// Multiplies the gradient first: the factor of global-norm clipping, or 1.
    pub grad_scale: f64,
}

impl AdamW {
    /// The learning rate over the first bias correction, and the root of the second.
    pub(crate) fn step_sizes(&self) -> (f64, f64) {
        let step = self.step as f64;
        let first = 1.0 - self.beta1.powf(step);
        let second = 1.0 - self.beta2.powf(step);
        (self.lr / first, second.sqrt())
    }
}

/// New tokens of one cached sequence: consecutive rows of `q`, `k` and `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheRow {
    /// Slot of the cache.
    pub slot: usize,
    /// Tokens of the sequence that are already cached.
    pub start: usize,
    /// New tokens.
    pub len: usize,
}

/// The new tokens that have a query: all, or the last of each row.
pub(crate) fn with_queries(rows: &[CacheRow], queries: usize) -> Vec<CacheRow> {
    let all: usize = rows.iter().map(|row| row.len).sum();
    let last = |row: &CacheRow| CacheRow {
        start: row.start + row.len - 1,
        len: 1,
        ..*row
    };
    if queries == all {
        rows.to_vec()
    } else {
        rows.iter().map(last).collect()
    }
}
