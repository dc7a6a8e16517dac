//! Rows that a server fails: what belongs to one request, and what happens to all.

use chat_client::Rejection;

use crate::error::Error;
use crate::journal::{Failed, Journal, Key, Part};
use crate::row::Question;
use crate::source::OpenRow;

/// Rows in a row that may be refused without an explanation, before it is taken for what happens to all.
const MAX_UNEXPLAINED: usize = 8;

/// Rows that may be refused, even with one, while nothing at all is answered.
const MAX_WITHOUT_ANSWER: usize = 32;

/// Rows that are named while the run goes on; the report names more.
const NAMED: usize = 20;

/// How a row ended.
pub(crate) enum RowEnd {
    Accepted,
    Rejected,
    /// A server did not answer it in an earlier run, and was not asked again.
    Remembered,
    /// A server does not answer it.
    Failed(Box<RowFailure>),
}

/// A row that its server does not answer.
pub(crate) struct RowFailure {
    /// Its number from 1, and its identifier.
    name: String,
    key: Key,
    part: Part,
    attempt: u32,
    rejection: Rejection,
    error: Error,
}

impl RowFailure {
    /// Whether an error is the row's own; otherwise gives it back.
    pub(crate) fn of(row: &OpenRow, question: &Question, error: Error) -> Result<Self, Error> {
        let Error::Client(chat_client::Error::Rejected { rejection, .. }) = &error else {
            return Err(error);
        };
        Ok(Self {
            name: name(row),
            key: question.key,
            part: question.part,
            attempt: question.attempt,
            rejection: *rejection,
            error,
        })
    }

    fn remember(&self, journal: &Journal) -> Result<(), Error> {
        let Error::Client(chat_client::Error::Rejected {
            status,
            model,
            message,
            ..
        }) = &self.error
        else {
            return Ok(());
        };
        let request = (&self.key, self.part, self.attempt);
        let failed = Failed::new(request, model, *status, self.rejection, message);
        journal.append_failed(&failed)
    }
}

/// A row's name in messages.
fn name(row: &OpenRow) -> String {
    let number = row.number + 1;
    match &row.source.guid {
        Some(guid) => format!("row {number} ({guid})"),
        None => format!("row {number}"),
    }
}

/// The failures of a run, which decide whether they are the rows' or the server's.
///
/// A refusal whose words say why is the row's own, and is remembered at once. One that does not say why is remembered
/// when the server has answered another request; where it answers none, the run ends.
#[derive(Default)]
pub(crate) struct Failures {
    parts: [PartFailures; 2],
    /// Rows that failed, of both parts.
    count: usize,
}

/// Those of one server.
#[derive(Default)]
struct PartFailures {
    /// Without an explanation, since the last answer.
    unexplained: Vec<RowFailure>,
    /// Explained ones, before the first answer.
    explained: usize,
    /// Answers at the last look.
    answered: u64,
}

impl Failures {
    /// Takes a failure in; an error if every request ends like it. `answered` are the answers of both parts in this
    /// run.
    pub(crate) fn add(
        &mut self,
        failure: RowFailure,
        journal: &Journal,
        answered: [u64; 2],
    ) -> Result<(), Error> {
        self.look(journal, answered)?;
        self.count += 1;
        if self.count <= NAMED {
            let RowFailure { name, error, .. } = &failure;
            tracing::warn!(row = %name, %error, "a row fails at its server; the run goes on");
        }
        let part = &mut self.parts[failure.part as usize];
        if failure.rejection.is_explained() {
            failure.remember(journal)?;
            part.explained += 1;
            let is_all = part.answered == 0 && part.explained >= MAX_WITHOUT_ANSWER;
            return if is_all { Err(failure.error) } else { Ok(()) };
        }
        if part.unexplained.len() + 1 >= MAX_UNEXPLAINED {
            return Err(failure.error);
        }
        part.unexplained.push(failure);
        Ok(())
    }

    /// Remembers refusals that an answer to another request has shown to be the rows' own.
    fn look(&mut self, journal: &Journal, answered: [u64; 2]) -> Result<(), Error> {
        for (failures, answered) in self.parts.iter_mut().zip(answered) {
            if answered > failures.answered {
                failures.answered = answered;
                for failure in failures.unexplained.drain(..) {
                    failure.remember(journal)?;
                }
            }
        }
        Ok(())
    }

    /// At the end of a run: an error if a server has refused without saying why, and has answered nothing.
    pub(crate) fn finish(&mut self, journal: &Journal, answered: [u64; 2]) -> Result<(), Error> {
        self.look(journal, answered)?;
        for failures in &mut self.parts {
            for failure in failures.unexplained.drain(..) {
                let is_known = journal.failed(&failure.key).is_some();
                if failures.answered == 0 && !is_known {
                    return Err(failure.error);
                }
                failure.remember(journal)?;
            }
        }
        Ok(())
    }
}
