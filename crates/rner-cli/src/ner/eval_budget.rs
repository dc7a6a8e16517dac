//! `rner eval --budget`: one evaluation for each budget of the reasoning, and the curve of them all.

use std::path::Path;

use anyhow::{Context, Result};
use ner_eval::curve::{Curve, CurvePoint};
use ner_eval::curve_files::write_curve;
use ner_eval::prediction::read_predictions;
use ner_eval::{EvalResult, RunReport};
use rner::reasoning::Reasoning;
use rner::recipe::Recipe;
use rner::stages::{SPEED, Speed};
use rner_cli::exit::usage;
use serde::de::DeserializeOwned;

use crate::cli::EvalArgs;

/// Refuses a budget where nothing in this process writes.
///
/// # Errors
/// Wrong usage.
pub(super) fn check(args: &EvalArgs, recipe: &Recipe) -> Result<()> {
    let is_given = !args.budget.is_empty() || recipe.eval.reasoning != Reasoning::Free;
    if is_given && args.source.model.is_none() {
        return Err(usage(
            "--reasoning, --budget and eval.reasoning go with --model only: a server has its own ways to say how much is \
             thought",
        ));
    }
    Ok(())
}

/// Evaluates a model once with each budget, by `evaluate` into a folder of its own, and writes the curve.
///
/// # Errors
/// As those of one evaluation; what is done by then is taken up by the same command.
pub(super) fn run(
    budgets: &[Reasoning],
    recipe: &Recipe,
    (model, out): (&Path, &Path),
    evaluate: impl Fn(&Recipe, &Path) -> Result<()>,
) -> Result<()> {
    let mut points = Vec::new();
    for budget in budgets {
        let mut recipe = recipe.clone();
        recipe.eval.reasoning = *budget;
        let folder = out.join(format!("budget-{budget}"));
        atomic_files::fs::create_dir_all(&folder)?;
        rner_cli::say!("--budget {budget}");
        evaluate(&recipe, &folder)?;
        points.push(point(&budget.to_string(), &folder)?);
    }
    let curve = Curve {
        system: model.display().to_string(),
        resamples: recipe.eval.bootstrap_resamples,
        seed: recipe.run.seed,
        points,
    };
    let files = write_curve(&curve, out)?;
    print!("{}", curve.to_text());
    println!("{}\n{}", files.data.display(), files.page.display());
    Ok(())
}

/// The point of an evaluation that is done.
fn point(budget: &str, folder: &Path) -> Result<CurvePoint> {
    let report: RunReport = read(&folder.join("results.json"))?;
    let result: &EvalResult = &report.result;
    let answers = read_predictions(&folder.join("predictions.jsonl"))?;
    // Without it the answers are older than the file.
    let speed = read::<Speed>(&folder.join(SPEED)).ok();
    let seconds = speed.map(|speed| speed.seconds / speed.sentences.max(1) as f64);
    Ok(CurvePoint::new(budget, result, &answers, seconds))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: not what was written", path.display()))
}
