//! The stop tokens and the padding of `generation_config.json`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// What `generation_config.json` says about single tokens.
#[derive(Default)]
pub(super) struct Generation {
    /// Its `eos_token_id`: none, one or a list.
    pub(super) stop: Vec<u32>,
    /// Its `pad_token_id`.
    pub(super) pad: Option<u32>,
}

/// Reads `dir/generation_config.json`, if there is one.
pub(super) fn read(dir: &Path) -> Result<Generation> {
    let path = dir.join("generation_config.json");
    if !path.exists() {
        return Ok(Generation::default());
    }
    let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
    let config: Map<String, Value> = serde_json::from_slice(&bytes).map_err(Error::json(&path))?;
    let found = config.get("eos_token_id").unwrap_or(&Value::Null);
    let ids: Option<Vec<u32>> = match found {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(id).collect(),
        one => id(one).map(|id| vec![id]),
    };
    let stop = ids.ok_or_else(|| Error::BadTokenizer {
        reason: format!("`eos_token_id` is {found}, expected a token id or a list of them"),
        path,
    })?;
    // Old configurations of Llama have -1 where there is none.
    let pad = config.get("pad_token_id").and_then(id);
    Ok(Generation { stop, pad })
}

fn id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}
