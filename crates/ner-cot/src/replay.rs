//! The dataset as a function of source, settings and journal.
//!
//! Nothing is sent. Every answer is read from the journal and judged by the settings of now, so that a changed
//! rule or threshold gives another dataset for nothing, and an interrupted run gives the same one as an uninterrupted.

use std::collections::HashSet;

use chat_client::body::parse_body;
use ner_types::Example;

use crate::error::Error;
use crate::journal::{Failed, Journal};
use crate::plan::Plan;
use crate::report::{Attempt, Funnel};
pub use crate::row::Question;
use crate::row::{RowResult, RowWork, Step};
use crate::source::{OpenRow, SelectedRow, Selection};

/// A row with its end.
#[derive(Debug)]
pub struct SettledRow {
    /// Place of the row in the source, from 0.
    pub number: usize,
    /// The row as it stands there.
    pub source: Example,
    /// The answers of the teacher in their order, and what was thought of them.
    pub attempts: Vec<Attempt>,
    /// The accepted form: the teacher's reasoning and entities, with guid, dataset and sentence of the source.
    pub accepted: Option<Example>,
}

/// Takes the rows of a replay.
pub trait Visitor {
    /// A row that is accepted or rejected. They come in the order of the source.
    ///
    /// # Errors
    /// An error ends the replay.
    fn settled(&mut self, row: SettledRow) -> Result<(), Error>;

    /// Whether a request that a server refused before waits again, in place of ending its row.
    fn asks_again(&self) -> bool {
        false
    }

    /// A row that waits for an answer.
    ///
    /// # Errors
    /// An error ends the replay.
    fn waiting(&mut self, question: &Question) -> Result<(), Error> {
        let _ = question;
        Ok(())
    }
}

/// A visitor that looks at nothing, for the funnel alone.
impl Visitor for () {
    fn settled(&mut self, _row: SettledRow) -> Result<(), Error> {
        Ok(())
    }
}

/// Goes through the source with the answers of the journal.
///
/// With a `target`, the replay ends with the row that completes this number of accepted rows.
///
/// # Errors
/// If source or journal cannot be read, or the visitor ends it.
pub fn replay(
    plan: &Plan,
    selection: &Selection<'_>,
    journal: &Journal,
    target: Option<usize>,
    visitor: &mut dyn Visitor,
) -> Result<Funnel, Error> {
    let config = &plan.config;
    let mut funnel = Funnel::new(plan.provenance(), config.threshold, config.attempts);
    let mut seen = HashSet::new();
    for row in selection.iter()? {
        if target.is_some_and(|target| funnel.accepted >= target) {
            break;
        }
        funnel.rows += 1;
        match row? {
            SelectedRow::Skipped { reason } => funnel.reject(reason, 1),
            SelectedRow::Open(row) => {
                match settle(plan, &row.asked, journal, visitor.asks_again())? {
                    Settled::Failed(attempts, failed) => {
                        let is_new = seen.insert(row.question);
                        funnel.add_failed((row.number, &row.source), &attempts, failed, is_new);
                        visitor.settled(failed_row(*row, attempts))?;
                    }
                    Settled::Waits(question) => {
                        funnel.unfinished += 1;
                        // Equal rows wait for the same answer.
                        if seen.insert(row.question) {
                            visitor.waiting(&question)?;
                        }
                    }
                    Settled::Done(result) => {
                        let is_new = seen.insert(row.question);
                        funnel.add_row(row.number, &row.asked.sentence, &result.attempts, is_new);
                        visitor.settled(settled(*row, result))?;
                    }
                }
            }
        }
    }
    Ok(funnel)
}

/// How a row stands by the journal.
enum Settled {
    Done(RowResult),
    Waits(Box<Question>),
    /// A server does not answer what would come next.
    Failed(Vec<Attempt>, Failed<'static>),
}

/// How a row ended by the journal, or what it waits for; what was refused waits only if it is asked `again`.
fn settle(plan: &Plan, row: &Example, journal: &Journal, again: bool) -> Result<Settled, Error> {
    let mut work = RowWork::new(plan, row);
    loop {
        match work.step() {
            Step::Done(result) => return Ok(Settled::Done(result)),
            Step::Ask(question) => {
                let body = journal.get(&question.key)?;
                match body.and_then(|body| parse_body(&body).ok()) {
                    Some(answer) => work.answer(answer),
                    None => {
                        return Ok(match journal.failed(&question.key) {
                            Some(failed) if !again => Settled::Failed(work.give_up(), failed),
                            _ => Settled::Waits(question),
                        });
                    }
                }
            }
        }
    }
}

fn failed_row(row: OpenRow, attempts: Vec<Attempt>) -> SettledRow {
    SettledRow {
        number: row.number,
        source: row.source,
        attempts,
        accepted: None,
    }
}

fn settled(row: OpenRow, result: RowResult) -> SettledRow {
    let accepted = result.accepted.map(|annotation| Example {
        guid: row.source.guid.clone(),
        dataset: row.source.dataset.clone(),
        sentence: row.source.sentence.clone(),
        schema: row.asked.schema,
        cot: Some(annotation.reasoning),
        entities: annotation.entities,
        ..Example::default()
    });
    SettledRow {
        number: row.number,
        source: row.source,
        attempts: result.attempts,
        accepted,
    }
}
