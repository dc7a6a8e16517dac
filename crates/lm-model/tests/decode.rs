//! Decoding with the cache against the full forward pass, and fresh models.

mod common;

use burn::prelude::*;
use common::{Cpu, distance, tiny, values};
use lm_kernels::ops::CacheRow;
use lm_model::{Prefixed, Qwen3, Qwen3Config};

fn model(seed: u64) -> Qwen3<Cpu> {
    // Wider weights than usual, so that attention is not almost uniform.
    let config = Qwen3Config {
        initializer_range: 0.3,
        ..tiny(true)
    };
    config.init(&Default::default(), seed)
}

/// The logits of every token of one sequence, by the full forward pass.
fn full(model: &Qwen3<Cpu>, ids: &[u32]) -> Vec<Vec<f32>> {
    let logits = values(model.logits(&model.pack(&[ids])));
    logits
        .chunks(model.config().vocab_size)
        .map(<[f32]>::to_vec)
        .collect()
}

fn rows(specs: &[(usize, usize, usize)]) -> Vec<CacheRow> {
    specs
        .iter()
        .map(|&(slot, start, len)| CacheRow { slot, start, len })
        .collect()
}

#[test]
fn decoding_in_pieces_equals_the_full_pass() {
    let model = model(3);
    let a: Vec<u32> = vec![5, 80, 13, 13, 2, 41, 96, 0, 7];
    let b: Vec<u32> = vec![60, 1, 59, 30];
    let (full_a, full_b) = (full(&model, &a), full(&model, &b));
    let mut cache = model.new_cache(3, 10);
    // A prefill of one sequence, then pieces of both at once, in either order of slots.
    let steps = [
        (rows(&[(2, 0, 3)]), a[..3].to_vec(), vec![&full_a[2]]),
        (
            rows(&[(0, 0, 2), (2, 3, 1)]),
            vec![60, 1, a[3]],
            vec![&full_b[1], &full_a[3]],
        ),
        (
            rows(&[(2, 4, 4), (0, 2, 1)]),
            [&a[4..8], &b[2..3]].concat(),
            vec![&full_a[7], &full_b[2]],
        ),
        (
            rows(&[(0, 3, 1), (2, 8, 1)]),
            vec![b[3], a[8]],
            vec![&full_b[3], &full_a[8]],
        ),
    ];
    for (rows, ids, expected) in steps {
        let found = values(model.decode(&ids, &rows, &mut cache));
        let expected = expected.into_iter().cloned().collect::<Vec<_>>().concat();
        let worst = distance(&found, &expected);
        assert!(worst <= 1e-4, "{rows:?}: {worst}");
    }
}

#[test]
fn a_shared_prefix_continues_like_its_own_prefill() {
    let model = model(4);
    let prompt = [11, 12, 13, 14, 15];
    let mut cache = model.new_cache(4, 8);
    // The others hold something else before, and one token of the prompt is not shared.
    model.decode(
        &[1, 2, 3],
        &rows(&[(0, 0, 1), (2, 0, 1), (3, 0, 1)]),
        &mut cache,
    );
    model.decode(&prompt, &rows(&[(1, 0, 5)]), &mut cache);
    model.share_prefix(&mut cache, 1, &[0, 3], 4);
    let found = values(model.decode(&[20, 30], &rows(&[(0, 4, 1), (3, 4, 1)]), &mut cache));
    let expected = [20, 30].map(|last| full(&model, &[11, 12, 13, 14, last])[4].clone());
    assert!(distance(&found, &expected.concat()) <= 1e-4);
}

#[test]
fn packed_sequences_do_not_see_each_other() {
    let model = model(5);
    let (a, b): (&[u32], &[u32]) = (&[9, 8, 7, 6], &[50, 51]);
    let together = values(model.logits(&model.pack(&[a, b])));
    let apart = [full(&model, a), full(&model, b)].concat().concat();
    assert!(distance(&together, &apart) <= 1e-5);
}

#[test]
fn a_shared_prefix_is_computed_once_and_changes_nothing() {
    let model = model(8);
    let (prefix, a, b, other): (&[u32], &[u32], &[u32], &[u32]) =
        (&[9, 8, 7, 6], &[50, 51], &[52], &[3, 4]);
    let groups = [
        Prefixed {
            prefix,
            rest: vec![a, &[], b],
        },
        Prefixed {
            prefix: other,
            rest: vec![a],
        },
    ];
    let batch = model.pack_prefixed(&groups);
    assert_eq!(batch.ids.dims(), [4 + 2 + 1 + 2 + 2]);
    let found = values(model.logits(&batch));
    let whole = |prefix: &[u32], rest: &[u32]| full(&model, &[prefix, rest].concat());
    let expected = [
        whole(prefix, a),
        whole(prefix, b).split_off(4),
        whole(other, a),
    ];
    assert!(distance(&found, &expected.concat().concat()) <= 1e-5);
}

#[test]
fn temperature_divides_the_logits() {
    let model = model(6);
    let batch = model.pack(&[&[9, 8, 7]]);
    let device = Default::default();
    let rows = Tensor::from_ints([2, 0], &device);
    let targets = Tensor::from_ints([40, 8], &device);
    let found = values(model.log_probs(&batch, rows, targets, 0.7).log_probs);
    let logits = full(&model, &[9, 8, 7]);
    let expected = [(2, 40), (0, 8)].map(|(row, target): (usize, usize)| {
        let scaled: Vec<f64> = logits[row]
            .iter()
            .map(|&logit| f64::from(logit) / 0.7)
            .collect();
        let total: f64 = scaled.iter().map(|logit| logit.exp()).sum();
        (scaled[target] - total.ln()) as f32
    });
    assert!(distance(&found, &expected) <= 1e-4);
}

#[test]
fn fresh_models_depend_on_the_seed_and_have_the_named_parameters() {
    for tied in [true, false] {
        let config = tiny(tied);
        let device = Default::default();
        let [a, again, other] = [1, 1, 2].map(|seed| config.init::<Cpu>(&device, seed));
        assert_eq!(values(a.head()), values(again.head()));
        assert_ne!(values(a.head()), values(other.head()));
        assert_eq!(a.num_params(), config.num_parameters());
        let mut names: Vec<String> = a
            .named_parameters()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let mut specified: Vec<String> = config
            .parameters()
            .into_iter()
            .map(|spec| spec.name)
            .collect();
        names.sort();
        specified.sort();
        assert_eq!(names, specified);
    }
}

#[test]
fn fresh_weights_have_the_specified_deviation() {
    let config = Qwen3Config {
        vocab_size: 4000,
        ..tiny(true)
    };
    let head = values(config.init::<Cpu>(&Default::default(), 7).head());
    let count = head.len() as f64;
    let mean = head.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = head
        .iter()
        .map(|&x| (f64::from(x) - mean).powi(2))
        .sum::<f64>()
        / count;
    // 128,000 values: four standard errors are 0.8 % of the deviation.
    assert!(
        (variance.sqrt() / 0.02 - 1.0).abs() < 0.008,
        "{}",
        variance.sqrt()
    );
    assert!(mean.abs() < 4.0 * 0.02 / count.sqrt(), "{mean}");
}

#[test]
fn the_size_of_the_published_model_is_right() {
    // Qwen3-0.6B: 596,049,920 parameters with the tied embedding counted once.
    assert_eq!(Qwen3Config::default().num_parameters(), 596_049_920);
}
