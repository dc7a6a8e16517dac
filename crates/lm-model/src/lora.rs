//! Low-rank adapters (Hu et al., *LoRA*, arXiv 2106.09685), as PEFT defines and names them.
//!
//! An adapted projection computes `x Wᵀ + s · (x Aᵀ) Bᵀ` with `W [out, in]` frozen, `A [r, in]` and
//! `B [out, r]` trained. `B A` is never formed while training, so a step costs about two thirds of a
//! full one and keeps optimizer state for the adapter alone.

mod config;

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::prelude::*;
use burn::tensor::{DType, Distribution};
use lm_kernels::{LmOps, ops};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Uniform};

pub use config::{LoraConfig, ModuleLora, TARGET_MODULES};

use crate::error::{Error, Result};
use crate::model::{Linear, Qwen3};

/// The projections of a layer by their names inside of it, in the order of the forward pass.
const PROJECTIONS: [&str; 7] = [
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
];

/// The full names of the projections of so many layers, in the order of the forward pass.
pub(crate) fn projection_names(layers: usize) -> Vec<String> {
    let of = |layer| move |name: &&str| format!("model.layers.{layer}.{name}");
    (0..layers)
        .flat_map(|layer| PROJECTIONS.iter().map(of(layer)))
        .collect()
}

/// The low-rank branch of one projection.
#[derive(Module, Debug)]
pub(crate) struct Adapter<B: Backend> {
    /// `[r, in]`.
    pub(crate) lora_a: Param<Tensor<B, 2>>,
    /// `[out, r]`.
    pub(crate) lora_b: Param<Tensor<B, 2>>,
    #[module(skip)]
    pub(crate) scale: f64,
    #[module(skip)]
    pub(crate) dropout: f64,
}

impl<B: LmOps> Adapter<B> {
    /// What the branch adds to the projection of `x [T, in]`: `[T, out]`.
    pub(crate) fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let low = ops::linear(self.drop(x), self.lora_a.val());
        ops::linear(low.mul_scalar(self.scale), self.lora_b.val())
    }

    /// Inverted dropout; the identity on backends without gradients.
    fn drop(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let device = x.device();
        if self.dropout == 0.0 || !B::ad_enabled(&device) {
            return x;
        }
        let keep = 1.0 - self.dropout;
        let mask = Tensor::random(x.shape(), Distribution::Bernoulli(keep), &device);
        (x * mask).div_scalar(keep)
    }

    /// The update as a full matrix, `[out, in]`.
    fn delta(&self) -> Tensor<B, 2> {
        let (a, b) = (self.lora_a.val().detach(), self.lora_b.val().detach());
        b.matmul(a).mul_scalar(self.scale)
    }
}

impl<B: LmOps> Qwen3<B> {
    /// Freezes the model and puts a fresh adapter on it: A from PEFT's distribution (uniform within
    /// `±1/√in`), B zero, so that the model computes what it did.
    ///
    /// The values depend on seed, configuration and names only. An adapter already there is replaced.
    ///
    /// # Errors
    /// Those of [`LoraConfig::check`].
    pub fn with_lora(self, config: &LoraConfig, seed: u64) -> Result<Self> {
        config.check()?;
        let mut stream = 0;
        self.adapt(config, |_, rank, [out, input]| {
            stream += 1;
            Ok([draw(rank, input, seed, stream), vec![0.0; out * rank]])
        })
    }

    /// Freezes the model and puts an adapter on it whose values `values` gives, as `[A, B]` in row-major order, for the
    /// full name of a module, its rank and the shape `[out, in]` of its weight.
    pub(crate) fn adapt(
        self,
        config: &LoraConfig,
        mut values: impl FnMut(&str, usize, [usize; 2]) -> Result<[Vec<f32>; 2]>,
    ) -> Result<Self> {
        let mut model = self.no_grad();
        model.check_modules(config)?;
        let device = model.device();
        let mut failed = None;
        model.for_each_projection(|name, linear| {
            linear.adapter = None;
            let Some(module) = config.module(name).filter(|_| failed.is_none()) else {
                return;
            };
            let [out, input] = linear.weight.val().dims();
            match values(name, module.rank, [out, input]) {
                Ok([a, b]) => {
                    linear.adapter = Some(Adapter {
                        lora_a: param(a, [module.rank, input], &device),
                        lora_b: param(b, [out, module.rank], &device),
                        scale: config.scale_of(module),
                        dropout: config.dropout,
                    });
                }
                Err(error) => failed = Some(error),
            }
        });
        model.lora = Some(config.clone());
        failed.map_or(Ok(model), Err)
    }

    /// A projection that the configuration names and the model lacks would be left out without a word.
    fn check_modules(&self, config: &LoraConfig) -> Result<()> {
        let known = projection_names(self.config().num_hidden_layers);
        match config.modules.keys().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::InvalidConfig {
                field: "lora modules",
                found: format!("`{name}`"),
                expected: "names of this model's projections".to_owned(),
            }),
        }
    }

    /// The adapter's configuration, if there is one.
    pub fn lora(&self) -> Option<&LoraConfig> {
        self.lora.as_ref()
    }

    /// Whether results on an autodiff backend depend on its random numbers.
    pub fn has_dropout(&self) -> bool {
        self.lora.as_ref().is_some_and(|lora| lora.dropout > 0.0)
    }

    /// The model below the adapter, sharing its weights: the same function as before
    /// [`Qwen3::with_lora`], bit for bit.
    #[must_use]
    pub fn without_adapter(&self) -> Self {
        let mut model = self.clone();
        model.for_each_projection(|_, linear| linear.adapter = None);
        model.lora = None;
        model
    }

    /// The same model with the adapter's dropout off, on backends with gradients too; PEFT's `eval()`.
    #[must_use]
    pub fn without_dropout(mut self) -> Self {
        self.for_each_projection(|_, linear| {
            if let Some(adapter) = &mut linear.adapter {
                adapter.dropout = 0.0;
            }
        });
        if let Some(lora) = &mut self.lora {
            lora.dropout = 0.0;
        }
        self
    }

    /// A model without adapter whose weights are `W + s · B A`, none of them frozen.
    #[must_use]
    pub fn merged(&self) -> Self {
        let mut model = self.clone();
        model.for_each_projection(|_, linear| {
            if let Some(adapter) = linear.adapter.take() {
                let weight = linear.weight.clone();
                linear.weight = weight.map(|weight| {
                    let dtype = weight.dtype();
                    let sum = weight.detach().cast(DType::F32) + adapter.delta();
                    sum.cast(dtype).detach()
                });
            }
        });
        model.lora = None;
        model.map(&mut Thaw)
    }

    /// The parameters of the adapter.
    pub(crate) fn adapter_ids(&self) -> HashSet<ParamId> {
        let mut ids = HashSet::new();
        self.clone().for_each_projection(|_, linear| {
            if let Some(adapter) = &linear.adapter {
                ids.extend([adapter.lora_a.id, adapter.lora_b.id]);
            }
        });
        ids
    }

    /// Visits the projections of all layers with their full names, in the order of the forward pass.
    pub(crate) fn for_each_projection(&mut self, mut visit: impl FnMut(&str, &mut Linear<B>)) {
        for (i, layer) in self.model.layers.iter_mut().enumerate() {
            let (attention, mlp) = (&mut layer.self_attn, &mut layer.mlp);
            let all = [
                &mut attention.q_proj,
                &mut attention.k_proj,
                &mut attention.v_proj,
                &mut attention.o_proj,
                &mut mlp.gate_proj,
                &mut mlp.up_proj,
                &mut mlp.down_proj,
            ];
            for (name, linear) in PROJECTIONS.iter().zip(all) {
                visit(&format!("model.layers.{i}.{name}"), linear);
            }
        }
    }
}

/// Makes every parameter trainable.
struct Thaw;

impl<B: Backend> ModuleMapper<B> for Thaw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.set_require_grad(true)
    }
}

fn param<B: LmOps>(values: Vec<f32>, shape: [usize; 2], device: &B::Device) -> Param<Tensor<B, 2>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

/// A fresh A. PEFT draws it with `kaiming_uniform_(a = √5)`, whose bound is `1/√in`.
fn draw(rank: usize, input: usize, seed: u64, stream: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let bound = (input as f32).sqrt().recip();
    match Uniform::new(-bound, bound) {
        Ok(uniform) => uniform.sample_iter(rng).take(rank * input).collect(),
        Err(_) => vec![0.0; rank * input],
    }
}
