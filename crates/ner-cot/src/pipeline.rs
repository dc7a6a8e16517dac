//! From source rows to accepted rows: the run as a whole.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ner_types::Example;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::Error;
use crate::journal::Journal;
use crate::prompts::Prompts;
use crate::report::{Funnel, Provenance, Reason};
use crate::row::{RowResult, Shared};
use crate::validate::{Annotation, Rules};
use chat_client::{ChatClient, Sampling, Stop};

/// Rows in a row that a server may fail before the run ends with its error.
const MAX_FAILED_ROWS: usize = 8;

/// The settings of a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Most answers of the teacher per row, at least 1. A rejected answer is
    /// followed by another one until they are used up.
    pub attempts: u32,
    /// Least judge score of an accepted answer, 0 to 10.
    pub threshold: f64,
    /// The structural rules that are on.
    pub rules: Rules,
    /// The prompts.
    pub prompts: Prompts,
    /// How the teacher samples.
    pub teacher: Sampling,
    /// How the judge samples.
    pub judge: Sampling,
    /// How long requests in flight may finish after a stop.
    pub grace: Duration,
}

impl Default for PipelineConfig {
    /// Three attempts, threshold 9, all rules, the built-in prompts, the servers'
    /// own sampling, 1.5 seconds of grace.
    fn default() -> Self {
        Self {
            attempts: 3,
            threshold: 9.0,
            rules: Rules::default(),
            prompts: Prompts::default(),
            teacher: Sampling::default(),
            judge: Sampling::default(),
            grace: Duration::from_millis(1500),
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows of the source.
    pub rows: usize,
    /// Rows that are accepted, rejected or given up.
    pub done: usize,
    /// Accepted rows.
    pub accepted: usize,
    /// Rows in work.
    pub in_flight: usize,
    /// HTTP requests that this run has sent, repeated ones included.
    pub requests: u64,
}

/// What a run ended with.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The accepted rows in the order of the source: the teacher's reasoning and
    /// entities, with guid, dataset and sentence of the source.
    pub accepted: Vec<Example>,
    /// What became of the rows and answers.
    pub funnel: Funnel,
    /// Whether the run was stopped before all rows were done.
    pub stopped: bool,
    /// HTTP requests that this run sent; 0 if the journal had everything.
    pub requests: u64,
}

/// Turns sentences and schemas into rows of NER-CoT.
#[derive(Debug)]
pub struct Pipeline {
    teacher: Arc<ChatClient>,
    judge: Arc<ChatClient>,
    config: Arc<PipelineConfig>,
}

/// Rows of the source that ask the same: they share their answers.
struct Job {
    rows: Vec<usize>,
    example: Arc<Example>,
}

impl Pipeline {
    /// Puts the parts together and checks the settings. Sends nothing.
    ///
    /// # Errors
    /// If a setting is out of range.
    pub fn new(
        teacher: ChatClient,
        judge: ChatClient,
        config: PipelineConfig,
    ) -> Result<Self, Error> {
        let wrong = |field, expected, found: String| Error::Setting {
            field,
            expected,
            found,
        };
        if !(1..=1000).contains(&config.attempts) {
            let found = config.attempts.to_string();
            return Err(wrong("attempts", "1 to 1000", found));
        }
        if !(0.0..=10.0).contains(&config.threshold) {
            let found = config.threshold.to_string();
            return Err(wrong("threshold", "a score from 0 to 10", found));
        }
        Ok(Self {
            teacher: Arc::new(teacher),
            judge: Arc::new(judge),
            config: Arc::new(config),
        })
    }

    /// Annotates `source`, with the journal in `dir`.
    ///
    /// Only sentence and schema of a row are sent; its entities are not used.
    /// Requests that the journal has answers for are not sent again. When `stop`
    /// is set, no further request is sent, those in flight get the grace period,
    /// and the outcome says `stopped`. `progress` is called after every row.
    ///
    /// The outcome depends on the servers' answers only, not on their timing.
    ///
    /// # Errors
    /// If nothing in `source` can be annotated, the journal cannot be used, or a
    /// server refuses. What was answered until then is in the journal.
    pub async fn run(
        &self,
        source: &[Example],
        dir: &Path,
        stop: &Stop,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<Outcome, Error> {
        let mut funnel = self.funnel();
        funnel.rows = source.len();
        let jobs = jobs(source, &mut funnel);
        if jobs.is_empty() {
            return Err(Error::NoUsableSource { rows: source.len() });
        }
        let shared = Arc::new(Shared {
            teacher: self.teacher.clone(),
            judge: self.judge.clone(),
            config: self.config.clone(),
            journal: Journal::open(dir)?,
            halt: Stop::new(),
        });
        let before = self.sent();
        let mut run = Run::new(&shared, &jobs, funnel.rejected, source.len());
        let error = run.drive(stop, || self.sent() - before, progress).await;
        // A journal that could not be written gets its last chance here.
        shared.journal.finish()?;
        match error {
            Some(error) => Err(error),
            None => Ok(run.outcome(source, funnel, self.sent() - before)),
        }
    }

    fn sent(&self) -> u64 {
        self.teacher.sent() + self.judge.sent()
    }

    fn funnel(&self) -> Funnel {
        let prompts = &self.config.prompts;
        let provenance = Provenance {
            teacher_model: self.teacher.model().into(),
            judge_model: self.judge.model().into(),
            teacher_prompt: prompts.teacher.version().into(),
            judge_prompt: prompts.judge.version().into(),
        };
        Funnel::new(provenance, self.config.threshold, self.config.attempts)
    }
}

/// Groups equal rows and rejects those that there is nothing to ask about.
fn jobs(source: &[Example], funnel: &mut Funnel) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut known = HashMap::new();
    for (row, example) in source.iter().enumerate() {
        let example = example.normalized();
        if example.sentence.trim().is_empty() {
            funnel.reject(Reason::EmptySentence, 1);
        } else if example.schema.is_empty() {
            funnel.reject(Reason::EmptySchema, 1);
        } else {
            let question = (example.sentence.clone(), example.schema.clone());
            let next = jobs.len();
            let job = *known.entry(question).or_insert(next);
            if job == next {
                jobs.push(Job {
                    rows: Vec::new(),
                    example: Arc::new(example),
                });
            }
            jobs[job].rows.push(row);
        }
    }
    jobs
}

/// One run in progress.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    jobs: &'a [Job],
    results: Vec<Option<RowResult>>,
    tasks: JoinSet<(usize, Result<RowResult, Error>)>,
    next: usize,
    failed_in_a_row: usize,
    error: Option<Error>,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn new(shared: &'a Arc<Shared>, jobs: &'a [Job], rejected: usize, rows: usize) -> Self {
        Self {
            shared,
            jobs,
            results: jobs.iter().map(|_| None).collect(),
            tasks: JoinSet::new(),
            next: 0,
            failed_in_a_row: 0,
            error: None,
            progress: Progress {
                rows,
                done: rejected,
                ..Progress::default()
            },
        }
    }

    /// Works until all rows are done or the run has to end, and returns the
    /// error that ended it.
    async fn drive(
        &mut self,
        stop: &Stop,
        requests: impl Fn() -> u64,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Option<Error> {
        let mut deadline = None;
        loop {
            if stop.is_stopped() {
                self.shared.halt.stop();
            }
            let halted = self.shared.halt.is_stopped();
            if halted {
                deadline = deadline.or(Some(Instant::now() + self.shared.config.grace));
            } else {
                self.fill();
            }
            tokio::select! {
                biased;
                () = wait(deadline), if halted => break,
                () = stop.stopped(), if !halted => {}
                joined = self.tasks.join_next() => match joined {
                    None => break,
                    Some(joined) => self.finish_row(joined),
                },
            }
            self.progress.in_flight = self.tasks.len();
            self.progress.requests = requests();
            progress(&self.progress);
        }
        self.tasks.shutdown().await;
        self.error.take()
    }

    /// Starts rows. More rows are in work than requests may be in flight, so
    /// that rows which wait before trying again leave no slot empty.
    fn fill(&mut self) {
        let window = 2 * (self.shared.teacher.concurrency() + self.shared.judge.concurrency());
        while self.tasks.len() < window && self.next < self.jobs.len() {
            let number = self.next;
            let shared = self.shared.clone();
            let example = self.jobs[number].example.clone();
            self.tasks
                .spawn(async move { (number, shared.annotate(&example).await) });
            self.next += 1;
        }
    }

    fn finish_row(
        &mut self,
        joined: Result<(usize, Result<RowResult, Error>), tokio::task::JoinError>,
    ) {
        let (number, result) = match joined {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        match result {
            Ok(result) => {
                let rows = self.jobs[number].rows.len();
                self.failed_in_a_row = 0;
                self.progress.done += rows;
                self.progress.accepted += rows * usize::from(result.accepted.is_some());
                self.results[number] = Some(result);
            }
            Err(Error::Client(chat_client::Error::Stopped)) => {}
            Err(error) => self.fail(error),
        }
    }

    /// A row that a failing server could not answer stays open for the next run;
    /// a server that refuses, or that fails row after row, ends this one.
    fn fail(&mut self, error: Error) {
        self.failed_in_a_row += 1;
        let passing = matches!(error, Error::Client(chat_client::Error::GaveUp { .. }));
        if passing && self.failed_in_a_row < MAX_FAILED_ROWS {
            tracing::warn!(%error, "a row is left for the next run");
            return;
        }
        self.shared.halt.stop();
        // What ends the run first is its cause; the rest follows from it.
        self.error.get_or_insert(error);
    }

    fn outcome(self, source: &[Example], mut funnel: Funnel, requests: u64) -> Outcome {
        let mut accepted = Vec::new();
        for (job, result) in self.jobs.iter().zip(self.results) {
            let Some(result) = result else {
                funnel.unfinished += job.rows.len();
                continue;
            };
            funnel.add_rows(&job.rows, &job.example.sentence, &result.attempts);
            if let Some(annotation) = result.accepted {
                let rows = job.rows.iter();
                accepted.extend(rows.map(|&row| (row, output(&source[row], job, &annotation))));
            }
        }
        accepted.sort_by_key(|(row, _)| *row);
        Outcome {
            accepted: accepted.into_iter().map(|(_, example)| example).collect(),
            stopped: self.shared.halt.is_stopped() && funnel.unfinished > 0,
            funnel,
            requests,
        }
    }
}

/// The accepted form of a source row.
fn output(source: &Example, job: &Job, annotation: &Annotation) -> Example {
    Example {
        guid: source.guid.clone(),
        dataset: source.dataset.clone(),
        sentence: source.sentence.clone(),
        schema: job.example.schema.clone(),
        cot: Some(annotation.reasoning.clone()),
        entities: annotation.entities.clone(),
    }
}

/// Sleeps until the deadline, or forever without one.
async fn wait(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
