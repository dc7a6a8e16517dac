//! A reasoning text as mentions, types, words and marks, sentence by sentence.

use ner_types::normalize_label;
use unicode_script::{Script, UnicodeScript};

use super::lexicon::{CONCLUSIONS, FUNCTION_WORDS, TYPE_WORDS, has};
use super::quotes::{Found, Quotes};

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
            let (line, bullet) = without_bullet(line);
            let mut place = Place {
                opens_line: true,
                bullet,
            };
            let mut rest = line;
            while !rest.is_empty() {
                let (sentence, after) = Scan::new(self, rest, place).sentence();
                if !sentence.tokens.is_empty() {
                    sentences.push(sentence);
                    place.opens_line = false;
                }
                rest = after;
            }
        }
        sentences
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
        let found = self.labels.iter().find(|(_, label)| is_form(&phrase, label));
        found.map(|(label, _)| label.as_str())
    }

    /// The type that begins here, in up to four words, and its length.
    fn label_at(&self, text: &str, at: usize) -> Option<(&str, usize)> {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        if is_unspaced(first) {
            let labels = self.labels.iter().filter(|(label, _)| rest.starts_with(label));
            let longest = labels.max_by_key(|(label, _)| label.len())?;
            return Some((&longest.0, longest.0.len()));
        }
        let (mut joined, mut end, mut found) = (String::new(), 0, None);
        for _ in 0..4 {
            let word = rest[end..].find(|c: char| !is_part(c)).map_or(rest.len(), |n| end + n);
            if word == end {
                break;
            }
            joined.push_str(&rest[end..word].to_lowercase());
            let same = self.labels.iter().find(|(_, label)| is_form(&joined, label));
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

/// A sentence being read.
struct Scan<'l, 'a> {
    lexer: &'l Lexer<'a>,
    text: &'l str,
    at: usize,
    found: Sentence,
}

impl<'l, 'a> Scan<'l, 'a> {
    fn new(lexer: &'l Lexer<'a>, text: &'l str, place: Place) -> Self {
        let found = Sentence {
            place,
            ..Sentence::default()
        };
        Self {
            lexer,
            text,
            at: 0,
            found,
        }
    }

    /// The first sentence of the text, and what follows it.
    fn sentence(mut self) -> (Sentence, &'l str) {
        self.leading();
        while let Some(c) = self.text[self.at..].chars().next() {
            if is_part(c) {
                self.word(c);
            } else if !self.quotation() {
                self.at += c.len_utf8();
                if self.ends(c) {
                    self.found.question = matches!(c, '?' | '？');
                    break;
                }
                self.mark(c);
            }
        }
        (self.found, &self.text[self.at..])
    }

    /// A name before a colon, an arrow or "is" at the beginning counts as set apart.
    fn leading(&mut self) {
        let start = self.text.len() - self.text.trim_start().len();
        let rest = &self.text[start..];
        let ends = [": ", " -> ", " → ", " => ", " = ", " (", " – ", " — ", " is ", " was ", " ist "];
        let first = ends.iter().filter_map(|end| rest.find(end)).min();
        let Some(name) = first.map(|end| &rest[..end]) else {
            return;
        };
        let is_name = !name.is_empty() && name.starts_with(is_part) && self.lexer.in_sentence(name);
        let is_other = has(FUNCTION_WORDS, &name.to_lowercase()) || self.lexer.label_of(name).is_some();
        if is_name && !is_other {
            let text = name.into();
            self.found.tokens.push(Token::Mention { text, apart: true });
            self.at = start + name.len();
        }
    }

    /// A quotation or an emphasised phrase; `false` if here is none.
    fn quotation(&mut self) -> bool {
        let expects_label = match self.found.tokens.last() {
            Some(Token::Word(word)) => {
                let more = ["as", "under", "als", "to"];
                has(TYPE_WORDS, word) || has(&more, word) || has(CONCLUSIONS, word)
            }
            _ => false,
        };
        let quotes = Quotes::new(self.lexer, expects_label);
        let Some((found, end)) = quotes.at(self.text, self.at) else {
            return false;
        };
        self.at = end;
        match found {
            Found::Mention(text) => self.found.tokens.push(Token::Mention { text, apart: true }),
            Found::Label(label) => self.found.tokens.push(Token::Label(label)),
            Found::Other => self.found.tokens.push(Token::Word("…".into())),
        }
        true
    }

    fn word(&mut self, first: char) {
        let label = self.lexer.label_at(self.text, self.at);
        let answer = self.lexer.answered_at(self.text, self.at);
        let longer = |text: &&str| label.is_none_or(|(_, length)| text.len() > length);
        if let Some(text) = answer.filter(longer) {
            self.at += text.len();
            let (text, apart) = (text.into(), false);
            self.found.tokens.push(Token::Mention { text, apart });
        } else if let Some((label, length)) = label {
            let label = label.into();
            self.at += length;
            self.found.tokens.push(Token::Label(label));
        } else {
            let length = word_length(&self.text[self.at..], first);
            let word = self.text[self.at..self.at + length].to_lowercase();
            self.at += length;
            self.found.tokens.push(Token::Word(word));
        }
    }

    /// Whether a sentence ends with the mark that was just passed.
    fn ends(&self, c: char) -> bool {
        let rest = &self.text[self.at..];
        match c {
            '。' | '！' | '？' | '；' | ';' | '!' | '?' => true,
            '.' | '…' => {
                let next = rest.trim_start_matches(['*', '"', '”', ')', '_', '.']);
                let next = next.strip_prefix(char::is_whitespace);
                let next = next.map(str::trim_start);
                let goes_on = |next: &str| self.is_short() && next.starts_with(char::is_lowercase);
                rest.is_empty() || next.is_some_and(|next| !goes_on(next))
            }
            _ => false,
        }
    }

    /// Whether the last word is as short as an abbreviation.
    fn is_short(&self) -> bool {
        match self.found.tokens.last() {
            Some(Token::Word(word)) => word.len() <= 4,
            _ => false,
        }
    }

    fn mark(&mut self, c: char) {
        let before = self.text[..self.at - c.len_utf8()].chars().next_back();
        let after = self.text[self.at..].chars().next();
        let spaced = before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace);
        let mark = match c {
            '→' | '⇒' | '>' | '✔' | '✓' | '➜' => '>',
            '-' | '=' if after == Some('>') => {
                self.at += 1;
                '>'
            }
            '–' | '—' => '-',
            '-' if spaced => '-',
            ':' | '：' => ':',
            '(' | '（' => '(',
            ')' | '）' => ')',
            ',' | '，' | '、' => ',',
            '=' | '|' | '/' => c,
            _ => return,
        };
        self.found.tokens.push(Token::Mark(mark));
    }
}

/// Words of several letters where a script writes no spaces.
const UNSPACED_WORDS: &[&str] = &[
    "ではない", "ではなく", "かもしれない", "である", "です", "类型", "類型", "类别", "種類", "属于", "屬於", "不是",
    "并非", "而是", "可能", "也许", "似乎", "看起来", "所以", "因此", "因为", "如果", "要是", "还是", "一个", "一種", "一种",
    "一位", "一座", "这里", "实体", "是的", "没有", "それ", "これ", "もし", "はい",
];

/// How long the word at the beginning is.
fn word_length(rest: &str, first: char) -> usize {
    if is_unspaced(first) {
        let known = UNSPACED_WORDS.iter().find(|word| rest.starts_with(**word));
        return known.map_or(first.len_utf8(), |word| word.len());
    }
    let goes_on = |c: char| is_part(c) && !is_unspaced(c);
    let end = rest.find(|c: char| !goes_on(c)).unwrap_or(rest.len());
    // English contractions are one word; the elided articles of French and Italian are words of their own.
    let tail = rest[end..].strip_prefix(['\'', '’']).unwrap_or("");
    let suffix = &tail[..tail.find(|c: char| !goes_on(c)).unwrap_or(tail.len())];
    if matches!(suffix, "s" | "t" | "d" | "m" | "ll" | "ve" | "re") {
        return rest.len() - tail.len() + suffix.len();
    }
    end
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
    let plural = word.strip_prefix(label).is_some_and(|end| matches!(end, "s" | "es"));
    let stem = label.strip_suffix('y').and_then(|stem| word.strip_prefix(stem));
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

fn is_unspaced(c: char) -> bool {
    !c.is_ascii()
        && matches!(
            c.script(),
            Script::Han | Script::Hiragana | Script::Katakana | Script::Thai
        )
}
