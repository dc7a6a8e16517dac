//! A text as spaCy's tokens: words, each with a blank behind it or not, and any other white space as a token.

use crate::row::ByteSpan;
use crate::words::{Splitter, words_in};

/// The tokens of a text.
pub(super) struct Doc {
    pub(super) tokens: Vec<Token>,
    /// The words among them.
    pub(super) words: Vec<ByteSpan>,
    /// The token that each word is.
    pub(super) token_of: Vec<usize>,
}

pub(super) struct Token {
    pub(super) span: ByteSpan,
    /// Whether one blank follows, which belongs to no token.
    pub(super) has_space: bool,
}

impl Doc {
    /// The text in words, cut at the borders of these places too.
    pub(super) fn new(text: &str, places: &[ByteSpan]) -> Self {
        let words = words_in(text, places, Splitter::Gliner);
        let (mut tokens, mut token_of, mut at) = (Vec::new(), Vec::new(), 0);
        for word in &words {
            push_gap(&mut tokens, text, at..word.start);
            token_of.push(tokens.len());
            tokens.push(Token::new(word.clone()));
            at = word.end;
        }
        push_gap(&mut tokens, text, at..text.len());
        Self {
            tokens,
            words,
            token_of,
        }
    }
}

impl Token {
    fn new(span: ByteSpan) -> Self {
        Self {
            span,
            has_space: false,
        }
    }
}

/// White space: its first blank belongs to the token before, the rest is one.
fn push_gap(tokens: &mut Vec<Token>, text: &str, gap: ByteSpan) {
    let mut start = gap.start;
    if let Some(last) = tokens.last_mut()
        && text[gap.clone()].starts_with(' ')
    {
        last.has_space = true;
        start += 1;
    }
    if start < gap.end {
        tokens.push(Token::new(start..gap.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_white_space_are_the_text() {
        for text in [
            "",
            " ",
            "a",
            " a  b\n\nc ",
            "état-major, x\u{a0}y \t",
            "a\u{3000}小樽市.",
        ] {
            let doc = Doc::new(text, &[]);
            let mut again = String::new();
            for token in &doc.tokens {
                assert!(!token.span.is_empty(), "{text:?}");
                again += &text[token.span.clone()];
                again += if token.has_space { " " } else { "" };
            }
            assert_eq!(again, text);
            for (word, token) in doc.words.iter().zip(&doc.token_of) {
                assert_eq!(&doc.tokens[*token].span, word, "{text:?}");
            }
        }
    }
}
