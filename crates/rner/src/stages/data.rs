//! The data of a run: sentences to annotate, prompts to reinforce on, a benchmark to score, and what a score means.

mod gather;
mod suite;

use std::path::{Path, PathBuf};

use ner_datasets::write_jsonl;
use ner_eval::Suite;
use ner_types::Example;

use crate::data::index::Index;
use crate::data::{Places, RunProtocol};
use crate::error::{Context, Result};
use crate::recipe::Data;
use crate::session::Session;
use gather::Gathering;

pub use suite::{load_suite, load_suite_of, read_suite};

/// Rows with reasoning that were there already, in the folder of the stage.
const READY_COT: &str = "cot.jsonl";

/// Everything that a run reads.
pub struct Sources {
    /// Sentences for the teacher, with the gold that a simulated one answers from; or those of [`Sources::cot`].
    pub train: Vec<Example>,
    /// Annotated sentences with their chains of thought, if they were there already.
    pub cot: Option<Vec<Example>>,
    /// Prompts for reinforcement learning, with gold.
    pub rl: Vec<Example>,
    /// The benchmark.
    pub suite: Suite,
    /// What a score on it means.
    pub protocol: RunProtocol,
}

impl Sources {
    /// Gathers what the recipe names; what is not on this machine is fetched.
    ///
    /// # Errors
    /// A dataset that is missing, empty, malformed or cannot be fetched, or a licence that is not accepted.
    pub fn load(data: &Data, seed: u64, session: &Session) -> Result<Self> {
        Self::read(&Places::ready(data, session)?, data, seed)
    }

    /// Reads what was found.
    ///
    /// # Errors
    /// A dataset that is empty or malformed; a name of a set or of label names that does not exist.
    pub fn read(places: &Places, data: &Data, seed: u64) -> Result<Self> {
        Gathering::new(data, seed)?.gather(places)
    }

    /// Writes `train.jsonl`, `rl.jsonl`, `eval/`, `protocol.json` and, where there are chains of thought, `cot.jsonl`.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        write_jsonl(&dir.join("train.jsonl"), &self.train)?;
        write_jsonl(&dir.join("rl.jsonl"), &self.rl)?;
        if let Some(cot) = &self.cot {
            write_jsonl(&dir.join(READY_COT), cot)?;
        }
        let eval = dir.join("eval");
        atomic_files::fs::create_dir_all(&eval)
            .with_context(|| format!("cannot create {}", eval.display()))?;
        for set in &self.suite.sets {
            write_jsonl(&eval.join(format!("{}.jsonl", set.name)), &set.examples)?;
        }
        let index = Index {
            name: self.suite.name.clone(),
            sets: self.suite.sets.iter().map(|set| set.name.clone()).collect(),
        };
        index.write(&eval)?;
        self.protocol.write(dir)
    }

    /// What [`Sources::write`] writes for a recipe.
    pub fn outputs(data: &Data) -> Vec<&'static str> {
        let ready = (data.cot != "generate").then_some(READY_COT);
        let always = [
            "train.jsonl",
            "rl.jsonl",
            "eval",
            crate::data::PROTOCOL_FILE,
        ];
        always.into_iter().chain(ready).collect()
    }

    /// What was read, in a sentence.
    pub fn summary(&self) -> String {
        let first = match &self.cot {
            Some(rows) => format!("{} sentences with reasoning", rows.len()),
            None => format!("{} sentences to annotate", self.train.len()),
        };
        format!(
            "{first}, {} to reinforce on, {} to score, {}",
            self.rl.len(),
            self.suite.sentences(),
            self.protocol.protocol
        )
    }
}

/// The rows with reasoning that the stage `data` wrote because they were there already: the output of the stage `cot`,
/// which asks no teacher then.
pub fn ready_cot(data: &Path) -> Option<PathBuf> {
    let path = data.join(READY_COT);
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests;
