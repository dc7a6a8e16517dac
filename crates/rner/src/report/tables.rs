//! The tables of the report as rows of ready-made cells.

use super::data::ModelResult;
use ner_cot::Funnel;
use ner_datasets::BENCHMARK_SETS;
use ner_eval::{EvalResult, PaperRow, TABLE_1};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Mark of a figure that does not exist.
const ABSENT: &str = "–";

/// The results: a row per model, below it one per seed if there are several.
pub(super) fn results(results: &[ModelResult]) -> Value {
    let sets = set_names(results);
    json!({
        "sets": sets.iter().map(|s| short(s)).collect::<Vec<_>>(),
        "rows": rows(results, &sets),
        "is_benchmark": is_benchmark(&sets),
        "sentences": results.first().map(|r| sentences(&r.result)),
        "incomplete": results.iter().any(|r| !r.result.complete),
    })
}

fn rows(results: &[ModelResult], sets: &[&str]) -> Vec<Row> {
    by_model(results)
        .into_iter()
        .map(|(name, runs)| model_row(name, &runs, sets))
        .collect()
}

fn is_benchmark(sets: &[&str]) -> bool {
    !sets.is_empty() && sets.iter().all(|s| BENCHMARK_SETS.contains(s))
}

fn sentences(result: &EvalResult) -> usize {
    result.sets.iter().map(|s| s.sentences + s.unanswered).sum()
}

/// Names of all sets, in the order in which they occur.
fn set_names(results: &[ModelResult]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for set in results.iter().flat_map(|r| &r.result.sets) {
        if !names.contains(&set.name.as_str()) {
            names.push(&set.name);
        }
    }
    names
}

fn by_model(results: &[ModelResult]) -> Vec<(&str, Vec<&ModelResult>)> {
    let mut models: Vec<(&str, Vec<&ModelResult>)> = Vec::new();
    for result in results {
        match models.iter_mut().find(|(name, _)| *name == result.name) {
            Some((_, runs)) => runs.push(result),
            None => models.push((&result.name, vec![result])),
        }
    }
    models
}

/// A row of the results: a model over all its seeds, or one of them.
#[derive(Serialize)]
struct Row {
    name: String,
    cells: Vec<String>,
    score: String,
    spread: String,
    seeds: Vec<Row>,
}

fn model_row(name: &str, runs: &[&ModelResult], sets: &[&str]) -> Row {
    let cells = sets
        .iter()
        .map(|set| {
            let f1 = runs.iter().filter_map(|r| r.result.set(set)).map(|s| s.f1);
            mean(f1).map_or(ABSENT.into(), |m| format!("{m:.1}"))
        })
        .collect();
    let means: Vec<f64> = runs.iter().map(|r| r.result.mean_f1).collect();
    let (score, spread, seeds) = match (runs, deviation(&means)) {
        ([only], _) => (
            format!("{:.2}", only.result.mean_f1),
            interval(&only.result),
            vec![],
        ),
        (_, sd) => (
            format!(
                "{:.2} ± {:.2}",
                mean(means.iter().copied()).unwrap_or(0.0),
                sd.unwrap_or(0.0)
            ),
            format!("{} seeds", runs.len()),
            runs.iter().map(|run| seed_row(run, sets)).collect(),
        ),
    };
    Row {
        name: name.to_owned(),
        cells,
        score,
        spread,
        seeds,
    }
}

fn seed_row(run: &ModelResult, sets: &[&str]) -> Row {
    let f1 = |set: &&str| {
        run.result
            .set(set)
            .map_or(ABSENT.into(), |s| format!("{:.1}", s.f1))
    };
    Row {
        name: format!("seed {}", run.seed),
        cells: sets.iter().map(f1).collect(),
        score: format!("{:.2}", run.result.mean_f1),
        spread: interval(&run.result),
        seeds: vec![],
    }
}

fn interval(result: &EvalResult) -> String {
    format!("{:.1} to {:.1}", result.interval.low, result.interval.high)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation; none of fewer than two values.
fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values.iter().copied())?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// What the scores do not show: answers that could not be read, cut or lengthy ones.
pub(super) fn details(results: &[ModelResult]) -> Vec<Value> {
    results.iter().map(detail).collect()
}

fn detail(run: &ModelResult) -> Value {
    let sets = &run.result.sets;
    let answered: usize = sets.iter().map(|s| s.sentences).sum();
    let share = |count: usize| percent(count, answered);
    let sum = |count: fn(&ner_eval::SetResult) -> usize| sets.iter().map(count).sum::<usize>();
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
fn reasoning_length(sets: &[ner_eval::SetResult]) -> String {
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

/// The results as aligned plain text, for the end of a run.
///
/// On the paper's own test sets its ReasoningNER rows follow, marked as its.
pub fn text_table(results: &[ModelResult]) -> String {
    let sets = set_names(results);
    let mut lines: Vec<Vec<String>> = vec![header(&sets)];
    for row in rows(results, &sets) {
        lines.push(text_row("", &row));
        lines.extend(row.seeds.iter().map(|seed| text_row("  ", seed)));
    }
    if is_benchmark(&sets) {
        let own = TABLE_1
            .iter()
            .filter(|r| r.model.starts_with("ReasoningNER"));
        lines.extend(
            own.filter(|r| !r.b2ner_test_sets)
                .map(|r| paper_line(r, &sets)),
        );
    }
    aligned(&lines)
}

fn header(sets: &[&str]) -> Vec<String> {
    let names = sets.iter().map(|s| short(s));
    let last = ["mean", "95 % interval"].map(String::from);
    std::iter::once("F1 in percent".to_owned())
        .chain(names)
        .chain(last)
        .collect()
}

fn text_row(indent: &str, row: &Row) -> Vec<String> {
    let mut line = vec![format!("{indent}{}", row.name)];
    line.extend(row.cells.iter().cloned());
    line.extend([row.score.clone(), row.spread.clone()]);
    line
}

fn paper_line(row: &PaperRow, sets: &[&str]) -> Vec<String> {
    let cell = |v: Option<f64>| v.map_or(ABSENT.to_owned(), |v| format!("{v:.1}"));
    let mut line = vec![format!("the paper's {}", row.model)];
    line.extend(sets.iter().map(|set| cell(row.f1_on(set))));
    // The paper's mean is over all seven sets.
    line.push(cell(
        row.average.filter(|_| sets.len() == BENCHMARK_SETS.len()),
    ));
    line
}

/// Columns two spaces apart, the first to the left and the others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        lines
            .iter()
            .filter_map(|l| l.get(c))
            .map(|t| t.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (i, cell) in line.iter().enumerate() {
            let pad = " ".repeat(widths[i] - cell.chars().count());
            text.push_str(&if i == 0 {
                format!("{cell}{pad}")
            } else {
                format!("  {pad}{cell}")
            });
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
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
    json!({ "sets": BENCHMARK_SETS.iter().map(|s| short(s)).collect::<Vec<_>>(), "rows": rows })
}

/// The benchmark's sets under short names.
fn short(set: &str) -> String {
    let name = set
        .strip_prefix("CrossNER_")
        .or(set.strip_prefix("mit-"))
        .unwrap_or(set);
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
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
        "samples": funnel.samples.iter().take(6).collect::<Vec<_>>(),
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
    for (reason, count) in by_frequency(&funnel.rejected_answers) {
        text.push_str(&format!(
            "\n  rejected: {count:>6}  {}",
            reason.replace('_', " ")
        ));
    }
    text
}

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
                "reason": reason.replace('_', " "),
                "count": n,
                "share": percent(n, answers),
                "width": (100 * n / most),
            })
        })
        .collect()
}
