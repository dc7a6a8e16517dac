//! Trainings that run at the same time in one process do not disturb each other.

use std::thread;

use lm_model::LoraConfig;
use lm_train::{RunFiles, SftConfig, SftData};

use crate::support::{bits, quick, samples, tiny_model, train_sft, weights};

const THREADS: usize = 6;
const ROUNDS: usize = 12;

/// The weights after a short run whose steps take several backward passes over the same parameters each.
fn trained(lora: bool, recompute_layers: usize) -> Vec<Vec<u32>> {
    let model = if lora {
        tiny_model().with_lora(&LoraConfig::default(), 1).unwrap()
    } else {
        tiny_model()
    };
    let config = SftConfig {
        batch_size: Some(1),
        grad_accumulation: 4,
        recompute_layers,
        ..quick(3)
    };
    let train = &samples(12);
    let data = SftData { train, eval: &[] };
    let outcome = train_sft(model, data, &config, &RunFiles::default(), &mut ()).unwrap();
    bits(&weights(&outcome.model))
}

/// Burn 0.21 drops what another thread is about to add to a graph if the graph has no tensor that somebody holds
/// (tracel-ai/burn#5573), which is a lost gradient without an error.
fn check(lora: bool, recompute_layers: usize) {
    let run = || trained(lora, recompute_layers);
    let expected = run();
    let differing: usize = thread::scope(|scope| {
        let runs = || (0..ROUNDS).filter(|_| run() != expected).count();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(runs)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(differing, 0, "of {}", THREADS * ROUNDS);
}

#[test]
fn adapters_trained_at_once_are_those_trained_alone() {
    check(true, 0);
    check(true, 1);
}

#[test]
fn models_trained_at_once_are_those_trained_alone() {
    check(false, 0);
    check(false, 1);
}
