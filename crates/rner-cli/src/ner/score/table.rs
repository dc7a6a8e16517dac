//! The tables of `rner score`, as text.

use ner_score::Report;
use ner_score::buckets::BucketBy;
use ner_score::metrics::Row;
use ner_score::randomization::is_floor;
use ner_score::report::ConfusionCell;

use super::{By, Comparison, DatasetRow, Output};

/// How many cells of the confusion matrix are printed, the largest first; JSON has them all.
const CELLS: usize = 20;

/// Everything that was asked for: of one preset in full, of several side by side, then the tables of each.
pub(super) fn render(outputs: &[Output], by: &[By]) -> String {
    let mut out = match outputs {
        [output] => head(output),
        outputs => side_by_side(outputs),
    };
    for output in outputs {
        if outputs.len() > 1 && !by.is_empty() {
            out += &format!("\n== {}\n", output.scorer);
        }
        for by in by {
            out.push('\n');
            out.push_str(&section(output, *by));
        }
        if let Some(comparison) = &output.comparison {
            out.push('\n');
            out.push_str(&compared(comparison));
        }
    }
    out
}

fn head(output: &Output) -> String {
    let report = &output.report;
    let interval = report.interval.percent();
    let mut out = format!(
        "{} on {} sentences, matched by {}: F1 {:.2} (95 % {:.2} to {:.2}, {} resamples, seed {})\n",
        report.scorer,
        report.sentences,
        output.matched_by,
        output.f1_percent,
        interval.low,
        interval.high,
        report.resamples,
        report.seed
    );
    out += &format!(
        "correct {}, predicted {}, gold {}; unreadable answers {}\n",
        correct(report),
        report.tally.predicted(),
        report.tally.gold(),
        report.parse_failures
    );
    out += &notes(output);
    out += "\n              P       R      F1\n";
    let means = [
        ("micro", report.micro),
        ("macro", report.macro_),
        ("weighted", report.weighted),
    ];
    for (name, m) in means {
        let [p, r, f1] = [m.precision, m.recall, m.f1].map(|x| x * 100.0);
        out += &format!("{name:<8} {p:>6.2}  {r:>6.2}  {f1:>6.2}\n");
    }
    out
}

/// Right items, half of those that are half right.
fn correct(report: &Report) -> f64 {
    report.tally.correct as f64 + report.tally.partial as f64 / 2.0
}

/// A row for each preset.
fn side_by_side(outputs: &[Output]) -> String {
    let mut out = String::new();
    if let Some(Output {
        report, matched_by, ..
    }) = outputs.first()
    {
        out += &format!(
            "{} sentences, matched by {matched_by}; unreadable answers {}; 95 % by {} resamples, seed {}\n\n",
            report.sentences, report.parse_failures, report.resamples, report.seed
        );
    }
    let names = outputs.iter().map(|output| output.scorer.name());
    let width = width("scorer", names);
    out += &format!(
        "{:<width$}      F1            95 %       P       R  macro F1  correct  predicted  gold\n",
        "scorer"
    );
    for output in outputs {
        let report = &output.report;
        let interval = report.interval.percent();
        let interval = format!("{:.2} to {:.2}", interval.low, interval.high);
        let [p, r, f1] = [
            report.micro.precision,
            report.micro.recall,
            report.macro_.f1,
        ];
        out += &format!(
            "{:<width$}  {:>6.2}  {interval:>14}  {:>6.2}  {:>6.2}  {:>8.2}  {:>7}  {:>9}  {:>4}\n",
            output.scorer.name(),
            output.f1_percent,
            p * 100.0,
            r * 100.0,
            f1 * 100.0,
            correct(report),
            report.tally.predicted(),
            report.tally.gold()
        );
    }
    out + &notes_of_all(outputs)
}

/// What was left out, and why: each sentence once, with the presets that it is about.
fn notes_of_all(outputs: &[Output]) -> String {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for output in outputs {
        for line in notes(output).lines() {
            match all.iter_mut().find(|(known, _)| known == line) {
                Some((_, scorers)) => scorers.push(output.scorer.name()),
                None => all.push((line.into(), vec![output.scorer.name()])),
            }
        }
    }
    let lines = all.iter().map(|(line, scorers)| {
        if scorers.len() == outputs.len() {
            format!("{line}\n")
        } else {
            format!("{}: {line}\n", scorers.join(", "))
        }
    });
    lines.collect()
}

/// What was filtered and what was left out.
fn notes(output: &Output) -> String {
    let report = &output.report;
    let filtered = output
        .filtered
        .lines(output.scorer, "--filter none keeps them");
    let left_out = [
        (
            output.sentences_without_prediction,
            "sentences without a prediction were left out",
        ),
        (
            output.predictions_without_sentence,
            "predictions without a sentence were left out",
        ),
        (
            output.predictions_with_wrong_offsets,
            "predicted entities do not stand at the offsets they state, and are placed by their text",
        ),
        (
            report.untaggable_gold,
            "gold entities overlap others and cannot be tagged",
        ),
        (
            report.untaggable_predicted,
            "predictions overlap others and cannot be tagged",
        ),
    ];
    let said = left_out.iter().filter(|(n, _)| *n > 0);
    let said = said.map(|(n, what)| format!("{n} {what}"));
    let lines = filtered.into_iter().chain(said);
    lines.map(|line| line + "\n").collect()
}

fn section(output: &Output, by: By) -> String {
    let report = &output.report;
    match by {
        By::Type => rows("type", &report.types),
        By::Length => buckets(report, BucketBy::EntityLength, "entity"),
        By::SentenceLength => buckets(report, BucketBy::SentenceLength, "sentence"),
        By::Density => buckets(report, BucketBy::Density, "entities per word"),
        By::Seen => buckets(report, BucketBy::Seen, "in the training data"),
        By::Errors => errors(report),
        By::Confusion => confusion(&report.confusion),
        By::Dataset => datasets(output),
    }
}

fn buckets(report: &Report, by: BucketBy, title: &str) -> String {
    let table = report.buckets.iter().find(|table| table.by == by);
    table.map_or_else(
        || format!("{title}: not known of these sentences\n"),
        |table| rows(title, &table.rows),
    )
}

/// Columns are as wide as their widest name, in characters.
fn width<'a>(title: &str, names: impl Iterator<Item = &'a str>) -> usize {
    names
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .max(title.chars().count())
}

fn rows(title: &str, rows: &[Row]) -> String {
    let width = width(title, rows.iter().map(|row| row.name.as_str()));
    let mut out = format!("{title:<width$}       P       R      F1  support  predicted\n");
    for row in rows {
        let m = row.metrics;
        let [p, r, f1] = [m.precision, m.recall, m.f1].map(|x| x * 100.0);
        out += &format!(
            "{:<width$}  {p:>6.2}  {r:>6.2}  {f1:>6.2}  {:>7}  {:>9}\n",
            row.name, row.support, row.predicted
        );
    }
    out
}

fn errors(report: &Report) -> String {
    let mut out = String::from("error           errors  false positives  false negatives\n");
    for row in &report.errors {
        out += &format!(
            "{:<14}  {:>6}  {:>15}  {:>15}\n",
            row.class.name(),
            row.errors,
            row.false_positives,
            row.false_negatives
        );
    }
    out
}

fn confusion(cells: &[ConfusionCell]) -> String {
    let name = |label: &Option<String>| label.clone().unwrap_or_else(|| "O".into());
    let mut wrong: Vec<&ConfusionCell> = cells.iter().filter(|c| c.gold != c.predicted).collect();
    wrong.sort_by_key(|cell| std::cmp::Reverse(cell.count));
    let mut out = String::from(" count  gold -> predicted (O is no entity)\n");
    for cell in wrong.iter().take(CELLS) {
        let (gold, predicted) = (name(&cell.gold), name(&cell.predicted));
        out += &format!("{:>6}  {gold} -> {predicted}\n", cell.count);
    }
    if wrong.len() > CELLS {
        out += &format!("        … and {} smaller ones\n", wrong.len() - CELLS);
    }
    out
}

fn datasets(output: &Output) -> String {
    let width = width(
        "dataset",
        output.datasets.iter().map(|row| row.name.as_str()),
    );
    let mut out = format!("{:<width$}  sentences      F1  95 %\n", "dataset");
    for DatasetRow {
        name,
        sentences,
        f1_percent,
        low_percent,
        high_percent,
        ..
    } in &output.datasets
    {
        out += &format!(
            "{name:<width$}  {sentences:>9}  {f1_percent:>6.2}  {low_percent:.2} to {high_percent:.2}\n"
        );
    }
    out + &format!(
        "{:<width$}             {:>6.2}  ({:.2} as the paper rounds)\n",
        "mean", output.mean_f1_percent, output.mean_f1_percent_as_the_paper_rounds
    )
}

fn compared(comparison: &Comparison) -> String {
    let bootstrap = &comparison.paired_bootstrap;
    let interval = bootstrap.interval.percent();
    let trials = comparison.approximate_randomization.trials;
    let p = [
        bootstrap.p_value,
        comparison.approximate_randomization.p_value,
    ];
    let [boot, shuffled] = p.map(|p| p_text(p, trials));
    format!(
        "other system: F1 {:.2}\ndifference of the mean over datasets: {:+.2} (95 % {:+.2} to {:+.2})\n\
         paired bootstrap p {boot}, approximate randomisation p {shuffled} ({trials} trials)\n",
        comparison.other_f1_percent,
        bootstrap.difference * 100.0,
        interval.low,
        interval.high
    )
}

/// A p-value; where no trial reached the difference, what it is at most.
fn p_text(p: f64, trials: usize) -> String {
    let sign = if is_floor(p, trials) { "≤" } else { "=" };
    format!("{sign} {p:.4}")
}
