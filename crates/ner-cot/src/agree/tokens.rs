//! A reasoning text as mentions, types, words and marks, sentence by sentence.

use ner_types::normalize_label;
use unicode_script::{Script, UnicodeScript};

use super::lexicon::{
    BE, EVIDENCE_AFTER, EVIDENCE_BEFORE, EVIDENCE_NAMED, FUNCTION_WORDS, OPENERS, SUBJECTS, has,
};
use super::predicate::predicate;
use super::scan::Scan;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A phrase of the sentence that is asked about.
    Mention {
        /// As it stands there.
        text: String,
        /// Whether it is set apart: by quotation marks, emphasis, or as the beginning of a line before a colon.
        apart: bool,
    },
    /// A type of the schema, normalised.
    Label(String),
    /// Any other word, in lower case.
    Word(String),
    /// Punctuation that joins or parts: `:` `>` (any arrow) `=` `(` `)` `,` `-` (a dash) `|` `/`.
    Mark(char),
}

/// How a sentence stands in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// It is the first of its line.
    pub(super) opens_line: bool,
    /// Its line is the item of a list.
    pub(super) bullet: bool,
    /// Its line is an item, a heading or the row of a table.
    pub(super) marked: bool,
}

/// One sentence, line or cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Sentence {
    pub(super) tokens: Vec<Token>,
    pub(super) question: bool,
    pub(super) place: Place,
}

/// What the tokens are found by.
pub(super) struct Lexer<'a> {
    /// The sentence that is asked about.
    sentence: &'a str,
    /// The texts of the answer, longest first.
    answered: Vec<&'a str>,
    /// Normalised types, and each without anything but letters and digits.
    labels: Vec<(String, String)>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(schema: &[String], sentence: &'a str, answered: &[&'a str]) -> Self {
        let mut answered = answered.to_vec();
        answered.retain(|text| !text.trim().is_empty());
        answered.sort_by_key(|text| std::cmp::Reverse(text.len()));
        answered.dedup();
        let label = |label: &String| {
            let label = normalize_label(label);
            let bare = bare(&label);
            (label, bare)
        };
        let mut labels: Vec<_> = schema.iter().map(label).collect();
        labels.retain(|(_, bare)| !bare.is_empty());
        Self {
            sentence,
            answered,
            labels,
        }
    }

    /// The sentences of a reasoning.
    pub(super) fn sentences(&self, reasoning: &str) -> Vec<Sentence> {
        let mut sentences = Vec::new();
        for line in reasoning.lines() {
            let (mut rest, bullet) = without_bullet(line);
            let mut place = Place {
                opens_line: true,
                bullet,
                marked: rest.len() < line.trim_start().len(),
            };
            while !rest.is_empty() {
                let (mut sentence, after) = Scan::new(self, rest, place).sentence();
                self.set_evidence_aside(&mut sentence.tokens);
                if !sentence.tokens.is_empty() {
                    sentences.push(sentence);
                    place.opens_line = false;
                }
                rest = after;
            }
        }
        sentences
    }

    /// Quotations that only say by which words something is known are no mentions.
    fn set_evidence_aside(&self, tokens: &mut [Token]) {
        for at in 0..tokens.len() {
            let Token::Mention { text, apart: true } = &tokens[at] else {
                continue;
            };
            let is_answer = self.is_answered(text);
            let is_particle = has(FUNCTION_WORDS, &text.to_lowercase()) && !is_answer;
            let is_evidence =
                is_evidence(tokens, at, is_answer) && predicate(tokens, at + 1, false).is_none();
            if is_particle || is_evidence {
                tokens[at] = Token::Word("…".into());
            }
        }
    }

    /// Whether the answer has this text.
    pub(super) fn is_answered(&self, text: &str) -> bool {
        self.answered.contains(&text)
    }

    /// Whether the sentence begins with this phrase.
    pub(super) fn opens_sentence(&self, phrase: &str) -> bool {
        self.sentence.starts_with(phrase)
    }

    /// Whether the sentence has this phrase, as whole words.
    pub(super) fn in_sentence(&self, phrase: &str) -> bool {
        let mut places = self.sentence.match_indices(phrase);
        places.any(|(at, _)| is_whole(self.sentence, at, at + phrase.len()))
    }

    /// The longest text of the answer that begins here, as whole words.
    pub(super) fn answered_at(&self, text: &str, at: usize) -> Option<&'a str> {
        let found = |answer: &&&str| {
            text[at..].starts_with(**answer) && is_whole(text, at, at + answer.len())
        };
        self.answered.iter().find(found).copied()
    }

    /// The type that a phrase is, in whatever spelling.
    pub(super) fn label_of(&self, phrase: &str) -> Option<&str> {
        let phrase = bare(&phrase.to_lowercase());
        let found = self
            .labels
            .iter()
            .find(|(_, label)| is_form(&phrase, label));
        found.map(|(label, _)| label.as_str())
    }

    /// The type that begins here, in up to four words, and its length.
    pub(super) fn label_at(&self, text: &str, at: usize) -> Option<(&str, usize)> {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        if is_unspaced(first) {
            let labels = self
                .labels
                .iter()
                .filter(|(label, _)| rest.starts_with(label));
            let longest = labels.max_by_key(|(label, _)| label.len())?;
            return Some((&longest.0, longest.0.len()));
        }
        let (mut joined, mut end, mut found) = (String::new(), 0, None);
        for _ in 0..4 {
            let word = rest[end..]
                .find(|c: char| !is_part(c))
                .map_or(rest.len(), |n| end + n);
            if word == end {
                break;
            }
            joined.push_str(&rest[end..word].to_lowercase());
            let same = self
                .labels
                .iter()
                .find(|(_, label)| is_form(&joined, label));
            if let Some((label, _)) = same.filter(|_| is_whole(rest, 0, word)) {
                found = Some((label.as_str(), word));
            }
            let gap = rest[word..].starts_with([' ', '_', '-']);
            end = word + usize::from(gap);
            if !gap {
                break;
            }
        }
        found
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

/// Letters and digits only.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Whether a word is a label, or several of it.
fn is_form(word: &str, label: &str) -> bool {
    if word.len() == label.len() {
        return word == label;
    }
    let plural = word
        .strip_prefix(label)
        .is_some_and(|end| matches!(end, "s" | "es"));
    let stem = label
        .strip_suffix('y')
        .and_then(|stem| word.strip_prefix(stem));
    plural || stem == Some("ies")
}

/// Whether no letter stands beside the place, where the script has spaces.
pub(super) fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    let first = text[start..end].chars().next();
    let last = text[start..end].chars().next_back();
    let joined = |a: Option<char>, b: Option<char>| {
        let letter = |c: char| is_part(c) && !is_unspaced(c);
        a.is_some_and(letter) && b.is_some_and(letter)
    };
    !joined(before, first) && !joined(last, after)
}

/// Whether a character is a part of a word.
pub(super) fn is_part(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

pub(super) fn is_unspaced(c: char) -> bool {
    !c.is_ascii()
        && matches!(
            c.script(),
            Script::Han | Script::Hiragana | Script::Katakana | Script::Thai
        )
}
