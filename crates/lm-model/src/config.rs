//! The configuration of a model, read from and written as Hugging Face's `config.json`.

mod bounds;
mod family;
mod hf;
mod rope;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use self::family::Family;
pub use self::rope::{Llama3Scaling, RopeScaling, Yarn};

/// The shape of a dense model of the Qwen3, Qwen2 or Llama family, and which of the three it is.
///
/// Serialises as the `config.json` of `transformers`. Reading refuses, by name, whatever this
/// implementation would compute differently: other kinds of RoPE scaling, sliding windows, mixtures of experts,
/// other activations and other architectures.
///
/// The default is Qwen3-0.6B; a smaller model is made by changing fields:
///
/// ```
/// use lm_model::Qwen3Config;
/// let tiny = Qwen3Config { vocab_size: 512, hidden_size: 64, num_hidden_layers: 2, ..Default::default() };
/// assert!(tiny.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "hf::RawConfig", into = "hf::RawConfig")]
pub struct Qwen3Config {
    /// What distinguishes the model from its relatives: norms of the heads, biases, name.
    pub family: Family,
    /// Rows of the embedding; may exceed the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream, H.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// Width of one head, D; even, and independent of `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Whether the projections of attention have biases, all four; those of queries, keys and values have them in
    /// [`Family::Qwen2`] whatever this says.
    pub attention_bias: bool,
    /// Whether the projections of the feed-forward layer have biases; only in [`Family::Llama`].
    pub mlp_bias: bool,
    /// Added to the mean square inside RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How these frequencies are changed for longer texts; usually not at all.
    pub rope_scaling: Option<RopeScaling>,
    /// Whether the output head is the embedding itself.
    pub tie_word_embeddings: bool,
    /// Longest sequence that the model was made for; advisory. See [`Qwen3Config::max_positions`].
    pub max_position_embeddings: usize,
    /// Standard deviation of freshly drawn weights.
    pub initializer_range: f64,
    /// Tokens that begin a text; usually none or one.
    pub bos_token_id: Vec<u32>,
    /// Tokens that end a text; none, one or several.
    pub eos_token_id: Vec<u32>,
    /// Token that pads a batch for other programs; packed sequences need none.
    pub pad_token_id: Option<u32>,
    /// Number format of the weights on disk.
    pub dtype: Option<WeightDtype>,
}

/// The number format of stored weights, as `config.json` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightDtype {
    /// IEEE single precision.
    Float32,
    /// IEEE half precision.
    Float16,
    /// The upper half of a single.
    Bfloat16,
}

/// Name and shape of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The Hugging Face name, such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// `[out, in]` for a projection, `[rows, H]` for an embedding, `[width]` for a norm, `[out]` for a bias.
    pub shape: Vec<usize>,
}

impl Default for Qwen3Config {
    fn default() -> Self {
        Self {
            family: Family::Qwen3,
            vocab_size: 151_936,
            hidden_size: 1024,
            intermediate_size: 3072,
            num_hidden_layers: 28,
            num_attention_heads: 16,
            num_key_value_heads: 8,
            head_dim: 128,
            attention_bias: false,
            mlp_bias: false,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            rope_scaling: None,
            tie_word_embeddings: true,
            max_position_embeddings: 40_960,
            initializer_range: 0.02,
            bos_token_id: vec![151_643],
            eos_token_id: vec![151_645],
            pad_token_id: None,
            dtype: None,
        }
    }
}

impl Qwen3Config {
    /// Reads `dir/config.json`.
    ///
    /// # Errors
    /// When the file is absent or not JSON, or asks for something unsupported, see [`Error`].
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let raw: hf::RawConfig = serde_json::from_slice(&bytes).map_err(Error::json(&path))?;
        Self::try_from(raw).map_err(|error| Error::Config {
            path,
            source: Box::new(error),
        })
    }

    /// Checks that the numbers fit together and are those of a model that can exist.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the first field that does not, or is too large.
    pub fn check(&self) -> Result<()> {
        for (field, value) in self.sizes() {
            if value == 0 {
                return Err(invalid(field, value, "at least 1"));
            }
        }
        self.check_bounds()?;
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            let expected = format!("a divisor of the {} query heads", self.num_attention_heads);
            return Err(invalid(
                "num_key_value_heads",
                self.num_key_value_heads,
                &expected,
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(invalid("head_dim", self.head_dim, "an even number"));
        }
        for (field, value) in [
            ("rope_theta", self.rope_theta),
            ("rms_norm_eps", self.rms_norm_eps),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(invalid(field, value, "a positive number"));
            }
        }
        self.check_scaling()?;
        self.check_biases()?;
        if !(self.initializer_range.is_finite() && self.initializer_range >= 0.0) {
            return Err(invalid(
                "initializer_range",
                self.initializer_range,
                "zero or more",
            ));
        }
        Ok(())
    }

    fn check_scaling(&self) -> Result<()> {
        let numbers = self.rope_scaling.iter().flat_map(RopeScaling::numbers);
        for (key, value) in numbers {
            if !(value.is_finite() && value > 0.0) {
                let found = format!("{{.., \"{key}\": {value}}}");
                let expected = format!("a positive number as {key}");
                return Err(invalid("rope_scaling", found, &expected));
            }
        }
        match &self.rope_scaling {
            Some(RopeScaling::Llama3(bands)) if bands.high_freq_factor <= bands.low_freq_factor => {
                let found = format!("{{.., \"high_freq_factor\": {}}}", bands.high_freq_factor);
                let expected = format!("more than low_freq_factor, {}", bands.low_freq_factor);
                Err(invalid("rope_scaling", found, &expected))
            }
            _ => Ok(()),
        }
    }

    fn check_biases(&self) -> Result<()> {
        if self.mlp_bias && self.family != Family::Llama {
            let expected = format!("false in the family {}", self.family.model_type());
            return Err(invalid("mlp_bias", true, &expected));
        }
        Ok(())
    }

    /// Longest sequence that the model can be used for, in tokens: `max_position_embeddings`, or with YaRN the
    /// original length times the factor, if that is more. Published configurations of Qwen3 with YaRN do not raise
    /// `max_position_embeddings`.
    pub fn max_positions(&self) -> usize {
        let extended = match &self.rope_scaling {
            Some(RopeScaling::Yarn(yarn)) => {
                yarn.factor * yarn.original_max_position_embeddings as f64
            }
            _ => 0.0,
        };
        self.max_position_embeddings.max(extended as usize)
    }

    fn sizes(&self) -> [(&'static str, usize); 7] {
        [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.num_key_value_heads),
            ("head_dim", self.head_dim),
        ]
    }

    /// Number of trainable values; a tied head counts once.
    pub fn num_parameters(&self) -> usize {
        let size = |spec: ParameterSpec| spec.shape.iter().product::<usize>();
        self.parameters().into_iter().map(size).sum()
    }

    /// Every parameter in the order of the forward pass. This is the only place that knows shapes.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let mut all = vec![spec(
            "model.embed_tokens",
            &[self.vocab_size, self.hidden_size],
        )];
        for layer in 0..self.num_hidden_layers {
            all.extend(self.layer_parameters(layer));
        }
        all.push(spec("model.norm", &[self.hidden_size]));
        if !self.tie_word_embeddings {
            all.push(spec("lm_head", &[self.vocab_size, self.hidden_size]));
        }
        all
    }

    fn layer_parameters(&self, layer: usize) -> Vec<ParameterSpec> {
        let (hidden, inner, head) = (self.hidden_size, self.intermediate_size, self.head_dim);
        let query = self.num_attention_heads * head;
        let key = self.num_key_value_heads * head;
        let linear = |name: &str, out: usize, input: usize| self.linear(layer, name, [out, input]);
        let norm =
            |name: &str, width| vec![spec(&format!("model.layers.{layer}.{name}"), &[width])];
        let of_heads = |name: &str| {
            if self.family.normalises_heads() {
                norm(name, head)
            } else {
                Vec::new()
            }
        };
        [
            norm("input_layernorm", hidden),
            linear("self_attn.q_proj", query, hidden),
            linear("self_attn.k_proj", key, hidden),
            linear("self_attn.v_proj", key, hidden),
            of_heads("self_attn.q_norm"),
            of_heads("self_attn.k_norm"),
            linear("self_attn.o_proj", hidden, query),
            norm("post_attention_layernorm", hidden),
            linear("mlp.gate_proj", inner, hidden),
            linear("mlp.up_proj", inner, hidden),
            linear("mlp.down_proj", hidden, inner),
        ]
        .concat()
    }

    /// The parameters of a projection `[out, in]`: its matrix, and its bias if it has one.
    fn linear(&self, layer: usize, name: &str, shape: [usize; 2]) -> Vec<ParameterSpec> {
        let module = format!("model.layers.{layer}.{name}");
        let mut all = vec![spec(&module, &shape)];
        if self.has_bias(name) {
            all.push(ParameterSpec {
                name: format!("{module}.bias"),
                shape: vec![shape[0]],
            });
        }
        all
    }

    fn has_bias(&self, projection: &str) -> bool {
        match projection {
            "self_attn.o_proj" => self.attention_bias && self.family != Family::Qwen2,
            name if name.starts_with("self_attn") => {
                self.attention_bias || self.family == Family::Qwen2
            }
            _ => self.mlp_bias,
        }
    }
}

fn spec(module: &str, shape: &[usize]) -> ParameterSpec {
    ParameterSpec {
        name: format!("{module}.weight"),
        shape: shape.to_vec(),
    }
}

fn invalid(field: &'static str, found: impl ToString, expected: &str) -> Error {
    Error::InvalidConfig {
        field,
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}
