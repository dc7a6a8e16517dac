//! What the integration tests share: reference values and small models.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses a part of this"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::backend::Flex;
use burn::tensor::{Tensor, backend::Backend};
use lm_model::Qwen3Config;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// The backend of the tests.
pub type Cpu = Flex;

/// The reference values that lie in the repository.
pub fn parity(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/parity")
        .join(name)
}

/// A directory with larger material, if there is one: `RNER_SHARED`, or `../shared` beside the
/// repository.
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("RNER_SHARED").map_or_else(beside, PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// A model small enough to compute by hand, almost: two layers, four heads in two groups.
pub fn tiny(tied: bool) -> Qwen3Config {
    Qwen3Config {
        vocab_size: 97,
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 12,
        tie_word_embeddings: tied,
        ..Qwen3Config::default()
    }
}

/// All tensors of a file in F32 or I32, as numbers.
pub fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |view: &safetensors::tensor::TensorView<'_>| {
        let (chunks, rest) = view.data().as_chunks::<4>();
        assert!(rest.is_empty());
        match view.dtype() {
            Dtype::F32 => chunks
                .iter()
                .map(|&chunk| f32::from_le_bytes(chunk))
                .collect(),
            Dtype::I32 => chunks
                .iter()
                .map(|&chunk| i32::from_le_bytes(chunk) as f32)
                .collect(),
            other => panic!("unexpected {other}"),
        }
    };
    file.iter()
        .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), read(&view))))
        .collect()
}

/// The values of a tensor in row-major order.
pub fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().unwrap()
}

/// The largest absolute difference of two lists of the same length.
pub fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // A plain `f32::max` would pass over NaN.
    differences.fold(0.0, |worst, next| {
        if next > worst || next.is_nan() {
            next
        } else {
            worst
        }
    })
}

/// The place of the largest value, the first among equals.
pub fn argmax(values: &[f32]) -> u32 {
    let best = values
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.unwrap().0 as u32
}
