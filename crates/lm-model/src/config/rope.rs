//! How `config.json` asks for scaled rotary frequencies, in the spellings of versions 4 and 5.

use serde_json::{Map, Value, json};

use crate::error::Error;

/// How rotary frequencies are changed, so that a model reads texts longer than those that it was pretrained on.
///
/// Other kinds of `transformers` (`dynamic`, `longrope`, `proportional`) are refused by name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RopeScaling {
    /// Every frequency is divided by `factor` (Chen et al., *Extending Context Window of Large Language Models via
    /// Positional Interpolation*, 2023).
    Linear {
        /// How many times longer the texts may be.
        factor: f64,
    },
    /// Slow frequencies are divided and fast ones kept, see [`Yarn`].
    Yarn(Yarn),
    /// Slow frequencies are divided and fast ones kept, by bands of wavelengths, see [`Llama3Scaling`].
    Llama3(Llama3Scaling),
}

/// The scaling of Llama 3.1 (Llama Team, *The Llama 3 Herd of Models*, 2024; the formula is that of its reference code
/// and of `transformers`).
///
/// A frequency that makes more than `high_freq_factor` turns within the original length is kept, one that makes fewer
/// than `low_freq_factor` is divided by `factor`, and those between are mixed linearly in the number of turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama3Scaling {
    /// How many times longer the texts may be.
    pub factor: f64,
    /// Turns below which a frequency is divided; usually 1.
    pub low_freq_factor: f64,
    /// Turns above which a frequency is kept; usually 4.
    pub high_freq_factor: f64,
    /// Length of the texts of pretraining, in tokens.
    pub original_max_position_embeddings: usize,
}

/// YaRN (Peng et al., *YaRN: Efficient Context Window Extension of Large Language Models*, 2023).
///
/// A pair of a head that makes more than `beta_fast` turns within the original length keeps its frequency, one that
/// makes fewer than `beta_slow` has it divided by `factor`, and a linear ramp over the pairs lies between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Yarn {
    /// How many times longer the texts may be.
    pub factor: f64,
    /// Length of the texts of pretraining, in tokens.
    pub original_max_position_embeddings: usize,
    /// Factor of cosines and sines; `0.1·ln(factor) + 1` if left out.
    pub attention_factor: Option<f64>,
    /// Turns above which a frequency is kept; usually 32.
    pub beta_fast: f64,
    /// Turns below which a frequency is divided; usually 1.
    pub beta_slow: f64,
}

/// Parameters that would change the frequencies of YaRN and are not computed.
const NOT_COMPUTED: [&str; 4] = ["mscale", "mscale_all_dim", "truncate", PARTIAL];

/// The share of a head that is rotated; the plain frequencies of Qwen3 do not know it.
const PARTIAL: &str = "partial_rotary_factor";

impl Yarn {
    /// The factor of cosines and sines.
    pub(crate) fn attention_factor(&self) -> f64 {
        let inferred = if self.factor > 1.0 {
            0.1 * self.factor.ln() + 1.0
        } else {
            1.0
        };
        self.attention_factor.unwrap_or(inferred)
    }
}

impl RopeScaling {
    /// Reads `rope_scaling` or `rope_parameters`; `original` is what counts where the map has no original length.
    pub(super) fn read(
        field: &'static str,
        map: &Map<String, Value>,
        original: usize,
    ) -> Result<Option<Self>, Error> {
        let parameters = Parameters { field, map };
        match kind(map) {
            None => Ok(None),
            Some(kind) if kind == "default" => Ok(None),
            Some(kind) if kind == "linear" => {
                parameters.refuse(&[PARTIAL])?;
                let factor = parameters.required("factor")?;
                Ok(Some(Self::Linear { factor }))
            }
            Some(kind) if kind == "yarn" => {
                parameters.refuse(&NOT_COMPUTED)?;
                Ok(Some(Self::Yarn(parameters.yarn(original)?)))
            }
            Some(kind) if kind == "llama3" => {
                parameters.refuse(&[PARTIAL])?;
                Ok(Some(Self::Llama3(parameters.llama3(original)?)))
            }
            Some(_) => Err(Error::unsupported(
                field,
                map,
                "rope_type \"default\", \"linear\", \"yarn\" or \"llama3\"",
            )),
        }
    }

    /// The value of `rope_scaling` in the spelling of version 4.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        let value = match self {
            Self::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
            Self::Yarn(yarn) => json!({
                "rope_type": "yarn",
                "factor": yarn.factor,
                "original_max_position_embeddings": yarn.original_max_position_embeddings,
                "attention_factor": yarn.attention_factor,
                "beta_fast": yarn.beta_fast,
                "beta_slow": yarn.beta_slow,
            }),
            Self::Llama3(bands) => json!({
                "rope_type": "llama3",
                "factor": bands.factor,
                "low_freq_factor": bands.low_freq_factor,
                "high_freq_factor": bands.high_freq_factor,
                "original_max_position_embeddings": bands.original_max_position_embeddings,
            }),
        };
        let Value::Object(mut map) = value else {
            return Map::new();
        };
        map.retain(|_, value| !value.is_null());
        map
    }

    /// Numbers that must be positive, by the name of their key.
    pub(super) fn numbers(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Linear { factor } => vec![("factor", *factor)],
            Self::Yarn(yarn) => {
                let original = yarn.original_max_position_embeddings as f64;
                vec![
                    ("factor", yarn.factor),
                    ("original_max_position_embeddings", original),
                    ("attention_factor", yarn.attention_factor()),
                    ("beta_fast", yarn.beta_fast),
                    ("beta_slow", yarn.beta_slow),
                ]
            }
            Self::Llama3(bands) => {
                let original = bands.original_max_position_embeddings as f64;
                vec![
                    ("factor", bands.factor),
                    ("low_freq_factor", bands.low_freq_factor),
                    ("high_freq_factor", bands.high_freq_factor),
                    ("original_max_position_embeddings", original),
                ]
            }
        }
    }

    /// The original length, where the kind has one.
    pub(super) fn original_length(&mut self) -> Option<&mut usize> {
        match self {
            Self::Linear { .. } => None,
            Self::Yarn(yarn) => Some(&mut yarn.original_max_position_embeddings),
            Self::Llama3(bands) => Some(&mut bands.original_max_position_embeddings),
        }
    }
}

/// The name of the kind: `rope_type`, or `type` in the oldest files.
pub(super) fn kind(map: &Map<String, Value>) -> Option<&Value> {
    map.get("rope_type").or_else(|| map.get("type"))
}

/// A map of parameters, with the name of its field for errors.
struct Parameters<'a> {
    field: &'static str,
    map: &'a Map<String, Value>,
}

impl Parameters<'_> {
    /// The original length, or `default` where it is left out.
    fn original(&self, default: usize) -> Result<usize, Error> {
        let key = "original_max_position_embeddings";
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let length = value.as_u64();
        let length = length.ok_or_else(|| self.wrong(key, value, "a number of tokens"))?;
        Ok(length as usize)
    }

    fn llama3(&self, original: usize) -> Result<Llama3Scaling, Error> {
        Ok(Llama3Scaling {
            factor: self.required("factor")?,
            low_freq_factor: self.required("low_freq_factor")?,
            high_freq_factor: self.required("high_freq_factor")?,
            original_max_position_embeddings: self.original(original)?,
        })
    }

    fn yarn(&self, original: usize) -> Result<Yarn, Error> {
        Ok(Yarn {
            factor: self.required("factor")?,
            original_max_position_embeddings: self.original(original)?,
            attention_factor: self.number("attention_factor")?,
            beta_fast: self.number("beta_fast")?.unwrap_or(32.0),
            beta_slow: self.number("beta_slow")?.unwrap_or(1.0),
        })
    }

    /// A value that is there and not `null`.
    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn number(&self, key: &'static str) -> Result<Option<f64>, Error> {
        let number = |value: &Value| {
            let number = value.as_f64();
            number.ok_or_else(|| self.wrong(key, value, "a number"))
        };
        self.get(key).map(number).transpose()
    }

    fn required(&self, key: &'static str) -> Result<f64, Error> {
        let number = self.number(key)?;
        number.ok_or_else(|| self.wrong(key, &Value::Null, "a number"))
    }

    /// Refuses parameters that differ from what is computed without them.
    fn refuse(&self, keys: &[&'static str]) -> Result<(), Error> {
        let neutral = |key: &str, value: &Value| match key {
            "truncate" => value == true,
            PARTIAL => value.as_f64() == Some(1.0),
            _ => false,
        };
        for key in keys {
            if self.get(key).is_some_and(|value| !neutral(key, value)) {
                let expected =
                    "scaling without mscale, mscale_all_dim, truncate and partial_rotary_factor";
                return Err(Error::unsupported(self.field, self.map, expected));
            }
        }
        Ok(())
    }

    fn wrong(&self, key: &str, found: &Value, expected: &str) -> Error {
        Error::InvalidConfig {
            field: self.field,
            found: format!("{{.., \"{key}\": {found}}}"),
            expected: format!("{expected} as {key}"),
        }
    }
}
