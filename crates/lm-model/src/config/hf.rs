//! `config.json` as `transformers` writes it, in the spellings of versions 4 and 5.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::rope::{self, RopeScaling};
use super::{Family, Qwen3Config, WeightDtype};
use crate::error::Error;

/// The fields of `config.json` that matter; unknown ones are ignored.
#[derive(Serialize, Deserialize)]
pub(super) struct RawConfig {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    /// Not written for Qwen2, whose biases are fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention_bias: Option<bool>,
    #[serde(default)]
    attention_dropout: f64,
    #[serde(default)]
    bos_token_id: TokenIds,
    /// Name of the weights' format since version 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dtype: Option<String>,
    #[serde(default)]
    eos_token_id: TokenIds,
    #[serde(default)]
    head_dim: Option<usize>,
    #[serde(default = "silu")]
    hidden_act: String,
    hidden_size: usize,
    #[serde(default = "initializer_range")]
    initializer_range: f64,
    intermediate_size: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer_types: Option<Vec<String>>,
    max_position_embeddings: usize,
    /// Written for Llama, which alone knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mlp_bias: Option<bool>,
    model_type: String,
    num_attention_heads: usize,
    /// Present, and not zero, in the mixtures of experts.
    #[serde(default, skip_serializing)]
    num_experts: Option<usize>,
    num_hidden_layers: usize,
    /// Absent in the oldest files of Llama, where every query head has its own.
    #[serde(default)]
    num_key_value_heads: Option<usize>,
    /// Of other architectures, but `transformers` prefers it to the one among the parameters of RoPE wherever it
    /// stands.
    #[serde(default, skip_serializing)]
    original_max_position_embeddings: Option<usize>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "pad"
    )]
    pad_token_id: Option<u32>,
    #[serde(default, skip_serializing)]
    quantization_config: Option<Value>,
    rms_norm_eps: f64,
    /// Where version 5 keeps the base frequency and the kind of RoPE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_parameters: Option<Map<String, Value>>,
    #[serde(default)]
    rope_scaling: Option<Map<String, Value>>,
    /// Where version 4 keeps the base frequency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rope_theta: Option<f64>,
    #[serde(default)]
    tie_word_embeddings: bool,
    /// Name of the weights' format until version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    torch_dtype: Option<String>,
    /// Not written for Llama, which does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    use_sliding_window: Option<bool>,
    vocab_size: usize,
}

/// The first Llama's files have -1 where there is none.
fn pad<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        None | Some(-1) => Ok(None),
        Some(id) => u32::try_from(id).map(Some).map_err(D::Error::custom),
    }
}

/// No id, one, or a list: all three occur in published configurations.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(untagged)]
enum TokenIds {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl From<TokenIds> for Vec<u32> {
    fn from(ids: TokenIds) -> Self {
        match ids {
            TokenIds::None => Vec::new(),
            TokenIds::One(id) => vec![id],
            TokenIds::Many(ids) => ids,
        }
    }
}

impl From<Vec<u32>> for TokenIds {
    fn from(ids: Vec<u32>) -> Self {
        match ids[..] {
            [] => Self::None,
            [id] => Self::One(id),
            _ => Self::Many(ids),
        }
    }
}

/// The base frequency of Llama where the file names none, as those of Llama 2.
const LLAMA_THETA: f64 = 10_000.0;

fn silu() -> String {
    "silu".to_owned()
}

fn initializer_range() -> f64 {
    0.02
}

impl TryFrom<RawConfig> for Qwen3Config {
    type Error = Error;

    fn try_from(raw: RawConfig) -> Result<Self, Error> {
        let family = raw.family()?;
        raw.refuse_other_architectures()?;
        raw.refuse_other_attention()?;
        let config = Self {
            family,
            attention_bias: raw.attention_bias == Some(true) && family != Family::Qwen2,
            mlp_bias: raw.mlp_bias == Some(true),
            rope_theta: raw.rope_theta(family)?,
            rope_scaling: raw.rope_scaling()?,
            dtype: raw.dtype()?,
            vocab_size: raw.vocab_size,
            hidden_size: raw.hidden_size,
            intermediate_size: raw.intermediate_size,
            num_hidden_layers: raw.num_hidden_layers,
            num_attention_heads: raw.num_attention_heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_dim: raw.head_dim(family),
            rms_norm_eps: raw.rms_norm_eps,
            tie_word_embeddings: raw.tie_word_embeddings,
            max_position_embeddings: raw.max_position_embeddings,
            initializer_range: raw.initializer_range,
            bos_token_id: raw.bos_token_id.into(),
            eos_token_id: raw.eos_token_id.into(),
            pad_token_id: raw.pad_token_id,
        };
        config.check()?;
        Ok(config)
    }
}

impl RawConfig {
    fn family(&self) -> Result<Family, Error> {
        Family::of(&self.model_type).ok_or_else(|| {
            let expected = "\"qwen3\", \"qwen2\" or \"llama\" (dense)";
            Error::unsupported("model_type", &self.model_type, expected)
        })
    }

    /// What `transformers` assumes where the file does not say: 128 for Qwen3 whatever the hidden size, else an equal
    /// part of it.
    fn head_dim(&self, family: Family) -> usize {
        self.head_dim.unwrap_or(match family {
            Family::Qwen3 => 128,
            Family::Qwen2 | Family::Llama => self.hidden_size / self.num_attention_heads.max(1),
        })
    }

    fn refuse_other_architectures(&self) -> Result<(), Error> {
        if self.num_experts.is_some_and(|experts| experts > 0) {
            return Err(Error::unsupported(
                "num_experts",
                self.num_experts,
                "a dense model",
            ));
        }
        if self.hidden_act != "silu" {
            return Err(Error::unsupported(
                "hidden_act",
                &self.hidden_act,
                "\"silu\"",
            ));
        }
        if self.quantization_config.is_some() {
            let found = &self.quantization_config;
            return Err(Error::unsupported(
                "quantization_config",
                found,
                "an unquantised model",
            ));
        }
        Ok(())
    }

    fn refuse_other_attention(&self) -> Result<(), Error> {
        if self.attention_dropout != 0.0 {
            return Err(Error::unsupported(
                "attention_dropout",
                self.attention_dropout,
                "0",
            ));
        }
        // `sliding_window` alone is only a width; published files set it without using it.
        if self.use_sliding_window == Some(true) {
            return Err(Error::unsupported("use_sliding_window", true, "false"));
        }
        let types = self.layer_types.iter().flatten();
        match types.into_iter().find(|kind| *kind != "full_attention") {
            Some(kind) => Err(Error::unsupported(
                "layer_types",
                kind,
                "\"full_attention\"",
            )),
            None => Ok(()),
        }
    }

    /// The parameters of RoPE that count, with the name of their field: as in `transformers`, those of version 4 if
    /// they say anything.
    fn rope(&self) -> Option<(&'static str, &Map<String, Value>)> {
        let says =
            |map: &&Map<String, Value>| rope::kind(map).is_some_and(|kind| kind != "default");
        let scaling = self.rope_scaling.as_ref().filter(says);
        let scaling = scaling.map(|map| ("rope_scaling", map));
        scaling.or(self
            .rope_parameters
            .as_ref()
            .map(|map| ("rope_parameters", map)))
    }

    fn rope_scaling(&self) -> Result<Option<RopeScaling>, Error> {
        let Some((field, map)) = self.rope() else {
            return Ok(None);
        };
        let mut scaling = RopeScaling::read(field, map, self.max_position_embeddings)?;
        let original = scaling.as_mut().and_then(RopeScaling::original_length);
        if let (Some(length), Some(original)) = (self.original_max_position_embeddings, original) {
            *original = length;
        }
        Ok(scaling)
    }

    /// The base frequency, from any of the places where it may stand.
    fn rope_theta(&self, family: Family) -> Result<f64, Error> {
        let nested = |map: &Map<String, Value>| map.get("rope_theta").and_then(Value::as_f64);
        self.rope()
            .and_then(|(_, map)| nested(map))
            .or(self.rope_theta)
            .or_else(|| self.rope_parameters.as_ref().and_then(nested))
            .or((family == Family::Llama).then_some(LLAMA_THETA))
            .ok_or_else(|| Error::InvalidConfig {
                field: "rope_theta",
                found: "absent".to_owned(),
                expected: "a number, here or in `rope_parameters`".to_owned(),
            })
    }

    fn dtype(&self) -> Result<Option<WeightDtype>, Error> {
        let (field, name) = match (&self.dtype, &self.torch_dtype) {
            (Some(name), _) => ("dtype", name),
            (None, Some(name)) => ("torch_dtype", name),
            (None, None) => return Ok(None),
        };
        serde_json::from_value(Value::String(name.clone()))
            .map(Some)
            .map_err(|_| Error::unsupported(field, name, "float32, float16 or bfloat16"))
    }
}

impl From<Qwen3Config> for RawConfig {
    /// Writes the spellings of version 4, which version 5 reads too.
    fn from(config: Qwen3Config) -> Self {
        let family = config.family;
        let is_llama = family == Family::Llama;
        Self {
            architectures: Some(vec![family.architecture().to_owned()]),
            attention_bias: (family != Family::Qwen2).then_some(config.attention_bias),
            attention_dropout: 0.0,
            bos_token_id: config.bos_token_id.into(),
            dtype: None,
            eos_token_id: config.eos_token_id.into(),
            head_dim: Some(config.head_dim),
            hidden_act: silu(),
            hidden_size: config.hidden_size,
            initializer_range: config.initializer_range,
            intermediate_size: config.intermediate_size,
            layer_types: None,
            max_position_embeddings: config.max_position_embeddings,
            mlp_bias: is_llama.then_some(config.mlp_bias),
            model_type: family.model_type().to_owned(),
            num_attention_heads: config.num_attention_heads,
            num_experts: None,
            num_hidden_layers: config.num_hidden_layers,
            num_key_value_heads: Some(config.num_key_value_heads),
            original_max_position_embeddings: None,
            pad_token_id: config.pad_token_id,
            quantization_config: None,
            rms_norm_eps: config.rms_norm_eps,
            rope_parameters: None,
            rope_scaling: config.rope_scaling.as_ref().map(RopeScaling::to_map),
            rope_theta: Some(config.rope_theta),
            tie_word_embeddings: config.tie_word_embeddings,
            torch_dtype: config
                .dtype
                .map(|dtype| format!("{dtype:?}").to_lowercase()),
            use_sliding_window: (!is_llama).then_some(false),
            vocab_size: config.vocab_size,
        }
    }
}
