//! Types and errors as text: what stands in the place of the paper's rows where it has none on these sets.

use std::fmt::Write as _;

use ner_score::ErrorClass;
use ner_score::metrics::Row;

use super::names::short_name;
use crate::analysis::{Analysis, SetAnalysis};

/// Sets whose types are shown; `results.html` has those of all.
const SETS: usize = 3;
/// Types that are shown of a set, the most frequent ones.
const TYPES: usize = 20;

/// The types of the first sets, then the classes of errors of all.
pub(crate) fn details(analysis: &Analysis) -> String {
    let answered = analysis.sets.iter().filter(|set| set.report.sentences > 0);
    let answered: Vec<&SetAnalysis> = answered.collect();
    let mut out: String = answered.iter().take(SETS).map(|set| types(set)).collect();
    if answered.len() > SETS {
        let more = answered.len() - SETS;
        let _ = writeln!(out, "(the types of {more} more sets are in results.html)\n");
    }
    out + &errors(&answered)
}

fn types(set: &SetAnalysis) -> String {
    let mut rows: Vec<&Row> = set.report.types.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.support));
    let title = format!("types of {}", short_name(&set.name));
    let shown = &rows[..rows.len().min(TYPES)];
    let names = shown.iter().map(|row| row.name.chars().count());
    let width = names.max().unwrap_or(0).max(title.chars().count());
    let mut out = format!("{title:<width$}       P       R      F1  gold  predicted\n");
    for row in shown {
        let m = row.metrics;
        let [p, r, f1] = [m.precision, m.recall, m.f1].map(|x| x * 100.0);
        let (name, gold, predicted) = (&row.name, row.support, row.predicted);
        let _ = writeln!(
            out,
            "{name:<width$}  {p:>6.2}  {r:>6.2}  {f1:>6.2}  {gold:>4}  {predicted:>9}"
        );
    }
    if rows.len() > TYPES {
        let _ = writeln!(out, "… and {} rarer ones", rows.len() - TYPES);
    }
    out + "\n"
}

/// The classes that occur, over all sets.
fn errors(sets: &[&SetAnalysis]) -> String {
    let mut out = String::from("errors          all  false positives  false negatives\n");
    for class in ErrorClass::ALL {
        let rows = sets.iter().flat_map(|set| &set.report.errors);
        let rows = rows.filter(|row| row.class == class);
        let counts = rows.fold([0; 3], |sum, row| {
            [
                sum[0] + row.errors,
                sum[1] + row.false_positives,
                sum[2] + row.false_negatives,
            ]
        });
        if counts[0] > 0 {
            let [all, positives, negatives] = counts;
            let name = class.name();
            let _ = writeln!(
                out,
                "{name:<14}  {all:>3}  {positives:>15}  {negatives:>15}"
            );
        }
    }
    out
}
