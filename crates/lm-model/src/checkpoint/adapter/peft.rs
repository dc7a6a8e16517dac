//! Reading `adapter_config.json` of PEFT.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::refused::refuse;
use super::selection::Selection;
use super::{bad, base_of, read_json};
use crate::error::Result;
use crate::lora::LoraConfig;

/// An `adapter_config.json` that asks for nothing but what is built. Which projections it means depends on the model.
pub(in crate::checkpoint) struct PeftConfig {
    path: PathBuf,
    rank: usize,
    alpha: f64,
    dropout: f64,
    use_rslora: bool,
    base_model: Option<String>,
    selection: Selection,
}

impl PeftConfig {
    /// Reads a file.
    pub(in crate::checkpoint) fn read(path: &Path) -> Result<Self> {
        let map = read_json(path)?;
        if map.get("peft_type") != Some(&Value::from("LORA")) {
            return Err(bad(path, "peft_type", map.get("peft_type"), "\"LORA\""));
        }
        refuse(path, &map)?;
        Ok(Self {
            rank: rank(path, &map)?,
            alpha: number(path, &map, "lora_alpha")?,
            dropout: if map.contains_key("lora_dropout") {
                number(path, &map, "lora_dropout")?
            } else {
                0.0
            },
            use_rslora: flag(path, &map, "use_rslora")?,
            base_model: base_of(&map),
            selection: Selection::read(path, &map)?,
            path: path.to_owned(),
        })
    }

    /// The adapter of a model whose projections have these full names.
    pub(in crate::checkpoint) fn resolve(&self, names: &[String]) -> Result<LoraConfig> {
        let config = LoraConfig {
            rank: self.rank,
            alpha: self.alpha,
            dropout: self.dropout,
            use_rslora: self.use_rslora,
            base_model: self.base_model.clone(),
            ..LoraConfig::default()
        };
        let config = self.selection.apply(&self.path, config, names)?;
        config.check()?;
        Ok(config)
    }
}

fn rank(path: &Path, map: &Map<String, Value>) -> Result<usize> {
    let rank = map.get("r").and_then(Value::as_u64);
    let rank = rank.and_then(|rank| usize::try_from(rank).ok());
    rank.ok_or_else(|| bad(path, "r", map.get("r"), "a whole number"))
}

fn number(path: &Path, map: &Map<String, Value>, key: &str) -> Result<f64> {
    let found = map.get(key);
    let number = found.and_then(Value::as_f64);
    number.ok_or_else(|| bad(path, key, found, "a number"))
}

/// An absent one is off.
fn flag(path: &Path, map: &Map<String, Value>, key: &str) -> Result<bool> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        found => Err(bad(path, key, found, "true or false")),
    }
}
