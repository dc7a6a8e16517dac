//! A pipeline at work: the line that shows it, and the token that stops it.

use std::path::Path;
use std::time::Instant;

use ner_cot::export::Format;
use ner_cot::{
    Funnel, Generated, Journal, Observer, Pipeline, Progress, RunOptions, Selection, Sent,
    StopCause,
};
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::session::{Part, Session};

/// A pipeline with what it needs to run.
pub struct Annotation<'a> {
    /// Teacher, judge and rules.
    pub pipeline: &'a Pipeline,
    /// Target, budget and journal.
    pub options: &'a RunOptions,
    /// When to stop, and who listens.
    pub session: &'a Session,
    /// What the requests run on.
    pub runtime: &'a Runtime,
}

impl Annotation<'_> {
    /// Annotates rows to the end and writes the dataset in these formats to `out`.
    ///
    /// # Errors
    /// A server that cannot be asked, a folder that cannot be written.
    pub fn generate(
        &self,
        selection: &Selection<'_>,
        journal: Journal,
        out: &Path,
        formats: &[Format],
    ) -> Result<Generated> {
        let rows = self.options.target.unwrap_or(selection.rows());
        let mut line = self.line(rows);
        self.generate_with(&mut line, selection, journal, out, formats)
    }

    /// Asks about rows without writing a dataset.
    ///
    /// # Errors
    /// A server that cannot be asked, a journal that cannot be written.
    pub fn send(&self, selection: &Selection<'_>, journal: Journal) -> Result<(Journal, Sent)> {
        let mut line = Line {
            is_target: false,
            ..self.line(selection.rows())
        };
        let (pipeline, options, stop) = (self.pipeline, self.options, self.session.stop());
        let run = pipeline.send(selection, journal, options, stop, &mut line);
        Ok(self.runtime.block_on(run)?)
    }

    /// [`Annotation::generate`] of lines of JSON, for a stage: what is not complete is an error.
    ///
    /// # Errors
    /// As [`Annotation::generate`]; rows that a failing server left open, a spent budget, and an interruption.
    pub fn complete(
        &self,
        selection: &Selection<'_>,
        journal: Journal,
        out: &Path,
    ) -> Result<Funnel> {
        let rows = self.options.target.unwrap_or(selection.rows());
        let mut line = self.line(rows);
        let formats = [Format::Jsonl];
        let generated = self.generate_with(&mut line, selection, journal, out, &formats)?;
        match &generated.stopped {
            None => {}
            Some(StopCause::Asked) => return Err(Error::Interrupted),
            Some(StopCause::Budget(why)) => return Err(spent(why)),
        }
        let funnel = generated.funnel;
        all_are_done(&funnel)?;
        line.part.finish(&format!(
            "{} of {} sentences accepted",
            funnel.accepted, funnel.rows
        ));
        Ok(funnel)
    }

    fn generate_with(
        &self,
        line: &mut Line,
        selection: &Selection<'_>,
        journal: Journal,
        out: &Path,
        formats: &[Format],
    ) -> Result<Generated> {
        let (pipeline, options, stop) = (self.pipeline, self.options, self.session.stop());
        let run = pipeline.generate(selection, journal, out, formats, options, stop, line);
        Ok(self.runtime.block_on(run)?)
    }

    fn line(&self, rows: usize) -> Line {
        Line {
            part: self.session.start("cot", rows, "sentences"),
            begun: Instant::now(),
            is_target: self.options.target.is_some(),
        }
    }
}

/// The line that is redrawn while a run goes on.
struct Line {
    part: Box<dyn Part>,
    begun: Instant,
    /// Whether it counts accepted rows, towards a target.
    is_target: bool,
}

impl Observer for Line {
    fn on_progress(&mut self, p: &Progress) {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        let mut words = format!(
            "{} accepted, {} rejected, {} in flight, {:.0} tokens/s",
            p.accepted,
            p.rejected,
            p.in_flight,
            p.completion_tokens as f64 / seconds
        );
        if p.dollars > 0.0 {
            words.push_str(&format!(", ${:.2}", p.dollars));
        }
        let done = if self.is_target { p.accepted } else { p.done };
        self.part.tick(done, &words);
    }
}

/// A stage that a budget ended is not done.
fn spent(why: &str) -> Error {
    Error::Invalid(format!(
        "stopped: {why}; what was answered is kept, and the same command with a larger cot.budget_usd or \
         cot.budget_tokens goes on from here"
    ))
}

/// An error if a failing server left rows open: a script must not take the rest for the whole.
///
/// # Errors
/// That one.
pub fn all_are_done(funnel: &Funnel) -> Result<()> {
    if funnel.unfinished == 0 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{} rows have no answer, because the server failed again and again; the same command goes on with them",
        funnel.unfinished
    )))
}
