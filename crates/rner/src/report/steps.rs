//! The steps of the ablation as rows of ready-made cells.

use ner_eval::paper::ABLATION;
use ner_eval::steps::{Step, Steps, p_text};
use serde_json::{Value, json};

/// A p-value below this is called significant.
const LEVEL: f64 = 0.05;

/// The steps with their gains, intervals and p-values.
pub(super) fn view(steps: &Steps) -> Value {
    let seeds = steps
        .steps
        .iter()
        .map(|step| step.seeds.len())
        .max()
        .unwrap_or(0);
    json!({
        "rows": steps.steps.iter().map(row).collect::<Vec<_>>(),
        "rounds": steps.rounds,
        "sentences": steps.steps.first().map(|step| step.sentences),
        "seeds": seeds.max(1),
        "over_seeds": steps.steps.iter().any(|step| step.over_seeds.is_some()),
        "paper": ABLATION.map(|(name, f1)| json!({ "name": name, "f1": format!("{f1:.1}") })),
    })
}

/// Whether a gain is shown: over sentences after correction and, where there are seeds enough, over seeds too.
fn is_shown(step: &Step) -> bool {
    step.p_holm < LEVEL && step.over_seeds.is_none_or(|test| test.p_value < LEVEL)
}

fn row(step: &Step) -> Value {
    let t_test = step.over_seeds.map(
        |test| json!({ "t": format!("{:.2}", test.t), "df": test.df, "p": p_text(test.p_value) }),
    );
    json!({
        "from": step.from,
        "to": step.to,
        "gain": format!("{:+.2}", step.gain),
        "interval": format!("{:+.2} to {:+.2}", step.interval.low, step.interval.high),
        "p": p_text(step.p_value),
        "p_holm": p_text(step.p_holm),
        "shown": is_shown(step),
        "by_seed": step.by_seed.iter().map(|gain| format!("{gain:+.1}")).collect::<Vec<_>>(),
        "t_test": t_test,
    })
}
