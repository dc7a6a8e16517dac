//! The sections with numbers.

use std::collections::BTreeMap;

use super::markdown::{inline, thousands};
use super::{Card, CardModel};
use crate::report::THRESHOLDS;

pub(super) fn acceptance(card: &Card) -> String {
    let mut out = format!(
        "## Acceptance\n\n{} of {} source rows were accepted{}, {} were left open.\n\n\
         | Least score | Judged answers accepted | Share |\n|---|---|---|\n",
        thousands(card.rows as u64),
        thousands(card.source_rows as u64),
        percent_in_brackets(card.rows, card.source_rows),
        thousands(card.unfinished as u64),
    );
    for threshold in THRESHOLDS {
        let accepted = card.accepted_at_threshold.get(&threshold).copied();
        let share = accepted.and_then(|accepted| percent(accepted, card.judged));
        let share = share.unwrap_or_else(|| "–".into());
        let accepted = accepted.map_or_else(|| "–".into(), |n| thousands(n as u64));
        out += &format!("| {threshold} | {accepted} | {share} |\n");
    }
    if !card.accepted_at_attempt.is_empty() {
        out += "\n| Attempt | Rows accepted |\n|---|---|\n";
        for (attempt, &rows) in card.accepted_at_attempt.iter().enumerate() {
            out += &format!("| {} | {} |\n", attempt + 1, thousands(rows as u64));
        }
    }
    out
}

fn percent(part: usize, whole: usize) -> Option<String> {
    (whole > 0).then(|| format!("{:.1} %", 100.0 * part as f64 / whole as f64))
}

fn percent_in_brackets(part: usize, whole: usize) -> String {
    percent(part, whole).map_or_else(String::new, |share| format!(" ({share})"))
}

pub(super) fn rejections(card: &Card) -> String {
    let mut reasons: Vec<&String> = card.rejected_answers.keys().collect();
    reasons.extend(card.rejected_rows.keys());
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        return "## Rejections\n\nNone.\n".into();
    }
    let mut out = String::from(
        "## Rejections\n\nAnswers count under the first reason found, rows under that of their last attempt.\n\n\
         | Reason | Answers | Rows |\n|---|---|---|\n",
    );
    for reason in reasons {
        let count = |map: &BTreeMap<String, usize>| map.get(reason).copied().unwrap_or(0) as u64;
        let answers = thousands(count(&card.rejected_answers));
        let rows = thousands(count(&card.rejected_rows));
        out += &format!("| {} | {answers} | {rows} |\n", inline(reason));
    }
    out
}

pub(super) fn removed(card: &Card) -> String {
    let near = card.removed.near_duplicates.map_or_else(
        || "Near-duplicates were not looked for.".into(),
        |n| format!("Near-duplicates removed: {}.", thousands(n as u64)),
    );
    let mut out = format!("## Duplicates and leakage\n\n{near} ");
    match &card.removed.leakage {
        None => out += "Overlap with evaluation data was not looked at.\n",
        Some(sets) if sets.is_empty() => out += "No row stands in the evaluation data.\n",
        Some(sets) => {
            out +=
                "Rows that stand in evaluation data were removed:\n\n| Set | Rows |\n|---|---|\n";
            for (set, &rows) in sets {
                out += &format!("| {} | {} |\n", inline(set), thousands(rows as u64));
            }
        }
    }
    out
}

pub(super) fn usage(card: &Card) -> String {
    let mut out = String::from(
        "## Tokens and cost\n\nAs the servers reported them, rejected answers included.\n\n\
         | | Answers | Prompt tokens | Completion tokens | Tokens per row | US dollars | per row |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let (teacher, judge) = (&card.teacher, &card.judge);
    let total = CardModel {
        answers: teacher.answers + judge.answers,
        prompt_tokens: teacher.prompt_tokens + judge.prompt_tokens,
        completion_tokens: teacher.completion_tokens + judge.completion_tokens,
        // A sum of one known and one unknown price would be too low.
        dollars: teacher.dollars.zip(judge.dollars).map(|(t, j)| t + j),
        ..CardModel::default()
    };
    for (role, model) in [("Teacher", teacher), ("Judge", judge), ("Total", &total)] {
        out += &usage_row(role, model, card.rows);
    }
    out
}

fn usage_row(role: &str, model: &CardModel, rows: usize) -> String {
    let per_row = |value: f64| (rows > 0).then(|| value / rows as f64);
    let tokens = model.prompt_tokens + model.completion_tokens;
    let tokens = per_row(tokens as f64).map_or_else(|| "–".into(), |n| format!("{n:.0}"));
    let dollars = model.dollars;
    let each = dollars.and_then(per_row);
    format!(
        "| {role} | {} | {} | {} | {tokens} | {} | {} |\n",
        thousands(model.answers),
        thousands(model.prompt_tokens),
        thousands(model.completion_tokens),
        dollars.map_or_else(|| "unknown".into(), |sum| format!("{sum:.2}")),
        each.map_or_else(|| "–".into(), |sum| format!("{sum:.6}")),
    )
}
