//! A reasoning text line by line, each as sentences.

use super::evidence::set_evidence_aside;
use super::lexer::Lexer;
use super::scan::Scan;
use super::token::{Place, Sentence};

/// The sentences of a reasoning.
pub(super) fn read_sentences(lexer: &Lexer<'_>, reasoning: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for line in reasoning.lines() {
        let (mut rest, bullet) = without_bullet(line);
        let mut place = Place {
            opens_line: true,
            bullet,
            marked: rest.len() < line.trim_start().len(),
        };
        while !rest.is_empty() {
            let (mut sentence, after) = Scan::new(lexer, rest, place).sentence();
            set_evidence_aside(lexer, &mut sentence.tokens);
            if !sentence.tokens.is_empty() {
                sentences.push(sentence);
                place.opens_line = false;
            }
            rest = after;
        }
    }
    sentences
}

/// The line without the signs of a list, a heading, a quotation or a table, and whether it is the item of a list.
fn without_bullet(line: &str) -> (&str, bool) {
    let (mut rest, mut bullet) = (line.trim_start(), false);
    loop {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = digits.len() < rest.len() && digits.len() + 3 >= rest.len();
        let numbered = digits.strip_prefix(['.', ')']).filter(|_| number);
        let listed = rest.strip_prefix(['-', '*', '•', '+', '–']).or(numbered);
        let listed = listed.filter(|after| after.starts_with([' ', '\t']));
        let other = rest.strip_prefix(['#', '>', '|']);
        bullet |= listed.is_some();
        match listed.or(other) {
            Some(after) => rest = after.trim_start(),
            None => return (rest, bullet),
        }
    }
}
