//! A pipeline at work: the line that shows it, and the token that stops it.

use std::path::Path;
use std::time::Instant;

use ner_cot::{Format, Funnel, Generated, Journal, Pipeline, RunOptions, Selection, Sent, Stop};
use ner_types::Example;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

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
        let line = Line::new(rows, self.session);
        self.generate_with(&line, selection, journal, out, formats)
    }

    /// Asks about rows without writing a dataset.
    ///
    /// # Errors
    /// A server that cannot be asked, a journal that cannot be written.
    pub fn send(&self, selection: &Selection<'_>, journal: Journal) -> Result<(Journal, Sent)> {
        let line = Line::new(selection.rows(), self.session);
        let (stop, watcher) = self.pass_on();
        let mut show = |p: &ner_cot::Progress| line.show(p, false);
        let (pipeline, options) = (self.pipeline, self.options);
        let run = pipeline.send(selection, journal, options, &stop, &mut show);
        let sent = self.runtime.block_on(run);
        watcher.abort();
        Ok(sent?)
    }

    /// Annotates rows that are in memory, all of them, and writes the dataset to `out`.
    ///
    /// # Errors
    /// As [`Annotation::generate`]; rows that a failing server left open, and an interruption.
    pub fn generate_in_memory(&self, rows: &[Example], out: &Path) -> Result<Funnel> {
        let selection = Selection::new(rows, Default::default())?;
        let journal = self.pipeline.open(out, self.options)?;
        let line = Line::new(rows.len(), self.session);
        let formats = [Format::Jsonl];
        let generated = self.generate_with(&line, &selection, journal, out, &formats)?;
        if generated.stopped.is_some() {
            return Err(Error::Interrupted);
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
        line: &Line,
        selection: &Selection<'_>,
        journal: Journal,
        out: &Path,
        formats: &[Format],
    ) -> Result<Generated> {
        let (stop, watcher) = self.pass_on();
        let (pipeline, options) = (self.pipeline, self.options);
        let mut show = |p: &ner_cot::Progress| line.show(p, options.target.is_some());
        let run = pipeline.generate(selection, journal, out, formats, options, &stop, &mut show);
        let generated = self.runtime.block_on(run);
        watcher.abort();
        Ok(generated?)
    }

    /// A stop of the pipeline that follows the session's token, and the task that passes it on.
    fn pass_on(&self) -> (Stop, JoinHandle<()>) {
        let stop = Stop::new();
        let (token, passed) = (self.session.stop().clone(), stop.clone());
        let watcher = self.runtime.spawn(async move {
            token.cancelled().await;
            passed.stop();
        });
        (stop, watcher)
    }
}

/// The line that is redrawn while a run goes on.
struct Line {
    part: Box<dyn Part>,
    begun: Instant,
}

impl Line {
    fn new(rows: usize, session: &Session) -> Self {
        Self {
            part: session.start("cot", rows, "sentences"),
            begun: Instant::now(),
        }
    }

    fn show(&self, p: &ner_cot::Progress, is_target: bool) {
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
        self.part
            .tick(if is_target { p.accepted } else { p.done }, &words);
    }
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
