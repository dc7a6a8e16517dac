//! A run learns, and the parts of the configuration that shape it do what they say.

use lm_train::{OverLength, RunFiles, Sample, SftConfig};

use crate::support::{Recorder, VOCAB, quick, samples, tiny_model, train_sft, weights};

#[test]
fn every_tensor_moves_and_the_loss_falls() {
    let mut recorder = Recorder::default();
    let before = weights(&tiny_model());
    let outcome = train_sft(
        tiny_model(),
        &samples(6),
        &quick(40),
        &RunFiles::default(),
        &mut recorder,
    )
    .unwrap();
    for (index, (old, new)) in before.iter().zip(weights(&outcome.model)).enumerate() {
        assert_ne!(old, &new, "parameter {index} did not move");
    }
    let (first, last) = (&recorder.steps[0], &recorder.steps[39]);
    assert!(
        last.loss < 0.5 * first.loss,
        "{} -> {}",
        first.loss,
        last.loss
    );
    // A fresh model predicts close to uniformly.
    assert!(
        (first.entropy - f64::from(VOCAB).ln()).abs() < 0.1,
        "{}",
        first.entropy
    );
    assert_eq!(
        (last.global_step, last.total_steps, last.epoch),
        (40, 40, 20.0)
    );
}

#[test]
fn long_texts_can_be_trained_on_every_token() {
    let text: Vec<u32> = (0..120).map(|i| (i * 7) % VOCAB).collect();
    let texts: Vec<Sample> = text
        .chunks(40)
        .map(|ids| Sample {
            ids: ids.to_vec(),
            loss_from: 1,
        })
        .collect();
    let mut recorder = Recorder::default();
    train_sft(
        tiny_model(),
        &texts,
        &quick(40),
        &RunFiles::default(),
        &mut recorder,
    )
    .unwrap();
    assert!(recorder.steps[39].loss < 0.5 * recorder.steps[0].loss);
    assert_eq!(recorder.steps[39].num_tokens, 40 * 120);
}

#[test]
fn tokens_before_the_completion_do_not_enter_the_loss() {
    let mut recorder = [Recorder::default(), Recorder::default()];
    let sample = |first: u32| {
        [Sample {
            ids: vec![first, 5, 6, 7],
            loss_from: 3,
        }]
    };
    // With a window of two tokens the first ones are cut off, so both runs must be the same.
    let config = SftConfig {
        max_length: 2,
        over_length: OverLength::KeepLast,
        ..quick(3)
    };
    for (recorder, first) in recorder.iter_mut().zip([1, 2]) {
        train_sft(
            tiny_model(),
            &sample(first),
            &config,
            &RunFiles::default(),
            recorder,
        )
        .unwrap();
    }
    assert_eq!(recorder[0].trajectory(), recorder[1].trajectory());
    assert_eq!(recorder[0].steps[2].num_tokens, 6);
}

#[test]
fn only_the_steps_asked_for_are_reported() {
    let mut recorder = Recorder::default();
    let config = SftConfig {
        log_every: 3,
        ..quick(7)
    };
    train_sft(
        tiny_model(),
        &samples(5),
        &config,
        &RunFiles::default(),
        &mut recorder,
    )
    .unwrap();
    let reported: Vec<_> = recorder.steps.iter().map(|step| step.global_step).collect();
    assert_eq!(reported, [3, 6, 7]);
}
