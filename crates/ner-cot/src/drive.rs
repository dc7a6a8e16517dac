//! The loop that keeps rows in work until all are done.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::failure::{Failures, RowEnd};
use crate::observer::{Observer, Progress};
use crate::pipeline::{Sent, Shared, StopCause};
use crate::source::{OpenRow, SelectedRow, Selection};

/// Rows in a row that a server may fail before the run ends with its error.
const MAX_FAILED_ROWS: usize = 8;

type Rows<'a> = Box<dyn Iterator<Item = Result<SelectedRow, Error>> + Send + 'a>;
type Done = (u128, Result<RowEnd, Error>);

/// One run in progress.
pub(crate) struct Drive<'a> {
    shared: &'a Arc<Shared>,
    rows: Rows<'a>,
    target: usize,
    window: usize,
    tasks: JoinSet<Done>,
    /// Rows that wait for the answers of a task, by what they ask: equal rows share them.
    working: HashMap<u128, usize>,
    /// Rows in work, equal ones counted apart.
    open: usize,
    failed_in_a_row: usize,
    failures: Failures,
    /// What came from another program than a chat server, while nothing else had come.
    foreign: Option<Error>,
    error: Option<Error>,
    stopped: Option<StopCause>,
    progress: Progress,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        selection: &'a Selection<'_>,
        target: Option<usize>,
    ) -> Result<Self, Error> {
        let in_flight = shared.teacher.concurrency() + shared.judge.concurrency();
        Ok(Self {
            shared,
            rows: Box::new(selection.iter()?),
            target: target.unwrap_or(usize::MAX),
            // More rows are in work than requests may be in flight, so that rows
            // which wait before trying again, or for the disk, leave no slot empty.
            window: in_flight + in_flight.div_ceil(2).min(in_flight.div_ceil(4).max(32)),
            tasks: JoinSet::new(),
            working: HashMap::new(),
            open: 0,
            failed_in_a_row: 0,
            failures: Failures::default(),
            foreign: None,
            error: None,
            stopped: None,
            progress: Progress {
                rows: selection.rows(),
                ..Progress::default()
            },
        })
    }

    /// Works until all rows are done or the run has to end.
    ///
    /// Answers in flight are paid for. A user who stops the run waits for them as long as the grace period lasts; where
    /// it ends for another reason, all of them come home, or fail as requests do.
    pub(crate) async fn run(
        &mut self,
        stop: &CancellationToken,
        measure: &(dyn Fn(&mut Progress) + Sync),
        observer: &mut (dyn Observer + Send),
    ) -> Result<Sent, Error> {
        let mut deadline = None;
        loop {
            if stop.is_cancelled() {
                self.stopped.get_or_insert(StopCause::Asked);
                self.shared.halt.cancel();
            }
            let is_asked = stop.is_cancelled();
            if is_asked {
                deadline = deadline.or(Some(Instant::now() + self.shared.plan.config.grace));
            }
            if !self.shared.halt.is_cancelled() {
                self.fill()?;
            }
            tokio::select! {
                biased;
                () = wait(deadline), if is_asked => break,
                () = stop.cancelled(), if !is_asked => {}
                joined = self.tasks.join_next() => match joined {
                    None => break,
                    Some(joined) => self.finish_row(joined),
                },
            }
            self.progress.in_flight = self.tasks.len();
            measure(&mut self.progress);
            observer.on_progress(&self.progress);
        }
        self.tasks.shutdown().await;
        self.finish_failures();
        self.progress.in_flight = 0;
        measure(&mut self.progress);
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(Sent {
                progress: self.progress,
                stopped: self.stopped.take(),
            }),
        }
    }

    /// Starts rows in the order of the source.
    ///
    /// A row is started only if the target could not be reached without it, even if all rows in work were
    /// accepted. So exactly the rows up to the one that completes the target are asked about, whatever the timing.
    fn fill(&mut self) -> Result<(), Error> {
        while self.tasks.len() < self.window && self.progress.accepted + self.open < self.target {
            match self.rows.next().transpose()? {
                None => break,
                Some(SelectedRow::Skipped { .. }) => {
                    self.progress.done += 1;
                    self.progress.rejected += 1;
                }
                Some(SelectedRow::Open(row)) => self.start(row),
            }
        }
        Ok(())
    }

    fn start(&mut self, row: Box<OpenRow>) {
        self.open += 1;
        let waiting = self.working.entry(row.question).or_default();
        *waiting += 1;
        if *waiting == 1 {
            let shared = self.shared.clone();
            self.tasks
                .spawn(async move { (row.question, shared.annotate(&row).await) });
        }
    }

    fn finish_row(&mut self, joined: Result<Done, tokio::task::JoinError>) {
        let (question, result) = match joined {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let rows = self.working.remove(&question).unwrap_or(0);
        self.open -= rows;
        match result {
            Ok(end) => self.end_row(end, rows),
            Err(Error::Client(chat_client::Error::Stopped)) => {}
            Err(Error::Client(error @ chat_client::Error::BudgetReached { .. })) => {
                // The budget ends a run as a wish of its user does: what is in flight may come home.
                self.stopped
                    .get_or_insert(StopCause::Budget(error.to_string()));
                self.halt();
            }
            Err(error) => self.fail(error),
        }
    }

    fn end_row(&mut self, end: RowEnd, rows: usize) {
        self.progress.done += rows;
        if matches!(end, RowEnd::Accepted) {
            self.progress.accepted += rows;
        } else {
            self.progress.rejected += rows;
        }
        match end {
            RowEnd::Failed(failure) => {
                let added =
                    self.failures
                        .add(*failure, &self.shared.journal, self.shared.answered());
                added.unwrap_or_else(|error| self.end(error));
            }
            RowEnd::Remembered => {}
            RowEnd::Accepted | RowEnd::Rejected => self.failed_in_a_row = 0,
        }
    }

    /// What is left of the failures when nothing more is asked.
    fn finish_failures(&mut self) {
        let answered = self.shared.answered();
        let ended = self.failures.finish(&self.shared.journal, answered);
        ended.unwrap_or_else(|error| self.end(error));
        if let Some(error) = self.foreign.take().filter(|_| answered == [0, 0]) {
            self.end(error);
        }
    }

    /// A row that a failing server could not answer stays open for the next run;
    /// a server that refuses, or that fails row after row, ends this one.
    fn fail(&mut self, error: Error) {
        self.failed_in_a_row += 1;
        let is_foreign = matches!(error, Error::Client(chat_client::Error::NotOpenAi { .. }));
        let passing = matches!(error, Error::Client(chat_client::Error::GaveUp { .. }));
        if (passing || is_foreign) && self.failed_in_a_row < MAX_FAILED_ROWS {
            tracing::warn!(%error, "a row is left for the next run");
            if is_foreign {
                self.foreign.get_or_insert(error);
            }
            return;
        }
        self.end(error);
    }

    /// The run ends with this error, once all that is in flight has come.
    fn end(&mut self, error: Error) {
        // What ends the run first is its cause; the rest follows from it.
        if self.error.is_none() {
            tracing::warn!(%error, in_flight = self.tasks.len(), "the run ends as soon as what is in flight has come");
            self.error = Some(error);
        }
        self.halt();
    }

    /// Sends no further request. What is in flight may come home.
    fn halt(&self) {
        self.shared.halt.cancel();
    }
}

/// Sleeps until the deadline, or forever without one.
async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
