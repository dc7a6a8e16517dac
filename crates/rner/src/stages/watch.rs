//! What listens to a trainer: the progress line, the metrics log, Ctrl-C.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::grpo::CompletionTable;
use crate::error::{Context, Result};
use crate::recipe::Recipe;
use crate::run_dir::{MetricsLog, RunDirError};
use crate::session::{Part, Session};
use crate::tensorboard::{self, EventFile};
use crate::tracking::{self, Curves, Tracked, Tracker};

/// Listens to one training stage.
pub struct Watch {
    session: Session,
    stage: String,
    seed: u64,
    unit: &'static str,
    log: MetricsLog,
    /// The same numbers for TensorBoard, if wanted.
    events: Option<EventFile>,
    /// The same for other programs, once a step was logged, and what they are told of the training.
    curves: Vec<Box<dyn Curves>>,
    tracked: Option<(Vec<Tracker>, Tracked)>,
    /// Whether a step was logged since the stage was begun or gone on with.
    has_logged: bool,
    progress: Option<Box<dyn Part>>,
    /// Where the completions of a reinforcement learning run go.
    pub(super) completions: Option<CompletionTable>,
    /// The first failure to write metrics or completions, which ends the stage.
    failed: Option<RunDirError>,
    /// Ends the stage.
    stop: CancellationToken,
}

impl Watch {
    /// Listens to the stage of a seed and logs its steps.
    pub fn new(
        stage: &str,
        seed: u64,
        unit: &'static str,
        log: MetricsLog,
        session: &Session,
    ) -> Self {
        Self {
            session: session.clone(),
            stage: stage.to_owned(),
            seed,
            unit,
            log,
            events: None,
            curves: Vec::new(),
            tracked: None,
            has_logged: false,
            progress: None,
            completions: None,
            failed: None,
            stop: session.stop().child_token(),
        }
    }

    /// Listens to the stage of a seed as a recipe says: `metrics.jsonl` and the files of trackers go to `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(
        stage: &str,
        seed: u64,
        unit: &'static str,
        folder: &Path,
        recipe: &Recipe,
        session: &Session,
    ) -> Result<Self> {
        atomic_files::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let log = MetricsLog::open(&folder.join("metrics.jsonl"))?;
        let mut watch = Self::new(stage, seed, unit, log, session);
        let trackers = recipe.run.trackers();
        let section = stage.split('-').next().unwrap_or_default();
        let settings = recipe.section_settings(&["model", "lora", "hardware", section]);
        let tracked = Tracked {
            run: folder.to_owned(),
            name: tracking::name(stage, seed),
            settings,
        };
        let is_wanted = trackers.contains(&Tracker::Tensorboard);
        watch.tracked = Some((trackers, tracked));
        Ok(watch.with_tensorboard(folder, is_wanted)?)
    }

    /// Also writes event files for TensorBoard, into a folder of the stage and the seed below `run`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn with_tensorboard(mut self, run: &Path, wanted: bool) -> Result<Self, RunDirError> {
        if wanted {
            let name = tracking::name(&self.stage, self.seed);
            let dir = run.join(tensorboard::FOLDER).join(name);
            self.events = Some(EventFile::create(&dir)?);
        }
        Ok(self)
    }

    /// Shows and logs one step.
    pub fn step(&mut self, step: usize, total: usize, metrics: &impl Serialize, words: &str) {
        let unit = self.unit;
        let progress = self
            .progress
            .get_or_insert_with(|| self.session.start(&self.stage, total, unit));
        progress.tick(step, words);
        self.record(step, metrics);
    }

    /// Shows words beside the progress line, if there is one.
    pub(super) fn note(&self, step: usize, words: &str) {
        if let Some(progress) = &self.progress {
            progress.note(step, words);
        }
    }

    /// Logs the numbers of one step.
    pub(super) fn record(&mut self, step: usize, metrics: &impl Serialize) {
        let Ok(Value::Object(metrics)) = serde_json::to_value(metrics) else {
            return;
        };
        if let Err(error) = self.log(step, metrics) {
            self.fail(error);
        }
    }

    /// Logs to all files. What an earlier training, or this one before it was killed, has logged of the first step and
    /// of later ones goes first, so that no file has two trainings.
    fn log(&mut self, step: usize, metrics: Map<String, Value>) -> Result<(), RunDirError> {
        if !std::mem::replace(&mut self.has_logged, true) {
            self.log.forget_from(&self.stage, self.seed, step)?;
            if let Some(events) = &mut self.events {
                events.begin_at(step)?;
            }
            self.begin_curves()?;
        }
        for curves in &mut self.curves {
            curves.add(step, &metrics)?;
        }
        if let Some(events) = &mut self.events {
            events.scalars(step, &metrics)?;
        }
        let mut line = json!({ "stage": self.stage, "seed": self.seed, "step": step });
        if let Value::Object(line) = &mut line {
            line.extend(metrics);
        }
        self.log.log(&line)
    }

    /// Begins the curves of other programs, with the steps that were logged before.
    fn begin_curves(&mut self) -> Result<(), RunDirError> {
        let Some((trackers, tracked)) = &self.tracked else {
            return Ok(());
        };
        let history = if trackers.is_empty() {
            Vec::new()
        } else {
            self.log.history(&self.stage, self.seed)?
        };
        for tracker in trackers {
            self.curves
                .extend(tracking::begin(*tracker, tracked, &history)?);
        }
        Ok(())
    }

    /// Ends the stage because something cannot be written.
    pub(super) fn fail(&mut self, error: RunDirError) {
        self.failed.get_or_insert(error);
        self.stop.cancel();
    }

    /// What ends the stage: the session's token, or metrics that cannot be written.
    pub fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends the progress line.
    ///
    /// # Errors
    /// If metrics could not be written.
    pub fn finish(&mut self, summary: &str) -> Result<(), RunDirError> {
        if let Some(progress) = self.progress.take() {
            progress.finish(summary);
        }
        let is_done = !self.stop.is_cancelled();
        for curves in &mut self.curves {
            curves.end(is_done)?;
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl lm_train::Observer for Watch {
    fn on_step(&mut self, metrics: &lm_train::StepMetrics) {
        let words = format!(
            "loss {:.3}, {:.0} tokens/s",
            metrics.loss, metrics.tokens_per_second
        );
        self.step(metrics.global_step, metrics.total_steps, metrics, &words);
    }

    fn on_evaluation(&mut self, metrics: &lm_train::EvalMetrics) {
        self.record(metrics.global_step, metrics);
        let best = if metrics.is_best {
            ", the best so far"
        } else {
            ""
        };
        let words = format!("evaluation loss {:.4}{best}", metrics.eval_loss);
        self.note(metrics.global_step, &words);
    }
}
