//! The NER rewards for the trainer: what a completion earns, and the parts that the metrics show.

use std::collections::HashSet;

use lm_grpo::{Reward, RewardItem, RewardValue};
use ner_rewards::{
    Breakdown, ExtraWeights, LengthLimit, RewardOptions, RewardWeights, Target, brevity,
    reasoning_length,
};
use ner_types::{Entity, Example, ReadMode, Task, normalize_label};

use crate::recipe::Rewards;

/// 10·F1 + 1·schema as in the paper, plus what the recipe switches on.
pub struct NerReward {
    targets: Vec<Target>,
    /// The labels that each prompt asks for.
    schemas: Vec<HashSet<String>>,
    options: RewardOptions,
    /// What is looked for in all of the prompts.
    task: Task,
    /// Weight of the reward for short reasoning.
    brevity: f64,
}

impl NerReward {
    /// The rewards that a recipe asks for, of no prompt yet.
    pub fn new(recipe: &Rewards) -> Self {
        NerReward {
            targets: Vec::new(),
            schemas: Vec::new(),
            options: options(recipe),
            task: Task::default(),
            brevity: recipe.brevity,
        }
    }

    /// Adds the next prompt's sentence, labels normalised.
    pub fn add(&mut self, example: &Example) {
        self.targets.push(Target::of(example));
        self.task = example.task();
        let labels = self.task.item_labels(&example.schema);
        let labels = labels.iter().map(|label| normalize_label(label));
        self.schemas.push(labels.collect());
    }

    /// What the completions of one prompt earn.
    fn group(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let score = |item: &RewardItem<'_>| {
            self.targets[item.prompt_index].score_with(item.completion, &self.options)
        };
        let scores: Vec<Breakdown> = items.iter().map(score).collect();
        let brief = self.brief(items, &scores);
        let each = items.iter().zip(&scores).enumerate();
        let value = |(number, (item, score)): (usize, (&RewardItem<'_>, &Breakdown))| {
            let brief = brief.get(number).copied();
            let part = brief.map(|value| ("brevity".to_owned(), value));
            let parts = self.parts(score).into_iter().chain(part);
            RewardValue {
                total: score.total + self.brevity * brief.unwrap_or(0.0),
                parts: parts.chain(self.habits(item)).collect(),
            }
        };
        each.map(value).collect()
    }

    /// The rewards for short reasoning, if they count.
    fn brief(&self, items: &[RewardItem<'_>], scores: &[Breakdown]) -> Vec<f64> {
        if self.brevity == 0.0 {
            return Vec::new();
        }
        let length = |item: &RewardItem<'_>| reasoning_length(item.completion);
        let lengths: Vec<usize> = items.iter().map(length).collect();
        let f1: Vec<f64> = scores.iter().map(|score| score.f1).collect();
        brevity(&lengths, &f1)
    }

    /// What a completion does that tells why rewards are low: an answer without entities, and labels that nobody asked
    /// for. Their means are shares of the completions.
    fn habits(&self, item: &RewardItem<'_>) -> Vec<(String, f64)> {
        let found = self.task.read_items(item.completion, ReadMode::Reference);
        let found = found.entities;
        let schema = &self.schemas[item.prompt_index];
        let is_outside = |entity: &Entity| !schema.contains(&normalize_label(&entity.label));
        let share = |is: bool| f64::from(u8::from(is));
        vec![
            ("empty_answer".to_owned(), share(found.is_empty())),
            (
                "outside_schema".to_owned(),
                share(found.iter().any(is_outside)),
            ),
        ]
    }

    /// The paper's rewards, and those that count.
    fn parts(&self, score: &Breakdown) -> Vec<(String, f64)> {
        let extra = &self.options.extra;
        let parts = [
            ("f1", 1.0, score.f1),
            ("schema", 1.0, score.schema),
            ("length", extra.length, score.length),
            ("format", extra.format, score.format),
            ("grounding", extra.grounding, score.grounding),
        ];
        let shown = parts.into_iter().filter(|(_, weight, _)| *weight != 0.0);
        shown.map(|(name, _, value)| (name.into(), value)).collect()
    }
}

impl Reward for NerReward {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let groups = items.chunk_by(|a, b| a.prompt_index == b.prompt_index);
        groups.flat_map(|group| self.group(group)).collect()
    }
}

fn options(recipe: &Rewards) -> RewardOptions {
    RewardOptions {
        weights: RewardWeights {
            f1: recipe.f1,
            schema: recipe.schema,
        },
        extra: ExtraWeights {
            length: recipe.length,
            format: recipe.format,
            grounding: recipe.grounding,
        },
        length_limit: LengthLimit {
            free: recipe.length_free,
            max: recipe.length_max,
        },
        reward_empty: recipe.empty,
        require_shape: recipe.require_shape,
        ..RewardOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    const ANSWER: &str =
        "<think>\nA port.\n</think>\n{\"entities\": {\"city\": [\"Brel\", \"Osk\"]}}";

    #[track_caller]
    fn check(sets: &[&str], total: f64, names: &[&str]) {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let recipe = Recipe::resolve("tiny", &sets).expect("a recipe");
        let mut reward = NerReward::new(&recipe.grpo.reward);
        reward.add(&Example {
            sentence: "Brel sleeps .".into(),
            schema: vec!["city".into()],
            entities: vec![Entity::new("Brel", "city")],
            ..Example::default()
        });
        let item = RewardItem {
            prompt_index: 0,
            completion: ANSWER,
        };
        let value = &reward.score(&[item])[0];
        assert!((value.total - total).abs() < 1e-12, "{value:?}");
        let found: Vec<&str> = value.parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, [names, &["empty_answer", "outside_schema"]].concat());
        assert!(
            value
                .parts
                .iter()
                .rev()
                .take(2)
                .all(|(_, share)| *share == 0.0)
        );
    }

    #[test]
    fn habits_are_counted() {
        let recipe = Recipe::resolve("tiny", &[]).expect("a recipe");
        let mut reward = NerReward::new(&recipe.grpo.reward);
        reward.add(&Example {
            schema: vec!["City".into()],
            ..Example::default()
        });
        for (completion, expected) in [
            ("{\"entities\": {\"city\": [\"Brel\"]}}", [0.0, 0.0]),
            ("{\"entities\": {\"river\": [\"Osk\"]}}", [0.0, 1.0]),
            ("{\"entities\": {}}", [1.0, 0.0]),
            ("no answer", [1.0, 0.0]),
        ] {
            let item = RewardItem {
                prompt_index: 0,
                completion,
            };
            let found = reward.habits(&item).into_iter().map(|(_, share)| share);
            assert_eq!(found.collect::<Vec<_>>(), expected, "{completion}");
        }
    }

    /// What a completion earns where `gold` is to be found, in total.
    fn earned(sets: &[&str], gold: &[Entity], completion: &str) -> f64 {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let recipe = Recipe::resolve("paper-8b", &sets).expect("a recipe");
        let mut reward = NerReward::new(&recipe.grpo.reward);
        reward.add(&Example {
            schema: vec!["city".into()],
            entities: gold.to_vec(),
            ..Example::default()
        });
        let item = RewardItem {
            prompt_index: 0,
            completion,
        };
        reward.score(&[item])[0].total
    }

    #[test]
    fn the_corrected_rewards_are_keys() {
        let (nothing, empty) = ([], "{\"entities\": {}}");
        assert_eq!(earned(&[], &nothing, empty), 1.0);
        let sets = ["grpo.reward.empty=true"];
        assert_eq!(earned(&sets, &nothing, empty), 11.0);
        assert_eq!(earned(&sets, &[Entity::new("Brel", "city")], empty), 1.0);
        assert_eq!(earned(&[], &nothing, "42"), 1.0);
        let sets = ["grpo.reward.require_shape=true"];
        assert_eq!(earned(&sets, &nothing, "42"), 0.0);
        assert_eq!(earned(&sets, &nothing, empty), 1.0);
    }

    /// Two right answers, one of which thinks longer, and a wrong one that thinks longest.
    #[test]
    fn short_reasoning_earns_more_in_its_group() {
        let sets = ["grpo.reward.brevity=2".to_owned()];
        let recipe = Recipe::resolve("tiny", &sets).expect("a recipe");
        let mut reward = NerReward::new(&recipe.grpo.reward);
        for _ in 0..2 {
            reward.add(&Example {
                schema: vec!["city".into()],
                entities: vec![Entity::new("Brel", "city")],
                ..Example::default()
            });
        }
        let right = "{\"entities\": {\"city\": [\"Brel\"]}}";
        let completions = [
            format!("<think>\n{}\n</think>\n{right}", "a".repeat(10)),
            format!("<think>\n{}\n</think>\n{right}", "a".repeat(30)),
            format!(
                "<think>\n{}\n</think>\n{{\"entities\": {{}}}}",
                "a".repeat(50)
            ),
        ];
        let item = |prompt_index, at: usize| RewardItem {
            prompt_index,
            completion: &completions[at],
        };
        let values = reward.score(&[item(0, 0), item(0, 1), item(0, 2), item(1, 1), item(1, 1)]);
        let totals: Vec<f64> = values.iter().map(|value| value.total).collect();
        assert_eq!(totals, [12.0, 11.0, 0.0, 11.0, 11.0]);
        let names: Vec<&str> = values[0]
            .parts
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names[2], "brevity");
    }

    /// One of two predictions is right: F1 2/3, schema 1, format 1, and one text in two stands in the sentence.
    #[test]
    fn the_papers_rewards_and_those_that_are_switched_on() {
        let paper = 20.0 / 3.0 + 1.0;
        check(&[], paper, &["f1", "schema"]);
        check(
            &["grpo.reward.format=0.5", "grpo.reward.grounding=2"],
            paper + 0.5 + 1.0,
            &["f1", "schema", "format", "grounding"],
        );
        let length = ANSWER.chars().count();
        let free = format!("grpo.reward.length_free={}", length - 10);
        let max = format!("grpo.reward.length_max={}", length + 10);
        check(
            &["grpo.reward.length=4", &free, &max],
            paper - 2.0,
            &["f1", "schema", "length"],
        );
    }
}
