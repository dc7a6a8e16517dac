//! AdamW over the parameters of a module, with clipping by the global gradient norm.

use std::collections::HashMap;

use burn::module::{AutodiffModule, ModuleMapper, Param, ParamId};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{DType, Tensor};
use lm_kernels::TrainBackend;
use lm_kernels::ops::{self, AdamW};

use crate::gradients::ParamGradients;

/// The constants of [`Optimizer`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, applied to every parameter that has a gradient.
    pub weight_decay: f64,
    /// Largest global gradient norm.
    pub max_grad_norm: Option<f64>,
    /// Whether parameters of less than 32 bits have a copy in single precision, which is what is updated and then
    /// rounded, with moments in single precision. Without it an update below half the distance to the next
    /// number is lost, and the moments are as narrow as the parameter.
    pub master_weights: bool,
}

impl Default for AdamWConfig {
    /// PyTorch's constants, without weight decay, clipping at 1.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: Some(1.0),
            master_weights: true,
        }
    }
}

/// The moments of one parameter, flat as its gradient.
#[derive(Clone, Debug)]
pub(crate) struct Moments<B: Backend> {
    pub(crate) first: Tensor<B, 1>,
    pub(crate) second: Tensor<B, 1>,
    /// The parameter in single precision, if it is kept narrower.
    pub(crate) master: Option<Tensor<B, 1>>,
}

impl<B: Backend> Moments<B> {
    /// Those of a parameter that was never updated.
    fn new(param: &Tensor<B, 1>, master_weights: bool) -> Self {
        let narrow = param.dtype() != DType::F32;
        let master = (narrow && master_weights).then(|| param.clone().cast(DType::F32));
        let zeros = master.as_ref().unwrap_or(param).zeros_like();
        Self {
            first: zeros.clone(),
            second: zeros.zeros_like(),
            master,
        }
    }
}

/// AdamW (Loshchilov and Hutter, 2019) as `torch.optim.AdamW` computes it.
///
/// `B` is the backend of the module that is trained, autodiff included. The moments live beside it, keyed
/// by parameter id, and are created when a parameter first has a gradient. Parameters without a gradient,
/// such as frozen ones, are left as they are.
#[derive(Debug)]
pub struct Optimizer<B: AutodiffBackend> {
    pub(crate) config: AdamWConfig,
    /// Updates applied so far; the bias correction of the next one uses this plus one.
    pub(crate) steps: usize,
    pub(crate) moments: HashMap<ParamId, Moments<B::InnerBackend>>,
}

impl<B: TrainBackend> Optimizer<B> {
    /// An optimizer that has applied no update.
    pub fn new(config: AdamWConfig) -> Self {
        Self {
            config,
            steps: 0,
            moments: HashMap::new(),
        }
    }

    /// Updates applied so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Clips `gradients`, updates `module` with learning rate `lr`, and returns it with the norm before
    /// clipping. Waits for the device once, to read the norm.
    ///
    /// If the norm is not finite, module and optimizer are returned as they were: check it.
    pub fn step<M: AutodiffModule<B>>(
        &mut self,
        module: M,
        gradients: ParamGradients<B::InnerBackend>,
        lr: f64,
    ) -> (M, f64) {
        let norm = gradients.norm();
        if !norm.is_finite() {
            return (module, norm);
        }
        (
            self.update(module, gradients, lr, self.clip_factor(norm)),
            norm,
        )
    }

    /// What the gradients must be multiplied by so that their norm is at most `max_grad_norm`, as
    /// `torch.nn.utils.clip_grad_norm_` computes it: `min(1, max / (norm + 1e-6))`.
    pub fn clip_factor(&self, norm: f64) -> f64 {
        let max_grad_norm = self.config.max_grad_norm;
        max_grad_norm.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0))
    }

    /// Updates `module` with `grad_scale · gradients`, without looking at their norm and without waiting
    /// for the device.
    pub fn update<M: AutodiffModule<B>>(
        &mut self,
        module: M,
        gradients: ParamGradients<B::InnerBackend>,
        lr: f64,
        grad_scale: f64,
    ) -> M {
        self.steps += 1;
        let AdamWConfig {
            beta1,
            beta2,
            eps,
            weight_decay,
            master_weights,
            ..
        } = self.config;
        let hyper = AdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
            step: self.steps,
            grad_scale,
        };
        module.map(&mut Update::<B> {
            hyper,
            gradients,
            moments: &mut self.moments,
            master_weights,
        })
    }
}

struct Update<'a, B: AutodiffBackend> {
    hyper: AdamW,
    gradients: ParamGradients<B::InnerBackend>,
    moments: &'a mut HashMap<ParamId, Moments<B::InnerBackend>>,
    master_weights: bool,
}

impl<B: TrainBackend> Update<'_, B> {
    /// Hands parameter and moments to the kernel as their only owner, so that it can work in place.
    fn apply(
        &mut self,
        id: ParamId,
        param: Tensor<B::InnerBackend, 1>,
        grad: Tensor<B::InnerBackend, 1>,
    ) -> Tensor<B::InnerBackend, 1> {
        let state = self.moments.remove(&id);
        let Moments {
            first,
            second,
            master,
        } = state.unwrap_or_else(|| Moments::new(&param, self.master_weights));
        let (dtype, has_master) = (param.dtype(), master.is_some());
        let [param, first, second] =
            ops::adamw(master.unwrap_or(param), grad, first, second, &self.hyper);
        let (param, master) = if has_master {
            (param.clone().cast(dtype), Some(param))
        } else {
            (param, None)
        };
        let moments = Moments {
            first,
            second,
            master,
        };
        self.moments.insert(id, moments);
        param
    }
}

impl<B: TrainBackend> ModuleMapper<B> for Update<'_, B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(grad) = self.gradients.take(param.id) else {
            return param;
        };
        let (id, tensor, mapper) = param.consume();
        let tensor = tensor.inner();
        let shape = tensor.shape();
        let flat = tensor.reshape([shape.num_elements()]);
        let updated = self.apply(id, flat, grad).reshape(shape);
        Param::from_mapped_value(id, Tensor::from_inner(updated).require_grad(), mapper)
    }
}
