//! Building a model from values: fresh random ones here, stored ones in [`crate::checkpoint`].

use std::collections::HashMap;
use std::convert::Infallible;

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::DType;
use lm_kernels::LmOps;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::config::{ParameterSpec, Qwen3Config};
use crate::model::{Attention, Decoder, Layer, Linear, Mlp, Norm, Qwen3};

impl Qwen3Config {
    /// A fresh model: projections and embeddings from a normal distribution with standard
    /// deviation [`Qwen3Config::initializer_range`], gains of the norms 1, biases 0.
    ///
    /// The values depend on the seed and the configuration only, not on the backend or the
    /// machine: they are drawn on the CPU from ChaCha8, one stream per parameter.
    ///
    /// To train the model, make it on an autodiff backend: Burn takes the parameters of a plain
    /// one for frozen when it turns it into a trainable one.
    pub fn init<B: LmOps>(&self, device: &B::Device, seed: u64) -> Qwen3<B> {
        let values = |index: usize, spec: &ParameterSpec| -> Result<TensorData, Infallible> {
            let values = draw(spec, self.initializer_range, seed, index as u64);
            Ok(TensorData::new(values, spec.shape.clone()))
        };
        match assemble(self, device, values) {
            Ok(model) => model,
            Err(never) => match never {},
        }
    }
}

/// The initial values of one parameter.
fn draw(spec: &ParameterSpec, deviation: f64, seed: u64, stream: u64) -> Vec<f32> {
    let count = spec.shape.iter().product();
    if spec.name.ends_with(".bias") {
        return vec![0.0; count];
    }
    if spec.shape.len() == 1 {
        return vec![1.0; count];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let scaled = |normal: f64| (normal * deviation) as f32;
    StandardNormal
        .sample_iter(rng)
        .take(count)
        .map(scaled)
        .collect()
}

/// Builds a model, asking `values` for each of its parameters once, by its place in
/// [`Qwen3Config::parameters`] and its specification. The weights have the type of the values.
pub(crate) fn assemble<B: LmOps, E>(
    config: &Qwen3Config,
    device: &B::Device,
    values: impl FnMut(usize, &ParameterSpec) -> Result<TensorData, E>,
) -> Result<Qwen3<B>, E> {
    let numbered = config.parameters().into_iter().enumerate();
    let mut builder = Builder::<B, _> {
        specs: numbered
            .map(|(index, spec)| (spec.name.clone(), (index, spec)))
            .collect(),
        device: device.clone(),
        values,
        dtype: DType::F32,
    };
    builder.model(config)
}

/// Hands out the parameters of one model by name.
struct Builder<B: Backend, F> {
    specs: HashMap<String, (usize, ParameterSpec)>,
    device: B::Device,
    values: F,
    /// The type of the values so far.
    dtype: DType,
}

impl<B, E, F> Builder<B, F>
where
    B: LmOps,
    F: FnMut(usize, &ParameterSpec) -> Result<TensorData, E>,
{
    /// The parameter of this name. Asking for one that [`Qwen3Config::parameters`] does not
    /// list would be a mistake in this file, not in anybody's input.
    fn param<const D: usize>(&mut self, name: &str) -> Result<Param<Tensor<B, D>>, E> {
        let (index, spec) = &self.specs[name];
        let data = (self.values)(*index, spec)?;
        self.dtype = data.dtype;
        let options = (&self.device, data.dtype);
        Ok(Param::from_tensor(Tensor::from_data(data, options)))
    }

    /// The parameter of this name, if the model has it.
    fn optional<const D: usize>(&mut self, name: &str) -> Result<Option<Param<Tensor<B, D>>>, E> {
        if self.specs.contains_key(name) {
            self.param(name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn linear(&mut self, module: &str) -> Result<Linear<B>, E> {
        Ok(Linear {
            weight: self.param(&format!("{module}.weight"))?,
            bias: self.optional(&format!("{module}.bias"))?,
            adapter: None,
        })
    }

    fn norm(&mut self, module: &str) -> Result<Norm<B>, E> {
        let weight = self.param(&format!("{module}.weight"))?;
        Ok(Norm { weight })
    }

    fn norm_of_heads(&mut self, module: &str) -> Result<Option<Norm<B>>, E> {
        let weight = self.optional(&format!("{module}.weight"))?;
        Ok(weight.map(|weight| Norm { weight }))
    }

    fn model(&mut self, config: &Qwen3Config) -> Result<Qwen3<B>, E> {
        let layers = 0..config.num_hidden_layers;
        let model = Decoder {
            embed_tokens: self.linear("model.embed_tokens")?,
            layers: layers
                .map(|i| self.layer(&format!("model.layers.{i}")))
                .collect::<Result<_, E>>()?,
            norm: self.norm("model.norm")?,
        };
        let lm_head = if config.tie_word_embeddings {
            None
        } else {
            Some(self.linear("lm_head")?)
        };
        Ok(Qwen3 {
            model,
            lm_head,
            config: config.clone(),
            lora: None,
            bf16_rotary: false,
            activations: B::lm_activations(self.dtype),
        })
    }

    fn layer(&mut self, at: &str) -> Result<Layer<B>, E> {
        Ok(Layer {
            input_layernorm: self.norm(&format!("{at}.input_layernorm"))?,
            self_attn: self.attention(&format!("{at}.self_attn"))?,
            post_attention_layernorm: self.norm(&format!("{at}.post_attention_layernorm"))?,
            mlp: self.mlp(&format!("{at}.mlp"))?,
        })
    }

    fn attention(&mut self, at: &str) -> Result<Attention<B>, E> {
        Ok(Attention {
            q_proj: self.linear(&format!("{at}.q_proj"))?,
            k_proj: self.linear(&format!("{at}.k_proj"))?,
            v_proj: self.linear(&format!("{at}.v_proj"))?,
            o_proj: self.linear(&format!("{at}.o_proj"))?,
            q_norm: self.norm_of_heads(&format!("{at}.q_norm"))?,
            k_norm: self.norm_of_heads(&format!("{at}.k_norm"))?,
        })
    }

    fn mlp(&mut self, at: &str) -> Result<Mlp<B>, E> {
        Ok(Mlp {
            gate_proj: self.linear(&format!("{at}.gate_proj"))?,
            up_proj: self.linear(&format!("{at}.up_proj"))?,
            down_proj: self.linear(&format!("{at}.down_proj"))?,
        })
    }
}
