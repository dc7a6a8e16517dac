//! What quotation marks and emphasis stand around.

use super::lexer::{Lexer, is_part};
use super::lexicon::{FUNCTION_WORDS, has};

/// Most bytes between two marks; more are a stray mark and what happens to follow.
const LONGEST: usize = 200;

/// Bytes of the longest mark.
const LONGEST_MARK: usize = 4;

/// What was found between marks.
pub(super) enum Found {
    /// A phrase of the sentence.
    Mention(String),
    /// A type of the schema.
    Label(String),
    /// Something else, none of whose words counts.
    Other,
}

/// Reads quotations.
pub(super) struct Quotes<'l, 'a> {
    lexer: &'l Lexer<'a>,
    /// The word before asks for a type, as in `of type "city"`.
    expects_label: bool,
}

impl<'l, 'a> Quotes<'l, 'a> {
    pub(super) fn new(lexer: &'l Lexer<'a>, expects_label: bool) -> Self {
        Self {
            lexer,
            expects_label,
        }
    }

    /// The quotation that begins here, and where it ends.
    pub(super) fn at(&self, text: &str, at: usize) -> Option<(Found, usize)> {
        let (start, closing) = opening(text, at)?;
        if let Some(found) = self.answer(text, start, &closing) {
            return Some(found);
        }
        let is_end = |end: &usize| {
            let after = start + end + closing.first().map_or(0, |mark| mark.len());
            let single = closing.iter().any(|mark| *mark == "'" || *mark == "’");
            !single || !text[after..].starts_with(is_part)
        };
        // A stray mark is not looked for to the end of the text.
        let nearby = beginning(&text[start..], LONGEST + LONGEST_MARK);
        let ends = closing.iter().filter_map(|mark| {
            let mut places = nearby.match_indices(mark).map(|(end, _)| end);
            Some((places.find(is_end)?, mark.len()))
        });
        let (length, mark) = ends.min()?;
        let inside = &text[start..start + length];
        let found = self.read(
            inside,
            closing.iter().any(|mark| mark.starts_with(['*', '`'])),
        )?;
        Some((found, start + length + mark))
    }

    /// A text of the answer between the marks, which may itself hold such marks.
    fn answer(&self, text: &str, start: usize, closing: &[&str]) -> Option<(Found, usize)> {
        let nearby = beginning(&text[start..], LONGEST);
        let inside = nearby.trim_start_matches([' ', '"', '*', '`', '“']);
        let lead = nearby.len() - inside.len();
        let at = start + lead;
        let answer = self.lexer.answered_at(text, at)?;
        let after = &text[at + answer.len()..];
        let nearby = beginning(after, LONGEST);
        let behind = nearby.trim_start_matches([' ', '.', ',', ':', ';', '!', '?', '"', '`', '”']);
        let behind = &after[nearby.len() - behind.len()..];
        let closed = |from: &str| {
            closing
                .iter()
                .find(|mark| from.starts_with(**mark))
                .copied()
        };
        let (rest, mark) = match (closed(after), closed(behind)) {
            (Some(mark), _) => (after, mark),
            (None, Some(mark)) => (behind, mark),
            (None, None) => {
                let passed = &after[..after.len() - behind.len()];
                let mark = closing.iter().find(|mark| passed.contains(**mark))?;
                (&after[passed.find(mark)?..], *mark)
            }
        };
        if self.expects_label && self.lexer.label_of(answer).is_some() {
            return None;
        }
        let end = text.len() - rest.len() + mark.len();
        Some((Found::Mention(answer.into()), end))
    }

    /// A text of the answer without the articles and prepositions that were quoted with it.
    fn bare<'p>(&self, phrase: &'p str) -> &'p str {
        let mut rest = phrase;
        while let Some((word, after)) = rest.split_once(' ') {
            if !has(FUNCTION_WORDS, &word.to_lowercase()) {
                break;
            }
            rest = after;
            if self.lexer.answered_at(rest, 0) == Some(rest) {
                return rest;
            }
        }
        phrase
    }

    fn read(&self, inside: &str, is_emphasis: bool) -> Option<Found> {
        let marks = ['"', '“', '”', '*', '`', '_', ' ', '\''];
        let phrase = inside.trim_matches(marks);
        if phrase.is_empty() || inside.len() > LONGEST {
            return None;
        }
        let plain = phrase
            .trim_end_matches(['.', ',', ':', ';', '!', '?'])
            .trim_end();
        let phrases = [phrase, plain];
        let stands = phrases
            .into_iter()
            .find(|phrase| self.lexer.in_sentence(phrase));
        let label = self.lexer.label_of(plain);
        match (stands, label) {
            // The colon in `**Type:**` or `**city:**` joins what follows.
            (None, Some(_)) if is_emphasis && plain != phrase => None,
            (_, Some(label)) if stands.is_none() || self.expects_label => {
                Some(Found::Label(label.into()))
            }
            (Some(phrase), _) => Some(Found::Mention(self.bare(phrase).into())),
            _ if is_emphasis || inside.contains(". ") => None,
            _ => Some(Found::Other),
        }
    }
}

/// The first bytes of a text, in whole characters.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Where the inside of a quotation begins, and the marks that may close it.
fn opening(text: &str, at: usize) -> Option<(usize, Vec<&'static str>)> {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    let (mark, closing): (&str, &[&'static str]) = match rest.chars().next()? {
        '"' => ("\"", &["\""]),
        '“' => ("“", &["”", "\""]),
        '„' => ("„", &["“", "”", "\""]),
        '«' => ("«", &["»"]),
        '「' => ("「", &["」"]),
        '『' => ("『", &["』"]),
        '`' => ("`", &["`"]),
        '‘' => ("‘", &["’"]),
        '\'' if before.is_none_or(|c| !is_part(c)) => ("'", &["'"]),
        '*' if rest.starts_with("***") => ("***", &["***"]),
        '*' if rest.starts_with("**") => ("**", &["**"]),
        '*' => ("*", &["*"]),
        _ => return None,
    };
    Some((at + mark.len(), closing.to_vec()))
}
