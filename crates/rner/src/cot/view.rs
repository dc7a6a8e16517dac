//! Samples of a dataset as one page, without network or script.

use std::collections::BTreeMap;
use std::path::Path;

use ner_cot::replay::{SettledRow, Visitor, replay};
use ner_cot::report::Attempt;
use ner_cot::{Error, Funnel, Journal, judge_reason};
use ner_types::{Entity, parse};
use serde_json::{Value, json};

use super::job::Job;
use crate::error::{Context, Result};
use crate::report::{folded, mark, reason_words};

const TEMPLATE: &str = include_str!("view.html.j2");

/// The page of a folder's job: its first accepted `rows`, and as many rejected ones of each reason.
///
/// # Errors
/// A journal or a source that cannot be read.
pub fn page(job: &Job, dir: &Path, rows: usize) -> Result<String> {
    let journal = Journal::open_to_read(dir)?;
    let (plan, selection) = (job.plan()?, job.selection()?);
    let mut samples = Samples {
        each: rows,
        accepted: Vec::new(),
        rejected: BTreeMap::new(),
    };
    let funnel = replay(&plan, &selection, &journal, job.target, &mut samples)?;
    render(view(&funnel, samples.accepted, samples.rejected))
}

/// Accepted samples that are not folded away.
const OPEN: usize = 5;

fn view(
    funnel: &Funnel,
    accepted: Vec<Value>,
    rejected: BTreeMap<&'static str, Vec<Value>>,
) -> Value {
    let kinds = rejected.into_iter().map(|(name, samples)| {
        json!({
            "name": name,
            "words": reason_words(name),
            "count": funnel.rejected_answers.get(name).copied().unwrap_or(samples.len()),
            "samples": samples,
        })
    });
    let kinds: Vec<Value> = kinds.collect();
    json!({ "funnel": funnel, "open": OPEN, "accepted": accepted, "rejected": kinds })
}

/// The page. All text of the data is escaped.
fn render(data: Value) -> Result<String> {
    ner_eval::page::fill(TEMPLATE, data).context("the page of the viewer")
}

/// The first rows of every kind.
struct Samples {
    each: usize,
    accepted: Vec<Value>,
    rejected: BTreeMap<&'static str, Vec<Value>>,
}

impl Visitor for Samples {
    fn settled(&mut self, row: SettledRow) -> Result<(), Error> {
        for (number, attempt) in row.attempts.iter().enumerate() {
            match attempt.rejected_for() {
                Some(reason) => {
                    let known = self.rejected.entry(reason).or_default();
                    if known.len() < self.each {
                        known.push(sample(&row, number, attempt));
                    }
                }
                None if self.accepted.len() < self.each => {
                    self.accepted.push(sample(&row, number, attempt));
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Characters of an answer that are shown, once its repetitions are folded.
const LONGEST: usize = 4_000;

fn sample(row: &SettledRow, number: usize, attempt: &Attempt) -> Value {
    let completion = parse(&attempt.content);
    let entities: &[Entity] = &completion.entities;
    let (sentence, elsewhere) = mark(&row.source.sentence, entities, entities);
    let findings = attempt.findings.iter().map(
        |finding| json!({"words": reason_words(finding.rule.name()), "detail": finding.detail}),
    );
    let is_rejected = attempt.rejected_for().is_some();
    json!({
        "number": row.number,
        "attempt": number + 1,
        "of": row.attempts.len(),
        "guid": row.source.guid,
        "schema": row.source.schema,
        "sentence": sentence,
        "elsewhere": elsewhere,
        "words": attempt.reasoning.split_whitespace().count(),
        "reasoning": mark(&shown(&attempt.reasoning), entities, entities).0,
        "findings": findings.collect::<Vec<_>>(),
        "score": attempt.score,
        "judge": attempt.verdict.as_deref().map(judge_reason),
        "is_unread": !completion.is_json,
        // What was accepted stands in the marks already.
        "answer": (is_rejected || !completion.is_json).then(|| shown(&attempt.content)),
    })
}

/// A model's text with its repetitions folded, cut where it is too long.
fn shown(text: &str) -> String {
    let text = folded(text);
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} … (cut here)", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_entities_marked() {
        let entities = [Entity::new("Ann", "person")];
        let marked = |text: &str| mark(text, &entities, &entities).0;
        let sample = json!({
            "number": 3, "attempt": 1, "of": 1, "guid": null, "score": 4.0, "schema": ["person"],
            "sentence": marked("<b>Ann</b> sings."), "reasoning": marked("\"Ann\" is a person."),
            "elsewhere": [], "findings": [], "judge": "<i>Ann</i> is a city.", "answer": "{}",
        });
        let funnel = Funnel {
            rejected_answers: [("judge_score".to_owned(), 7)].into(),
            ..Funnel::default()
        };
        let rejected = [("judge_score", vec![sample.clone()])].into();
        let page = render(view(&funnel, vec![sample; 8], rejected)).expect("renders");
        assert!(page.contains("&lt;b&gt;"), "{page}");
        assert!(
            !page.contains("<b>Ann") && !page.contains("<i>Ann"),
            "{page}"
        );
        assert_eq!(page.matches("<mark>Ann").count(), 18, "{page}");
        // The judge's words and the attempt are there, reasons are in words, and what is many is folded.
        for words in [
            "judge: &lt;i&gt;Ann&lt;&#x2f;i&gt; is a city.",
            "score is below the threshold: 7, of which 1 are shown",
            "the answer as it was written",
            "<summary>3 more</summary>",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
    }

    #[test]
    fn long_answers_are_cut_and_say_so() {
        let text: String = (0..3_000).map(|i| format!("{i} ")).collect();
        let shown = shown(&text);
        assert!(shown.ends_with("… (cut here)") && shown.chars().count() < LONGEST + 20);
    }
}
