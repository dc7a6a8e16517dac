//! Advantages, losses, gradients, KL and clip fractions against reference values in double precision.

use std::path::PathBuf;

use serde_json::Value;

use crate::{Clipped, LossType, Objective, ScaleRewards, TokenInput, advantages};

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("an array")
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().expect("rows").iter().map(floats).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn cases() -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("RNER_SHARED").map_or_else(beside, PathBuf::from);
    let path = shared.join("parity/grpo/cases.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("JSON")),
        Err(_) => {
            println!("skipped: no reference values at {}", path.display());
            None
        }
    }
}

fn advantages_of(file: &Value, scale: ScaleRewards) -> Vec<f64> {
    let weights = floats(&file["reward_weights"]);
    let total = |parts: Vec<f64>| {
        parts
            .iter()
            .zip(&weights)
            .map(|(part, weight)| part * weight)
            .sum()
    };
    let rewards: Vec<f64> = rows(&file["rewards"]).into_iter().map(total).collect();
    let group_size = number(&file["group_size"]) as usize;
    advantages(&rewards, group_size, scale).values
}

const SCALES: [(ScaleRewards, &str); 3] = [
    (ScaleRewards::None, "none"),
    (ScaleRewards::Group, "group"),
    (ScaleRewards::Batch, "batch"),
];

#[track_caller]
fn close(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
        "{what}: {found} instead of {expected}"
    );
}

#[test]
fn advantages_equal_the_reference() {
    let Some(file) = cases() else { return };
    for (scale, name) in SCALES {
        let expected = floats(&file["expected"][format!("advantages/scale={name}")]);
        for (found, expected) in advantages_of(&file, scale).into_iter().zip(expected) {
            close(name, found, expected);
        }
    }
}

#[test]
fn losses_equal_the_reference() {
    let Some(file) = cases() else { return };
    let types = [
        (LossType::Grpo, "grpo"),
        (LossType::DrGrpo, "dr_grpo"),
        (LossType::Bnpo, "bnpo"),
    ];
    for (loss_type, loss_name) in types {
        for (scale, scale_name) in SCALES {
            for (beta, beta_name) in [(0.0, "0.0"), (0.04, "0.04")] {
                let name = format!("{loss_name}/scale={scale_name}/beta={beta_name}");
                check_case(&file, &name, loss_type, scale, beta);
            }
        }
    }
}

/// Compares one entry of the file with the sum of the weighted terms.
fn check_case(file: &Value, name: &str, loss_type: LossType, scale: ScaleRewards, beta: f64) {
    let expected = &file["expected"][name];
    let epsilons = (number(&file["epsilon"]), number(&file["epsilon_high"]));
    let objective = Objective {
        epsilon: epsilons.0,
        epsilon_high: epsilons.1,
        beta,
        ..Objective::default()
    };
    let (log_probs, old) = (rows(&file["logp"]), rows(&file["old_logp"]));
    let (reference, mask) = (rows(&file["ref_logp"]), rows(&file["mask"]));
    let lengths: Vec<usize> = mask
        .iter()
        .map(|row| row.iter().sum::<f64>() as usize)
        .collect();
    let masked = vec![false; lengths.len()];
    let longest = number(&file["max_completion_length"]) as usize;
    let weights = loss_type.weights(&lengths, &masked, longest);
    let advantages = advantages_of(file, scale);
    let gradients = rows(&expected["grad"]);

    let (mut loss, mut kl, mut low, mut high) = (0.0, 0.0, 0.0, 0.0);
    for i in 0..mask.len() {
        for t in (0..mask[i].len()).filter(|&t| mask[i][t] > 0.0) {
            let token = TokenInput {
                policy: log_probs[i][t],
                old: old[i][t],
                reference: Some(reference[i][t]),
                correction: 1.0,
            };
            let term = objective.token(&token, advantages[i]);
            loss += weights[i] * term.loss;
            kl += term.kl;
            low += f64::from(term.clipped == Some(Clipped::Low));
            high += f64::from(term.clipped == Some(Clipped::High));
            close(
                &format!("{name}, gradient {i} {t}"),
                weights[i] * term.gradient,
                gradients[i][t],
            );
        }
    }
    let tokens = lengths.iter().sum::<usize>() as f64;
    close(&format!("{name}, loss"), loss, number(&expected["loss"]));
    close(
        &format!("{name}, kl"),
        kl / tokens,
        number(&expected["mean_kl"]),
    );
    close(
        &format!("{name}, low"),
        low / tokens,
        number(&expected["clip_low"]),
    );
    close(
        &format!("{name}, high"),
        high / tokens,
        number(&expected["clip_high"]),
    );
}
