//! What shapes the answers and decides about them, without the servers that give them.

use std::path::Path;
use std::time::Duration;

use chat_client::{Sampling, Structured};

use crate::error::Error;
use crate::journal::{Journal, JournalOptions, Part};
use crate::manifest::Manifest;
use crate::prompts::Prompts;
use crate::report::Provenance;
use crate::rules::Rules;

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
    /// How the teacher's server is asked to keep to the form of the answer.
    pub teacher_format: Structured,
    /// The same for the judge's.
    pub judge_format: Structured,
    /// How long requests in flight may finish after the user has stopped the run.
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
            teacher_format: Structured::None,
            judge_format: Structured::None,
            grace: Duration::from_millis(1500),
        }
    }
}

/// The models and the settings: with a journal, this gives the dataset.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the teacher.
    pub(crate) teacher_model: String,
    /// Name of the judge.
    pub(crate) judge_model: String,
    pub(crate) config: PipelineConfig,
}

impl Plan {
    /// Checks the settings.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn new(
        teacher_model: impl Into<String>,
        judge_model: impl Into<String>,
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
            teacher_model: teacher_model.into(),
            judge_model: judge_model.into(),
            config,
        })
    }

    /// Opens the journal of `dir`, and makes the folder this configuration's own.
    ///
    /// A folder whose answers were asked for with other models, prompts or sampling is refused unless `allow_change` is
    /// given: going on would lose nothing, but all answers would be paid for again.
    ///
    /// # Errors
    /// Those of [`Journal::open`], and [`Error::OtherConfiguration`].
    pub fn open_journal(
        &self,
        dir: &Path,
        options: &JournalOptions,
        allow_change: bool,
    ) -> Result<Journal, Error> {
        let journal = Journal::open_with(dir, options)?;
        Manifest::of(self).claim(dir, &journal, allow_change)?;
        Ok(journal)
    }

    /// Models and versions of the prompts.
    pub fn provenance(&self) -> Provenance {
        let prompts = &self.config.prompts;
        Provenance {
            teacher_model: self.teacher_model.clone(),
            judge_model: self.judge_model.clone(),
            teacher_prompt: prompts.teacher.version().into(),
            judge_prompt: prompts.judge.version().into(),
        }
    }

    /// Name of the model for a part.
    pub fn model(&self, part: Part) -> &str {
        match part {
            Part::Teacher => &self.teacher_model,
            Part::Judge => &self.judge_model,
        }
    }

    /// The settings.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }
}
