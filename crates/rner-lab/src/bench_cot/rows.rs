//! The sentences of `rner-lab bench cot`: made when they are asked for, so that they take no memory.

use ner_cot::Source;
use ner_cot::source::SourceRows;
use ner_types::Example;

/// So many different rows.
pub(super) struct Rows(pub(super) usize);

impl Source for Rows {
    fn rows(&self) -> Result<SourceRows<'_>, ner_cot::Error> {
        Ok(Box::new((0..self.0).map(|n| Ok(row(n)))))
    }
}

/// A sentence that makes a question of about 1.5 kB to the teacher and of 5 kB, with the reasoning, to the judge.
pub(super) fn row(n: usize) -> Example {
    let sentence = format!(
        "On day {n} the ferry to Brel left late, because the mayor had asked the crew to wait for a delegation that came by \
         train from the hills; the passengers, most of whom were on their way to the harvest market, took it well and \
         sang until the whistle blew and the lamps along the quay went out one after the other."
    );
    Example {
        guid: Some(n.to_string()),
        sentence,
        schema: ["city", "person", "organization", "vehicle"]
            .map(String::from)
            .into(),
        ..Example::default()
    }
}
