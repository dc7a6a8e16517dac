//! What completions of one prompt earn: `cargo run -p ner-rewards --example reward`.

use ner_rewards::{ExtraWeights, Item, RewardOptions, Target, score_items};
use ner_types::Entity;

const COMPLETIONS: [&str; 4] = [
    "<think>\n\"Port Halvek\" is where she left.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\"]}}",
    "<think>\nTwo cities.\n</think>\n{\"entities\": {\"city\": [\"Port Halvek\", \"Oslin\"]}}",
    "{\"entities\": {\"harbour\": [\"Port Halvek\"]}}",
    "It is Port Halvek.",
];

/// The total rewards, in the order of the completions.
pub(crate) fn run() -> Vec<f64> {
    let schema = ["city".to_string()];
    let gold = [Entity::new("Port Halvek", "city")];
    let target = Target::new(&schema, &gold).in_sentence("She left Port Halvek.");
    // The paper's rewards, 10·F1 + schema, and one more for entities that stand in the sentence.
    let options = RewardOptions {
        extra: ExtraWeights {
            grounding: 1.0,
            ..ExtraWeights::default()
        },
        ..RewardOptions::default()
    };
    let items = COMPLETIONS.map(|completion| Item {
        target: &target,
        completion,
    });
    let rewards = score_items(&items, &options);
    for (reward, completion) in rewards.iter().zip(COMPLETIONS) {
        let last = completion.lines().last().unwrap_or_default();
        println!(
            "{:>6.2} = F1 {:.2}, schema {:.0}, grounding {:.2}: {last}",
            reward.total, reward.f1, reward.schema, reward.grounding
        );
    }
    rewards.iter().map(|reward| reward.total).collect()
}

fn main() {
    run();
}
