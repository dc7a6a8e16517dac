//! The backends by their names, and reading a word of a recipe outside of one.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The Burn backend that runs the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `burn::backend::Flex`, any CPU.
    Flex,
    /// `burn::backend::LibTorch`, PyTorch's kernels.
    Libtorch,
    /// `burn::backend::Cuda`, NVIDIA GPUs.
    Cuda,
    /// `burn::backend::Vulkan`, GPUs of any maker.
    Vulkan,
}

impl Backend {
    /// The name as it is written in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            Backend::Libtorch => "libtorch",
            Backend::Cuda => "cuda",
            Backend::Vulkan => "vulkan",
        }
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        read_word(name)
    }
}

/// A word of a recipe outside of one; the error lists those that are known.
pub(super) fn read_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    let value = toml::Value::String(word.to_owned());
    value.try_into().map_err(|e: toml::de::Error| e.to_string())
}
