//! What is said of the teacher and the judge.

use std::fmt::{Result, Write};

use crate::plan::teacher::{self, PRICES, Price};
use crate::plan::words::count;
use crate::plan::work;
use crate::recipe::{Cot, Recipe};
pub(super) fn cot(out: &mut String, recipe: &Recipe) -> Result {
    writeln!(out, "\n1 CoT generation")?;
    let sentences = work::teacher_sentences(recipe);
    writeln!(out, "  {} for the teacher", count(sentences, "sentences"))?;
    let c = &recipe.cot;
    match (c.teacher(), sentences) {
        (None, _) => writeln!(
            out,
            "  teacher  simulated by this program: no network, no cost"
        )?,
        (Some(url), rows) => billed(out, recipe, url, rows)?,
    }
    let judge = match c.judge() {
        None => "simulated by this program".to_owned(),
        Some(url) => format!("{} at {url}{}", c.judge_model, judge_time(sentences)),
    };
    writeln!(out, "  judge    {judge}")?;
    writeln!(
        out,
        "           keeps scores of at least {}, {}",
        c.judge_threshold,
        patience(c)
    )
}

fn patience(c: &Cot) -> String {
    format!(
        "at most {} attempts a sentence, {} requests at once",
        c.attempts, c.concurrency
    )
}

fn judge_time(rows: Option<usize>) -> String {
    let Some(rows) = rows else {
        return String::new();
    };
    let [slow, fast] = teacher::judge_hours(rows);
    format!(", {fast:.1} to {slow:.1} h of one H100 (2,300 tokens a row)")
}

fn billed(out: &mut String, recipe: &Recipe, url: &str, rows: Option<usize>) -> Result {
    let p = &recipe.plan;
    let [low, mid, high] = p.teacher_tokens_out;
    writeln!(out, "  teacher  {} at {url}", recipe.cot.teacher_model)?;
    let Some(rows) = rows else {
        return writeln!(
            out,
            "  cost     not known: the recipe does not say how many sentences"
        );
    };
    let own = Price {
        name: "this recipe's prices",
        input: recipe.cot.price_in,
        output: recipe.cot.price_out,
    };
    writeln!(
        out,
        "  cost     {} tokens in; {low} / {mid} / {high} tokens out",
        p.teacher_tokens_in
    )?;
    for price in std::iter::once(&own).chain(&PRICES) {
        let [a, b, c] =
            [low, mid, high].map(|t| teacher::cost(rows, p.teacher_tokens_in, t, price));
        let list = format!("(${:.2} / ${:.2} per million)", price.input, price.output);
        writeln!(
            out,
            "           ${a:.0} / ${b:.0} / ${c:.0}: {} {list}",
            price.name
        )?;
    }
    writeln!(
        out,
        "           one attempt a row and no cache hits; a second attempt of every row doubles it"
    )?;
    if let Some(cost) = teacher::teacher_cost(recipe) {
        writeln!(
            out,
            "           with the judge ${:.0} / ${:.0}, and ${:.0} with all attempts; budget {}",
            cost.low,
            cost.middle,
            cost.high,
            budget(recipe.cot.budget_usd)
        )?;
    }
    Ok(())
}

fn budget(dollars: f64) -> String {
    if dollars > 0.0 {
        format!("${dollars:.2}")
    } else {
        "none (cot.budget_usd)".to_owned()
    }
}
