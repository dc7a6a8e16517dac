//! The folders of stages: what a stage wrote counts only with a marker that fits it.

use std::path::Path;

use anyhow::{Context, Result};
use rner::run_dir::{Inputs, RunDirError, Stage, write_atomic};

use super::subject::{Proof, Reading, Subject};

const SETTINGS: &str = "hash of settings";

/// What the stage makes of its inputs.
const RESULT: &str = "weights of a model";

/// A stage of a run, finished or not, whose command is given again.
pub(super) struct Stages {
    pub(super) is_finished: bool,
    /// Whether the folder belongs to a command of its own, which never empties it.
    pub(super) is_alone: bool,
}

impl Stages {
    fn stage(&self, dir: &Path) -> Stage {
        if self.is_alone {
            Stage::alone(&dir.join("out"), "sft")
        } else {
            Stage::at(dir, 3, "sft")
        }
    }

    /// What `rner sft` and a stage of `rner reproduce` do.
    fn run(&self, dir: &Path) -> Result<String, RunDirError> {
        let (stage, inputs) = (self.stage(dir), inputs());
        let read = |path: &Path| {
            let text = std::fs::read_to_string(path);
            text.map_err(|error| RunDirError::read(path, error))
        };
        if stage.is_done(&inputs, SETTINGS).is_some() {
            return read(&stage.path("model/weights"));
        }
        stage.claim(&inputs, SETTINGS)?;
        stage.begin()?;
        write_atomic(&stage.path("model/weights"), RESULT.as_bytes())?;
        write_atomic(&stage.path("model/config.json"), b"{}")?;
        stage.finish(&inputs, SETTINGS, &["model"], 1.5, "one model")?;
        read(&stage.path("model/weights"))
    }
}

fn inputs() -> Inputs {
    Inputs::from([("data".to_owned(), "hash of rows".to_owned())])
}

impl Subject for Stages {
    fn name(&self) -> &'static str {
        "stage folders"
    }

    fn proof(&self) -> Proof {
        Proof::Hashed
    }

    fn write(&self, dir: &Path) -> Result<()> {
        self.run(dir).context("a stage")?;
        if !self.is_finished {
            let stage = self.stage(dir);
            std::fs::remove_file(stage.path("done.json")).context("done.json")?;
        }
        Ok(())
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        Ok(self.run(dir).map_err(|error| error.to_string()))
    }
}
