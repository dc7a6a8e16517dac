//! Groups of mentions, clauses and conditions in a sentence.

use super::lexicon::{CONDITIONS, HEDGES, JOINS, OBJECTS, PRONOUN_IS, PRONOUNS, TURNS, has};
use super::predicate::is_head;
use super::token::Token;

pub(super) fn is_pronoun_before(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().take(3);
    let mut words = before.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(PRONOUNS, word) || has(PRONOUN_IS, word) || has(OBJECTS, word))
}

/// Mentions that follow each other, and where they end.
pub(super) fn coordinated(tokens: &[Token], start: usize) -> (Vec<String>, usize) {
    let (mut group, mut at) = (Vec::new(), start);
    while let Some(Token::Mention { text, .. }) = tokens.get(at) {
        group.push(text.clone());
        at += 1;
        let joins = |token: &&Token| match token {
            Token::Word(word) => has(JOINS, word),
            Token::Mark(mark) => *mark == ',',
            _ => false,
        };
        let n_joins = tokens[at..].iter().take_while(joins).count();
        if n_joins == 0 || !matches!(tokens.get(at + n_joins), Some(Token::Mention { .. })) {
            break;
        }
        at += n_joins;
    }
    (group, at)
}

pub(super) fn first_group(tokens: &[Token]) -> Vec<String> {
    let first = tokens
        .iter()
        .position(|token| matches!(token, Token::Mention { .. }));
    first.map_or_else(Vec::new, |at| coordinated(tokens, at).0)
}

/// Behind a bracket that opens here.
pub(super) fn behind_aside(tokens: &[Token], at: usize) -> usize {
    if tokens.get(at) != Some(&Token::Mark('(')) {
        return at;
    }
    let close = tokens[at..]
        .iter()
        .position(|token| *token == Token::Mark(')'));
    close.map_or(at, |close| at + close + 1)
}

/// The mentions before a place: those that are set apart, and all.
pub(super) fn mentions_before(tokens: &[Token], at: usize) -> (Vec<String>, Vec<String>) {
    let (mut set_apart, mut all) = (Vec::new(), Vec::new());
    for token in &tokens[..at] {
        if let Token::Mention { text, apart } = token {
            all.push(text.clone());
            if *apart && !set_apart.contains(text) {
                set_apart.push(text.clone());
            }
        }
    }
    (set_apart, all)
}

pub(super) fn labels(tokens: &[Token]) -> Vec<String> {
    let mut labels = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let Token::Label(label) = token
            && is_head(tokens, at)
            && !labels.contains(label)
        {
            labels.push(label.clone());
        }
    }
    labels
}

/// Whether the sentence says what would be, not what is.
pub(super) fn is_condition(tokens: &[Token]) -> bool {
    let first = tokens.iter().take(2);
    let mut words = first.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(CONDITIONS, word))
}

/// Whether a word of doubt stands in the same clause before the place.
pub(super) fn is_hedged(tokens: &[Token], at: usize) -> bool {
    let clause = tokens[..at].iter().rev().take_while(|token| match token {
        Token::Mark(mark) => !matches!(mark, ',' | '|' | ':' | '>' | '-'),
        Token::Word(word) => !has(TURNS, word),
        _ => true,
    });
    let mut words = clause.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(HEDGES, word))
}
