//! GRPO with a toy reward: a small random model of 16 letters learns to write `h`.
//! `cargo run --release -p lm-grpo --example toy_reward`

use lm_grpo::prelude::*;

/// Token 0 is `a`, which ends a completion, token 1 is `b`, and so on.
struct Letters;

impl TextDecoder for Letters {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(|&id| (b'a' + id as u8) as char).collect()
    }

    fn stop_ids(&self) -> Vec<u32> {
        vec![0]
    }
}

impl Reward for Letters {
    fn score(&self, items: &[RewardItem<'_>]) -> Vec<RewardValue> {
        let share = |text: &str| text.matches('h').count() as f64 / text.len() as f64;
        items.iter().map(|x| share(x.completion).into()).collect()
    }
}

/// Keeps the mean reward of every step.
struct Rewards(Vec<f64>);

impl Observer for Rewards {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.0.extend(metrics.get("reward"));
    }
}

pub(crate) fn run() -> Result<Vec<f64>, lm_grpo::Error> {
    let mut model = Qwen3Config::default();
    (model.vocab_size, model.hidden_size, model.num_hidden_layers) = (16, 32, 2);
    let policy = model.init::<Autodiff<Flex>>(&Default::default(), 5);
    let environment = Environment {
        prompts: &[[1, 2], [4, 5], [6, 8], [9, 1]].map(|ids| Prompt { ids: ids.into() }),
        held_out: &[],
        decoder: &Letters,
        reward: &Letters,
        reference: Some(policy.valid()),
        engine: &mut BuiltinEngine::new(32),
    };
    let mut config = GrpoConfig::default();
    (config.group_size, config.prompts_per_step) = (8, 4);
    (config.max_steps, config.iterations) = (Some(30), 2);
    (config.max_completion_length, config.optim.lr) = (8, 5e-3);
    let (files, stop) = (RunFiles::default(), CancellationToken::new());
    let mut rewards = Rewards(vec![]);
    train_grpo(policy, environment, &config, &files, &stop, &mut rewards)?;
    Ok(rewards.0)
}

pub(crate) fn main() -> Result<(), lm_grpo::Error> {
    run().map(|rewards| println!("mean reward of every step: {rewards:.2?}"))
}
