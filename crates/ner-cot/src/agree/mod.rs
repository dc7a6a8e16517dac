//! Whether a reasoning text and an answer say the same about an entity.
//!
//! A reasoning contradicts its answer if its final judgement about a text differs from the answer's. What is a
//! judgement is read by [`statements`]: `"X" is a person`, `X -> city`, `so its type is city`, `"X" is no entity`.
//! Questions, conditions and possibilities are none; a later judgement overrules an earlier one. What is not understood
//! is not held against anybody, and where it is not clear whom a judgement is about, or whether it was taken back,
//! there is no contradiction: the judge decides later.

mod evidence;
mod lexer;
#[rustfmt::skip]
mod lexicon;
mod lines;
mod phrases;
mod predicate;
mod quotes;
mod reference;
mod scan;
mod sentences;
mod statements;
mod token;

use std::collections::{HashMap, HashSet};

use ner_types::{Entity, normalize_label};

use lexer::Lexer;
use lexicon::{
    ARTICLES, DISMISSALS, ENTITY_WORDS, NEGATIONS, OBJECTS, PRONOUN_IS, PRONOUNS, TYPE_WORDS,
    VERBS, has,
};
use lines::read_sentences;
pub(crate) use sentences::{quotations, split_sentences};
use statements::{Statement, Statements};
use token::{Sentence, Token};

/// Names the first contradiction between the reasoning and the answer.
///
/// Four kinds are found: a text of the answer that is finally given other types only; one that is denied its type or
/// called no entity; a phrase of the sentence that is finally given a type while the answer leaves it out; and a text
/// of the answer that is only passed by, where all others are given a type.
pub(crate) fn contradiction(
    reasoning: &str,
    schema: &[String],
    sentence: &str,
    entities: &[Entity],
) -> Option<String> {
    // An answer in a loop has one entity thousands of times.
    let mut seen = HashSet::new();
    let entities: Vec<&Entity> = entities.iter().filter(|e| seen.insert(*e)).collect();
    let mut seen = HashSet::new();
    let answered = entities.iter().map(|e| e.text.as_str());
    let answered: Vec<&str> = answered.filter(|text| seen.insert(*text)).collect();
    let sentences = read_sentences(&Lexer::new(schema, sentence, &answered), reasoning);
    let reader = Reader {
        said: Statements::read(&sentences),
        sentences,
        labels: labels_by_text(&entities),
        entities: &entities,
    };
    let wrong = answered.iter().find_map(|text| reader.against(text));
    let wrong = wrong.or_else(|| reader.left_out());
    // That a text is not spoken of at all is another rule's concern.
    // A text with quotation marks inside is quoted in too many ways.
    let is_plain = |text: &str| reasoning.contains(text) && !text.contains('"');
    let mut spoken_of = answered.iter().filter(|text| is_plain(text));
    wrong.or_else(|| spoken_of.find_map(|text| reader.untyped(text)))
}

struct Reader<'a> {
    sentences: Vec<Sentence>,
    said: Statements,
    entities: &'a [&'a Entity],
    /// Normalised types of each text of the answer.
    labels: HashMap<&'a str, Vec<String>>,
}

fn labels_by_text<'a>(entities: &[&'a Entity]) -> HashMap<&'a str, Vec<String>> {
    let mut labels: HashMap<&str, Vec<String>> = HashMap::new();
    for entity in entities {
        let of_text = labels.entry(&entity.text).or_default();
        of_text.push(normalize_label(&entity.label));
    }
    labels
}

impl Reader<'_> {
    /// What speaks against a text of the answer.
    fn against(&self, text: &str) -> Option<String> {
        let labels = self.labels(text);
        for statement in self.about(text) {
            let is_sure = statement.subjects.len() == 1;
            if statement
                .positive
                .iter()
                .any(|label| labels.contains(label))
            {
                return None;
            }
            let denied = labels
                .iter()
                .all(|label| statement.negative.contains(label));
            let message = if !statement.positive.is_empty() {
                if self.is_met(statement) {
                    continue;
                }
                let (types, given) = (list(&statement.positive), list(labels));
                format!("the reasoning calls {text:?} {types}, the answer {given}")
            } else if statement.no_entity && is_sure {
                format!("the reasoning calls {text:?} no entity, the answer has it")
            } else if denied && is_sure {
                let given = list(labels);
                format!("the reasoning denies that {text:?} is {given}")
            } else {
                continue;
            };
            return (!self.comes_back(text, labels, statement.at)).then_some(message);
        }
        None
    }

    /// A phrase that the reasoning finally gives a type, and the answer leaves out.
    fn left_out(&self) -> Option<String> {
        let mut phrases: Vec<&str> = Vec::new();
        for subject in self
            .said
            .all
            .iter()
            .flat_map(|statement| &statement.subjects)
        {
            if !phrases.contains(&subject.as_str()) && !self.overlaps(subject) {
                phrases.push(subject);
            }
        }
        phrases.into_iter().find_map(|phrase| {
            let is_unmet =
                |statement: &&Statement| statement.positive.is_empty() || !self.is_met(statement);
            let last = self.about(phrase).find(is_unmet)?;
            let sure = last.subjects.len() == 1 || last.subjects.iter().all(|s| !self.overlaps(s));
            let stays = !last.positive.is_empty() && !last.doubted && !self.is_a_step(last);
            let stays = stays && !self.is_dismissed(phrase, last.at);
            let types = list(&last.positive);
            (sure && stays).then(|| {
                format!("the reasoning calls {phrase:?} {types}, the answer leaves it out")
            })
        })
    }

    /// A text of the answer that the reasoning only passes by, where it gives one to each of the others.
    fn untyped(&self, text: &str) -> Option<String> {
        let mut others = self.entities.iter().filter(|e| e.text != text).peekable();
        others.peek()?;
        let all_others = others.all(|e| {
            let label = normalize_label(&e.label);
            let mut said = self.about(&e.text);
            !overlap(&e.text, text) && said.any(|statement| statement.positive.contains(&label))
        });
        let labels = self.labels(text);
        let given = |statement: &Statement| {
            statement
                .positive
                .iter()
                .any(|label| labels.contains(label))
        };
        let typed = |statement: &Statement| statement.subjects.len() == 1 || given(statement);
        if !all_others || self.about(text).any(typed) || self.is_set_apart(text) {
            return None;
        }
        let is_near = self.sentences.iter().enumerate().any(|(number, sentence)| {
            let tokens = &sentence.tokens;
            let topic = self.said.topics[number].iter().any(|topic| topic == text);
            let near = |at: usize| match &tokens[at] {
                Token::Label(label) => labels.contains(label) && belongs(tokens, at, text, topic),
                _ => false,
            };
            (0..tokens.len()).any(near)
        });
        let given = list(labels);
        (!is_near).then(|| format!("the reasoning gives {text:?} no type, the answer {given}"))
    }

    /// Whether the reasoning quotes the text, or begins a line with it: then it says something of it.
    fn is_set_apart(&self, text: &str) -> bool {
        let mut tokens = self.sentences.iter().flat_map(|sentence| &sentence.tokens);
        tokens.any(
            |token| matches!(token, Token::Mention { text: other, apart: true } if other == text),
        )
    }

    /// The statements about a text, the last one first.
    fn about<'s>(&'s self, text: &'s str) -> impl Iterator<Item = &'s Statement> {
        let all = self.said.all.iter().rev();
        all.filter(move |statement| statement.subjects.iter().any(|subject| subject == text))
    }

    /// Normalised types of a text in the answer.
    fn labels(&self, text: &str) -> &[String] {
        self.labels.get(text).map_or(&[], Vec::as_slice)
    }

    /// Whether the answer gives one of the subjects, or a text that is a part of it or has it as a part, such a type.
    fn is_met(&self, statement: &Statement) -> bool {
        let given = |e: &&&Entity| statement.positive.contains(&normalize_label(&e.label));
        let mut given = self.entities.iter().filter(given);
        given.any(|e| {
            let mut subjects = statement.subjects.iter();
            subjects.any(|subject| {
                let exact = self.entities.iter().any(|other| other.text == *subject);
                if exact {
                    e.text == *subject
                } else {
                    overlap(&e.text, subject)
                }
            })
        })
    }

    /// Whether a text of the answer is a part of the phrase, or has it as a part.
    fn overlaps(&self, phrase: &str) -> bool {
        self.entities.iter().any(|e| overlap(&e.text, phrase))
    }

    /// Whether the statement is a step to one about an entity: `"singer" is a person, so "Ann" is a person`.
    fn is_a_step(&self, statement: &Statement) -> bool {
        let same = |other: &&Statement| other.at.0 == statement.at.0 && other.at > statement.at;
        let mut later = self.said.all.iter().filter(same);
        later.any(|other| {
            let shared = other
                .positive
                .iter()
                .any(|label| statement.positive.contains(label));
            shared && self.is_met(other)
        })
    }

    /// Whether a type of the text is named with it again after a statement.
    fn comes_back(&self, text: &str, labels: &[String], at: (usize, usize)) -> bool {
        self.after(text, at, |tokens, place| match &tokens[place] {
            Token::Label(label) => labels.contains(label) && !is_denied(tokens, place),
            _ => false,
        })
    }

    /// Whether something behind a statement may take it back.
    fn is_dismissed(&self, text: &str, at: (usize, usize)) -> bool {
        self.after(text, at, |tokens, place| match &tokens[place] {
            Token::Word(word) if has(NEGATIONS, word) => !is_contrast(&tokens[place + 1..]),
            Token::Word(word) => has(DISMISSALS, word),
            _ => false,
        })
    }

    /// Whether a token that belongs to the text stands behind a place.
    fn after(
        &self,
        text: &str,
        (first, token): (usize, usize),
        is_it: impl Fn(&[Token], usize) -> bool,
    ) -> bool {
        let sentences = self.sentences.iter().enumerate().skip(first);
        let mut sentences = sentences.filter(|(_, sentence)| !sentence.question);
        sentences.any(|(number, sentence)| {
            let tokens = &sentence.tokens;
            let start = if number == first { token + 1 } else { 0 };
            // A sentence without a mention goes on about its topic only if it says so.
            let topic = &self.said.topics[number];
            let topic = topic.iter().any(|topic| overlap(topic, text)) && refers(tokens);
            (start..tokens.len()).any(|at| is_it(tokens, at) && belongs(tokens, at, text, topic))
        })
    }
}

/// Whether what stands here is about `text`: the nearest mention before it is, or the one behind it, or else the topic.
fn belongs(tokens: &[Token], at: usize, text: &str, topic: bool) -> bool {
    let mention = |token: &Token| match token {
        // A part that is spoken of alone is another text.
        Token::Mention { text: other, .. } => Some(other.contains(text)),
        _ => None,
    };
    let heads = matches!(tokens.get(at + 1), Some(Token::Mark(':')));
    let before = tokens[..at].iter().rev().find_map(mention);
    let after = tokens[at..].iter().find_map(mention);
    match (before, after) {
        (_, Some(true)) => true,
        (Some(before), _) => before && !heads,
        (None, _) => topic && !heads,
    }
}

/// Whether "not" is followed by another type, as in "a city, not a person", which takes nothing back.
fn is_contrast(after: &[Token]) -> bool {
    let is_label = |token: &Token| matches!(token, Token::Label(_));
    let other = match after {
        [Token::Word(article), Token::Word(noun), ..] => {
            has(ARTICLES, article) && !has(ENTITY_WORDS, noun)
        }
        _ => false,
    };
    other || after.iter().take(3).any(is_label)
}

/// Whether a sentence speaks of something that was named before.
fn refers(tokens: &[Token]) -> bool {
    if matches!(tokens, [Token::Label(_), Token::Mark(_), ..]) {
        return false;
    }
    let lists = [PRONOUNS, PRONOUN_IS, OBJECTS, VERBS, TYPE_WORDS];
    let mut tokens = tokens.iter();
    tokens
        .any(|token| matches!(token, Token::Word(word) if lists.iter().any(|list| has(list, word))))
}

/// Whether "not a" or the like stands before a type.
fn is_denied(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().take(2);
    let mut words = before.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(NEGATIONS, word))
}

fn overlap(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    a.contains(&b) || b.contains(&a)
}

fn list(labels: &[String]) -> String {
    let mut labels: Vec<_> = labels.iter().map(|label| format!("{label:?}")).collect();
    labels.sort_unstable();
    labels.dedup();
    labels.join(" and ")
}

#[cfg(test)]
mod tests;
