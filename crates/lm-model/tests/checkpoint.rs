//! Checkpoints: what is written is read back, and what is wrong is named.

mod common;

use std::fs;
use std::path::Path;

use burn::module::Module;
use common::{Cpu, parity, tiny, values};
use half::bf16;
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{Error, Precision, Qwen3, Qwen3Config, WeightDtype};
use serde_json::{Value, json};
use tempfile::TempDir;

const IDS: [u32; 6] = [3, 1, 4, 1, 5, 9];
/// Damages a tensor's entry in a header.
type Edit = fn(&mut Value);

const WEIGHTS: &str = "model.safetensors";

fn logits(model: &Qwen3<Cpu>) -> Vec<f32> {
    values(model.logits(&model.pack(&[&IDS])))
}

fn load(dir: &Path) -> Result<Qwen3<Cpu>, Error> {
    checkpoint::load(dir, &Default::default())
}

/// A directory with a fresh model in it, and the model.
fn saved(tied: bool, dtype: SaveDtype) -> (TempDir, Qwen3<Cpu>) {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(tied).init::<Cpu>(&Default::default(), 1);
    checkpoint::save(&model, &tiny(tied), dir.path(), dtype).unwrap();
    (dir, model)
}

/// The error of loading `dir`, and its text.
fn refused(dir: &Path) -> (Error, String) {
    let error = load(dir).expect_err("must be refused");
    let text = error.to_string();
    (error, text)
}

#[test]
fn weights_stay_in_bf16_when_asked_and_say_the_same() {
    for tied in [true, false] {
        let (dir, _) = saved(tied, SaveDtype::Bf16);
        let wide = load(dir.path()).unwrap();
        let narrow: Qwen3<Cpu> =
            checkpoint::load_as(dir.path(), &Default::default(), Precision::Bf16).unwrap();
        assert_eq!(wide.precision(), Precision::F32);
        assert_eq!(narrow.precision(), Precision::Bf16);
        // The same numbers in another type, multiplied in single precision.
        let (found, expected) = (logits(&narrow), logits(&wide));
        let distance = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        assert!(distance.fold(0.0, f32::max) <= 1e-5);

        let again = tempfile::tempdir().unwrap();
        checkpoint::save_trained(&narrow, again.path()).unwrap();
        let [old, new] = [dir.path(), again.path()].map(|dir| fs::read(dir.join(WEIGHTS)).unwrap());
        assert_eq!(old, new);
    }
}

/// Rewrites the header of a safetensors file; the data stays as it is.
fn edit_header(path: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    edit(header.as_object_mut().unwrap());
    let header = header.to_string().into_bytes();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(
        path,
        [&length[..], &header, &bytes[8 + header_end(&bytes)..]].concat(),
    )
    .unwrap();
}

fn header_end(bytes: &[u8]) -> usize {
    u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
}

#[test]
fn a_saved_model_is_the_same_model() {
    for tied in [true, false] {
        let (dir, model) = saved(tied, SaveDtype::F32);
        let again = load(dir.path()).unwrap();
        assert_eq!(logits(&again), logits(&model));
        assert_eq!(again.config().dtype, Some(WeightDtype::Float32));
        assert_eq!(
            Qwen3Config {
                dtype: None,
                ..again.config().clone()
            },
            tiny(tied)
        );
        let mut files: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        files.sort();
        assert_eq!(files, ["config.json", "generation_config.json", WEIGHTS]);
    }
}

#[test]
fn half_precision_rounds_each_weight_to_nearest() {
    let (dir, model) = saved(true, SaveDtype::Bf16);
    let rounded = values(model.head())
        .into_iter()
        .map(|x| bf16::from_f32(x).to_f32());
    let again = load(dir.path()).unwrap();
    assert_eq!(values(again.head()), rounded.collect::<Vec<_>>());
    // What has been rounded once is exact from then on.
    let second = tempfile::tempdir().unwrap();
    checkpoint::save(&again, &tiny(true), second.path(), SaveDtype::Bf16).unwrap();
    assert_eq!(logits(&load(second.path()).unwrap()), logits(&again));
}

#[test]
fn a_sharded_checkpoint_survives_being_saved_as_one_file() {
    let sharded = load(&parity("qwen3-tied-bf16-sharded")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    checkpoint::save(&sharded, sharded.config(), dir.path(), SaveDtype::Bf16).unwrap();
    assert_eq!(logits(&load(dir.path()).unwrap()), logits(&sharded));
}

/// Names of the files with weights, in order.
fn weight_files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("safetensors"))
        .collect();
    names.sort();
    names
}

#[test]
fn large_weights_go_to_several_files_and_back_to_one() {
    let (dir, model) = saved(true, SaveDtype::F32);
    let save = |limit| {
        let (config, dtype) = (tiny(true), SaveDtype::F32);
        checkpoint::save_sharded(&model, &config, dir.path(), dtype, limit).unwrap();
        assert_eq!(logits(&load(dir.path()).unwrap()), logits(&model));
        weight_files(dir.path())
    };
    let several = save(4_000);
    let shards = several.len() - 1;
    assert!(shards > 2, "{several:?}");
    assert_eq!(
        several[0],
        format!("model-00001-of-{shards:05}.safetensors")
    );
    assert_eq!(several[shards], "model.safetensors.index.json");
    for name in &several[..shards] {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let size: usize = file.tensors().iter().map(|(_, t)| t.data().len()).sum();
        assert!(size <= 4_000 || file.len() == 1, "{name}: {size}");
    }
    let text = fs::read_to_string(dir.path().join(&several[shards])).unwrap();
    let index: serde_json::Value = serde_json::from_str(&text).unwrap();
    let parameters = tiny(true).num_parameters();
    assert_eq!(index["metadata"]["total_size"], parameters * 4);
    // Another number of files leaves nothing of the earlier ones.
    assert!(save(8_000).len() < several.len());
    assert_eq!(save(usize::MAX), ["model.safetensors"]);
}

#[test]
fn saving_replaces_the_previous_checkpoint() {
    let (dir, _) = saved(true, SaveDtype::F32);
    let other = tiny(true).init::<Cpu>(&Default::default(), 2);
    checkpoint::save(&other, &tiny(true), dir.path(), SaveDtype::F32).unwrap();
    assert_eq!(logits(&load(dir.path()).unwrap()), logits(&other));
}

#[test]
fn a_configuration_of_another_model_is_not_saved() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(true).init::<Cpu>(&Default::default(), 1);
    let wider = Qwen3Config {
        intermediate_size: 50,
        ..tiny(true)
    };
    let error = checkpoint::save(&model, &wider, dir.path(), SaveDtype::F32).unwrap_err();
    assert!(
        matches!(&error, Error::WrongShape { expected, .. } if expected == &[50, 32]),
        "{error}"
    );
    let error = checkpoint::save(&model, &tiny(false), dir.path(), SaveDtype::F32).unwrap_err();
    assert!(matches!(&error, Error::MissingTensors { names, .. } if names == &["lm_head.weight"]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn half_floats_are_read() {
    let (dir, model) = saved(true, SaveDtype::Bf16);
    let path = dir.path().join(WEIGHTS);
    edit_header(&path, |header| {
        for (_, tensor) in header
            .iter_mut()
            .filter(|(name, _)| *name != "__metadata__")
        {
            tensor["dtype"] = json!("F16");
        }
    });
    // The same bits mean other numbers; 1.0 in the one is 1.875 in the other.
    let model_again = load(dir.path()).unwrap();
    let bits = |x: f32| half::f16::from_bits(bf16::from_f32(x).to_bits()).to_f32();
    let expected: Vec<f32> = values(model.head()).into_iter().map(bits).collect();
    assert_eq!(values(model_again.head()), expected);
    assert_eq!(model_again.num_params(), model.num_params());
}

#[test]
fn absent_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::Io { .. }) && text.contains("config.json"),
        "{text}"
    );
    fs::write(
        dir.path().join("config.json"),
        serde_json::to_vec(&tiny(true)).unwrap(),
    )
    .unwrap();
    fs::write(dir.path().join("pytorch_model.bin"), "").unwrap();
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::NoWeights { .. }) && text.contains("pytorch_model.bin"),
        "{text}"
    );
}

#[test]
fn other_formats_are_recognised() {
    let (dir, _) = saved(true, SaveDtype::F32);
    let cases: [(&[u8], &str); 4] = [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "Git LFS",
        ),
        (b"PK\x03\x04\0\0\0\0\0\0\0\0", "zip archive"),
        (b"GGUF\x03\0\0\0\0\0\0\0\0", "GGUF"),
        (b"\x93NUMPY\x01\0v\0{'descr'", "announce a header of"),
    ];
    for (bytes, expected) in cases {
        fs::write(dir.path().join(WEIGHTS), bytes).unwrap();
        let (error, text) = refused(dir.path());
        assert!(matches!(error, Error::NotSafetensors { .. }), "{error:?}");
        assert!(text.contains(expected) && text.contains(WEIGHTS), "{text}");
    }
}

#[test]
fn truncated_files_say_how_much_is_missing() {
    let (dir, _) = saved(true, SaveDtype::F32);
    let path = dir.path().join(WEIGHTS);
    let bytes = fs::read(&path).unwrap();
    let data = (bytes.len() - 8 - header_end(&bytes)) as u64;
    let header = (8 + header_end(&bytes)) as u64;
    let cases = [
        (5, "header", 8, 5),
        (100, "header", header, 100),
        (bytes.len() - 3, "data", data, data - 3),
    ];
    for (length, expected_part, announced, there) in cases {
        fs::write(&path, &bytes[..length]).unwrap();
        let (error, text) = refused(dir.path());
        let Error::Truncated {
            part,
            expected,
            found,
            ..
        } = error
        else {
            panic!("{text}")
        };
        assert_eq!(
            (part, expected, found),
            (expected_part, announced, there),
            "{text}"
        );
    }
    fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::BadHeader { .. }) && text.contains(&data.to_string()),
        "{text}"
    );
}

#[test]
fn overlapping_and_mismatched_places_are_refused() {
    let norm = "model.norm.weight";
    let edits: [(Edit, &str); 3] = [
        (
            |norm| norm["data_offsets"][0] = json!(norm["data_offsets"][0].as_u64().unwrap() - 4),
            norm,
        ),
        (|norm| norm["data_offsets"] = json!([8, 4]), "overlaps"),
        (|norm| norm["shape"] = json!([31]), "shape"),
    ];
    for (edit, expected) in edits {
        let (dir, _) = saved(true, SaveDtype::F32);
        edit_header(&dir.path().join(WEIGHTS), |header| edit(&mut header[norm]));
        let (error, text) = refused(dir.path());
        assert!(
            matches!(error, Error::BadHeader { .. }) && text.contains(expected),
            "{text}"
        );
    }
}

#[test]
fn names_shapes_and_types_must_match_the_configuration() {
    let q_norm = "model.layers.1.self_attn.q_norm.weight";
    let (dir, _) = saved(true, SaveDtype::F32);
    let path = dir.path().join(WEIGHTS);
    let pristine = fs::read(&path).unwrap();

    edit_header(&path, |header| {
        let tensor = header.remove(q_norm).unwrap();
        header.insert("model.layers.7.q.weight".to_owned(), tensor);
    });
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::MissingTensors { .. }) && text.contains(q_norm),
        "{text}"
    );

    fs::write(&path, &pristine).unwrap();
    edit_header(&path, |header| header[q_norm]["shape"] = json!([3, 4]));
    let (error, text) = refused(dir.path());
    let Error::WrongShape {
        name,
        expected,
        found,
        ..
    } = error
    else {
        panic!("{text}")
    };
    assert_eq!((&*name, expected, found), (q_norm, vec![12], vec![3, 4]));

    fs::write(&path, &pristine).unwrap();
    edit_header(&path, |header| header[q_norm]["dtype"] = json!("I32"));
    let (error, text) = refused(dir.path());
    assert!(
        matches!(error, Error::WrongDtype { .. }) && text.contains("I32"),
        "{text}"
    );

    // A checkpoint with one layer more than its configuration.
    fs::write(&path, &pristine).unwrap();
    let shallow = Qwen3Config {
        num_hidden_layers: 1,
        ..tiny(true)
    };
    fs::write(
        dir.path().join("config.json"),
        serde_json::to_vec(&shallow).unwrap(),
    )
    .unwrap();
    let (error, text) = refused(dir.path());
    let Error::ExtraTensors { names, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(names.len(), 11);
    assert!(text.contains("and 6 more"), "{text}");
}

#[test]
fn a_tied_checkpoint_may_repeat_its_embedding_but_not_another_head() {
    let (dir, model) = saved(false, SaveDtype::F32);
    fs::write(
        dir.path().join("config.json"),
        serde_json::to_vec(&tiny(true)).unwrap(),
    )
    .unwrap();
    let (error, _) = refused(dir.path());
    assert!(matches!(error, Error::UntiedHead { .. }));

    // Published tied models store the embedding twice; so does this file from now on.
    let path = dir.path().join(WEIGHTS);
    let mut bytes = fs::read(&path).unwrap();
    let size = 97 * 32 * 4;
    let start = 8 + header_end(&bytes);
    let end = bytes.len();
    let embedding = bytes[start..start + size].to_vec();
    bytes[end - size..].copy_from_slice(&embedding);
    fs::write(&path, bytes).unwrap();
    let tied = load(dir.path()).unwrap();
    assert_eq!(
        values(tied.head()),
        values(model.head().zeros_like() + tied.head())
    );
    assert_eq!(
        tied.named_parameters().len(),
        model.named_parameters().len() - 1
    );
}
