//! Evaluations of a run: when, what counts as a gain, and when to give up.

use burn::module::AutodiffModule;
use lm_kernels::TrainBackend;
use lm_model::Qwen3;

use crate::advantages::{mean, std};
use crate::environment::{Environment, Flow};
use crate::error::Error;
use crate::groups::{Asking, Group, Scored, sample_groups, totals};
use crate::metrics::{Evaluation, Observer, Seconds, length_metrics, part_metrics};
use crate::reward::RewardValue;
use crate::trainer::Trainer;

impl<B: TrainBackend> Trainer<'_, B> {
    /// Whether the model should be evaluated now: before the first step, every n steps and at the end, once each. A run
    /// that was stopped while it evaluated resumes with that.
    pub(crate) fn evaluation_is_due(&self) -> bool {
        let step = self.state.global_step;
        let due = |every: usize| step.is_multiple_of(every) || step == self.total_steps;
        // In the middle of a batch the weights are those of no step.
        self.rollouts.batch.is_none()
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
        observer: &mut dyn Observer,
    ) -> Result<Flow, Error> {
        let global_step = self.state.global_step;
        let picked = environment.held_out.iter();
        let picked: Vec<(usize, u64)> = picked.map(|&prompt| (prompt, 0)).collect();
        let asking = Asking::to_evaluate(self.config, global_step);
        let policy = model.valid();
        let mut seconds = Seconds::default();
        let (seconds_of, stop) = (&mut seconds, self.stop);
        let groups = sample_groups(
            environment,
            &policy,
            &picked,
            asking,
            seconds_of,
            stop,
            observer,
        )?;
        drop(policy);
        let Some(groups) = groups else {
            return Ok(Flow::Stopped);
        };
        let reward = mean(&totals(&groups));
        let is_best = self.state.evaluations.count(global_step, reward);
        if is_best {
            self.checkpoints.save_best(model)?;
        }
        observer.on_evaluation(&Evaluation {
            global_step,
            total_steps: self.total_steps,
            reward,
            is_best,
            values: metrics(&groups, seconds),
        });
        Ok(Flow::Done)
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
