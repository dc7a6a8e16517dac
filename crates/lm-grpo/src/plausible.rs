//! Whether what a checkpoint says contradicts itself or the run that goes on from it.

use crate::batch::{Batch, Trajectory};
use crate::config::GrpoConfig;
use crate::state::State;

/// What every state and batch of a run must be within.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) config: &'a GrpoConfig,
    /// Rollout batches of the whole run.
    pub(crate) total_steps: usize,
    /// Number of prompts.
    pub(crate) prompts: usize,
    /// Size of the policy's vocabulary.
    pub(crate) vocab: usize,
}

impl Bounds<'_> {
    /// Says what is impossible in a state, if anything is.
    pub(crate) fn broken_by_state(&self, state: &State) -> Option<String> {
        let (step, total) = (state.global_step, self.total_steps);
        if step > total {
            return Some(format!(
                "expected at most {total} as `global_step`, found {step}"
            ));
        }
        let evaluations = state.evaluations;
        let best = evaluations.best.map(|best| best.global_step);
        // The first evaluation is made before the first step.
        let counted = evaluations.last.map_or(0, |last| last.saturating_add(1));
        let fits = best <= evaluations.last
            && evaluations.last.unwrap_or(0) <= step
            && evaluations.without_gain <= counted;
        (!fits).then(|| {
            format!("expected evaluations of the {step} steps that are done, found {evaluations:?}")
        })
    }

    /// Says what is impossible after so many updates, of which the batch in progress has made `passes`.
    pub(crate) fn broken_by_updates(
        &self,
        state: &State,
        passes: usize,
        updates: usize,
    ) -> Option<String> {
        let least = state.global_step * self.config.updates_per_step() + passes;
        (updates < least).then(|| {
            let step = state.global_step;
            format!("expected at least {least} updates before and in the step after {step} steps, found {updates}")
        })
    }

    /// Says what is impossible in a batch that had at most so many passes.
    pub(crate) fn broken_by_batch(&self, batch: &Batch, most_passes: usize) -> Option<String> {
        let (expected, found) = (
            self.config.prompts_per_step * self.config.group_size,
            batch.trajectories.len(),
        );
        if found != expected {
            return Some(format!("expected {expected} completions, found {found}"));
        }
        if batch.passes.len() > most_passes {
            let found = batch.passes.len();
            return Some(format!(
                "expected at most {most_passes} passes, found {found}"
            ));
        }
        // The first pass notes the log-probabilities, unless that was done when the batch was sampled.
        let is_scored =
            batch.staleness > 0 || self.config.mini_batches > 1 || !batch.passes.is_empty();
        let mut all = batch.trajectories.iter().enumerate();
        all.find_map(|(i, one)| {
            let problem = self.broken_by(one, is_scored)?;
            Some(format!("completion {i}: {problem}"))
        })
    }

    /// `is_scored` tells whether the trainer has its own log-probabilities.
    fn broken_by(&self, one: &Trajectory, is_scored: bool) -> Option<String> {
        let length = one.completion.len();
        let (prompts, most) = (self.prompts, self.config.max_completion_length);
        if one.prompt >= prompts {
            let found = one.prompt;
            return Some(format!("expected a prompt below {prompts}, found {found}"));
        }
        if length == 0 || length > most {
            return Some(format!("expected 1 to {most} tokens, found {length}"));
        }
        let vocab = self.vocab;
        if let Some(id) = one.completion.iter().find(|id| **id as usize >= vocab) {
            return Some(format!("expected token ids below {vocab}, found {id}"));
        }
        if !(one.advantage.is_finite() && one.weight.is_finite()) {
            return Some("expected a finite advantage and weight".to_owned());
        }
        let is_referred = self.config.beta > 0.0 && !one.masked;
        let known = [
            ("sampled", &one.sampled, false),
            ("reference", &one.reference, is_referred),
            ("old", &one.old, is_scored && !one.masked),
        ];
        known.into_iter().find_map(|(name, values, is_needed)| {
            let fits = values.len() == length || (values.is_empty() && !is_needed);
            let is_finite = values.iter().all(|value| value.is_finite());
            let found = values.len();
            (!fits || !is_finite).then(|| {
                format!("expected {length} finite log-probabilities as `{name}`, found {found}")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{PassStats, RolloutStats};
    use crate::state::BestEvaluation;

    fn config() -> GrpoConfig {
        GrpoConfig {
            prompts_per_step: 1,
            group_size: 2,
            max_completion_length: 3,
            beta: 0.1,
            ..GrpoConfig::default()
        }
    }

    fn batch() -> Batch {
        let one = Trajectory {
            prompt: 4,
            completion: vec![1, 2],
            sampled: vec![-0.5; 2],
            advantage: 1.0,
            weight: 0.5,
            masked: false,
            reference: vec![-0.5; 2],
            old: vec![-0.5; 2],
        };
        Batch {
            trajectories: vec![one.clone(), one],
            rollout: RolloutStats::default(),
            passes: vec![PassStats::default()],
            staleness: 0,
        }
    }

    fn bounds(config: &GrpoConfig) -> Bounds<'_> {
        Bounds {
            config,
            total_steps: 9,
            prompts: 5,
            vocab: 16,
        }
    }

    #[track_caller]
    fn compare(found: Option<String>, expected: &str) {
        match found {
            Some(said) => assert!(!expected.is_empty() && said.contains(expected), "{said}"),
            None => assert_eq!(expected, ""),
        }
    }

    #[test]
    fn a_batch_that_cannot_be_is_named() {
        let config = config();
        let check = |change: fn(&mut Batch), expected: &str| {
            let mut changed = batch();
            change(&mut changed);
            compare(bounds(&config).broken_by_batch(&changed, 1), expected);
        };
        check(|_| {}, "");
        check(
            |batch| drop(batch.trajectories.pop()),
            "expected 2 completions",
        );
        check(|batch| batch.passes.push(PassStats::default()), "passes");
        check(
            |batch| batch.trajectories[1].prompt = 5,
            "completion 1: expected a prompt",
        );
        check(|batch| batch.trajectories[0].completion.clear(), "found 0");
        check(
            |batch| batch.trajectories[0].completion = vec![1; 4],
            "found 4",
        );
        check(|batch| batch.trajectories[0].completion[0] = 16, "found 16");
        check(
            |batch| batch.trajectories[0].weight = f64::INFINITY,
            "finite",
        );
        check(
            |batch| batch.trajectories[0].sampled.truncate(1),
            "`sampled`",
        );
        check(|batch| batch.trajectories[0].sampled.clear(), "");
        check(
            |batch| batch.trajectories[0].reference.clear(),
            "`reference`",
        );
        check(
            |batch| batch.trajectories[0].old = vec![f32::NAN; 2],
            "`old`",
        );
        check(|batch| batch.trajectories[0].old.clear(), "`old`");
        let untouched = |batch: &mut Batch| {
            batch.passes.clear();
            batch.trajectories[0].old.clear();
        };
        check(untouched, "");
        let masked = |batch: &mut Batch| {
            batch.trajectories[0].masked = true;
            batch.trajectories[0].reference.clear();
            batch.trajectories[0].old.clear();
        };
        check(masked, "");
    }

    #[test]
    fn a_state_that_cannot_be_is_named() {
        let config = config();
        let check = |change: fn(&mut State), expected: &str| {
            let mut changed = State::new(&config, &[], &[]);
            changed.global_step = 4;
            changed.evaluations.last = Some(4);
            change(&mut changed);
            compare(bounds(&config).broken_by_state(&changed), expected);
        };
        check(|_| {}, "");
        check(|state| state.global_step = 9, "");
        check(|state| state.global_step = 10, "global_step");
        check(|state| state.evaluations.last = Some(5), "evaluations");
        check(|state| state.evaluations.without_gain = 6, "evaluations");
        let later = |state: &mut State| {
            state.evaluations.best = Some(BestEvaluation {
                global_step: 5,
                reward: 0.0,
            });
        };
        check(later, "evaluations");
        let state = State {
            global_step: 4,
            ..State::new(&config, &[], &[])
        };
        let least = 4 * config.updates_per_step() + 1;
        compare(bounds(&config).broken_by_updates(&state, 1, least), "");
        compare(
            bounds(&config).broken_by_updates(&state, 1, least - 1),
            "updates",
        );
    }
}
