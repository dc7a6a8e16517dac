//! Fine-tunes a small random model until it knows three answers by heart.
//!
//! `cargo run --release -p lm-train --example fine_tune`

use lm_train::prelude::*;

const ANSWERS: [(&str, &str); 3] = [
    ("Capital of France?", "Paris"),
    ("Capital of Peru?", "Lima"),
    ("Capital of Japan?", "Tokyo"),
];

/// Keeps the loss of every step.
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn on_step(&mut self, metrics: &StepMetrics) {
        self.0.push(metrics.loss);
    }
}

/// The prompt without a loss, the answer and the token that ends it with one.
fn sample(tokenizer: &ChatTokenizer, prompt: &str, answer: &str) -> Sample {
    let mut ids = tokenizer.prompt_ids(prompt);
    let loss_from = ids.len();
    ids.extend(tokenizer.completion_ids(answer));
    Sample { ids, loss_from }
}

pub(crate) fn run() -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    // A tokenizer of single bytes; a pretrained model brings its own: `ChatTokenizer::load`.
    let tokenizer = ChatTokenizer::train_bpe([""; 0], 261)?;
    let model = Qwen3Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 32,
        num_hidden_layers: 2,
        ..Qwen3Config::default()
    };
    // And its weights: `checkpoint::load`.
    let model = model.init::<Autodiff<Flex>>(&Default::default(), 0);
    let samples = ANSWERS.map(|(prompt, answer)| sample(&tokenizer, prompt, answer));
    let config = SftConfig {
        max_steps: Some(60),
        optim: OptimConfig {
            lr: 1e-2,
            ..OptimConfig::default()
        },
        ..SftConfig::default()
    };
    let (files, stop) = (RunFiles::default(), CancellationToken::new());
    let mut losses = Losses(Vec::new());
    train_sft(model, &samples, &config, &files, &stop, &mut losses)?;
    Ok(losses.0)
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().map(|losses| println!("loss of every step: {losses:.3?}"))
}
