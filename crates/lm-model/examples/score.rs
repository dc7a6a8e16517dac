//! How probable a model finds every token of a sentence.
//!
//! `cargo run --release -p lm-model --example score -- [folder of a model] [sentence]`

use std::path::Path;

use burn::backend::Flex;
use burn::tensor::{Int, Tensor};
use lm_model::{ChatTokenizer, Qwen3, checkpoint};

type Failure = Box<dyn std::error::Error>;

/// The tokens after the first, each with its log-probability after those before it.
pub(crate) fn run(folder: &Path, sentence: &str) -> Result<Vec<(String, f32)>, Failure> {
    let device = Default::default();
    let model: Qwen3<Flex> = checkpoint::load(folder, &device)?;
    let tokenizer = ChatTokenizer::load(folder)?;
    let ids = tokenizer.encode_text(sentence)?;
    let (inputs, targets) = (&ids[..ids.len() - 1], &ids[1..]);

    // One sequence; with several, their tokens would lie end to end.
    let batch = model.pack(&[inputs]);
    let ints = |values: Vec<i32>| Tensor::<Flex, 1, Int>::from_ints(values.as_slice(), &device);
    let rows = ints((0..inputs.len() as i32).collect());
    let wanted = ints(targets.iter().map(|&id| id as i32).collect());
    let scored = model.log_probs(&batch, rows, wanted, 1.0);

    let log_probs = scored.log_probs.into_data();
    let tokens = targets.iter().map(|&id| tokenizer.decode(&[id]));
    Ok(tokens.zip(log_probs.iter::<f32>()).collect())
}

pub(crate) fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tiny-base");
    let folder = arguments.next().unwrap_or(tiny.to_owned());
    let sentence = arguments
        .next()
        .unwrap_or("Anna lives in Paris.".to_owned());
    for (token, log_prob) in run(folder.as_ref(), &sentence)? {
        println!("{log_prob:8.3}  {token:?}");
    }
    Ok(())
}
