//! Samples of a dataset as one page, without network or script.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{AutoEscape, Environment};
use ner_cot::replay::{SettledRow, Visitor, replay};
use ner_cot::report::Attempt;
use ner_cot::{Error, Journal};
use ner_types::{Entity, parse};
use serde_json::{Value, json};

use super::job::Job;
use crate::error::{Context, Result};
use crate::report::mark;

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
    render(&json!({
        "funnel": funnel,
        "accepted": samples.accepted,
        "rejected": samples.rejected,
    }))
}

/// The page. All text of the data is escaped.
fn render(data: &Value) -> Result<String> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.add_template("view", TEMPLATE)
        .context("the template of the viewer")?;
    let page = env
        .get_template("view")
        .context("the template of the viewer")?;
    page.render(minijinja::value::Serde(data))
        .context("the page of the viewer")
}

/// The first rows of every kind.
struct Samples {
    each: usize,
    accepted: Vec<Value>,
    rejected: BTreeMap<&'static str, Vec<Value>>,
}

impl Visitor for Samples {
    fn settled(&mut self, row: SettledRow) -> Result<(), Error> {
        for attempt in &row.attempts {
            match attempt.rejected_for() {
                Some(reason) => {
                    let known = self.rejected.entry(reason).or_default();
                    if known.len() < self.each {
                        known.push(sample(&row, attempt));
                    }
                }
                None if self.accepted.len() < self.each => {
                    self.accepted.push(sample(&row, attempt));
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn sample(row: &SettledRow, attempt: &Attempt) -> Value {
    let completion = parse(&attempt.content);
    let entities: &[Entity] = &completion.entities;
    let (sentence, elsewhere) = mark(&row.source.sentence, entities, entities);
    json!({
        "number": row.number,
        "guid": row.source.guid,
        "schema": row.source.schema,
        "sentence": sentence,
        "elsewhere": elsewhere,
        "reasoning": mark(&attempt.reasoning, entities, entities).0,
        "findings": attempt.findings,
        "score": attempt.score,
        "unread": (!completion.is_json).then_some(&attempt.content),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_entities_marked() {
        let entities = [Entity::new("Ann", "person")];
        let marked = |text: &str| mark(text, &entities, &entities).0;
        let sample = json!({
            "number": 3, "guid": null, "score": null, "schema": ["person"],
            "sentence": marked("<b>Ann</b> sings."), "reasoning": marked("\"Ann\" is a person."),
            "elsewhere": [], "findings": [], "unread": null,
        });
        let page = render(&json!({
            "funnel": ner_cot::Funnel::default(), "accepted": [sample], "rejected": {},
        }));
        let page = page.expect("renders");
        assert!(page.contains("&lt;b&gt;"), "{page}");
        assert!(!page.contains("<b>Ann"), "{page}");
        assert_eq!(page.matches("<mark>Ann").count(), 2, "{page}");
    }
}
