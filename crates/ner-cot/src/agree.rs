//! Whether a reasoning text and an answer say the same about an entity.
//!
//! The reader understands plain statements only: `"X" is a person`, `X -> city`,
//! `X is not a band but a city`, `X …, so its type is city`. What it does not understand it does not hold
//! against anybody; "could be a city" is no statement. For each text the last
//! sentence with a statement counts, because reasoning may correct itself.

use std::collections::HashSet;
use std::ops::Range;

use ner_types::{Entity, normalize_label};

/// Words that may stand between an entity and its type.
const FILLERS: &[&str] = &[
    "is",
    "was",
    "are",
    "were",
    "as",
    "a",
    "an",
    "the",
    "of",
    "to",
    "type",
    "entity",
    "clearly",
    "therefore",
    "thus",
    "so",
    "labelled",
    "labeled",
    "tagged",
    "classified",
    "categorised",
    "categorized",
    "annotated",
    "refers",
    "denotes",
    "but",
    "rather",
    "and",
    "also",
    "marked",
];

/// Words that turn the next type into its opposite.
const NEGATIONS: &[&str] = &[
    "not", "isn't", "wasn't", "no", "never", "cannot", "neither", "nor",
];

/// Words after which the statements start anew.
const TURNS: &[&str] = &["but", "rather"];

/// Words by which a sentence speaks of the text that it began with, or quoted first.
const BACK_REFERENCES: &[&str] = &["its type", "so it", "hence it", "thus it", "therefore it"];

/// A sentence with one of these sets a text aside, whatever type it names.
const SET_ASIDE: &[&str] = &[
    "not asked",
    "not in the schema",
    "outside the schema",
    "not annotated",
];

/// Most words between an entity and its type.
const MAX_WORDS: usize = 8;

/// Types that one sentence says a text has and has not.
#[derive(Default)]
struct Claims {
    positive: HashSet<String>,
    negative: HashSet<String>,
}

/// Names the first contradiction between the reasoning and the answer.
///
/// Two kinds are found: an entity of the answer whose last statement gives it
/// other types only (or denies its type), and a quoted phrase of the sentence
/// that is last said to have a type of the schema while the answer leaves it out.
pub(crate) fn contradiction(
    reasoning: &str,
    schema: &[String],
    sentence: &str,
    entities: &[Entity],
) -> Option<String> {
    let reader = Reader {
        sentences: split_sentences(reasoning),
        schema: schema.iter().map(|label| normalize_label(label)).collect(),
        answered: entities.iter().map(|e| e.text.as_str()).collect(),
    };
    let wrong = entities
        .iter()
        .find_map(|entity| reader.against(entity, entities));
    wrong.or_else(|| reader.left_out(reasoning, sentence))
}

struct Reader<'a> {
    sentences: Vec<&'a str>,
    schema: Vec<String>,
    answered: HashSet<&'a str>,
}

impl Reader<'_> {
    fn against(&self, entity: &Entity, all: &[Entity]) -> Option<String> {
        let claims = self.last_claims(&entity.text)?;
        let same_text = all.iter().filter(|e| e.text == entity.text);
        let mut labels = same_text.map(|e| normalize_label(&e.label));
        let label = normalize_label(&entity.label);
        if claims.positive.is_empty() && claims.negative.contains(&label) {
            let text = &entity.text;
            return Some(format!("the reasoning denies that {text:?} is {label:?}"));
        }
        if claims.positive.is_empty() || labels.any(|label| claims.positive.contains(&label)) {
            return None;
        }
        Some(format!(
            "the reasoning calls {:?} {}, the answer {label:?}",
            entity.text,
            list(&claims.positive)
        ))
    }

    fn left_out(&self, reasoning: &str, sentence: &str) -> Option<String> {
        let inside_answered = |phrase: &str| self.answered.iter().any(|a| a.contains(phrase));
        quoted_phrases(reasoning)
            .into_iter()
            .filter(|phrase| sentence.contains(phrase) && !inside_answered(phrase))
            .find_map(|phrase| {
                let claims = self.last_claims(phrase)?;
                (!claims.positive.is_empty()).then(|| {
                    let types = list(&claims.positive);
                    format!("the reasoning calls {phrase:?} {types}, the answer leaves it out")
                })
            })
    }

    /// The statements about `text` in the last sentence that makes any.
    fn last_claims(&self, text: &str) -> Option<Claims> {
        self.sentences.iter().rev().find_map(|sentence| {
            let claims = self.claims_of(sentence, text);
            let any = !claims.positive.is_empty() || !claims.negative.is_empty();
            any.then_some(claims)
        })
    }

    /// The statements of one sentence about `text`.
    fn claims_of(&self, sentence: &str, text: &str) -> Claims {
        let mut claims = Claims::default();
        if !sentence.contains(text) {
            return claims;
        }
        let opening = sentence.find(char::is_alphanumeric).unwrap_or(0);
        // In `"10 pm" follows "its", so its type is time` only one "its" is meant.
        let quoted = sentence
            .match_indices(text)
            .any(|(at, _)| is_quoted(sentence, at, text));
        for (at, _) in sentence.match_indices(text) {
            let rest = &sentence[at + text.len()..];
            if quoted && !is_quoted(sentence, at, text) {
                continue;
            }
            if !self.is_own_mention(sentence, at, at + text.len(), text) {
                continue;
            }
            self.read_claims(rest, &mut claims);
            if at <= opening || is_first_quoted(sentence, at, text) {
                let rest = rest.to_lowercase();
                for (_, after) in BACK_REFERENCES.iter().filter_map(|r| rest.split_once(r)) {
                    self.read_claims(after, &mut claims);
                }
            }
        }
        if !claims.positive.is_empty() {
            let lower = sentence.to_lowercase();
            if SET_ASIDE.iter().any(|words| lower.contains(words)) {
                claims.positive.clear();
            }
        }
        claims
    }

    /// Whether the mention is a whole word, and not a part of a longer entity.
    fn is_own_mention(&self, sentence: &str, start: usize, end: usize, text: &str) -> bool {
        let before = sentence[..start].chars().next_back();
        let after = sentence[end..].chars().next();
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let longer = self.answered.iter().filter(|a| a.len() > text.len());
        // The "its" of "so its type is city" is no mention of a phrase "its".
        let covered = longer.chain(BACK_REFERENCES).any(|other| {
            let mut at = sentence.match_indices(other);
            at.any(|(at, _)| at <= start && end <= at + other.len())
        });
        !word(before) && !word(after) && !covered
    }

    /// Reads what follows a mention: connecting words, then types.
    fn read_claims(&self, rest: &str, claims: &mut Claims) {
        let lower = rest.to_lowercase();
        let mut rest = lower.as_str();
        let (mut negated, mut connected) = (false, false);
        for _ in 0..MAX_WORDS {
            let bare = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
            connected |= is_connector(&rest[..rest.len() - bare.len()]);
            rest = bare;
            if let Some(label) = self.label_at(rest).filter(|_| connected) {
                let side = if negated {
                    &mut claims.negative
                } else {
                    &mut claims.positive
                };
                side.insert(label.into());
                rest = &rest[label.len()..];
                continue;
            }
            let word = first_word(rest);
            if NEGATIONS.contains(&word) {
                negated = true;
            } else if !FILLERS.contains(&word) {
                return;
            } else if TURNS.contains(&word) {
                negated = false;
            }
            connected = true;
            rest = &rest[word.len()..];
        }
    }

    /// The longest type of the schema that starts here and ends with a word.
    fn label_at(&self, rest: &str) -> Option<&str> {
        let ends = |label: &&String| {
            let after = rest.strip_prefix(label.as_str());
            after.is_some_and(|after| !after.starts_with(char::is_alphanumeric))
        };
        let longest = self
            .schema
            .iter()
            .filter(ends)
            .max_by_key(|label| label.len());
        longest.map(String::as_str)
    }
}

/// Whether quotation marks stand around the mention at `at`.
fn is_quoted(sentence: &str, at: usize, text: &str) -> bool {
    let before = sentence[..at].chars().next_back();
    let after = sentence[at + text.len()..].chars().next();
    let marks = [Some('"'), Some('“'), Some('”'), Some('`'), Some('*')];
    marks.contains(&before) && marks.contains(&after)
}

/// Whether the mention at `at` is the first quotation of the sentence.
fn is_first_quoted(sentence: &str, at: usize, text: &str) -> bool {
    let mark = sentence[..at].char_indices().next_back();
    let earlier = mark.map_or("", |(mark, _)| &sentence[..mark]);
    is_quoted(sentence, at, text) && !earlier.contains(['"', '“', '”'])
}

/// Punctuation that states a type by itself: `X: city`, `X -> city`, `X (city)`.
fn is_connector(between: &str) -> bool {
    between.contains([':', '→', '=', '(']) || between.contains("->")
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '\''));
    &text[..end.unwrap_or(text.len())]
}

/// Cuts at line ends and at full stops and semicolons outside of quotations.
pub(crate) fn split_sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    for line in text.lines() {
        let (mut start, mut quoted, mut ended) = (0, false, false);
        for (at, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '“' => quoted = true,
                '”' => quoted = false,
                _ if ended && !quoted && c.is_whitespace() => {
                    sentences.push(&line[start..at]);
                    start = at;
                }
                _ => {}
            }
            ended = matches!(c, '.' | ';' | '!' | '?');
        }
        sentences.push(&line[start..]);
    }
    sentences
}

/// The texts between quotation marks, each once, in order.
fn quoted_phrases(text: &str) -> Vec<&str> {
    let mut phrases = Vec::new();
    let mut seen = HashSet::new();
    for place in quotations(text) {
        let phrase = text[place].trim();
        if !phrase.is_empty() && seen.insert(phrase) {
            phrases.push(phrase);
        }
    }
    phrases
}

/// Where quotations stand, without their marks. None goes over the end of a line.
pub(crate) fn quotations(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(['"', '“', '`']) {
        let mark = text[at + open..].chars().next().unwrap_or('"');
        let start = at + open + mark.len_utf8();
        let close = if mark == '“' { '”' } else { mark };
        let end = text[start..].find([close, '\n']).map(|end| start + end);
        at = match end {
            Some(end) if text[end..].starts_with(close) => {
                places.push(start..end);
                end + close.len_utf8()
            }
            _ => start,
        };
    }
    places
}

fn list(labels: &HashSet<String>) -> String {
    let mut labels: Vec<_> = labels.iter().map(|label| format!("{label:?}")).collect();
    labels.sort_unstable();
    labels.join(" and ")
}

#[cfg(test)]
mod tests;
