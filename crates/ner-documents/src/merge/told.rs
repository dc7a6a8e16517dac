//! What an extraction says about its windows, and about what was cut or dropped.

use std::collections::BTreeMap;

use ner_types::{NamedProblem, OffsetIndex, WindowRow};

use super::collect::problem;
use super::drop::Dropped;
use super::{Answered, place};
use crate::windows::Plan;

/// How many sentences were cut, if any was.
pub(super) fn cut_sentences(plan: &Plan) -> Option<NamedProblem> {
    let n_cut = plan.cut_sentences;
    let message = match n_cut {
        0 => return None,
        1 => "a sentence is longer than a window and was cut between words".to_owned(),
        _ => format!("{n_cut} sentences are longer than a window and were cut between words"),
    };
    Some(problem("sentence_cut", Some(n_cut.to_string()), message))
}

/// What was dropped, a text under a label once.
pub(super) fn dropped(
    text: &str,
    kind: &str,
    does: &str,
    dropped: &[Dropped],
) -> Vec<NamedProblem> {
    let mut groups: BTreeMap<(&str, &str), (usize, &Dropped)> = BTreeMap::new();
    for it in dropped {
        let name = (it.what.text.as_str(), it.what.label.as_str());
        groups.entry(name).or_insert((0, it)).0 += 1;
    }
    let told = |((name, label), (n_times, first)): ((&str, &str), (usize, &Dropped))| {
        let (by, bytes) = &first.by;
        let longer = &text[bytes.clone()];
        let times = if n_times > 1 {
            format!(", {n_times} times")
        } else {
            String::new()
        };
        let message = format!("{name:?} ({label}) {does} {longer:?} ({by}) and was dropped{times}");
        problem(kind, Some(name.to_owned()), message)
    };
    groups.into_iter().map(told).collect()
}

/// The questions, if there were several.
pub(super) fn rows(
    index: &OffsetIndex<'_>,
    plan: &Plan,
    groups: &[Vec<String>],
    answers: &[Answered],
    in_context: &[usize],
) -> Vec<WindowRow> {
    if answers.len() < 2 {
        return Vec::new();
    }
    let row = |(answer, &in_context): (&Answered, &usize)| {
        let window = plan.windows.get(answer.window)?;
        let has_context = window.context_start < window.bytes.start;
        let context = has_context.then(|| place(window.context_start..window.bytes.start, index));
        Some(WindowRow {
            place: place(window.bytes.clone(), index),
            context_start: context.map(|context| context.start),
            context_byte_start: context.map(|context| context.byte_start),
            group: (groups.len() > 1).then_some(answer.group),
            is_json: answer.completion.is_json,
            salvaged: answer.completion.salvaged,
            cut_off: answer.is_cut_off,
            in_context,
        })
    };
    answers.iter().zip(in_context).filter_map(row).collect()
}
