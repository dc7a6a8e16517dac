//! Two answers of a model to a prompt, printed as they are written, and how probable each was.
//!
//! `cargo run --release -p lm-generate --example generate -- [folder of a model] [prompt]`

use std::ops::ControlFlow;
use std::path::Path;

use burn::backend::Flex;
use lm_generate::{CancellationToken, Generated, Generator, NewToken, Observer, Request, Sampling};
use lm_model::{ChatTokenizer, Qwen3, checkpoint};

type Failure = Box<dyn std::error::Error>;

/// Prints every token with the number of its answer.
struct Printer<'a>(&'a ChatTokenizer);

impl Observer for Printer<'_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        println!("{}: {:?}", token.sample, self.0.decode(&[token.id]));
        // A break would end this answer.
        ControlFlow::Continue(())
    }
}

pub(crate) fn run(folder: &Path, prompt: &str) -> Result<Vec<Generated>, Failure> {
    let model: Qwen3<Flex> = checkpoint::load(folder, &Default::default())?;
    let tokenizer = ChatTokenizer::load(folder)?;
    let request = Request {
        prompt: tokenizer.prompt_ids(prompt),
        n: 2,
        sampling: Sampling {
            max_new_tokens: 12,
            temperature: 0.7,
            stop: tokenizer.stop_ids(),
            ..Sampling::default()
        },
    };
    // Whoever has a clone of the token can end the call.
    let stop = CancellationToken::new();
    let mut generator = Generator::new(&model, 2);
    let mut groups = generator.generate(&[request], &stop, &mut Printer(&tokenizer))?;
    Ok(groups.remove(0))
}

pub(crate) fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tiny-base");
    let folder = arguments.next().unwrap_or(tiny.to_owned());
    let prompt = arguments.next().unwrap_or("Anna is in Rome.".to_owned());
    for answer in run(folder.as_ref(), &prompt)? {
        let log_prob: f32 = answer.log_probs.iter().sum();
        println!("{} tokens of {log_prob:.2}", answer.ids.len());
    }
    Ok(())
}
