//! The model against `transformers`: logits, log-probabilities, loss, gradients, continuations.
//!
//! The reference values were computed in single precision on padded batches; here the pads are
//! dropped, so positions count from the first real token.
//!
//! One of the two references is not what it seems: its logits are those of rotary frequencies
//! rounded to BF16, as happens when a model is converted as a whole, with the buffers that are not
//! in the checkpoint. `from_pretrained` keeps them in single precision, and so does this crate. The
//! comparison with that reference therefore uses rounded frequencies; see `rounded_angles`.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::backend::Autodiff;
use burn::module::{ModuleVisitor, Param, ParamId};
use burn::prelude::*;
use burn::tensor::backend::AutodiffBackend;
use common::{Cpu, argmax, distance, parity, tensors, values};
use half::bf16;
use lm_kernels::ops::CacheRow;
use lm_model::{Packed, Qwen3, Qwen3Config, checkpoint};

const MODELS: [&str; 5] = [
    "qwen3-untied-f32",
    ROUNDED,
    "llama3-untied-f32",
    "llama2-biases-tied",
    "qwen2-tied-bf16-sharded",
];
/// The reference with rounded rotary frequencies.
const ROUNDED: &str = "qwen3-tied-bf16-sharded";
const TOLERANCE: f32 = 1e-4;

/// The reference batch of a model, without its padding.
struct Reference {
    dir: PathBuf,
    sequences: Vec<Vec<u32>>,
    /// Per sequence, the label of each token, -100 where nothing is trained.
    labels: Vec<Vec<i64>>,
    /// Per sequence, the logits of each token.
    logits: Vec<Vec<f32>>,
    /// Per sequence, the log-probability of each token but the first; 0 where nothing is trained.
    log_probs: Vec<Vec<f32>>,
    expected: serde_json::Value,
}

impl Reference {
    fn load(model: &str) -> Self {
        let dir = parity(model);
        let all = tensors(&dir.join("forward.safetensors"));
        let (shape, mask) = &all["attention_mask"];
        let [rows, columns] = shape[..] else {
            panic!("a mask of shape {shape:?}")
        };
        // The real tokens of each row form one range.
        let real: Vec<Vec<usize>> = (0..rows)
            .map(|row| {
                (0..columns)
                    .filter(|column| mask[row * columns + column] != 0.0)
                    .collect()
            })
            .collect();
        let pick = |name: &str, width: usize, skip: usize| -> Vec<Vec<f32>> {
            let stride = columns - skip;
            let of_row = |(row, columns): (usize, &Vec<usize>)| {
                let cells = columns[..columns.len() - skip]
                    .iter()
                    .map(|column| row * stride + column);
                cells
                    .flat_map(|cell| all[name].1[cell * width..][..width].to_vec())
                    .collect()
            };
            real.iter().enumerate().map(of_row).collect()
        };
        let integers = |name: &str| -> Vec<Vec<i64>> {
            let rows = pick(name, 1, 0).into_iter();
            rows.map(|row| row.into_iter().map(|id| id as i64).collect())
                .collect()
        };
        let expected = std::fs::read(dir.join("expected.json")).unwrap();
        Self {
            sequences: integers("input_ids")
                .into_iter()
                .map(|row| row.into_iter().map(|id| id as u32).collect())
                .collect(),
            labels: integers("labels"),
            logits: pick("logits", all["logits"].0[2], 0),
            log_probs: pick("token_logprobs", 1, 1),
            expected: serde_json::from_slice(&expected).unwrap(),
            dir,
        }
    }

    fn model<B: lm_kernels::LmOps>(&self) -> Qwen3<B> {
        checkpoint::load(&self.dir, &B::Device::default()).unwrap()
    }

    fn pack<B: lm_kernels::LmOps>(&self, model: &Qwen3<B>) -> Packed<B> {
        let sequences: Vec<&[u32]> = self.sequences.iter().map(Vec::as_slice).collect();
        let batch = model.pack(&sequences);
        if !self.dir.ends_with(ROUNDED) {
            return batch;
        }
        let [cos, sin] = self.rounded_angles(model.config());
        Packed { cos, sin, ..batch }
    }

    /// The angles of every token, from frequencies rounded to BF16.
    fn rounded_angles<B: Backend>(&self, config: &Qwen3Config) -> [Tensor<B, 2>; 2] {
        let half = config.head_dim / 2;
        let frequency = |i: usize| {
            let exact = config
                .rope_theta
                .powf(-2.0 * i as f64 / config.head_dim as f64);
            bf16::from_f64(exact).to_f64()
        };
        let lengths = self.sequences.iter().map(Vec::len);
        let positions = lengths.flat_map(|length| 0..length);
        let angles: Vec<f64> = positions
            .flat_map(|position| (0..half).map(move |i| position as f64 * frequency(i)))
            .collect();
        [f64::cos, f64::sin].map(|function| {
            let values: Vec<f32> = angles.iter().map(|&angle| function(angle) as f32).collect();
            let shape = [values.len() / half, half];
            Tensor::from_data(TensorData::new(values, shape), &B::Device::default())
        })
    }

    /// Every token but the first of each sequence: the row of the hidden state that predicts it,
    /// its id, and whether it is trained.
    fn predictions(&self) -> Vec<(i64, i64, bool)> {
        let mut all = Vec::new();
        let mut start = 0;
        for (ids, labels) in self.sequences.iter().zip(&self.labels) {
            for next in 1..ids.len() {
                all.push((
                    start + next as i64 - 1,
                    i64::from(ids[next]),
                    labels[next] != -100,
                ));
            }
            start += ids.len() as i64;
        }
        all
    }

    fn list(&self, name: &str) -> Vec<Vec<u32>> {
        let value = &self.expected[name];
        match serde_json::from_value(value.clone()) {
            Ok(lists) => lists,
            Err(_) => vec![serde_json::from_value(value.clone()).unwrap()],
        }
    }
}

fn ids<B: Backend>(ids: impl IntoIterator<Item = i64>) -> Tensor<B, 1, Int> {
    let ids: Vec<i64> = ids.into_iter().collect();
    Tensor::from_data(
        TensorData::new(ids.clone(), [ids.len()]),
        &B::Device::default(),
    )
}

#[test]
fn padding_is_dropped_on_both_sides() {
    let reference = Reference::load(MODELS[0]);
    let mask = &tensors(&reference.dir.join("forward.safetensors"))["attention_mask"].1;
    let total: usize = reference.sequences.iter().map(Vec::len).sum();
    assert_eq!(total as f32, mask.iter().sum::<f32>());
    assert!(total < mask.len(), "the reference batch has padding");
    let trained = reference
        .predictions()
        .iter()
        .filter(|(_, _, trained)| *trained)
        .count();
    assert_eq!(
        trained as u64,
        reference.expected["trained_tokens"].as_u64().unwrap()
    );
}

#[test]
fn logits() {
    for name in MODELS {
        let reference = Reference::load(name);
        let model = reference.model::<Cpu>();
        let found = values(model.logits(&reference.pack(&model)));
        let worst = distance(&found, &reference.logits.concat());
        println!(
            "{name}: largest difference of {} logits {worst:e}",
            found.len()
        );
        assert!(worst <= TOLERANCE, "{name}: {worst}");
    }
}

#[test]
fn token_log_probs_and_loss() {
    for name in MODELS {
        let reference = Reference::load(name);
        let model = reference.model::<Cpu>();
        let predictions = reference.predictions();
        let rows = ids(predictions.iter().map(|prediction| prediction.0));
        let targets = ids(predictions.iter().map(|prediction| prediction.1));
        let found = values(
            model
                .log_probs(&reference.pack(&model), rows, targets, 1.0)
                .log_probs,
        );
        let trained = |values: Vec<f32>| -> Vec<f32> {
            assert_eq!(values.len(), predictions.len());
            let pairs = values.into_iter().zip(&predictions);
            pairs
                .filter(|(_, prediction)| prediction.2)
                .map(|(value, _)| value)
                .collect()
        };
        let found = trained(found);
        let worst = distance(&found, &trained(reference.log_probs.concat()));
        println!(
            "{name}: largest difference of {} log-probabilities {worst:e}",
            found.len()
        );
        assert!(worst <= TOLERANCE, "{name}: {worst}");

        let total: f64 = found.iter().map(|&log_prob| -f64::from(log_prob)).sum();
        let loss = total / found.len() as f64;
        let expected = reference.expected["loss"].as_f64().unwrap();
        println!("{name}: loss {loss}, reference {expected}");
        assert!(
            (loss - expected).abs() <= f64::from(TOLERANCE),
            "{name}: {loss} {expected}"
        );
    }
}

/// Collects the gradient of every parameter.
struct Gradients<'a, B: AutodiffBackend> {
    all: &'a B::Gradients,
    found: BTreeMap<ParamId, Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = param
            .val()
            .grad(self.all)
            .expect("every parameter has a gradient");
        self.found.insert(param.id, values(gradient));
    }
}

#[test]
fn gradients() {
    type B = Autodiff<Cpu>;
    for name in MODELS {
        let reference = Reference::load(name);
        let model = reference.model::<B>();
        let trained = || {
            reference
                .predictions()
                .into_iter()
                .filter(|prediction| prediction.2)
        };
        let rows = ids(trained().map(|prediction| prediction.0));
        let targets = ids(trained().map(|prediction| prediction.1));
        let log_probs = model
            .log_probs(&reference.pack(&model), rows, targets, 1.0)
            .log_probs;
        let all = log_probs.mean().neg().backward();
        let mut visitor = Gradients::<B> {
            all: &all,
            found: BTreeMap::new(),
        };
        model.visit(&mut visitor);

        let expected = tensors(&reference.dir.join("gradients.safetensors"));
        let names = model.named_parameters();
        assert_eq!(names.len(), expected.len(), "{name}: number of parameters");
        for (parameter, id) in names {
            let (_, expected) = &expected[&parameter];
            let largest = expected
                .iter()
                .fold(0f32, |largest, value| largest.max(value.abs()));
            let worst = distance(&visitor.found[&id], expected);
            assert!(
                worst <= 1e-3 * largest,
                "{name}: {parameter}: {worst} of {largest}"
            );
        }
    }
}

/// Greedy continuations of several prompts at once, with the cache.
fn greedy(model: &Qwen3<Cpu>, prompts: &[Vec<u32>], steps: usize) -> Vec<Vec<u32>> {
    let longest = prompts.iter().map(Vec::len).max().unwrap();
    let mut cache = model.new_cache(prompts.len(), longest + steps);
    let row = |(slot, prompt): (usize, &Vec<u32>)| CacheRow {
        slot,
        start: 0,
        len: prompt.len(),
    };
    let mut rows: Vec<CacheRow> = prompts.iter().enumerate().map(row).collect();
    let mut next = prompts.concat();
    let mut found = vec![Vec::new(); prompts.len()];
    for _ in 0..steps {
        let logits = values(model.decode(&next, &rows, &mut cache));
        let width = logits.len() / rows.len();
        next = logits.chunks(width).map(argmax).collect();
        for ((found, token), row) in found.iter_mut().zip(&next).zip(&mut rows) {
            found.push(*token);
            *row = CacheRow {
                slot: row.slot,
                start: row.start + row.len,
                len: 1,
            };
        }
    }
    found
}

#[test]
fn greedy_continuations() {
    for name in MODELS {
        let reference = Reference::load(name);
        let model = reference.model();
        for (prompts, expected) in [("prompts", "greedy"), ("short_prompt", "short_greedy")] {
            let prompts = reference.list(prompts);
            let expected = reference.list(expected);
            assert_eq!(
                greedy(&model, &prompts, expected[0].len()),
                expected,
                "{name}"
            );
        }
    }
}
