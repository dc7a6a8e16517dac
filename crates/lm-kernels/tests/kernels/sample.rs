//! Drawing tokens: the backend's kernel and the default body against the sampler of the host in 64 bits.

use burn::tensor::{Tensor, TensorData};
use lm_kernels::{
    ops::{self, Drawn},
    reference,
    sampling::{SampleRow, SamplingParams, probabilities},
};

use crate::util::{Fast, values};

/// Tokens and log-probabilities of the backend's body and of the default body, for rows of equal length.
fn draws(logits: &[Vec<f32>], rows: &[SampleRow]) -> Vec<Vec<(usize, f32)>> {
    let data = TensorData::new(logits.concat(), [logits.len(), logits[0].len()]);
    let logits = Tensor::<Fast, 2>::from_data(data, &Default::default());
    let (ids, log_probs) = reference::sample(logits.clone(), rows);
    [ops::sample(logits, rows), Drawn { ids, log_probs }]
        .map(read)
        .into()
}

fn read(drawn: Drawn<Fast>) -> Vec<(usize, f32)> {
    let ids = drawn.ids.into_data();
    let log_probs: Vec<f32> = drawn.log_probs.into_data().into_vec().expect("32 bits");
    let ids = ids.iter::<i64>().map(|id| id as usize);
    ids.zip(log_probs).collect()
}

fn row(params: SamplingParams, uniform: f64) -> SampleRow {
    SampleRow {
        params,
        uniform,
        seen: Vec::new(),
    }
}

/// Logits with a spread like a language model's, two of them equal.
fn logits(seed: u64, vocab: usize) -> Vec<f32> {
    let mut logits: Vec<f32> = values(seed, vocab).iter().map(|x| 7.0 * x).collect();
    logits[vocab / 2] = logits[vocab - 1];
    logits
}

/// A top-p about `near` that lies between the masses of two sets, so that no rounding decides who belongs to it.
fn clear_top_p(logits: &[f32], params: &SamplingParams, near: f64) -> f64 {
    let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    let mut all = probabilities(&wide, [], params).expect("a distribution");
    all.sort_by(|a, b| b.total_cmp(a));
    let mut below = 0.0;
    for p in all {
        if below + p >= near {
            return below + p / 2.0;
        }
        below += p;
    }
    near
}

/// Checks that a token is the one at which the exact distribution passes the uniform number, but for roundings, and
/// that its log-probability is that of the model.
#[track_caller]
fn check(what: &str, logits: &[f32], row: &SampleRow, (id, log_prob): (usize, f32)) {
    let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    let seen = row.seen.iter().copied();
    let kept = probabilities(&wide, seen, &row.params).expect("a distribution");
    assert!(kept[id] > 0.0, "{what}: token {id} was cut off: {row:?}");
    let before: f64 = kept[..id].iter().sum();
    let inside = before - 1e-4 <= row.uniform && row.uniform <= before + kept[id] + 1e-4;
    assert!(
        inside || row.params.is_greedy(),
        "{what}: token {id} from {before} to {}: {row:?}",
        before + kept[id]
    );
    let temperature = if row.params.is_greedy() {
        1.0
    } else {
        row.params.temperature
    };
    let plain = SamplingParams {
        temperature,
        ..Default::default()
    };
    let expected = probabilities(&wide, [], &plain).expect("a distribution")[id].ln();
    let near = (f64::from(log_prob) - expected).abs() <= 1e-4 * (1.0 + expected.abs());
    assert!(
        near,
        "{what}: expected {expected}, found {log_prob}: {row:?}"
    );
}

#[test]
fn tokens_are_those_of_the_exact_distribution() {
    for (seed, vocab) in [(1, 1), (2, 2), (3, 7), (4, 129), (5, 1000), (6, 5003)] {
        let logits = logits(seed, vocab);
        let mut rows = Vec::new();
        for temperature in [0.0, 0.6, 1.0, 1.7] {
            let plain = SamplingParams {
                temperature,
                ..Default::default()
            };
            for top_k in [None, Some(1), Some(5), Some(300), Some(9000)] {
                let cut = SamplingParams { top_k, ..plain };
                for near in [None, Some(0.3), Some(0.9)] {
                    let top_p = near.map(|near| clear_top_p(&logits, &cut, near));
                    let min_p = near.filter(|near| *near < 0.5).map(|_| 0.013);
                    let params = SamplingParams {
                        top_p,
                        min_p,
                        ..cut
                    };
                    rows.extend([0.0, 0.31, 0.78, 0.999].map(|uniform| row(params, uniform)));
                }
            }
        }
        let all = vec![logits.clone(); rows.len()];
        for (what, drawn) in ["own", "default"].into_iter().zip(draws(&all, &rows)) {
            for (row, drawn) in rows.iter().zip(drawn) {
                check(&format!("{what}, {vocab} tokens"), &logits, row, drawn);
            }
        }
    }
}

#[test]
fn a_row_knows_nothing_of_the_others() {
    let vocab = 700;
    let rows: Vec<SampleRow> = (0..40)
        .map(|i| SampleRow {
            params: SamplingParams {
                temperature: f64::from(i % 4) * 0.4,
                top_k: (i % 3 == 0).then_some(20),
                repetition_penalty: (i % 5 == 0).then_some(1.5),
                ..Default::default()
            },
            uniform: f64::from(i) / 40.0,
            // Twice the same, and one without a logit.
            seen: vec![3, 3, 650, i as u32, 70_000],
        })
        .collect();
    let all: Vec<Vec<f32>> = (0..40).map(|i| logits(i, vocab)).collect();
    for (what, drawn) in ["own", "default"].into_iter().zip(draws(&all, &rows)) {
        for ((logits, row), drawn) in all.iter().zip(&rows).zip(drawn) {
            check(what, logits, row, drawn);
        }
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = logits(9, 37);
    let params = SamplingParams {
        temperature: 2.0,
        min_p: Some(0.02),
        ..Default::default()
    };
    let count = 1000;
    let rows: Vec<SampleRow> = (0..count)
        .map(|i| row(params, (f64::from(i) + 0.5) / f64::from(count)))
        .collect();
    let wide: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
    let expected = probabilities(&wide, [], &params).expect("a distribution");
    for drawn in draws(&vec![logits.clone(); rows.len()], &rows) {
        let mut counts = [0; 37];
        drawn.iter().for_each(|(id, _)| counts[*id] += 1);
        for (found, p) in counts.into_iter().zip(&expected) {
            let found = f64::from(found) / f64::from(count);
            assert!((found - p).abs() <= 2.5e-3, "{found} for {p}");
        }
    }
}

#[test]
fn of_equals_the_first_are_kept() {
    // Eight equals; top-p needs four of them, top-k keeps all that are tied with the second.
    let logits = vec![1.0, -9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -9.0];
    let with = |top_k, top_p| SamplingParams {
        top_k,
        top_p,
        ..Default::default()
    };
    let uniforms = [0.1, 0.3, 0.6, 0.9];
    for (params, expected) in [
        (with(None, Some(0.45)), [0, 2, 3, 4]),
        (with(Some(2), None), [0, 3, 5, 8]),
        (with(Some(8), Some(0.45)), [0, 2, 3, 4]),
    ] {
        let rows = uniforms.map(|uniform| row(params, uniform));
        for drawn in draws(&vec![logits.clone(); 4], &rows) {
            let ids: Vec<usize> = drawn.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, expected, "{params:?}");
        }
    }
    let greedy = SamplingParams {
        temperature: 0.0,
        ..Default::default()
    };
    let logits = vec![vec![-3.0, 2.5, 0.0, 2.5]];
    for drawn in draws(&logits, &[row(greedy, 0.99)]) {
        assert_eq!(drawn[0].0, 1);
    }
}

#[test]
fn extreme_logits() {
    let params = SamplingParams::default();
    let nucleus = SamplingParams {
        top_k: Some(3),
        top_p: Some(0.9),
        ..params
    };
    let least = f32::NEG_INFINITY;
    let impossible = vec![least, 1e4, least, 1e4, least];
    let far = vec![-1e4, 1e4, -1e4, 9999.0, -1e4];
    for params in [params, nucleus] {
        for uniform in [0.0, 0.4, 0.999_999_9] {
            let rows = [row(params, uniform), row(params, uniform)];
            for drawn in draws(&[impossible.clone(), far.clone()], &rows) {
                for ((logits, row), drawn) in [&impossible, &far].into_iter().zip(&rows).zip(drawn)
                {
                    assert!(drawn.0 == 1 || drawn.0 == 3, "token {}", drawn.0);
                    check("extreme", logits, row, drawn);
                }
            }
        }
    }
}

#[test]
fn what_is_no_distribution_has_no_finite_log_probability() {
    let bad = [
        vec![0.0, f32::NAN, 1.0],
        vec![f32::INFINITY, 0.0, 1.0],
        vec![f32::NEG_INFINITY; 3],
        vec![f32::NAN; 3],
    ];
    for temperature in [0.0, 1.0] {
        for cut in [None, Some(2)] {
            let params = SamplingParams {
                temperature,
                top_k: cut,
                top_p: cut.map(|_| 0.5),
                ..Default::default()
            };
            for drawn in draws(&bad, &vec![row(params, 0.5); bad.len()]) {
                for ((id, log_prob), logits) in drawn.into_iter().zip(&bad) {
                    assert!(!log_prob.is_finite(), "{logits:?}: {log_prob}");
                    assert!(id < 3, "{logits:?}: token {id}");
                }
            }
        }
    }
}
