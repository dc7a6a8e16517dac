//! Where a completion stands: in its reasoning, or outside of it.

use super::ChatTokenizer;
use super::control::{END_THINK, THINK};

impl ChatTokenizer {
    /// What closes reasoning, as ids: a line break and `</think>`, the added token if the vocabulary has it. Where
    /// nothing was thought there are two line breaks, as Qwen3's template writes reasoning that is switched off.
    pub fn thought_end_ids(&self, is_empty: bool) -> Vec<u32> {
        let before = if is_empty { "\n\n" } else { "\n" };
        match self.control.think {
            Some([_, close]) => [self.text_ids(before), vec![close]].concat(),
            None => self.text_ids(&format!("{before}{END_THINK}")),
        }
    }
}

/// Follows the tags of the reasoning in ids that arrive one after the other.
///
/// A tag counts however it is spelt, as the added token of that name or in pieces, as in the text that
/// [`ChatTokenizer::decode`] gives.
///
/// ```
/// use lm_model::{ChatTokenizer, ThoughtStream};
///
/// let tokenizer = ChatTokenizer::train_bpe(["a thought"], 300)?;
/// let mut stream = ThoughtStream::new(&tokenizer);
/// let ids = tokenizer.completion_ids("<think>\na thought");
/// stream.push(ids[0]);
/// assert!(stream.is_inside());
/// tokenizer.thought_end_ids(false).iter().for_each(|id| stream.push(*id));
/// assert!(!stream.is_inside());
/// # Ok::<(), lm_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ThoughtStream<'a> {
    tokenizer: &'a ChatTokenizer,
    /// The last bytes, as many as the longer tag has.
    tail: Vec<u8>,
    is_inside: bool,
    /// Bytes that the last character lacks.
    missing: usize,
}

impl<'a> ThoughtStream<'a> {
    /// Nothing has arrived yet.
    pub fn new(tokenizer: &'a ChatTokenizer) -> Self {
        Self {
            tokenizer,
            tail: Vec::new(),
            is_inside: false,
            missing: 0,
        }
    }

    /// Goes on by a token.
    pub fn push(&mut self, id: u32) {
        for byte in self.tokenizer.bytes_of(id) {
            self.push_byte(byte);
        }
    }

    /// Whether the reasoning has begun and is not closed.
    pub fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// Whether the last character lacks bytes, so that nothing but these can follow.
    pub fn is_within_character(&self) -> bool {
        self.missing > 0
    }

    fn push_byte(&mut self, byte: u8) {
        self.missing = match byte {
            0x80..=0xbf => self.missing.saturating_sub(1),
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => 0,
        };
        self.tail.push(byte);
        let awaited = if self.is_inside { END_THINK } else { THINK };
        if self.tail.ends_with(awaited.as_bytes()) {
            self.is_inside = !self.is_inside;
            self.tail.clear();
        } else if self.tail.len() == END_THINK.len() {
            self.tail.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> ChatTokenizer {
        ChatTokenizer::train_bpe(["<think> x</think>\n", "小樽 <think></think>\n"], 400)
            .expect("a tokenizer")
    }

    /// Whether the reasoning is open after each of these tokens.
    fn inside(ids: &[u32]) -> Vec<bool> {
        let tokenizer = tokenizer();
        let mut stream = ThoughtStream::new(&tokenizer);
        let after = |id: &u32| {
            stream.push(*id);
            stream.is_inside()
        };
        ids.iter().map(after).collect()
    }

    #[test]
    fn tags_count_as_tokens_and_spelt_in_pieces() {
        let tokenizer = tokenizer();
        let tags = inside(&tokenizer.completion_ids("<think>\nx\n</think>\n{}"));
        assert!(tags[0] && !tags[tags.len() - 1]);
        let spelt = tokenizer
            .encode_text("a <think> x </think>\n{")
            .expect("ids");
        assert!(!spelt.contains(&tokenizer.completion_ids("<think>")[0]));
        let spelt = inside(&spelt);
        assert!(spelt.contains(&true) && !spelt[0] && !spelt[spelt.len() - 1]);
        let again = inside(
            &tokenizer
                .encode_text("<think></think><think>x")
                .expect("ids"),
        );
        assert!(again[again.len() - 1], "a second block is open");
        let quoted = inside(
            &tokenizer
                .encode_text("</think> x < think> <thin")
                .expect("ids"),
        );
        assert!(!quoted.contains(&true));
    }

    #[test]
    fn a_character_is_complete_with_its_last_byte() {
        let tokenizer = tokenizer();
        let mut stream = ThoughtStream::new(&tokenizer);
        for (byte, expected) in [(0xe5, true), (0xb0, true), (0x8f, false), (b'a', false)] {
            stream.push_byte(byte);
            assert_eq!(stream.is_within_character(), expected, "{byte:x}");
        }
        stream.push_byte(0xf0);
        stream.push_byte(b'a');
        assert!(!stream.is_within_character(), "it will never be complete");
    }

    #[test]
    fn the_end_of_a_thought_closes_it() {
        let tokenizer = tokenizer();
        for (is_empty, expected) in [(false, "\n</think>"), (true, "\n\n</think>")] {
            let ids = tokenizer.thought_end_ids(is_empty);
            assert_eq!(tokenizer.decode(&ids), expected);
            assert_eq!(
                ids.last(),
                tokenizer.completion_ids("<think></think>").get(1)
            );
        }
    }
}
