//! The log-probabilities at the top of a model, and what a backward pass starts from there.

use burn::module::ParamId;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor};
use lm_kernels::ops::{TokenLogProbs, linear_log_probs_with_grads};
use lm_kernels::{LmOps, Needs, TrainBackend};
use lm_model::{Packed, Qwen3};

use crate::gradients::GradientAccumulator;

/// Tokens whose log-probabilities are wanted.
#[derive(Clone, Debug)]
pub struct Scoring<B: Backend> {
    /// The sequences.
    pub batch: Packed<B>,
    /// Rows of the batch that predict the targets, `[N]`.
    pub rows: Tensor<B, 1, Int>,
    /// The targets, `[N]`.
    pub targets: Tensor<B, 1, Int>,
    /// What the logits are divided by.
    pub temperature: f64,
    /// Derivatives of the loss with respect to the entropies, `[N]`, if it contains them.
    pub entropy_gradient: Option<Tensor<B, 1>>,
}

impl<B: LmOps> Scoring<B> {
    /// Log-probability and entropy at every target under `model`, `[N]` each.
    pub fn log_probs(&self, model: &Qwen3<B>) -> TokenLogProbs<B> {
        self.after_layers(model, model.all_layers(&self.batch))
    }

    /// The same from the output `x [T, H]` of the last layer.
    fn after_layers(&self, model: &Qwen3<B>, x: Tensor<B, 2>) -> TokenLogProbs<B> {
        let (rows, targets) = (self.rows.clone(), self.targets.clone());
        match self.entropy_gradient {
            None => model.score(x, rows, targets, self.temperature),
            Some(_) => model.score_with_entropy(x, rows, targets, self.temperature),
        }
    }
}

/// What a backward pass through the layers starts from.
pub(crate) struct Top<B: AutodiffBackend> {
    /// A scalar whose derivatives are those of the loss, but for the head's if that is below.
    pub(crate) surrogate: Tensor<B, 1>,
    /// The gradient of the head's matrix, if the graph of the scalar does not lead to it.
    head: Option<(ParamId, Tensor<B::InnerBackend, 2>)>,
}

impl<B: AutodiffBackend> Top<B> {
    /// Adds the gradient of the head's matrix, if it is known already.
    pub(crate) fn add_head(&mut self, gradients: &mut GradientAccumulator<B>) {
        if let Some((id, gradient)) = self.head.take() {
            gradients.add_one(id, gradient);
        }
    }
}

impl<B: TrainBackend> Scoring<B> {
    /// The top for a loss whose derivatives with respect to the log-probabilities are what `upstream` makes of them,
    /// and with respect to the entropies those of this scoring; `x` is the output of the last layer.
    pub(crate) fn top_after(
        &self,
        model: &Qwen3<B>,
        x: Tensor<B, 2>,
        upstream: impl FnOnce(TokenLogProbs<B::InnerBackend>) -> Option<Tensor<B::InnerBackend, 1>>,
    ) -> Option<Top<B>> {
        let scored = self.after_layers(model, x);
        let gradient = upstream(TokenLogProbs {
            log_probs: scored.log_probs.clone().inner(),
            entropy: scored.entropy.clone().inner(),
        })?;
        let of_log_probs = scored.log_probs * Tensor::from_inner(gradient);
        let surrogate = match &self.entropy_gradient {
            None => of_log_probs.sum(),
            Some(gradient) => (of_log_probs + scored.entropy * gradient.clone()).sum(),
        };
        let head = None;
        Some(Top { surrogate, head })
    }

    /// The top for a loss whose derivatives with respect to the log-probabilities are known to be `gradient`, and which
    /// does not contain the entropies; the log-probabilities are shown to `scored`.
    pub(crate) fn top_with(
        &self,
        model: &Qwen3<B>,
        x: Tensor<B, 2>,
        gradient: Tensor<B::InnerBackend, 1>,
        scored: impl FnOnce(TokenLogProbs<B::InnerBackend>),
    ) -> Top<B> {
        let hidden = model.before_head(x, self.rows.clone());
        let head = model.head_parameter();
        let needs = Needs {
            x: true,
            weight: head.val().is_require_grad(),
        };
        let (found, grads) = linear_log_probs_with_grads(
            hidden.clone().inner(),
            head.val().inner(),
            self.targets.clone().inner(),
            self.temperature,
            gradient,
            needs,
        );
        scored(found);
        let dx = grads
            .x
            .expect("the gradient of the activations was asked for");
        Top {
            surrogate: pull(hidden, dx),
            head: grads.weight.map(|gradient| (head.id, gradient)),
        }
    }
}

/// A scalar whose derivative with respect to `output` is `gradient`, exactly.
pub(crate) fn pull<B: AutodiffBackend>(
    output: Tensor<B, 2>,
    gradient: Tensor<B::InnerBackend, 2>,
) -> Tensor<B, 1> {
    (output * Tensor::from_inner(gradient)).sum()
}
