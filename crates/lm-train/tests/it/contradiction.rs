//! Checkpoints of an older program, without hashes, whose content no run can have written.

use std::fs;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::damage::{Watch, config, copy, run, stopped};

/// Numbers that no run writes, in a state that nothing but its content can betray.
#[test]
fn a_state_that_contradicts_itself_is_passed_over() {
    let (stopped, expected) = stopped();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let numbers = [
        "global_step",
        "epoch",
        "step_in_epoch",
        "total_steps",
        "evaluated_at",
        "evaluations_without_gain",
    ];
    for round in 0..60 {
        let root = tempfile::tempdir().unwrap();
        copy(stopped.path(), root.path());
        let dir = root.path().join("step-000003");
        fs::remove_file(dir.join("checkpoint.json")).unwrap();
        let path = dir.join("trainer_state.json");
        let mut state: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let field = numbers[round % numbers.len()];
        let was = state[field].as_u64().unwrap();
        let wrong = match round / numbers.len() {
            0 => json!(u64::MAX),
            1 => json!(-1),
            2 => json!(0.5),
            3 => Value::Null,
            4 => json!(was + 5),
            _ => json!(was + 10 + rng.random_range(0..u64::from(u32::MAX))),
        };
        state[field] = wrong.clone();
        fs::write(&path, state.to_string()).unwrap();
        let mut watch = Watch::default();
        let found = run(root.path(), &config(), &mut watch).unwrap();
        assert!(
            found == expected && watch.damaged.len() == 1,
            "{field} {wrong}"
        );
    }
}

/// Rewrites the optimizer's state of a checkpoint without list, and says why it was refused.
fn refused_moments(change: impl FnOnce(&mut Vec<(String, Vec<f32>)>)) -> String {
    let (stopped, expected) = stopped();
    let dir = stopped.path().join("step-000003");
    fs::remove_file(dir.join("checkpoint.json")).unwrap();
    let path = dir.join("optimizer.safetensors");
    let bytes = fs::read(&path).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| {
        data.as_chunks()
            .0
            .iter()
            .map(|x| f32::from_le_bytes(*x))
            .collect()
    };
    let mut tensors: Vec<(String, Vec<f32>)> = stored
        .iter()
        .map(|(name, view)| (name.to_owned(), values(view.data())))
        .collect();
    change(&mut tensors);
    let data: Vec<(String, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, values)| (name, values.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = data.iter().map(|(name, bytes)| {
        let shape = vec![bytes.len() / 4];
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
        (name.clone(), view.unwrap())
    });
    safetensors::serialize_to_file(views, metadata.metadata().clone(), &path).unwrap();
    let mut watch = Watch::default();
    assert!(run(stopped.path(), &config(), &mut watch).unwrap() == expected);
    assert_eq!(watch.damaged.len(), 1);
    watch.damaged.remove(0).reason
}

#[test]
fn moments_that_cannot_be_are_passed_over() {
    let said = refused_moments(|tensors| tensors[0].1.truncate(1));
    assert!(said.contains("expected moments of"), "{said}");
    let said = refused_moments(|tensors| tensors[0].1[0] = f32::NAN);
    assert!(said.contains("which no moment can be"), "{said}");
    let second = |tensors: &mut Vec<(String, Vec<f32>)>| {
        let squares = tensors
            .iter_mut()
            .find(|(name, _)| name.ends_with("exp_avg_sq"));
        squares.unwrap().1[0] = -1.0;
    };
    let said = refused_moments(second);
    assert!(said.contains("found -1"), "{said}");
}
