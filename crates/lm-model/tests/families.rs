//! Llama and Qwen2 on the paths where reference values say nothing: precision, adapters, prefixes, files.

mod common;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use common::{Cpu, distance, parity, tensors, values};
use lm_kernels::LmOps;
use lm_kernels::ops::CacheRow;
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{Family, LoraConfig, Precision, Prefixed, Qwen3, Qwen3Config, RopeScaling};

const MODELS: [&str; 3] = [
    "llama3-untied-f32",
    "llama2-biases-tied",
    "qwen2-tied-bf16-sharded",
];

const IDS: [u32; 20] = [
    5, 60, 13, 13, 2, 41, 36, 0, 7, 12, 9, 33, 50, 61, 8, 22, 17, 3, 44, 29,
];

fn load<B: LmOps>(name: &str) -> Qwen3<B> {
    checkpoint::load(&parity(name), &Default::default()).unwrap()
}

fn logits<B: LmOps>(model: &Qwen3<B>) -> Vec<f32> {
    values(model.logits(&model.pack(&[&IDS])))
}

fn size(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |size, x| size.max(x.abs()))
}

/// Names and shapes of the tensors in a file.
fn shapes(path: &std::path::Path) -> Vec<(String, Vec<usize>)> {
    let all = tensors(path).into_iter();
    all.map(|(name, (shape, _))| (name, shape)).collect()
}

#[test]
fn what_is_written_has_the_names_and_the_configuration_of_the_original() {
    for name in MODELS {
        let model = load::<Cpu>(name);
        let dir = tempfile::tempdir().unwrap();
        checkpoint::save_trained(&model, dir.path()).unwrap();
        let config = Qwen3Config {
            dtype: model.config().dtype,
            ..Qwen3Config::load(dir.path()).unwrap()
        };
        assert_eq!(&config, model.config(), "{name}");
        let again: Qwen3<Cpu> = checkpoint::load(dir.path(), &Default::default()).unwrap();
        assert_eq!(logits(&again), logits(&model), "{name}");
        // Gradients have one tensor for each parameter.
        let written = shapes(&dir.path().join("model.safetensors"));
        let expected = shapes(&parity(name).join("gradients.safetensors"));
        assert_eq!(written, expected, "{name}");
    }
}

#[test]
fn a_sharded_copy_is_the_same_model() {
    let model = load::<Cpu>("qwen2-tied-bf16-sharded");
    let dir = tempfile::tempdir().unwrap();
    checkpoint::save_sharded(&model, model.config(), dir.path(), SaveDtype::Bf16, 9000).unwrap();
    assert!(dir.path().join("model.safetensors.index.json").exists());
    let again: Qwen3<Cpu> = checkpoint::load(dir.path(), &Default::default()).unwrap();
    assert_eq!(logits(&again), logits(&model));
}

#[test]
fn scaling_and_biases_reach_the_logits() {
    let model = load::<Cpu>("llama3-untied-f32");
    assert!(matches!(
        model.config().rope_scaling,
        Some(RopeScaling::Llama3(_))
    ));
    let dir = tempfile::tempdir().unwrap();
    let plain = Qwen3Config {
        rope_scaling: None,
        ..model.config().clone()
    };
    checkpoint::save(&model, &plain, dir.path(), SaveDtype::F32).unwrap();
    let plain = checkpoint::load::<Cpu>(dir.path(), &Default::default()).unwrap();
    assert!(distance(&logits(&model), &logits(&plain)) > 0.1);

    let fresh = |family| {
        let config = Qwen3Config {
            family,
            ..load::<Cpu>("qwen2-tied-bf16-sharded").config().clone()
        };
        config.init::<Cpu>(&Default::default(), 3)
    };
    // Fresh biases are zero.
    let (with, without) = (fresh(Family::Qwen2), fresh(Family::Llama));
    let biases = with.named_parameters().len() - without.named_parameters().len();
    assert_eq!(biases, 2 * 3);
}

#[test]
fn all_ways_through_the_model_agree() {
    for name in MODELS {
        let model = load::<Cpu>(name);
        let expected = logits(&model);
        let vocab = model.config().vocab_size;
        // Token by token with the cache.
        let mut cache = model.new_cache(1, IDS.len());
        for (start, id) in IDS.iter().enumerate() {
            let row = CacheRow {
                slot: 0,
                start,
                len: 1,
            };
            let found = values(model.decode(&[*id], &[row], &mut cache));
            let far = distance(&found, &expected[start * vocab..][..vocab]);
            assert!(far < 1e-4, "{name}, token {start}: {far}");
        }
        // A prefix shared by two continuations.
        let (prefix, rest) = IDS.split_at(12);
        let group = Prefixed {
            prefix,
            rest: vec![rest, rest],
        };
        let packed = values(model.logits(&model.pack_prefixed(&[group])));
        let twice = [&expected[..], &expected[12 * vocab..]].concat();
        assert!(distance(&packed, &twice) < 1e-4, "{name}");
    }
}

#[test]
fn narrow_weights_say_almost_the_same() {
    for name in MODELS {
        let model = load::<Cpu>(name);
        let expected = logits(&model);
        let narrow = model.clone().in_precision(Precision::Bf16);
        assert_eq!(narrow.precision(), Precision::Bf16);
        let far = distance(&logits(&narrow), &expected) / size(&expected);
        assert!(far < 0.05, "{name}: {far}");
        // The same as read in BF16.
        let device = Default::default();
        let read = checkpoint::load_as::<Cpu>(&parity(name), &device, Precision::Bf16).unwrap();
        let far = distance(&logits(&read), &logits(&narrow)) / size(&expected);
        assert!(far < 0.005, "{name}: {far}");
    }
}

#[test]
fn eight_bits_leave_biases_alone() {
    let config = Qwen3Config {
        family: Family::Qwen2,
        hidden_size: 64,
        intermediate_size: 128,
        initializer_range: 0.1,
        ..common::tiny(true)
    };
    let model = config.init::<Cpu>(&Default::default(), 11);
    let narrow = model.clone().quantized();
    let (expected, found) = (logits(&model), logits(&narrow));
    let far = distance(&found, &expected) / size(&expected);
    assert!(far > 0.0 && far < 0.03, "{far}");
}

#[test]
fn an_adapter_freezes_biases_and_merges_without_them() {
    type Grad = Autodiff<Cpu>;
    for name in MODELS {
        let model = load::<Grad>(name);
        let all = model.config().num_parameters();
        assert_eq!(model.num_trainable(), all, "{name}");
        let lora = LoraConfig {
            rank: 2,
            ..LoraConfig::default()
        };
        let adapted = model.clone().with_lora(&lora, 5).unwrap();
        assert!(adapted.num_trainable() < all);
        // Half of a fresh adapter is zero, so it changes nothing yet.
        let merged = adapted.valid().merged();
        assert_eq!(logits(&merged), logits(&model.valid()), "{name}");
        let dir = tempfile::tempdir().unwrap();
        checkpoint::save_adapter(&adapted, dir.path()).unwrap();
        let again = checkpoint::load_adapter(model.clone(), dir.path()).unwrap();
        assert_eq!(logits(&again.valid()), logits(&adapted.valid()), "{name}");
    }
}
