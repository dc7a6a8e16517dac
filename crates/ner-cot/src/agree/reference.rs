//! Words by which a sentence speaks of what was named before: `so its type is`, `it is a`, `I label it as`.

use super::lexicon::{
    BE, CONCLUSIONS, FILLERS, FINAL_IS, JOINS, NEGATIONS, OBJECTS, PARTICLES, PLURALS, PRONOUN_IS,
    PRONOUNS, TYPE_WORDS, VERBS, has,
};
use super::token::Token;

/// Where a type is said of what was named before.
pub(super) struct Reference {
    pub(super) from: usize,
    pub(super) object: Option<String>,
    pub(super) plural: bool,
}

pub(super) fn reference(tokens: &[Token], at: usize) -> Option<Reference> {
    let to = |from| {
        Some(Reference {
            from,
            object: None,
            plural: false,
        })
    };
    let is_be = |at: usize| matches!(tokens.get(at), Some(Token::Word(w)) if has(BE, w));
    let is_label = |at: usize| matches!(tokens.get(at), Some(Token::Label(_)));
    let is_joined = |at: usize| matches!(tokens.get(at), Some(Token::Mark(':' | '>' | '=')));
    match &tokens[at] {
        Token::Word(word) if has(PRONOUN_IS, word) => to(at + 1),
        Token::Word(word)
            if has(PRONOUNS, word)
                && (is_be(at + 1) || is_filler(tokens, at + 1) && is_be(at + 2)) =>
        {
            Some(Reference {
                from: at + 1,
                object: None,
                plural: has(PLURALS, word),
            })
        }
        Token::Word(word) if has(TYPE_WORDS, word) && (is_be(at + 1) || is_label(at + 1)) => {
            to(at + 1)
        }
        Token::Word(word) if has(TYPE_WORDS, word) && is_joined(at + 1) => to(at + 2),
        Token::Word(word) if has(VERBS, word) => verb(tokens, at),
        Token::Word(word) if has(CONCLUSIONS, word) => to(at + 1),
        Token::Word(word) if has(JOINS, word) && is_be(at + 1) => to(at + 1),
        // Japanese has its "is" at the end.
        Token::Label(_) if matches!(tokens.get(at + 1), Some(Token::Word(w)) if has(FINAL_IS, w)) => {
            to(at)
        }
        Token::Label(_) if at == 0 && tokens.len() == 1 => to(0),
        Token::Mark('>' | '=') if at == 0 => to(1),
        Token::Mark(':' | '-' | '>' | '(') if is_label(at + 1) && ends(tokens, at + 2) => {
            to(at + 1)
        }
        _ => None,
    }
}

/// `label it as`, `tag "X" as`, `counts as`, `use`.
fn verb(tokens: &[Token], at: usize) -> Option<Reference> {
    let (mut from, mut object) = (at + 1, None);
    match tokens.get(from) {
        Some(Token::Word(word)) if has(OBJECTS, word) => from += 1,
        Some(Token::Mention { text, .. }) => {
            object = Some(text.clone());
            from += 1;
        }
        _ => {}
    }
    if matches!(tokens.get(from), Some(Token::Word(word)) if has(PARTICLES, word)) {
        from += 1;
    }
    Some(Reference {
        from,
        object,
        plural: false,
    })
}

/// The mention in `use person for "X"`.
pub(super) fn object_behind(tokens: &[Token], at: usize) -> Option<String> {
    match (tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(Token::Word(word)), Some(Token::Mention { text, .. })) if word == "for" => {
            Some(text.clone())
        }
        _ => None,
    }
}

/// Whether "not" stands shortly before a reference: `would not count it as`, `not found:`.
pub(super) fn is_denied(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().take(2);
    let mut words = before.map_while(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(NEGATIONS, word) && word != "no")
}

/// Whether a sentence, a bracket or a cell ends here.
fn ends(tokens: &[Token], at: usize) -> bool {
    matches!(
        tokens.get(at),
        None | Some(Token::Mark(')' | '|' | '(' | '-'))
    )
}

fn is_filler(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at), Some(Token::Word(word)) if has(FILLERS, word))
}
