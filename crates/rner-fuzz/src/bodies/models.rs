//! The files of a model, one by one.

use lm_model::checkpoint::fuzzing;
use lm_model::{ChatTokenizer, Qwen3Config};

use crate::scratch::{self, Scratch};

/// More values than any configuration that is accepted has.
const MOST_VALUES: usize = 1 << 43;

/// More layers than any configuration that is accepted has. Names of more would fill the memory.
const MOST_LAYERS: usize = 1 << 16;

/// A file of weights: every tensor lies inside the file, or the file is refused.
pub(crate) fn safetensors(data: &[u8]) {
    let path = scratch::with(|scratch| scratch.write("model.safetensors", data));
    let Ok(tensors) = fuzzing::tensors(&path) else {
        return;
    };
    let n_values = tensors.iter().map(|(_, n)| n).sum::<usize>();
    assert!(
        2 * n_values <= data.len(),
        "{n_values} values in {}",
        data.len()
    );
}

/// The configuration of a model: what is accepted is the same when it is written and read again, and its sizes can be
/// multiplied.
pub(crate) fn config(data: &[u8]) {
    let Ok(config) = serde_json::from_slice::<Qwen3Config>(data) else {
        return;
    };
    config.check().expect("what is read is checked");
    let written = serde_json::to_vec(&config).expect("a configuration is written");
    let again: Qwen3Config = serde_json::from_slice(&written).expect("and read");
    assert_eq!(again, config);
    assert!(config.num_hidden_layers < MOST_LAYERS);
    let n_values = config.num_parameters();
    assert!((1..MOST_VALUES).contains(&n_values), "{n_values} values");
    assert!(config.max_positions() >= config.max_position_embeddings);
}

/// The configuration of an adapter: the same when it is written as PEFT does and read again.
pub(crate) fn adapter(data: &[u8]) {
    scratch::with(|scratch| {
        let read =
            |bytes: &[u8]| fuzzing::adapter_config(&scratch.write("adapter_config.json", bytes));
        let Ok(config) = read(data) else {
            return;
        };
        assert!(config.scale().is_finite());
        let written = fuzzing::adapter_json(&config).to_string();
        let again = read(written.as_bytes()).expect("what was written is read");
        assert_eq!(again, config);
    });
}

/// A tokenizer: refused, or able to write and read any text.
pub(crate) fn tokenizer(data: &[u8]) {
    scratch::with(|scratch| {
        scratch.write("tokenizer.json", data);
        if let Ok(tokenizer) = ChatTokenizer::load(scratch.path()) {
            speaks(&tokenizer, scratch);
        }
    });
}

/// Ids are inside the vocabulary, and every text is decoded.
pub(crate) fn speaks(tokenizer: &ChatTokenizer, scratch: &Scratch) {
    let size = tokenizer.vocab_size();
    for text in ["", "Port Halvek", "小樽 \u{0} é\n<|im_end|> 12</think>"] {
        let mut ids = tokenizer.prompt_ids(text);
        ids.extend(tokenizer.completion_ids(text));
        ids.extend(tokenizer.encode_text(text).expect("any text is encoded"));
        assert!(
            ids.iter().all(|id| (*id as usize) < size),
            "{}",
            scratch.path().display()
        );
        tokenizer.decode(&ids);
    }
    tokenizer.decode(&[0, u32::MAX]);
}
