//! The tokenizer and the chat form around it.
//!
//! Wraps the crate `tokenizers`, so any BPE `tokenizer.json` with the control tokens of Qwen, Llama 3 or
//! Llama 2 can be used. What this module adds is that control tokens enter a sequence only where the
//! chat form puts them: text is encoded around the added vocabulary, so a sentence that contains
//! `<|im_end|>` or `<think>` becomes ordinary tokens with the same spelling.

mod bpe;
mod bytes;
mod characters;
mod chat;
mod control;
mod generation;
mod plain;
mod spelling;
mod stop;
mod stream;
mod thought;
mod written;

pub use chat::{ChatTokenizer, Pieces};
pub use stop::StopMatcher;
pub use stream::{Detokenizer, TextStream};
pub use thought::ThoughtStream;
