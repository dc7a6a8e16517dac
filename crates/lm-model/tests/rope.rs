//! A checkpoint with scaled rotary frequencies gives the logits of `transformers`.

mod common;

use std::fs;

use common::{Cpu, parity};
use lm_model::{Qwen3, checkpoint};
use serde_json::Value;

/// Largest difference of a logit.
const TOLERANCE: f64 = 1e-4;

#[test]
fn logits_of_scaled_models_equal_the_reference() {
    let read = |path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let file = read(parity("rope/rope.json"));
    let original = parity(file["checkpoint"].as_str().unwrap());
    let prompt: Vec<u32> = serde_json::from_value(file["prompt"].clone()).unwrap();
    let with_logits = |(_, case): &(&String, &Value)| case.get("logits").is_some();
    let cases = file["cases"].as_object().unwrap().iter();
    let cases: Vec<_> = cases.filter(with_logits).collect();
    assert!(cases.len() >= 6);
    for (name, case) in cases {
        let dir = tempfile::tempdir().unwrap();
        let weights = fs::read(original.join("model.safetensors")).unwrap();
        fs::write(dir.path().join("model.safetensors"), weights).unwrap();
        let mut config = read(original.join("config.json"));
        for (key, value) in case["change"].as_object().unwrap() {
            config[key] = value.clone();
        }
        fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        let model: Qwen3<Cpu> = checkpoint::load(dir.path(), &Default::default()).unwrap();
        let expected: Vec<Vec<f64>> = serde_json::from_value(case["logits"].clone()).unwrap();
        let width = expected[0].len();
        let logits = model.logits(&model.pack(&[&prompt]));
        let found = logits.slice([0..prompt.len(), 0..width]).into_data();
        let found: Vec<f32> = found.to_vec().unwrap();
        for (found, expected) in found.iter().zip(expected.concat()) {
            let distance = (f64::from(*found) - expected).abs();
            assert!(
                distance < TOLERANCE,
                "{name}: {found} instead of {expected}"
            );
        }
    }
}
