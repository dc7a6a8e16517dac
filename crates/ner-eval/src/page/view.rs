//! What the page shows, as cells that the template only lays out.

use ner_datasets::BENCHMARK_SETS;
use ner_score::ErrorClass;
use ner_score::buckets::BucketBy;
use ner_score::metrics::Row;
use serde_json::{Value, json};

use super::figures::{self, ABSENT, plain};
use super::{PageData, errors};
use crate::analysis::{SetAnalysis, Signatures};
use crate::competitors::COMPETITORS;
use crate::paper::{PAPER, TABLE_1};
use crate::result::{Lengths, SetResult};
use crate::suite::Suite;
use crate::table::short_name;

/// Everything on the page.
pub(super) fn view(report: &PageData<'_>, suite: &Suite) -> Value {
    let sets: Vec<&str> = report
        .result
        .sets
        .iter()
        .map(|set| set.name.as_str())
        .collect();
    let is_benchmark = report.is_benchmark;
    json!({
        "system": report.system,
        "suite": report.result.suite,
        "scorer": report.analysis.scorer,
        "prompting": report.prompting,
        "sentences": report.result.sets.iter().map(|set| set.sentences).sum::<usize>(),
        "complete": report.result.complete,
        "resamples": report.result.resamples,
        "unanswered": report.result.sets.iter().map(|set| set.unanswered).sum::<usize>(),
        "failures": report.result.failures,
        "faults": report.faults.filter(|faults| faults.total() > 0).map(ToString::to_string),
        "absent": {"lines": report.absent, "names": absent_names(report.absent)},
        "notes": report.notes,
        "sources": report.sources,
        "is_benchmark": is_benchmark,
        "measure": if sets.len() > 1 { "mean F1" } else { "F1" },
        // The paper has a mean over its seven sets only.
        "has_mean": sets.len() > 1 && (!is_benchmark || sets.len() == BENCHMARK_SETS.len()),
        "headline": headline(report),
        "axis": [0, 20, 40, 60, 80, 100],
        "tracks": tracks(report),
        "columns": sets.iter().map(|set| short_name(set)).collect::<Vec<_>>(),
        "ours": ours(report),
        "paper_source": PAPER,
        "paper": if is_benchmark { paper(&sets) } else { Vec::new() },
        "competitors": if is_benchmark { competitors(&sets) } else { Vec::new() },
        "scorers": scorers(report),
        "signatures": signatures(report),
        "classes": ErrorClass::ALL.map(|class| json!({"id": class.name(), "name": words(class)})),
        "error_rows": error_rows(report),
        "sets": sets_view(report, suite),
        "trained_on": report.trained_on,
        "seen": seen(report),
    })
}

/// Names of the sets that are not there; the whole line where it has no name in quotes.
fn absent_names(lines: &[String]) -> Vec<&str> {
    let quoted = lines
        .iter()
        .map(|line| line.split('"').nth(1).unwrap_or(line));
    quoted.collect()
}

fn words(class: ErrorClass) -> String {
    class.name().replace('_', " ")
}

fn headline(report: &PageData<'_>) -> Value {
    let result = &report.result;
    let answered = result.sets.iter().filter(|set| set.sentences > 0).count();
    json!({
        "mean": two(result.mean_f1_paper),
        "exact": format!("{:.3}", result.mean_f1),
        "interval": interval(result.interval.low, result.interval.high),
        "crossner": report.analysis.crossner_mean_f1.map(two),
        "spread": report.analysis.spread.as_ref().filter(|_| answered > 1).map(|spread| json!({
            "worst": short_name(&spread.worst), "lowest": one(spread.lowest),
            "best": short_name(&spread.best), "highest": one(spread.highest),
            "range": one(spread.highest - spread.lowest), "deviation": one(spread.deviation),
        })),
    })
}

/// A line from 0 to 100 for each set: our interval and point, and the paper's rows as ticks.
fn tracks(report: &PageData<'_>) -> Vec<Value> {
    let own = ["ReasoningNER 1.7B", "ReasoningNER 8B"];
    let track = |set: &SetResult| {
        let ticks = TABLE_1
            .iter()
            .filter(|row| report.is_benchmark && !row.b2ner_test_sets)
            .filter_map(|row| {
                let f1 = row.f1_on(&set.name)?;
                Some(json!({"at": one(f1), "model": row.model, "own": own.contains(&row.model)}))
            });
        let (low, high) = (set.interval.low, set.interval.high);
        json!({
            "name": short_name(&set.name), "f1": two(set.f1), "at": two(set.f1),
            "from": two(low), "width": two((high - low).max(0.4)),
            "interval": interval(low, high),
            "ticks": ticks.collect::<Vec<_>>(),
        })
    };
    let answered = report.result.sets.iter().filter(|set| set.sentences > 0);
    answered.map(track).collect()
}

fn ours(report: &PageData<'_>) -> Value {
    let cell = |set: &SetResult| match set.sentences {
        0 => json!({"f1": ABSENT, "interval": "no answer"}),
        _ => json!({"f1": two(set.f1), "interval": interval(set.interval.low, set.interval.high)}),
    };
    let result = &report.result;
    json!({
        "cells": result.sets.iter().map(cell).collect::<Vec<_>>(),
        "mean": two(result.mean_f1_paper),
        "interval": interval(result.interval.low, result.interval.high),
    })
}

fn paper(sets: &[&str]) -> Vec<Value> {
    let rows = TABLE_1.iter().map(|row| {
        let mark = if row.b2ner_test_sets { " ♣" } else { "" };
        json!({
            "name": format!("{}{mark}", row.model),
            "own": row.model.starts_with("ReasoningNER"),
            "samples": row.samples.map(|n| n.to_string()),
            "cells": sets.iter().map(|set| figure(row.f1_on(set))).collect::<Vec<_>>(),
            "mean": figure(row.average.filter(|_| sets.len() == BENCHMARK_SETS.len())),
        })
    });
    rows.collect()
}

fn competitors(sets: &[&str]) -> Vec<Value> {
    let at = |set: &&str| BENCHMARK_SETS.iter().position(|name| name == set);
    let rows = COMPETITORS.iter().map(|row| {
        let cell = |set| figure(at(set).and_then(|at| row.f1[at]));
        json!({
            "name": row.model,
            "cells": sets.iter().map(cell).collect::<Vec<_>>(),
            "mean": figure(row.average.filter(|_| sets.len() == BENCHMARK_SETS.len())),
            "remark": row.remark,
        })
    });
    rows.collect()
}

fn scorers(report: &PageData<'_>) -> Vec<Value> {
    let rows = report.analysis.scorers.iter().map(|row| {
        json!({
            "name": row.scorer.name(),
            "chosen": row.scorer == report.analysis.scorer,
            "cells": row.f1.iter().map(|f1| two(*f1)).collect::<Vec<_>>(),
            "mean": two(row.mean_f1),
        })
    });
    rows.collect()
}

fn signatures(report: &PageData<'_>) -> Value {
    let total = &report.analysis.signatures;
    let sets = report.analysis.sets.iter();
    let mut rows: Vec<Value> = sets
        .map(|set| signature(&short_name(&set.name), &set.signatures, false))
        .collect();
    if rows.len() > 1 {
        rows.push(signature("all sets", total, true));
    }
    json!({
        "rows": rows,
        "has_reasoning": total.reasoning_words.is_some(),
        "has_tokens": total.tokens.is_some(),
    })
}

fn signature(name: &str, s: &Signatures, is_total: bool) -> Value {
    json!({
        "name": name,
        "is_total": is_total,
        "answers": s.answers,
        "words": lengths(s.reasoning_words.as_ref()),
        "chars": lengths(s.reasoning_chars.as_ref()),
        "tokens": lengths(s.tokens.as_ref()),
        "words_per_entity": s.words_per_entity.map_or(ABSENT.into(), one),
        "tokens_per_entity": s.tokens_per_entity.map_or(ABSENT.into(), one),
        "parse": share(s.parse_failures, s.answers),
        "truncated": share(s.truncated, s.answers),
        "unclosed": share(s.unclosed_reasoning, s.answers),
        "outside": share(s.entities_outside_schema, s.entities),
        "hallucinated": share(s.hallucinated, s.entities),
    })
}

fn error_rows(report: &PageData<'_>) -> Vec<Value> {
    let cell = |set: &SetAnalysis, class: ErrorClass| {
        let row = set.report.errors.iter().find(|row| row.class == class);
        row.map_or(0, |row| row.errors)
    };
    let rows = ErrorClass::ALL.map(|class| {
        let cells: Vec<usize> = report
            .analysis
            .sets
            .iter()
            .map(|set| cell(set, class))
            .collect();
        json!({"name": words(class), "total": cells.iter().sum::<usize>(), "cells": cells})
    });
    rows.into()
}

fn sets_view(report: &PageData<'_>, suite: &Suite) -> Vec<Value> {
    let analysed = suite
        .sets
        .iter()
        .zip(&report.analysis.sets)
        .zip(&report.result.sets);
    let views = analysed.map(|((set, analysis), result)| {
        let predictions = &report.result.predictions;
        json!({
            "name": set.name,
            "short": short_name(&set.name),
            "id": anchor(&set.name),
            "f1": two(result.f1), "precision": two(result.precision), "recall": two(result.recall),
            "macro_f1": two(analysis.report.macro_.f1 * 100.0),
            "sentences": result.sentences,
            "types": types(analysis),
            "buckets": buckets(analysis),
            "confusion": confusion(analysis),
            "errors": errors::of_set(set, predictions, report.analysis.scorer),
        })
    });
    views.collect()
}

/// A name as it may stand in an address.
fn anchor(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("set-{}", name.chars().map(keep).collect::<String>())
}

fn types(analysis: &SetAnalysis) -> Vec<Value> {
    let mut rows: Vec<_> = analysis.report.types.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.support));
    rows.into_iter().map(counted).collect()
}

/// The tables by length, density and novelty, without the buckets that nothing fell into.
fn buckets(analysis: &SetAnalysis) -> Vec<Value> {
    let tables = analysis.report.buckets.iter().map(|table| {
        let rows = table.rows.iter();
        let filled = rows.filter(|row| row.support + row.predicted > 0);
        json!({
            "name": table.by.name().replace('_', " "),
            "rows": filled.map(counted).collect::<Vec<_>>(),
        })
    });
    tables.collect()
}

fn counted(row: &Row) -> Value {
    json!({
        "name": row.name, "support": row.support, "predicted": row.predicted,
        "precision": one(row.metrics.precision * 100.0),
        "recall": one(row.metrics.recall * 100.0),
        "f1": one(row.metrics.f1 * 100.0),
    })
}

/// Gold entities and recall by novelty, set by set; empty where no training data were given.
fn seen(report: &PageData<'_>) -> Vec<Value> {
    let tables = report.analysis.sets.iter().filter_map(|set| {
        let table = set
            .report
            .buckets
            .iter()
            .find(|table| table.by == BucketBy::Seen)?;
        let gold: usize = table.rows.iter().map(|row| row.support).sum();
        let cell = |row: &Row| {
            let recall = (row.support > 0).then_some(row.metrics.recall * 100.0);
            json!({"name": row.name, "gold": share(row.support, gold), "recall": figure(recall)})
        };
        let cells: Vec<Value> = table.rows.iter().map(cell).collect();
        Some(json!({"name": short_name(&set.name), "cells": cells}))
    });
    tables.collect()
}

/// The most frequent mistakes of one label for another.
fn confusion(analysis: &SetAnalysis) -> Vec<Value> {
    let cells = analysis.report.confusion.iter();
    let mut wrong: Vec<_> = cells
        .filter(|cell| {
            cell.gold != cell.predicted && cell.gold.is_some() && cell.predicted.is_some()
        })
        .collect();
    wrong.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    let view = wrong
        .into_iter()
        .take(8)
        .map(|cell| json!({"gold": cell.gold, "predicted": cell.predicted, "count": cell.count}));
    view.collect()
}

fn lengths(lengths: Option<&Lengths>) -> String {
    lengths.map_or(ABSENT.into(), |l| format!("{} / {}", l.median, l.p95))
}

/// A count with its share in percent.
fn share(count: usize, of: usize) -> String {
    match (count, of) {
        (0, _) | (_, 0) => count.to_string(),
        _ => format!("{count} ({:.1} %)", 100.0 * count as f64 / of as f64),
    }
}

fn interval(low: f64, high: f64) -> String {
    figures::interval(low, high, 1)
}

fn figure(value: Option<f64>) -> String {
    value.map_or(ABSENT.into(), one)
}

fn one(value: f64) -> String {
    plain(value, 1)
}

fn two(value: f64) -> String {
    plain(value, 2)
}
