//! Text of ids that arrive one after the other.

use super::ChatTokenizer;
use super::spelling::Spelling;
use super::stop::StopMatcher;

/// Turns ids into text as they arrive, and never shows half a character.
///
/// A character may be spread over several tokens. Its bytes wait until it is complete, or until what follows shows that
/// it never will be; then U+FFFD stands for them. All pieces together are what [`ChatTokenizer::decode`] gives for all
/// ids.
#[derive(Clone, Debug)]
pub struct Detokenizer<'a> {
    tokenizer: &'a ChatTokenizer,
    /// The beginning of a character.
    pending: Vec<u8>,
    /// Whether a space that comes next is the one before every text, which is not shown.
    skips_space: bool,
}

impl<'a> Detokenizer<'a> {
    /// Nothing has arrived yet.
    pub fn new(tokenizer: &'a ChatTokenizer) -> Self {
        Self {
            tokenizer,
            pending: Vec::new(),
            skips_space: tokenizer.spelling == Spelling::ByteFallback,
        }
    }

    /// The text that `id` completes; often a word, sometimes nothing.
    pub fn push(&mut self, id: u32) -> String {
        let bytes = self.tokenizer.bytes_of(id);
        let hidden = usize::from(self.skips_space && bytes.first() == Some(&b' '));
        self.skips_space &= bytes.is_empty();
        self.pending.extend(&bytes[hidden..]);
        take_complete(&mut self.pending)
    }

    /// What is left when no id follows: U+FFFD for the beginning of a character, else nothing.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    /// The text of all these ids.
    pub(super) fn all(mut self, ids: &[u32]) -> String {
        let text: String = ids.iter().map(|&id| self.push(id)).collect();
        text + &self.finish()
    }
}

impl ChatTokenizer {
    /// The bytes of a token; none for one that is not shown.
    fn bytes_of(&self, id: u32) -> Vec<u8> {
        if self.hidden.contains(&id) {
            return Vec::new();
        }
        let token = self.tokenizer.id_to_token(id);
        token
            .map(|token| self.spelling.bytes(&token))
            .unwrap_or_default()
    }
}

/// Takes the text at the front of `bytes`, and leaves the beginning of a character at its end.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut left = 0;
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let rest = chunk.invalid();
        if chunks.peek().is_none() && may_go_on(rest) {
            left = rest.len();
        } else if !rest.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    bytes.drain(..bytes.len() - left);
    text
}

/// Whether bytes are the beginning of a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
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
