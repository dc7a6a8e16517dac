//! How many tokens per second a small random model decodes on the CPU.
//!
//! `cargo run --release -p lm-generate --example throughput -- [rows] [prompt tokens] [new tokens]`

use std::ops::ControlFlow;
use std::time::Instant;

use burn::backend::Flex;
use lm_generate::{Generator, Request, Sampling};
use lm_model::Qwen3Config;

fn main() -> Result<(), lm_generate::Error> {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let argument = |i: usize, default| arguments.get(i).copied().unwrap_or(default);
    let (rows, prompt, max_new_tokens) = (argument(0, 128), argument(1, 128), argument(2, 64));
    let config = Qwen3Config {
        vocab_size: 4096,
        hidden_size: 256,
        intermediate_size: 768,
        num_hidden_layers: 4,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 32,
        ..Default::default()
    };
    let model = config.init::<Flex>(&Default::default(), 0);
    for temperature in [0.0, 1.0] {
        let sampling = Sampling {
            max_new_tokens,
            temperature,
            ..Sampling::default()
        };
        let request = |i: usize| {
            let prompt = (0..prompt)
                .map(|t| ((i * 31 + t * 7) % config.vocab_size) as u32)
                .collect();
            Request {
                prompt,
                n: 1,
                sampling: sampling.clone(),
            }
        };
        let requests: Vec<Request> = (0..rows).map(request).collect();
        let mut first = None;
        let started = Instant::now();
        let mut note = |progress: lm_generate::Progress| {
            first.get_or_insert((started.elapsed(), progress.tokens));
            ControlFlow::Continue(())
        };
        Generator::new(&model, rows).generate(&requests, &mut note)?;
        let total = started.elapsed().as_secs_f64();
        let tokens = (rows * max_new_tokens) as f64;
        println!(
            "temperature {temperature}: {total:.2} s, {:.0} new tokens/s, first step {first:?}",
            tokens / total
        );
    }
    Ok(())
}
