//! From rewards to advantages: how much better than its group a completion did.

use crate::choices::ScaleRewards;

/// Added to a standard deviation before dividing by it.
const STD_EPS: f64 = 1e-4;

/// A group whose standard deviation is at most this share of the greatest reward of the batch counts as having none.
///
/// Sums of weighted real numbers such as F1 differ in their last digits where they are equal on paper, so exact
/// comparison would take such groups for informative ones (OpenRLHF's pull request 1272).
const ZERO_STD: f64 = 1e-6;

/// The advantages of a rollout batch and what the groups looked like.
#[derive(Clone, Debug, PartialEq)]
pub struct Advantages {
    /// One per completion, in the order of the rewards.
    pub values: Vec<f64>,
    /// The standard deviation of the rewards of each group (with n − 1).
    pub group_std: Vec<f64>,
    /// Which groups have equal rewards, see [`uniform_groups`]; they teach nothing.
    pub uniform: Vec<bool>,
}

/// Which groups of `group_size` consecutive rewards have equal rewards: a standard deviation of at most 1e-6 of the
/// greatest absolute value among all `rewards`.
pub fn uniform_groups(rewards: &[f64], group_size: usize) -> Vec<bool> {
    let greatest = rewards.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    let groups = rewards.chunks(group_size.max(1));
    groups
        .map(|group| std(group) <= ZERO_STD * greatest)
        .collect()
}

/// Advantages of `rewards`, whose consecutive runs of `group_size` belong to one prompt each.
///
/// `A_i = R_i − mean(group)`, then divided, depending on `scale`, by nothing, by the standard deviation of the group or
/// by that of the whole batch, each plus 1e-4. Standard deviations are those of a sample, with n − 1. A last group that
/// is incomplete is treated as a smaller group.
///
/// ```
/// use lm_grpo::{ScaleRewards, advantages};
/// let found = advantages(&[1.0, 3.0, 5.0, 5.0], 2, ScaleRewards::None);
/// assert_eq!(found.values, [-1.0, 1.0, 0.0, 0.0]);
/// assert_eq!(found.uniform, [false, true]);
/// ```
pub fn advantages(rewards: &[f64], group_size: usize, scale: ScaleRewards) -> Advantages {
    let groups: Vec<&[f64]> = rewards.chunks(group_size.max(1)).collect();
    let group_std: Vec<f64> = groups.iter().map(|group| std(group)).collect();
    let batch_std = std(rewards);
    let mut values = Vec::with_capacity(rewards.len());
    for (group, group_std) in groups.iter().zip(&group_std) {
        let divisor = match scale {
            ScaleRewards::None => 1.0,
            ScaleRewards::Group => group_std + STD_EPS,
            ScaleRewards::Batch => batch_std + STD_EPS,
        };
        let mean = mean(group);
        values.extend(group.iter().map(|reward| (reward - mean) / divisor));
    }
    Advantages {
        values,
        group_std,
        uniform: uniform_groups(rewards, group_size),
    }
}

/// The mean; 0 of nothing.
pub(crate) fn mean(xs: &[f64]) -> f64 {
    if xs.is_empty() {
        0.0
    } else {
        xs.iter().sum::<f64>() / xs.len() as f64
    }
}

/// The standard deviation of a sample; 0 of fewer than two.
pub(crate) fn std(xs: &[f64]) -> f64 {
    if xs.len() < 2 {
        return 0.0;
    }
    let mean = mean(xs);
    let squares: f64 = xs.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / (xs.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rewards_teach_nothing() {
        for scale in [ScaleRewards::None, ScaleRewards::Group, ScaleRewards::Batch] {
            let found = advantages(&[0.1, 0.1, 0.1, 1.0, 2.0, 3.0], 3, scale);
            assert!(
                found.values[..3].iter().all(|a| a.abs() < 1e-10),
                "{found:?}"
            );
            assert_eq!(found.uniform, [true, false]);
        }
    }

    #[test]
    fn a_group_is_uniform_up_to_rounding_of_continuous_rewards() {
        let thirds = 10.0 * (1.0 / 3.0);
        let rounded = 10.0 / 3.0 + 4e-15;
        for (rewards, expected) in [
            ([thirds, rounded, 0.0, 11.0], true),
            ([1e-17, -1e-17, 0.0, 11.0], true),
            ([5.0, 5.001, 0.0, 11.0], false),
            ([1e-9, 2e-9, 0.0, 2e-9], false),
            ([0.0, 0.0, 0.0, 0.0], true),
        ] {
            assert_eq!(uniform_groups(&rewards, 2)[0], expected, "{rewards:?}");
        }
    }

    #[test]
    fn the_order_of_the_groups_does_not_matter() {
        let rewards = [1.0, 3.5, 0.1, 0.7, 9.0, 2.0];
        let turned = [9.0, 2.0, 1.0, 3.5, 0.1, 0.7];
        for scale in [ScaleRewards::None, ScaleRewards::Group, ScaleRewards::Batch] {
            let found = advantages(&turned, 2, scale).values;
            let mut expected = advantages(&rewards, 2, scale).values;
            expected.rotate_right(2);
            let pairs = found.iter().zip(expected);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-14));
        }
    }

    #[test]
    fn scaling_divides_by_the_sample_deviation() {
        let rewards = [1.0, 3.0, 10.0, 10.0];
        assert_eq!(
            advantages(&rewards, 2, ScaleRewards::None).values,
            [-1.0, 1.0, 0.0, 0.0]
        );
        let group = advantages(&rewards, 2, ScaleRewards::Group);
        assert!((group.values[1] - 1.0 / (2.0_f64.sqrt() + 1e-4)).abs() < 1e-15);
        assert_eq!(group.group_std, [2.0_f64.sqrt(), 0.0]);
        let batch = advantages(&rewards, 2, ScaleRewards::Batch);
        // Mean 6, squares 25 + 9 + 16 + 16 = 66, over 3.
        assert!((batch.values[1] - 1.0 / (22.0_f64.sqrt() + 1e-4)).abs() < 1e-15);
    }
}
