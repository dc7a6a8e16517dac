//! Advantages, losses, gradients, divergences and clip fractions of GRPO.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use lm_grpo::{Clipped, GrpoConfig, Objective, ScaleRewards, TokenInput, TokenTerm, advantages};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json;
use super::layout::Part;

/// In double precision.
const TOLERANCE: Tolerance = Tolerance::Absolute(1e-9);

#[derive(Deserialize)]
struct File {
    group_size: usize,
    max_completion_length: usize,
    epsilon: f64,
    epsilon_high: f64,
    reward_weights: Vec<f64>,
    rewards: Vec<Vec<f64>>,
    logp: Vec<Vec<f64>>,
    old_logp: Vec<Vec<f64>>,
    ref_logp: Vec<Vec<f64>>,
    mask: Vec<Vec<f64>>,
    /// Log-probabilities of the rollout engine; empty where nothing is corrected.
    #[serde(default)]
    engine_logp: Vec<Vec<f64>>,
    /// Completions that are left out of the loss where `truncated=mask` says so.
    #[serde(default)]
    truncated: Vec<bool>,
    /// `advantages/scale=S`, and `LOSS/scale=S/beta=B`, to which `truncated=mask` and fields of the trainer's
    /// configuration may be added, some by short names: `level`, `kl`, `correction`, `cap` and `floor`.
    expected: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Loss {
    loss: f64,
    grad: Vec<Vec<f64>>,
    /// Absent where there is no penalty.
    mean_kl: Option<f64>,
    /// Absent where nothing is clipped or something else than tokens is counted.
    clip_low: Option<f64>,
    clip_high: Option<f64>,
}

/// Compares every expected value.
pub(super) fn check(part: &Part, board: &mut Board) -> Result<()> {
    let file: File = read_json(&part.path)?;
    file.check_shapes()?;
    for (name, expected) in &file.expected {
        board.run(format!("{}: {name}", part.name), || {
            file.compare(name, expected)
        });
    }
    Ok(())
}

impl File {
    fn check_shapes(&self) -> Result<()> {
        ensure!(
            self.group_size > 0,
            "group_size: expected at least 1, found 0"
        );
        let count = self.rewards.len();
        for (name, rows) in [
            ("logp", &self.logp),
            ("old_logp", &self.old_logp),
            ("ref_logp", &self.ref_logp),
            ("mask", &self.mask),
            ("engine_logp", &self.engine_logp),
        ] {
            if name == "engine_logp" && rows.is_empty() {
                continue;
            }
            let fits = |(row, mask): (&Vec<f64>, &Vec<f64>)| row.len() == mask.len();
            ensure!(
                rows.len() == count && rows.iter().zip(&self.mask).all(fits),
                "{name}: expected a row for each of the {count} rewards, as long as its mask"
            );
        }
        let marks = self.truncated.len();
        ensure!(
            marks == 0 || marks == count,
            "truncated: expected none or one for each of the {count} rewards, found {marks}"
        );
        Ok(())
    }

    fn compare(&self, name: &str, expected: &Value) -> Result<Comparison> {
        let mut keys = name.split('/');
        let kind = keys.next().unwrap_or_default();
        let options: BTreeMap<&str, &str> = keys.filter_map(|key| key.split_once('=')).collect();
        let option = |key: &str| {
            let value = options.get(key).copied();
            value.with_context(|| format!("expected {key}=... in the name {name:?}"))
        };
        let advantages = self.advantages(named(option("scale")?)?);
        if kind == "advantages" {
            let expected: Vec<f64> = typed(expected)?;
            let mut comparison = Comparison::new(TOLERANCE);
            comparison.numbers("advantages", &advantages, &expected)?;
            return Ok(comparison);
        }
        let config = self.config(kind, &options)?;
        let masked: Vec<bool> = match options.get("truncated") {
            Some(&"mask") => {
                ensure!(!self.truncated.is_empty(), "expected a list `truncated`");
                self.truncated.clone()
            }
            _ => vec![false; self.mask.len()],
        };
        let weights = self.weights(&config, &masked);
        self.compare_loss(&config, &weights, &advantages, &typed(expected)?)
    }

    /// The configuration that a name stands for.
    fn config(&self, loss_type: &str, options: &BTreeMap<&str, &str>) -> Result<GrpoConfig> {
        let mut fields = Map::new();
        fields.insert("loss_type".to_owned(), loss_type.into());
        fields.insert("epsilon".to_owned(), self.epsilon.into());
        fields.insert("epsilon_high".to_owned(), self.epsilon_high.into());
        for (key, text) in options {
            let field = match *key {
                "scale" | "truncated" => continue,
                "level" => "importance_sampling_level",
                "kl" => "kl_estimator",
                "correction" => "engine_correction",
                "cap" => "engine_correction_cap",
                "floor" => "engine_correction_floor",
                same => same,
            };
            // Numbers and truth values are JSON; words are not.
            let value = serde_json::from_str(text).unwrap_or(Value::from(*text));
            fields.insert(field.to_owned(), value);
        }
        typed(&Value::Object(fields))
    }

    fn advantages(&self, scale: ScaleRewards) -> Vec<f64> {
        let weights = &self.reward_weights;
        let total = |parts: &Vec<f64>| parts.iter().zip(weights).map(|(part, w)| part * w).sum();
        let rewards: Vec<f64> = self.rewards.iter().map(total).collect();
        advantages(&rewards, self.group_size, scale).values
    }

    fn compare_loss(
        &self,
        config: &GrpoConfig,
        weights: &[f64],
        advantages: &[f64],
        expected: &Loss,
    ) -> Result<Comparison> {
        let objective = Objective::from(config);
        let (mut found, mut comparison) = (Sums::default(), Comparison::new(TOLERANCE));
        for (i, &weight) in weights.iter().enumerate() {
            let mut gradients = vec![0.0; self.mask[i].len()];
            // Masked completions have weight 0 and count nowhere.
            if weight > 0.0 {
                let terms = objective.completion(&self.inputs(config, i), advantages[i]);
                for (t, term) in self.counted(i).zip(&terms) {
                    gradients[t] = weight * term.gradient;
                    found.add(weight, term);
                }
            }
            let expected = expected.grad.get(i).context("too few rows of gradients")?;
            comparison.numbers(&format!("gradient of completion {i}"), &gradients, expected)?;
        }
        found.compare(&mut comparison, expected);
        Ok(comparison)
    }

    /// The positions of a completion's tokens.
    fn counted(&self, i: usize) -> impl Iterator<Item = usize> {
        let mask = &self.mask[i];
        (0..mask.len()).filter(|&t| mask[t] != 0.0)
    }

    fn inputs(&self, config: &GrpoConfig, i: usize) -> Vec<TokenInput> {
        let corrections = match self.engine_logp.get(i) {
            Some(engine) => {
                let log_ratio = |t: usize| self.old_logp[i][t] - engine[t];
                let log_ratios: Vec<f64> = self.counted(i).map(log_ratio).collect();
                config.engine_weight().of_tokens(&log_ratios)
            }
            None => vec![1.0; self.counted(i).count()],
        };
        let input = |(t, correction): (usize, f64)| TokenInput {
            policy: self.logp[i][t],
            old: self.old_logp[i][t],
            reference: Some(self.ref_logp[i][t]),
            correction,
        };
        self.counted(i).zip(corrections).map(input).collect()
    }

    /// The weight of each token of each completion.
    fn weights(&self, config: &GrpoConfig, masked: &[bool]) -> Vec<f64> {
        let lengths: Vec<usize> = (0..self.mask.len())
            .map(|i| self.counted(i).count())
            .collect();
        let longest = self.max_completion_length;
        config.loss_type.weights(&lengths, masked, longest)
    }
}

/// What is summed over the tokens.
#[derive(Default)]
struct Sums {
    tokens: f64,
    loss: f64,
    kl: f64,
    low: f64,
    high: f64,
}

impl Sums {
    fn add(&mut self, weight: f64, term: &TokenTerm) {
        self.tokens += 1.0;
        self.loss += weight * term.loss;
        self.kl += term.kl;
        self.low += f64::from(term.clipped == Some(Clipped::Low));
        self.high += f64::from(term.clipped == Some(Clipped::High));
    }

    fn compare(&self, comparison: &mut Comparison, expected: &Loss) {
        let pairs = [
            ("loss", self.loss, Some(expected.loss)),
            ("mean KL", self.kl / self.tokens, expected.mean_kl),
            ("clipped below", self.low / self.tokens, expected.clip_low),
            ("clipped above", self.high / self.tokens, expected.clip_high),
        ];
        for (name, found, expected) in pairs {
            if let Some(expected) = expected {
                comparison.number(|| name.to_owned(), found, expected);
            }
        }
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T> {
    Ok(serde_json::from_value(value.clone())?)
}

/// A value by the name that it has in recipes.
fn named<T: DeserializeOwned>(name: &str) -> Result<T> {
    typed(&Value::from(name))
}
