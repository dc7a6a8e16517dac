//! The generator on small random models: greedy continuations against reference values, and what must not change a
//! sample.

use std::path::Path;

use burn::backend::Flex;
use burn::tensor::{Int, Tensor};
use lm_model::{Qwen3, Qwen3Config, checkpoint};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::plain;
use crate::{Error, Finish, Generated, Generator, Observer, Progress, Request, Sampling};

pub(super) const VOCAB: usize = 61;

pub(super) fn tiny() -> Qwen3<Flex> {
    let config = Qwen3Config {
        vocab_size: VOCAB,
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: 8,
        max_position_embeddings: 128,
        // Larger than usual, so that the distributions are far from uniform.
        initializer_range: 0.3,
        ..Default::default()
    };
    config.init::<Flex>(&Default::default(), 11)
}

pub(super) fn prompt(len: usize, salt: usize) -> Vec<u32> {
    (0..len)
        .map(|i| ((i * 17 + salt * 29 + 3) % VOCAB) as u32)
        .collect()
}

/// For a call that nobody stops.
pub(super) fn never() -> CancellationToken {
    CancellationToken::new()
}

pub(super) fn generate(
    model: &Qwen3<Flex>,
    max_batch: usize,
    requests: &[Request],
) -> Vec<Vec<Generated>> {
    Generator::new(model, max_batch)
        .generate(requests, &never(), &mut ())
        .expect("valid requests")
}

/// Requests of different lengths, group sizes and ways of sampling.
pub(super) fn mixed() -> Vec<Request> {
    let request = |i: usize, n, max_new_tokens, temperature, top_k, top_p| {
        let sampling = Sampling {
            max_new_tokens,
            temperature,
            top_k,
            top_p,
            // Every other request, so that the penalty meets neighbours with and without one.
            repetition_penalty: i.is_multiple_of(2).then_some(1.3),
            min_p: (i % 3 == 2).then_some(0.02),
            stop: vec![7, 8, 9],
            seed: 100 + i as u64,
        };
        Request {
            prompt: prompt(3 + 5 * i, i),
            n,
            sampling,
        }
    };
    vec![
        request(0, 5, 12, 1.0, None, None),
        request(1, 1, 20, 0.0, None, None),
        request(2, 7, 9, 1.5, Some(20), None),
        request(3, 0, 9, 1.0, None, None),
        request(4, 3, 1, 0.8, None, Some(0.9)),
        request(5, 4, 30, 2.0, Some(50), Some(0.95)),
    ]
}

pub(super) fn ids(groups: &[Vec<Generated>]) -> Vec<Vec<(&[u32], Finish)>> {
    groups
        .iter()
        .map(|group| group.iter().map(|g| (&g.ids[..], g.finish)).collect())
        .collect()
}

#[test]
fn greedy_continuations_equal_the_reference() {
    for name in ["qwen3-untied-f32", "qwen3-tied-bf16-sharded"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/parity")
            .join(name);
        let text = std::fs::read_to_string(dir.join("expected.json")).expect("a fixture");
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let model: Qwen3<Flex> = checkpoint::load(&dir, &Default::default()).expect("a checkpoint");
        let mut prompts = rows(&expected["prompts"]);
        let mut continuations = rows(&expected["greedy"]);
        prompts.push(row(&expected["short_prompt"]));
        continuations.push(row(&expected["short_greedy"]));
        let requests: Vec<Request> = prompts
            .into_iter()
            .zip(&continuations)
            .map(greedy)
            .collect();
        for max_batch in [1, 2, 8] {
            let found = generate(&model, max_batch, &requests);
            let found: Vec<Vec<u32>> = found
                .into_iter()
                .map(|group| group[0].ids.clone())
                .collect();
            assert_eq!(found, continuations, "{name}, {max_batch} slots");
        }
    }
}

fn greedy((prompt, continuation): (Vec<u32>, &Vec<u32>)) -> Request {
    let sampling = Sampling {
        temperature: 0.0,
        ..plain(continuation.len())
    };
    Request {
        prompt,
        n: 1,
        sampling,
    }
}

fn row(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| id.as_u64().expect("an id") as u32)
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<u32>> {
    value.as_array().expect("rows").iter().map(row).collect()
}

#[test]
fn neighbours_and_slots_do_not_change_a_sample() {
    let model = tiny();
    let requests = mixed();
    let together = generate(&model, 64, &requests);
    for max_batch in [1, 2, 3, 6] {
        assert_eq!(
            ids(&generate(&model, max_batch, &requests)),
            ids(&together),
            "{max_batch} slots"
        );
    }
    for (request, expected) in requests.iter().zip(&together) {
        let alone = generate(&model, 4, std::slice::from_ref(request));
        assert_eq!(ids(&alone), ids(std::slice::from_ref(expected)));
    }
    let reversed: Vec<Request> = requests.iter().rev().cloned().collect();
    let mut found = generate(&model, 5, &reversed);
    found.reverse();
    assert_eq!(ids(&found), ids(&together));
}

#[test]
fn seeds_and_samples_differ() {
    let model = tiny();
    let base = Request {
        prompt: prompt(6, 0),
        n: 4,
        sampling: Sampling {
            temperature: 2.0,
            ..plain(16)
        },
    };
    let other = Request {
        sampling: Sampling {
            seed: 1,
            ..base.sampling.clone()
        },
        ..base.clone()
    };
    let found = generate(&model, 8, &[base, other]);
    let mut all: Vec<&[u32]> = found.iter().flatten().map(|g| &g.ids[..]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8);
}

#[test]
fn log_probs_are_those_of_a_forward_pass_at_the_temperature() {
    let model = tiny();
    let requests = mixed();
    for (request, group) in requests.iter().zip(generate(&model, 3, &requests)) {
        let temperature = if request.sampling.temperature == 0.0 {
            1.0
        } else {
            request.sampling.temperature
        };
        for generated in group {
            let expected = forward_log_probs(&model, &request.prompt, &generated.ids, temperature);
            assert_eq!(generated.log_probs.len(), generated.ids.len());
            for (found, expected) in generated.log_probs.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{found} instead of {expected}"
                );
            }
        }
    }
}

fn forward_log_probs(
    model: &Qwen3<Flex>,
    prompt: &[u32],
    completion: &[u32],
    temperature: f64,
) -> Vec<f32> {
    let sequence = [prompt, completion].concat();
    let batch = model.pack(&[&sequence]);
    let device = Default::default();
    let first = prompt.len() as i64 - 1;
    let rows = Tensor::<Flex, 1, Int>::arange(first..first + completion.len() as i64, &device);
    let targets: Vec<i32> = completion.iter().map(|id| *id as i32).collect();
    let targets = Tensor::<Flex, 1, Int>::from_ints(targets.as_slice(), &device);
    model
        .log_probs(&batch, rows, targets, temperature)
        .log_probs
        .into_data()
        .to_vec()
        .expect("floats")
}

#[test]
fn a_stop_token_ends_a_completion_and_is_kept() {
    let groups = generate(&tiny(), 4, &mixed());
    let all: Vec<(usize, &Generated)> = groups
        .iter()
        .enumerate()
        .flat_map(|(i, group)| group.iter().map(move |g| (i, g)))
        .collect();
    assert!(all.iter().any(|(_, g)| g.finish == Finish::Stop));
    assert!(all.iter().any(|(_, g)| g.finish == Finish::Length));
    for (request, generated) in all {
        let stops = generated
            .ids
            .iter()
            .filter(|id| (7..=9).contains(*id))
            .count();
        let budget = mixed()[request].sampling.max_new_tokens;
        match generated.finish {
            Finish::Stop => {
                assert!(stops == 1 && (7..=9).contains(generated.ids.last().expect("a token")))
            }
            Finish::Length => assert!(stops == 0 && generated.ids.len() == budget),
            Finish::Observer => panic!("nobody observes"),
        }
    }
}

#[test]
fn group_sizes_are_those_asked_for() {
    let sizes: Vec<usize> = generate(&tiny(), 2, &mixed())
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [5, 1, 7, 0, 3, 4]);
    assert!(generate(&tiny(), 2, &[]).is_empty());
}

#[test]
fn progress_is_told_and_can_stop() {
    let model = tiny();
    let requests = mixed();
    let mut listen = Reports::default();
    let groups = Generator::new(&model, 6)
        .generate(&requests, &never(), &mut listen)
        .expect("valid requests");
    let reports = listen.progress;
    let tokens: usize = groups.iter().flatten().map(|g| g.ids.len()).sum();
    assert_eq!(
        reports.last(),
        Some(&Progress {
            finished: 20,
            total: 20,
            active: 0,
            tokens
        })
    );
    assert!(reports.iter().all(|p| p.active <= 6));
    let stop = never();
    let mut third = Reports {
        stop_at: Some((3, stop.clone())),
        ..Reports::default()
    };
    let error = Generator::new(&model, 6)
        .generate(&requests, &stop, &mut third)
        .expect_err("stopped");
    assert!(matches!(error, Error::Stopped { total: 20, .. }), "{error}");
    assert_eq!(third.progress.len(), 3);
}

/// Keeps what it is told, and cancels a token at a report.
#[derive(Default)]
struct Reports {
    progress: Vec<Progress>,
    stop_at: Option<(usize, CancellationToken)>,
}

impl Observer for Reports {
    fn on_step(&mut self, progress: Progress) {
        self.progress.push(progress);
        if let Some((at, stop)) = &self.stop_at
            && *at == self.progress.len()
        {
            stop.cancel();
        }
    }
}

#[test]
fn a_pool_serves_shorter_and_longer_calls() {
    let model = tiny();
    let mut generator = Generator::new(&model, 4);
    let expected = generate(&model, 4, &mixed());
    let mut pool = crate::CachePool::new();
    for _ in 0..2 {
        let long = Request {
            prompt: prompt(80, 1),
            n: 2,
            sampling: plain(10),
        };
        for requests in [mixed(), vec![long], mixed()] {
            let found = generator
                .generate(&requests, &never(), &mut ())
                .expect("valid requests");
            if requests.len() > 1 {
                assert_eq!(ids(&found), ids(&expected));
            }
        }
        pool = std::mem::replace(&mut generator, Generator::with_pool(&model, 4, pool)).into_pool();
    }
}

/// Spoils a request.
type Change = fn(&mut Request);

#[test]
fn bad_requests_are_refused_by_name() {
    let good = Request {
        prompt: prompt(4, 0),
        n: 1,
        sampling: plain(4),
    };
    let cases: [(Change, &str); 9] = [
        (|r| r.prompt.clear(), "request 1: the prompt is empty"),
        (|r| r.prompt[2] = 61, "request 1: token id 61 at position 2"),
        (|r| r.sampling.max_new_tokens = 0, "max_new_tokens = 0"),
        (
            |r| r.sampling.max_new_tokens = 125,
            "expected at most 128 in all",
        ),
        (|r| r.sampling.temperature = f64::NAN, "temperature = NaN"),
        (|r| r.sampling.top_k = Some(0), "top_k = 0"),
        (|r| r.sampling.top_p = Some(1.5), "top_p = 1.5"),
        (|r| r.sampling.min_p = Some(-0.1), "min_p = -0.1"),
        (
            |r| r.sampling.repetition_penalty = Some(0.0),
            "repetition_penalty = 0",
        ),
    ];
    for (change, expected) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        let requests = [good.clone(), bad];
        let error = Generator::new(&tiny(), 2)
            .generate(&requests, &never(), &mut ())
            .expect_err("a bad request");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = Generator::new(&tiny(), 0)
        .generate(&[good], &never(), &mut ())
        .expect_err("no slots");
    assert!(matches!(error, Error::NoSlots));
}
