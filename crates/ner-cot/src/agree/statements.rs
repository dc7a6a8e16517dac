//! What a reasoning states, in its order: who has which type, and who is no entity.

use super::lexicon::{
    BE, CONCLUSIONS, CONDITIONS, FILLERS, HEDGES, JOINS, NEGATIONS, NO_ENTITY, OBJECTS, PARTICLES, PLURALS, PRONOUN_IS,
    PRONOUNS, TURNS, TYPE_WORDS, VERBS, YES, has,
};
use super::predicate::{Predicate, is_head, predicate};
use super::tokens::{Place, Sentence, Token};

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
    /// The subject was named in an earlier sentence.
    pub(super) carried: bool,
    /// Sentence and token.
    pub(super) at: (usize, usize),
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
            reader.remember(sentence);
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
            let said = predicate(tokens, end, false).or_else(|| predicate(tokens, after, false));
            let heading = self.heading.clone().filter(|_| at == 0 && sentence.place.bullet);
            let said = said.or_else(|| {
                let positive = vec![heading?];
                Some(Predicate {
                    positive,
                    ..Predicate::default()
                })
            });
            if let Some(said) = said.filter(|_| !is_hedged(tokens, at)) {
                for subject in group {
                    self.state(number, vec![subject], &said, false);
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
                _ => false,
            };
            let opens = at == 0 || matches!(tokens[at - 1], Token::Mark(',' | '|'));
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
                self.state(number, vec![subject], &said, false);
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
            let Some(said) = said.filter(|_| !is_hedged(tokens, at)) else {
                continue;
            };
            let (subjects, carried) = match reference.object {
                Some(object) => (vec![object], false),
                None => self.subjects(tokens, at),
            };
            if reference.plural && !carried {
                for subject in first_group(tokens) {
                    self.state(number, vec![subject], &said, false);
                }
            } else {
                self.state(number, subjects, &said, carried);
            }
        }
    }

    /// `"X" is not an entity`, `"X": none`, `skip it`.
    fn no_entity(&mut self, number: usize, tokens: &[Token]) {
        let starts = |at: usize, phrase: &[&str]| {
            let rest = tokens[at..].iter();
            let same = |(token, word): (&Token, &&str)| matches!(token, Token::Word(w) if w == word);
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
            self.push(Statement {
                subjects,
                no_entity: true,
                carried: named.is_empty(),
                at: (number, at),
                ..Statement::default()
            });
        }
    }

    fn state(&mut self, number: usize, subjects: Vec<String>, said: &Predicate, carried: bool) {
        self.push(Statement {
            subjects,
            positive: said.positive.clone(),
            negative: said.negative.clone(),
            carried,
            at: (number, said.at),
            ..Statement::default()
        });
    }

    fn push(&mut self, statement: Statement) {
        let says = statement.no_entity || !statement.positive.is_empty() || !statement.negative.is_empty();
        if says && !statement.subjects.is_empty() {
            self.found.push(statement);
        }
    }

    /// Puts together what one sentence says of the same subjects: types count more than that it is no entity.
    fn merge(&mut self, from: usize) {
        let mut merged: Vec<Statement> = Vec::new();
        for statement in self.found.drain(from..) {
            let same = merged.iter_mut().find(|other| other.subjects == statement.subjects);
            match same {
                None => merged.push(statement),
                Some(other) => {
                    other.positive.extend(statement.positive);
                    other.negative.extend(statement.negative);
                    other.no_entity = other.no_entity || statement.no_entity;
                    other.at = other.at.max(statement.at);
                }
            }
        }
        for statement in &mut merged {
            statement.no_entity &= statement.positive.is_empty();
        }
        self.found.extend(merged);
    }

    /// Whom a word like "it" at this place means, and whether the sentence itself does not name them.
    fn subjects(&self, tokens: &[Token], at: usize) -> (Vec<String>, bool) {
        let (apart, any) = mentions_before(tokens, at);
        if !apart.is_empty() {
            return (apart, false);
        }
        let mut subjects = self.topic.clone();
        subjects.extend(any.last().cloned());
        subjects.dedup();
        (subjects, any.is_empty())
    }

    fn remember(&mut self, sentence: &Sentence) {
        let tokens = &sentence.tokens;
        let (apart, any) = mentions_before(tokens, tokens.len());
        self.age += 1;
        if !apart.is_empty() {
            (self.topic, self.age) = (apart, 0);
        } else if let Some(last) = any.last() {
            if !self.topic.contains(last) {
                self.topic.push(last.clone());
            }
            self.age = 0;
        } else if self.age > LONGEST_MEMORY {
            self.topic.clear();
        }
    }
}

/// Where a type is said of what was named before.
struct Reference {
    from: usize,
    object: Option<String>,
    plural: bool,
}

fn reference(tokens: &[Token], at: usize) -> Option<Reference> {
    let to = |from| {
        Some(Reference {
            from,
            object: None,
            plural: false,
        })
    };
    let is_be = |at: usize| matches!(tokens.get(at), Some(Token::Word(w)) if has(BE, w));
    match &tokens[at] {
        Token::Word(word) if has(PRONOUN_IS, word) => to(at + 1),
        Token::Word(word) if has(PRONOUNS, word) && (is_be(at + 1) || is_filler(tokens, at + 1) && is_be(at + 2)) => {
            Some(Reference {
                from: at + 1,
                object: None,
                plural: has(PLURALS, word),
            })
        }
        Token::Word(word) if has(TYPE_WORDS, word) => {
            let marked = matches!(tokens.get(at + 1), Some(Token::Mark(':' | '>' | '=')));
            let label = matches!(tokens.get(at + 1), Some(Token::Label(_)));
            (marked || label || is_be(at + 1)).then_some(())?;
            to(at + 1 + usize::from(marked))
        }
        Token::Word(word) if has(VERBS, word) => verb(tokens, at),
        Token::Word(word) if has(CONCLUSIONS, word) => to(at + 1),
        Token::Label(_) if at == 0 => ends(tokens, 1).then_some(()).and_then(|()| to(0)),
        Token::Mark('>' | '=') if at == 0 => to(1),
        Token::Mark(':' | '-' | '>' | '(') => {
            let label = matches!(tokens.get(at + 1), Some(Token::Label(_)));
            (label && ends(tokens, at + 2)).then_some(()).and_then(|()| to(at + 1))
        }
        _ => None,
    }
}

/// `label it as`, `tag "X" as`, `counts as`, `use`.
fn verb(tokens: &[Token], at: usize) -> Option<Reference> {
    let (mut from, mut object) = (at + 1, None);
    match tokens.get(from) {
        Some(Token::Word(word)) if has(OBJECTS, word) => from += 1,
        Some(Token::Mention { text, .. }) => {
            object = Some(text.clone());
            from += 1;
        }
        _ => {}
    }
    if matches!(tokens.get(from), Some(Token::Word(word)) if has(PARTICLES, word)) {
        from += 1;
    }
    Some(Reference {
        from,
        object,
        plural: false,
    })
}

/// Whether a sentence, a bracket or a cell ends here.
fn ends(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at), None | Some(Token::Mark(')' | '|' | '(' | '-')))
}

fn is_filler(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at), Some(Token::Word(word)) if has(FILLERS, word))
}

fn is_pronoun_before(tokens: &[Token], at: usize) -> bool {
    let before = tokens[..at].iter().rev().take(3);
    let mut words = before.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(PRONOUNS, word) || has(PRONOUN_IS, word) || has(OBJECTS, word))
}

/// Mentions that follow each other, and where they end.
fn coordinated(tokens: &[Token], start: usize) -> (Vec<String>, usize) {
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

fn first_group(tokens: &[Token]) -> Vec<String> {
    let first = tokens.iter().position(|token| matches!(token, Token::Mention { .. }));
    first.map_or_else(Vec::new, |at| coordinated(tokens, at).0)
}

/// Behind a bracket that opens here.
fn behind_aside(tokens: &[Token], at: usize) -> usize {
    if tokens.get(at) != Some(&Token::Mark('(')) {
        return at;
    }
    let close = tokens[at..].iter().position(|token| *token == Token::Mark(')'));
    close.map_or(at, |close| at + close + 1)
}

/// The mentions before a place: those that are set apart, and all.
fn mentions_before(tokens: &[Token], at: usize) -> (Vec<String>, Vec<String>) {
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

fn labels(tokens: &[Token]) -> Vec<String> {
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
fn is_condition(tokens: &[Token]) -> bool {
    let first = tokens.iter().take(2);
    let mut words = first.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(CONDITIONS, word))
}

/// Whether a word of doubt stands in the same clause before the place.
fn is_hedged(tokens: &[Token], at: usize) -> bool {
    let clause = tokens[..at].iter().rev().take_while(|token| match token {
        Token::Mark(mark) => !matches!(mark, ',' | '|'),
        Token::Word(word) => !has(TURNS, word) && !has(NEGATIONS, word) || word == "no",
        _ => true,
    });
    let mut words = clause.filter_map(|token| match token {
        Token::Word(word) => Some(word.as_str()),
        _ => None,
    });
    words.any(|word| has(HEDGES, word))
}
