//! Shape and scale of an adapter, checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Ranks of an adapter are bounded by the width of what it adapts; no useful one comes near.
const MAX_RANK: usize = 1 << 16;

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

/// Rank and alpha of one adapted projection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleLora {
    /// Rank r of its update, at least 1.
    pub rank: usize,
    /// Numerator of its scale.
    pub alpha: f64,
}

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
    /// The adapted projections by their full names (`model.layers.0.mlp.up_proj`), for an adapter whose layers differ,
    /// as PEFT's `rank_pattern`, `alpha_pattern` and `layers_to_transform` make them. Empty, which is the rule: those
    /// of `target_modules` in every layer, all with the rank and the alpha above.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, ModuleLora>,
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
            modules: BTreeMap::new(),
            base_model: None,
        }
    }
}

impl LoraConfig {
    /// The factor s of the update, where the rank and the alpha are those of the whole adapter.
    pub fn scale(&self) -> f64 {
        self.scale_of(self.whole())
    }

    /// The factor s of the update of a projection.
    pub fn scale_of(&self, module: ModuleLora) -> f64 {
        let rank = module.rank as f64;
        if self.use_rslora {
            module.alpha / rank.sqrt()
        } else {
            module.alpha / rank
        }
    }

    /// Rank and alpha of the projection with this full name, or nothing if it is not adapted.
    pub fn module(&self, name: &str) -> Option<ModuleLora> {
        if !self.modules.is_empty() {
            return self.modules.get(name).copied();
        }
        let kind = name.rsplit('.').next().unwrap_or(name);
        let adapted = self.target_modules.iter().any(|module| module == kind);
        adapted.then_some(self.whole())
    }

    fn whole(&self) -> ModuleLora {
        ModuleLora {
            rank: self.rank,
            alpha: self.alpha,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] for a rank of 0 or above 65,536, an alpha that is not a number, a dropout outside
    /// `[0, 1)`, and a target module that a Qwen3 layer does not have.
    pub fn check(&self) -> Result<()> {
        self.whole().check()?;
        self.modules
            .values()
            .try_for_each(|module| module.check())?;
        if !(0.0..1.0).contains(&self.dropout) {
            let expected = "a number from 0 up to, but not including, 1";
            return invalid("lora dropout", self.dropout.to_string(), expected);
        }
        let known = format!("some of {}", TARGET_MODULES.join(", "));
        let unknown = |module: &&String| !TARGET_MODULES.contains(&module.as_str());
        match self.target_modules.iter().find(unknown) {
            Some(module) => invalid("lora target_modules", format!("`{module}`"), &known),
            None if self.target_modules.is_empty() => {
                invalid("lora target_modules", "none".into(), &known)
            }
            None => Ok(()),
        }
    }
}

impl ModuleLora {
    fn check(self) -> Result<()> {
        if self.rank == 0 {
            return invalid("lora rank", "0".into(), "at least 1");
        }
        if self.rank > MAX_RANK {
            let expected = format!("at most {MAX_RANK}");
            return invalid("lora rank", self.rank.to_string(), &expected);
        }
        if !self.alpha.is_finite() {
            return invalid("lora alpha", self.alpha.to_string(), "a finite number");
        }
        Ok(())
    }
}

fn invalid(field: &'static str, found: String, expected: &str) -> Result<()> {
    Err(Error::InvalidConfig {
        field,
        found,
        expected: expected.to_owned(),
    })
}
