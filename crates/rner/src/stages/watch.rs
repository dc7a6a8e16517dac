//! What listens to a trainer: the progress line, the metrics log, Ctrl-C.

use serde::Serialize;
use serde_json::{Value, json};

use crate::interrupt;
use crate::progress::Progress;
use crate::run_dir::{MetricsLog, RunDirError};

/// Listens to one training stage.
pub(crate) struct Watch {
    stage: String,
    seed: u64,
    unit: &'static str,
    log: MetricsLog,
    progress: Option<Progress>,
    /// The first failure to write metrics, which ends the stage.
    failed: Option<RunDirError>,
}

impl Watch {
    /// Listens to the stage of a seed and logs its steps.
    pub(crate) fn new(stage: &str, seed: u64, unit: &'static str, log: MetricsLog) -> Self {
        Self {
            stage: stage.to_owned(),
            seed,
            unit,
            log,
            progress: None,
            failed: None,
        }
    }

    /// Shows and logs one step.
    pub(crate) fn step(
        &mut self,
        step: usize,
        total: usize,
        metrics: &impl Serialize,
        words: &str,
    ) {
        let unit = self.unit;
        let progress = self
            .progress
            .get_or_insert_with(|| Progress::start(&self.stage, total, unit));
        progress.tick(step, words);
        let mut line = json!({ "stage": self.stage, "seed": self.seed, "step": step });
        if let (Value::Object(line), Ok(Value::Object(metrics))) =
            (&mut line, serde_json::to_value(metrics))
        {
            line.extend(metrics);
        }
        if let Err(error) = self.log.log(&line) {
            self.failed.get_or_insert(error);
        }
    }

    /// Whether the stage should stop: Ctrl-C, or metrics that cannot be written.
    pub(crate) fn should_stop(&self) -> bool {
        interrupt::requested() || self.failed.is_some()
    }

    /// Ends the progress line.
    ///
    /// # Errors
    /// If metrics could not be written.
    pub(crate) fn finish(&mut self, summary: &str) -> Result<(), RunDirError> {
        if let Some(progress) = self.progress.take() {
            progress.finish(summary);
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl lm_train::Monitor for Watch {
    fn on_step(&mut self, metrics: &lm_train::StepMetrics) {
        let words = format!(
            "loss {:.3}, {:.0} tokens/s",
            metrics.loss, metrics.tokens_per_second
        );
        self.step(metrics.global_step, metrics.total_steps, metrics, &words);
    }

    fn should_stop(&self) -> bool {
        Self::should_stop(self)
    }
}
