//! The dense decoder of Qwen3, Qwen2 and Llama over packed sequences.
//!
//! Qwen Team, *Qwen3 Technical Report*, 2025: pre-norm decoder with RMSNorm, grouped-query
//! attention, RMSNorm of every query and key head before RoPE, and SwiGLU. Qwen2 and Llama do
//! without the norms of heads, and some of their projections have biases; what a model has is in its
//! [`Qwen3Config`], and absent parameters are `None`. The fields of the modules carry the names of
//! Hugging Face's implementation, so the path of a parameter in the module tree is its name in a
//! checkpoint.

mod context;
mod parameters;

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::DType;
use lm_kernels::{LmOps, ops};

use crate::config::Qwen3Config;
use crate::lora::{Adapter, LoraConfig};
use crate::packed::Packed;
use crate::rope::{Angles, Rope};

/// A model with its language-model head, of any [`Family`](crate::Family); the type has the name of the first.
///
/// Made by [`Qwen3Config::init`] or [`crate::checkpoint::load`]; works on any backend that has
/// [`LmOps`]. On an autodiff backend every method is differentiable except where it says not.
#[derive(Module, Debug)]
pub struct Qwen3<B: Backend> {
    pub(crate) model: Decoder<B>,
    pub(crate) lm_head: Option<Linear<B>>,
    #[module(skip)]
    pub(crate) config: Qwen3Config,
    /// The configuration of the adapters that are in the projections.
    #[module(skip)]
    pub(crate) lora: Option<LoraConfig>,
    /// Whether the rotary frequencies have the precision of BF16.
    #[module(skip)]
    pub(crate) bf16_rotary: bool,
    /// The type of hidden states.
    #[module(skip)]
    pub(crate) activations: DType,
}

/// Embedding, layers and final norm: everything but the head.
#[derive(Module, Debug)]
pub(crate) struct Decoder<B: Backend> {
    pub(crate) embed_tokens: Linear<B>,
    pub(crate) layers: Vec<Layer<B>>,
    pub(crate) norm: Norm<B>,
}

/// One decoder layer.
#[derive(Module, Debug)]
pub(crate) struct Layer<B: Backend> {
    pub(crate) input_layernorm: Norm<B>,
    pub(crate) self_attn: Attention<B>,
    pub(crate) post_attention_layernorm: Norm<B>,
    pub(crate) mlp: Mlp<B>,
}

/// Grouped-query attention; queries and keys are normalised where there are norms for them.
#[derive(Module, Debug)]
pub(crate) struct Attention<B: Backend> {
    pub(crate) q_proj: Linear<B>,
    pub(crate) k_proj: Linear<B>,
    pub(crate) v_proj: Linear<B>,
    pub(crate) o_proj: Linear<B>,
    pub(crate) q_norm: Option<Norm<B>>,
    pub(crate) k_norm: Option<Norm<B>>,
}

/// The gated feed-forward network.
#[derive(Module, Debug)]
pub(crate) struct Mlp<B: Backend> {
    pub(crate) gate_proj: Linear<B>,
    pub(crate) up_proj: Linear<B>,
    pub(crate) down_proj: Linear<B>,
}

/// A matrix `[out, in]` as Hugging Face stores it: a projection, the embedding or the head. Only
/// projections of layers can have a bias `[out]` or an adapter.
#[derive(Module, Debug)]
pub(crate) struct Linear<B: Backend> {
    pub(crate) weight: Param<Tensor<B, 2>>,
    pub(crate) bias: Option<Param<Tensor<B, 1>>>,
    pub(crate) adapter: Option<Adapter<B>>,
}

/// The gain of an RMSNorm.
#[derive(Module, Debug)]
pub(crate) struct Norm<B: Backend> {
    pub(crate) weight: Param<Tensor<B, 1>>,
}

/// What a layer needs besides its input; the same for all layers of one pass.
pub(crate) struct Context<B: Backend> {
    pub(crate) cos: Tensor<B, 2>,
    pub(crate) sin: Tensor<B, 2>,
    pub(crate) head_dim: usize,
    pub(crate) eps: f64,
}

impl<B: LmOps> Qwen3<B> {
    /// The shape of the model.
    pub fn config(&self) -> &Qwen3Config {
        &self.config
    }

    /// The device that holds the weights.
    pub fn device(&self) -> B::Device {
        self.model.norm.weight.val().device()
    }

    /// Excludes the token embedding (and with it a tied head) from training.
    ///
    /// An optimizer that divides by the gradient's size, such as Adam, moves the rows of tokens that are
    /// never a target as fast as all others, always away from the hidden states; at a high learning rate
    /// the model unlearns to write them. An untied head stays trainable.
    #[must_use]
    pub fn freeze_embeddings(mut self) -> Self {
        let weight = self.model.embed_tokens.weight;
        self.model.embed_tokens.weight = weight.set_require_grad(false);
        self
    }

    /// The same weights with rotary frequencies rounded to BF16.
    ///
    /// A program that converts a whole model to BF16, `model.bfloat16()` for one, rounds the table of
    /// frequencies with the weights. This reproduces what such a program computes; `from_pretrained`
    /// of `transformers` keeps the table in single precision, and so does a model as it is loaded.
    #[must_use]
    pub fn with_bf16_rotary(mut self) -> Self {
        self.bf16_rotary = true;
        self
    }

    /// Number of decoder layers.
    pub fn num_layers(&self) -> usize {
        self.model.layers.len()
    }

    /// What goes into the first layer, `[T, H]`.
    pub fn embed(&self, batch: &Packed<B>) -> Tensor<B, 2> {
        self.embed_ids(batch.ids.clone())
    }

    /// Runs some of the layers on hidden states `x [T, H]` of the batch.
    pub fn layers(&self, range: Range<usize>, x: Tensor<B, 2>, batch: &Packed<B>) -> Tensor<B, 2> {
        let context = self.context(batch.cos.clone(), batch.sin.clone());
        self.model.layers[range].iter().fold(x, |x, layer| {
            layer.forward(x, &context, |q, k, v| {
                let (k, v) = batch.keys(k, v);
                ops::attention(q, k, v, &batch.bounds, context.scale())
            })
        })
    }

    /// The embeddings of tokens, `[T, H]`.
    pub(crate) fn embed_ids(&self, ids: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        let x = ops::embedding(self.model.embed_tokens.weight.val(), ids);
        if x.dtype() == self.activations {
            x
        } else {
            x.cast(self.activations)
        }
    }

    /// The output of the last layer, before the final norm, `[T, H]`.
    pub fn all_layers(&self, batch: &Packed<B>) -> Tensor<B, 2> {
        self.layers(0..self.num_layers(), self.embed(batch), batch)
    }

    /// Hidden states after the final norm, `[T, H]`.
    pub fn hidden(&self, batch: &Packed<B>) -> Tensor<B, 2> {
        let x = self.all_layers(batch);
        self.model.norm.forward(x, self.config.rms_norm_eps)
    }

    /// The output head, `[V, H]`: `lm_head`, or the embedding when they are tied.
    pub fn head(&self) -> Tensor<B, 2> {
        self.head_parameter().val()
    }

    /// The parameter behind [`Qwen3::head`].
    pub fn head_parameter(&self) -> &Param<Tensor<B, 2>> {
        let head = self.lm_head.as_ref().unwrap_or(&self.model.embed_tokens);
        &head.weight
    }

    /// Log-probability of `targets[i]` after the hidden state number `rows[i]` of the batch,
    /// `log softmax(logits / temperature)[target]`, with the entropy of the same distribution.
    ///
    /// `rows` and `targets` have the same length N, and so have both results. The head is applied
    /// to the N rows only, and never to all of them at once.
    pub fn log_probs(
        &self,
        batch: &Packed<B>,
        rows: Tensor<B, 1, Int>,
        targets: Tensor<B, 1, Int>,
        temperature: f64,
    ) -> ops::TokenLogProbs<B> {
        self.score(self.all_layers(batch), rows, targets, temperature)
    }

    /// [`Qwen3::log_probs`] from the output `x [T, H]` of the last layer.
    pub fn score(
        &self,
        x: Tensor<B, 2>,
        rows: Tensor<B, 1, Int>,
        targets: Tensor<B, 1, Int>,
        temperature: f64,
    ) -> ops::TokenLogProbs<B> {
        ops::linear_log_probs(self.before_head(x, rows), self.head(), targets, temperature)
    }

    /// [`Qwen3::score`] whose entropies have a gradient too.
    pub fn score_with_entropy(
        &self,
        x: Tensor<B, 2>,
        rows: Tensor<B, 1, Int>,
        targets: Tensor<B, 1, Int>,
        temperature: f64,
    ) -> ops::TokenLogProbs<B> {
        let hidden = self.before_head(x, rows);
        ops::linear_log_probs_and_entropy(hidden, self.head(), targets, temperature)
    }

    /// What the head is applied to, `[N, H]`: rows of the final norm of the last layer's output `x [T, H]`.
    pub fn before_head(&self, x: Tensor<B, 2>, rows: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        let hidden = self.model.norm.forward(x, self.config.rms_norm_eps);
        hidden.select(0, rows)
    }

    /// Logits of every position, `[T, V]`. For tests and small models: training and generation
    /// use [`Qwen3::log_probs`] and [`Qwen3::decode`], which need far less memory.
    pub fn logits(&self, batch: &Packed<B>) -> Tensor<B, 2> {
        ops::linear(self.hidden(batch), self.head())
    }

    pub(crate) fn rope(&self) -> Rope {
        let rope = Rope::of(&self.config);
        if self.bf16_rotary {
            rope.rounded_to_bf16()
        } else {
            rope
        }
    }

    pub(crate) fn context(&self, cos: Tensor<B, 2>, sin: Tensor<B, 2>) -> Context<B> {
        Context {
            cos,
            sin,
            head_dim: self.config.head_dim,
            eps: self.config.rms_norm_eps,
        }
    }

    pub(crate) fn angle_tensors(&self, angles: Angles) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let device = self.device();
        let half = self.config.head_dim / 2;
        let tensor = |values: Vec<f32>| {
            let shape = [values.len() / half, half];
            Tensor::from_data(TensorData::new(values, shape), &device)
        };
        (tensor(angles.cos), tensor(angles.sin))
    }

    pub(crate) fn id_tensor(&self, ids: &[u32]) -> Tensor<B, 1, Int> {
        let values: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &self.device())
    }
}

impl<B: LmOps> Layer<B> {
    /// `x` and the result are `[T, H]`; `attend` maps queries `[T, Hq, D]`, keys and values
    /// `[T, Hkv, D]` to `[T, Hq, D]`.
    pub(crate) fn forward(
        &self,
        x: Tensor<B, 2>,
        context: &Context<B>,
        attend: impl FnOnce(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 2> {
        let normed = self.input_layernorm.forward(x.clone(), context.eps);
        let x = x + self.self_attn.forward(normed, context, attend);
        self.feed_forward(x, context)
    }

    /// [`Layer::forward`] for the tokens `rows` of `x` alone; the others only leave their keys and values. `attend`
    /// gets the queries of these rows with the keys and values of all.
    pub(crate) fn forward_at(
        &self,
        rows: Tensor<B, 1, Int>,
        x: Tensor<B, 2>,
        context: &Context<B>,
        attend: impl FnOnce(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 2> {
        let normed = self.input_layernorm.forward(x.clone(), context.eps);
        let at = |x: &Tensor<B, 2>| x.clone().select(0, rows.clone());
        let (here, place) = (at(&normed), context.map(at));
        let attention = &self.self_attn;
        let (k, v) = attention.keys_and_values(normed, context);
        let x = at(&x) + attention.mix(attend(attention.queries(here, &place), k, v));
        self.feed_forward(x, context)
    }

    fn feed_forward(&self, x: Tensor<B, 2>, context: &Context<B>) -> Tensor<B, 2> {
        let normed = self
            .post_attention_layernorm
            .forward(x.clone(), context.eps);
        x + self.mlp.forward(normed)
    }
}

impl<B: LmOps> Attention<B> {
    fn forward(
        &self,
        x: Tensor<B, 2>,
        context: &Context<B>,
        attend: impl FnOnce(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 3>) -> Tensor<B, 3>,
    ) -> Tensor<B, 2> {
        let projections = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = Linear::forward_all(projections, x).map(|x| context.heads(x));
        let q = context.placed(q, self.q_norm.as_ref());
        let k = context.placed(k, self.k_norm.as_ref());
        self.mix(attend(q, k, v))
    }

    fn queries(&self, x: Tensor<B, 2>, context: &Context<B>) -> Tensor<B, 3> {
        let q = context.heads(self.q_proj.forward(x));
        context.placed(q, self.q_norm.as_ref())
    }

    fn keys_and_values(
        &self,
        x: Tensor<B, 2>,
        context: &Context<B>,
    ) -> (Tensor<B, 3>, Tensor<B, 3>) {
        let projections = [&self.k_proj, &self.v_proj];
        let [k, v] = Linear::forward_all(projections, x).map(|x| context.heads(x));
        (context.placed(k, self.k_norm.as_ref()), v)
    }

    /// The heads' outputs `[T, Hq, D]` as `[T, H]`.
    fn mix(&self, heads: Tensor<B, 3>) -> Tensor<B, 2> {
        let [tokens, count, width] = heads.dims();
        self.o_proj.forward(heads.reshape([tokens, count * width]))
    }
}

impl<B: LmOps> Mlp<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [gate, up] = Linear::forward_all([&self.gate_proj, &self.up_proj], x);
        self.down_proj.forward(ops::swiglu(gate, up))
    }
}

impl<B: LmOps> Linear<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let [out] = Self::forward_all([self], x);
        out
    }

    /// The bias added to the product `[T, out]`, in whose type the sum is.
    fn with_bias(&self, product: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(bias) = &self.bias else {
            return product;
        };
        let (bias, dtype) = (bias.val(), product.dtype());
        let bias = if bias.dtype() == dtype {
            bias
        } else {
            bias.cast(dtype)
        };
        product + bias.unsqueeze()
    }

    /// What several projections make of one input.
    fn forward_all<const N: usize>(all: [&Self; N], x: Tensor<B, 2>) -> [Tensor<B, 2>; N] {
        let weights = all.map(|linear| linear.weight.val());
        let mut products = ops::linears(x.clone(), weights).into_iter();
        all.map(|linear| {
            let product = products.next().expect("a product of every weight");
            let product = linear.with_bias(product);
            match &linear.adapter {
                None => product,
                Some(adapter) => product + adapter.forward(x.clone()),
            }
        })
    }
}

impl<B: LmOps> Norm<B> {
    pub(crate) fn forward(&self, x: Tensor<B, 2>, eps: f64) -> Tensor<B, 2> {
        ops::rms_norm(x, self.weight.val(), eps)
    }
}
