//! An answer that can only be yes or no, whatever the model would write.
//!
//! `cargo run --release -p lm-grammar --example yes_or_no -- [folder of a model] [prompt]`

use std::path::Path;

use burn::backend::Flex;
use lm_generate::{CancellationToken, Generator, History, Lookup, Request, Sampling};
use lm_grammar::{Constrained, Vocabulary};
use lm_model::{ChatTokenizer, Qwen3, checkpoint};

type Failure = Box<dyn std::error::Error>;

pub(crate) fn run(folder: &Path, prompt: &str) -> Result<String, Failure> {
    let model: Qwen3<Flex> = checkpoint::load(folder, &Default::default())?;
    let tokenizer = ChatTokenizer::load(folder)?;
    let grammar = Vocabulary::new(&tokenizer)?.grammar("start: \"yes\" | \"no\"")?;
    let requests = [Request {
        prompt: tokenizer.prompt_ids(prompt),
        n: 1,
        sampling: Sampling {
            stop: tokenizer.stop_ids(),
            ..Sampling::greedy()
        },
    }];
    // What the grammar forces is drafted, and verified in one pass.
    let mut history = History::new();
    let mut observer = Lookup::new(
        &requests,
        &mut history,
        Constrained::new(()).with(0, &grammar),
    );
    let groups =
        Generator::new(&model, 1).generate(&requests, &CancellationToken::new(), &mut observer)?;
    Ok(tokenizer.decode(&groups[0][0].ids))
}

pub(crate) fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tiny-base");
    let folder = arguments.next().unwrap_or(tiny.to_owned());
    let prompt = arguments.next().unwrap_or("Is Anna in Rome?".to_owned());
    println!("{}", run(folder.as_ref(), &prompt)?);
    Ok(())
}
