//! Text of ids that arrive one after the other.

use super::ChatTokenizer;
use super::characters::Characters;
use super::stop::StopMatcher;

/// Turns ids into text as they arrive, and never shows half a character.
///
/// A character may be spread over several tokens. Its bytes wait until it is complete, or until what follows shows that
/// it never will be; then U+FFFD stands for them. All pieces together are what [`ChatTokenizer::decode`] gives for all
/// ids.
#[derive(Clone, Debug)]
pub struct Detokenizer<'a> {
    tokenizer: &'a ChatTokenizer,
    characters: Characters,
}

impl<'a> Detokenizer<'a> {
    /// Nothing has arrived yet.
    pub fn new(tokenizer: &'a ChatTokenizer) -> Self {
        let characters = Characters::new(tokenizer.spelling);
        Self {
            tokenizer,
            characters,
        }
    }

    /// The text that `id` completes; often a word, sometimes nothing.
    pub fn push(&mut self, id: u32) -> String {
        self.characters.push(&self.tokenizer.bytes_of(id))
    }

    /// What is left when no id follows: U+FFFD for the beginning of a character, else nothing.
    pub fn finish(self) -> String {
        self.characters.finish()
    }
}

/// A [`Detokenizer`] and a [`StopMatcher`]: the text of one completion as it is written, up to a stop string.
///
/// ```
/// use lm_model::{ChatTokenizer, StopMatcher, TextStream};
///
/// let tokenizer = ChatTokenizer::train_bpe(["one two three"], 300)?;
/// let mut stream = TextStream::new(&tokenizer, StopMatcher::new(["two"])?);
/// let mut text = String::new();
/// for id in tokenizer.encode_text("one two three")? {
///     text += &stream.push(id);
///     if stream.stopped().is_some() {
///         break;
///     }
/// }
/// assert_eq!((text + &stream.finish()).as_str(), "one ");
/// # Ok::<(), lm_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextStream<'a> {
    detokenizer: Detokenizer<'a>,
    stops: StopMatcher,
}

impl<'a> TextStream<'a> {
    /// Nothing has arrived yet. The default of [`StopMatcher`] has no stop strings.
    pub fn new(tokenizer: &'a ChatTokenizer, stops: StopMatcher) -> Self {
        let detokenizer = Detokenizer::new(tokenizer);
        Self { detokenizer, stops }
    }

    /// The text that can be shown after `id`: complete characters that belong to no stop string.
    pub fn push(&mut self, id: u32) -> String {
        let text = self.detokenizer.push(id);
        self.stops.push(&text)
    }

    /// The stop string that has been found. From then on there is no more text.
    pub fn stopped(&self) -> Option<&str> {
        self.stops.found()
    }

    /// What was held back and can be shown when no id follows.
    pub fn finish(mut self) -> String {
        let rest = self.detokenizer.finish();
        self.stops.push(&rest) + &self.stops.finish()
    }
}
