//! The stop tokens of `generation_config.json`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The `eos_token_id` of `dir/generation_config.json`: none, one or a list.
pub(super) fn stop_ids(dir: &Path) -> Result<Vec<u32>> {
    let path = dir.join("generation_config.json");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
    let config: Map<String, Value> = serde_json::from_slice(&bytes).map_err(Error::json(&path))?;
    let found = config.get("eos_token_id").unwrap_or(&Value::Null);
    let ids: Option<Vec<u32>> = match found {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(id).collect(),
        one => id(one).map(|id| vec![id]),
    };
    ids.ok_or_else(|| Error::BadTokenizer {
        reason: format!("`eos_token_id` is {found}, expected a token id or a list of them"),
        path,
    })
}

fn id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}
