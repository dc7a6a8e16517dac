//! Where other programs stop: what the files of a model say about the end of an answer.

use burn::prelude::Backend;

use crate::config::Qwen3Config;
use crate::model::Qwen3;
use crate::tokenizer::ChatTokenizer;

impl Qwen3Config {
    /// The same model with all tokens that end an answer in the chat form of `tokenizer`, those of its own behind them,
    /// and with padding. `transformers` and vLLM stop at what `generation_config.json` and `config.json` name and
    /// nowhere else, so a base model's end of a text alone would let a tuned one write on behind its answer.
    #[must_use]
    pub fn ended_by(mut self, tokenizer: &ChatTokenizer) -> Self {
        let own = std::mem::replace(&mut self.eos_token_id, tokenizer.stop_ids());
        for id in own {
            if !self.eos_token_id.contains(&id) {
                self.eos_token_id.push(id);
            }
        }
        let is_inside = |id: &u32| (*id as usize) < self.vocab_size;
        let pad = self.pad_token_id.or(tokenizer.pad_id());
        self.pad_token_id = pad.filter(is_inside);
        self
    }
}

impl<B: Backend> Qwen3<B> {
    /// The same model, whose files will name all tokens that end an answer: [`Qwen3Config::ended_by`].
    #[must_use]
    pub fn ended_by(mut self, tokenizer: &ChatTokenizer) -> Self {
        self.config = self.config.ended_by(tokenizer);
        self
    }
}
