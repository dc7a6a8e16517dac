//! Evaluations of a run: when, what counts as a gain, and when to give up.

use burn::module::AutodiffModule;
use lm_kernels::{LmOps, TrainBackend};
use lm_model::Qwen3;
use lm_train::RunFiles;
use serde::{Deserialize, Serialize};

use crate::advantages::{mean, std};
use crate::checkpoint;
use crate::groups::{Asking, Group, Scored, sample_groups, totals};
use crate::metrics::{Seconds, length_metrics, part_metrics};
use crate::trainer::{Flow, Trainer};
use crate::{Environment, Error, Evaluation, GrpoConfig, Monitor, RewardValue};

/// The best evaluation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEvaluation {
    /// Steps done before it.
    pub global_step: usize,
    /// Mean reward of the held-out prompts, answered greedily.
    pub reward: f64,
}

/// What is remembered of the evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluations {
    /// The best so far.
    pub(crate) best: Option<BestEvaluation>,
    /// Steps done before the last one.
    pub(crate) last: Option<usize>,
    /// How many in a row were not better than the best.
    pub(crate) without_gain: usize,
}

impl Evaluations {
    /// Enters a mean reward; returns whether it is the best so far.
    fn count(&mut self, global_step: usize, reward: f64) -> bool {
        let is_best = self.best.is_none_or(|best| reward > best.reward);
        self.last = Some(global_step);
        self.without_gain = match is_best {
            true => 0,
            false => self.without_gain + 1,
        };
        if is_best {
            self.best = Some(BestEvaluation {
                global_step,
                reward,
            });
        }
        is_best
    }
}

impl<B: TrainBackend> Trainer<'_, B> {
    /// Whether the model should be evaluated now: before the first step, every n steps and at the end, once each. A run that
    /// was stopped while it evaluated resumes with that.
    pub(crate) fn evaluation_is_due(&self) -> bool {
        let step = self.state.global_step;
        let due = |every: usize| step.is_multiple_of(every) || step == self.config.steps;
        // In the middle of a batch the weights are those of no step.
        self.batch.is_none()
            && self.state.evaluations.last != Some(step)
            && self.config.eval_every.is_some_and(due)
    }

    /// Whether too many evaluations in a row brought nothing.
    pub(crate) fn is_out_of_patience(&self) -> bool {
        let patience = self.config.early_stopping_patience;
        patience.is_some_and(|patience| self.state.evaluations.without_gain >= patience)
    }

    /// Answers the held-out prompts and keeps the model if it is the best.
    pub(crate) fn evaluate(
        &mut self,
        environment: &mut Environment<'_, B::InnerBackend>,
        model: &Qwen3<B>,
        monitor: &mut dyn Monitor,
    ) -> Result<Flow, Error> {
        let global_step = self.state.global_step;
        let picked = environment.held_out.iter();
        let picked: Vec<(usize, u64)> = picked.map(|&prompt| (prompt, 0)).collect();
        let asking = Asking::to_evaluate(self.config, global_step);
        let policy = model.valid();
        let mut seconds = Seconds::default();
        let groups = sample_groups(environment, &policy, &picked, asking, &mut seconds, monitor)?;
        drop(policy);
        let Some(groups) = groups else {
            return Ok(Flow::Stopped);
        };
        let reward = mean(&totals(&groups));
        let is_best = self.state.evaluations.count(global_step, reward);
        if is_best && let Some(root) = &self.files.checkpoints {
            checkpoint::write_best(root, model, &self.files.attach)?;
        }
        monitor.on_evaluation(&Evaluation {
            global_step,
            total_steps: self.config.steps,
            reward,
            is_best,
            values: metrics(&groups, seconds),
        });
        Ok(Flow::Done)
    }

    /// The model that the run returns.
    pub(crate) fn choose(&self, last: Qwen3<B>) -> Result<Qwen3<B>, Error> {
        match &self.files.checkpoints {
            Some(root) if self.config.load_best => {
                let best = checkpoint::best_dir(root);
                Ok(lm_model::checkpoint::load_trained(last, &best)?)
            }
            _ => Ok(last),
        }
    }
}

fn metrics(groups: &[Group], seconds: Seconds) -> Vec<(String, f64)> {
    let members: Vec<&Scored> = groups.iter().flat_map(|group| &group.members).collect();
    let rewards: Vec<&RewardValue> = members.iter().map(|scored| &scored.reward).collect();
    let totals = totals(groups);
    let mut values = vec![
        ("reward".to_owned(), mean(&totals)),
        ("reward_std".to_owned(), std(&totals)),
        ("runtime".to_owned(), seconds.rollout + seconds.reward),
    ];
    values.extend(part_metrics(&rewards));
    values.extend(length_metrics(&members));
    let named = |(name, value)| (format!("eval_{name}"), value);
    values.into_iter().map(named).collect()
}

/// The prompts to train on. Refuses to evaluate on nothing, and to load a best model that is written nowhere.
pub(crate) fn trainable<B: LmOps>(
    environment: &Environment<'_, B>,
    config: &GrpoConfig,
    files: &RunFiles,
) -> Result<Vec<usize>, Error> {
    let (prompts, held_out) = (environment.prompts.len(), environment.held_out);
    let trainable = (0..prompts).filter(|prompt| !held_out.contains(prompt));
    let trainable: Vec<usize> = trainable.collect();
    let exist = held_out.iter().all(|&prompt| prompt < prompts);
    let evaluates = config.eval_every.is_some();
    if trainable.is_empty() || !exist || (evaluates && held_out.is_empty()) {
        return Err(Error::NoHeldOut {
            held_out: held_out.len(),
            prompts,
        });
    }
    if config.load_best && files.checkpoints.is_none() {
        return Err(Error::NowhereToKeep);
    }
    Ok(trainable)
}
