//! The steps of the ablation as rows of ready-made cells.

use ner_eval::page::figures::{p_text, p_value, plain, signed, signed_interval};
use ner_eval::paper::ABLATION;
use ner_eval::steps::{Step, Steps};
use serde_json::{Value, json};

/// A p-value below this is called significant.
pub(super) const LEVEL: f64 = 0.05;

/// The steps with their gains, intervals and p-values.
pub(super) fn view(steps: &Steps) -> Value {
    let seeds = steps
        .steps
        .iter()
        .map(|step| step.seeds.len())
        .max()
        .unwrap_or(0);
    json!({
        "rows": steps.steps.iter().map(|step| row(step, steps.rounds)).collect::<Vec<_>>(),
        "rounds": steps.rounds,
        "sentences": steps.steps.first().map(|step| step.sentences),
        "seeds": seeds.max(1),
        "over_seeds": steps.steps.iter().any(|step| step.over_seeds.is_some()),
        "paper": ABLATION.map(|(name, f1)| json!({ "name": name, "f1": format!("{f1:.1}") })),
    })
}

/// Whether a gain is shown: over sentences after correction and, where there are seeds enough, over seeds too.
pub(super) fn is_shown(step: &Step) -> bool {
    step.p_holm < LEVEL && step.over_seeds.is_none_or(|test| test.p_value < LEVEL)
}

fn row(step: &Step, rounds: usize) -> Value {
    let t_test = step
        .over_seeds
        .map(|test| json!({ "t": plain(test.t, 2), "df": test.df, "p": p_text(test.p_value) }));
    json!({
        "from": step.from,
        "to": step.to,
        "gain": signed(step.gain, 2),
        "interval": signed_interval(step.interval.low, step.interval.high, 2),
        "p": p_value(step.p_value, step.p_value, rounds),
        "p_holm": p_value(step.p_holm, step.p_value, rounds),
        "shown": is_shown(step),
        "by_seed": step.by_seed.iter().map(|gain| signed(*gain, 2)).collect::<Vec<_>>(),
        "t_test": t_test,
    })
}
