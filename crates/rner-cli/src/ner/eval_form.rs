//! `rner eval --form`: answers that are held to a form, and free ones beside them, because a form can hurt.

use std::path::Path;

use anyhow::{Context, Result};
use ner_eval::RunReport;
use rner::recipe::{Form, Recipe};

/// The folder of the free answers, in that of the others.
const FREE: &str = "free";

/// Evaluates a model with the form of a recipe and without one, by `evaluate`, and says what the form changes.
///
/// # Errors
/// As those of one evaluation; what is done by then is taken up by the same command.
pub(super) fn run(
    recipe: &Recipe,
    out: &Path,
    evaluate: impl Fn(&Recipe, &Path) -> Result<()>,
) -> Result<()> {
    let name = recipe.eval.form.name();
    rner_cli::say!("held to the form {name}");
    evaluate(recipe, out)?;
    let (mut free, folder) = (recipe.clone(), out.join(FREE));
    free.eval.form = Form::Free;
    atomic_files::fs::create_dir_all(&folder)?;
    rner_cli::say!("free, to compare with");
    evaluate(&free, &folder)?;
    let (with, without) = (mean_f1(out)?, mean_f1(&folder)?);
    println!(
        "mean F1 {with:.2} with the form {name}, {without:.2} without ({:+.2}); {}",
        with - without,
        folder.display()
    );
    Ok(())
}

/// The mean F1 of an evaluation that is done, in percent.
fn mean_f1(folder: &Path) -> Result<f64> {
    let path = folder.join("results.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let report: RunReport = serde_json::from_str(&text)
        .with_context(|| format!("{}: not what was written", path.display()))?;
    Ok(report.result.mean_f1)
}
