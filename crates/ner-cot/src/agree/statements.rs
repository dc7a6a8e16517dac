//! What a reasoning states, in its order: who has which type, and who is no entity.

use super::evidence::opens_with_pronoun;
use super::lexicon::{ARTICLES, BE, INVERTED, NO_ENTITY, YES, has};
use super::phrases::{
    behind_aside, coordinated, first_group, is_condition, is_hedged, is_pronoun_before, labels,
    mentions_before,
};
use super::predicate::{Predicate, predicate};
use super::reference::{is_denied, object_behind, reference};
use super::token::{Place, Sentence, Token};

/// Sentences without a mention for which a topic is remembered.
const LONGEST_MEMORY: usize = 4;

/// One statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    /// Whom it is about. Several mean that it is about one of them, and not clear about which.
    pub(super) subjects: Vec<String>,
    pub(super) positive: Vec<String>,
    pub(super) negative: Vec<String>,
    /// It says that the subject is no entity.
    pub(super) no_entity: bool,
    /// It gives a type first, and says later that the subject is no entity.
    pub(super) doubted: bool,
    /// Sentence and token.
    pub(super) at: (usize, usize),
}

impl Statement {
    /// Takes over what the same sentence says later: what it gives is no longer denied, and the other way round.
    fn go_on(&mut self, later: Self) {
        self.negative
            .retain(|label| !later.positive.contains(label));
        self.positive
            .retain(|label| !later.negative.contains(label));
        self.positive.extend(later.positive);
        self.negative.extend(later.negative);
        self.no_entity |= later.no_entity;
    }
}

/// All statements of a text.
pub(super) struct Statements {
    pub(super) all: Vec<Statement>,
    /// What each sentence would mean by "it".
    pub(super) topics: Vec<Vec<String>>,
}

impl Statements {
    pub(super) fn read(sentences: &[Sentence]) -> Self {
        let mut reader = Reader::default();
        let mut topics = Vec::with_capacity(sentences.len());
        for (number, sentence) in sentences.iter().enumerate() {
            topics.push(reader.topic.clone());
            reader.sentence(number, sentence, sentences.get(number + 1));
            reader.remember(number, sentence);
        }
        Self {
            all: reader.found,
            topics,
        }
    }
}

#[derive(Default)]
struct Reader {
    found: Vec<Statement>,
    /// What was spoken of last.
    topic: Vec<String>,
    /// Sentences since then.
    age: usize,
    /// The mentions of the last sentences, each with the number of its sentence.
    recent: Vec<(usize, String)>,
    /// The type that stands above the items of a list.
    heading: Option<String>,
    /// What the last sentence asked: of whom, and for which types.
    asked: Option<(Vec<String>, Vec<String>)>,
}

impl Reader {
    fn sentence(&mut self, number: usize, sentence: &Sentence, next: Option<&Sentence>) {
        let asked = self.asked.take();
        let tokens = &sentence.tokens;
        if self.is_heading(sentence, next) {
            return;
        }
        if sentence.question {
            let labels = labels(tokens);
            self.asked = Some((self.subjects(tokens, tokens.len()).0, labels));
            return;
        }
        let found = self.found.len();
        if let (Some((subjects, labels)), Some(Token::Word(first))) = (asked, tokens.first()) {
            self.answer(number, subjects, labels, first);
        }
        if !is_condition(tokens) {
            self.direct(number, sentence);
            self.listed(number, tokens);
            self.referring(number, tokens);
            self.no_entity(number, tokens);
        }
        self.merge(found);
    }

    /// A type alone above the items of a list, or in front of an item of one.
    fn is_heading(&mut self, sentence: &Sentence, next: Option<&Sentence>) -> bool {
        let place: Place = sentence.place;
        if place.opens_line && !place.bullet {
            self.heading = None;
        }
        let tokens = &sentence.tokens;
        let alone = match tokens.as_slice() {
            [Token::Label(label)] | [Token::Label(label), Token::Mark(_)] => Some(label),
            _ => None,
        };
        let is_item = |next: &Sentence| {
            let starts = matches!(next.tokens.first(), Some(Token::Mention { .. }));
            next.place.opens_line && next.place.bullet && starts
        };
        match alone.filter(|_| place.opens_line && next.is_some_and(is_item)) {
            Some(label) if !place.bullet || self.topic.is_empty() => {
                self.heading = Some(label.clone());
                true
            }
            _ => false,
        }
    }

    /// "Yes" and "no" after a question about one type.
    fn answer(&mut self, number: usize, subjects: Vec<String>, labels: Vec<String>, first: &str) {
        let [label] = labels.as_slice() else {
            return;
        };
        let mut statement = Statement {
            subjects,
            at: (number, 0),
            ..Statement::default()
        };
        if has(YES, first) {
            statement.positive.push(label.clone());
        } else if matches!(first, "no" | "nein" | "non" | "não" | "不是") {
            statement.negative.push(label.clone());
        }
        self.push(statement);
    }

    /// `"X" is a city`, `"X" and "Y" are cities`, `X -> city`, and the items below a heading.
    fn direct(&mut self, number: usize, sentence: &Sentence) {
        let tokens = &sentence.tokens;
        let mut at = 0;
        while at < tokens.len() {
            let (group, end) = coordinated(tokens, at);
            if group.is_empty() {
                at += 1;
                continue;
            }
            let after = behind_aside(tokens, end);
            let inverted = at > 0 && matches!(&tokens[at - 1], Token::Word(w) if has(INVERTED, w));
            let said = predicate(tokens, end, inverted).or_else(|| predicate(tokens, after, false));
            let heading = self
                .heading
                .clone()
                .filter(|_| at == 0 && sentence.place.bullet);
            let said = said.or_else(|| {
                let positive = vec![heading?];
                Some(Predicate {
                    positive,
                    ..Predicate::default()
                })
            });
            if let Some(said) = said.filter(|_| !is_hedged(tokens, at)) {
                for subject in group {
                    self.state(number, vec![subject], &said);
                }
            }
            at = end;
        }
    }

    /// `city: "X", "Y"`, and at the beginning `city "X"`.
    fn listed(&mut self, number: usize, tokens: &[Token]) {
        for at in 0..tokens.len() {
            let Token::Label(label) = &tokens[at] else {
                continue;
            };
            let joined = match tokens.get(at + 1) {
                Some(Token::Mark(mark)) => matches!(mark, ':' | '>' | '=' | '-'),
                Some(Token::Word(word)) => has(BE, word) && !is_hedged(tokens, at),
                _ => false,
            };
            let opens = match at.checked_sub(1).map(|before| &tokens[before]) {
                None | Some(Token::Mark(',' | '|')) => true,
                Some(Token::Word(word)) => has(ARTICLES, word),
                _ => false,
            };
            let start = at + 1 + usize::from(joined);
            let apart = matches!(tokens.get(start), Some(Token::Mention { apart: true, .. }));
            if !(joined && opens || at == 0 && apart) {
                continue;
            }
            let said = Predicate {
                positive: vec![label.clone()],
                negative: Vec::new(),
                at,
            };
            for subject in coordinated(tokens, start).0 {
                self.state(number, vec![subject], &said);
            }
        }
    }

    /// `so its type is city`, `it is a city`, `I label it as city`: of what was named before.
    fn referring(&mut self, number: usize, tokens: &[Token]) {
        for at in 0..tokens.len() {
            let Some(reference) = reference(tokens, at) else {
                continue;
            };
            let said = predicate(tokens, reference.from, true);
            // What stands before a colon or a dash is a sentence of its own, which may doubt as it likes.
            let marked = matches!(tokens[at], Token::Mark(_)) && at > 0;
            let denied = is_denied(tokens, at);
            let Some(mut said) = said.filter(|_| marked || denied || !is_hedged(tokens, at)) else {
                continue;
            };
            if denied {
                std::mem::swap(&mut said.positive, &mut said.negative);
            }
            let (subjects, here) = match reference.object.or_else(|| object_behind(tokens, said.at))
            {
                Some(object) => (vec![object], true),
                None => self.subjects(tokens, at),
            };
            if reference.plural && here {
                for subject in first_group(tokens) {
                    self.state(number, vec![subject], &said);
                }
            } else if reference.plural {
                let near = self
                    .recent
                    .iter()
                    .filter(|(place, _)| place + LONGEST_MEMORY >= number);
                let subjects = near.map(|(_, text)| text.clone()).collect();
                self.state(number, subjects, &said);
            } else {
                self.state(number, subjects, &said);
            }
        }
    }

    /// `"X" is not an entity`, `"X": none`, `skip it`.
    fn no_entity(&mut self, number: usize, tokens: &[Token]) {
        let starts = |at: usize, phrase: &[&str]| {
            let rest = tokens[at..].iter();
            let same =
                |(token, word): (&Token, &&str)| matches!(token, Token::Word(w) if w == word);
            rest.len() >= phrase.len() && rest.zip(phrase).all(same)
        };
        for at in 0..tokens.len() {
            let phrase = NO_ENTITY.iter().find(|phrase| starts(at, phrase));
            let Some(phrase) = phrase.filter(|_| !is_hedged(tokens, at)) else {
                continue;
            };
            let (named, _) = mentions_before(tokens, at);
            let pronoun = phrase.contains(&"it") || at == 0 || is_pronoun_before(tokens, at);
            let subjects = match (named.as_slice(), pronoun) {
                ([], true) => self.topic.clone(),
                ([.., last], _) => vec![last.clone()],
                _ => continue,
            };
            // `…: none` and `… -> not an entity` are a verdict, whatever stands before it.
            let verdict = at > 0 && matches!(tokens[at - 1], Token::Mark(':' | '>' | '-' | '='));
            let same = |statement: &&mut Statement| {
                statement.at.0 == number && statement.subjects == subjects
            };
            for statement in self.found.iter_mut().filter(same).filter(|_| verdict) {
                statement.positive.clear();
            }
            self.push(Statement {
                subjects,
                no_entity: true,
                at: (number, at),
                ..Statement::default()
            });
        }
    }

    fn state(&mut self, number: usize, subjects: Vec<String>, said: &Predicate) {
        self.push(Statement {
            subjects,
            positive: said.positive.clone(),
            negative: said.negative.clone(),
            at: (number, said.at),
            ..Statement::default()
        });
    }

    fn push(&mut self, statement: Statement) {
        let says =
            statement.no_entity || !statement.positive.is_empty() || !statement.negative.is_empty();
        if says && !statement.subjects.is_empty() {
            self.found.push(statement);
        }
    }

    /// Puts together what one sentence says of the same subjects: types count more than that it is no entity.
    fn merge(&mut self, from: usize) {
        let mut all: Vec<Statement> = self.found.drain(from..).collect();
        all.sort_by_key(|statement| statement.at);
        let mut merged: Vec<Statement> = Vec::new();
        for statement in all {
            let same = merged
                .iter_mut()
                .find(|other| other.subjects == statement.subjects);
            match same {
                None => merged.push(statement),
                Some(other) => other.go_on(statement),
            }
        }
        for statement in &mut merged {
            statement.doubted = statement.no_entity && !statement.positive.is_empty();
            statement.no_entity &= !statement.doubted;
        }
        self.found.extend(merged);
    }

    /// Whom a word like "it" at this place means, and whether the sentence itself names them.
    fn subjects(&self, tokens: &[Token], at: usize) -> (Vec<String>, bool) {
        let (apart, any) = mentions_before(tokens, at);
        let here = !any.is_empty();
        let mut subjects = apart;
        if subjects.is_empty() || opens_with_pronoun(tokens) {
            subjects.extend(self.topic.iter().cloned());
        }
        if subjects.len() == self.topic.len() {
            subjects.extend(any.last().cloned());
        }
        let mut once: Vec<String> = Vec::with_capacity(subjects.len());
        for subject in subjects {
            if !once.contains(&subject) {
                once.push(subject);
            }
        }
        (once, here)
    }

    fn remember(&mut self, number: usize, sentence: &Sentence) {
        let tokens = &sentence.tokens;
        let (apart, any) = mentions_before(tokens, tokens.len());
        self.recent
            .extend(apart.iter().map(|text| (number, text.clone())));
        self.age += 1;
        if !apart.is_empty() && !opens_with_pronoun(tokens) {
            (self.topic, self.age) = (apart, 0);
        } else if !any.is_empty() {
            for text in apart.iter().chain(any.last()) {
                if !self.topic.contains(text) {
                    self.topic.push(text.clone());
                }
            }
            self.age = 0;
        } else if self.age > LONGEST_MEMORY {
            self.topic.clear();
        }
    }
}
