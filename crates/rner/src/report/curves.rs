//! The training curves of a report, gathered from `metrics.jsonl`.

use super::chart::{Chart, Series};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is drawn: title, beginning of the stage's name, metric, name of the y axis.
const CURVES: [(&str, &str, &str, &str); 9] = [
    ("SFT: loss", "sft", "loss", "nats per token"),
    ("GRPO: reward", "grpo", "reward", "reward"),
    (
        "GRPO: reward of held-out prompts",
        "grpo",
        "eval_reward",
        "reward",
    ),
    (
        "GRPO: F1 part of the reward",
        "grpo",
        "rewards/f1/mean",
        "F1",
    ),
    (
        "GRPO: KL to the CoT-tuned model",
        "grpo",
        "kl",
        "nats per token",
    ),
    (
        "GRPO: completion length",
        "grpo",
        "completions/mean_length",
        "tokens",
    ),
    ("GRPO: entropy", "grpo", "entropy", "nats per token"),
    (
        "GRPO: answers without entities",
        "grpo",
        "rewards/empty_answer/mean",
        "share",
    ),
    (
        "GRPO: answers with labels outside the schema",
        "grpo",
        "rewards/outside_schema/mean",
        "share",
    ),
];

/// One chart per metric that was logged, one line per stage and seed.
pub fn charts(lines: &[Value]) -> Vec<Chart> {
    let seeds: BTreeSet<String> = lines.iter().map(seed).collect();
    CURVES
        .iter()
        .filter_map(|(title, stage, metric, y_label)| {
            let series = series(lines, stage, metric, seeds.len() > 1);
            (!series.is_empty()).then(|| Chart {
                title: (*title).to_owned(),
                x_label: "step".to_owned(),
                y_label: (*y_label).to_owned(),
                series,
            })
        })
        .collect()
}

fn series(lines: &[Value], prefix: &str, metric: &str, name_seeds: bool) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for line in lines {
        let stage = line
            .get("stage")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let (true, Some(x), Some(y)) = (
            stage.starts_with(prefix),
            step(line),
            line.get(metric).and_then(Value::as_f64),
        ) else {
            continue;
        };
        let name = if name_seeds {
            format!("{stage}, seed {}", seed(line))
        } else {
            stage.to_owned()
        };
        match all.iter_mut().find(|s| s.name == name) {
            Some(series) => series.points.push([x, y]),
            None => all.push(Series {
                name,
                points: vec![[x, y]],
            }),
        }
    }
    all
}

fn step(line: &Value) -> Option<f64> {
    line.get("global_step").or(line.get("step"))?.as_f64()
}

fn seed(line: &Value) -> String {
    line.get("seed").map(Value::to_string).unwrap_or_default()
}
