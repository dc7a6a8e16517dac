//! The metrics of rewards and lengths, and of how groups were replaced.

use super::{RolloutStats, entry};
use crate::advantages::Advantages;
use crate::advantages::{mean, std};
use crate::environment::Prompt;
use crate::groups::{Group, Scored};
use crate::reward::RewardValue;

/// What was sampled in a step, groups included that did not get into the batch.
pub(crate) struct Rollout {
    tokens: u64,
    generated: u64,
    groups: usize,
    uniform: usize,
    /// Mean reward of everything that was sampled.
    reward: f64,
    /// Further rollouts, if groups are replaced.
    rounds: Option<usize>,
}

impl Rollout {
    /// Counts the groups that were sampled; `uniform` tells which of them have equal rewards.
    pub(crate) fn of_all(groups: &[Group], uniform: &[bool], prompts: &[Prompt]) -> Self {
        let generated = |group: &Group| -> usize { lengths(&group.members).sum() };
        let prompt = |group: &Group| prompts[group.prompt].ids.len() * group.members.len();
        let completions: usize = groups.iter().map(generated).sum();
        let prompts: usize = groups.iter().map(prompt).sum();
        Self {
            tokens: (prompts + completions) as u64,
            generated: completions as u64,
            groups: groups.len(),
            uniform: uniform.iter().filter(|uniform| **uniform).count(),
            reward: mean(&crate::groups::totals(groups)),
            rounds: None,
        }
    }

    /// Notes how many further rollouts were made; `None` if groups are not replaced.
    pub(crate) fn resampled(self, rounds: Option<usize>) -> Self {
        Self { rounds, ..self }
    }

    /// The numbers of the step, of which `groups` became the batch.
    pub(crate) fn stats(&self, groups: &[Group], advantages: &Advantages) -> RolloutStats {
        let members: Vec<&Scored> = groups.iter().flat_map(|group| &group.members).collect();
        let rewards: Vec<&RewardValue> = members.iter().map(|scored| &scored.reward).collect();
        let totals: Vec<f64> = rewards.iter().map(|reward| reward.total).collect();
        let uniform = self.uniform as f64 / self.groups.max(1) as f64;
        let mut values = vec![
            entry("reward", mean(&totals)),
            entry("reward_std", mean(&advantages.group_std)),
            entry("frac_reward_zero_std", uniform),
        ];
        values.extend(self.replacements(groups.len()));
        values.extend(part_metrics(&rewards));
        values.extend(length_metrics(&members));
        RolloutStats {
            values,
            tokens: self.tokens,
            generated: self.generated,
            ..RolloutStats::default()
        }
    }

    fn replacements(&self, kept: usize) -> Vec<(String, f64)> {
        let Some(rounds) = self.rounds else {
            return Vec::new();
        };
        let dropped = self.groups - kept;
        vec![
            entry("dynamic_sampling/rounds", rounds as f64),
            entry("dynamic_sampling/dropped_groups", dropped as f64),
            entry("dynamic_sampling/sampled_reward", self.reward),
        ]
    }
}

/// Mean and deviation of every component; completions that lack it do not count.
pub(crate) fn part_metrics(rewards: &[&RewardValue]) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for name in part_names(rewards) {
        let parts = rewards.iter().flat_map(|reward| &reward.parts);
        let named = parts.filter(|(found, _)| found == name);
        let part: Vec<f64> = named.map(|(_, value)| *value).collect();
        values.push(entry(&format!("rewards/{name}/mean"), mean(&part)));
        values.push(entry(&format!("rewards/{name}/std"), std(&part)));
    }
    values
}

/// The names of the components, in order of first appearance.
fn part_names<'a>(rewards: &[&'a RewardValue]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rewards.iter().flat_map(|reward| &reward.parts) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn lengths(members: &[Scored]) -> impl Iterator<Item = usize> {
    members.iter().map(|scored| scored.generated.ids.len())
}

/// How long completions are: all of them, and those that ended by themselves.
pub(crate) fn length_metrics(members: &[&Scored]) -> Vec<(String, f64)> {
    let length = |scored: &&&Scored| scored.generated.ids.len() as f64;
    let all: Vec<f64> = members.iter().map(|scored| length(&scored)).collect();
    let ended = members.iter().filter(|scored| !scored.truncated());
    let ended: Vec<f64> = ended.map(|scored| length(&scored)).collect();
    let clipped = (all.len() - ended.len()) as f64 / all.len().max(1) as f64;
    let mut values = vec![entry("completions/clipped_ratio", clipped)];
    for (suffix, lengths) in [("length", all), ("terminated_length", ended)] {
        if !lengths.is_empty() {
            let least = lengths.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = lengths.iter().copied().fold(0.0, f64::max);
            values.push(entry(&format!("completions/mean_{suffix}"), mean(&lengths)));
            values.push(entry(&format!("completions/min_{suffix}"), least));
            values.push(entry(&format!("completions/max_{suffix}"), greatest));
        }
    }
    values
}
