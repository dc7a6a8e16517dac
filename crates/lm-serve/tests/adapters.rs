//! How many adapters there may be, and what they may be called.

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use std::path::Path;

use lm_serve::Access;
use serde_json::{Map, Value, json};

use support::{Serving, TestResult, status};

/// Layers of the toy model, and the width of its projections of queries.
const LAYERS: usize = 4;
const WIDTH: usize = 128;

/// Writes an adapter of zeros.
fn write(dir: &Path) -> std::io::Result<()> {
    let config = json!({
        "peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"], "base_model_name_or_path": "tiny",
    });
    std::fs::write(dir.join("adapter_config.json"), config.to_string())?;
    let (mut header, mut at) = (Map::new(), 0);
    for layer in 0..LAYERS {
        for (matrix, shape) in [("lora_A", [1, WIDTH]), ("lora_B", [WIDTH, 1])] {
            let module = format!("base_model.model.model.layers.{layer}.self_attn.q_proj");
            let end = at + 4 * WIDTH;
            let tensor = json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]});
            header.insert(format!("{module}.{matrix}.weight"), tensor);
            at = end;
        }
    }
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    let bytes = [&length[..], header.as_bytes(), &vec![0; at]].concat();
    std::fs::write(dir.join("adapter_model.safetensors"), bytes)
}

#[test]
fn one_adapter_under_many_names_is_refused_at_some_number() -> TestResult {
    let dir = tempfile::tempdir()?;
    write(dir.path())?;
    let root = dir.path().to_path_buf();
    let server = Serving::start(|server| {
        server.access(Access {
            adapter_root: Some(root),
            ..Access::default()
        })
    })?;
    let load = |name: &str| {
        let body = json!({"lora_name": name, "lora_path": "."}).to_string();
        server.post("/v1/load_lora_adapter", "", &body)
    };
    for i in 0..64 {
        let answer = load(&format!("a-{i}"))?;
        assert_eq!(status(&answer), 200, "{i}: {answer}");
    }
    let one_more = load("a-64")?;
    assert_eq!(status(&one_more), 400, "{one_more}");
    assert!(one_more.contains("at most 64 adapters"), "{one_more}");
    // Loading a name again replaces it.
    assert_eq!(status(&load("a-0")?), 200);
    for name in [String::new(), "a".repeat(257)] {
        let answer = load(&name)?;
        assert_eq!(status(&answer), 400, "{answer}");
        assert!(answer.contains("1 to 256 bytes"), "{answer}");
    }
    Ok(())
}
