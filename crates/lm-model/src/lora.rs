//! Low-rank adapters (Hu et al., *LoRA*, arXiv 2106.09685), as PEFT defines and names them.
//!
//! An adapted projection computes `x Wᵀ + s · (x Aᵀ) Bᵀ` with `W [out, in]` frozen, `A [r, in]` and
//! `B [out, r]` trained. `B A` is never formed while training, so a step costs about two thirds of a
//! full one and keeps optimizer state for the adapter alone.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::prelude::*;
use burn::tensor::{DType, Distribution};
use lm_kernels::{LmOps, ops};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Uniform};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Linear, Qwen3};

/// The projections of a layer that can be adapted, by the names of Hugging Face and PEFT.
pub const TARGET_MODULES: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// Shape and scale of an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank r of the update, at least 1.
    pub rank: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Probability with which an input of the low-rank branch is zeroed while training, in `[0, 1)`.
    pub dropout: f64,
    /// Scale by `alpha / √r` (Kalajdzievski, arXiv 2312.03732) and not by `alpha / r`.
    pub use_rslora: bool,
    /// Which projections are adapted, of [`TARGET_MODULES`].
    pub target_modules: Vec<String>,
    /// Path of the model below, or its id on the Hub (`owner/name`, `owner/name@revision`), as it is written beside
    /// a saved adapter.
    pub base_model: Option<String>,
}

impl Default for LoraConfig {
    /// Rank 16, alpha 32, no dropout, every projection.
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            use_rslora: false,
            target_modules: TARGET_MODULES.map(str::to_owned).to_vec(),
            base_model: None,
        }
    }
}

impl LoraConfig {
    /// The factor s of the update.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        if self.use_rslora {
            self.alpha / rank.sqrt()
        } else {
            self.alpha / rank
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for a rank of 0, an alpha that is not a number, a dropout outside
    /// `[0, 1)`, and a target module that a Qwen3 layer does not have.
    pub fn check(&self) -> Result<()> {
        let invalid = |field, found: String, expected: &str| {
            Err(Error::InvalidConfig {
                field,
                found,
                expected: expected.to_owned(),
            })
        };
        if self.rank == 0 {
            return invalid("lora rank", "0".into(), "at least 1");
        }
        if !self.alpha.is_finite() {
            return invalid("lora alpha", self.alpha.to_string(), "a finite number");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let expected = "a number from 0 up to, but not including, 1";
            return invalid("lora dropout", self.dropout.to_string(), expected);
        }
        let known = |module: &&String| !TARGET_MODULES.contains(&module.as_str());
        match self.target_modules.iter().find(known) {
            Some(module) => invalid(
                "lora target_modules",
                format!("`{module}`"),
                &format!("some of {}", TARGET_MODULES.join(", ")),
            ),
            None if self.target_modules.is_empty() => invalid(
                "lora target_modules",
                "none".into(),
                &format!("some of {}", TARGET_MODULES.join(", ")),
            ),
            None => Ok(()),
        }
    }
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
        self.adapt(config, |_, [out, input]| {
            stream += 1;
            Ok([
                draw(config.rank, input, seed, stream),
                vec![0.0; out * config.rank],
            ])
        })
    }

    /// Freezes the model and puts an adapter on it whose values `values` gives, as `[A, B]` in
    /// row-major order, for the full name of a module and the shape `[out, in]` of its weight.
    pub(crate) fn adapt(
        self,
        config: &LoraConfig,
        mut values: impl FnMut(&str, [usize; 2]) -> Result<[Vec<f32>; 2]>,
    ) -> Result<Self> {
        let mut model = self.no_grad();
        let device = model.device();
        let mut failed = None;
        model.for_each_projection(|name, linear| {
            linear.adapter = None;
            let short = name.rsplit('.').next().unwrap_or(name);
            let wanted = config.target_modules.iter().any(|module| module == short);
            if !wanted || failed.is_some() {
                return;
            }
            let [out, input] = linear.weight.val().dims();
            match values(name, [out, input]) {
                Ok([a, b]) => {
                    linear.adapter = Some(Adapter {
                        lora_a: param(a, [config.rank, input], &device),
                        lora_b: param(b, [out, config.rank], &device),
                        scale: config.scale(),
                        dropout: config.dropout,
                    });
                }
                Err(error) => failed = Some(error),
            }
        });
        model.lora = Some(config.clone());
        failed.map_or(Ok(model), Err)
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
                ("self_attn.q_proj", &mut attention.q_proj),
                ("self_attn.k_proj", &mut attention.k_proj),
                ("self_attn.v_proj", &mut attention.v_proj),
                ("self_attn.o_proj", &mut attention.o_proj),
                ("mlp.gate_proj", &mut mlp.gate_proj),
                ("mlp.up_proj", &mut mlp.up_proj),
                ("mlp.down_proj", &mut mlp.down_proj),
            ];
            for (name, linear) in all {
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
