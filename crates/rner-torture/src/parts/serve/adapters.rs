//! A folder of adapters: one that is right, and traps.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

/// Layers of the model and the width of its projections of queries.
const LAYERS: usize = 4;
const WIDTH: usize = 128;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Writes them.
pub(super) fn write(root: &Path) -> Result<()> {
    let write = |name: &str, config: &str, weights: &[u8]| {
        let dir = root.join(name);
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join(CONFIG), config)?;
        std::fs::write(dir.join(WEIGHTS), weights)
    };
    let (config, weights) = (config(1), weights());
    write("good", &config, &weights)?;
    write("huge-rank", &self::config(1 << 40), &weights)?;
    write("huge-header", &config, &[0xff; 64])?;
    write("no-json", "{\"r\": ", &weights)?;
    write("pipe", &config, &weights)?;
    std::fs::create_dir_all(root.join("empty"))?;
    let pipe = root.join("pipe").join(WEIGHTS);
    std::fs::remove_file(&pipe)?;
    let made = Command::new("mkfifo").arg(&pipe).status();
    ensure!(made.context("mkfifo")?.success(), "mkfifo has failed");
    links(root, &config)
}

#[cfg(unix)]
fn links(root: &Path, config: &str) -> Result<()> {
    use std::os::unix::fs::symlink;
    symlink("/", root.join("out"))?;
    let device = root.join("device");
    std::fs::create_dir_all(&device)?;
    std::fs::write(device.join(CONFIG), config)?;
    Ok(symlink("/dev/zero", device.join(WEIGHTS))?)
}

#[cfg(not(unix))]
fn links(_root: &Path, _config: &str) -> Result<()> {
    Ok(())
}

fn config(rank: u64) -> String {
    json!({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 1, "target_modules": ["q_proj"],
        "base_model_name_or_path": "tiny", "lora_dropout": 0.0, "bias": "none",
    })
    .to_string()
}

/// Matrices of zeros, with which the model is what it was.
fn weights() -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let bytes = 4 * WIDTH;
    let mut at = 0;
    for layer in 0..LAYERS {
        for (matrix, shape) in [("lora_A", [1, WIDTH]), ("lora_B", [WIDTH, 1])] {
            let name =
                format!("base_model.model.model.layers.{layer}.self_attn.q_proj.{matrix}.weight");
            let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, at + bytes]});
            header.insert(name, tensor);
            at += bytes;
        }
    }
    let header = serde_json::Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; at]].concat()
}
