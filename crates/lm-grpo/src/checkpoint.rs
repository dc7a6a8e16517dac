//! Checkpoints of a run: the model in Hugging Face layout, the optimizer, the position, and a batch in progress.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::AutodiffModule;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use lm_train::{AtomicDir, Optimizer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch::Batch;
use crate::evaluation::Evaluations;
use crate::{Error, GrpoConfig, Prompt};

/// File names beside those of the model; the first two are those of supervised runs.
const OPTIMIZER_FILE: &str = "optimizer.safetensors";
const STATE_FILE: &str = "trainer_state.json";
const BATCH_FILE: &str = "rollout_batch.json";
const NEXT_FILE: &str = "next_rollout_batch.json";

/// Folder of the policy that is to sample the next batch, if it is not the model of the checkpoint.
const ROLLOUT_POLICY: &str = "rollout_policy";

/// Folder of the best model, as in supervised runs.
const BEST: &str = "best";

/// Fields of the configuration that a resumed run may change.
const FREE_FIELDS: [&str; 3] = ["save_every", "save_total_limit", "micro_batch_tokens"];

/// Where a run is, and which run it is: `trainer_state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Steps done.
    pub(crate) global_step: usize,
    /// Tokens of prompts and completions so far, each counted once.
    pub(crate) num_tokens: u64,
    /// The configuration of the run.
    pub(crate) config: GrpoConfig,
    /// Hash of the tokens of all prompts, in the order given, and of the indices of those held out.
    pub(crate) prompts_hash: String,
    #[serde(default)]
    pub(crate) evaluations: Evaluations,
}

impl State {
    pub(crate) fn new(config: &GrpoConfig, prompts: &[Prompt], held_out: &[usize]) -> Self {
        Self {
            global_step: 0,
            num_tokens: 0,
            config: config.clone(),
            prompts_hash: hash(prompts, held_out),
            evaluations: Evaluations::default(),
        }
    }

    /// Checks that the checkpoint in `dir`, whose state is `self`, was written by the run of `other`.
    fn check_same_run(&self, other: &Self, dir: &Path) -> Result<(), Error> {
        let mismatch = |what: String, expected: String, found: String| {
            Err(Error::ResumeMismatch {
                path: dir.to_path_buf(),
                what,
                expected,
                found,
            })
        };
        if self.prompts_hash != other.prompts_hash {
            return mismatch(
                "the list of prompts".into(),
                self.prompts_hash.clone(),
                other.prompts_hash.clone(),
            );
        }
        let (saved, ours) = (fields(&self.config, dir)?, fields(&other.config, dir)?);
        let differing = saved.iter().find(|(name, value)| {
            !FREE_FIELDS.contains(&name.as_str()) && ours.get(*name) != Some(*value)
        });
        match differing {
            None => Ok(()),
            Some((name, value)) => {
                let found = ours.get(name).map_or_else(String::new, Value::to_string);
                mismatch(
                    format!("configuration field `{name}`"),
                    value.to_string(),
                    found,
                )
            }
        }
    }
}

fn fields(config: &GrpoConfig, dir: &Path) -> Result<serde_json::Map<String, Value>, Error> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Error::corrupt(
            dir,
            format!("expected a configuration, found {other}"),
        )),
        Err(error) => Err(Error::corrupt(dir, error)),
    }
}

fn hash(prompts: &[Prompt], held_out: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for prompt in prompts {
        hasher.update(&(prompt.ids.len() as u64).to_le_bytes());
        for id in &prompt.ids {
            hasher.update(&id.to_le_bytes());
        }
    }
    for prompt in held_out {
        hasher.update(&(*prompt as u64).to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// What a run needs to go on.
pub(crate) struct Saved<B: TrainBackend> {
    pub(crate) model: Qwen3<B>,
    pub(crate) optimizer: Optimizer<B>,
    pub(crate) state: State,
    pub(crate) batch: Option<Batch>,
    pub(crate) next: Option<Batch>,
    pub(crate) rollout_policy: Option<Qwen3<B::InnerBackend>>,
}

impl<B: TrainBackend> Saved<B> {
    /// The state of a run that begins.
    pub(crate) fn fresh(policy: Qwen3<B>, state: State) -> Self {
        Self {
            model: policy,
            optimizer: Optimizer::new(state.config.adamw()),
            state,
            batch: None,
            next: None,
            rollout_policy: None,
        }
    }
}

/// What is written, borrowed from the run.
pub(crate) struct Snapshot<'a, B: TrainBackend> {
    pub(crate) model: &'a Qwen3<B>,
    pub(crate) optimizer: &'a Optimizer<B>,
    pub(crate) state: &'a State,
    pub(crate) batch: Option<&'a Batch>,
    pub(crate) next: Option<&'a Batch>,
    pub(crate) rollout_policy: Option<&'a Qwen3<B::InnerBackend>>,
    /// Files to copy beside the model.
    pub(crate) attach: &'a [PathBuf],
}

impl<B: TrainBackend> Snapshot<'_, B> {
    /// Writes a checkpoint into `root/step-<n>`, complete or not at all, and returns its path.
    pub(crate) fn write(&self, root: &Path) -> Result<PathBuf, Error> {
        // The name is that of supervised runs, so that `lm_train::latest_checkpoint` finds both.
        let dir = AtomicDir::create(&root.join(format!("step-{:06}", self.state.global_step)))?;
        lm_model::checkpoint::save_trained(self.model, dir.path())?;
        self.optimizer.save(
            &self.model.named_parameters(),
            &dir.path().join(OPTIMIZER_FILE),
        )?;
        write_json(&dir.path().join(STATE_FILE), self.state)?;
        for (file, batch) in [(BATCH_FILE, self.batch), (NEXT_FILE, self.next)] {
            if let Some(batch) = batch {
                write_json(&dir.path().join(file), batch)?;
            }
        }
        if let Some(policy) = self.rollout_policy {
            lm_model::checkpoint::save_trained(policy, &dir.path().join(ROLLOUT_POLICY))?;
        }
        self.attach
            .iter()
            .try_for_each(|file| copy_into(file, dir.path()))?;
        Ok(dir.commit()?)
    }
}

/// Where the best model of a run is kept.
pub(crate) fn best_dir(root: &Path) -> PathBuf {
    root.join(BEST)
}

/// Writes the model alone into `root/best`, in place of an earlier one.
pub(crate) fn write_best<B: LmOps>(
    root: &Path,
    model: &Qwen3<B>,
    attach: &[PathBuf],
) -> Result<PathBuf, Error> {
    let dir = AtomicDir::create(&best_dir(root))?;
    lm_model::checkpoint::save_trained(model, dir.path())?;
    attach
        .iter()
        .try_for_each(|file| copy_into(file, dir.path()))?;
    Ok(dir.commit()?)
}

/// Reads the checkpoint in `dir`, which must have been written by the run of `fresh`; `policy` is the model that
/// the run began with.
pub(crate) fn read<B: TrainBackend>(
    dir: &Path,
    fresh: &State,
    policy: Qwen3<B>,
) -> Result<Saved<B>, Error> {
    let state: State = read_json(&dir.join(STATE_FILE))?;
    state.check_same_run(fresh, dir)?;
    let batch = read_batch(&dir.join(BATCH_FILE))?;
    let next = read_batch(&dir.join(NEXT_FILE))?;
    let rollout_policy = match dir.join(ROLLOUT_POLICY) {
        dir if dir.exists() => Some(lm_model::checkpoint::load_trained(policy.valid(), &dir)?),
        _ => None,
    };
    let model = lm_model::checkpoint::load_trained(policy, dir)?;
    let path = dir.join(OPTIMIZER_FILE);
    let optimizer = Optimizer::load(
        fresh.config.adamw(),
        &model.named_parameters(),
        &path,
        &model.device(),
    )?;
    let state = State {
        config: fresh.config.clone(),
        ..state
    };
    Ok(Saved {
        model,
        optimizer,
        state,
        batch,
        next,
        rollout_policy,
    })
}

fn read_batch(path: &Path) -> Result<Option<Batch>, Error> {
    path.exists().then(|| read_json(path)).transpose()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::corrupt(path, error))?;
    fs::write(path, text + "\n").map_err(Error::io(path))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|error| Error::corrupt(path, error))
}

fn copy_into(file: &Path, dir: &Path) -> Result<(), Error> {
    let name = file
        .file_name()
        .ok_or_else(|| Error::corrupt(file, "expected a path that ends in a name"))?;
    fs::copy(file, dir.join(name))
        .map(drop)
        .map_err(Error::io(file))
}
