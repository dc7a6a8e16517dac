//! Making a rollout batch: sampling, scoring, advantages, reference log-probabilities.

use std::ops::ControlFlow;
use std::time::Instant;

use lm_generate::{Finish, Generated, Progress, Request, Sampling};
use lm_kernels::LmOps;
use lm_model::Qwen3;

use crate::batch::{Batch, Trajectory};
use crate::metrics::{CompletionRow, RolloutStats, Seconds, rollout_metrics};
use crate::pass::{PassContext, record_reference};
use crate::plan::{prompts_of_step, sampling_seeds};
use crate::reward::score;
use crate::{
    Advantages, Environment, Error, GrpoConfig, Monitor, RewardItem, RewardValue, advantages,
};

/// Size below which an advantage is that of a group with equal rewards, up to rounding.
const UNIFORM: f64 = 1e-9;

/// What rollouts need besides the policy.
pub(crate) struct Collector<'a, B: LmOps> {
    pub(crate) environment: Environment<'a, B>,
    pub(crate) reference: Option<Qwen3<B>>,
    pub(crate) config: &'a GrpoConfig,
    /// What the passes over the batch use too.
    pub(crate) context: PassContext<'a>,
}

/// How the collection of a batch ended.
pub(crate) enum Collected {
    Batch(Batch),
    /// Because the monitor said so.
    Stopped,
}

/// A completion and the prompt that it belongs to.
struct Sampled {
    prompt: usize,
    text: String,
    generated: Generated,
}

impl<B: LmOps> Collector<'_, B> {
    /// The batch of step `step`, counted from 0.
    pub(crate) fn collect(
        &mut self,
        policy: &Qwen3<B>,
        step: usize,
        monitor: &mut dyn Monitor,
    ) -> Result<Collected, Error> {
        let started = Instant::now();
        let Some(sampled) = self.sample(policy, step, monitor)? else {
            return Ok(Collected::Stopped);
        };
        let rollout = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let rewards = self.score(&sampled, step)?;
        let reward = started.elapsed().as_secs_f64();
        let totals: Vec<f64> = rewards.iter().map(|value| value.total).collect();
        let advantages = advantages(&totals, self.config.group_size, self.config.scale_rewards);
        monitor.on_rollout(step + 1, &table(&sampled, &rewards, &advantages));

        let mut stats = self.stats(&sampled, &rewards, &advantages);
        stats.seconds = Seconds {
            rollout,
            reward,
            training: 0.0,
        };
        let trajectories = self.trajectories(sampled, &advantages);
        let mut batch = Batch {
            trajectories,
            rollout: stats,
            passes: Vec::new(),
        };
        let started = Instant::now();
        if self.add_reference(&mut batch, monitor).is_break() {
            return Ok(Collected::Stopped);
        }
        batch.rollout.seconds.training += started.elapsed().as_secs_f64();
        Ok(Collected::Batch(batch))
    }

    /// The completions of the step's prompts; `None` if the monitor wants to stop.
    fn sample(
        &mut self,
        policy: &Qwen3<B>,
        step: usize,
        monitor: &mut dyn Monitor,
    ) -> Result<Option<Vec<Sampled>>, Error> {
        let (picked, requests) = self.requests(step);
        let mut stopped = false;
        let mut follow = |progress: Progress| {
            monitor.on_progress(progress);
            stopped |= monitor.should_stop();
            if stopped {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let groups = self
            .environment
            .engine
            .rollout(policy, &requests, &mut follow);
        if stopped {
            return Ok(None);
        }
        let groups = groups.map_err(|source| Error::Rollout {
            step: step + 1,
            source,
        })?;
        check_groups(&requests, &groups, step + 1)?;
        let decoder = self.environment.decoder;
        let with_text = |prompt, generated: Generated| {
            let text = decoder.text(&generated.ids);
            Sampled {
                prompt,
                text,
                generated,
            }
        };
        let of_group = |(prompt, group): (usize, Vec<Generated>)| {
            group
                .into_iter()
                .map(move |generated| with_text(prompt, generated))
        };
        Ok(Some(
            picked.into_iter().zip(groups).flat_map(of_group).collect(),
        ))
    }

    /// The prompts of a step and what to ask of the engine for each.
    fn requests(&self, step: usize) -> (Vec<usize>, Vec<Request>) {
        let (config, prompts) = (self.config, self.environment.prompts);
        let picked = prompts_of_step(config.seed, step, config.prompts_per_step, prompts.len());
        let stop = self.environment.decoder.stop_ids();
        let request = |(&prompt, seed): (&usize, u64)| {
            let sampling = Sampling {
                max_new_tokens: config.max_completion_length,
                temperature: config.temperature,
                stop: stop.clone(),
                seed,
                // Nothing else: cutting the distribution would bias the ratio by the mass that is cut off.
                ..Sampling::default()
            };
            Request {
                prompt: prompts[prompt].ids.clone(),
                n: config.group_size,
                sampling,
            }
        };
        let seeds = sampling_seeds(config.seed, step, picked.len());
        let requests = picked.iter().zip(seeds).map(request).collect();
        (picked, requests)
    }

    fn score(&self, sampled: &[Sampled], step: usize) -> Result<Vec<RewardValue>, Error> {
        let items: Vec<RewardItem<'_>> = sampled.iter().map(Sampled::item).collect();
        score(self.environment.reward, &items, step + 1)
    }

    fn stats(
        &self,
        sampled: &[Sampled],
        rewards: &[RewardValue],
        advantages: &Advantages,
    ) -> RolloutStats {
        let lengths: Vec<usize> = sampled.iter().map(|s| s.generated.ids.len()).collect();
        let truncated: Vec<bool> = sampled.iter().map(Sampled::truncated).collect();
        let prompt_tokens: usize = sampled
            .iter()
            .map(|s| self.environment.prompts[s.prompt].ids.len())
            .sum();
        let tokens = (prompt_tokens + lengths.iter().sum::<usize>()) as u64;
        let values = rollout_metrics(rewards, advantages, &lengths, &truncated);
        RolloutStats {
            values,
            tokens,
            seconds: Seconds::default(),
        }
    }

    fn trajectories(&self, sampled: Vec<Sampled>, advantages: &Advantages) -> Vec<Trajectory> {
        let config = self.config;
        let masked: Vec<bool> = sampled
            .iter()
            .zip(&advantages.values)
            .map(|(s, advantage)| {
                let teaches_nothing = config.mask_uniform && advantage.abs() < UNIFORM;
                teaches_nothing || (config.mask_truncated && s.truncated())
            })
            .collect();
        let lengths: Vec<usize> = sampled
            .iter()
            .zip(&masked)
            .map(|(s, masked)| if *masked { 0 } else { s.generated.ids.len() })
            .collect();
        let weights = config
            .loss_type
            .weights(&lengths, config.max_completion_length);
        let scored = sampled.into_iter().zip(&advantages.values);
        let scored = scored.zip(weights.into_iter().zip(masked));
        let trajectory = |((s, advantage), (weight, masked)): ((Sampled, &f64), _)| Trajectory {
            prompt: s.prompt,
            masked,
            completion: s.generated.ids,
            sampled: s.generated.log_probs,
            advantage: *advantage,
            weight,
            reference: Vec::new(),
            old: Vec::new(),
        };
        scored.map(trajectory).collect()
    }

    /// Computes the log-probabilities under the reference, once for all passes.
    fn add_reference(&self, batch: &mut Batch, monitor: &dyn Monitor) -> ControlFlow<()> {
        let Some(reference) = &self.reference else {
            return ControlFlow::Continue(());
        };
        let prompts = self.context.prompts.iter();
        let lengths: Vec<usize> = prompts.map(|prompt| prompt.ids.len()).collect();
        for micro_batch in batch.micro_batches(&lengths, self.config.micro_batch_tokens) {
            if monitor.should_stop() {
                return ControlFlow::Break(());
            }
            record_reference(reference, batch, &micro_batch, self.context);
        }
        ControlFlow::Continue(())
    }
}

impl Sampled {
    fn item(&self) -> RewardItem<'_> {
        RewardItem {
            prompt_index: self.prompt,
            completion: &self.text,
        }
    }

    fn truncated(&self) -> bool {
        self.generated.finish == Finish::Length
    }
}

fn table<'a>(
    sampled: &'a [Sampled],
    rewards: &'a [RewardValue],
    advantages: &Advantages,
) -> Vec<CompletionRow<'a>> {
    let scored = sampled.iter().zip(rewards).zip(&advantages.values);
    let row = |((s, reward), advantage): ((&'a Sampled, &'a RewardValue), &f64)| CompletionRow {
        prompt_index: s.prompt,
        completion: &s.text,
        reward,
        advantage: *advantage,
        truncated: s.truncated(),
    };
    scored.map(row).collect()
}

/// Checks that the engine returned what was asked for.
fn check_groups(requests: &[Request], groups: &[Vec<Generated>], step: usize) -> Result<(), Error> {
    let wrong = |expected: String, found: String| {
        Err(Error::RolloutShape {
            step,
            expected,
            found,
        })
    };
    if groups.len() != requests.len() {
        return wrong(
            format!("{} groups", requests.len()),
            groups.len().to_string(),
        );
    }
    for (i, (request, group)) in requests.iter().zip(groups).enumerate() {
        if group.len() != request.n {
            return wrong(
                format!("{} completions in group {i}", request.n),
                group.len().to_string(),
            );
        }
        for Generated { ids, log_probs, .. } in group {
            let (tokens, values) = (ids.len(), log_probs.len());
            if tokens == 0 || (values != 0 && values != tokens) {
                let expected = format!(
                    "completions of at least one token in group {i}, all or none with log-probabilities"
                );
                return wrong(
                    expected,
                    format!("{tokens} tokens and {values} log-probabilities"),
                );
            }
        }
    }
    Ok(())
}
