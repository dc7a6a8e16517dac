//! Making a rollout batch: sampling, replacing groups that teach nothing, advantages, reference log-probabilities.

use std::time::Instant;

use lm_kernels::LmOps;
use lm_model::Qwen3;
use tokio_util::sync::CancellationToken;

use crate::advantages::{Advantages, advantages, uniform_groups};
use crate::batch::{Batch, LogProbs, Trajectory};
use crate::config::GrpoConfig;
use crate::environment::Environment;
use crate::error::Error;
use crate::groups::{Asking, Group, Scored, sample_groups, totals};
use crate::metrics::{CompletionRow, Observer, Rollout, RolloutStats, Seconds};
use crate::pass::{PassContext, log_probs_under};
use crate::plan::{prompts_of_step, sampling_seeds, spare_prompts};

/// Size below which an advantage is none, up to rounding.
const NO_ADVANTAGE: f64 = 1e-9;

/// What rollouts need besides the policy.
pub(crate) struct Collector<'a, B: LmOps> {
    pub(crate) environment: Environment<'a, B>,
    /// The prompts that are not held out, as indices.
    pub(crate) trainable: Vec<usize>,
    pub(crate) config: &'a GrpoConfig,
    /// What the passes over the batch use too.
    pub(crate) context: PassContext<'a>,
}

/// A batch that nothing was trained on, with what the observer is told about it.
pub(crate) struct Fresh {
    pub(crate) batch: Batch,
    groups: Vec<Group>,
    advantages: Advantages,
}

impl Fresh {
    /// Tells the observer about the completions of step `step`, counted from 0.
    pub(crate) fn announce(&self, step: usize, observer: &mut dyn Observer) {
        observer.on_rollout(step + 1, &table(&self.groups, &self.advantages));
    }
}

/// The groups of a step.
#[derive(Default)]
struct Sampled {
    /// In the order of sampling.
    groups: Vec<Group>,
    /// Further rollouts after the first.
    rounds: usize,
    seconds: Seconds,
}

impl<B: LmOps> Collector<'_, B> {
    /// The batch of step `step`, counted from 0; `None` if the run is stopped. `staleness` steps will have been trained
    /// before it is used; then the log-probabilities under the policy that samples are taken now, for the first pass
    /// cannot tell them any more. It cannot either if it makes updates on its way through the batch.
    pub(crate) fn collect(
        &mut self,
        policy: &Qwen3<B>,
        step: usize,
        staleness: usize,
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Option<Fresh>, Error> {
        let Some(sampled) = self.sample(policy, step, stop, observer)? else {
            return Ok(None);
        };
        let mut fresh = self.fresh(sampled, staleness);
        let started = Instant::now();
        let batch = &mut fresh.batch;
        if let Some(reference) = &self.environment.reference {
            let Some(log_probs) = self.log_probs(reference, batch, stop, observer) else {
                return Ok(None);
            };
            batch.record_reference(log_probs);
        }
        if staleness > 0 || self.config.mini_batches > 1 {
            let Some(log_probs) = self.log_probs(policy, batch, stop, observer) else {
                return Ok(None);
            };
            batch.record_old(log_probs);
        }
        batch.rollout.seconds.training += started.elapsed().as_secs_f64();
        Ok(Some(fresh))
    }

    /// The groups of the step's prompts and those that are to replace uniform ones; `None` if the run is stopped.
    ///
    /// What is sampled depends on the policy, the seed and the step alone, so that a stopped step can be sampled again.
    fn sample(
        &mut self,
        policy: &Qwen3<B>,
        step: usize,
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Result<Option<Sampled>, Error> {
        let first = self.prompts(step);
        let mut spare = self.spare(step, &first).into_iter();
        let mut sampled = Sampled::default();
        let mut picked = first;
        loop {
            let asking = Asking::to_train(self.config, step + 1);
            let (environment, seconds) = (&mut self.environment, &mut sampled.seconds);
            let groups = sample_groups(
                environment,
                policy,
                &picked,
                asking,
                seconds,
                stop,
                observer,
            )?;
            let Some(groups) = groups else {
                return Ok(None);
            };
            sampled.groups.extend(groups);
            let missing = if sampled.rounds < self.config.dynamic_sampling.unwrap_or(0) {
                self.missing(&sampled.groups)
            } else {
                0
            };
            picked = spare.by_ref().take(missing).collect();
            if picked.is_empty() {
                return Ok(Some(sampled));
            }
            sampled.rounds += 1;
        }
    }

    /// The prompts of a step with their sampling seeds.
    fn prompts(&self, step: usize) -> Vec<(usize, u64)> {
        let (config, prompts) = (self.config, &self.trainable);
        let picked = prompts_of_step(config.seed, step, config.prompts_per_step, prompts.len());
        let seeds = sampling_seeds(config.seed, step, picked.len());
        let picked = picked.into_iter().map(|position| prompts[position]);
        picked.zip(seeds).collect()
    }

    /// The prompts that may replace those of a step, with their sampling seeds.
    fn spare(&self, step: usize, first: &[(usize, u64)]) -> Vec<(usize, u64)> {
        let prompts = &self.trainable;
        let is_used = |(_, prompt): &(usize, &usize)| first.iter().any(|(p, _)| p == *prompt);
        let used = prompts.iter().enumerate().filter(is_used);
        let used: Vec<usize> = used.map(|(position, _)| position).collect();
        let spare = spare_prompts(self.config.seed, step, &used, prompts.len());
        let prompt = |(position, seed): (usize, u64)| (prompts[position], seed);
        spare.into_iter().map(prompt).collect()
    }

    /// How many groups with differing rewards a batch still lacks.
    fn missing(&self, groups: &[Group]) -> usize {
        let uniform = uniform_groups(&totals(groups), self.config.group_size);
        let informative = uniform.iter().filter(|uniform| !**uniform).count();
        self.config.prompts_per_step.saturating_sub(informative)
    }

    /// Chooses the groups of the batch, and makes trajectories of them.
    fn fresh(&self, sampled: Sampled, staleness: usize) -> Fresh {
        let config = self.config;
        let uniform = uniform_groups(&totals(&sampled.groups), config.group_size);
        let kept = kept(&uniform, config.prompts_per_step);
        let rollout = Rollout::of_all(&sampled.groups, &uniform, self.environment.prompts);
        let rollout = rollout.resampled(config.dynamic_sampling.map(|_| sampled.rounds));
        let groups: Vec<Group> = sampled
            .groups
            .into_iter()
            .zip(&kept)
            .filter_map(|(group, kept)| kept.then_some(group))
            .collect();
        let advantages = advantages(&totals(&groups), config.group_size, config.scale_rewards);
        let batch = Batch {
            rollout: RolloutStats {
                seconds: sampled.seconds,
                ..rollout.stats(&groups, &advantages)
            },
            trajectories: self.trajectories(&groups, &advantages),
            passes: Vec::new(),
            staleness,
        };
        Fresh {
            batch,
            groups,
            advantages,
        }
    }

    fn trajectories(&self, groups: &[Group], advantages: &Advantages) -> Vec<Trajectory> {
        let config = self.config;
        let all: Vec<(usize, &Scored)> = groups
            .iter()
            .flat_map(|group| group.members.iter().map(|one| (group.prompt, one)))
            .collect();
        let masked = |(i, (_, scored)): (usize, &(usize, &Scored))| {
            (config.mask_truncated && scored.truncated())
                || (config.mask_uniform && teaches_nothing(advantages, i, config.group_size))
        };
        let masked: Vec<bool> = all.iter().enumerate().map(masked).collect();
        let lengths = all.iter().map(|(_, scored)| scored.generated.ids.len());
        let lengths: Vec<usize> = lengths.collect();
        let (loss_type, longest) = (config.loss_type, config.max_completion_length);
        let parts = config.mini_batches;
        let weights = loss_type.weights_of_mini_batches(&lengths, &masked, longest, parts);
        let trajectory = |(i, (prompt, scored)): (usize, (usize, &Scored))| Trajectory {
            prompt,
            masked: masked[i],
            completion: scored.generated.ids.clone(),
            sampled: scored.generated.log_probs.clone(),
            advantage: advantages.values[i],
            weight: weights[i],
            reference: Vec::new(),
            old: Vec::new(),
        };
        all.into_iter().enumerate().map(trajectory).collect()
    }

    /// The log-probabilities of the batch under a model; `None` if the run is stopped.
    fn log_probs(
        &self,
        model: &Qwen3<B>,
        batch: &Batch,
        stop: &CancellationToken,
        observer: &mut dyn Observer,
    ) -> Option<LogProbs> {
        let prompts = self.context.prompts.iter();
        let lengths: Vec<usize> = prompts.map(|prompt| prompt.ids.len()).collect();
        let micro_batches =
            batch.micro_batches(batch.whole(), &lengths, self.config.micro_batch_tokens);
        log_probs_under(model, batch, &micro_batches, self.context, stop, observer)
    }
}

/// Which groups are in the batch of `wanted` groups: those with differing rewards and, as far as they are too few, the
/// first of the others. A batch thus has its full size always, and the normalisers that count completions stay the
/// same.
fn kept(uniform: &[bool], wanted: usize) -> Vec<bool> {
    let informative = uniform.iter().filter(|uniform| !**uniform).count();
    let mut fill = wanted.saturating_sub(informative);
    let keep = |&uniform: &bool| {
        let keep = !uniform || fill > 0;
        fill -= usize::from(uniform && keep);
        keep
    };
    uniform.iter().map(keep).collect()
}

/// Whether nothing but the KL penalty follows from the completion.
fn teaches_nothing(advantages: &Advantages, i: usize, group_size: usize) -> bool {
    advantages.uniform[i / group_size] || advantages.values[i].abs() < NO_ADVANTAGE
}

fn table<'a>(groups: &'a [Group], advantages: &Advantages) -> Vec<CompletionRow<'a>> {
    let members = groups.iter().flat_map(|group| {
        let prompt = group.prompt;
        group.members.iter().map(move |scored| (prompt, scored))
    });
    members
        .zip(&advantages.values)
        .map(|((prompt, scored), advantage)| scored.row(prompt, *advantage))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn a_batch_has_its_full_size() {
        let (yes, no) = (true, false);
        assert_eq!(kept(&[no, yes, no], 3), [yes, yes, yes]);
        assert_eq!(kept(&[no, yes, yes, no], 3), [yes, yes, no, yes]);
        assert_eq!(kept(&[no, yes, no, no], 3), [yes, no, yes, yes]);
        assert_eq!(kept(&[yes, yes], 2), [yes, yes]);
    }
}
