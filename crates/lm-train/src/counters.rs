//! Whether the counters of a state that was read contradict each other or the run that goes on from it.

use crate::state::TrainState;

/// Says what is impossible in `state`, if anything is. `fresh` is the state that the run begins with; `steps_of` gives
/// the optimizer steps of an epoch, at least one; an epoch has `tokens` tokens.
pub(crate) fn impossible(
    state: &TrainState,
    fresh: &TrainState,
    tokens: u64,
    mut steps_of: impl FnMut(usize) -> usize,
) -> Option<String> {
    let (step, total) = (state.global_step, fresh.total_steps);
    if state.total_steps != total {
        let found = state.total_steps;
        return Some(format!("expected {total} as `total_steps`, found {found}"));
    }
    if step > total {
        return Some(format!(
            "expected at most {total} as `global_step`, found {step}"
        ));
    }
    let (mut epoch, mut left) = (0, step);
    let mut steps = steps_of(epoch).max(1);
    while left >= steps {
        left -= steps;
        epoch += 1;
        steps = steps_of(epoch).max(1);
    }
    if (state.epoch, state.step_in_epoch) != (epoch, left) {
        return Some(format!(
            "expected step {left} of epoch {epoch} after {step} steps (`step_in_epoch`, `epoch`), found {} of {}",
            state.step_in_epoch, state.epoch
        ));
    }
    let most = tokens.saturating_mul(epoch as u64 + 1);
    if state.num_tokens > most {
        let found = state.num_tokens;
        return Some(format!(
            "expected at most {most} as `num_tokens`, found {found}"
        ));
    }
    evaluations(state)
}

fn evaluations(state: &TrainState) -> Option<String> {
    let best = state.best.map_or(0, |best| best.global_step);
    let (last, step) = (state.evaluated_at, state.global_step);
    let fits = best <= last && last <= step && state.evaluations_without_gain <= last;
    (!fits).then(|| {
        format!(
            "expected evaluations (`best.global_step`, `evaluations_without_gain`, `evaluated_at`) of the {step} steps \
             that are done, found {best}, {} and {last}",
            state.evaluations_without_gain
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SftConfig;
    use crate::state::BestEvaluation;

    /// Seven steps in epochs of three, the last evaluation after six.
    fn state() -> TrainState {
        TrainState {
            global_step: 7,
            epoch: 2,
            step_in_epoch: 1,
            num_tokens: 70,
            total_steps: 9,
            config: SftConfig::default(),
            data_hash: String::new(),
            evaluated_at: 6,
            best: Some(BestEvaluation {
                global_step: 3,
                eval_loss: 0.5,
            }),
            evaluations_without_gain: 1,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut TrainState), expected: Option<&str>) {
        let mut changed = state();
        change(&mut changed);
        let found = impossible(&changed, &state(), 30, |_| 3);
        match (&found, expected) {
            (None, None) => {}
            (Some(said), Some(field)) if said.contains(field) => {}
            _ => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn what_a_run_cannot_have_counted_is_named() {
        check(|_| {}, None);
        let end = |state: &mut TrainState| {
            (state.global_step, state.epoch, state.step_in_epoch) = (9, 3, 0);
        };
        check(end, None);
        check(|state| state.global_step = 10, Some("global_step"));
        check(|state| state.global_step = usize::MAX, Some("global_step"));
        check(|state| state.global_step = 6, Some("step_in_epoch"));
        check(|state| state.total_steps = 8, Some("total_steps"));
        check(|state| state.step_in_epoch = 2, Some("step_in_epoch"));
        check(|state| state.epoch = usize::MAX, Some("epoch"));
        check(|state| state.num_tokens = u64::MAX, Some("num_tokens"));
        check(|state| state.evaluated_at = 8, Some("evaluated_at"));
        check(
            |state| state.evaluations_without_gain = 7,
            Some("without_gain"),
        );
        let later = BestEvaluation {
            global_step: 7,
            eval_loss: 0.5,
        };
        check(|state| state.best = Some(later), Some("best.global_step"));
    }
}
