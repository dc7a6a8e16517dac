//! What the trainer knows of the tokenizer: where a completion ends, and its text.

use lm_grpo::TextDecoder;
use lm_model::ChatTokenizer;

use crate::recipe::Stop;

/// A tokenizer, with the token at which a completion ends.
pub(super) struct Decoder<'a> {
    tokenizer: &'a ChatTokenizer,
    stop: Stop,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(tokenizer: &'a ChatTokenizer, stop: Stop) -> Self {
        Self { tokenizer, stop }
    }
}

impl TextDecoder for Decoder<'_> {
    fn text(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids)
    }

    fn stop_ids(&self) -> Vec<u32> {
        match self.stop {
            Stop::Eos => vec![self.tokenizer.eos_id()],
            Stop::EndOfTurn => self.tokenizer.stop_ids(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ner_types::{Entity, parse, render_completion};

    use super::*;
    use crate::recipe::Recipe;
    use crate::session::Session;
    use crate::stages::ModelDir;

    /// The text of what is sampled until the recipe's stop, if the model answers as it was tuned to.
    fn completion(profile: &str) -> (usize, String) {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent());
        let tokenizer = base.expect("a model").tokenizer().expect("a tokenizer");
        let recipe = Recipe::resolve(profile, &[]).expect("a recipe");
        let decoder = Decoder::new(&tokenizer, recipe.grpo.stop);
        let target = render_completion(None, &[Entity::new("Brel", "city")]);
        let ids = tokenizer.completion_ids(&target);
        let stops = decoder.stop_ids();
        let end = ids.iter().position(|id| stops.contains(id));
        let sampled = &ids[..=end.expect("an end")];
        let text = decoder.text(sampled);
        assert_eq!(parse(&text), parse(&target));
        assert_eq!(text.trim_end(), target);
        (ids.len() - sampled.len(), text)
    }

    /// The whole target of fine-tuning is sampled, down to the token that ends it; the toy stops two tokens before.
    #[test]
    fn a_completion_ends_where_the_papers_does() {
        let (left, text) = completion("paper-8b");
        assert!(left == 0 && text.ends_with('\n'), "{left} {text:?}");
        let (left, text) = completion("tiny");
        assert!(left == 2 && !text.ends_with('\n'), "{left} {text:?}");
    }
}
