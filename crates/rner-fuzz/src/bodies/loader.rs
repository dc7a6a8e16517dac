//! A whole model: its folder, with a file or some bytes of several files changed.

use std::sync::LazyLock;

use burn::backend::Flex;
use lm_model::{ChatTokenizer, Qwen3, Qwen3Config, checkpoint};

use super::models::speaks;
use crate::scratch::{self, Scratch};

/// The files of a folder, in the order of the numbers that inputs use.
const FILES: [&str; 5] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
];

/// A sound folder, as this program writes it: one layer, some hundred tokens.
pub static FOLDER: LazyLock<[Vec<u8>; 5]> = LazyLock::new(|| {
    let scratch = Scratch::new();
    write_model(&scratch);
    scratch.write(FILES[4], b"{\"eos_token_id\": [259, 257]}");
    FILES.map(|name| std::fs::read(scratch.path().join(name)).expect("a file of a model"))
});

fn write_model(scratch: &Scratch) {
    let dir = scratch.path();
    let texts = ["the port of Halvek", "the port of Brel", "a port"];
    let tokenizer = ChatTokenizer::train_bpe(texts, 264).expect("a vocabulary");
    tokenizer.save(dir).expect("a tokenizer is written");
    let config = Qwen3Config {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 4,
        intermediate_size: 4,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 2,
        max_position_embeddings: 64,
        bos_token_id: Vec::new(),
        eos_token_id: vec![tokenizer.eos_id()],
        ..Qwen3Config::default()
    };
    let model: Qwen3<Flex> = config.init(&Default::default(), 1);
    let precision = model.precision().into();
    checkpoint::save(&model, &config, dir, precision).expect("a model is written");
}

/// The folder with changes. An even first byte puts the rest in the place of one file. After an odd one, each four
/// bytes change one byte: which file, where (two bytes), and to what.
fn changed(data: &[u8]) -> [Vec<u8>; 5] {
    let mut files = FOLDER.clone();
    let Some((first, rest)) = data.split_first() else {
        return files;
    };
    if first % 2 == 0 {
        files[usize::from(first / 2) % FILES.len()] = rest.to_vec();
        return files;
    }
    for &[file, low, high, new] in rest.as_chunks::<4>().0 {
        let file = &mut files[usize::from(file) % FILES.len()];
        if let Some(byte) = file.get_mut(usize::from(u16::from_le_bytes([low, high]))) {
            *byte = new;
        }
    }
    files
}

/// A folder is refused, or it is a model that computes and a tokenizer that speaks.
pub(crate) fn loader(data: &[u8]) {
    scratch::with(|scratch| {
        for (name, bytes) in FILES.iter().zip(changed(data)) {
            scratch.write(name, &bytes);
        }
        if let Ok(tokenizer) = ChatTokenizer::load(scratch.path()) {
            speaks(&tokenizer, scratch);
        }
        if let Ok(model) = checkpoint::load::<Flex>(scratch.path(), &Default::default()) {
            computes(&model);
        }
        for name in FILES {
            // A later target of this thread must not find them.
            let _ = std::fs::remove_file(scratch.path().join(name));
        }
    });
}

fn computes(model: &Qwen3<Flex>) {
    let batch = model.pack(&[&[0_u32, 0, 0]]);
    let logits = model.logits(&batch).dims();
    assert_eq!(logits, [3, model.config().vocab_size]);
}
