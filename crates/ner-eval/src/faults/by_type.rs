//! Replies to one question a type, put together to one prediction a sentence.

use std::collections::{BTreeMap, HashMap};

use ner_types::{Entity, is_dropped_label, parse_type_reply, render_answer};

use super::{FaultKind, Line};
use crate::prediction::Prediction;

/// The replies met so far, by set and index of their sentence.
#[derive(Debug, Default)]
pub(super) struct Replies {
    sentences: BTreeMap<(usize, usize), Sentence>,
    n_replies: usize,
    n_unreadable: usize,
}

#[derive(Debug)]
struct Sentence {
    /// All replies together.
    prediction: Prediction,
    entities: Vec<Entity>,
    /// On which line each type's reply stands.
    lines: HashMap<String, usize>,
}

impl Replies {
    /// Whether a sentence has a reply.
    pub(super) fn has(&self, set: usize, index: usize) -> bool {
        self.sentences.contains_key(&(set, index))
    }

    /// Adds the reply for a type.
    pub(super) fn add(
        &mut self,
        set: usize,
        label: String,
        number: usize,
        line: Line,
    ) -> Result<(), FaultKind> {
        let sentence = self.sentences.entry((set, line.index));
        let sentence = sentence.or_insert_with(|| Sentence::new(&line));
        if let Some(&first_line) = sentence.lines.get(&label) {
            return Err(FaultKind::Duplicate {
                dataset: line.dataset,
                index: line.index,
                first_line,
            });
        }
        let texts = parse_type_reply(&line.completion);
        self.n_replies += 1;
        self.n_unreadable += usize::from(texts.is_none());
        sentence.add(&label, texts.unwrap_or_default(), &line);
        sentence.lines.insert(label, number);
        Ok(())
    }

    /// Which types of the schema sentences of a set were not asked for.
    pub(super) fn missing(&self, set: usize, name: &str, schema: &[String]) -> Option<FaultKind> {
        let sentences = self.sentences.range((set, 0)..(set + 1, 0));
        let mut missing = sentences.flat_map(|((_, index), sentence)| {
            let lacks = |label: &&String| !sentence.lines.contains_key(*label);
            schema
                .iter()
                .filter(lacks)
                .map(move |label| (*index, label))
        });
        let (first, label) = missing.next()?;
        Some(FaultKind::MissingTypes {
            dataset: name.into(),
            replies: 1 + missing.count(),
            first,
            label: label.clone(),
        })
    }

    /// How many replies could not be read, if any.
    pub(super) fn note(&self) -> Option<String> {
        let (unreadable, all) = (self.n_unreadable, self.n_replies);
        (unreadable > 0).then(|| {
            format!(
                "{unreadable} of {all} replies are no list of strings and count as empty, as in UniversalNER's \
                 evaluator"
            )
        })
    }

    /// One prediction for each sentence.
    pub(super) fn predictions(self) -> impl Iterator<Item = Prediction> {
        self.sentences.into_values().map(|sentence| Prediction {
            completion: render_answer(&sentence.entities),
            ..sentence.prediction
        })
    }
}

impl Sentence {
    fn new(line: &Line) -> Self {
        Sentence {
            prediction: Prediction {
                dataset: line.dataset.clone(),
                index: line.index,
                completion: String::new(),
                truncated: false,
                tokens: None,
                thought: None,
            },
            entities: Vec::new(),
            lines: HashMap::new(),
        }
    }

    fn add(&mut self, label: &str, texts: Vec<String>, line: &Line) {
        self.prediction.truncated |= line.truncated;
        if let Some(tokens) = line.tokens {
            *self.prediction.tokens.get_or_insert(0) += tokens;
        }
        if !is_dropped_label(label) {
            let entities = texts.into_iter().map(|text| Entity::new(text, label));
            self.entities.extend(entities);
        }
    }
}
