//! The distribution after temperature, top-k and top-p, and draws from it.

use std::path::Path;

use serde_json::Value;

use super::{Sampler, SamplingParams, probabilities};

fn with(temperature: f64, top_k: usize, top_p: f64) -> SamplingParams {
    SamplingParams {
        temperature,
        top_k: (top_k > 0).then_some(top_k),
        top_p: (top_p < 1.0).then_some(top_p),
        ..SamplingParams::default()
    }
}

fn greedy() -> SamplingParams {
    SamplingParams {
        temperature: 0.0,
        ..SamplingParams::default()
    }
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

/// Logits with a spread like a language model's.
fn wavy(len: usize) -> Vec<f64> {
    (0..len)
        .map(|i| ((i * 7919 % 1009) as f64 * 0.37).sin() * 6.0 + (i % 13) as f64 * 0.1)
        .collect()
}

/// The cases of a folder of reference values.
fn fixture(folder: &str) -> Value {
    let parity = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/parity");
    let text = std::fs::read(parity.join(folder).join("cases.json")).expect("a fixture");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn probabilities_equal_the_reference() {
    let file = fixture("sampling");
    let rows: Vec<Vec<f64>> = file["logits"]
        .as_array()
        .expect("rows")
        .iter()
        .map(floats)
        .collect();
    for case in file["cases"].as_array().expect("cases") {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let sampling = with(
            number("temperature"),
            number("top_k") as usize,
            number("top_p"),
        );
        for (row, expected) in rows
            .iter()
            .zip(case["probabilities"].as_array().expect("rows"))
        {
            let found = probabilities(row, [], &sampling).expect("a distribution");
            for (a, b) in found.iter().zip(floats(expected)) {
                assert!((a - b).abs() < 1e-9, "{sampling:?}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn penalty_and_min_p_equal_the_reference() {
    let file = fixture("sampling-extra");
    let rows = |value: &Value| value.as_array().expect("rows").clone();
    let contexts: Vec<Vec<u32>> = serde_json::from_value(file["contexts"].clone()).expect("ids");
    for case in rows(&file["cases"]) {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let sampling = SamplingParams {
            min_p: Some(number("min_p")),
            repetition_penalty: Some(number("repetition_penalty")),
            ..with(
                number("temperature"),
                number("top_k") as usize,
                number("top_p"),
            )
        };
        let expected = rows(&case["probabilities"]);
        assert_eq!(expected.len(), contexts.len());
        for ((row, context), expected) in rows(&file["logits"]).iter().zip(&contexts).zip(expected)
        {
            let found = probabilities(&floats(row), context.iter().copied(), &sampling);
            let found = found.expect("a distribution");
            for (a, b) in found.iter().zip(floats(&expected)) {
                assert!((a - b).abs() < 1e-9, "{sampling:?}: {a} instead of {b}");
            }
        }
    }
}

#[test]
fn min_p_is_relative_to_the_most_probable_token() {
    // The probabilities are to each other as 8, 4, 2 and 1.
    let logits = [4.0_f64, 8.0, 1.0, 2.0].map(f64::ln);
    for (min_p, kept) in [
        (0.0, vec![0, 1, 2, 3]),
        (0.2, vec![0, 1, 3]),
        (0.4, vec![0, 1]),
        (1.0, vec![1]),
    ] {
        for (top_k, top_p) in [(0, 1.0), (4, 1.0), (0, 0.999), (3, 0.999)] {
            let sampling = SamplingParams {
                min_p: Some(min_p),
                ..with(1.0, top_k, top_p)
            };
            let found = probabilities(&logits, [], &sampling).expect("a distribution");
            let expected = kept.iter().filter(|id| top_k != 3 || **id != 2);
            let found: Vec<usize> = (0..4).filter(|&id| found[id] > 0.0).collect();
            assert!(found.iter().eq(expected), "{sampling:?}: {found:?}");
        }
    }
}

#[test]
fn the_penalty_counts_a_token_once_and_changes_no_log_probability() {
    let logits = [2.0_f64, 1.9, -1.0, 0.0];
    let greedy = SamplingParams {
        repetition_penalty: Some(2.0),
        ..greedy()
    };
    let draw = |context: &[u32]| {
        let context = context.iter().copied();
        let mut sampler = Sampler::new();
        sampler
            .draw(&logits, context, &greedy, 0.0)
            .expect("a distribution")
    };
    assert_eq!([draw(&[]).id, draw(&[0]).id, draw(&[1]).id], [0, 1, 0]);
    // Penalised once each they are 1.0 and 0.95; twice, token 0 would be the smaller one. 99 has no logit.
    assert_eq!(draw(&[0, 0, 1, 99, 0]).id, 0);
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    assert!((draw(&[0]).log_prob - (1.9 - sum.ln())).abs() < 1e-12);
    let warm = SamplingParams {
        temperature: 1.0,
        ..greedy
    };
    let found = probabilities(&logits, [0, 2, 3], &warm).expect("a distribution");
    let weights = [1.0_f64, 1.9, -2.0, 0.0].map(f64::exp);
    for (found, weight) in found.iter().zip(weights) {
        assert!((found - weight / weights.iter().sum::<f64>()).abs() < 1e-12);
    }
}

#[test]
fn temperature_zero_takes_the_first_maximum() {
    let greedy = SamplingParams {
        temperature: 0.0,
        top_k: Some(2),
        top_p: Some(0.1),
        ..SamplingParams::default()
    };
    let logits = [0.0_f64, 2.0, -1.0, 2.0];
    let draw = Sampler::new()
        .draw(&logits, [], &greedy, 0.99)
        .expect("a distribution");
    assert_eq!(draw.id, 1);
    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
    assert!((draw.log_prob - (2.0 - sum.ln())).abs() < 1e-12);
    assert_eq!(
        probabilities(&logits, [], &greedy).expect("a distribution"),
        [0.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn ties_at_the_edge_of_top_k_stay() {
    let found = probabilities(&[1.0_f64, 0.0, 1.0, 1.0, 2.0], [], &with(1.0, 2, 1.0))
        .expect("a distribution");
    assert_eq!(found[1], 0.0);
    assert!(found[0] > 0.0 && found[0] == found[2] && found[2] == found[3]);
    assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn the_nucleus_may_be_wider_than_the_first_front() {
    let logits = wavy(5000);
    let found = probabilities(&logits, [], &with(4.0, 0, 0.95)).expect("a distribution");
    let full = probabilities(&logits, [], &with(4.0, 0, 1.0)).expect("a distribution");
    let kept: Vec<f64> = (0..5000)
        .filter(|&i| found[i] > 0.0)
        .map(|i| full[i])
        .collect();
    let smallest = kept.iter().copied().fold(f64::INFINITY, f64::min);
    let mass: f64 = kept.iter().sum();
    assert!(kept.len() > 256);
    assert!(mass >= 0.95 - 1e-12 && mass - smallest < 0.95);
    assert!((0..5000).all(|i| found[i] > 0.0 || full[i] <= smallest));
}

#[test]
fn draws_follow_the_distribution() {
    let logits = wavy(40);
    for sampling in [
        with(1.0, 0, 1.0),
        with(0.7, 12, 1.0),
        with(1.3, 0, 0.8),
        with(1.1, 20, 0.9),
        SamplingParams {
            min_p: Some(0.1),
            ..with(1.5, 0, 1.0)
        },
        SamplingParams {
            min_p: Some(0.05),
            repetition_penalty: Some(1.3),
            ..with(0.9, 30, 0.95)
        },
    ] {
        let context = [3, 17, 17, 29];
        let expected = probabilities(&logits, context, &sampling).expect("a distribution");
        let mut sampler = Sampler::new();
        let mut counts = [0_u32; 40];
        let draws = 20_000;
        for i in 0..draws {
            let uniform = (f64::from(i) + 0.5) / f64::from(draws);
            counts[sampler
                .draw(&logits, context, &sampling, uniform)
                .expect("a distribution")
                .id as usize] += 1;
        }
        for (count, p) in counts.iter().zip(expected) {
            assert!(
                (f64::from(*count) / f64::from(draws) - p).abs() < 2e-4,
                "{sampling:?}: {count} for {p}"
            );
        }
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let logits = wavy(3001);
    let single: Vec<f32> = logits.iter().map(|x| *x as f32).collect();
    for temperature in [0.1, 0.9, 1.0, 2.5] {
        let sampling = with(temperature, 0, 1.0);
        let double = Sampler::new()
            .draw(&logits, [], &sampling, 0.4)
            .expect("a distribution");
        let exact = probabilities(&logits, [], &sampling).expect("a distribution");
        let found = probabilities(&single, [], &sampling).expect("a distribution");
        assert!(
            exact
                .iter()
                .zip(&found)
                .all(|(a, b)| (a - b).abs() <= 2e-6 * (1.0 + a / 1e-2))
        );
        let drawn = Sampler::new()
            .draw(&single, [], &sampling, 0.4)
            .expect("a distribution");
        if drawn.id == double.id {
            assert!((drawn.log_prob - double.log_prob).abs() < 2e-5 / temperature);
        }
    }
}

#[test]
fn the_fast_exponential_is_accurate() {
    use super::Real;
    for i in 0..=86_900 {
        let x = -(i as f32) * 1e-3;
        let (found, exact) = (f64::from(x.shifted_exp(0.0, 1.0)), f64::from(x).exp());
        assert!(
            (found - exact).abs() <= 2.5e-7 * exact,
            "exp({x}) = {exact}, found {found}"
        );
    }
    assert_eq!(f32::NEG_INFINITY.shifted_exp(0.0, 1.0), 0.0);
    assert!(f32::NAN.shifted_exp(0.0, 1.0).is_nan());
}

#[test]
fn what_is_no_distribution_is_refused() {
    for bad in [
        vec![0.0_f32, f32::NAN],
        vec![f32::INFINITY, 0.0],
        vec![f32::NEG_INFINITY; 3],
        vec![],
    ] {
        for temperature in [0.0, 1.0] {
            let sampling = SamplingParams {
                temperature,
                ..SamplingParams::default()
            };
            assert_eq!(
                Sampler::new().draw(&bad, [], &sampling, 0.5),
                None,
                "{bad:?}"
            );
        }
    }
}

#[test]
fn an_impossible_token_is_never_drawn() {
    let logits = [
        f32::NEG_INFINITY,
        0.0,
        f32::NEG_INFINITY,
        0.0,
        f32::NEG_INFINITY,
    ];
    for uniform in [0.0, 0.25, 0.5, 0.999_999_999] {
        let draw = Sampler::new()
            .draw(&logits, [], &SamplingParams::default(), uniform)
            .expect("a distribution");
        assert!(draw.id == 1 || draw.id == 3);
    }
}
