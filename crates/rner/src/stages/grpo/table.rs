//! The table of completions: what the policy answered, what it earned, and what the trainer made of it.

use std::io::{Error, Write};
use std::path::{Path, PathBuf};

use lm_grpo::CompletionRow;
use ner_types::{Entity, Example};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::run_dir::{RunDirError, write_atomic};

/// Writes the completions of every n-th step, one JSON line each, to `step-000010.jsonl` and so on.
#[derive(Debug)]
pub struct CompletionTable {
    dir: PathBuf,
    every: usize,
    /// What each prompt asked for.
    asked: Vec<Example>,
}

/// A line of the table.
#[derive(Serialize)]
struct Row<'a> {
    step: usize,
    guid: Option<&'a str>,
    sentence: &'a str,
    schema: &'a [String],
    gold: &'a [Entity],
    completion: &'a str,
    reward: f64,
    rewards: Map<String, Value>,
    advantage: f64,
    truncated: bool,
}

impl CompletionTable {
    /// Tables of no prompt yet, in `dir`, of every `every`-th step; 0 writes none.
    pub(super) fn new(dir: &Path, every: usize) -> Self {
        Self {
            dir: dir.to_owned(),
            every,
            asked: Vec::new(),
        }
    }

    /// Adds the next prompt's sentence, labels normalised.
    pub(super) fn add(&mut self, example: &Example) {
        self.asked.push(Example {
            cot: None,
            // Of relations and events, what is compared.
            entities: example.as_items().entities.clone(),
            ..example.clone()
        });
    }

    /// What each prompt asks for.
    pub(super) fn asked(&self) -> &[Example] {
        &self.asked
    }

    /// Writes the completions of step `step`, counted from 1, if it is one of those wanted. A file that a stopped run
    /// has left is replaced.
    pub fn write(&self, step: usize, rows: &[CompletionRow<'_>]) -> Result<(), RunDirError> {
        if self.every == 0 || !step.is_multiple_of(self.every) {
            return Ok(());
        }
        let path = self.dir.join(format!("step-{step:06}.jsonl"));
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, &self.line(step, row))
                .map_err(Error::other)
                .and_then(|()| text.write_all(b"\n"))
                .map_err(|error| RunDirError::write(&path, error))?;
        }
        write_atomic(&path, &text)
    }

    fn line<'a>(&'a self, step: usize, row: &'a CompletionRow<'_>) -> Row<'a> {
        let asked = &self.asked[row.prompt_index];
        let parts = row.reward.parts.iter();
        Row {
            step,
            guid: asked.guid.as_deref(),
            sentence: &asked.sentence,
            schema: &asked.schema,
            gold: &asked.entities,
            completion: row.completion,
            reward: row.reward.total,
            rewards: parts
                .map(|(name, value)| (name.clone(), (*value).into()))
                .collect(),
            advantage: row.advantage,
            truncated: row.truncated,
        }
    }
}
