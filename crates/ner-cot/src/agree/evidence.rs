//! Quotations that are there as evidence only: `it follows "in"`.

use super::lexer::Lexer;
use super::lexicon::{
    BE, EVIDENCE_AFTER, EVIDENCE_BEFORE, EVIDENCE_NAMED, FUNCTION_WORDS, OPENERS, SUBJECTS, has,
};
use super::predicate::predicate;
use super::token::Token;

/// Quotations that only say by which words something is known are no mentions.
pub(super) fn set_evidence_aside(lexer: &Lexer<'_>, tokens: &mut [Token]) {
    for at in 0..tokens.len() {
        let Token::Mention { text, apart: true } = &tokens[at] else {
            continue;
        };
        let is_answer = lexer.is_answered(text);
        let is_particle = has(FUNCTION_WORDS, &text.to_lowercase()) && !is_answer;
        let is_evidence =
            is_evidence(tokens, at, is_answer) && predicate(tokens, at + 1, false).is_none();
        if is_particle || is_evidence {
            tokens[at] = Token::Word("…".into());
        }
    }
}

/// Whether the words beside a quotation say that it is evidence.
fn is_evidence(tokens: &[Token], at: usize, is_answer: bool) -> bool {
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    let before = tokens[..at].iter().rev().take(2);
    let before =
        before.take_while(|token| matches!(token, Token::Word(_) | Token::Mark(':' | '(')));
    let before = before.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    let before: Vec<&str> = before.collect();
    let any = |list: &[&str]| before.iter().any(|word| has(list, word));
    let behind = word(at + 1) == "の" && matches!(word(at + 2), "前" | "後");
    let named = match tokens[..at] {
        [.., Token::Word(ref word)] | [.., Token::Word(ref word), Token::Mark(':')] => {
            has(EVIDENCE_NAMED, word)
        }
        _ => false,
    };
    if behind || named || !is_answer && has(EVIDENCE_AFTER, word(at + 1)) {
        return true;
    }
    // `directed by "Ann"` may be the sentence's own words; then nothing else is what they speak of.
    let other = tokens[..at]
        .iter()
        .any(|token| matches!(token, Token::Mention { apart: true, .. }));
    (other || opens_with_pronoun(tokens)) && any(EVIDENCE_BEFORE)
}

/// Whether a sentence goes on about what was spoken of: "But she …".
pub(super) fn opens_with_pronoun(tokens: &[Token]) -> bool {
    let is_opener = |token: &&Token| match token {
        Token::Word(word) => has(OPENERS, word),
        Token::Mark(mark) => *mark == ',',
        _ => false,
    };
    let n_openers = tokens.iter().take(3).take_while(is_opener).count();
    match tokens.get(n_openers..) {
        // `¿Es "X" …?` has the verb first.
        Some([Token::Word(word), Token::Mention { .. }, ..]) if has(BE, word) => false,
        Some([Token::Word(word), ..]) => has(SUBJECTS, word),
        _ => false,
    }
}
