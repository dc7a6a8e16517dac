//! Which sentence a prediction belongs to: by its identifier, its index, its sentence, or else its line.

use std::collections::{HashMap, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a sentence that a message shows.
const SHOWN: usize = 80;

/// What predictions were matched with sentences by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// The identifier that both sides have.
    Id,
    /// The position of the sentence in its dataset.
    Index,
    /// The sentence itself; white space may differ. A sentence that is there several times is paired in order.
    Sentence,
    /// The order of the lines, as the predictions say nothing else.
    Line,
}

impl fmt::Display for MatchedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MatchedBy::Id => "id",
            MatchedBy::Index => "index",
            MatchedBy::Sentence => "sentence",
            MatchedBy::Line => "line",
        })
    }
}

/// What is known of a sentence, or said by a prediction, that can tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Identifier.
    pub id: Option<&'a str>,
    /// Name of the dataset.
    pub dataset: Option<&'a str>,
    /// Position in the dataset, or in the file where no dataset is named, from 0. Of a prediction only.
    pub index: Option<usize>,
    /// The text.
    pub sentence: Option<&'a str>,
    /// What was asked, where a sentence is asked several things and has an answer to each. Of a prediction only.
    pub question: Option<&'a str>,
}

impl Keys<'_> {
    fn has(&self, by: MatchedBy) -> bool {
        match by {
            MatchedBy::Id => self.id.is_some(),
            MatchedBy::Index => self.index.is_some(),
            MatchedBy::Sentence => self.sentence.is_some(),
            MatchedBy::Line => true,
        }
    }
}

/// The sentences, ready to be found.
#[derive(Debug, Default)]
pub struct Matcher {
    /// Each with its white space squeezed.
    sentences: Vec<String>,
    by_id: HashMap<String, usize>,
    by_dataset: HashMap<String, Vec<usize>>,
    by_sentence: HashMap<String, Vec<usize>>,
    /// Sentences that have been found by their text, with what was asked.
    taken: HashSet<(usize, String)>,
    /// Lines without any other key that were met, by dataset.
    lines: HashMap<String, usize>,
}

impl Matcher {
    /// Takes the sentences in their order.
    ///
    /// # Errors
    ///
    /// The positions of two sentences with one identifier.
    pub fn new<'a>(sentences: impl IntoIterator<Item = Keys<'a>>) -> Result<Matcher, [usize; 2]> {
        let mut matcher = Matcher::default();
        for (at, keys) in sentences.into_iter().enumerate() {
            if let Some(id) = keys.id
                && let Some(first) = matcher.by_id.insert(id.into(), at)
            {
                return Err([first, at]);
            }
            let sentence = squeezed(keys.sentence.unwrap_or_default());
            let of_dataset = matcher
                .by_dataset
                .entry(keys.dataset.unwrap_or_default().into());
            of_dataset.or_default().push(at);
            let of_sentence = matcher.by_sentence.entry(bare(&sentence));
            of_sentence.or_default().push(at);
            matcher.sentences.push(sentence);
        }
        Ok(matcher)
    }

    /// What these predictions can be matched by: the first of identifier, index and sentence that all of them have.
    /// Identifiers must be those of the sentences, and an index must not contradict the sentence beside it.
    pub fn choose(&self, predictions: &[Keys<'_>]) -> MatchedBy {
        let all_have = |by: MatchedBy| predictions.iter().all(|keys| keys.has(by));
        let any_has = |by: MatchedBy| predictions.iter().any(|keys| keys.has(by));
        let modes = [MatchedBy::Id, MatchedBy::Index, MatchedBy::Sentence];
        let is_sound = |by: &MatchedBy| match by {
            MatchedBy::Id => predictions.iter().any(|keys| self.id(keys).is_some()),
            MatchedBy::Index => !predictions.iter().any(|keys| self.contradicts(keys)),
            MatchedBy::Sentence | MatchedBy::Line => true,
        };
        let whole = modes.iter().filter(|by| all_have(**by));
        let sound = whole.clone().find(|by| is_sound(by));
        let any = modes.iter().find(|by| any_has(**by));
        *sound
            .or(whole.clone().next())
            .or(any)
            .unwrap_or(&MatchedBy::Line)
    }

    /// The sentence of a prediction.
    ///
    /// # Errors
    ///
    /// Why there is none, in words that go on after "found": what the prediction says, and what is wrong with it.
    pub fn find(&mut self, by: MatchedBy, keys: &Keys<'_>) -> Result<usize, String> {
        let found = match by {
            _ if !keys.has(by) => Err(format!("no {by}, by which the others are matched")),
            MatchedBy::Id => self.id(keys).ok_or_else(|| self.no_id(keys)),
            MatchedBy::Index => self.index(keys).ok_or_else(|| no_index(keys)),
            MatchedBy::Sentence => return self.sentence(keys),
            MatchedBy::Line => self.line(keys),
        }?;
        match keys.sentence {
            Some(sentence) if bare(sentence) != bare(&self.sentences[found]) => Err(format!(
                "the {by} of another sentence: {} is said here, {} stands there",
                shown(sentence),
                shown(&self.sentences[found])
            )),
            _ => Ok(found),
        }
    }

    fn id(&self, keys: &Keys<'_>) -> Option<usize> {
        self.by_id.get(keys.id?).copied()
    }

    fn no_id(&self, keys: &Keys<'_>) -> String {
        let id = keys.id.unwrap_or_default();
        if self.by_id.is_empty() {
            return format!(
                "the id {id:?}, but the sentences have none; say the sentence, or nothing to be matched by line"
            );
        }
        format!("the id {id:?}, which no sentence has")
    }

    fn index(&self, keys: &Keys<'_>) -> Option<usize> {
        let index = keys.index?;
        match keys.dataset {
            Some(name) => self.dataset(name)?.get(index).copied(),
            None => (index < self.sentences.len()).then_some(index),
        }
    }

    /// Whether the sentence that a prediction says is not the one at its index.
    fn contradicts(&self, keys: &Keys<'_>) -> bool {
        let there = self.index(keys).map(|at| bare(&self.sentences[at]));
        keys.sentence
            .is_some_and(|sentence| there != Some(bare(sentence)))
    }

    /// The first of the sentences of this text that is free.
    fn sentence(&mut self, keys: &Keys<'_>) -> Result<usize, String> {
        let sentence = keys.sentence.unwrap_or_default();
        let all = self.by_sentence.get(&bare(sentence));
        let all =
            all.ok_or_else(|| format!("a sentence that is not there: {}", shown(sentence)))?;
        let of_dataset = keys.dataset.and_then(|name| self.dataset(name));
        let is_meant = |at: &usize| of_dataset.is_none_or(|of| of.binary_search(at).is_ok());
        let question = keys.question.unwrap_or_default();
        let mut meant = all.iter().copied().filter(is_meant);
        let free = meant.find(|at| !self.taken.contains(&(*at, question.into())));
        self.taken.extend(free.map(|at| (at, question.into())));
        free.ok_or_else(|| {
            format!(
                "more predictions than there are sentences {}",
                shown(sentence)
            )
        })
    }

    /// The next sentence of the dataset, or of all.
    fn line(&mut self, keys: &Keys<'_>) -> Result<usize, String> {
        let line = self.lines.entry(keys.dataset.unwrap_or_default().into());
        let line = line.or_insert(0);
        let keys = Keys {
            index: Some(*line),
            ..*keys
        };
        *line += 1;
        self.index(&keys).ok_or_else(|| no_index(&keys))
    }

    /// The sentences of a dataset; all of them if they name none.
    fn dataset(&self, name: &str) -> Option<&Vec<usize>> {
        let unnamed = || {
            self.by_dataset
                .get("")
                .filter(|_| self.by_dataset.len() == 1)
        };
        self.by_dataset.get(name).or_else(unnamed)
    }
}

fn no_index(keys: &Keys<'_>) -> String {
    let index = keys.index.unwrap_or_default();
    match keys.dataset {
        Some(name) => format!("sentence {index} (from 0) of {name:?}, which is not there"),
        None => format!("sentence {index} (from 0), which is not there"),
    }
}

/// A sentence without its white space: a file of columns has a space before each full stop where the text has none.
fn bare(sentence: &str) -> String {
    sentence.split_whitespace().collect()
}

/// A sentence with single spaces, for a message.
fn squeezed(sentence: &str) -> String {
    sentence.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As much of a sentence as a message has room for.
fn shown(sentence: &str) -> String {
    match sentence.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}…", &sentence[..at]),
        None => format!("{sentence:?}"),
    }
}

#[cfg(test)]
mod tests;
