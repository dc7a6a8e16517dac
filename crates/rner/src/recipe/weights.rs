//! What weights are kept in: `model.dtype` and `eval.quantize`.

use std::str::FromStr;

use lm_kernels::LmOps;
use lm_model::{Precision, Qwen3};
use serde::{Deserialize, Serialize};

use super::backend::{Backend, read_word};

/// Type of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// bfloat16, with a copy in 32 bits and moments in 32 bits in the optimizer.
    Bf16,
    /// bfloat16, and the optimizer's moments too.
    Bf16Pure,
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        read_word(name)
    }
}

/// What the matrices of a model that only answers are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantize {
    /// What they were read in.
    None,
    /// 8 bits, with a scale for each 64 of them.
    Int8,
}

impl FromStr for Quantize {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        read_word(name)
    }
}

impl Quantize {
    /// Whether the backend has such weights.
    ///
    /// # Errors
    /// What was expected, if not.
    pub fn check(self, backend: Backend) -> Result<(), String> {
        match (self, backend) {
            (Self::None, _) | (Self::Int8, Backend::Flex) => Ok(()),
            (Self::Int8, other) => Err(format!(
                "none with the backend {} (weights in 8 bits are for flex)",
                other.name()
            )),
        }
    }

    /// The model as it is to be kept; what it took before goes back to the system.
    pub fn narrow<B: LmOps>(self, model: Qwen3<B>) -> Qwen3<B> {
        match self {
            Self::None => model,
            Self::Int8 => {
                let model = model.quantized();
                lm_kernels::give_back_freed_memory();
                model
            }
        }
    }

    /// The name as it is written in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Int8 => "int8",
        }
    }
}

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> u64 {
        match self {
            Dtype::F32 => 4,
            Dtype::Bf16 | Dtype::Bf16Pure => 2,
        }
    }

    /// The type of the model's weights.
    pub fn precision(self) -> Precision {
        match self {
            Dtype::F32 => Precision::F32,
            Dtype::Bf16 | Dtype::Bf16Pure => Precision::Bf16,
        }
    }

    /// Whether the optimizer keeps narrow weights in 32 bits too.
    pub fn master_weights(self) -> bool {
        self != Dtype::Bf16Pure
    }
}
