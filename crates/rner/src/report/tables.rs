//! The tables of the report as rows of ready-made cells.

use super::data::ReportData;
use super::fold::folded;
use super::headline;
use super::model_result::ModelResult;
use super::reasons::reason_words;
use super::setting::{Comparison, sentences};
use ner_cot::Funnel;
use ner_cot::report::Rejection;
use ner_datasets::BENCHMARK_SETS;
use ner_eval::EvalResult;
use ner_eval::page::figures::ABSENT;
use ner_eval::paper::TABLE_1;
use ner_eval::table::{SeedResult, SeedTable, short_name};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The results: a row per model, below it one per seed if there are several, and the paper's rows if they are on the
/// same sentences.
pub(super) fn results(data: &ReportData) -> Value {
    let runs = runs(&data.results);
    let table = SeedTable::new(&runs);
    let (beside, apart) = match data.setting.comparison(first(data)) {
        Comparison::Beside(beside) => (table.beside(Some(beside)), None),
        Comparison::Apart(why) => (Vec::new(), Some(why)),
    };
    let n_sets = table.sets.len();
    let beside: Vec<Value> = beside
        .into_iter()
        .map(|(name, cells)| {
            json!({
                "name": name,
                "score": cells.get(n_sets),
                "others": cells.iter().skip(n_sets + 1).collect::<Vec<_>>(),
                "cells": cells.iter().take(n_sets).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "measure": data.setting.measure(),
        "sets": table.columns(),
        "other_means": table.other_means(),
        "rows": table.rows,
        "beside": beside,
        "apart": apart,
        "has_seeds": table.rows.iter().any(|row| !row.seeds.is_empty()),
        "sentences": data.results.first().map(|r| sentences(&r.result)),
        "incomplete": data.results.iter().any(|r| !r.result.complete),
    })
}

/// The results as aligned plain text, for the end of a run: the table, what each step adds, and what that answers.
///
/// On the paper's own test sentences its ReasoningNER rows follow, marked as its, and the distance to the one with the
/// same base model. Where they are on something else, the text says why they do not.
pub fn text_table(data: &ReportData) -> String {
    let runs = runs(&data.results);
    let table = SeedTable::new(&runs);
    let mut text = match data.setting.comparison(first(data)) {
        Comparison::Beside(beside) => table.table(Some(beside)).to_text(),
        Comparison::Apart(why) => {
            let mut text = table.table(None).to_text();
            if table.is_benchmark() {
                let measure = data.setting.measure();
                text += &format!("{measure}; the paper's rows are not beside it. {why}\n");
            }
            text
        }
    };
    let steps = data.steps.to_text();
    for part in [steps, headline::text(data)] {
        if !part.is_empty() {
            text.push('\n');
            text += &part;
        }
    }
    text
}

/// The result that says which sets were scored, and how many sentences.
fn first(data: &ReportData) -> Option<&EvalResult> {
    data.results.first().map(|run| &run.result)
}

fn runs(results: &[ModelResult]) -> Vec<SeedResult<'_>> {
    let runs = results.iter().map(|run| SeedResult {
        name: &run.name,
        seed: run.seed,
        result: &run.result,
    });
    runs.collect()
}

/// What the scores do not show: answers that could not be read, cut or lengthy ones.
pub(super) fn details(results: &[ModelResult]) -> Vec<Value> {
    results.iter().map(detail).collect()
}

fn detail(run: &ModelResult) -> Value {
    let sets = &run.result.sets;
    let answered: usize = sets.iter().map(|s| s.sentences).sum();
    let share = |count: usize| percent(count, answered);
    let sum =
        |count: fn(&ner_eval::result::SetResult) -> usize| sets.iter().map(count).sum::<usize>();
    json!({
        "name": run.name,
        "seed": run.seed,
        "answered": answered,
        "parse_failures": share(sum(|s| s.parse_failures)),
        "truncated": share(sum(|s| s.truncated)),
        "schema_violations": sum(|s| s.schema_violations),
        "hallucinated": sum(|s| s.hallucinated_entities),
        "reasoning": reasoning_length(sets),
    })
}

/// The longest median and 95th percentile among the sets.
fn reasoning_length(sets: &[ner_eval::result::SetResult]) -> String {
    let lengths = || sets.iter().filter_map(|s| s.reasoning_chars);
    match (
        lengths().map(|l| l.median).max(),
        lengths().map(|l| l.p95).max(),
    ) {
        (Some(median), Some(p95)) => format!("{median} / {p95}"),
        _ => ABSENT.to_owned(),
    }
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return ABSENT.to_owned();
    }
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}

/// The paper's Table 1.
pub(super) fn paper() -> Value {
    let cell = |v: Option<f64>| v.map_or(ABSENT.to_owned(), |v| format!("{v:.1}"));
    let rows: Vec<Value> = TABLE_1
        .iter()
        .map(|row| {
            let mark = if row.b2ner_test_sets { " ♣" } else { "" };
            json!({
                "name": format!("{}{mark}", row.model),
                "cells": row.f1.iter().copied().map(cell).collect::<Vec<_>>(),
                "score": cell(row.average),
                "own": row.model.starts_with("ReasoningNER"),
            })
        })
        .collect();
    json!({ "sets": BENCHMARK_SETS.iter().map(|s| short_name(s)).collect::<Vec<_>>(), "rows": rows })
}

/// The way from sentences to accepted rows.
pub(super) fn funnel(funnel: &Funnel) -> Value {
    let judged = funnel.judged();
    let thresholds: Vec<Value> = funnel
        .accepted_at_threshold
        .iter()
        .map(|(at, n)| json!({ "at": at, "share": percent(*n, judged), "count": n }))
        .collect();
    json!({
        "rows": funnel.rows,
        "answers": funnel.answers,
        "judged": judged,
        "accepted": funnel.accepted,
        "accepted_share": percent(funnel.accepted, funnel.rows),
        "rejected": funnel.rejected,
        "unfinished": funnel.unfinished,
        "threshold": funnel.threshold,
        "attempts": funnel.accepted_at_attempt,
        "reasons": reasons(&funnel.rejected_answers, funnel.answers),
        "thresholds": thresholds,
        "teacher": funnel.provenance.teacher_model,
        "judge": funnel.provenance.judge_model,
        "samples": funnel.samples.iter().take(6).map(rejected).collect::<Vec<_>>(),
    })
}

/// A rejected answer to look at.
fn rejected(sample: &Rejection) -> Value {
    json!({
        "reason": reason_words(&sample.reason),
        "detail": sample.detail,
        "sentence": sample.sentence,
        "answer": folded(&sample.answer),
    })
}

/// The same in a few lines of plain text.
pub fn funnel_text(funnel: &Funnel) -> String {
    let mut text = format!(
        "{} of {} sentences accepted, {} given up, {} unfinished; {} answers, {} judged",
        funnel.accepted,
        funnel.rows,
        funnel.rejected,
        funnel.unfinished,
        funnel.answers,
        funnel.judged()
    );
    for (reason, count) in funnel.not_asked() {
        text.push_str(&format!(
            "\n  not asked: {count:>5}  {}",
            reason.replace('_', " ")
        ));
    }
    for (reason, count) in by_frequency(&funnel.rejected_answers) {
        text.push_str(&format!(
            "\n  rejected: {count:>6}  {}",
            reason.replace('_', " ")
        ));
    }
    if funnel.respelt > 0 {
        text.push_str(&format!(
            "\n  think tags that the reasoning quotes are spelt [think] in {} accepted rows",
            funnel.respelt
        ));
    }
    text + &failed_text(funnel)
}

/// The rows that their servers would not answer, by name.
fn failed_text(funnel: &Funnel) -> String {
    if funnel.failed == 0 {
        return String::new();
    }
    let mut text = format!(
        "\n  failed:   {:>6}  at the server, not asked again unless with --retry-failed (cot.retry_failed):",
        funnel.failed
    );
    for row in funnel.failed_rows.iter().take(FAILED_SHOWN) {
        let guid = row.guid.as_ref().map(|guid| format!(" ({guid})"));
        let reason = row.reason.name().replace('_', " ");
        text.push_str(&format!(
            "\n    row {}{}: {reason}, status {}: {}",
            row.row + 1,
            guid.unwrap_or_default(),
            row.status,
            row.message
        ));
    }
    match funnel.failed.saturating_sub(FAILED_SHOWN) {
        0 => text,
        more => format!("{text}\n    and {more} more; funnel.json names them"),
    }
}

/// Failed rows that a text names.
const FAILED_SHOWN: usize = 5;

fn by_frequency(counts: &BTreeMap<String, usize>) -> Vec<(&String, usize)> {
    let mut sorted: Vec<(&String, usize)> = counts.iter().map(|(r, n)| (r, *n)).collect();
    sorted.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    sorted
}

/// Reasons of rejection, the most frequent first.
fn reasons(counts: &BTreeMap<String, usize>, answers: usize) -> Vec<Value> {
    let sorted = by_frequency(counts);
    let most = sorted.first().map_or(1, |(_, n)| *n).max(1);
    sorted
        .into_iter()
        .map(|(reason, n)| {
            json!({
                "reason": reason_words(reason),
                "count": n,
                "share": percent(n, answers),
                "width": (100 * n / most),
            })
        })
        .collect()
}
