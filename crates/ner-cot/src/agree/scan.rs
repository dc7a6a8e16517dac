//! One sentence of a reasoning, piece by piece.

use super::lexer::{Lexer, is_part, is_unspaced};
use super::lexicon::{
    CONCLUSIONS, FILLERS, FUNCTION_WORDS, HEDGES, LEAD_WORDS, NEGATIONS, TYPE_WORDS, YES, has,
};
use super::quotes::{Found, Quotes, beginning};
use super::token::{Place, Sentence, Token};

/// Bytes of the longest sign behind a name.
const LONGEST_END: usize = 8;

/// A sentence being read.
pub(super) struct Scan<'l, 'a> {
    lexer: &'l Lexer<'a>,
    text: &'l str,
    at: usize,
    found: Sentence,
    /// The first token is a name that nothing sets apart but its place.
    soft: bool,
}

impl<'l, 'a> Scan<'l, 'a> {
    pub(super) fn new(lexer: &'l Lexer<'a>, text: &'l str, place: Place) -> Self {
        let found = Sentence {
            place,
            ..Sentence::default()
        };
        Self {
            lexer,
            text,
            at: 0,
            found,
            soft: false,
        }
    }

    /// The first sentence of the text, and what follows it.
    pub(super) fn sentence(mut self) -> (Sentence, &'l str) {
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
        self.settle_lead();
        (self.found, &self.text[self.at..])
    }

    /// Where something is quoted, a name at the beginning is only set apart by more than its place.
    fn settle_lead(&mut self) {
        let tokens = &mut self.found.tokens;
        let quoted = tokens
            .iter()
            .skip(1)
            .any(|token| matches!(token, Token::Mention { apart: true, .. }));
        if let Some(Token::Mention { text, apart }) =
            tokens.first_mut().filter(|_| self.soft && quoted)
        {
            *apart = false;
            if !self.lexer.is_answered(text) {
                tokens[0] = Token::Word("…".into());
            }
        }
    }

    /// A name before a colon, an arrow or "is" at the beginning counts as set apart, and one that is a whole heading.
    fn leading(&mut self) {
        let start = self.text.len() - self.text.trim_start().len();
        let rest = &self.text[start..];
        let place = self.found.place;
        let whole = Some(rest.trim_end()).filter(|_| place.opens_line && place.marked);
        let ends = [
            ": ", " -> ", " → ", " => ", " = ", " (", " – ", " — ", " | ",
        ];
        // What is longer than the sentence and every answer is no name. Without that limit, a text of many sentences in
        // one line would be gone through to its end for each of them.
        let nearby = beginning(rest, self.lexer.longest_name() + LONGEST_END);
        let before = |ends: &[&str]| {
            let first = ends.iter().filter_map(|end| nearby.find(end)).min();
            first.map(|end| &rest[..end])
        };
        let (marked, said) = (before(&ends), before(&[" is ", " was ", " ist "]));
        let answer = self.lexer.answered_at(self.text, start);
        // A name of the answer may have a bracket inside.
        let longer = answer.filter(|answer| marked.is_some_and(|name| answer.starts_with(name)));
        let mut hard = [whole, longer, marked].into_iter().flatten();
        let named = hard.find(|name| self.is_name(name));
        let mut soft = [answer, said].into_iter().flatten();
        let soft = soft.find(|name| self.is_name(name));
        let is_soft = named.is_none();
        if let Some(name) = named.or(soft).or_else(|| self.capitalised(rest)) {
            self.name(start, name);
            self.soft = is_soft;
        }
    }

    fn name(&mut self, start: usize, name: &str) {
        let text = name.into();
        self.found.tokens.push(Token::Mention { text, apart: true });
        self.at = start + name.len();
    }

    /// What is named behind a type that opens the sentence, `city: Brel, Oslin`, or before a bracket: `Brel (city)`.
    fn item(&mut self) {
        let opens = matches!(
            self.found.tokens.as_slice(),
            [Token::Label(_), Token::Mark(':' | '>' | '='), ..]
        );
        let rest = &self.text[self.at..];
        let start = self.at + rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let nearby = beginning(rest, self.lexer.longest_name() + LONGEST_END);
        let end = nearby.find([',', ';', '(']).unwrap_or(nearby.len());
        let bracket = rest[end..].starts_with('(');
        let name = match self.lexer.answered_at(self.text, start) {
            Some(answer) => answer,
            None => rest[..end].trim_end().trim_end_matches('.'),
        };
        if (opens || bracket) && self.is_name(name) {
            self.name(start, name);
        }
    }

    fn is_name(&self, name: &str) -> bool {
        let lexer = self.lexer;
        let lower = name.to_lowercase();
        let lists = [
            FUNCTION_WORDS,
            LEAD_WORDS,
            CONCLUSIONS,
            FILLERS,
            NEGATIONS,
            HEDGES,
            YES,
        ];
        let is_other = lists.iter().any(|list| has(list, &lower)) || lexer.label_of(name).is_some();
        let is_answer = lexer.is_answered(name);
        is_answer || !is_other && name.starts_with(is_part) && lexer.in_sentence(name)
    }

    /// The longest beginning of up to six words that stands in the sentence, if it is written with a capital.
    fn capitalised(&self, rest: &'l str) -> Option<&'l str> {
        if !rest.starts_with(char::is_uppercase) {
            return None;
        }
        let ends = rest
            .match_indices([' ', ',', '.'])
            .map(|(end, _)| end)
            .take(6);
        let names = ends
            .map(|end| &rest[..end])
            .filter(|name| self.is_name(name));
        let longest = names.max_by_key(|name| name.len())?;
        // The first word of the sentence may have its capital from there.
        let is_first = !longest.contains(' ') && self.lexer.opens_sentence(longest);
        (!is_first).then_some(longest)
    }

    /// A quotation or an emphasised phrase; `false` if here is none.
    fn quotation(&mut self) -> bool {
        let found = Quotes::new(self.lexer, self.expects_label()).at(self.text, self.at);
        // `**city**: …` opens a list, even if the sentence has the word "city".
        let opens = self.found.tokens.is_empty();
        let opens = opens && found.as_ref().is_some_and(|(_, end)| self.opens_list(*end));
        let as_label = || Quotes::new(self.lexer, true).at(self.text, self.at);
        let found = if opens { as_label() } else { found };
        let Some((found, end)) = found else {
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

    /// Whether a colon stands here, and no type behind it.
    fn opens_list(&self, at: usize) -> bool {
        let listed = self.text[at..].strip_prefix(": ");
        listed.is_some_and(|rest| {
            let rest = rest.trim_start_matches(['*', '`', '"', ' ']);
            self.lexer.label_at(rest, 0).is_none()
        })
    }

    /// Whether what was read last asks for a type.
    fn expects_label(&self) -> bool {
        let tokens = self.found.tokens.as_slice();
        match tokens {
            [.., Token::Word(word)] => {
                let more = ["as", "under", "als", "to"];
                has(TYPE_WORDS, word) || has(&more, word) || has(CONCLUSIONS, word)
            }
            [.., Token::Word(word), Token::Mark(':' | '>' | '=')] => has(TYPE_WORDS, word),
            [
                ..,
                Token::Mention { .. },
                Token::Mark(':' | '>' | '=' | '-' | '(' | '|'),
            ] => true,
            _ => false,
        }
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
        let spaced =
            before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace);
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
        if matches!(mark, ':' | '>' | '=' | ',') {
            self.item();
        }
    }
}

/// Words of several letters where a script writes no spaces.
const UNSPACED_WORDS: &[&str] = &[
    "ではない",
    "ではなく",
    "かもしれない",
    "である",
    "です",
    "类型",
    "類型",
    "类别",
    "種類",
    "属于",
    "屬於",
    "不是",
    "并非",
    "而是",
    "可能",
    "也许",
    "似乎",
    "看起来",
    "所以",
    "因此",
    "因为",
    "如果",
    "要是",
    "还是",
    "一个",
    "一種",
    "一种",
    "一位",
    "一座",
    "这里",
    "实体",
    "是的",
    "没有",
    "それ",
    "これ",
    "もし",
    "はい",
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
