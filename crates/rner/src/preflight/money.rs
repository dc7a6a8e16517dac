//! What the teacher will cost, and whether its answers can be used.

use lm_train::OverLength;

use super::Finding;
use crate::plan::{TeacherCost, teacher_cost};
use crate::recipe::Recipe;

/// Tokens at which a teacher that thinks is cut off in the middle of it.
const SHORT: usize = 1024;

pub(super) fn check(recipe: &Recipe) -> Vec<Finding> {
    if recipe.cot.is_simulated() {
        return Vec::new();
    }
    let found = [cut_off(recipe), too_long(recipe), cost(recipe)];
    found.into_iter().flatten().collect()
}

fn cut_off(recipe: &Recipe) -> Option<Finding> {
    let most = recipe.cot.max_tokens;
    (most <= SHORT && recipe.cot.teacher().is_some()).then(|| {
        let what = format!(
            "cot.max_tokens is {most}: a teacher that thinks is cut off, and every answer is paid for and rejected"
        );
        Finding::warning("teacher", what).remedy("--set cot.max_tokens=8192, or --teacher NAME")
    })
}

/// Answers that the teacher may give and fine-tuning would not use.
fn too_long(recipe: &Recipe) -> Option<Finding> {
    let (answer, sequence) = (recipe.cot.max_tokens, recipe.sft.train.max_length);
    let used = recipe.sft.train.over_length == OverLength::KeepLast || answer <= sequence;
    (!used).then(|| {
        let what = format!(
            "cot.max_tokens is {answer}, but sft.train.max_length {sequence}: longer rows are not trained on"
        );
        Finding::warning("teacher", what).remedy(format!("--set sft.train.max_length={answer}"))
    })
}

fn cost(recipe: &Recipe) -> Option<Finding> {
    let budget = recipe.cot.budget_usd;
    let Some(TeacherCost { low, middle, high }) = teacher_cost(recipe) else {
        return unpriced(recipe);
    };
    if budget > 0.0 && low > budget {
        let what = format!(
            "cot.budget_usd is {budget:.2}, but the teacher costs at least ${low:.0} with short answers and one \
             attempt a row"
        );
        let remedy =
            "a larger budget, fewer rows (--limit, data.train_sentences), a cheaper teacher";
        return Some(Finding::stops("money", what).remedy(remedy).usage());
    }
    let what = format!(
        "teacher and judge cost about ${middle:.0}, from ${low:.0} to ${high:.0} with long answers and all {} attempts",
        recipe.cot.attempts
    );
    if budget == 0.0 {
        let remedy = format!(
            "a limit: --set cot.budget_usd={:.0}",
            (2.0 * middle).ceil().max(1.0)
        );
        return Some(
            Finding::warning("money", format!("{what}; no budget stops them")).remedy(remedy),
        );
    }
    Some(Finding::note(
        "money",
        format!("{what}; the budget stops them at ${budget:.2}"),
    ))
}

/// A server elsewhere is hardly ever free.
fn unpriced(recipe: &Recipe) -> Option<Finding> {
    let url = recipe.cot.teacher().or(recipe.cot.judge())?;
    let own = [
        "://localhost",
        "://127.",
        "://[::1]",
        "://10.",
        "://192.168.",
    ];
    let known = recipe.cot.price_in + recipe.cot.price_out > 0.0;
    (!known && !own.iter().any(|start| url.contains(start))).then(|| {
        let what = format!("no price is known for {url}, so no budget in dollars can stop it");
        Finding::warning("money", what)
            .remedy("--set cot.price_in=… --set cot.price_out=… --set cot.budget_usd=…")
    })
}
